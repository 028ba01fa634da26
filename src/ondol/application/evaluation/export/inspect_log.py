"""Inspect AI's log, version 2, as JSON: `inspect view` and its readers open it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import ondol
from ondol.application.evaluation.export.report import Figure, Report, Results
from ondol.application.evaluation.runs import Kept, Run

VERSION = 2
SAMPLE_IDS_MAX = 100_000


async def inspect_log(report: Report, results: Results) -> AsyncIterator[str]:
    """The log, sample by sample."""
    run = report.run
    completed = sum(report.statuses.values()) - report.statuses["skipped"]
    ids = [kept.result.case_id async for kept in results() if kept.result.repeat == 0]
    head = {
        "version": VERSION,
        "status": "success" if run.state == "finished" else "started" if run.state == "running" else "cancelled",
        "eval": _spec(run, ids[:SAMPLE_IDS_MAX]),
        "plan": {"name": "plan", "steps": [], "config": {}},
        "results": {
            "total_samples": run.total,
            "completed_samples": completed,
            "scores": [_score(figure) for figure in report.figures],
        },
        "stats": {
            "started_at": run.created_at.isoformat(),
            "completed_at": run.ended_at.isoformat() if run.ended_at else "",
            "model_usage": {},
        },
    }
    yield json.dumps(head, ensure_ascii=False)[:-1] + ',"samples":['
    is_first = True
    async for kept in results():
        yield ("" if is_first else ",") + "\n" + json.dumps(_sample(run, kept), ensure_ascii=False)
        is_first = False
    yield "]}\n"


def _spec(run: Run, ids: list[str]) -> dict[str, Any]:
    return {
        "eval_id": run.id.hex,
        "run_id": run.id.hex,
        "created": run.created_at.isoformat(),
        "task": run.suite_name,
        "task_id": run.suite_digest.hex()[:22],
        "task_version": 0,
        "task_attribs": {},
        "task_args": {},
        "dataset": {"name": run.digests.data_name, "samples": run.cases, "sample_ids": ids, "shuffled": False},
        "model": run.digests.target_name,
        "model_args": {},
        "config": {"epochs": run.repeats},
        "packages": {"ondol": ondol.__version__},
        "metadata": {"digests": {"suite": run.digests.suite, "data": run.digests.data, "target": run.digests.target}},
    }


def _score(figure: Figure) -> dict[str, Any]:
    metrics: dict[str, Any] = {}
    if figure.interval is not None:
        values = figure.interval.as_dict()
        for name, part in (("mean", "value"), ("ci_low", "low"), ("ci_high", "high")):
            if values[part] is not None:
                metrics[name] = {"name": name, "value": values[part], "params": {}}
    found = figure.measured
    return {
        "name": figure.metric.name,
        "scorer": figure.metric.type,
        "scored_samples": len(found.values),
        "unscored_samples": found.total - len(found.values),
        "params": {},
        "metrics": metrics,
    }


def _sample(run: Run, kept: Kept) -> dict[str, Any]:
    result, answer = kept.result, kept.result.answer
    model = run.digests.target_name
    reply = {"role": "assistant", "content": answer.text, "source": "generate", "model": model}
    asked = [{"role": turn.role, "content": turn.text} for turn in kept.turns]
    usage = {"input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens}
    usage["total_tokens"] = answer.input_tokens + answer.output_tokens
    sample: dict[str, Any] = {
        "id": result.case_id,
        "epoch": result.repeat + 1,
        "input": asked or "",
        "target": list(kept.expected) or "",
        "messages": [*asked, reply],
        "output": {
            "model": model,
            "choices": [{"message": reply, "stop_reason": "stop" if answer.status == "ok" else "unknown"}],
            "completion": answer.text,
            "usage": usage,
            "time": answer.latency_ms / 1_000,
        },
        "scores": {
            name: {"value": score.value, "answer": answer.text, "explanation": score.reason, "metadata": {"status": score.status}}
            for name, score in result.scores.items()
            if score.value is not None
        },
        "metadata": {
            **result.slices,
            "unscored": {name: {"status": score.status, "reason": score.reason} for name, score in result.scores.items() if score.value is None},
        },
        "store": {},
        "events": [],
        "model_usage": {model: usage},
        "attachments": {},
    }
    if answer.status != "ok":
        told = answer.error or answer.status
        sample["error"] = {"message": told, "traceback": "", "traceback_ansi": ""}
    return sample

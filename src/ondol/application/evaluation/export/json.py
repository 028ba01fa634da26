"""Everything as one JSON document, for programs."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

import msgspec

from ondol.application.evaluation.export.report import Figure, Report, Results
from ondol.application.evaluation.runs import Kept

FORM = 1


async def json_document(report: Report, results: Results) -> AsyncIterator[str]:
    """The document, result by result. There is no NaN in it: what has no value is null."""
    run = report.run
    head = {
        "form": "ondol.evaluation",
        "version": FORM,
        "run": {
            "id": str(run.id),
            "suite": run.suite_name,
            "state": run.state,
            "outcome": run.outcome,
            "reasons": list(run.reasons),
            "cases": run.cases,
            "repeats": run.repeats,
            "created_at": run.created_at.isoformat(),
            "ended_at": run.ended_at.isoformat() if run.ended_at else None,
            "digests": asdict(run.digests),
            "results_digest": run.results_digest.hex() if run.results_digest else None,
        },
        "statuses": dict(report.statuses),
        "metrics": [_figure(figure) for figure in report.figures],
        "slices": [{"slice": name, "value": value, "metrics": [_figure(figure) for figure in part]} for (name, value), part in report.slices.items()],
    }
    yield _dumped(head)[:-1] + ',"results":['
    is_first = True
    async for kept in results():
        yield ("" if is_first else ",") + "\n" + _dumped(_result(kept))
        is_first = False
    yield "]}\n"


def _figure(figure: Figure) -> dict[str, Any]:
    found = figure.measured
    interval = figure.interval.as_dict() if figure.interval is not None else {"value": None, "low": None, "high": None}
    return {
        **asdict(figure.metric),
        **interval,
        **({"corpus": figure.corpus} if figure.corpus is not None else {}),
        "n_ok": len(found.values),
        "n_total": found.total,
        "failures": dict(found.failures),
    }


def _result(kept: Kept) -> dict[str, Any]:
    result = kept.result
    return {
        "case": result.case_id,
        "repeat": result.repeat,
        "cluster": result.cluster,
        "slices": dict(result.slices),
        "erased": kept.is_erased,
        "turns": [asdict(turn) for turn in kept.turns],
        "expected": list(kept.expected),
        "answer": msgspec.to_builtins(result.answer),
        "scores": {name: msgspec.to_builtins(score) for name, score in result.scores.items()},
    }


def _dumped(value: Any) -> str:
    return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value

"""A table for spreadsheets: one line for each result, with a mark at the front by which Korean opens right."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Sequence

from ondol.application.evaluation.export.report import Report, Results
from ondol.application.evaluation.runs import Kept, Metric

CELL_CHARACTERS_MAX = 32_000
"""A spreadsheet's cell holds 32,767."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""With these a cell begins that a spreadsheet would compute, or hand to another program; full-width forms count as well."""
_HEAD = ("case", "repeat", "status", "error", "question", "expected", "answer", "latency_ms", "cost", "currency", "input_tokens", "output_tokens")


async def csv_table(report: Report, results: Results) -> AsyncIterator[str]:
    """The table, line by line."""
    metrics = report.run.metrics
    scores = [f"{metric.name}{part}" for metric in metrics for part in ("", ".status", ".reason")]
    yield "\ufeff" + _line([*_HEAD, "slices", *(plain_cell(name) for name in scores)])
    async for kept in results():
        yield _line(_row(kept, metrics))


def plain_cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    short = text[:CELL_CHARACTERS_MAX].replace("\0", "")
    return f"'{short}" if short.lstrip(" ").startswith(_FORMULA) else short


def _row(kept: Kept, metrics: Sequence[Metric]) -> list[str | int | float]:
    result, answer = kept.result, kept.result.answer
    question = kept.turns[-1].text if kept.turns else ""
    told: list[str | int | float] = [
        plain_cell(result.case_id),
        result.repeat,
        answer.status,
        plain_cell(answer.error),
        plain_cell(question),
        plain_cell(" | ".join(kept.expected)),
        plain_cell(answer.text),
        round(answer.latency_ms, 3),
        answer.cost_nano / 1e9,
        plain_cell(answer.currency),
        answer.input_tokens,
        answer.output_tokens,
        plain_cell(json.dumps(dict(result.slices), ensure_ascii=False) if result.slices else ""),
    ]
    for metric in metrics:
        score = result.scores.get(metric.name)
        value = score.value if score is not None and score.value is not None else ""
        told += [value, score.status if score is not None else "", plain_cell(score.reason if score is not None else "")]
    return told


def _line(cells: Sequence[str | int | float]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()

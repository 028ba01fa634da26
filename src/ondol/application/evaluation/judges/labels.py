"""Answers that people have rated, in a file, and a judge's ratings beside theirs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ondol.application.evaluation.judges.calibration import Labelled
from ondol.application.evaluation.scorers.base import Scorer
from ondol.application.evaluation.types import Answer, Case, Turn
from ondol.core.errors import UserError

ROWS_MAX = 50_000
FILE_BYTES_MAX = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rated:
    """An answer with what people gave it."""

    case: Case
    answer: Answer
    human: float


def read_rated(file: Path) -> list[Rated]:
    """Rows of JSONL: `question`, `answer`, `human`, and perhaps `id`, `expected`, `facts`, `language`, `cluster`.

    Raises:
        UserError: when it cannot be read; it names row and field.
    """
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise UserError(f"{file} has more than {FILE_BYTES_MAX:,} bytes.", "Give a part of it.")
        rows = [json.loads(line) for line in file.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file} cannot be read: {error}.", "Give JSONL in UTF-8.") from error
    if not 0 < len(rows) <= ROWS_MAX:
        raise UserError(f"{file} has {len(rows):,} rows; 1 to {ROWS_MAX:,} are read.", "Each has `question`, `answer` and `human`.")
    return [_rated(row, number, f"{file}: row {number}") for number, row in enumerate(rows, 1)]


async def rate_all(
    scorer: Scorer, rated: Sequence[Rated], *, concurrency: int = 8, progress: Callable[[int, int], None] = lambda done, total: None
) -> tuple[list[Labelled], int]:
    """The judge's ratings beside the people's, and on how many answers it had none."""
    room, done = asyncio.Semaphore(concurrency), 0

    async def one(row: Rated) -> Labelled | None:
        nonlocal done
        async with room:
            score = await scorer.score(row.case, row.answer)
        done += 1
        progress(done, len(rated))
        return None if score.value is None else Labelled(row.case.id, score.value, row.human, row.case.cluster)

    found = [labelled for labelled in await asyncio.gather(*map(one, rated)) if labelled is not None]
    return found, len(rated) - len(found)


def _rated(row: Any, number: int, where: str) -> Rated:
    if not isinstance(row, dict):
        raise UserError(f"{where} is no object.", "Each has `question`, `answer` and `human`.")
    human, expected, facts = row.get("human"), row.get("expected", []), row.get("facts", {})
    if isinstance(human, bool) or not isinstance(human, int | float):
        raise UserError(f"{where}: `human` is no number.", "It is what people gave the answer, on the judge's own scale.")
    if not isinstance(expected, list) or not all(isinstance(text, str) for text in expected):
        raise UserError(f"{where}: `expected` is no list of texts.", "Leave it out where there is none.")
    if not isinstance(facts, dict):
        raise UserError(f"{where}: `facts` is no object.", "Leave it out where there is none.")
    for field in ("question", "answer"):
        if not isinstance(row.get(field), str) or not row[field].strip():
            raise UserError(f"{where}: `{field}` is no text.", "Each row has `question`, `answer` and `human`.")
    slices = {"language": row["language"]} if row.get("language") in ("ko", "en") else {}
    name = str(row.get("id") or number)
    turns = (Turn("user", row["question"]),)
    case = Case(id=name, turns=turns, expected=tuple(expected), facts=facts, slices=slices, cluster=str(row.get("cluster") or name))
    return Rated(case, Answer(text=row["answer"]), float(human))

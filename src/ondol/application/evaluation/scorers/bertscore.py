"""`bertscore`: likeness of meaning by the vectors of tokens (Zhang et al. 2020), from a model in a folder of this installation."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from ondol.application.evaluation.scorers.base import Scorer, Tools, skipped
from ondol.application.evaluation.scorers.reference import NOTHING_EXPECTED, too_long
from ondol.application.evaluation.scorers.rouge import Overlap
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.types import Answer, Better, Case, Score, Unit
from ondol.core.errors import OndolError
from ondol.infrastructure.serving.local import LocalModels
from ondol.infrastructure.serving.local.session import LocalSession

WEIGHING_BYTES_MAX = 16 << 20
WEIGHING_LINES_MAX = 20_000
ROWS_AT_ONCE = 512
"""Rows of the table of likeness that are held at a time."""


@dataclass(frozen=True, slots=True)
class Weighing:
    """What tokens weigh: -log((n + 1) / (m + 1)) where m of n texts hold it inverted, as the paper's code does; 1 without texts to count."""

    texts: int = 0
    held_by: Mapping[int, int] | None = None

    def of(self, ids: Sequence[int]) -> NDArray[numpy.float64]:
        """The weights of tokens; they add up to 1."""
        if self.held_by is None:
            weights = numpy.ones(len(ids))
        else:
            weights = numpy.array([math.log((self.texts + 1) / (self.held_by.get(token, 0) + 1)) for token in ids])
        total = weights.sum()
        made: NDArray[numpy.float64] = weights / total if total > 0 else numpy.full(len(ids), 1 / len(ids))
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Bertscore:
    """See `load_bertscore`."""

    name: str
    session: LocalSession
    weighing: Weighing
    baseline: float
    version: str
    unit: Unit = "share"
    better: Better = "higher"
    is_hard_zero: bool = False

    async def score(self, case: Case, answer: Answer) -> Score:
        """F1 with the best expected answer."""
        if not case.expected:
            return skipped(NOTHING_EXPECTED)
        if refused := too_long(answer):
            return refused
        try:
            found = [await asyncio.to_thread(self._compared, answer.text, expected) for expected in case.expected]
        except OndolError as error:
            return Score(value=None, status="scorer_error", reason=error.message)
        best = max(range(len(found)), key=lambda place: found[place].f1)
        value = min(1.0, max(0.0, (found[best].f1 - self.baseline) / (1 - self.baseline)))
        return Score(value=value, details={"precision": found[best].precision, "recall": found[best].recall, "expected": best})

    def _compared(self, answer: str, expected: str) -> Overlap:
        own_ids, own = self.session.run_tokens(answer)
        ids, vectors = self.session.run_tokens(expected)
        if not own_ids or not ids:
            return Overlap(1.0, 1.0) if not own_ids and not ids else Overlap(0.0, 0.0)
        own, vectors = _units(own), _units(vectors)
        return Overlap(float(_nearest(own, vectors) @ self.weighing.of(own_ids)), float(_nearest(vectors, own) @ self.weighing.of(ids)))


def load_bertscore(name: str, settings: Mapping[str, Any], tools: Tools) -> Scorer:
    """Each token of one text is matched with the nearest of the other, by the cosine of their vectors.

    Precision is the weighted mean over the answer's tokens, recall over the expected ones, the value their harmonic mean, kept within 0 and 1. What
    a tokenizer adds at the ends is left out; what a model does not read of a long text is not compared.
    Settings: `model` (a folder with `model.onnx` and `tokenizer.json`), `idf_file` (a text file with one text in each line, by which rare tokens
    count more; without it all count the same), `baseline` (0: the value of unrelated texts, which becomes 0).

    Raises:
        RequestError: for a setting or a file that is not understood, or without the extra `local`.
    """
    told = Settings(name, settings)
    model, idf_file = told.text("model"), told.text("idf_file") if "idf_file" in settings else None
    baseline = told.number("baseline", 0, least=0, most=0.99)
    told.close()
    if tools.folder is None:
        raise told.wrong("model", "cannot be used: there is no folder with local models here")
    session = LocalModels(tools.folder).get(model)
    weighing = Weighing()
    if idf_file is not None:
        lines = _lines_of(tools.folder, idf_file, told)
        held_by = Counter(token for line in lines for token in set(session.run_tokens(line)[0]))
        weighing = Weighing(len(lines), held_by)
    return Bertscore(name=name, session=session, weighing=weighing, baseline=baseline, version=f"1+{session.digest}")


def _lines_of(folder: Path, file: str, told: Settings) -> list[str]:
    path = (folder / file).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file() or path.stat().st_size > WEIGHING_BYTES_MAX:
        raise told.wrong("idf_file", f"is a file below the suite's folder, of at most {WEIGHING_BYTES_MAX >> 20} MiB")
    try:
        lines = [line for line in path.read_text("utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise told.wrong("idf_file", "is a text file in UTF-8") from None
    if not 0 < len(lines) <= WEIGHING_LINES_MAX:
        raise told.wrong("idf_file", f"has 1 to {WEIGHING_LINES_MAX:,} lines")
    return lines


def _units(vectors: NDArray[numpy.float32]) -> NDArray[numpy.float32]:
    lengths = numpy.linalg.norm(vectors, axis=1, keepdims=True)
    return numpy.asarray(vectors / numpy.where(lengths > 0, lengths, 1), numpy.float32)


def _nearest(these: NDArray[numpy.float32], others: NDArray[numpy.float32]) -> NDArray[numpy.float64]:
    """Of each of these, the greatest cosine with any of the others."""
    parts = [(these[start : start + ROWS_AT_ONCE] @ others.T).max(axis=1) for start in range(0, len(these), ROWS_AT_ONCE)]
    return numpy.concatenate(parts).astype(numpy.float64)

"""Fit the coefficients of the extractive model and print them: `python -m scripts.fit_extractive [--seed N] [--folds K] [--only FIGURE ...]`.

What is fitted on: the demo's golden questions with those that it must refuse, the questions of `benchmarks/answers/questions.toml` with
theirs, a sample of KorQuAD other than the one that the benchmark asks, and questions put to documents about something else, which are to be
refused. First it fits K times without one part of the golden and ordinary questions and reports on that part, then once on all; the tables
printed last are of that fit. Nothing is kept: the installation that it asks lies in a temporary folder.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
from numpy.typing import NDArray

from benchmarks.answers.base import DEMO, REAL, Base, open_base
from benchmarks.answers.questions import Question, golden, korquad, ordinary
from ondol.application.assistant import extractive
from ondol.application.assistant.evidence import find_evidence
from ondol.application.assistant.extractive import ANSWERS, answer_figures, choose, scores_of
from ondol.application.assistant.measure import FIGURES, Candidate, measure
from ondol.application.assistant.question import Asked, understand

KORQUAD_COUNT = 600
KORQUAD_ASKED_COUNT = 200
"""The benchmark asks the first of the shuffled questions, which are left out here."""
FOREIGN_COUNT = 100

GOLDEN_WEIGHT = 0.5
ORDINARY_WEIGHT = 0.7
KORQUAD_WEIGHT = 0.15
FOREIGN_WEIGHT = 0.3
REFUSED_WEIGHT = 1.5
"""What a question counts; one that must be refused counts so much more, as there are few."""
PARTIAL_SHARE = 0.3
"""What a unit counts that holds a part of what the best one holds."""
UNIT_PENALTY = 0.001
ANSWER_PENALTY = 0.01

Vector = NDArray[numpy.float64]


@dataclass
class Row:
    """A question with all that may be quoted, and how right each quote would be."""

    question: Question
    asked: Asked
    candidates: list[Candidate]
    figures: Vector
    rightness: Vector
    weight: float


async def read_rows(base: Base) -> list[Row]:
    """Ask the search for every question, and measure what it found."""
    asked = [(question, GOLDEN_WEIGHT if question.part.startswith("golden") else ORDINARY_WEIGHT) for question in golden() + ordinary()]
    asked = [(question, weight * (1.0 if question.answerable else REFUSED_WEIGHT)) for question, weight in asked]
    sample = korquad(KORQUAD_ASKED_COUNT + KORQUAD_COUNT)[KORQUAD_ASKED_COUNT:]
    asked += [(question, KORQUAD_WEIGHT) for question in sample]
    asked += [(question, FOREIGN_WEIGHT) for question in _foreign(sample)]
    return [await _read(base, question, weight) for question, weight in asked]


def _foreign(sample: Sequence[Question]) -> list[Question]:
    """Questions put to documents about something else."""
    hosting = [question.text for question in golden() if question.answerable]
    random.Random(1).shuffle(hosting)  # noqa: S311 - a sample, not a secret
    real = [question.text for question in ordinary() if question.answerable]
    put = [(text, REAL) for text in hosting[:FOREIGN_COUNT]] + [(text, DEMO) for text in real]
    put += [(question.text, DEMO) for question in sample[:FOREIGN_COUNT]]
    return [Question("foreign", "ko" if any("가" <= char <= "힣" for char in text) else "en", text, (), assistant=assistant, answerable=False)
            for text, assistant in put]  # fmt: skip


async def _read(base: Base, question: Question, weight: float) -> Row:
    room = base.room
    person, assistant = base.people[question.asker], base.assistants[question.assistant]
    found = await find_evidence(room.knowledge, room.states, base.tenant_id, person, assistant.base_id, question.text)
    asked = understand(question.text, found.term_weights)
    candidates = measure(asked, found.evidence) if any(asked.shares) else []
    paths = [evidence.version.details.path for evidence in found.evidence]
    rightness = numpy.array([_rightness(question, candidate, paths) for candidate in candidates])
    return Row(question, asked, candidates, numpy.array([candidate.figures for candidate in candidates]), rightness, weight)


def _rightness(question: Question, candidate: Candidate, paths: Sequence[str]) -> float:
    """The share of the accepted groups that a quote holds; 0 if it holds what it must not, or comes from a wrong page."""
    text = candidate.text.casefold()
    path = paths[candidate.source]
    if not question.answerable or any(words in candidate.text for words in question.reject):
        return 0.0
    if question.paths and not any(wanted in path for wanted in question.paths):
        return 0.0
    return sum(any(spelling.casefold() in text for spelling in group) for group in question.accept) / len(question.accept)


def fit(rows: Sequence[Row], only: Collection[str] = ()) -> tuple[dict[str, float], dict[str, float]]:
    """The two tables.

    Args:
        only: the figures whose coefficients are fitted, all others staying as they are in force; by default everything is fitted.
    """
    units = _fit_units([row for row in rows if len(row.rightness) and row.rightness.max() > 0], only)
    return units, dict(extractive.ANSWERS) if only else _fit_answers(rows, units)


def _fit_units(rows: Sequence[Row], only: Collection[str]) -> dict[str, float]:
    """Softmax regression over the units of each question: the right ones together are to have the highest probability."""
    fitted = numpy.array([float(not only or figure in only) for figure in FIGURES])
    start = (1.0 - fitted) * numpy.array([extractive.FIT.get(figure, 0.0) for figure in FIGURES])
    targets = [numpy.where(row.rightness < row.rightness.max(), row.rightness * PARTIAL_SHARE, row.rightness) for row in rows]
    total = sum(row.weight for row in rows)

    def gradient(weights: Vector) -> Vector:
        slope = UNIT_PENALTY * weights
        for row, target in zip(rows, targets, strict=True):
            scores = row.figures @ weights
            likely = numpy.exp(scores - scores.max())
            likely /= likely.sum()
            wanted = target * likely
            slope = slope - row.weight / total * (row.figures.T @ (wanted / wanted.sum() - likely))
        held: Vector = slope * fitted
        return held

    return dict(zip(FIGURES, (round(float(weight), 2) for weight in _descend(gradient, start, 400, 0.1)), strict=True))


def _fit_answers(rows: Sequence[Row], units: Mapping[str, float]) -> dict[str, float]:
    """Logistic regression on the best unit of each question: whether the documents hold the answer."""
    figures, held, weights = [], [], []
    for row in rows:
        if not row.candidates:
            continue
        scores = scores_of(row.candidates, units)
        best = max(range(len(scores)), key=lambda place: (scores[place], -place))
        figures.append(list(answer_figures(row.asked, row.candidates, best, scores[best]).values()))
        held.append(float(row.question.answerable))
        right = not row.question.answerable or _is_right(row, scores, best)
        weights.append(row.weight * (1.0 if right else 0.4))
    table, wanted, counts = numpy.array(figures), numpy.array(held), numpy.array(weights)
    mean, spread = table.mean(0), table.std(0)
    spread[spread < 1e-9] = 1.0
    mean[-1], spread[-1] = 0.0, 1.0
    scaled = (table - mean) / spread

    def gradient(slopes: Vector) -> Vector:
        likely = 1 / (1 + numpy.exp(-scaled @ slopes))
        slope: Vector = scaled.T @ (counts * (likely - wanted)) / counts.sum() + ANSWER_PENALTY * numpy.append(slopes[:-1], 0.0)
        return slope

    slopes = _descend(gradient, numpy.zeros(len(mean)), 800, 0.05)
    raw = slopes / spread
    raw[-1] = slopes[-1] - raw[:-1] @ mean[:-1]
    return dict(zip(ANSWERS, (round(float(slope), 2) for slope in raw), strict=True))


def _descend(gradient: Callable[[Vector], Vector], start: Vector, steps: int, rate: float) -> Vector:
    """Adam, with every row in every step."""
    weights, mean, square = start, numpy.zeros_like(start), numpy.zeros_like(start)
    for step in range(1, steps + 1):
        slope = gradient(weights)
        mean = 0.9 * mean + 0.1 * slope
        square = 0.99 * square + 0.01 * slope * slope
        weights = weights - rate * (mean / (1 - 0.9**step)) / (numpy.sqrt(square / (1 - 0.99**step)) + 1e-8)
    return weights


def _is_right(row: Row, scores: Sequence[float], best: int) -> bool:
    chosen = choose(row.asked, row.candidates, scores, best)
    text = " ".join(candidate.text for candidate in chosen)
    folded = text.casefold()
    accepted = all(any(spelling.casefold() in folded for spelling in group) for group in row.question.accept)
    return accepted and not any(words in text for words in row.question.reject)


def outcome(row: Row, units: Mapping[str, float], answers: Mapping[str, float]) -> str:
    """`right`, `wrong` or `refused`."""
    if not row.candidates:
        return "refused"
    scores = scores_of(row.candidates, units)
    best = max(range(len(scores)), key=lambda place: (scores[place], -place))
    if extractive.probability_of(row.asked, row.candidates, best, scores[best], answers) < extractive.ANSWERED_MIN:
        return "refused"
    return "right" if row.question.answerable and _is_right(row, scores, best) else "wrong"


def report(outcomes: Iterable[tuple[Row, str]]) -> None:
    """By part and language: how many were right, refused and wrong."""
    table: dict[tuple[str, str], list[str]] = {}
    for row, what in outcomes:
        part = row.question.part.replace("newest", "answerable")
        table.setdefault((part, row.question.language), []).append(what)
    for (part, language), found in sorted(table.items()):
        counts = "  ".join(f"{what} {found.count(what) / len(found):.3f}" for what in ("right", "refused", "wrong"))
        print(f"  {part:24} {language}  n {len(found):4}  {counts}")


def main() -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=11, help="decides which questions are held out together")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--only", nargs="*", choices=FIGURES, default=[], help="fit these coefficients and leave the others as they are in force")
    parser.add_argument("--data-dir", type=Path, help="an installation made by an earlier run, or a folder for a new one that is kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ondol-fit-") as temporary:
        Path(temporary).chmod(0o711)
        rows = asyncio.run(_rows(options.data_dir or Path(temporary, "data")))
    folds = {row.question.text: 0 for row in rows if row.question.part.startswith(("golden", "ordinary"))}
    order = sorted(folds)
    random.Random(options.seed).shuffle(order)  # noqa: S311 - a partition, not a secret
    folds = {text: number % options.folds for number, text in enumerate(order)}
    held_out: list[tuple[Row, str]] = []
    for fold in range(options.folds):
        units, answers = fit([row for row in rows if folds.get(row.question.text) != fold], options.only)
        held_out += [(row, outcome(row, units, answers)) for row in rows if folds.get(row.question.text) == fold]
    print(f"held out, in {options.folds} parts (seed {options.seed}):")
    report(held_out)
    units, answers = fit(rows, options.only)
    print("fitted on all:")
    report((row, outcome(row, units, answers)) for row in rows)
    for name, table in (("FIT", units), ("ANSWERS", answers)):
        print(f"{name}: Mapping[str, float] = {{")
        print("".join(f'    "{figure}": {value},\n' for figure, value in table.items()) + "}")


async def _rows(folder: Path) -> list[Row]:
    async with open_base(folder) as base:
        return await read_rows(base)


if __name__ == "__main__":
    main()

"""`rouge_1`, `rouge_2`, `rouge_l`, `rouge_lsum`: overlap with an expected text (Lin 2004), equal to the `rouge_score` package on English.

That package sees only `a` to `z` and digits, so that two equal Korean texts score 0 in it: here every script has words, and Korean is cut into
morphemes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy
from numpy.typing import NDArray

from ondol.application.evaluation.scorers.base import Loader, Rule, Scorer, Tools, skipped
from ondol.application.evaluation.scorers.reference import NOTHING_EXPECTED, too_long
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.scorers.tokens import CHOICES, by_of, cut_by, version_of
from ondol.application.evaluation.types import Answer, Case, Score

Kind: TypeAlias = Literal["rouge_1", "rouge_2", "rouge_l", "rouge_lsum"]
Cut: TypeAlias = Callable[[str], list[str]]

TOKENS_MAX = 20_000
"""Of a text; for `rouge_lsum`, which keeps a table, `SUMMARY_TOKENS_MAX`."""
SUMMARY_TOKENS_MAX = 4_000
SUMMARY_LINES_MAX = 200
"""Each line of one text is compared with each of the other."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """What two texts share: of the answer's tokens, of the expected ones, and the harmonic mean of both."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """The harmonic mean; 0 where both are."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total > 0 else 0.0


class TooManyTokens(Exception):
    """A text has more tokens or lines than are compared."""


def load(kind: Kind) -> Loader:
    """The loader of one kind.

    Its scorer's value is F1 with the best expected answer; precision and recall are in the details. `rouge_1` and `rouge_2` count shared words and
    pairs of neighbours, `rouge_l` the longest common subsequence, `rouge_lsum` the union of these over the lines of both texts.
    Settings: `by` (`auto`: morphemes for Korean, words else; or `words`, `characters`, `morphemes`).
    """

    def loaded(name: str, settings: Mapping[str, Any], _tools: Tools) -> Scorer:
        told = Settings(name, settings)
        by = by_of(told.choice("by", "auto", CHOICES))
        told.close()

        def of(case: Case, answer: Answer) -> Score:
            if not case.expected:
                return skipped(NOTHING_EXPECTED)
            if refused := too_long(answer):
                return refused
            try:
                found = [overlap(kind, answer.text, expected, cut_by(by, case, expected)) for expected in case.expected]
            except TooManyTokens:
                return Score(value=None, status="scorer_error", reason="the answer, or an expected one, has more tokens or lines than are compared")
            best = max(range(len(found)), key=lambda place: found[place].f1)
            details = {"precision": found[best].precision, "recall": found[best].recall, "expected": best}
            return Score(value=found[best].f1, details=details)

        return Rule(name=name, of=of, version=version_of(by))

    return loaded


def overlap(kind: Kind, answer: str, expected: str, cut: Cut) -> Overlap:
    """What an answer and an expected text share.

    Raises:
        TooManyTokens: when one of them has more than are compared.
    """
    if kind == "rouge_lsum":
        return _of_lines(_lines(answer, cut), _lines(expected, cut))
    found, wanted = cut(answer), cut(expected)
    if max(len(found), len(wanted)) > TOKENS_MAX:
        raise TooManyTokens
    if kind == "rouge_l":
        common = common_length(found, wanted)
        return Overlap(common / len(found), common / len(wanted)) if common else Overlap(0.0, 0.0)
    return _of_grams(found, wanted, 1 if kind == "rouge_1" else 2)


def common_length(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest common subsequence, a machine word of columns at a time (Hyyrö 2004): a column is a bit of a whole number."""
    places: dict[str, int] = {}
    for place, token in enumerate(second):
        places[token] = places.get(token, 0) | 1 << place
    mask = (1 << len(second)) - 1
    open_columns = mask
    for token in first:
        matched = open_columns & places.get(token, 0)
        open_columns = ((open_columns + matched) | (open_columns - matched)) & mask
    return len(second) - open_columns.bit_count()


def _of_grams(found: Sequence[str], wanted: Sequence[str], length: int) -> Overlap:
    mine, theirs = _grams(found, length), _grams(wanted, length)
    shared = (mine & theirs).total()
    return Overlap(shared / max(mine.total(), 1), shared / max(theirs.total(), 1))


def _grams(tokens: Sequence[str], length: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(tokens[start:] for start in range(length)), strict=False))


def _lines(text: str, cut: Cut) -> list[list[str]]:
    lines = [cut(line) for line in text.split("\n", SUMMARY_LINES_MAX + 1) if line]
    if sum(map(len, lines)) > SUMMARY_TOKENS_MAX or len(lines) > SUMMARY_LINES_MAX:
        raise TooManyTokens
    return lines


def _of_lines(found: Sequence[Sequence[str]], wanted: Sequence[Sequence[str]]) -> Overlap:
    """Of each expected line, what is in its common subsequence with any line of the answer; no token counts more often than either text has it."""
    found_total, wanted_total = sum(map(len, found)), sum(map(len, wanted))
    if not found_total or not wanted_total:
        return Overlap(0.0, 0.0)
    left = Counter(token for line in found for token in line) & Counter(token for line in wanted for token in line)
    hits = 0
    for line in wanted:
        for place in sorted(set[int]().union(*(_common_places(line, other) for other in found))):
            if left[line[place]] > 0:
                left[line[place]] -= 1
                hits += 1
    return Overlap(hits / found_total, hits / wanted_total)


def _common_places(line: Sequence[str], other: Sequence[str]) -> list[int]:
    """Where in a line one of its longest common subsequences with another lies: walking back from both ends, the line is left first on a tie."""
    table = _table(line, other)
    places = []
    row, column = len(line), len(other)
    while row and column:
        if line[row - 1] == other[column - 1]:
            row, column = row - 1, column - 1
            places.append(row)
        elif table[row, column - 1] > table[row - 1, column]:
            column -= 1
        else:
            row -= 1
    return places


def _table(line: Sequence[str], other: Sequence[str]) -> NDArray[numpy.int16]:
    """Lengths of the common subsequences of all beginnings: [tokens of line + 1, tokens of other + 1]."""
    ids: dict[str, int] = {}
    codes = numpy.array([ids.setdefault(token, len(ids)) for token in other], numpy.int32)
    table = numpy.zeros((len(line) + 1, len(other) + 1), numpy.int16)
    for row, token in enumerate(line, 1):
        above = table[row - 1]
        taken = numpy.where(codes == ids.get(token, -1), above[:-1] + 1, 0)
        numpy.maximum.accumulate(numpy.maximum(above[1:], taken), out=table[row, 1:])
    return table

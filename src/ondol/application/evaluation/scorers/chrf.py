"""`chrf`: shared n-grams of characters (Popović 2015), with `word_order: 2` chrF++ (2017), equal to sacrebleu: fit for Korean, whose words change."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ondol.application.evaluation.scorers.base import Rule, Scorer, Tools, skipped
from ondol.application.evaluation.scorers.reference import NOTHING_EXPECTED, too_long
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.types import Answer, Case, Score

CHARACTER_ORDER = 6
BETA = 2
"""Recall counts so much more than precision."""


def load_chrf(name: str, settings: Mapping[str, Any], _tools: Tools) -> Scorer:
    """The F score, 0 to 1, of the mean precision and the mean recall over n-grams of 1 to 6 characters, white space left out; of several expected
    texts the best. `corpus_chrf` makes one figure of many answers from `statistics` in the details.

    Settings: `word_order` (0; 2 is chrF++: pairs of words count too).
    """
    told = Settings(name, settings)
    word_order = told.whole("word_order", 0, least=0, most=2)
    told.close()

    def of(case: Case, answer: Answer) -> Score:
        if not case.expected:
            return skipped(NOTHING_EXPECTED)
        if refused := too_long(answer):
            return refused
        found = [counted(answer.text, expected, word_order) for expected in case.expected]
        values = [chrf_of(statistics) for statistics in found]
        best = max(range(len(values)), key=values.__getitem__)
        return Score(value=values[best] / 100, details={"statistics": found[best], "expected": best})

    return Rule(name=name, of=of)


def corpus_chrf(scores: Iterable[Score]) -> float:
    """chrF of many answers together, 0 to 1, of the scores that `chrf` gave to each; those without a value are left out."""
    totals = [sum(column) for column in zip(*(score.details["statistics"] for score in scores if score.value is not None), strict=True)]
    return chrf_of(totals) / 100 if totals else 0.0


def counted(answer: str, expected: str, word_order: int) -> list[int]:
    """For each order the answer's n-grams, the expected ones and those that both have; the answer's do not count where none is expected."""
    statistics: list[int] = []
    mine, theirs = "".join(answer.split()), "".join(expected.split())
    for order in range(1, CHARACTER_ORDER + 1):
        statistics += _compared(_grams(mine, order), _grams(theirs, order))
    own_words, expected_words = (_words(answer), _words(expected)) if word_order else ([], [])
    for order in range(1, word_order + 1):
        statistics += _compared(_grams(own_words, order), _grams(expected_words, order))
    return statistics


def chrf_of(statistics: Sequence[int]) -> float:
    """chrF of what `counted` gave, or of sums of it, 0 to 100 as sacrebleu has it. Orders that one of the texts is too short for are left out."""
    precision = recall = 0.0
    orders = 0
    for own, expected, shared in zip(statistics[::3], statistics[1::3], statistics[2::3], strict=True):
        if own > 0 and expected > 0:
            precision, recall, orders = precision + shared / own, recall + shared / expected, orders + 1
    if not precision + recall:
        return 0.0
    precision, recall = precision / orders, recall / orders
    weight = BETA**2
    score = (1 + weight) * precision * recall
    score /= (weight * precision) + recall
    return 100 * score


def _compared(mine: Counter[Any], theirs: Counter[Any]) -> tuple[int, int, int]:
    return (mine.total() if theirs else 0, theirs.total(), (mine & theirs).total())


def _grams(tokens: Sequence[str], order: int) -> Counter[Any]:
    return Counter(tuple(tokens[start : start + order]) for start in range(len(tokens) - order + 1))


def _words(text: str) -> list[str]:
    """Words, one sign of punctuation at their end, or else at their beginning, apart."""
    words: list[str] = []
    for word in text.split():
        if len(word) > 1 and word[-1] in string.punctuation:
            words += [word[:-1], word[-1]]
        elif len(word) > 1 and word[0] in string.punctuation:
            words += [word[0], word[1:]]
        else:
            words.append(word)
    return words

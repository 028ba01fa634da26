"""Scores of an answer against the expected ones: the best of them counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ondol.application.evaluation.scorers.base import skipped
from ondol.application.evaluation.types import Answer, Case, Score

ANSWER_CHARACTERS_MAX = 100_000
"""A longer answer is not compared, and counted as such."""

NOTHING_EXPECTED = "the case says no expected answer"


def too_long(answer: Answer) -> Score | None:
    """The score of an answer that is longer than is looked at."""
    if len(answer.text) <= ANSWER_CHARACTERS_MAX:
        return None
    return Score(value=None, status="scorer_error", reason=f"the answer is longer than {ANSWER_CHARACTERS_MAX:,} characters")


def best_of(measure: Callable[[str, str], float]) -> Callable[[Case, Answer], Score]:
    """The highest of an answer's values against each expected answer.

    Args:
        measure: the value of (answer, expected).
    """
    return best_of_cases(lambda _case: measure)


def best_of_cases(measure_of: Callable[[Case], Callable[[str, str], float]]) -> Callable[[Case, Answer], Score]:
    """The same where the measure depends on the case."""

    def score(case: Case, answer: Answer) -> Score:
        if not case.expected:
            return skipped(NOTHING_EXPECTED)
        if refused := too_long(answer):
            return refused
        measure = measure_of(case)
        values = [measure(answer.text, expected) for expected in case.expected]
        best = max(range(len(values)), key=values.__getitem__)
        return Score(value=float(values[best]), details={"expected": best})

    return score


def bad_fact(case: Case, field: str, what: str) -> Score:
    """The score of a case whose fact is not what it should be."""
    return Score(value=None, status="scorer_error", reason=f"`facts.{field}` of the case {case.id[:100]} {what}")


def text_fact(facts: Mapping[str, Any], field: str) -> str | None:
    """A fact that is a text; None where there is none."""
    value = facts.get(field)
    return value if isinstance(value, str) else None

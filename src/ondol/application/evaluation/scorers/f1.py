"""`f1`: the overlap of an answer with an expected one, as a bag of words, characters or morphemes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ondol.application.evaluation.scorers.base import Rule, Scorer, Tools
from ondol.application.evaluation.scorers.reference import best_of_cases
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.scorers.tokens import CHOICES, by_of, cut_by, version_of
from ondol.application.evaluation.types import Case


def load_f1(name: str, settings: Mapping[str, Any], _tools: Tools) -> Scorer:
    """2pr / (p + r): p the share of the answer's tokens that are expected, r the share of the expected ones that are in the answer, each counted as
    often as both have it. Two texts without tokens are the same: 1.

    Settings: `by` (`auto`: morphemes for Korean, words else; or `words`, `characters`, `morphemes`).
    """
    told = Settings(name, settings)
    by = by_of(told.choice("by", "auto", CHOICES))
    told.close()

    def measure_of(case: Case) -> Callable[[str, str], float]:
        def measure(answer: str, expected: str) -> float:
            cut = cut_by(by, case, expected)
            found, wanted = cut(answer), cut(expected)
            return overlap_f1(found, wanted) if found or wanted else 1.0

        return measure

    return Rule(name=name, of=best_of_cases(measure_of), version=version_of(by))


def overlap_f1(found: Sequence[str], wanted: Sequence[str]) -> float:
    """F1 of two bags, in the order of operations of SQuAD's official script: figures are equal to the last digit. 0 where nothing is shared."""
    same = sum((Counter(found) & Counter(wanted)).values())
    if same == 0:
        return 0.0
    precision, recall = same / len(found), same / len(wanted)
    return (2 * precision * recall) / (precision + recall)

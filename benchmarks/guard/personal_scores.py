"""What findings are counted by: right, wrong and missed, F, intervals, time."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ondol.application.evaluation.statistics.rates import wilson

BOOTSTRAP_ROUNDS: Final = 200

Span = tuple[int, int, str]
Find = Callable[[str], list[Span]]


@dataclass(frozen=True, slots=True)
class Counts:
    """Right, wrongly found and missed."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.right + other.right, self.wrong + other.wrong, self.missed + other.missed)

    @property
    def precision(self) -> float:
        """Share of what was found that is right."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 0.0

    @property
    def recall(self) -> float:
        """Share of gold that was found."""
        return self.right / (self.right + self.missed) if self.right + self.missed else 0.0

    def f(self, beta: float = 1.0) -> float:
        """F with recall weighing beta times as much as precision (van Rijsbergen 1979)."""
        squared, precision, recall = beta * beta, self.precision, self.recall
        return (1 + squared) * precision * recall / (squared * precision + recall) if precision + recall else 0.0


def timed(find: Find, texts: Sequence[str]) -> tuple[float, list[list[Span]]]:
    """Seconds that all texts took, and what was found in each."""
    for text in texts[:5]:
        find(text)
    began = time.perf_counter()
    found = [find(text) for text in texts]
    return time.perf_counter() - began, found


def summary(per_text: Sequence[Mapping[str, Counts]], beta: float) -> dict[str, Any]:
    """F, precision and recall over all texts and labels, with 95 % intervals."""
    sums = [sum(counts.values(), Counts()) for counts in per_text]
    total = sum(sums, Counts())
    return {
        "f": round(total.f(beta), 4),
        "f_interval": bootstrap(sums, beta),
        "precision": round(total.precision, 4),
        "precision_interval": _interval(total.right, total.right + total.wrong),
        "recall": round(total.recall, 4),
        "recall_interval": _interval(total.right, total.right + total.missed),
        "counts": [total.right, total.wrong, total.missed],
    }


def by_label_figures(per_text: Sequence[Mapping[str, Counts]], beta: float) -> dict[str, list[float]]:
    """Precision, recall, F, right, wrong and missed for each label."""
    totals: dict[str, Counts] = defaultdict(Counts)
    for counts in per_text:
        for label, own in counts.items():
            totals[label] += own
    return {
        label: [round(own.precision, 3), round(own.recall, 3), round(own.f(beta), 3), own.right, own.wrong, own.missed]
        for label, own in sorted(totals.items())
    }


def _interval(successes: int, trials: int) -> tuple[float, float]:
    rate = wilson(successes, trials)
    return round(rate.low, 4), round(rate.high, 4)


def bootstrap(per_text: Sequence[Counts], beta: float, seed: int = 1) -> tuple[float, float]:
    """95 % percentile interval of F, by drawing texts with replacement (Efron 1979)."""
    rng = random.Random(seed)  # noqa: S311 - a sample, not a secret
    values = sorted(sum((Counts(), *rng.choices(per_text, k=len(per_text))), Counts()).f(beta) for _ in range(BOOTSTRAP_ROUNDS))
    return round(values[int(0.025 * len(values))], 4), round(values[int(0.975 * len(values))], 4)

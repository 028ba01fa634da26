"""How far a run is: what was asked, what failed, what it cost, and each metric so far with an interval."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ondol.application.evaluation.runs.types import Metric
from ondol.application.evaluation.types import CaseResult

Z_95 = 1.959964
"""The normal distribution's 97.5 % point."""


@dataclass(slots=True)
class Running:
    """A mean that moves.

    Attributes:
        sum, squares: of the values, and of their squares.
        total: results that the metric speaks of.
    """

    count: int = 0
    total: int = 0
    sum: float = 0.0
    squares: float = 0.0

    def add(self, value: float | None) -> None:
        """Count a result."""
        self.total += 1
        if value is not None:
            self.count += 1
            self.sum += value
            self.squares += value * value

    @property
    def mean(self) -> float:
        """Of the values so far; NaN before there is one."""
        return self.sum / self.count if self.count else math.nan

    @property
    def half_width(self) -> float:
        """Of the 95 % interval by the normal distribution, for the eye alone: what a run ends with is reckoned by `statistics`."""
        if self.count < 2:
            return math.inf
        variance = max(0.0, self.squares - self.sum * self.sum / self.count) / (self.count - 1)
        return Z_95 * math.sqrt(variance / self.count)


@dataclass(slots=True)
class Progress:
    """Where a run stands.

    Attributes:
        done: results that are there, those of earlier goes included; `asked` are those of this one.
        spent_nano: what this go cost, judges included.
    """

    total: int
    metrics: Sequence[Metric]
    done: int = 0
    asked: int = 0
    spent_nano: int = 0
    currency: str = "USD"
    statuses: Counter[str] = field(default_factory=Counter)
    running: dict[str, Running] = field(default_factory=dict)

    def add(self, result: CaseResult) -> None:
        """Count a result."""
        self.done += 1
        self.asked += 1
        self.statuses[result.answer.status] += 1
        for metric in self.metrics:
            score = result.scores.get(metric.name)
            if result.answer.status == "ok" and score is not None and score.status == "skipped":
                continue
            found = self.running.setdefault(metric.name, Running())
            found.add(score.value if score is not None and score.status == "ok" else None)
            if score is not None and score.status not in ("ok", "skipped"):
                self.statuses[score.status] += 1

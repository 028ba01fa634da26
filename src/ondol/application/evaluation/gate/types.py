"""Records of the gate: its rules, and what it decided. Frozen, without behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ondol.application.evaluation.statistics.paired import Test
from ondol.application.evaluation.types import Better, Unit

Outcome: TypeAlias = Literal["PASS", "FAIL", "INCONCLUSIVE"]
"""Only PASS promotes. INCONCLUSIVE means that nothing can be said from so few cases, which is no pass."""

BelowCoverage: TypeAlias = Literal["inconclusive", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is decided by, all of it part of the suite and so of its digest.

    Attributes:
        margins: of each primary metric, how much worse than the baseline is still no worse, in its own unit.
        hard_zero: metrics of which one hit fails.
        success: the mean that a metric must reach, or must not exceed where less is better.
        coverage: the least share of the cases that must be comparable.
        below_coverage: what becomes of a candidate below it.
        alpha: how often a candidate that is worse by its margin may pass, and one that is not may fail.
    """

    margins: Mapping[str, float]
    hard_zero: tuple[str, ...] = ()
    success: Mapping[str, float] = field(default_factory=dict)
    coverage: float = 0.98
    below_coverage: BelowCoverage = "inconclusive"
    alpha: float = 0.05

    @property
    def alpha_to_fail(self) -> float:
        """The part of alpha that each metric has which may fail the candidate by itself."""
        return self.alpha / max(1, len(self.margins) + len(self.success))


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One metric of the candidate beside its baseline, case by case. Differences above 0 are better, whatever the metric.

    Attributes:
        margin: None for a metric that decides nothing.
        outcome: None for a metric that decides nothing.
        baseline, candidate: means over the pairs; None where there are none.
        difference, low, high: the mean difference and its one-sided limits: the true one is below `low`, or above `high`, with probability alpha at
        most. pairs, of, clusters: cases that are compared, of so many, in so many clusters. lost_by_candidate, lost_by_baseline: cases that have a
        value in the other run only. low_with_losses: the lower limit if every case that only the candidate lost had gone as badly as it can; None
        where none was lost. won, lost, tied: cases that are better, worse and the same. p, test, p_adjusted: of there being a difference at all;
        adjusted for all metrics that decide nothing (Benjamini and Hochberg). detectable: the smallest margin that as many cases could show, four
        times of five, of a candidate as good as its baseline. needed: how many cases this margin needs for that; None where no number would do.
        reason: why the outcome is what it is, in a sentence; empty where it passed.
    """

    metric: str
    unit: Unit
    better: Better
    margin: float | None = None
    outcome: Outcome | None = None
    baseline: float | None = None
    candidate: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    pairs: int = 0
    of: int = 0
    clusters: int = 0
    lost_by_candidate: int = 0
    lost_by_baseline: int = 0
    low_with_losses: float | None = None
    won: int = 0
    lost: int = 0
    tied: int = 0
    p: float | None = None
    test: Test | None = None
    p_adjusted: float | None = None
    detectable: float | None = None
    needed: int | None = None
    reason: str = ""

    @property
    def coverage(self) -> float:
        """The share of the cases that are compared."""
        return self.pairs / self.of if self.of else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HardZero:
    """A metric that must be nought.

    Attributes:
        hits: cases with a hit.
        looked, of: cases that were looked at, of so many.
    """

    metric: str
    outcome: Outcome
    hits: int
    looked: int
    of: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """What the card wants of a metric, and what the candidate has.

    Attributes:
        value, low, high: the candidate's mean with its one-sided limits; None where it has none.
    """

    metric: str
    unit: Unit | None
    better: Better | None
    wanted: float
    outcome: Outcome
    value: float | None = None
    low: float | None = None
    high: float | None = None
    looked: int = 0
    of: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the gate decided, and all that it goes by.

    Attributes:
        has_baseline: whether there was a run to compare with; without one, the card's thresholds stand in for it.
        reasons: why it is no PASS, one sentence each; they name metrics and figures, and quote nobody.
    """

    outcome: Outcome
    reasons: tuple[str, ...]
    primary: tuple[Compared, ...]
    secondary: tuple[Compared, ...]
    hard_zeros: tuple[HardZero, ...]
    thresholds: tuple[Threshold, ...]
    has_baseline: bool
    rules: Rules
    seed: int

"""Two runs compared case by case. Never unpaired: what two runs have in common is the cases, and their difficulty drops out of the difference.

Differences are turned so that above 0 is better, whatever the metric.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from ondol.application.evaluation.statistics.clusters import Clustered, Floats, clustered
from ondol.application.evaluation.statistics.distributions import binomial_at_least
from ondol.application.evaluation.statistics.guarded import RESAMPLES_MIN, WEIGHTS_MAX
from ondol.application.evaluation.statistics.intervals import BOUNDS, RESAMPLES, chunks
from ondol.application.evaluation.types import Better, Measured, Unit
from ondol.core.errors import RequestError

EXACT_CLUSTERS_MAX = 13
"""Up to which number of clusters all 2^G signs are tried."""

Test: TypeAlias = Literal["mcnemar", "permutation_exact", "permutation"]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """The cases that have a value in both runs.

    Attributes:
        baseline, candidate, differences: of the same length; differences are candidate - baseline, or the reverse where lower is better.
        clusters: of each pair.
        lost_by_candidate: cases that have a value in the baseline only.
        lost_by_baseline: cases that have a value in the candidate only.
    """

    metric: str
    unit: Unit
    better: Better
    case_ids: tuple[str, ...]
    clusters: tuple[str, ...]
    baseline: Floats
    candidate: Floats
    differences: Floats
    lost_by_candidate: tuple[str, ...]
    lost_by_baseline: tuple[str, ...]

    @property
    def data(self) -> Clustered:
        """The differences, by cluster."""
        return clustered(self.differences, self.clusters)

    @property
    def is_pass_or_fail(self) -> bool:
        """Whether every value is 0 or 1."""
        return bool(np.isin(self.baseline, (0.0, 1.0)).all() and np.isin(self.candidate, (0.0, 1.0)).all())

    @property
    def is_clustered(self) -> bool:
        """Whether any two cases depend on one another."""
        return len(set(self.clusters)) < len(self.clusters)

    @property
    def won_lost_tied(self) -> tuple[int, int, int]:
        """How many cases are better, worse and the same; what differs by less than a billionth is the same."""
        won, lost = int((self.differences > 1e-9).sum()), int((self.differences < -1e-9).sum())
        return won, lost, len(self.differences) - won - lost


def pair(baseline: Measured, candidate: Measured) -> Pairs:
    """Put two runs together by case.

    Raises:
        RequestError: when they measure different things, when a case is told twice or stands in another cluster, or when no case is in both.
    """
    _must_measure_the_same(baseline, candidate)
    before, after = _by_case(baseline), _by_case(candidate)
    both = sorted(before.keys() & after.keys())
    if not both:
        raise RequestError(
            f"The two runs have no case with a value of `{baseline.name}` in common, and only pairs are compared.",
            "Run both over the same suite: figures of different cases differ for the cases' sake.",
            code="not_paired",
            param=baseline.name,
        )
    moved = [case for case in both if before[case][1] != after[case][1]]
    if moved:
        raise RequestError(
            f"Case `{moved[0]}` stands in cluster `{before[moved[0]][1]}` in the baseline and in `{after[moved[0]][1]}` in the candidate.",
            "Run both over the same suite.",
            code="not_paired",
            param=baseline.name,
        )
    old, new = np.array([before[case][0] for case in both]), np.array([after[case][0] for case in both])
    return Pairs(
        metric=baseline.name, unit=baseline.unit, better=baseline.better, case_ids=tuple(both), clusters=tuple(before[case][1] for case in both),
        baseline=old, candidate=new, differences=turned(new - old, baseline.better),
        lost_by_candidate=tuple(sorted(before.keys() - after.keys())), lost_by_baseline=tuple(sorted(after.keys() - before.keys())),
    )  # fmt: skip


def with_losses_at_worst(pairs: Pairs, baseline: Measured) -> Clustered:
    """The differences as they would be if every case that only the candidate lost had gone as badly as it can.

    As badly is the worst end of the unit, or the worst value of either run where it has none.
    """
    known = _by_case(baseline)
    lost = [known[case] for case in pairs.lost_by_candidate]
    worst = _worst_value(pairs, [value for value, _ in lost])
    more = turned(np.array([worst - value for value, _ in lost]), pairs.better)
    return clustered(np.concatenate([pairs.differences, more]), [*pairs.clusters, *(cluster for _, cluster in lost)])


def p_value(pairs: Pairs, seed: int) -> tuple[float, Test]:
    """How likely a difference as large as this, either way, would be if the two did not differ; and by which test.

    Passes and fails of independent cases by McNemar's exact test; everything else by changing the signs of whole clusters, all ways of it where they
    are few.
    """
    if pairs.is_pass_or_fail and not pairs.is_clustered:
        won, lost, _ = pairs.won_lost_tied
        return mcnemar(won, lost), "mcnemar"
    data = pairs.data
    return permutation(data, seed), "permutation_exact" if data.count <= EXACT_CLUSTERS_MAX else "permutation"


def mcnemar(won: int, lost: int) -> float:
    """The exact two-sided p of so many cases won and lost: a binomial test of the cases that differ (McNemar 1947)."""
    return min(1.0, 2 * binomial_at_least(max(won, lost), won + lost, 0.5))


def permutation(data: Clustered, seed: int, resamples: int = RESAMPLES) -> float:
    """The two-sided p of a mean difference, the signs of whole clusters turned at random; the data count as one draw (Phipson and Smyth 2010)."""
    seen = abs(float(data.sums.sum())) - 1e-9 * float(np.abs(data.sums).sum())
    if data.count <= EXACT_CLUSTERS_MAX:
        signs = 1.0 - 2.0 * ((np.arange(2**data.count)[:, None] >> np.arange(data.count)) & 1)
        return float(np.mean(np.abs(signs @ data.sums) >= seen))
    resamples = min(resamples, max(RESAMPLES_MIN, WEIGHTS_MAX // data.count))
    rng = np.random.default_rng(seed)
    as_large = 0
    for start, stop in chunks(resamples, data.count):
        signs = 1.0 - 2.0 * rng.integers(0, 2, (stop - start, data.count))
        as_large += int((np.abs(signs @ data.sums) >= seen).sum())
    return (as_large + 1) / (resamples + 1)


def turned(differences: Floats, better: Better) -> Floats:
    """Differences so that above 0 is better."""
    return differences if better == "higher" else -differences


def _worst_value(pairs: Pairs, further: Sequence[float]) -> float:
    if pairs.unit in BOUNDS:
        return BOUNDS[pairs.unit][0 if pairs.better == "higher" else 1]
    seen: list[float] = [*pairs.baseline.tolist(), *pairs.candidate.tolist(), *further]
    return min(seen) if pairs.better == "higher" else max(seen)


def _must_measure_the_same(baseline: Measured, candidate: Measured) -> None:
    before, after = (baseline.name, baseline.unit, baseline.better), (candidate.name, candidate.unit, candidate.better)
    if before != after:
        raise RequestError(
            f"`{baseline.name}` ({baseline.unit}, {baseline.better} is better) is compared with "
            f"`{candidate.name}` ({candidate.unit}, {candidate.better} is better), which is another metric.",
            "Run both over the same suite.",
            code="not_paired",
            param=candidate.name,
        )


def _by_case(measured: Measured) -> dict[str, tuple[float, str]]:
    told = {case: (float(value), cluster or case) for case, value, cluster in zip(measured.case_ids, measured.values, measured.clusters, strict=True)}
    if len(told) < len(measured.case_ids):
        raise RequestError(f"`{measured.name}` tells a case twice.", "Average repeats of a case first.", code="not_paired", param=measured.name)
    return told

"""How sure a mean is: the interval that holds the true one, by the way that fits what was measured.

| what was measured | way |
|---|---|
| pass or fail, cases independent | Wilson's score interval (Wilson 1927) |
| pass or fail, in clusters | Wilson's with the effective number of cases and Student's quantile (Korn and Graubard 1998; Dean and Pagano 2015) |
| scores, fewer than 40 clusters or very many | cluster-robust standard error with Student's quantile (Miller 2024, arXiv 2411.00640) |
| scores otherwise | bootstrap over clusters, bias-corrected and accelerated (Efron 1987) |
| scores that are all the same | Wilson's between the bounds of the unit, one case for each cluster; without bounds, the value itself |

What is bootstrapped is clusters, never cases: a case is a cluster of its own where nothing else was said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from ondol.application.evaluation.statistics.clusters import Clustered, Floats, clustered
from ondol.application.evaluation.statistics.distributions import normal_below, normal_quantile, student_quantile
from ondol.application.evaluation.types import Unit

RESAMPLES = 10_000
CLUSTERS_BOOTSTRAP_MIN = 40
CLUSTERS_BOOTSTRAP_MAX = 4_000
CELLS_AT_ONCE_MAX = 2_000_000

Method: TypeAlias = Literal["wilson", "wilson_clustered", "student", "bca", "percentile", "unknown"]

BOUNDS: Mapping[Unit, tuple[float, float]] = {"share": (0.0, 1.0), "points": (1.0, 5.0)}
"""Between which values a unit lies; a unit that is not here has no bounds."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean, and between which values the true one lies.

    Attributes:
        low, high: infinite on the side of which nothing can be said, as with scores of a single cluster.
        confidence: how often of all times an interval made in this way holds the true mean.
        cases, clusters: what it was made of.
    """

    value: float
    low: float
    high: float
    confidence: float
    method: Method
    cases: int
    clusters: int

    def as_dict(self) -> dict[str, float | int | str | None]:
        """For JSON: rounded to six places; a limit of which nothing can be said is null."""
        low, high = (round(limit, 6) if math.isfinite(limit) else None for limit in (self.low, self.high))
        return {
            "value": round(self.value, 6), "low": low, "high": high, "confidence": self.confidence,
            "method": self.method, "cases": self.cases, "clusters": self.clusters,
        }  # fmt: skip


def mean_interval(
    values: Sequence[float],
    clusters: Sequence[str] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    bounds: tuple[float, float] | None = None,
) -> Interval:
    """The mean of a metric with its two-sided interval, by the way that fits; see the table above.

    Args:
        clusters: one name for each value; None where no two depend on one another.
        bounds: `BOUNDS[unit]` where the unit has any: the interval then does not leave them.

    Raises:
        ValueError: when there are no values (`Measured.values` may be empty: ask first), one is not finite, or the confidence is not between 0 and 1.
    """
    data = clustered(values, clusters)
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence lies between 0 and 1, and {confidence} does not")
    if set(np.unique(values)) <= {0.0, 1.0} and bounds in {None, (0.0, 1.0)}:
        return wilson_interval(data, confidence)
    if data.count > 1 and data.is_constant:
        return _constant(data, confidence, bounds)
    if CLUSTERS_BOOTSTRAP_MIN <= data.count <= CLUSTERS_BOOTSTRAP_MAX:
        return _within(bootstrap_interval(data, confidence, seed), bounds)
    return _within(robust_interval(data, confidence), bounds)


def wilson_interval(data: Clustered, confidence: float = 0.95) -> Interval:
    """Of a share: the score interval, with the number of cases that the clusters are worth.

    The effective number is p(1-p) over the cluster-robust variance, never more than the cases. Where all cases passed or none did, that variance is
    nothing, and each cluster counts as one case.
    """
    share = min(1.0, max(0.0, data.mean))
    if data.count == data.cases:
        return _score_interval(share, data, data.cases, normal_quantile((1 + confidence) / 2), confidence, "wilson")
    worth, quantile = float(data.count), normal_quantile((1 + confidence) / 2)
    variance = data.variance_of_mean
    if 0 < share < 1 and 0 < variance < math.inf:
        worth = min(float(data.cases), share * (1 - share) / variance)
        quantile = student_quantile((1 + confidence) / 2, data.count - 1)
    return _score_interval(share, data, worth, quantile, confidence, "wilson_clustered")


def robust_interval(data: Clustered, confidence: float = 0.95) -> Interval:
    """The mean with its cluster-robust standard error and Student's quantile of G - 1 degrees of freedom. Quick enough for a line of progress."""
    if data.count < 2:
        return Interval(data.mean, -math.inf, math.inf, confidence, "unknown", data.cases, data.count)
    half = student_quantile((1 + confidence) / 2, data.count - 1) * math.sqrt(data.variance_of_mean)
    return Interval(data.mean, data.mean - half, data.mean + half, confidence, "student", data.cases, data.count)


def bootstrap_interval(
    data: Clustered, confidence: float = 0.95, seed: int = 0, method: Literal["bca", "percentile"] = "bca", resamples: int = RESAMPLES
) -> Interval:
    """The mean with the interval of as many means of clusters drawn again, seeded.

    Args:
        method: `percentile` takes the quantiles as they are; `bca` shifts them for bias and skew (Efron 1987), the acceleration by leaving out a
            cluster at a time.
    """
    means = np.sort(resampled_means(data, seed, resamples))
    shares = [(1 - confidence) / 2, (1 + confidence) / 2]
    if method == "bca" and data.count > 1:
        shares = _shifted(shares, data, means)
    low, high = (float(limit) for limit in np.quantile(means, shares))
    return Interval(data.mean, low, high, confidence, method, data.cases, data.count)


def bootstrap_statistic(
    clusters: Sequence[str], statistic: Callable[[Floats], float], confidence: float = 0.95, seed: int = 0, resamples: int = 1_000
) -> tuple[float, float]:
    """The percentile interval of any figure of weighted cases: of an agreement, a correlation, a rate that was corrected.

    Args:
        clusters: of each case.
        statistic: takes how often each case was drawn, shape (cases,), and tells the figure; what it cannot tell of a draw is not finite, and such
            draws are left out.

    Returns:
        The lower and the upper limit; both infinite, outwards, when fewer than half of the draws could be told.
    """
    names = {name: number for number, name in enumerate(dict.fromkeys(clusters))}
    members = np.fromiter((names[name] for name in clusters), dtype=np.int64, count=len(clusters))
    rng = np.random.default_rng(seed)
    told = np.empty(resamples)
    for draw in range(resamples):
        often = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names)).astype(np.float64)
        told[draw] = statistic(often[members])
    finite = told[np.isfinite(told)]
    if 2 * len(finite) < resamples:
        return -math.inf, math.inf
    low, high = np.quantile(finite, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def resampled_means(data: Clustered, seed: int, resamples: int = RESAMPLES) -> Floats:
    """Means of clusters drawn with replacement, shape (resamples,); the same for the same seed."""
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    for start, stop in chunks(resamples, data.count):
        drawn = rng.integers(0, data.count, (stop - start, data.count))
        means[start:stop] = data.sums[drawn].sum(axis=1) / data.sizes[drawn].sum(axis=1)
    return means


def chunks(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    """Rows in pieces whose cells fit in memory."""
    step = max(1, CELLS_AT_ONCE_MAX // max(1, columns))
    for start in range(0, rows, step):
        yield start, min(rows, start + step)


def _score_interval(share: float, data: Clustered, worth: float, quantile: float, confidence: float, method: Method) -> Interval:
    square = quantile * quantile
    middle = (share + square / (2 * worth)) / (1 + square / worth)
    half = quantile / (1 + square / worth) * math.sqrt(share * (1 - share) / worth + square / (4 * worth * worth))
    low = 0.0 if share <= 0 else max(0.0, middle - half)
    high = 1.0 if share >= 1 else min(1.0, middle + half)
    return Interval(share, low, high, confidence, method, data.cases, data.count)


def _constant(data: Clustered, confidence: float, bounds: tuple[float, float] | None) -> Interval:
    """Scores that do not differ say little about those that were not seen: between bounds, no more than as many passes or fails would."""
    if bounds is None:
        return Interval(data.mean, data.mean, data.mean, confidence, "student", data.cases, data.count)
    low, high = bounds
    share = min(1.0, max(0.0, (data.mean - low) / (high - low)))
    told = _score_interval(share, data, data.count, normal_quantile((1 + confidence) / 2), confidence, "wilson_clustered")
    return Interval(data.mean, low + told.low * (high - low), low + told.high * (high - low), confidence, "wilson_clustered", data.cases, data.count)


def _within(told: Interval, bounds: tuple[float, float] | None) -> Interval:
    if bounds is None:
        return told
    low, high = max(bounds[0], told.low), min(bounds[1], told.high)
    return Interval(told.value, low, high, told.confidence, told.method, told.cases, told.clusters)


def _shifted(shares: list[float], data: Clustered, means: Floats) -> list[float]:
    """The shares at which the sorted means are read, shifted for bias and skew; as they were where that cannot be told."""
    below = (float((means < data.mean).sum()) + 0.5 * float((means == data.mean).sum())) / len(means)
    rest = data.sizes.sum() - data.sizes
    left_out = (data.sums.sum() - data.sums) / rest
    away = left_out.mean() - left_out
    scale = 6 * float((away**2).sum()) ** 1.5
    if not 0 < below < 1 or scale <= 0:
        return shares
    bias, acceleration = normal_quantile(below), float((away**3).sum()) / scale
    shifted = [bias + normal_quantile(share) for share in shares]
    return [
        normal_below(bias + point / (1 - acceleration * point)) if acceleration * point < 1 else share
        for point, share in zip(shifted, shares, strict=True)
    ]

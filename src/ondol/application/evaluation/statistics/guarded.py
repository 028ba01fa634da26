"""Limits of a mean that stay right where little was seen: few clusters, almost nothing but ties, rates near 0 and 1.

A bootstrap only knows what it has seen. Where the candidate answered all of 50 cases like its baseline, every draw says that they never differ, and
a candidate that loses two cases in a hundred passes every other time. So one more cluster is added that nobody saw, of the worst kind that the unit
allows, and each draw weighs it like any other: weights from Dirichlet(1, ..., 1) (Gaffke 2005; Learned-Miller and Thomas 2019; Phan, Thomas and
Learned-Miller 2021, arXiv 2106.03163). For passes and fails of independent cases the limit is that of Clopper and Pearson; for many clusters it
becomes the bootstrap's.

Two properties follow from drawing weights that do not depend on the values: raising a value never lowers a limit, and the order of cases does not
matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np

from ondol.application.evaluation.statistics.clusters import Clustered, Floats
from ondol.application.evaluation.statistics.intervals import BOUNDS, RESAMPLES, chunks
from ondol.application.evaluation.types import Unit

WEIGHTS_MAX = 40_000_000
RESAMPLES_MIN = 2_000

Side: TypeAlias = Literal["lower", "upper"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Between which values a mean lies; each limit on its own errs with its own probability.

    Attributes:
        low: the mean is below it with probability `alpha_low` at most.
        high: the mean is above it with probability `alpha_high` at most.
    """

    value: float
    low: float
    high: float
    alpha_low: float
    alpha_high: float


def guarded_limits(
    data: Clustered,
    bounds: tuple[float, float] | None,
    alpha_low: float,
    alpha_high: float,
    seed: int,
    resamples: int = RESAMPLES,
) -> Limits:
    """The one-sided limits of a mean.

    Args:
        bounds: the least and the greatest value that a case can have; None for a unit without bounds: the worst and the best cluster that were seen
            then stand for the one that was not, and very long tails are held less strictly.
        resamples: fewer are taken where there are very many clusters.
    """
    below = limit_of_means(data.sums[None, :], data.sizes, bounds and bounds[0], "lower", alpha_low, seed, resamples)
    above = limit_of_means(data.sums[None, :], data.sizes, bounds and bounds[1], "upper", alpha_high, seed, resamples)
    return Limits(data.mean, min(float(below[0]), data.mean), max(float(above[0]), data.mean), alpha_low, alpha_high)


def limit_of_means(sums: Floats, sizes: Floats, worst: float | None, side: Side, alpha: float, seed: int, resamples: int = RESAMPLES) -> Floats:
    """One limit for each of many sets of data whose clusters have the same sizes.

    Args:
        sums: of the clusters, in any order among those of one size; shape (sets, clusters).
        sizes: ascending, as `clustered` puts them; shape (clusters,).
        worst: the value of the cluster that nobody saw; None for the worst that was seen.

    Returns:
        The limits; shape (sets,).
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha lies between 0 and 1, and {alpha} does not")
    count = sums.shape[1]
    resamples = min(resamples, max(RESAMPLES_MIN, WEIGHTS_MAX // (count + 1)))
    ordered = _ordered(sums, sizes)
    means = ordered / sizes
    seen = means.min(axis=1) if side == "lower" else means.max(axis=1)
    unseen = seen if worst is None else np.full(len(sums), worst)
    size_of_unseen = float((sizes**2).sum() / sizes.sum())
    rng = np.random.default_rng(seed)
    drawn = np.empty((len(sums), resamples))
    for start, stop in chunks(resamples, count + 1):
        weights = rng.standard_exponential((stop - start, count + 1))
        total = weights[:, :count] @ sizes + weights[:, count] * size_of_unseen
        drawn[:, start:stop] = (ordered @ weights[:, :count].T + np.outer(unseen * size_of_unseen, weights[:, count])) / total
    share = alpha if side == "lower" else 1 - alpha
    limits: Floats = np.quantile(drawn, share, axis=1)
    return limits


def difference_bounds(unit: Unit) -> tuple[float, float] | None:
    """Between which values the difference of two values of a unit lies; None where it has no bounds."""
    if unit not in BOUNDS:
        return None
    width = BOUNDS[unit][1] - BOUNDS[unit][0]
    return -width, width


def _ordered(sums: Floats, sizes: Floats) -> Floats:
    """Sorted among the clusters of each size, so that a limit depends on neither names nor order."""
    ordered = np.empty_like(sums)
    for start, stop in _runs(sizes).items():
        ordered[:, start:stop] = np.sort(sums[:, start:stop], axis=1)
    return ordered


def _runs(sizes: Floats) -> Mapping[int, int]:
    edges = [0, *(np.flatnonzero(np.diff(sizes)) + 1).tolist(), len(sizes)]
    return dict(pairwise(edges))

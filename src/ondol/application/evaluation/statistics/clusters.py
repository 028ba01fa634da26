"""Values that depend on one another: sums and sizes of their clusters, and how much less they tell than as many independent ones.

Questions of one document, turns of one conversation and repeats of one case go right or wrong together. Whoever counts them as independent is far
too sure: a standard error may come out three times too small (Miller 2024, arXiv 2411.00640).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Clustered:
    """Values by cluster. The order in which cases came is forgotten: clusters stand by their sums and sizes, so that no result depends on it.

    Attributes:
        sums: of the values of each cluster; shape (clusters,).
        sizes: how many values each cluster has; shape (clusters,).
        squares: sum of the squared distances of all values from the mean of their own cluster.
    """

    sums: Floats
    sizes: Floats
    squares: float

    @property
    def count(self) -> int:
        """How many clusters there are."""
        return len(self.sums)

    @property
    def cases(self) -> int:
        """How many values there are."""
        return int(self.sizes.sum())

    @property
    def mean(self) -> float:
        """The mean of all values."""
        return float(self.sums.sum() / self.sizes.sum())

    @property
    def variance_of_mean(self) -> float:
        """The cluster-robust variance of the mean: the sum of the squared residual sums of the clusters over n², times G/(G-1) for few clusters.

        Liang and Zeger 1986; Miller 2024 gives it for evaluations. Infinite for a single cluster, of which nothing about others can be told.
        """
        if self.count < 2:
            return float("inf")
        residuals = self.sums - self.sizes * self.mean
        return float((residuals**2).sum() / self.sizes.sum() ** 2 * self.count / (self.count - 1))

    @property
    def is_constant(self) -> bool:
        """Whether the means of all clusters are the same, but for rounding."""
        means = self.sums / self.sizes
        return bool(np.ptp(means) <= 1e-12 * max(1.0, float(np.abs(means).max())))

    @property
    def correlation(self) -> float:
        """The intra-cluster correlation by analysis of variance (Donner and Koval 1980), between 0 and 1; 0 where every cluster has one value."""
        groups, cases = self.count, self.cases
        if groups < 2 or cases == groups:
            return 0.0
        between = float((self.sizes * (self.sums / self.sizes - self.mean) ** 2).sum()) / (groups - 1)
        within = self.squares / (cases - groups)
        usual = (cases - float((self.sizes**2).sum()) / cases) / (groups - 1)
        scale = between + (usual - 1) * within
        return min(1.0, max(0.0, (between - within) / scale)) if scale > 0 else 0.0

    @property
    def design_effect(self) -> float:
        """How many times larger the variance of the mean is than that of as many independent values: 1 + (m - 1) ICC (Kish 1965).

        m is the mean size of a cluster as a case sees it, so that one huge cluster counts for what it is.
        """
        seen = float((self.sizes**2).sum() / self.sizes.sum())
        return 1 + (seen - 1) * self.correlation


def clustered(values: Sequence[float] | Floats, clusters: Sequence[str] | None = None) -> Clustered:
    """Values put together by cluster.

    Args:
        clusters: one name for each value; None where no two values depend on one another.

    Raises:
        ValueError: when there are no values, when one of them is not a finite number, or when there are more or fewer names than values.
    """
    told = np.asarray(values, dtype=np.float64)
    if told.ndim != 1 or not len(told):
        raise ValueError("there are no values to tell anything of")
    if not np.isfinite(told).all():
        raise ValueError("a value is not a finite number: what has no value is counted as a failure, not averaged")
    if clusters is None:
        return _ordered(told, np.ones(len(told)), 0.0)
    if len(clusters) != len(told):
        raise ValueError(f"{len(told)} values have {len(clusters)} names of clusters")
    numbers = {name: number for number, name in enumerate(dict.fromkeys(clusters))}
    members = np.fromiter((numbers[name] for name in clusters), dtype=np.int64, count=len(told))
    sums = np.bincount(members, weights=told).astype(np.float64)
    sizes = np.bincount(members).astype(np.float64)
    squares = float(((told - (sums / sizes)[members]) ** 2).sum())
    return _ordered(sums, sizes, squares)


def _ordered(sums: Floats, sizes: Floats, squares: float) -> Clustered:
    """By size, then by sum: raising a value never changes which sizes there are, and moves its cluster only upwards among those of its size."""
    order = np.lexsort((sums, sizes))
    return Clustered(sums[order], sizes[order], squares)

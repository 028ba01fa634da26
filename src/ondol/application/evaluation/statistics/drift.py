"""Whether somebody who rates has moved away from what is known to be right, as time went by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ondol.application.evaluation.statistics.agreement import kendall_tau_b

GOLD_MIN = 8
"""Of fewer planted ratings nothing is said about a trend."""
PERMUTATIONS = 2_000
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Drift:
    """How one rater stands to planted gold.

    Attributes:
        count: planted things that they rated.
        bias: the mean of given less right: above 0 for who is generous.
        error: the mean distance from right.
        trend: Kendall's tau-b of the distance with the order of rating: above 0 where it grows. None where that cannot be told.
        p: how often an order by chance has at least this trend (a permutation test, one-sided); None with it.
    """

    count: int
    bias: float | None
    error: float | None
    trend: float | None
    p: float | None

    @property
    def drifts(self) -> bool:
        """Whether the distance grows by more than chance."""
        return self.p is not None and self.p < ALPHA


def drift_of(given: Sequence[float], right: Sequence[float], seed: int = 0, permutations: int = PERMUTATIONS) -> Drift:
    """The drift of one rater.

    Args:
        given, right: of each planted thing, in the order in which they rated; of the same length.

    Raises:
        ValueError: when the lengths differ.
    """
    if len(given) != len(right):
        raise ValueError("there is one right rating for each that was given")
    if not given:
        return Drift(0, None, None, None, None)
    apart = np.asarray(given, dtype=np.float64) - np.asarray(right, dtype=np.float64)
    distance = np.abs(apart)
    trend = kendall_tau_b(list(range(len(distance))), list(map(float, distance))) if len(distance) >= GOLD_MIN else None
    p = _chance_of(distance, seed, permutations) if trend is not None else None
    return Drift(len(distance), float(apart.mean()), float(distance.mean()), trend, p)


def _chance_of(distance: np.ndarray[tuple[int], np.dtype[np.float64]], seed: int, permutations: int) -> float:
    """The share of orders whose trend is at least as high. Ties do not change with the order, so that the sum of signs stands for tau-b."""
    rng = np.random.default_rng(seed)
    later = np.triu(np.ones((len(distance), len(distance)), dtype=bool), 1)

    def score(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        return float(np.sign(values[None, :] - values[:, None])[later].sum())

    seen = score(distance)
    return (1 + sum(score(rng.permutation(distance)) >= seen for _ in range(permutations))) / (permutations + 1)

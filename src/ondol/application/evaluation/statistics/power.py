"""What a suite can tell, before it is run: the smallest difference, and how many cases a margin needs.

A difference counts as told when the gate would pass a candidate that is as good as its baseline (`guarded_limits`), or fail one that is worse by as
much, with the wanted probability. From the classic (z_alpha + z_beta) * sd / sqrt(n / deff), deff = 1 + (m - 1) ICC (Kish 1965; Miller 2024, arXiv
2411.00640), the cluster that nobody saw taken into account: without it a small suite would promise what it cannot keep.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ondol.application.evaluation.statistics.clusters import Clustered
from ondol.application.evaluation.statistics.distributions import normal_below, normal_quantile

CLUSTERS_MAX = 10_000_000
POWER = 0.8
CORRELATION = 0.5
"""Of the answers of two systems to the same case, where nothing is known of it: Miller 2024 found 0.3 to 0.7 between models."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How much differences vary.

    Attributes:
        deviation: the standard deviation of the differences of single cases.
        size: cases in a cluster, as a case sees it.
        correlation: of the cases of one cluster, 0 to 1.
        width: the greatest difference that the unit allows; None where it has no bounds.
    """

    deviation: float
    size: float = 1.0
    correlation: float = 0.0
    width: float | None = 1.0

    @property
    def design_effect(self) -> float:
        """1 + (m - 1) ICC."""
        return 1 + (self.size - 1) * self.correlation

    @property
    def deviation_of_clusters(self) -> float:
        """The standard deviation of the means of whole clusters."""
        return self.deviation * math.sqrt(self.design_effect / self.size)


def spread_of(data: Clustered, width: float | None) -> Spread:
    """What the differences of two runs show."""
    size = float((data.sizes**2).sum() / data.sizes.sum())
    variance = data.squares + float((data.sizes * (data.sums / data.sizes - data.mean) ** 2).sum())
    return Spread(math.sqrt(variance / max(1, data.cases - 1)), size, data.correlation, width)


def assumed_spread(baseline: Clustered, width: float | None, correlation: float = CORRELATION) -> Spread:
    """What to expect of the differences before there is a candidate: from the values of the baseline, and how alike two systems answer."""
    told = spread_of(baseline, width)
    return Spread(told.deviation * math.sqrt(2 * (1 - correlation)), told.size, told.correlation, width)


def passing_probability(margin: float, clusters: int, spread: Spread, alpha: float, difference: float = 0.0) -> float:
    """How often a candidate passes a margin whose true difference is this; 0 is as good as the baseline."""
    if spread.width is not None and math.log(alpha) < clusters * math.log1p(-min(1 - 1e-12, margin / spread.width)):
        return 0.0
    deviation = spread.deviation_of_clusters
    unseen = -spread.width if spread.width is not None else difference - deviation * math.sqrt(2 * math.log(max(2, clusters)))
    middle = (clusters * difference + unseen) / (clusters + 1)
    variance = (clusters * deviation**2 + (unseen - difference) ** 2 * clusters / (clusters + 1)) / (clusters + 1)
    room = middle + margin - normal_quantile(1 - alpha) * math.sqrt(variance / (clusters + 2))
    error = deviation / math.sqrt(clusters)
    return normal_below(room / error) if error > 0 else float(room > 0)


def needed_clusters(margin: float, spread: Spread, alpha: float, power: float = POWER) -> int | None:
    """The least number of clusters with which a candidate as good as its baseline passes with this probability; None where no number will do."""
    if not margin > 0:
        return None
    low, high = 1, 2
    while passing_probability(margin, high, spread, alpha) < power:
        low, high = high, high * 2
        if high > CLUSTERS_MAX:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passing_probability(margin, middle, spread, alpha) >= power else (middle, high)
    return high


def minimum_detectable_effect(clusters: int, spread: Spread, alpha: float, power: float = POWER) -> float:
    """The smallest margin that a candidate as good as its baseline passes with this probability, from so many clusters."""
    low, high = 0.0, spread.width or max(1e-9, spread.deviation)
    while spread.width is None and passing_probability(high, clusters, spread, alpha) < power and high < 1e300:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (low, middle) if passing_probability(middle, clusters, spread, alpha) >= power else (middle, high)
    return high

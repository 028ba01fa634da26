"""Looking again and again, every night, without being wrong more often for it.

Whoever tests at 5 % every night for a month raises a false alarm in one month of four or so. Three tools hold over all looks together:

- `boundary`: by how many standard errors a running mean must be off at a look. The one-sided asymptotic confidence sequence of Waudby-Smith, Arbour,
  Sinha, Kennedy and Ramdas (arXiv 2103.06476), after the normal mixture of Robbins (1970) and Howard et al. (2021).
- `spent`: the share of alpha that the look of one night alone may use; alpha / (t (t + 1)) sums to alpha, whatever depends on what.
- `wealth`: the e-process of a bounded mean by betting (Waudby-Smith and Ramdas 2024, arXiv 2010.09686), for a stream of fresh observations such as
  live traffic.

A nightly run asks the same cases again, so the errors of the nights are alike; by Slepian's inequality a boundary that holds for fresh nights then
holds all the more. It is why the running mean is told with the error of its clusters, over all nights, and not with that of its nights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ondol.application.evaluation.statistics.clusters import Clustered, Floats, clustered
from ondol.application.evaluation.statistics.distributions import normal_below, student_quantile
from ondol.application.evaluation.statistics.guarded import difference_bounds
from ondol.application.evaluation.statistics.paired import Pairs

NIGHTS_TIGHTEST = 7
"""The look at which the running limit is at its tightest."""

BET_MAX = 0.5
"""The greatest part of what could be lost that is bet at once."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the nights so far say.

    Attributes:
        night: counts from 1.
        mean, high: the mean difference over all nights, and its upper limit; above 0 is better than the baseline.
        latest, latest_high: of the last night alone.
        is_regression: whether one of the two limits lies below -margin: the probability that this is ever so, without there being a regression, is at
            most alpha over all nights together.
    """

    night: int
    mean: float
    high: float
    latest: float
    latest_high: float
    margin: float
    is_regression: bool


def look(nights: Sequence[Pairs], margin: float, alpha: float) -> Look:
    """Look at all nights since the baseline was taken, the last one last.

    Half of alpha goes to the running mean, which finds what is slow and small, and half to the last night alone, which finds at once what broke.

    Raises:
        ValueError: when there is no night, or alpha is not between 0 and 1.
    """
    if not nights:
        raise ValueError("there is no night to look at")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha lies between 0 and 1, and {alpha} does not")
    night, bounds = len(nights), difference_bounds(nights[0].unit)
    best = bounds[1] if bounds else None
    running = clustered(np.concatenate([pairs.differences for pairs in nights]), [name for pairs in nights for name in pairs.clusters])
    latest = nights[-1].data
    high = _upper(running, best, normal_below(-boundary(night, alpha / 2)))
    latest_high = _upper(latest, best, spent(night, alpha / 2))
    return Look(night, running.mean, high, latest.mean, latest_high, margin, min(high, latest_high) < -margin)


def boundary(look_number: int, alpha: float, tightest: int = NIGHTS_TIGHTEST) -> float:
    """By how many standard errors a mean of so many looks must be off, on one side: over all looks together, chance does so with alpha at most."""
    scale = (-2 * math.log(2 * alpha) + math.log(-2 * math.log(2 * alpha)) + 1) / tightest if 2 * alpha < 0.5 else 1 / tightest
    grown = look_number * scale + 1
    return math.sqrt(2 * grown / (look_number * scale) * math.log1p(math.sqrt(grown) / (2 * alpha)))


def spent(look_number: int, alpha: float) -> float:
    """The part of alpha for one look: alpha / (t (t + 1))."""
    return alpha / (look_number * (look_number + 1))


def wealth(values: Sequence[float] | Floats, bounds: tuple[float, float], at_least: float, alpha: float) -> Floats:
    """What a gambler owns, after each value, who began with 1 and bets that the mean is below `at_least`.

    If it is not, what he owns reaches 1 / alpha with probability alpha at most, ever (Ville 1939): he may look after each value and stop when he
    likes.

    Args:
        values: in the order in which they came, each within bounds; shape (observations,).

    Returns:
        Shape (observations,).

    Raises:
        ValueError: when a value is out of bounds, or `at_least` is.
    """
    low, high = bounds
    scaled, null = (np.asarray(values, dtype=np.float64) - low) / (high - low), (at_least - low) / (high - low)
    if not ((scaled >= 0) & (scaled <= 1)).all() or not 0 < null < 1:
        raise ValueError(f"values, and the mean that they are held against, lie between {low} and {high}")
    before = np.arange(1, len(scaled) + 1)
    means = (0.5 + np.cumsum(scaled)) / (before + 1)
    spreads = (0.25 + np.cumsum((scaled - means) ** 2)) / (before + 1)
    known = np.concatenate([[0.25], spreads[:-1]])
    bets = np.minimum(np.sqrt(2 * math.log(1 / alpha) / (known * before * np.log1p(before))), BET_MAX / (1 - null))
    owned: Floats = np.exp(np.cumsum(np.log1p(bets * (null - scaled))))
    return owned


def _upper(data: Clustered, best: float | None, alpha: float) -> float:
    """The upper limit by the cluster-robust error, with one more cluster, of the best kind, that nobody saw."""
    size = float((data.sizes**2).sum() / data.sizes.sum())
    value = float((data.sums / data.sizes).max()) if best is None else best
    more = Clustered(np.append(data.sums, value * size), np.append(data.sizes, size), data.squares)
    return more.mean + student_quantile(1 - alpha, more.count - 1) * math.sqrt(more.variance_of_mean)

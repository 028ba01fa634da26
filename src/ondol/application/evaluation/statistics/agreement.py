"""Whether people who judged the same things agree, beyond what chance would give.

| figure | for | source |
|---|---|---|
| Krippendorff's alpha | any number of raters, with gaps | Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability" |
| Cohen's kappa, plain or weighted | two raters | Cohen 1960; Cohen 1968 |
| Kendall's tau-b | two rankings with ties | Kendall 1945 |

A figure that cannot be told (nobody rated twice, or everybody always said the same) is None and never a number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from ondol.application.evaluation.statistics.clusters import Floats
from ondol.application.evaluation.statistics.intervals import bootstrap_statistic

Level: TypeAlias = Literal["nominal", "ordinal", "interval"]
Weights: TypeAlias = Literal["none", "linear", "quadratic"]

RESAMPLES = 1_000
CELLS_MAX = 20_000_000
"""Units times different values times the same again."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far raters agree: 1 wholly, 0 as by chance, below 0 less than by chance.

    Attributes:
        value: None where it cannot be told.
        low, high: of the interval; None with it, and where nothing can be said of them.
        units: things that at least two people rated.
        ratings: of these things.
    """

    value: float | None
    low: float | None
    high: float | None
    units: int
    ratings: int


def krippendorff_alpha(ratings: Sequence[Sequence[float | None]], level: Level = "ordinal") -> float | None:
    """Alpha of the ratings, shape (raters, units); None in it where somebody did not rate.

    Raises:
        ValueError: when the rows differ in length, a rating is not finite, or there are too many different values.
    """
    pairs = _Coincidences(ratings)
    return _told(pairs.alpha(np.ones(pairs.units), level))


def alpha_interval(
    ratings: Sequence[Sequence[float | None]], level: Level = "ordinal", confidence: float = 0.95, seed: int = 0, resamples: int = RESAMPLES
) -> Agreement:
    """Alpha with the percentile interval of alphas over units drawn again, seeded. See `krippendorff_alpha`."""
    pairs = _Coincidences(ratings)
    value = _told(pairs.alpha(np.ones(pairs.units), level))
    if value is None:
        return Agreement(None, None, None, pairs.units, pairs.ratings)
    names = [str(unit) for unit in range(pairs.units)]
    low, high = bootstrap_statistic(names, lambda often: pairs.alpha(often, level), confidence, seed, resamples)
    return Agreement(value, _told(low), _told(high), pairs.units, pairs.ratings)


def cohen_kappa(first: Sequence[float | None], second: Sequence[float | None], weights: Weights = "quadratic") -> float | None:
    """Kappa of two raters who rated the same things; what one of them did not rate is left out.

    Args:
        weights: how much a disagreement counts by its distance on the scale, which is taken as it stands: `none` counts each the same.

    Raises:
        ValueError: when the lengths differ, or a rating is not finite.
    """
    one, other = _both(first, second)
    if not len(one):
        return None
    values, codes = np.unique(np.concatenate([one, other]), return_inverse=True)
    table = np.zeros((len(values), len(values)))
    np.add.at(table, (codes[: len(one)], codes[len(one) :]), 1.0)
    distance = np.abs(values[:, None] - values[None, :])
    costs = {"none": (distance > 0).astype(float), "linear": distance, "quadratic": distance**2}[weights]
    by_chance = np.outer(table.sum(axis=1), table.sum(axis=0)) / len(one)
    expected = float((costs * by_chance).sum())
    return None if expected == 0 else 1 - float((costs * table).sum()) / expected


def kendall_tau_b(first: Sequence[float | None], second: Sequence[float | None]) -> float | None:
    """Tau-b of two rankings of the same things, ties allowed; what stands in one of them only is left out. It takes n squared steps.

    Raises:
        ValueError: when the lengths differ, or a value is not finite.
    """
    one, other = _both(first, second)
    agreeing, apart_in_one, apart_in_other = 0.0, 0, 0
    for place in range(len(one) - 1):
        left, right = np.sign(one[place + 1 :] - one[place]), np.sign(other[place + 1 :] - other[place])
        agreeing += float((left * right).sum())
        apart_in_one += int(np.count_nonzero(left))
        apart_in_other += int(np.count_nonzero(right))
    return None if not apart_in_one or not apart_in_other else agreeing / math.sqrt(apart_in_one * apart_in_other)


class _Coincidences:
    """For each unit, how often each pair of values was given to it, each unit counted once for each rating (Krippendorff 2011, step 2)."""

    def __init__(self, ratings: Sequence[Sequence[float | None]]) -> None:
        table = _table(ratings)
        table = table[:, np.count_nonzero(~np.isnan(table), axis=0) >= 2]
        given = ~np.isnan(table)
        self.values, codes = np.unique(table[given], return_inverse=True)
        self.units, self.ratings = table.shape[1], int(given.sum())
        if self.units * len(self.values) ** 2 > CELLS_MAX:
            raise ValueError(f"{len(self.values):,} different values of {self.units:,} units are more than an agreement is told of")
        counts = np.zeros((self.units, len(self.values)))
        np.add.at(counts, (np.nonzero(given)[1], codes), 1.0)
        pairs = counts[:, :, None] * counts[:, None, :]
        diagonal = np.arange(len(self.values))
        pairs[:, diagonal, diagonal] -= counts
        self._pairs = pairs / np.maximum(counts.sum(axis=1) - 1, 1)[:, None, None]

    def alpha(self, weights: Floats, level: Level) -> float:
        """Alpha with units counted so often; NaN where it cannot be told."""
        observed = np.tensordot(weights, self._pairs, axes=1)
        totals = observed.sum(axis=1)
        whole = float(totals.sum())
        distance = _distance(self.values, totals, level)
        expected = float((distance * np.outer(totals, totals)).sum())
        if whole <= 1 or expected <= 0:
            return math.nan
        return 1 - (whole - 1) * float((distance * observed).sum()) / expected


def _distance(values: Floats, totals: Floats, level: Level) -> Floats:
    """How far two values are apart, squared (Krippendorff 2011, step 5), shape (values, values)."""
    if level == "interval":
        return np.asarray((values[:, None] - values[None, :]) ** 2, dtype=np.float64)
    if level == "nominal":
        return np.asarray(values[:, None] != values[None, :], dtype=np.float64)
    middle = np.cumsum(totals) - totals / 2
    return np.asarray((middle[:, None] - middle[None, :]) ** 2, dtype=np.float64)


def _table(ratings: Sequence[Sequence[float | None]]) -> Floats:
    if len({len(row) for row in ratings}) > 1:
        raise ValueError("every rater has a place for each unit: the rows differ in length")
    return np.array([[_finite(value) for value in row] for row in ratings], dtype=np.float64).reshape(len(ratings), len(ratings[0]) if ratings else 0)


def _both(first: Sequence[float | None], second: Sequence[float | None]) -> tuple[Floats, Floats]:
    table = _table([first, second])
    table = table[:, ~np.isnan(table).any(axis=0)]
    return table[0], table[1]


def _finite(value: float | None) -> float:
    if value is None:
        return math.nan
    if not math.isfinite(value):
        raise ValueError("a rating is a number, or None where there is none")
    return float(value)


def _told(value: float) -> float | None:
    return value if math.isfinite(value) else None

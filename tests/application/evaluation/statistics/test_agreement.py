"""Agreement beside published worked examples, and its properties."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.application.evaluation.statistics.agreement import Level, Weights, alpha_interval, cohen_kappa, kendall_tau_b, krippendorff_alpha
from ondol.application.evaluation.statistics.drift import GOLD_MIN, drift_of

N = None
RELIABILITY: list[list[float | None]] = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
    [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
]
"""Four observers, twelve units, gaps: the reliability data of Krippendorff 2011, section C."""


@pytest.mark.parametrize(("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_the_one_that_krippendorff_published_for_many_observers_with_gaps(level: Level, published: float) -> None:
    assert krippendorff_alpha(RELIABILITY, level) == pytest.approx(published, abs=0.0005)


def test_alpha_is_the_one_that_krippendorff_published_for_two_observers() -> None:
    binary: list[list[float | None]] = [[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]
    assert krippendorff_alpha(binary, "nominal") == pytest.approx(0.095, abs=0.0005)
    letters: list[list[float | None]] = [[ord(letter) for letter in rater] for rater in ("aabbdcccedda", "babbbccceddd")]
    assert krippendorff_alpha(letters, "nominal") == pytest.approx(0.692, abs=0.0005)


@pytest.mark.parametrize(("weights", "published"), [("none", 0.1293), ("linear", 0.2374)])
def test_kappa_is_the_one_published_for_ninety_one_married_couples(weights: Weights, published: float) -> None:
    """The table of Hout et al. 1987 in Agresti, "Categorical Data Analysis"; the figures are those that R's `vcd` tells of it."""
    table = [[7, 7, 2, 3], [2, 8, 3, 7], [1, 5, 4, 9], [2, 8, 9, 14]]
    pairs = [(row, column) for row, column in itertools.product(range(4), range(4)) for _ in range(table[row][column])]
    assert cohen_kappa([row for row, _ in pairs], [column for _, column in pairs], weights) == pytest.approx(published, abs=0.00005)


def test_kappa_of_two_who_agree_as_often_as_seventy_in_a_hundred() -> None:
    pairs = [(1, 1)] * 20 + [(1, 0)] * 5 + [(0, 1)] * 10 + [(0, 0)] * 15
    assert cohen_kappa([one for one, _ in pairs], [other for _, other in pairs], "none") == pytest.approx(0.4)


def test_tau_b_is_the_one_in_the_documentation_of_scipy() -> None:
    assert kendall_tau_b([12, 2, 1, 12, 2], [1, 4, 7, 1, 0]) == pytest.approx(-0.47140452079103173)
    assert kendall_tau_b([12, 2, N, 1, 12, 2], [1, 4, 9, 7, 1, 0]) == pytest.approx(-0.47140452079103173)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=30))
def test_tau_b_counts_pairs(pairs: list[tuple[int, int]]) -> None:
    agreeing = disagreeing = one_apart = other_apart = 0
    for (a, b), (c, d) in itertools.combinations(pairs, 2):
        agreeing += (a - c) * (b - d) > 0
        disagreeing += (a - c) * (b - d) < 0
        one_apart, other_apart = one_apart + (a != c), other_apart + (b != d)
    told = kendall_tau_b([one for one, _ in pairs], [other for _, other in pairs])
    if not one_apart or not other_apart:
        assert told is None
    else:
        assert told == pytest.approx((agreeing - disagreeing) / math.sqrt(one_apart * other_apart))


ROWS = st.integers(2, 4).flatmap(
    lambda raters: st.lists(st.lists(st.none() | st.integers(1, 5), min_size=raters, max_size=raters), min_size=2, max_size=15)
)


@given(ROWS, st.sampled_from(["nominal", "ordinal", "interval"]), st.randoms(use_true_random=False))
def test_alpha_does_not_depend_on_who_is_called_what_or_on_order(units: list[list[int | None]], level: Level, random: object) -> None:
    raters = [list(row) for row in zip(*units, strict=True)]
    told = krippendorff_alpha(raters, level)
    assert told is None or told <= 1 + 1e-12
    again = krippendorff_alpha([list(row) for row in zip(*reversed(units), strict=True)][::-1], level)
    assert (told is None) == (again is None)
    assert told is None or again == pytest.approx(told)
    if level != "interval":
        stretched = krippendorff_alpha([[None if value is None else value**3 for value in row] for row in raters], level)
        assert told is None or stretched == pytest.approx(told), "only the order counts"


def test_who_agrees_wholly_has_one_and_what_cannot_be_told_is_nothing() -> None:
    for level in ("nominal", "ordinal", "interval"):
        assert krippendorff_alpha([[1, 2, 3, N], [1, 2, 3, 4], [1, N, 3, N]], level) == 1
        assert krippendorff_alpha([[3, 3, 3], [3, 3, 3]], level) is None
        assert krippendorff_alpha([[1, N], [N, 2]], level) is None
        assert krippendorff_alpha([], level) is None
    assert cohen_kappa([1, 2, 5], [1, 2, 5]) == 1
    assert cohen_kappa([N, 1], [1, N]) is None
    assert cohen_kappa([3, 3], [3, 3]) is None
    assert kendall_tau_b([1, 1], [1, 2]) is None
    with pytest.raises(ValueError, match="differ in length"):
        krippendorff_alpha([[1, 2], [1]])
    with pytest.raises(ValueError, match="a rating is a number"):
        cohen_kappa([math.nan], [1])


def test_an_interval_holds_the_figure_narrows_with_more_units_and_is_the_same_for_a_seed() -> None:
    rng = np.random.default_rng(7)

    def rated(units: int) -> list[list[float | None]]:
        true = rng.integers(1, 6, units)
        return [[float(value) for value in np.clip(true + rng.integers(-1, 2, units), 1, 5)] for _ in range(3)]

    few, many = alpha_interval(rated(30), seed=1), alpha_interval(rated(400), seed=1)
    for told in (few, many):
        assert told.low is not None and told.value is not None and told.high is not None
        assert told.low < told.value < told.high
    assert (few.units, few.ratings, many.units, many.ratings) == (30, 90, 400, 1200)
    assert many.high - many.low < few.high - few.low  # type: ignore[operator]
    assert alpha_interval(RELIABILITY, seed=3) == alpha_interval(RELIABILITY, seed=3)
    nothing = alpha_interval([[1, N], [N, 2]])
    assert (nothing.value, nothing.low, nothing.units) == (None, None, 0)


def test_who_moves_away_from_gold_is_told_and_who_errs_all_the_time_is_not() -> None:
    right = [3.0] * 20
    worse = drift_of([3.0] * 10 + [4.0] * 5 + [5.0] * 5, right)
    assert (worse.bias, worse.error, worse.drifts) == (0.75, 0.75, True)
    assert worse.trend is not None and worse.trend > 0.5
    always = drift_of([5.0] * 20, right)
    assert (always.bias, always.error, always.trend, always.drifts) == (2.0, 2.0, None, False)
    better = drift_of([5.0] * 5 + [4.0] * 5 + [3.0] * 10, right)
    assert (better.error, better.drifts) == (0.75, False)
    few = drift_of([3.0] * (GOLD_MIN - 2) + [5.0], [3.0] * (GOLD_MIN - 1))
    assert (few.count, few.trend, few.drifts) == (GOLD_MIN - 1, None, False)
    assert drift_of([], []).error is None


def test_drift_is_called_by_chance_as_seldom_as_it_says() -> None:
    rng = np.random.default_rng(11)
    called = sum(
        drift_of([float(value) for value in rng.integers(1, 6, 15)], [3.0] * 15, seed=trial, permutations=200).drifts for trial in range(300)
    )
    assert called / 300 < 0.09

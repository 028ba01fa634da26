"""Intervals hold the true mean as often as they say, and are made in the way that fits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ondol.application.evaluation.statistics.clusters import clustered
from ondol.application.evaluation.statistics.intervals import (
    Interval,
    bootstrap_interval,
    bootstrap_statistic,
    mean_interval,
    resampled_means,
    robust_interval,
    wilson_interval,
)


def test_of_independent_passes_it_is_wilsons() -> None:
    told = mean_interval([1.0] * 8 + [0.0] * 2)
    assert told.method == "wilson"
    assert (told.value, told.low, told.high) == pytest.approx((0.8, 0.490162, 0.943318), abs=1e-6)
    assert mean_interval([0.0] * 5).low == 0.0
    assert mean_interval([0.0] * 5).high == pytest.approx(0.434482, abs=1e-6)


def test_clusters_that_all_passed_count_once_each() -> None:
    told = mean_interval([1.0] * 50, [str(number // 10) for number in range(50)])
    assert (told.method, told.cases, told.clusters) == ("wilson_clustered", 50, 5)
    assert told.low == pytest.approx(1 - 0.434482, abs=1e-6)


def test_repeating_every_case_makes_nothing_surer() -> None:
    rng = np.random.default_rng(3)
    for values in ((rng.random(60) < 0.8).astype(float).tolist(), rng.random(60).tolist()):
        names = [str(number) for number in range(60)]
        once, thrice = mean_interval(values, names), mean_interval(values * 3, names * 3)
        assert thrice.high - thrice.low >= (once.high - once.low) * 0.999


@pytest.mark.parametrize(("clusters", "method"), [(2, "student"), (39, "student"), (40, "bca"), (4_000, "bca"), (4_001, "student")], ids=str)
def test_scores_are_told_by_the_way_that_fits_their_number(clusters: int, method: str) -> None:
    values = [0.25 + 0.5 * ((number * 7) % 10) / 10 for number in range(clusters)]
    assert mean_interval(values, bounds=(0.0, 1.0)).method == method


def test_one_cluster_tells_nothing_of_others() -> None:
    told = mean_interval([0.3, 0.6, 0.9], ["only"] * 3)
    assert (told.low, told.high, told.method) == (-math.inf, math.inf, "unknown")
    assert told.as_dict() == {"value": 0.6, "low": None, "high": None, "confidence": 0.95, "method": "unknown", "cases": 3, "clusters": 1}
    within = mean_interval([0.3, 0.6, 0.9], ["only"] * 3, bounds=(0.0, 1.0))
    assert (within.low, within.high) == (0.0, 1.0)


def test_scores_that_are_all_the_same_are_not_taken_for_certain() -> None:
    told = mean_interval([5.0] * 12, bounds=(1.0, 5.0))
    assert (told.value, told.high, told.method) == (5.0, 5.0, "wilson_clustered")
    assert told.low == pytest.approx(1 + 4 * mean_interval([1.0] * 12).low)
    assert mean_interval([0.1] * 12).low == pytest.approx(0.1)


def test_the_same_seed_tells_the_same_and_the_order_of_cases_does_not_matter() -> None:
    rng = np.random.default_rng(4)
    values, names = rng.random(120), [str(number % 50) for number in range(120)]
    turned = rng.permutation(120)
    assert mean_interval(values.tolist(), names, seed=9) == mean_interval(values.tolist(), names, seed=9)
    assert mean_interval(values.tolist(), names, seed=9) != mean_interval(values.tolist(), names, seed=8)
    other = mean_interval(values[turned].tolist(), [names[place] for place in turned], seed=9)
    assert (other.low, other.high) == pytest.approx(
        (mean_interval(values.tolist(), names, seed=9).low, mean_interval(values.tolist(), names, seed=9).high)
    )


def test_clusters_are_drawn_whole() -> None:
    means = resampled_means(clustered([0.0, 0.0, 1.0, 1.0], ["a", "a", "b", "b"]), seed=0)
    shares = {float(mean): float((means == mean).mean()) for mean in np.unique(means)}
    assert shares == pytest.approx({0.0: 0.25, 0.5: 0.5, 1.0: 0.25}, abs=0.02)


def test_bca_leans_towards_the_long_tail() -> None:
    values = np.random.default_rng(5).lognormal(0, 1, 60)
    plain, leaning = (bootstrap_interval(clustered(values), seed=1, method=method) for method in ("percentile", "bca"))
    assert leaning.low > plain.low
    assert leaning.high > plain.high


def test_any_figure_can_be_drawn_again() -> None:
    values = np.random.default_rng(6).normal(0, 1, 200)
    names = [str(number) for number in range(200)]
    low, high = bootstrap_statistic(names, lambda often: float((often * values).sum() / often.sum()), seed=2)
    wanted = robust_interval(clustered(values))
    assert (low, high) == pytest.approx((wanted.low, wanted.high), abs=0.02)
    assert bootstrap_statistic(names, lambda often: math.nan) == (-math.inf, math.inf)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_a_confidence_lies_between_0_and_1(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        mean_interval([0.0, 1.0], confidence=confidence)


def _misses(intervals: list[Interval], true: float) -> float:
    return sum(not told.low <= true <= told.high for told in intervals) / len(intervals)


def _clustered_passes(
    rng: np.random.Generator, clusters: int, size: int, share: float, correlation: float
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Passes whose clusters have rates of their own: Beta-distributed, with this intra-cluster correlation."""
    scale = (1 - correlation) / correlation
    rates = np.repeat(rng.beta(share * scale, (1 - share) * scale, clusters), size)
    return (rng.random(clusters * size) < rates).astype(np.float64)


@pytest.mark.parametrize(
    ("clusters", "size", "share", "correlation", "missed_max"),
    [(50, 10, 0.7, 0.7, 0.07), (12, 8, 0.9, 0.3, 0.09), (30, 5, 0.97, 0.2, 0.07)],
    ids=["issue", "few", "near-1"],
)
def test_clustered_shares_are_missed_as_seldom_as_promised(clusters: int, size: int, share: float, correlation: float, missed_max: float) -> None:
    rng = np.random.default_rng(7)
    names = [str(number) for number in range(clusters) for _ in range(size)]
    told, naive = [], []
    for _ in range(600):
        values = _clustered_passes(rng, clusters, size, share, correlation)
        told.append(wilson_interval(clustered(values, names)))
        naive.append(wilson_interval(clustered(values)))
    assert _misses(told, share) < missed_max
    assert _misses(naive, share) > 0.12


@pytest.mark.parametrize("clusters", [8, 25], ids=str)
def test_scores_of_few_clusters_are_missed_as_seldom_as_promised(clusters: int) -> None:
    rng = np.random.default_rng(8)
    names = [str(number) for number in range(clusters) for _ in range(4)]
    told = [robust_interval(clustered(np.repeat(rng.normal(0.5, 0.2, clusters), 4) + rng.normal(0, 0.1, 4 * clusters), names)) for _ in range(800)]
    assert 0.03 < _misses(told, 0.5) < 0.07


def test_skewed_scores_are_missed_as_seldom_as_promised() -> None:
    rng = np.random.default_rng(9)
    told = [bootstrap_interval(clustered(rng.beta(4, 0.5, 50)), seed=number, resamples=1_000) for number in range(500)]
    assert 0.02 < _misses(told, 4 / 4.5) < 0.085

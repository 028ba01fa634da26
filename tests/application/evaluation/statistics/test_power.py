"""What is promised before a run is what comes out."""

from __future__ import annotations

import numpy as np
import pytest

from ondol.application.evaluation.statistics.clusters import clustered
from ondol.application.evaluation.statistics.guarded import limit_of_means
from ondol.application.evaluation.statistics.power import (
    Spread,
    assumed_spread,
    minimum_detectable_effect,
    needed_clusters,
    passing_probability,
    spread_of,
)


@pytest.mark.parametrize(
    ("clusters", "size", "deviation", "correlation", "margin"),
    [(150, 1, 0.3, 0.0, 0.07), (600, 1, 0.4, 0.0, 0.05), (80, 10, 0.4, 0.5, 0.13), (300, 4, 0.3, 0.2, 0.05)],
    ids=["few", "many", "clustered", "clustered-many"],
)
def test_a_candidate_as_good_as_its_baseline_passes_as_often_as_promised(
    clusters: int, size: int, deviation: float, correlation: float, margin: float
) -> None:
    spread = Spread(deviation, size, correlation, 1.0)
    rng = np.random.default_rng(1)
    sums = size * rng.normal(0, spread.deviation_of_clusters, (3_000, clusters))
    passed = (limit_of_means(sums, np.full(clusters, float(size)), -1.0, "lower", 0.05, 2, 2_000) > -margin).mean()
    assert passed == pytest.approx(passing_probability(margin, clusters, spread, 0.05), abs=0.04)


def test_what_is_needed_and_what_can_be_told_agree() -> None:
    spread = Spread(0.4, 5.0, 0.3, 1.0)
    needed = needed_clusters(0.05, spread, 0.05)
    assert needed is not None
    assert minimum_detectable_effect(needed, spread, 0.05) == pytest.approx(0.05, rel=0.01)
    assert passing_probability(0.05, needed, spread, 0.05) >= 0.8 > passing_probability(0.05, needed - 1, spread, 0.05)


def test_for_many_cases_it_is_the_textbooks() -> None:
    spread = Spread(0.5, 10.0, 0.5, None)
    textbook = (1.6449 + 0.8416) * 0.5 * (1 + 9 * 0.5) ** 0.5 / (20_000 * 10) ** 0.5
    assert minimum_detectable_effect(20_000, spread, 0.05) == pytest.approx(textbook, rel=0.05)


def test_a_margin_that_so_few_can_never_pass_has_no_chance() -> None:
    never_differs = Spread(0.0, 1.0, 0.0, 1.0)
    assert passing_probability(0.02, 148, never_differs, 0.05) == 0.0
    assert needed_clusters(0.02, never_differs, 0.05) == 149
    assert needed_clusters(0.0, never_differs, 0.05) is None


def test_spreads_are_read_from_what_was_seen() -> None:
    names = [name for name in "abcd" for _ in range(5)]
    told = spread_of(clustered([float(name in "ab") for name in names], names), 1.0)
    assert (told.size, told.correlation, told.design_effect) == (5.0, 1.0, 5.0)
    assert told.deviation == pytest.approx((20 * 0.25 / 19) ** 0.5)
    assert assumed_spread(clustered([0.0, 1.0] * 50), 1.0, 0.5).deviation == pytest.approx(spread_of(clustered([0.0, 1.0] * 50), 1.0).deviation)

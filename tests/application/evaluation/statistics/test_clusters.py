"""Clusters: their robust variance, their correlation, and what they are worth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ondol.application.evaluation.statistics.clusters import clustered


def test_the_robust_variance_is_what_one_reckons_by_hand() -> None:
    data = clustered([1.0, 1.0, 0.0, 0.5], ["a", "a", "b", "c"])
    assert (data.count, data.cases, data.mean) == (3, 4, 0.625)
    residuals = [2 - 2 * 0.625, 0 - 0.625, 0.5 - 0.625]
    assert data.variance_of_mean == pytest.approx(sum(value**2 for value in residuals) / 16 * 3 / 2)


def test_without_clusters_it_is_the_usual_variance_of_a_mean() -> None:
    values = [0.1, 0.4, 0.4, 0.9, 0.2]
    assert clustered(values).variance_of_mean == pytest.approx(np.var(values, ddof=1) / 5)
    assert clustered(values).design_effect == 1.0
    assert clustered([1.0, 1.0], ["a", "a"]).variance_of_mean == math.inf


def test_correlation_is_nothing_within_and_everything_between() -> None:
    names = [name for name in "abcd" for _ in range(5)]
    same = clustered([float(name in "ab") for name in names], names)
    assert (same.correlation, same.design_effect) == (1.0, 5.0)
    mixed = clustered([float(place % 5 < 2) for place in range(20)], names)
    assert (mixed.correlation, mixed.design_effect) == (0.0, 1.0)


def test_the_correlation_found_is_the_one_that_was_put_in() -> None:
    rng = np.random.default_rng(1)
    names = [str(cluster) for cluster in range(2_000) for _ in range(10)]
    values = np.repeat(rng.normal(0, math.sqrt(0.7), 2_000), 10) + rng.normal(0, math.sqrt(0.3), 20_000)
    assert clustered(values, names).correlation == pytest.approx(0.7, abs=0.03)


def test_one_huge_cluster_counts_for_what_it_is() -> None:
    names = ["huge"] * 90 + [f"single-{number}" for number in range(10)]
    data = clustered([1.0] * 90 + [0.0, 1.0] * 5, names)
    assert data.design_effect > 10


def test_the_order_of_cases_is_forgotten() -> None:
    values, names = [0.3, 0.9, 0.1, 0.7, 0.2], ["x", "y", "x", "z", "y"]
    turned = clustered(values[::-1], names[::-1])
    told = clustered(values, names)
    assert told.sums.tolist() == turned.sums.tolist()
    assert told.sizes.tolist() == turned.sizes.tolist() == [1.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("values", "names", "why"),
    [
        ([], None, "no values"),
        ([0.1, math.nan], None, "not a finite number"),
        ([0.1, math.inf], ["a", "b"], "not a finite number"),
        ([0.1], ["a", "b"], "1 values have 2 names"),
    ],
    ids=["none", "nan", "infinite", "names"],
)
def test_what_is_no_measurement_is_refused(values: list[float], names: list[str] | None, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        clustered(values, names)

"""Limits that hold where little was seen, and two properties that the gate rests on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.application.evaluation.statistics.clusters import clustered
from ondol.application.evaluation.statistics.distributions import beta_quantile
from ondol.application.evaluation.statistics.guarded import difference_bounds, guarded_limits, limit_of_means
from ondol.application.evaluation.statistics.intervals import bootstrap_interval

VALUES = st.lists(st.tuples(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), st.sampled_from("abcdefgh")), min_size=2, max_size=24)


@pytest.mark.parametrize(("found", "of"), [(0, 50), (3, 20), (18, 20), (50, 50)], ids=str)
def test_of_independent_passes_it_is_clopper_and_pearsons(found: int, of: int) -> None:
    told = guarded_limits(clustered([1.0] * found + [0.0] * (of - found)), (0.0, 1.0), 0.05, 0.05, seed=1, resamples=40_000)
    low = beta_quantile(0.05, found, of - found + 1) if found else 0.0
    high = beta_quantile(0.95, found + 1, of - found) if found < of else 1.0
    assert (told.low, told.high) == pytest.approx((low, high), abs=0.004)


def test_149_cases_that_are_all_the_same_are_the_least_for_a_margin_of_2_in_100() -> None:
    assert guarded_limits(clustered([0.0] * 140), (-1.0, 1.0), 0.05, 0.05, seed=0).low < -0.02
    assert guarded_limits(clustered([0.0] * 160), (-1.0, 1.0), 0.05, 0.05, seed=0).low > -0.02


def test_of_many_clusters_it_is_the_bootstraps() -> None:
    rng = np.random.default_rng(2)
    names = [str(number) for number in range(800) for _ in range(3)]
    data = clustered(np.repeat(rng.normal(0, 0.3, 800), 3), names)
    told, wanted = guarded_limits(data, (-1.0, 1.0), 0.05, 0.05, seed=0), bootstrap_interval(data, 0.9, method="percentile")
    assert (told.low, told.high) == pytest.approx((wanted.low, wanted.high), abs=0.003)


def test_an_unseen_cluster_is_as_large_as_a_case_sees_them() -> None:
    names = ["one"] * 30 + [str(number) for number in range(40)]
    assert (
        guarded_limits(clustered([0.0] * 70, names), (-1.0, 1.0), 0.05, 0.05, 0).low
        < guarded_limits(clustered([0.0] * 70), (-1.0, 1.0), 0.05, 0.05, 0).low
    )


@given(VALUES, st.data())
def test_raising_a_value_never_lowers_a_limit(cases: list[tuple[float, str]], data: st.DataObject) -> None:
    values, names = [value for value, _ in cases], [name for _, name in cases]
    place = data.draw(st.integers(0, len(values) - 1))
    raised = [*values[:place], min(1.0, values[place] + 0.5), *values[place + 1 :]]
    for bounds in ((-1.0, 1.0), None):
        before, after = (guarded_limits(clustered(told, names), bounds, 0.05, 0.05, 0, 200) for told in (values, raised))
        assert after.low >= before.low - 1e-12
        assert after.high >= before.high - 1e-12


@given(VALUES, st.randoms(use_true_random=False))
def test_neither_order_nor_names_matter(cases: list[tuple[float, str]], shuffler: object) -> None:
    turned = sorted(cases, key=lambda _: shuffler.random())  # type: ignore[attr-defined]
    told = [
        guarded_limits(clustered([value for value, _ in some], [prefix + name for _, name in some]), (-1.0, 1.0), 0.05, 0.05, 0, 200)
        for some, prefix in ((cases, ""), (turned, "other-"))
    ]
    assert (told[0].low, told[0].high) == pytest.approx((told[1].low, told[1].high), abs=1e-12)


@given(VALUES, st.integers(2, 5))
def test_the_same_cases_again_in_their_clusters_make_nothing_surer(cases: list[tuple[float, str]], times: int) -> None:
    once, often = (
        guarded_limits(clustered([value for value, _ in some], [name for _, name in some]), (-1.0, 1.0), 0.05, 0.05, 0, 200)
        for some in (cases, cases * times)
    )
    assert (once.low, once.high) == pytest.approx((often.low, often.high), abs=1e-9)


def test_bounds_of_differences() -> None:
    assert (difference_bounds("share"), difference_bounds("points"), difference_bounds("ms")) == ((-1.0, 1.0), (-4.0, 4.0), None)


def test_alpha_lies_between_0_and_1() -> None:
    with pytest.raises(ValueError, match="alpha"):
        guarded_limits(clustered([0.0, 1.0]), None, 0.0, 0.05, 0)


def test_many_sets_at_once_are_told_as_each_alone() -> None:
    rng = np.random.default_rng(3)
    sums, sizes = rng.normal(0, 1, (3, 8)), np.array([1.0] * 5 + [2.0] * 3)
    names = [f"single-{number}" for number in range(5)] + [f"double-{number}" for number in range(3) for _ in range(2)]
    told = limit_of_means(sums, sizes, -9.0, "lower", 0.05, 0, 500)
    for row, limit in zip(sums, told, strict=True):
        values = [*row[:5].tolist(), *(float(value) / 2 for value in row[5:] for _ in range(2))]
        assert guarded_limits(clustered(values, names), (-9.0, 9.0), 0.05, 0.05, 0, 500).low == pytest.approx(limit)

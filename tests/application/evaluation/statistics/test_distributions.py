"""Quantiles agree with published tables, and tails with sums that anyone can write down."""

from __future__ import annotations

import math

import pytest

from ondol.application.evaluation.statistics.distributions import (
    beta_below,
    beta_quantile,
    binomial_at_least,
    normal_below,
    normal_quantile,
    student_below,
    student_quantile,
)


@pytest.mark.parametrize(
    ("share", "freedom", "quantile"),
    [(0.975, 1, 12.7062), (0.95, 4, 2.13185), (0.975, 10, 2.22814), (0.995, 30, 2.75000), (0.9995, 5, 6.86883), (0.975, 1e6, 1.95997)],
)
def test_students_quantiles_are_those_of_the_tables(share: float, freedom: float, quantile: float) -> None:
    assert student_quantile(share, freedom) == pytest.approx(quantile, abs=6e-5)
    assert student_quantile(1 - share, freedom) == pytest.approx(-quantile, abs=6e-5)
    assert student_below(student_quantile(share, freedom), freedom) == pytest.approx(share, abs=1e-9)


@pytest.mark.parametrize("found", [0, 1, 3, 9, 10])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_the_tail_of_the_binomial_is_its_sum(found: int, share: float) -> None:
    summed = sum(math.comb(10, so_many) * share**so_many * (1 - share) ** (10 - so_many) for so_many in range(found, 11))
    assert binomial_at_least(found, 10, share) == pytest.approx(summed, abs=1e-13)


def test_beta_and_normal() -> None:
    assert beta_quantile(0.05, 149, 1) == pytest.approx(0.05 ** (1 / 149), abs=1e-12)
    assert beta_below(0.3, 2, 5) == pytest.approx(0.579825, abs=1e-9)
    assert normal_quantile(0.95) == pytest.approx(1.6448536269514722, abs=1e-12)
    assert normal_below(normal_quantile(0.123)) == pytest.approx(0.123, abs=1e-12)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, math.nan])
def test_a_share_lies_between_0_and_1(share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        student_quantile(share, 3)
    with pytest.raises(ValueError, match="no distribution"):
        beta_below(0.5, 0, 1)

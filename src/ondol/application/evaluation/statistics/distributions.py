"""Quantiles and tails of the distributions that the intervals rest on, exact to about ten digits.

Written here because the only other part of the product that would need SciPy is this one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

FRACTION_STEPS_MAX = 10_000
HALVINGS = 200
TINY = 1e-300
_NORMAL = NormalDist()


def normal_quantile(share: float) -> float:
    """Where the standard normal distribution has this share below.

    Raises:
        ValueError: when the share is not between 0 and 1.
    """
    _must_be_inside(share)
    return _NORMAL.inv_cdf(share)


def normal_below(value: float) -> float:
    """The share of the standard normal distribution below a value."""
    return 0.5 * math.erfc(-value / math.sqrt(2))


def beta_below(value: float, a: float, b: float) -> float:
    """The share of Beta(a, b) below a value: the regularised incomplete beta function, by its continued fraction (DLMF 8.17.22).

    Raises:
        ValueError: when a or b is not above 0.
    """
    if not (a > 0 and b > 0):
        raise ValueError(f"Beta({a}, {b}) is no distribution: both numbers must be above 0")
    if value <= 0 or value >= 1:
        return float(value >= 1)
    if value > (a + 1) / (a + b + 2):
        return 1.0 - beta_below(1 - value, b, a)
    front = math.exp(a * math.log(value) + b * math.log1p(-value) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)) / a
    return min(1.0, front * _beta_fraction(value, a, b))


def beta_quantile(share: float, a: float, b: float) -> float:
    """Where Beta(a, b) has this share below."""
    _must_be_inside(share)
    return _found(lambda value: beta_below(value, a, b), share, 0.0, 1.0)


def student_below(value: float, freedom: float) -> float:
    """The share of Student's distribution below a value.

    Args:
        freedom: degrees of freedom, above 0.
    """
    tail = 0.5 * beta_below(freedom / (freedom + value * value), freedom / 2, 0.5)
    return 1.0 - tail if value > 0 else tail


def student_quantile(share: float, freedom: float) -> float:
    """Where Student's distribution has this share below."""
    _must_be_inside(share)
    if share < 0.5:
        return -student_quantile(1 - share, freedom)
    top = 1.0
    while student_below(top, freedom) < share and top < 1e12:
        top *= 2
    return _found(lambda value: student_below(value, freedom), share, 0.0, top)


def binomial_at_least(found: int, of: int, share: float) -> float:
    """The probability that at least so many of so many turn out, each with this probability."""
    if found <= 0:
        return 1.0
    return 0.0 if found > of else beta_below(share, found, of - found + 1)


def _beta_fraction(value: float, a: float, b: float) -> float:
    """Lentz's algorithm for the continued fraction."""
    c, d = 1.0, 1.0 / _away_from_zero(1.0 - (a + b) * value / (a + 1))
    told = d
    for step in range(1, FRACTION_STEPS_MAX):
        double = 2 * step
        for factor in (
            step * (b - step) * value / ((a + double - 1) * (a + double)),
            -(a + step) * (a + b + step) * value / ((a + double) * (a + double + 1)),
        ):
            d = 1.0 / _away_from_zero(1.0 + factor * d)
            c = _away_from_zero(1.0 + factor / c)
            told *= c * d
        if abs(c * d - 1.0) < 1e-15:
            break
    return told


def _away_from_zero(value: float) -> float:
    return value if abs(value) > TINY else TINY


def _found(below: Callable[[float], float], share: float, low: float, high: float) -> float:
    """Where a rising function reaches the share, by halving until no number lies between."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if middle in {low, high}:
            break
        if below(middle) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _must_be_inside(share: float) -> None:
    if not 0 < share < 1:
        raise ValueError(f"a share must lie between 0 and 1, and {share} does not")

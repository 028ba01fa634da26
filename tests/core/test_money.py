from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.core.money import INT64_MAX, NANO_PER_UNIT, Currency, Money, parse_money

nanos = st.integers(-INT64_MAX, INT64_MAX)
currencies: st.SearchStrategy[Currency] = st.sampled_from(["USD", "KRW"])


@given(nanos, nanos, st.integers(-1000, 1000), currencies)
def test_arithmetic_is_that_of_whole_numbers_within_64_bits(first: int, second: int, count: int, currency: Currency) -> None:
    results: tuple[tuple[int, Callable[[], Money]], ...] = (
        (first + second, lambda: Money(first, currency) + Money(second, currency)),
        (first - second, lambda: Money(first, currency) - Money(second, currency)),
        (first * count, lambda: Money(first, currency).times(count)),
    )
    for wanted, made in results:
        if abs(wanted) > INT64_MAX:
            with pytest.raises(OverflowError):
                made()
        else:
            assert made() == Money(wanted, currency)


@given(nanos, nanos)
def test_currencies_do_not_mix(first: int, second: int) -> None:
    with pytest.raises(ValueError, match="cannot be added"):
        Money(first, "USD") + Money(second, "KRW")
    with pytest.raises(ValueError, match="cannot be added"):
        Money(first, "KRW") - Money(second, "USD")


@given(nanos, currencies)
def test_an_invoice_rounds_half_to_even_and_nothing_else_does(nano: int, currency: Currency) -> None:
    step = Fraction(1, 100) if currency == "USD" else Fraction(1)
    shown = Money(nano, currency).invoiced()
    assert Fraction(shown) == round(Fraction(nano, NANO_PER_UNIT) / step) * step
    assert shown.as_tuple().exponent == (-2 if currency == "USD" else 0)


@given(nanos, currencies)
def test_what_is_written_is_read(nano: int, currency: Currency) -> None:
    assert parse_money(str(Decimal(nano).scaleb(-9)), currency) == Money(nano, currency)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "NaN",
        "sNaN",
        "Infinity",
        "-inf",
        "0.0000000001",
        "1.00000000000000000000000000000000001",
        "9223372036.854775808",
        "1e30",
        "1e999999",
        "1e-999999",
        "0x10",
    ],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_money(text, "USD")


def test_the_greatest_amounts() -> None:
    assert parse_money("9223372036.854775807", "KRW") == Money(INT64_MAX, "KRW")
    assert parse_money("-9223372036.854775807", "KRW") == Money(-INT64_MAX, "KRW")
    assert parse_money("0.15", "USD") == Money(150_000_000, "USD")

"""Amounts in text: exact both ways, and what is none is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.core.errors import RequestError
from ondol.core.money import INT64_MAX, decimal_text
from ondol.infrastructure.access.limits.amounts import amount_of, amount_text, nano_of


@given(st.integers(0, INT64_MAX))
def test_every_amount_comes_back(amount: int) -> None:
    assert nano_of(decimal_text(amount), "USD") == amount
    assert amount_of(amount_text(amount, "KRW"), "money", "KRW") == amount
    assert amount_of(amount_text(amount, None), "tokens", None) == amount


@pytest.mark.parametrize(
    ("nano", "text"), [(0, "0"), (1, "0.000000001"), (150_000_000, "0.15"), (10**10, "10"), (-1_500_000_000, "-1.5"), (1_000_000_010, "1.00000001")]
)
def test_the_text_has_no_needless_digit(nano: int, text: str) -> None:
    assert decimal_text(nano) == text


@pytest.mark.parametrize(
    "text", ["", "x", "NaN", "sNaN", "Infinity", "-Infinity", "1e-10", "0.0000000001", "1e400", "9223372036.854775808", "1" * 5_000]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(RequestError):
        nano_of(text, "USD")


@pytest.mark.parametrize(("text", "unit", "currency"), [("1.5", "tokens", None), ("٣", "tokens", None), ("-1", "tokens", None), ("1", "money", None)])
def test_tokens_are_whole_and_money_has_a_currency(text: str, unit: str, currency: None) -> None:
    with pytest.raises(RequestError):
        amount_of(text, unit, currency)
    with pytest.raises(RequestError):
        amount_of("1", "tokens", "USD")

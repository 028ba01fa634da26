"""Costs, to the nano-unit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from hypothesis import given
from hypothesis import strategies as st

from ondol.core.ids import new_id
from ondol.core.money import Money
from ondol.infrastructure.serving.prices import Price, Quantities, cost, dearest, worst_cost
from ondol.infrastructure.serving.types import Usage

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EMPTY = Price(new_id(), new_id(), "local", "tiny", "USD", NOW)
PRICE = replace(EMPTY, input=150_000_000, cached_input=75_000_000, cache_write=187_500_000, output=600_000_000, reasoning=900_000_000, request=1000)

amounts = st.one_of(st.none(), st.integers(0, 10**12))
prices = st.builds(
    lambda a, b, c, d, e, f: replace(EMPTY, input=a, cached_input=b, cache_write=c, output=d, reasoning=e, request=f),
    amounts, amounts, amounts, amounts, amounts, amounts,
)  # fmt: skip
tokens = st.integers(0, 2_000_000)
usages = st.builds(lambda a, b, c, d, e: Usage(a, b, False, c, d, e), tokens, tokens, tokens, tokens, tokens)


def test_each_part_has_its_price() -> None:
    """litellm #36168: cached tokens dropped, so the cost was four times what it should be."""
    usage = Usage(1000, 500, cached_tokens=400, cache_write_tokens=100, reasoning_tokens=200)
    expected = 500 * 150 + 400 * 75 + 187 * 100 + 50 + 300 * 600 + 200 * 900 + 1000
    assert cost(usage, PRICE) == Money(expected, "USD")
    assert cost(Usage(1000, 500), replace(EMPTY, input=150_000_000, output=600_000_000)) == Money(450_000, "USD")


def test_parts_without_a_price_of_their_own_cost_what_the_whole_does() -> None:
    plain = replace(EMPTY, input=2_000_000, output=4_000_000)
    assert cost(Usage(10, 10, cached_tokens=5, cache_write_tokens=5, reasoning_tokens=10), plain) == Money(60, "USD")


def test_halves_of_a_nano_unit_go_to_the_even_one() -> None:
    half = replace(EMPTY, input=500_000)
    assert [cost(Usage(count, 0), half) for count in (1, 2, 3, 5)] == [Money(nano, "USD") for nano in (0, 1, 2, 2)]


def test_what_has_no_price_has_no_cost_and_nothing_costs_nothing() -> None:
    assert cost(Usage(1, 1), replace(EMPTY, input=5)) is None
    assert cost(Usage(1, 0), replace(EMPTY, input=5)) is not None
    assert cost(Usage(1, 1), replace(EMPTY, input=0, output=0)) == Money(0, "USD")
    assert cost(Usage(0, 0), PRICE, Quantities(images=1)) is None
    spoken = replace(EMPTY, second=6_000_000, character=15, image=40_000_000)
    assert cost(Usage(0, 0), spoken, Quantities(2, 1500, 10)) == Money(80_000_000 + 9_000_000 + 150, "USD")


def test_usage_that_cannot_be_is_not_believed() -> None:
    assert cost(Usage(100, 10, cached_tokens=10**9, reasoning_tokens=10**9), PRICE) == Money(100 * 75 + 10 * 900 + 1000, "USD")


@given(usages, prices)
def test_the_cost_is_the_exact_one_rounded_once(usage: Usage, price: Price) -> None:
    found = cost(usage, price)
    cached = min(usage.cached_tokens, usage.input_tokens)
    written = min(usage.cache_write_tokens, usage.input_tokens - cached)
    reasoning = min(usage.reasoning_tokens, usage.output_tokens)
    parts = [
        (usage.input_tokens - cached - written, price.input),
        (cached, price.cached_input if price.cached_input is not None else price.input),
        (written, price.cache_write if price.cache_write is not None else price.input),
        (usage.output_tokens - reasoning, price.output),
        (reasoning, price.reasoning if price.reasoning is not None else price.output),
    ]
    if any(count and each is None for count, each in parts):
        assert found is None
        return
    exact = Decimal(price.request or 0) + sum((Decimal(count * each) / 1_000_000 for count, each in parts if each is not None), Decimal(0))
    assert found == Money(int(exact.quantize(Decimal(1), ROUND_HALF_EVEN)), "USD")


@given(usages, prices)
def test_no_request_costs_more_than_its_worst(usage: Usage, price: Price) -> None:
    worst, found = worst_cost(price, usage.input_tokens, usage.output_tokens), cost(usage, price)
    if worst is not None and found is not None:
        assert found.nano <= worst.nano


def test_the_dearest_target_is_reserved_and_one_unknown_makes_all_unknown() -> None:
    cheap, dear = replace(EMPTY, input=1_000_000, output=1_000_000), replace(EMPTY, input=3_000_000, output=1_000_000)
    assert dearest([cheap, dear, cheap], 10, 10) == Money(40, "USD")
    assert dearest([cheap, None], 10, 10) is None
    assert dearest([cheap, EMPTY], 10, 10) is None
    assert dearest([cheap, replace(dear, currency="KRW")], 10, 10) is None
    assert dearest([], 10, 10) is None

"""The cost of a request: whole numbers throughout, rounded once, half to even, to a nano-unit."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from ondol.core.money import INT64_MAX, Currency, Money
from ondol.infrastructure.serving.types import Usage

TOKENS_PER_PRICE = 1_000_000
_MILLISECONDS = 1000
AMOUNTS = ("input", "cached_input", "cache_write", "output", "reasoning", "request", "image", "second", "character")
_SCALE = TOKENS_PER_PRICE * _MILLISECONDS


@dataclass(frozen=True, slots=True)
class Price:
    """The price list of one target (a provider's model) from a moment on, in nano-units of its currency.

    Attributes:
        input, output: for a million tokens. None: not known; a request that uses them has no known cost. 0 is a price.
        cached_input: for a million tokens that the provider had in its cache; as `input` when None.
        cache_write: for a million tokens that it put there; as `input` when None.
        reasoning: for a million tokens of reasoning; as `output` when None.
        request: for each request, nothing when None.
        image, second, character: for each image made, second of sound, character spoken; None: not known.
    """

    id: uuid.UUID
    tenant_id: uuid.UUID
    provider: str
    model: str
    currency: Currency
    from_at: datetime
    input: int | None = None
    cached_input: int | None = None
    cache_write: int | None = None
    output: int | None = None
    reasoning: int | None = None
    request: int | None = None
    image: int | None = None
    second: int | None = None
    character: int | None = None


@dataclass(frozen=True, slots=True)
class Quantities:
    """What is paid for beside tokens."""

    images: int = 0
    milliseconds: int = 0
    characters: int = 0


NOTHING = Quantities()


def at_percent(price: Price, percent: int) -> Price:
    """A price list with every amount at so many percent, rounded up."""
    amounts = {name: -(-amount * percent // 100) for name in AMOUNTS if (amount := getattr(price, name)) is not None}
    return replace(price, **amounts)


def cost(usage: Usage, price: Price, quantities: Quantities = NOTHING) -> Money | None:
    """What a request cost, or None when a part of it has no known price, or the whole is more than an amount of money can be.

    Tokens that an upstream calls cached or written beyond all it counted are not believed: the whole is never less than what it counted.
    """
    cached = min(usage.cached_tokens, usage.input_tokens)
    written = min(usage.cache_write_tokens, usage.input_tokens - cached)
    reasoning = min(usage.reasoning_tokens, usage.output_tokens)
    parts = (
        (usage.input_tokens - cached - written, price.input),
        (cached, price.input if price.cached_input is None else price.cached_input),
        (written, price.input if price.cache_write is None else price.cache_write),
        (usage.output_tokens - reasoning, price.output),
        (reasoning, price.output if price.reasoning is None else price.reasoning),
    )
    return _total(parts, price, quantities)


def worst_cost(price: Price, input_tokens: int, output_tokens: int, quantities: Quantities = NOTHING) -> Money | None:
    """The most that a request can cost, however its tokens are cached and whatever it thinks: what is reserved. None when that is
    not known, or is more than an amount of money can be.

    Args:
        input_tokens: as counted here.
        output_tokens: the most it may bring, for all choices together.
    """
    of_input = None if price.input is None else max(price.input, price.cached_input or 0, price.cache_write or 0)
    of_output = None if price.output is None else max(price.output, price.reasoning or 0)
    return _total(((input_tokens, of_input), (output_tokens, of_output)), price, quantities)


def dearest(prices: Iterable[Price | None], input_tokens: int, output_tokens: int, quantities: Quantities = NOTHING) -> Money | None:
    """The worst cost over all targets that may answer. None when one of them has no known price, or two have different currencies."""
    worst: Money | None = None
    for price in prices:
        one = None if price is None else worst_cost(price, input_tokens, output_tokens, quantities)
        if one is None or (worst is not None and one.currency != worst.currency):
            return None
        if worst is None or one.nano > worst.nano:
            worst = one
    return worst


def _total(parts: Iterable[tuple[int, int | None]], price: Price, quantities: Quantities) -> Money | None:
    scaled = (price.request or 0) * _SCALE
    for count, each in parts:
        if count:
            if each is None:
                return None
            scaled += count * each * _MILLISECONDS
    if quantities is not NOTHING:
        units = (
            (quantities.images * _SCALE, price.image),
            (quantities.milliseconds * TOKENS_PER_PRICE, price.second),
            (quantities.characters * _SCALE, price.character),
        )
        for count, each in units:
            if count:
                if each is None:
                    return None
                scaled += count * each
    nano, rest = divmod(scaled, _SCALE)
    if rest * 2 > _SCALE or (rest * 2 == _SCALE and nano % 2):
        nano += 1
    return Money(nano, price.currency) if nano <= INT64_MAX else None

"""Money: a whole number of nano-units (10^-9 of the currency's unit) with its currency."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, Inexact, localcontext
from typing import Literal

Currency = Literal["USD", "KRW"]

NANO_PER_UNIT = 1_000_000_000
INT64_MAX = 2**63 - 1
_INVOICE_PLACES: dict[Currency, Decimal] = {"USD": Decimal("0.01"), "KRW": Decimal("1")}


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount that fits a Postgres bigint. Arithmetic is exact and refuses to mix currencies.

    Raises:
        OverflowError: when the amount leaves the range of int64.
    """

    nano: int
    currency: Currency

    def __post_init__(self) -> None:
        if abs(self.nano) > INT64_MAX:
            raise OverflowError(f"{self.nano} nano-units do not fit 64 bits")

    def __add__(self, other: Money) -> Money:
        return Money(self.nano + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.nano - self._same(other), self.currency)

    def times(self, count: int) -> Money:
        """The amount `count` times: a price per token times tokens."""
        return Money(self.nano * count, self.currency)

    def invoiced(self) -> Decimal:
        """Rounded half to even to what an invoice shows (USD: cents, KRW: won): the only place where money is rounded."""
        return (Decimal(self.nano) / NANO_PER_UNIT).quantize(_INVOICE_PLACES[self.currency], ROUND_HALF_EVEN)

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} cannot be added")
        return other.nano


def parse_money(text: str, currency: Currency) -> Money:
    """Read a decimal amount of units, such as ``"0.15"``.

    Raises:
        ValueError: when it is not a decimal number, finer than a nano-unit, or more than 64 bits hold.
    """
    try:
        with localcontext() as exact:
            exact.traps[Inexact] = True
            nano = Decimal(text) * NANO_PER_UNIT
    except Inexact:
        raise ValueError(f"{text!r} has more digits than an amount can have") from None
    except ArithmeticError:
        raise ValueError(f"{text!r} is not a decimal amount") from None
    if not nano.is_finite() or abs(nano) > INT64_MAX:
        raise ValueError(f"{text!r} is not an amount that fits 64 bits")
    if nano != nano.to_integral_value():
        raise ValueError(f"{text!r} is finer than a nano-unit")
    return Money(int(nano), currency)


def decimal_text(nano: int) -> str:
    """Nano-units as a decimal number of units, exact and without needless zeros: 150,000,000 is ``0.15``."""
    whole, rest = divmod(abs(nano), NANO_PER_UNIT)
    text = f"{whole}.{rest:09d}".rstrip("0").rstrip(".")
    return f"-{text}" if nano < 0 else text

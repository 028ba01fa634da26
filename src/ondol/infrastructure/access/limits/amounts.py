"""Amounts as people write them: decimal text of a currency's units, exact to a nano-unit, or a whole number of tokens."""

from __future__ import annotations

from ondol.core.errors import RequestError
from ondol.core.money import Currency, decimal_text, parse_money


def nano_of(text: str, currency: Currency, param: str = "amount") -> int:
    """Nano-units of an amount of money.

    Raises:
        RequestError: when it is no decimal number, finer than a nano-unit, or does not fit 64 bits.
    """
    try:
        return parse_money(text, currency).nano
    except ValueError as error:
        raise RequestError(f"{error}.", "Write it like 0.15.", code="bad_amount", param=param) from None


def amount_of(text: str, unit: str, currency: Currency | None, param: str = "amount") -> int:
    """Nano-units of an amount of a budget in money, or tokens of one in tokens.

    Raises:
        RequestError: when it is neither, or the currency does not fit the unit.
    """
    if (unit == "money") != (currency is not None):
        raise RequestError(
            "A budget in money has a currency, one in tokens has none.", "Give USD or KRW with money.", code="bad_currency", param="currency"
        )
    if currency is not None:
        return nano_of(text, currency, param)
    if not text.isascii() or not text.isdigit():
        raise RequestError("Tokens are counted in whole numbers.", "Write it like 1000000.", code="bad_amount", param=param)
    return int(text)


def amount_text(amount: int, currency: Currency | None) -> str:
    """An amount as it is shown: units of the currency, or tokens."""
    return str(amount) if currency is None else decimal_text(amount)

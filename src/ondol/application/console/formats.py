"""Numbers, money, times and durations as people of each language write them. Templates call these as filters."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from .language import Language

SIGNS: Final = {"KRW": "₩", "USD": "$"}
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SMALL: Final = Decimal("0.01")


def number(value: float | None, digits: int = 0) -> str:
    """With separators of thousands, the same in both languages; a dash where there is none."""
    return "–" if value is None else f"{value:,.{digits}f}"


def short_number(value: float, language: Language) -> str:
    """To three figures: 12.3K and 4.56M in English, 1.23만 and 456만 in Korean."""
    steps = ((1e12, "조"), (1e8, "억"), (1e4, "만")) if language == "ko" else ((1e9, "B"), (1e6, "M"), (1e3, "K"))
    for size, name in steps:
        if abs(value) >= size:
            return f"{_three(value / size)}{name}"
    return number(value)


def share(value: float | None, digits: int = 1) -> str:
    """Of one, in percent."""
    return "–" if value is None else f"{value * 100:.{digits}f}%"


def money(amount: str | None, currency: str | None) -> str:
    """An exact decimal text with the sign of its currency: won without, dollars with two places, and more where it would be nothing."""
    if amount is None or currency is None:
        return "–"
    exact = Decimal(amount)
    places = 0 if currency == "KRW" else 2
    if exact and abs(exact) < (1 if currency == "KRW" else _SMALL):
        places = 4 if currency == "KRW" else 6
    sign = "-" if exact < 0 else ""
    return f"{sign}{SIGNS.get(currency, currency + ' ')}{abs(exact):,.{places}f}"


def moment(value: str | datetime | None, zone: str, language: Language) -> str:
    """A moment in the tenant's time zone: ``2026. 11. 22. 14:05`` and ``22 Nov 2026, 14:05``."""
    if value is None:
        return "–"
    at = (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(ZoneInfo(zone))
    return f"{day(at.date(), language)}{' ' if language == 'ko' else ', '}{at:%H:%M}"


def day(value: str | date | None, language: Language) -> str:
    """A day: ``2026. 11. 22.`` and ``22 Nov 2026``."""
    if value is None:
        return "–"
    at = date.fromisoformat(value) if isinstance(value, str) else value
    return f"{at.year}. {at.month}. {at.day}." if language == "ko" else f"{at.day} {_MONTHS[at.month - 1]} {at.year}"


def duration(microseconds: float | None, language: Language) -> str:
    """Microseconds in the unit in which they are read at once."""
    if microseconds is None:
        return "–"
    if microseconds < 1_000:
        return f"{microseconds:.0f} µs"
    if microseconds < 1_000_000:
        return f"{_three(microseconds / 1_000)} ms"
    return f"{_three(microseconds / 1_000_000)} {'초' if language == 'ko' else 's'}"


def size(count: float | None) -> str:
    """Bytes in binary units."""
    if count is None:
        return "–"
    for name in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{_three(count)} {name}"
        count /= 1024
    return f"{_three(count)} GiB"


def _three(value: float) -> str:
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 2
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

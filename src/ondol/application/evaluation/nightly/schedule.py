"""When an assistant is evaluated next: at one minute of its tenant's day."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from ondol.core.errors import RequestError

MINUTES_OF_DAY = 1_440

_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def next_due(at_minute: int, time_zone: str, now: datetime) -> datetime:
    """The next time after `now` at which a clock in that zone shows that minute, in UTC; where a change of the clocks skips it, an hour later."""
    zone = ZoneInfo(time_zone)
    day = now.astimezone(zone).date()
    while True:
        due = datetime(day.year, day.month, day.day, at_minute // 60, at_minute % 60, tzinfo=zone).astimezone(UTC)
        if due > now:
            return due
        day += timedelta(days=1)


def minute_of(text: str) -> int:
    """The minute of the day that a text such as ``03:15`` tells.

    Raises:
        RequestError: when it is none.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise RequestError(f"`at` is {text[:20]!r}, which is no time of day.", "For example: 03:15", param="at")
    return int(match[1]) * 60 + int(match[2])


def time_text(minute: int) -> str:
    """A minute of the day as a clock shows it."""
    return f"{minute // 60:02}:{minute % 60:02}"

"""Windows of budgets: days and months of the tenant's time zone, as half-open intervals of UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ondol.core.errors import RequestError
from ondol.infrastructure.access.limits.types import Period

ENDLESS_START = datetime(1970, 1, 1, tzinfo=UTC)
"""The start of a window without an end, which every total and every limit has."""


def window_at(period: Period, zone: ZoneInfo, moment: datetime) -> tuple[datetime, datetime | None]:
    """The window that holds a moment: [start, end) in UTC; the end of a total is None.

    A day begins at the first instant that has its date, so a day on which the clocks change has 23 or 25 hours, and one that begins with a gap
    (midnight itself does not exist) begins after the gap.

    Args:
        moment: aware.
    """
    if period == "total":
        return ENDLESS_START, None
    today = moment.astimezone(zone).date()
    first = today if period == "day" else today.replace(day=1)
    after = first + timedelta(days=1) if period == "day" else (first + timedelta(days=32)).replace(day=1)
    return _first_instant(first, zone), _first_instant(after, zone)


def zone_of(name: str) -> ZoneInfo:
    """The time zone of a name.

    Raises:
        RequestError: when there is none.
    """
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise RequestError(f"There is no time zone {name!r}.", "Use a name such as Asia/Seoul or UTC.", code="bad_time_zone") from None


def _first_instant(day: date, zone: ZoneInfo) -> datetime:
    """The earlier midnight where there are two; where there is none, `fold=0` reads it with the offset before the gap, which is the gap's end."""
    return datetime.combine(day, time(0), zone).astimezone(UTC)

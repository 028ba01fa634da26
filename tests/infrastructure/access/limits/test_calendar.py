"""Windows of budgets in the tenant's time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.core.errors import RequestError
from ondol.infrastructure.access.limits.calendar import ENDLESS_START, window_at, zone_of
from ondol.infrastructure.access.limits.types import Period

ZONES = sorted(available_timezones() - {"localtime", "Factory"})
moments = st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis adds the zone


def hours(period: Period, zone: str, day: datetime) -> float:
    start, end = window_at(period, ZoneInfo(zone), day)
    assert end is not None
    return (end - start) / timedelta(hours=1)


def test_days_on_which_the_clocks_change_have_23_or_25_hours() -> None:
    assert hours("day", "America/New_York", datetime(2026, 3, 8, 12, tzinfo=UTC)) == 23
    assert hours("day", "America/New_York", datetime(2026, 11, 1, 12, tzinfo=UTC)) == 25
    assert hours("day", "Europe/Berlin", datetime(2026, 3, 29, 12, tzinfo=UTC)) == 23
    assert hours("day", "Asia/Seoul", datetime(2026, 3, 29, 12, tzinfo=UTC)) == 24
    assert hours("day", "Australia/Lord_Howe", datetime(2026, 4, 5, 0, tzinfo=UTC)) == 24.5
    assert hours("month", "Europe/Berlin", datetime(2026, 3, 15, tzinfo=UTC)) == 31 * 24 - 1


def test_a_day_that_begins_with_a_gap_begins_after_it() -> None:
    """In Beirut clocks go from 23:59:59 to 01:00."""
    start, _ = window_at("day", ZoneInfo("Asia/Beirut"), datetime(2024, 3, 31, 12, tzinfo=UTC))
    assert start == datetime(2024, 3, 30, 22, tzinfo=UTC)
    assert start.astimezone(ZoneInfo("Asia/Beirut")).hour == 1


def test_of_two_midnights_the_first_begins_the_day() -> None:
    """In Havana clocks go from 00:59:59 back to 00:00."""
    start, end = window_at("day", ZoneInfo("America/Havana"), datetime(2026, 11, 1, 12, tzinfo=UTC))
    assert (start, end) == (datetime(2026, 11, 1, 4, tzinfo=UTC), datetime(2026, 11, 2, 5, tzinfo=UTC))


def test_months_end_where_they_end() -> None:
    seoul = ZoneInfo("Asia/Seoul")
    start, end = window_at("month", seoul, datetime(2028, 2, 29, 14, 59, tzinfo=UTC))
    assert (start, end) == (datetime(2028, 1, 31, 15, tzinfo=UTC), datetime(2028, 2, 29, 15, tzinfo=UTC))
    assert window_at("month", seoul, datetime(2026, 12, 31, 15, tzinfo=UTC))[0] == datetime(2026, 12, 31, 15, tzinfo=UTC)


def test_a_total_has_no_end() -> None:
    assert window_at("total", ZoneInfo("UTC"), datetime(2026, 1, 1, tzinfo=UTC)) == (ENDLESS_START, None)


@given(moments, st.sampled_from(ZONES), st.sampled_from(["day", "month"]))
def test_windows_follow_each_other_without_a_gap(moment: datetime, name: str, period: Period) -> None:
    zone = ZoneInfo(name)
    start, end = window_at(period, zone, moment)
    assert end is not None
    assert start <= moment < end
    assert window_at(period, zone, start) == (start, end)
    following, _ = window_at(period, zone, end)
    assert following == end, "the next window begins where this one ends"


def test_a_zone_that_is_none_is_refused() -> None:
    for name in ("Asia/Nowhere", "../etc/passwd", ""):
        with pytest.raises(RequestError):
            zone_of(name)

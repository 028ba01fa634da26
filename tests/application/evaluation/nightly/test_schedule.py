"""When the next night is: by the tenant's clock, whatever that does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.application.evaluation.nightly.schedule import minute_of, next_due, time_text
from ondol.core.errors import RequestError


def test_a_night_is_at_the_tenants_time() -> None:
    now = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)  # 18:00 in Seoul
    assert next_due(3 * 60, "Asia/Seoul", now) == datetime(2026, 11, 21, 18, 0, tzinfo=UTC)
    assert next_due(18 * 60, "Asia/Seoul", now) == datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
    assert next_due(18 * 60 + 1, "Asia/Seoul", now) == datetime(2026, 11, 21, 9, 1, tzinfo=UTC)


def test_a_night_that_the_clocks_skip_or_repeat_comes_once() -> None:
    before_spring = datetime(2026, 3, 29, 0, 0, tzinfo=UTC)  # 02:30 does not exist in Berlin that day
    assert next_due(150, "Europe/Berlin", before_spring) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    before_autumn = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)  # 02:30 exists twice
    first = next_due(150, "Europe/Berlin", before_autumn)
    assert (first, next_due(150, "Europe/Berlin", first)) == (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 26, 1, 30, tzinfo=UTC))


@given(
    st.integers(0, 1_439),
    st.sampled_from(["Asia/Seoul", "Europe/Berlin", "America/New_York", "UTC", "Asia/Kathmandu"]),
    st.integers(0, 20 * 365 * 24 * 60).map(lambda minutes: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)),
)
def test_the_next_night_comes_within_a_day_or_so(minute: int, zone: str, now: datetime) -> None:
    due = next_due(minute, zone, now)
    assert now < due <= now + timedelta(hours=26)
    local = due.astimezone(ZoneInfo(zone))
    assert local.hour * 60 + local.minute == minute or local.utcoffset() != (due - timedelta(hours=2)).astimezone(ZoneInfo(zone)).utcoffset()


@given(st.integers(0, 1_439))
def test_a_time_is_read_as_it_is_written(minute: int) -> None:
    assert minute_of(time_text(minute)) == minute


@pytest.mark.parametrize("wrong", ["24:00", "3:15", "03:60", "", "03:15 ", "noon"])
def test_what_is_no_time_is_refused(wrong: str) -> None:
    with pytest.raises(RequestError) as refusal:
        minute_of(wrong)
    assert refusal.value.param == "at"

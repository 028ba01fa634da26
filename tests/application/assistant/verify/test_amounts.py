from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.application.assistant.verify.amounts import amounts_of, clocks_of, dates_of

DAY = 86_400


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("3만 3천 원입니다", [(33_000, "won")]),
        ("33,000원", [(33_000, "won")]),
        ("1억 2,000만 원", [(120_000_000, "won")]),
        ("2천만 원", [(20_000_000, "won")]),
        ("₩33,000 a month", [(33_000, "won")]),
        ("$5.50", [("5.5", "dollar")]),
        ("3.5 million", [(3_500_000, "")]),
        ("99.9%", [("99.9", "percent")]),
        ("사흘 안에", [(3 * DAY, "second")]),
        ("일주일", [(7 * DAY, "second")]),
        ("24시간", [(DAY, "second")]),
        ("a 30-minute wait", [(1_800, "second")]),
        ("영업일 기준 5일", [(5, "workday")]),
        ("3일(영업일 기준)", [(3, "workday")]),
        ("within 3-5 business days", [(3, "workday"), (5, "workday")]),
        ("3~5일 이내", [(3 * DAY, "second"), (5 * DAY, "second")]),
        ("한 달에 두 번", [(1, "month"), (2, "time")]),
        ("two years", [(24, "month")]),
        ("twenty-five users", [(25, "")]),
        ("512MiB of 5 GB", [(512, "mib"), (5, "gb")]),
        ("port 443", [(443, "")]),
        ("제12조에 따라", []),
        ("v1.28.3, ORA-01555, 10.0.0.1 and 010-1234-5678", []),
        ("2026년 3월 1일 오후 6시", []),
        ("the 3rd item", []),
    ],
)
def test_amounts(text: str, values: list[tuple[object, str]]) -> None:
    assert [(amount.value, amount.unit) for amount in amounts_of(text)] == [(Decimal(str(value)), unit) for value, unit in values]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("60 minutes", "1시간", True),
        ("7 days", "일주일", True),
        ("12개월", "1 year", True),
        ("5 business days", "영업일 기준 5일", True),
        ("5 days", "영업일 기준 5일", False),
        ("5 GB", "5 MB", False),
        ("100", "100원", True),
        ("3만 원", "30,000 won", True),
    ],
)
def test_what_is_the_same(one: str, other: str, same: bool) -> None:
    [first], [second] = amounts_of(one), amounts_of(other)
    assert first.is_same(second) is same
    assert second.is_same(first) is same


def test_working_days_are_near_days() -> None:
    [first], [second] = amounts_of("5 days"), amounts_of("5영업일")
    assert first.is_near(second)
    assert second.is_near(first)
    assert not first.is_near(amounts_of("6영업일")[0])


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2026년 3월 1일부터", (2026, 3, 1)),
        ("2026-03-01", (2026, 3, 1)),
        ("2026. 3. 1.", (2026, 3, 1)),
        ("March 1, 2026", (2026, 3, 1)),
        ("on 1st of March", (0, 3, 1)),
        ("March 2026", (2026, 3, 0)),
        ("3월", (0, 3, 0)),
    ],
)
def test_dates(text: str, date: tuple[int, int, int]) -> None:
    [found] = dates_of(text)
    assert (found.year, found.month, found.day) == date
    assert text[found.start : found.end] in text


def test_a_part_of_a_date_is_the_same_as_the_whole_and_not_the_other_way_round() -> None:
    [part], [whole] = dates_of("3월 1일"), dates_of("2026-03-01")
    assert part.is_same(whole)
    assert not whole.is_same(part)


@pytest.mark.parametrize(("text", "minutes"), [("오후 6시 30분", 1110), ("6:30 pm", 1110), ("18:30", 1110), ("at 9 a.m.", 540), ("새벽 2시", 120)])
def test_times_of_day(text: str, minutes: int) -> None:
    assert [found for found, _, _ in clocks_of(text)] == [minutes]


@given(st.text(alphabet="0123456789,.-~:년월일시분만천억원개번 $%aApmMarch한두사흘영업기준", max_size=80))
def test_any_text_is_read_and_places_are_inside(text: str) -> None:
    places = [(amount.start, amount.end) for amount in amounts_of(text)] + [(date.start, date.end) for date in dates_of(text)]
    assert all(0 <= start < end <= len(text) for start, end in places)
    assert all(0 <= minutes < 25 * 60 for minutes, _, _ in clocks_of(text))

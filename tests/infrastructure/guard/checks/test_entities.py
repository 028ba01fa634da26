"""The check that finds people, places and organisations, with the weights that ship."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ondol.infrastructure.guard.actions import Marks
from ondol.infrastructure.guard.checks.entities import ENTITIES, REACH_CHARACTERS, EntityCheck
from ondol.infrastructure.guard.engine import StageGuard
from ondol.infrastructure.guard.policy import policy_from
from ondol.infrastructure.guard.stream import STEP_CHARACTERS, StreamGuard
from ondol.infrastructure.guard.text import GuardText

CHECK = EntityCheck()


def found(text: str, least: float = 0.4) -> list[tuple[str, str]]:
    return [(finding.entity, text[finding.start : finding.end]) for finding in CHECK.find(GuardText(text)) if finding.confidence >= least]


@pytest.mark.parametrize(
    ("text", "entity", "value"),
    [
        ("담당자는 박선영은 물론이고 김도현도 있습니다.", "PERSON", "박선영"),
        ("신청인 성명: 이서준\n연락처: 없음", "PERSON", "이서준"),
        ("최민지에게 전달해 주세요.", "PERSON", "최민지"),
        ("환자 정우성님의 예약을 확인해 주세요.", "PERSON", "정우성"),
        ("주소: 서울특별시 강남구 테헤란로 152, 12층 1203호", "ADDRESS", "서울특별시 강남구 테헤란로 152, 12층 1203호"),
        ("배송지는 부산광역시 해운대구 해운대로 570-2입니다.", "ADDRESS", "부산광역시 해운대구 해운대로 570-2"),
        ("국적: 베트남\n직업: 없음", "NATIONALITY", "베트남"),
        ("My name is John Q. Smith.", "PERSON", "John Q. Smith"),
        ("Please call Mary Jones-Parker tomorrow.", "PERSON", "Mary Jones-Parker"),
        ("I borrowed Michael Brown's book.", "PERSON", "Michael Brown"),
        ("Ship it to 742 Evergreen Terrace, Springfield, IL 62704, please.", "ADDRESS", "742 Evergreen Terrace, Springfield, IL 62704"),
        ("She works for Acme Systems Inc in Berlin.", "ORGANISATION", "Acme Systems Inc"),
        ("She works for Acme Systems Inc in Berlin.", "LOCATION", "Berlin"),
    ],
)
def test_what_is_one_is_found_with_exact_borders(text: str, entity: str, value: str) -> None:
    assert (entity, value) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "이용 안내와 고객 정보 조회 방법을 알려 주세요.",
        "김치찌개 레시피와 박스 포장 방법을 알려 줘.",
        "최근 소식과 정기 배송 안내를 확인하세요.",
        "이용자는 정보를 수정할 수 있습니다.",
        "오늘은 날씨가 좋아서 산책을 했다.",
        "성명과 주소, 전화번호를 입력하세요.",
        "Please summarise the following text and list the action items.",
        "Write a function that sorts a list of numbers in Python.",
        "How do I reset my password?",
    ],
)
def test_near_misses_are_no_person_and_no_address(text: str) -> None:
    assert [item for item in found(text) if item[0] in {"PERSON", "ADDRESS"}] == []


def test_offsets_are_those_of_the_original_text() -> None:
    text = "\u200b성명: 이\u200b서준 / 비고: 없음"
    findings = [finding for finding in CHECK.find(GuardText(text)) if finding.entity == "PERSON"]
    assert [text[finding.start : finding.end].replace("\u200b", "") for finding in findings] == ["이서준"]


def test_a_finding_says_what_it_is_and_holds_no_text() -> None:
    finding = next(item for item in CHECK.find(GuardText("My name is John Smith.")) if item.entity == "PERSON")
    assert (finding.check, finding.rule, finding.reason) == ("entities", "entities.person", "tagger")
    assert 0.4 < finding.confidence <= 1


def test_nothing_in_empty_texts() -> None:
    assert [list(CHECK.find(GuardText(text))) for text in ("", " ", "\n\n", "...")] == [[], [], [], []]


_PIECES = st.sampled_from(
    ["박선영은 ", "서울특별시 강남구 테헤란로 152 ", "John O'Brien's ", "김", "\n", "1,", "ñ", "\u200b", "😀", "한", "\ud800", "漢字", "İ"]
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=300), st.lists(_PIECES, max_size=60).map("".join)))
def test_any_text_gives_findings_within_it(text: str) -> None:
    findings = CHECK.find(GuardText(text))
    assert all(0 <= finding.start < finding.end <= len(text) for finding in findings)
    assert all(finding.entity in ENTITIES and 0 <= finding.confidence <= 1 for finding in findings)
    assert [finding.start for finding in findings] == sorted(finding.start for finding in findings)


def test_a_long_text_is_read_to_its_end_and_no_finding_is_longer_than_the_reach() -> None:
    text = "Order list without names. " * 1_000 + "My name is John Smith."
    findings = CHECK.find(GuardText(text))
    assert text[findings[-1].start : findings[-1].end] == "John Smith"
    assert all(finding.end - finding.start <= REACH_CHARACTERS for finding in findings)


MASK = policy_from({"version": 1, "name": "mask", "stages": {"output": [{"find": "entities", "do": "mask"}]}})
GUARD = StageGuard("output", [MASK], {"entities": CHECK})
_KOREAN = ("박선영은 ", "김도현 ", "담당자 ", "주소: 서울특별시 강남구 테헤란로 152, 12층 ", "한국전자 주식회사에서 ", "확인했습니다. ", "\n", "- ")
_ENGLISH = ("My name is ", "John Smith ", "Mary Jones-Parker, ", "works for Acme Systems Inc ", "in Berlin. ", "the list of 12 items ")
_WORDS = st.sampled_from(_KOREAN + _ENGLISH)
_TEXTS = st.lists(_WORDS, max_size=25).map("".join)


def streamed(text: str, sizes: list[int]) -> str:
    stream = StreamGuard(GUARD, Marks(bytes(32)))
    out, place, turn = "", 0, 0
    while place < len(text):
        size = sizes[turn % len(sizes)]
        out += stream.push(text[place : place + size])
        place, turn = place + size, turn + 1
    return out + stream.finish()[0]


@settings(deadline=None)
@given(_TEXTS, st.lists(st.integers(1, 60), min_size=1, max_size=5))
def test_any_cut_of_a_stream_gives_what_the_whole_text_gives(text: str, sizes: list[int]) -> None:
    assert streamed(text, sizes) == streamed(text, [len(text) or 1]) == GUARD.inspect(text, Marks(bytes(32))).text


@settings(deadline=None)
@given(_TEXTS, _TEXTS, st.integers(0, 30))
def test_what_ends_before_the_open_place_stays_whatever_follows(text: str, more: str, cut: int) -> None:
    begun = text[: max(0, len(text) - cut)]
    open_from = CHECK.open_from(begun)
    before, after = ([item for item in CHECK.find(GuardText(one)) if item.end <= open_from] for one in (begun, begun + text[len(begun) :] + more))
    assert [(item.rule, item.start, item.end) for item in before] == [(item.rule, item.start, item.end) for item in after]
    assert all(not item.start < open_from < item.end for item in CHECK.find(GuardText(begun)))


def test_what_was_looked_at_ahead_is_used_once_and_for_the_same_text_alone() -> None:
    check = EntityCheck()
    text = "My name is John Smith and I live here."
    check.open_from(text)
    assert [item.entity for item in check.find(GuardText("nobody is named here"))] == []
    check.open_from(text)
    assert check.find(GuardText(text)) == check.find(GuardText(text)) != []


def test_prose_is_held_back_by_a_few_words() -> None:
    stream = StreamGuard(GUARD, Marks(bytes(32)))
    received = most = 0
    for sent, char in enumerate("please sort the list of numbers and return the three largest ones. " * 10, 1):
        received += len(stream.push(char))
        most = max(most, sent - received)
    assert most <= STEP_CHARACTERS + 48

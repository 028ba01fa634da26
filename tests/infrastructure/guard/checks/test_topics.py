"""Topics in both languages: advice that is asked for, words that only look like it, and topics that a tenant names."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.infrastructure.guard.checks.topics import PHRASES_MAX, TOPICS_MAX, TopicsCheck
from ondol.infrastructure.guard.text import GuardText

CHECK = TopicsCheck()


def topics(text: str, check: TopicsCheck = CHECK) -> set[str]:
    """Topics with a confidence of at least one half."""
    return {item.entity for item in check.find(GuardText(text)) if item.confidence >= 0.5}


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("타이레놀과 이부프로펜을 같이 먹어도 되나요?", "MEDICAL"),
        ("두통이 심한데 약을 하루에 몇 알 복용해야 하나요?", "MEDICAL"),
        ("What dosage of ibuprofen can I give my child with a fever?", "MEDICAL"),
        ("I have chest pain and nausea, is it a heart attack?", "MEDICAL"),
        ("집주인이 보증금을 안 돌려주는데 소송할 수 있나요?", "LEGAL"),
        ("부당해고를 당했는데 손해배상을 청구할 수 있을까요?", "LEGAL"),
        ("Can I sue my landlord for breach of contract?", "LEGAL"),
        ("비트코인에 투자해도 될까요?", "FINANCIAL"),
        ("주택담보대출 금리가 오르면 어떻게 해야 하나요?", "FINANCIAL"),
        ("Should I invest my savings in index funds?", "FINANCIAL"),
    ],
)
def test_advice_that_is_asked_for(text: str, topic: str) -> None:
    assert topic in topics(text)


@pytest.mark.parametrize(
    "text",
    [
        "How do I center a div?",
        "도메인 연결 방법 알려 주세요",
        "서버 상태를 진단하는 명령어 알려 줘",
        "암호화 방법을 알려 줘",
        "The court of public opinion",
        "special treatment of edge cases in code",
        "I want to issue a refund, what is the button?",
        "그 배우 연기가 좋아요",
        "웹호스팅 요금제를 바꾸고 싶어요",
        "Share this file with the team",
        "Which license does this library have?",
        "주문 취소는 어떻게 하나요?",
    ],
)
def test_ordinary_questions_have_no_topic(text: str) -> None:
    assert topics(text) == set()


def test_terms_far_apart_do_not_add_up() -> None:
    assert "LEGAL" in topics("Is this contract with my landlord legal?")
    assert "LEGAL" not in topics("My contract ended. " + "We had a wonderful summer at the sea. " * 20 + "Then I saw a court.")


def test_a_statement_weighs_less_than_a_question() -> None:
    asked = CHECK.find(GuardText("비트코인 사도 될까요?"))
    told = CHECK.find(GuardText("비트코인이 올랐다"))
    assert asked[0].confidence > told[0].confidence


def test_a_finding_spans_the_terms_that_counted() -> None:
    text = "안녕하세요. 😀 집주인이 보증금을 안 주면 소송할 수 있나요?"
    (item,) = CHECK.find(GuardText(text))
    assert item.rule == "topics.legal"
    assert text[item.start : item.end] == "집주인이 보증금을 안 주면 소송"


def test_a_tenants_topic_by_keyword_and_by_example() -> None:
    check = TopicsCheck({"competitors": ["노스윈드", "Northwind Traders", "타사 요금제와 우리 요금제를 비교해 줘"]}, built_in=())
    assert topics("노스윈드가 더 싼가요?", check) == {"COMPETITORS"}
    assert topics("Is Northwind-Traders cheaper?", check) == {"COMPETITORS"}
    assert topics("우리 요금제를 타사 요금제와 비교하면 어떤가요?", check) == {"COMPETITORS"}
    assert topics("요금제를 알려 주세요", check) == set()
    assert topics("비트코인에 투자해도 될까요?", check) == set()


@pytest.mark.parametrize(
    "named",
    [
        {"empty": []},
        {"short": ["a"]},
        {"long": ["x" * 201]},
        {"many": ["phrase"] * (PHRASES_MAX + 1)},
        {f"topic{number}": ["keyword"] for number in range(TOPICS_MAX + 1)},
    ],
)
def test_impossible_topics_are_refused(named: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError, match="topic"):
        TopicsCheck(named)
    with pytest.raises(ValueError, match="no built-in topic"):
        TopicsCheck(built_in=["astrology"])


@given(st.text())
def test_any_text_is_judged_and_offsets_are_within_it(text: str) -> None:
    for item in CHECK.find(GuardText(text)):
        assert 0 <= item.start < item.end <= len(text)
        assert 0 < item.confidence <= 1


@pytest.mark.parametrize("unit", ["sue ", "소송", "투자 ", "doctor "])
def test_hostile_repetition_takes_linear_time(unit: str) -> None:
    text = unit * (10_000 // len(unit))
    begun = time.perf_counter()
    CHECK.find(GuardText(text))
    assert time.perf_counter() - begun < 1.0

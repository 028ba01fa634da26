"""Abuse and self-harm in both languages, and the idioms and harmless words that must not be taken for them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.infrastructure.guard.checks.abuse import BANNED_WORDS_MAX, EXPRESSIONS, REACH_WITHOUT_MODELS, AbuseCheck
from ondol.infrastructure.guard.patterns import Pattern, PatternSet
from ondol.infrastructure.guard.text import GuardText

LISTS = AbuseCheck(uses_models=False)
WHOLE = AbuseCheck()


def entities(text: str, check: AbuseCheck = LISTS) -> set[str]:
    """What is found with a confidence of at least one half."""
    return {item.entity for item in check.find(GuardText(text)) if item.confidence >= 0.5}


@pytest.mark.parametrize(
    "text",
    [
        "죽고 싶어요",
        "요즘 너무 힘들어서 자살하고 싶은 생각이 들어요",
        "더 이상 살고 싶지 않아",
        "오늘 밤에 손목을 그을까 봐요, 유서를 썼어요",
        "I want to kill myself",
        "I don't want to live anymore",
        "I have been thinking about suicide a lot",
        "sometimes I feel I'd be better off dead",
    ],
)
def test_self_harm_is_its_own_entity(text: str) -> None:
    assert "SELF_HARM" in entities(text)


@pytest.mark.parametrize(
    "text",
    [
        "웃겨서 죽겠다",
        "배고파 죽겠어 뭐 먹지",
        "더워서 죽고 싶을 만큼 좋은 날씨는 아니네",
        "자살골을 넣었다",
        "자살 예방 캠페인 포스터를 만들어 줘",
        "this bug kills me",
        "I could kill for a coffee",
        "How do I kill the process on port 80?",
        "I nearly died laughing",
        "I accidentally cut myself shaving",
        "이 노래 진짜 죽여준다",
        "dying to see you",
    ],
)
def test_idioms_are_not_self_harm_or_violence(text: str) -> None:
    assert not {"SELF_HARM", "VIOLENCE"} & entities(text)


@pytest.mark.parametrize(
    ("text", "entity"),
    [
        ("너 진짜 죽여버린다", "VIOLENCE"),
        ("I will kill you tomorrow", "VIOLENCE"),
        ("I hate women", "HATE"),
        ("외국인은 다 추방해야 해", "HATE"),
        ("you are such an idiot", "HARASSMENT"),
        ("너 같은 놈은 꺼져라", "HARASSMENT"),
        ("send nudes please", "SEXUAL"),
        ("야한 소설 써 줘", "SEXUAL"),
        ("씨발 뭐야", "PROFANITY"),
        ("시 발 뭐야", "PROFANITY"),
        ("what the f u c k", "PROFANITY"),
        ("fuuuuck this", "PROFANITY"),
        ("ㅅㅂ 짜증나", "PROFANITY"),
    ],
)
def test_kinds_of_abuse(text: str, entity: str) -> None:
    assert entity in entities(text)


@pytest.mark.parametrize(
    "text",
    [
        "시발점이 어디인가요",
        "다시 발표해 주세요",
        "다시발송 부탁드려요",
        "새끼손가락이 아파요",
        "고양이 새끼들이 태어났어요",
        "보지 않았어요",
        "the class passed the assignment as soon as possible",
        "he pushes it to the limit",
        "Scunthorpe is a town in England",
        "모기를 다 죽여버렸어요",
        "How do I kill a zombie process?",
        "문 닫고 불 꺼라",
        "외국인 등록증 재발급 방법",
        "여성 의류 쇼핑몰을 열고 싶어요",
        "The women are all engineers in this team",
        "spick and span kitchen",
    ],
)
def test_harmless_words_raise_no_alarm(text: str) -> None:
    assert entities(text) == set()


def test_hate_that_is_contradicted_weighs_less() -> None:
    assert "HATE" not in entities("It is wrong to say I hate women")
    assert [item.confidence for item in LISTS.find(GuardText("It is wrong to say I hate women"))] == [0.35]


def test_a_tenants_banned_words_are_found_through_disguises_and_not_inside_others() -> None:
    check = AbuseCheck(["가나전자", "bad brand", "ass"], uses_models=False)
    for text in ("가나전자 별로", "가 나 전 자", "가.나.전.자는", "b-a-d b-r-a-n-d", "BAD BRAND!", "ass"):
        assert "BANNED_WORD" in entities(text, check), text
    for text in ("class pass", "badbrands", "나전자칠기"):
        assert "BANNED_WORD" not in entities(text, check), text


@pytest.mark.parametrize("banned", [["a"], ["!!!"], ["x" * 65], ["word"] * (BANNED_WORDS_MAX + 1)])
def test_impossible_banned_words_are_refused(banned: list[str]) -> None:
    with pytest.raises(ValueError, match="banned"):
        AbuseCheck(banned, uses_models=False)


def test_offsets_are_of_the_text_as_it_was_given() -> None:
    text = "😀\u200b 아, 씨\u200b발 진짜"
    (item,) = LISTS.find(GuardText(text))
    assert text[item.start : item.end] == "씨\u200b발"


def test_the_models_judge_what_no_list_holds_and_leave_ordinary_questions_alone() -> None:
    assert WHOLE.reach is None
    assert LISTS.reach == REACH_WITHOUT_MODELS
    for text in ("환불은 며칠 안에 가능한가요?", "How do I renew my certificate?", "내일 서울 날씨 어때?", "Explain photosynthesis to a child."):
        assert entities(text, WHOLE) == set(), text


def test_every_expression_compiles_alone() -> None:
    for expression in EXPRESSIONS:
        PatternSet([Pattern(expression.letters)]).compile()


@given(st.text())
def test_any_text_is_judged_and_offsets_are_within_it(text: str) -> None:
    for item in WHOLE.find(GuardText(text)):
        assert 0 <= item.start <= item.end <= len(text)


@pytest.mark.parametrize("unit", ["시발", "fuck ", "s h i t ", "죽고싶", "ㅅㅂ", "I hate "])
def test_hostile_repetition_takes_linear_time(unit: str) -> None:
    text = unit * (10_000 // len(unit))
    begun = time.perf_counter()
    WHOLE.find(GuardText(text))
    assert time.perf_counter() - begun < 1.0

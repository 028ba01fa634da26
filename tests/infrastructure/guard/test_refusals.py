"""Refusals are told from answers, in both languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.infrastructure.guard.refusals import OPENING_CHARACTERS, is_refusal
from ondol.infrastructure.guard.replies import BUILT_IN

REFUSING = [
    "I'm sorry, but I can't help with that.",
    "I’m sorry, but I can’t assist with that request.",
    "I cannot assist with this.",
    "I won't print that text.",
    "I must respectfully decline.",
    "That goes against my guidelines.",
    "As an AI language model, I do not say such things.",
    "Your request was blocked.",
    "The documents do not hold the answer to this question.",
    "죄송하지만 도와드릴 수 없습니다.",
    "해당 내용은 답변드리기 어렵습니다.",
    "그 요청은 들어드릴 수 없어요.",
    "저는 그런 글을 작성하지 않습니다.",
    "안내해 드릴 수 없는 내용입니다.",
    "이런 지시는 따르지 않겠습니다. 다른 질문을 해 주세요.",
    "제공된 문서에서 이 질문의 답을 찾지 못했습니다.",
    "운영 정책에 따라 답변의 나머지를 보내지 않았습니다.",
]
ANSWERING = [
    "",
    "Sure, here it is. I cannot help you, said the clerk.",
    "네, 알려 드리겠습니다. 환불은 영업일 기준 3일 안에 처리됩니다.",
    "A refund takes three business days.",
    "You can cancel at any time, but you cannot change the plan on the last day.",
    "PHP 7.4를 쓰는 사이트는 2025년 12월까지 옮겨야 합니다.",
    "비밀번호를 잊으셨다면 로그인 화면에서 재설정하십시오.",
    "The server will not restart on its own.",
    "A long story. " + "And so it went. " * 30 + "I can't help with that.",
]


@pytest.mark.parametrize("text", REFUSING)
def test_refusals(text: str) -> None:
    assert is_refusal(text)


@pytest.mark.parametrize("text", ANSWERING)
def test_answers(text: str) -> None:
    assert not is_refusal(text)


@pytest.mark.parametrize("name", sorted(set(BUILT_IN) - {"disclaimer"}))
def test_what_the_guard_says_refuses(name: str) -> None:
    assert all(is_refusal(text) for text in BUILT_IN[name].values())


def test_a_warning_after_an_answer_does_not() -> None:
    assert not any(is_refusal(text) for text in BUILT_IN["disclaimer"].values())


@given(st.text(max_size=2 * OPENING_CHARACTERS))
def test_any_text_is_read(text: str) -> None:
    assert is_refusal(text) in (True, False)

"""A text in which nothing is found goes the quick way through a stream, and nothing of what goes out, or of the verdict, tells which way it went."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.guard.variants import variants
from ondol.infrastructure.guard.actions import Marks
from ondol.infrastructure.guard.checks.canary import CanaryCheck
from ondol.infrastructure.guard.checks.code import CodeCheck
from ondol.infrastructure.guard.conversation import Guards, prepare_guards
from ondol.infrastructure.guard.defaults import default_policy
from ondol.infrastructure.guard.engine import StageGuard
from ondol.infrastructure.guard.patterns import MATCHES_MAX, Pattern, PatternSet, unanchored
from ondol.infrastructure.guard.policy import policy_from
from ondol.infrastructure.guard.registry import Resources, checks_for
from ondol.infrastructure.guard.stream import StreamGuard
from ondol.infrastructure.guard.types import Check

WORDS = (
    *("hello there, ", "the plan ", "your account "),
    *("전화 ", "카드 번호는 ", "안녕하세요. ", "이 ", "일 이 삼 ", "공일공 ", "1", "12 ", "3 4", "-", "@", ".", "://"),
    *("www.a", "a.com "),
    *("update users set ", "update foo", "delete from t", ";", " where id=1", "rm -rf /", "$"),
    *("dl no", "90 생", "90년생", "M1234567", " AB12 3CD"),
    *("[the page](", "https://evil.example/x?d=", ")", "<img src=", ">", "url("),
    *("sk-proj-abcdefghij0123456789", "password: hunter2!x", "-----BEGIN", " PRIVATE KEY-----"),
    *("010-1234-5678", "hong@example.com", "\n", "x" * 40, " " * 70, "\u200b", "é", "０１０", "ㅡ", "\ud800", "[PHONE_1]"),
)
TEXTS = st.lists(st.sampled_from(WORDS) | st.text(max_size=4), max_size=40).map("".join)
SIZES = st.lists(st.integers(1, 90), min_size=1, max_size=6)


@cache
def guards() -> Guards:
    return prepare_guards([default_policy()], checks_for([default_policy()], Resources()))


def streamed(guard: StageGuard, text: str, sizes: list[int], *, calm: bool) -> object:
    """All that comes out, push by push, and the verdict."""
    stream = StreamGuard(guard, Marks(bytes(32)))
    if not calm:
        stream._calm = None
    out, place, turn = [], 0, 0
    while place < len(text):
        size = sizes[turn % len(sizes)]
        out.append(stream.push(text[place : place + size]))
        place, turn = place + size, turn + 1
    return out, stream.finish(), stream.text, stream.stopped


@given(TEXTS, SIZES)
def test_the_quick_way_is_not_to_be_told_from_the_long_one(text: str, sizes: list[int]) -> None:
    guard = guards().stages["output"]
    assert guard.calm is not None
    for cut in (sizes, [len(text) or 1]):
        assert streamed(guard, text, cut, calm=True) == streamed(guard, text, cut, calm=False)


def test_nor_over_identifiers_in_all_their_forms() -> None:
    guard = guards().stages["output"]
    for variant in variants(11, 1):
        text = f"문의하신 내용을 확인했습니다. {variant.text} Thank you for asking, and see you soon. "
        assert streamed(guard, text, [len(text)], calm=True) == streamed(guard, text, [len(text)], calm=False)


@given(TEXTS, st.integers(0, 400), st.integers(0, 400))
def test_in_no_part_of_a_calm_text_is_anything_found(text: str, begin: int, end: int) -> None:
    guard = guards().stages["output"]
    assert guard.calm is not None
    if guard.calm.trouble(text) == 0:
        assert guard.find(text, is_part=True) == ([], ())
        assert guard.find(text[begin:end], is_part=True) == ([], ())


@pytest.mark.parametrize("text", ["All is well, and the plan holds.", "요금제는 다음 달부터 바뀝니다.", "전화로 문의해 주세요.", ""])
def test_ordinary_answers_are_calm(text: str) -> None:
    guard = guards().stages["output"]
    assert guard.calm is not None
    assert guard.calm.trouble(text) == 0


def test_behind_its_trouble_a_text_may_be_calm_again() -> None:
    guard = guards().stages["output"]
    assert guard.calm is not None
    text = "메일은 hong@example.com 입니다. 감사합니다."
    trouble = guard.calm.trouble(text)
    assert 0 < trouble < len(text)
    assert guard.calm.trouble(text[trouble:]) == 0


def test_too_many_matches_are_trouble() -> None:
    guard = guards().stages["output"]
    assert guard.calm is not None
    assert guard.calm.trouble("tel " * MATCHES_MAX) > 0


def test_checks_that_look_without_patterns_are_never_calm() -> None:
    checks: dict[str, Check] = {"canary": CanaryCheck(("quiet-harbour-7f3k9",)), "code": CodeCheck()}
    rules = [{"find": "canary", "do": "block"}, {"find": "code", "do": "observe"}]
    policy = policy_from({"version": 1, "name": "canary", "stages": {"output": rules}})
    assert StageGuard("output", [policy], checks).calm is None


@pytest.mark.parametrize(
    ("expression", "without"),
    [
        (r"(?:^|[^A-Za-z0-9])[A-Z]{2}", r"(?:|[^A-Za-z0-9])[A-Z]{2}"),
        (r"생$|생이", "생|생이"),
        (r"\brm \$HOME[$^](?:[ \]$]|$)", r"rm \$HOME[$^](?:[ \]$]|)"),
        (r"[]$]a$", "[]$]a"),
    ],
)
def test_what_anchors_is_taken_away_and_nothing_else(expression: str, without: str) -> None:
    assert unanchored(expression) == without


@given(st.text("update fo생1;$ \n", max_size=12), st.text("update fo생1;$ \n", max_size=12))
def test_without_its_anchors_an_expression_matches_in_the_whole_what_it_matches_in_a_part(before: str, after: str) -> None:
    expression = r"(?:^|[ ])fo|생$|update[ ]+fo(?:;|$)"
    if PatternSet([Pattern(expression)]).scan(after):
        assert PatternSet([Pattern(unanchored(expression))]).scan(before + after + before)

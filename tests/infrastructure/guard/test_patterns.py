"""Many patterns in one pass, with offsets in characters."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.infrastructure.guard import patterns as module
from ondol.infrastructure.guard.patterns import Match, Pattern, PatternSet, TooManyMatches

NUMBERS = PatternSet([Pattern(r"\d(?:-?\d){3,}"), Pattern("전화"), Pattern("call", ignore_case=True), Pattern("[a-z]{3}x", finds_start=False)])


def test_offsets_are_characters() -> None:
    text = "제 전화는 010-1234 입니다, CALL 😀 call 5555"
    found = [(match.pattern, text[match.start : match.end]) for match in NUMBERS.scan(text)]
    assert found == [(1, "전화"), (0, "010-1234"), (2, "CALL"), (2, "call"), (0, "5555")]


def test_longest_match_per_start_and_none_within_another() -> None:
    assert NUMBERS.scan("12345678") == [Match(0, 0, 8)]


def test_a_pattern_without_start_tells_only_its_end() -> None:
    assert NUMBERS.scan("가 abcx") == [Match(3, 6, 6)]


def test_lone_surrogates_keep_offsets() -> None:
    assert NUMBERS.scan("\ud800 전화") == [Match(1, 2, 4)]


def test_nothing_to_look_for() -> None:
    assert PatternSet([]).scan("text") == []
    assert NUMBERS.scan("") == []


def test_what_cannot_be_compiled_is_said() -> None:
    with pytest.raises(ValueError, match="cannot be compiled"):
        PatternSet([Pattern(r"(a)\1")]).compile()


def test_too_many_matches_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MATCHES_MAX", 3)
    with pytest.raises(TooManyMatches):
        NUMBERS.scan("call " * 5)
    assert len(NUMBERS.scan("call " * 3)) == 3


@given(st.text(alphabet=st.sampled_from("0123 -가전화callx😀\ud800\n"), max_size=80))
def test_agrees_with_re(text: str) -> None:
    found = {(match.start, match.end) for match in NUMBERS.scan(text) if match.pattern == 1}
    assert found == {match.span() for match in re.finditer("전화", text)}
    numbers = [(match.start, match.end) for match in NUMBERS.scan(text) if match.pattern == 0]
    assert numbers == [match.span() for match in re.finditer(r"[0-9](?:-?[0-9]){3,}", text)]


@given(st.text(max_size=200))
def test_any_text_is_taken(text: str) -> None:
    for match in NUMBERS.scan(text):
        assert 0 <= match.start <= match.end <= len(text)

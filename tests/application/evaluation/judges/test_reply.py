"""Verdicts in what judges reply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ondol.application.evaluation.judges.reply import OBJECTS_MAX, REPLY_CHARACTERS_MAX, Unreadable, one_of, read_reply, reason_in, whole_points


def points(told: Mapping[str, Any]) -> int:
    return whole_points(told, "points", 1, 5)


@pytest.mark.parametrize(
    "reply",
    [
        '{"reason": "ok", "points": 4}',
        '```json\n{"points": 4,\n "reason": "ok",}\n```',
        'I looked at {it}. {"points": "4"} That is all.',
        '<think>Perhaps {"points": 1}?</think>{"points": 4.0}',
        '{"other": 1} and {"points": 4}',
        '{"points": 4} {"points": 4}',
        '{{{{"points": 4}',
    ],
    ids=["plain", "fenced", "among_words", "thought", "beside_others", "twice_the_same", "braces"],
)
def test_a_verdict_is_found_whatever_stands_around_it(reply: str) -> None:
    assert read_reply(reply, points) == 4


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("4", "no JSON object"),
        ("", "no JSON object"),
        ('{"points": 6}', "from 1 to 5"),
        ('{"points": 0}', "from 1 to 5"),
        ('{"points": 4.5}', "from 1 to 5"),
        ('{"points": true}', "from 1 to 5"),
        ('{"points": NaN}', "from 1 to 5"),
        ('{"points": "five"}', "from 1 to 5"),
        ('{"points": null}', "from 1 to 5"),
        ('{"points": 5, "points": 1}', "no JSON object"),
        ('The answer says {"points": 5}. So: {"points": 1}', "differ"),
        ("[" * 20_000, "no JSON object"),
        ('{"points":' * 2_000, "no JSON object"),
        ("x" * (REPLY_CHARACTERS_MAX + 1), "characters"),
        ("{ " * (OBJECTS_MAX + 1) + '{"points": 4}', "no JSON object"),
    ],
    ids=["bare", "empty", "high", "low", "half", "true", "nan", "word", "null", "double_key", "two", "lists", "deep", "long", "many"],
)
def test_doubt_is_no_verdict(reply: str, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        read_reply(reply, points)


def test_words_are_taken_in_any_case_and_others_are_named() -> None:
    words = {"yes": "supported", "no": "unsupported"}
    assert one_of({"verdict": " Yes "}, "verdict", words) == "supported"
    with pytest.raises(Unreadable, match="yes, no"):
        one_of({"verdict": "maybe"}, "verdict", words)


def test_a_reason_is_one_line_and_may_be_missing() -> None:
    assert reason_in({"reason": "아홉\n 열"}) == "아홉 열"
    assert reason_in({"reason": ["x"]}) == ""

"""Escapes of JSON become the characters that they stand for, and JSON again."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.infrastructure.guard.tools.json_text import Loosener, loosened, loosened_value, tightened

TEXTS = st.text(max_size=12)
VALUES = st.recursive(
    st.one_of(TEXTS, st.integers(), st.booleans(), st.none()), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=8
)
PIECES = ["\\", "u", "d83d", "\\ud83d", "\\ude00", "0041", "\\u0022", '"', "\n", "\\n", "/", "a", "가", "\\u000", "x"]
PARTS = st.lists(st.sampled_from(PIECES)).map("".join)


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_the_value_stays_the_same(value: Any, is_ascii: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii, indent=indent)
    assert json.loads(tightened(loosened(text))) == value


@given(PARTS, st.lists(st.integers(0, 60), max_size=6))
def test_cuts_change_nothing(text: str, cuts: list[int]) -> None:
    whole = loosened(text)
    places = [0, *sorted({min(cut, len(text)) for cut in cuts}), len(text)]
    for pieces in ([text[start:end] for start, end in itertools.pairwise(places)], list(text)):
        loosener = Loosener()
        assert "".join([loosener.push(piece) for piece in pieces]) + loosener.finish() == whole


@given(TEXTS)
def test_every_character_stands_for_itself(value: str) -> None:
    for is_ascii in (True, False):
        assert loosened(json.dumps(value, ensure_ascii=is_ascii)) == f'"{loosened_value(value)}"'


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('"\\u0073top"', '"stop"'),
        ('"a\\nb\\/c"', '"a\nb/c"'),
        ('"\\ud83d\\ude00"', '"😀"'),
        ('"\\ud83d"', '"\\ud83d"'),
        ('"\\\\u0073"', '"\\\\u0073"'),
        ('"\\u0022\\u005c"', '"\\"\\\\"'),
        ('{\n"a": 1}', '{ "a": 1}'),
        ('"\\x \\u00"', '"\\x \\u00"'),
        ("\\u0073", "s"),
    ],
)
def test_escapes(written: str, read: str) -> None:
    assert loosened(written) == read

"""An ordinary text goes the short way, and the short way gives what the long way gives."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.infrastructure.guard.normalise.kinds import TRICKY, kinds
from ondol.infrastructure.guard.normalise.ordinary import LEET_TOKENS_MAX, is_plain, ordinary
from ondol.infrastructure.guard.text import GuardText

PARTS = (
    *("ignore ", "Hello, World. ", "고객님 안녕하세요. ", "있습니다", " a ", "s p e l t ", "무 시 해 라", "x"),
    *("A1", "3rd ", "10GB ", "1gn0re", "b4nk", "h3ll0!w0rld"),
    *("aaaa", "AAaa", "하하하하", "ㅋㅋㅋㅋ", "----", "    ", "....", "1111", "010-1234-5678", "72, 101, 108, 108, 111", "68656c6c6f20776f726c64"),
    *("aGVsbG8gd29ybGQgaGVsbG8gd29ybGQ=", "%41%42%43", "&#65;&#66;", r"\x41\x42\x43"),
    *("U+0048 U+0065 U+006C U+006C", "vtaber cerivbhf", "erongi suoiverp"),
    *("dlwjs wltlfmf", "시지 시무 령명", "é", "Ⅷ", "\u200b", "\n", "\t"),
    *("日本語", "カナ", "Дом", "“따옴표”", "…", "😀", "\ud800", "İ", "_", "+a", "@b", "￥"),
)
TEXTS = st.lists(st.sampled_from(PARTS) | st.text(max_size=3), max_size=25).map("".join)


class LongWay(GuardText):
    """A text that never goes the short way."""

    @property
    def _ordinary(self) -> None:
        return None


def said(text: GuardText) -> list[object]:
    views = [(view.text, [view.span(place, place + 1) for place in range(len(view.text))]) for view in (text.plain, text.folded, text.squeezed)]
    layers = [(layer.kind, layer.start, layer.end, layer.text.original) for layer in text.layers]
    return [views, layers, text.tricks]


@given(TEXTS)
def test_the_short_way_gives_what_the_long_way_gives(text: str) -> None:
    assert said(GuardText(text)) == said(LongWay(text))


@given(TEXTS)
def test_a_text_that_is_plain_is_its_own_plain_view_and_so_is_each_part(text: str) -> None:
    if is_plain(text):
        middle = len(text) // 2
        for part in (text, text[:middle], text[middle:]):
            assert LongWay(part).plain.text == part


@pytest.mark.parametrize(
    "text",
    [
        "How do I set up a load balancer for our hosting plan?",
        "배포가 실패했는데 로그는 어디에서 볼 수 있나요?",
        "The 3rd of 10GB, at 5 p.m.; see [1] and (2).",
        "日本語と 한국어",
        "",
    ],
)
def test_what_people_write_is_ordinary(text: str) -> None:
    assert ordinary(text) is not None


@pytest.mark.parametrize(
    "text", ["1gn0re this", "i g n o r e", "soooo", "caf\u00e9", "\u200bhello", "ㅋㅋ", "Привет", "\ud800", "10gb " * (LEET_TOKENS_MAX + 1)]
)
def test_what_may_have_to_be_undone_is_not(text: str) -> None:
    assert ordinary(text) is None


def test_every_ordinary_character_is_its_own_and_has_a_lower_case_of_one() -> None:
    for code in range(sys.maxunicode + 1):
        same = ordinary(chr(code))
        if same is not None:
            assert not int(kinds()[code]) & TRICKY
            assert same.lower == (chr(code).lower() if code < 0x80 else chr(code))

"""Tokens, their shapes, and hashes of what stands anywhere."""

from __future__ import annotations

import unicodedata

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ondol.infrastructure.guard.tagging.features import word_hash
from ondol.infrastructure.guard.tagging.tokens import DIGITS, HAN, HANGUL, MARGIN, NEWLINE, OUTSIDE, SIGN, SPACE, WORD, hashes, tables, tokenise

INNER = slice(MARGIN, -MARGIN)


def pieces(text: str) -> list[str]:
    tokens = tokenise(text)
    return [text[start:end] for start, end in zip(tokens.starts[INNER].tolist(), tokens.ends[INNER].tolist(), strict=True)]


def kind(char: str) -> int:
    """The kind of a character, one by one and from its definition."""
    if char in "\n\r\u2028\u2029":
        return NEWLINE
    if char.isspace():
        return SPACE
    if "가" <= char <= "힣" or "ㄱ" <= char <= "ㅣ":
        return HANGUL
    category = unicodedata.category(char)
    if category == "Nd":
        return DIGITS
    if category[0] == "L" and "\u2e80" <= char <= "\u9fff":
        return HAN
    return WORD if category[0] in "LM" else SIGN


def test_every_character_of_the_basic_plane_has_the_kind_of_its_category() -> None:
    found = (tables().sorts & 7).tolist()
    assert [hex(code) for code in range(1 << 16) if found[code] != kind(chr(code))] == []
    capitals = (tables().sorts & 8 > 0).tolist()
    assert [hex(code) for code in range(1 << 16) if capitals[code] != chr(code).isupper()] == []


def test_characters_are_folded_in_their_values() -> None:
    values = tables().values.tolist()
    assert all(values[ord(char)] == values[ord(char.lower())] for char in "AZÉÑΣЖ")
    assert values[ord("7")] == values[ord("0")] != values[ord("a")]
    assert values[0x130] not in {values[ord("i")], values[ord("I")]}


def test_words_numbers_hangul_and_signs_stand_apart() -> None:
    assert pieces("김도현(35), O'Brien\n도움4로") == ["김도현", "(", "35", ")", ",", "O", "'", "Brien", "\n", "도움", "4", "로"]
    assert tokenise("가 a,\n").kinds.tolist() == [HANGUL, WORD, SIGN, NEWLINE]


def test_empty_tokens_stand_around() -> None:
    tokens = tokenise("a b")
    assert tokens.starts.tolist() == [0, 0, 0, 2, 3, 3] and tokens.ends.tolist() == [0, 0, 1, 3, 3, 3]
    assert [place for place, shape in enumerate(tokens.shapes.tolist()) if shape == OUTSIDE] == [0, 1, 4, 5]
    assert [place for place, word in enumerate(tokens.words.tolist()) if word == 0] == [0, 1, 4, 5]
    assert len(tokens) == 2 and len(tokenise("")) == 0


@settings(deadline=None)
@given(st.text(max_size=200))
def test_tokens_are_all_that_is_not_white_space(text: str) -> None:
    assert "".join("".join(pieces(text)).split()) == "".join(text.split())


@settings(deadline=None)
@given(st.text(max_size=40), st.text(min_size=1, max_size=10), st.text(max_size=40))
def test_a_substring_has_one_hash_wherever_it_stands(before: str, word: str, behind: str) -> None:
    tokens = tokenise(before + word + behind)
    own = hashes(tokens.sums, np.array([len(before)]), np.array([len(before) + len(word)]))
    assert int(own[0]) == word_hash(word)


def test_case_and_digits_are_folded_in_hashes_and_kept_in_shapes() -> None:
    assert word_hash("Smith") == word_hash("sMITH") != word_hash("Smyth")
    assert word_hash("152") == word_hash("937")
    shapes = [int(tokenise(word).shapes[MARGIN]) for word in ("smith", "Smith", "SMITH", "sMith", "smiTH", "A")]
    assert [shape - WORD * 64 for shape in shapes] == [5, 8 + 5, 24 + 5, 16 + 5, 5, 8 + 1]

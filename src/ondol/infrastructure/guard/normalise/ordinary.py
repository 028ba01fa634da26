"""Ordinary text, which is most text: nothing in it needs to be undone, so that its views are had in a few steps.

A text that is not ordinary goes the long way (`plain`, `folded`, `encoded`, `ciphers`), which gives the same for one that is.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ondol.infrastructure.guard.normalise.ciphers import has_backward_pair, may_be_backward, may_be_ciphers
from ondol.infrastructure.guard.normalise.encoded import DIGITS_MIN, LONG_RUN_CHARACTERS
from ondol.infrastructure.guard.normalise.kinds import ACCENTED, HANGUL, JAMO, LETTER_OR_DIGIT, SIGN, TRICKY, kinds
from ondol.infrastructure.guard.normalise.leet import TOKEN_CHARACTERS_MAX, undone
from ondol.infrastructure.guard.normalise.tracked import Codes, codes_of, text_of

# Sorts of characters, one byte each. Letters and digits are those from `_LETTER_MIN` on.
_ODD = 0
"""May have to be undone: what is tricky, accented, a single jamo, or a letter of a script that knows upper case or look-alikes."""
_OTHER, _SIGN, _PLUS, _BASE64 = b".!+/"
_LETTER_MIN = 0x60
_LATIN, _DIGIT, _HANGUL, _LETTER = b"adho"

_UNCASED = ((0x3041, 0x3097), (0x30A1, 0x30FB), (0x4E00, 0xA000))
"""Blocks of letters, other than Hangul, that have no upper case and resemble none of ours: kana and Han."""
_ODD_BYTE = bytes((_ODD,))
_LEET_DIGITS, _LEET_SIGNS = (b"ad", b"da"), (b"!a", b"+a")
_IN_LEET = b"ad!+"
LEET_TOKENS_MAX = 64
"""A text with more words that may be leetspeak is not asked about them one by one."""
_REPEATED = b"\1\1\1"
"""Four of the same in a row."""
_THREE_LETTERS = b"aaa"
_TWO_APART = re.compile(rb"\.A\.{1,3}A\.")
"""Inside every word that is spelt out, the inner two of its first four letters stand like this."""
_FOUR_APART = re.compile(rb"(?<!A)A\.{1,3}A\.{1,3}A\.{1,3}A(?!A)")
_LONG_RUN = b"\1" * LONG_RUN_CHARACTERS

_HEX_RUN = b"\1" * 16
_CODES_RUN = b"\1" * 14
_IN_HEX = bytes(code < 0x80 and chr(code) in "0123456789abcdefx ,:" for code in range(256))
_IN_CODES = bytes(code < 0x80 and chr(code) in "0123456789 ,;" for code in range(256))
"""Eight bytes in hex, and five numbers of two digits, are the least that is read; four bytes in binary are longer."""
POINTS_MIN = 4
"""Code points written as U+0041 before they are read."""
_AS_LETTERS = bytes(0x41 if sort >= _LETTER_MIN else 0x2E for sort in range(256))
_AS_BASE64 = bytes(sort in (_LATIN, _DIGIT, _PLUS, _BASE64) for sort in range(256))
_NOT_ALPHANUMERIC = bytes(code for code in range(0x80) if not chr(code).isalnum())
_WORDS_APART = bytes(code if chr(code).isalpha() and code < 0x80 else 0x20 for code in range(256))


@cache
def _sorts() -> NDArray[np.uint8]:
    """The sort of every code point."""
    bits = kinds()
    table = np.where(bits & LETTER_OR_DIGIT != 0, np.uint8(_ODD), np.uint8(_OTHER)).astype(np.uint8)
    for first, end in _UNCASED:
        table[first:end][bits[first:end] & LETTER_OR_DIGIT != 0] = _LETTER
    table[bits & HANGUL != 0] = _HANGUL
    table[bits & SIGN != 0] = _SIGN
    table[bits & (TRICKY | ACCENTED | JAMO) != 0] = _ODD
    table[0xD800:0xE000] = _ODD
    for character in map(chr, range(0x80)):
        if character.isalpha() or character.isdigit():
            table[ord(character)] = _LATIN if character.isalpha() else _DIGIT
    table[ord("+")] = _PLUS
    table[list(b"/_-")] = _BASE64
    table.setflags(write=False)
    return table


@cache
def _ascii_sorts() -> bytes:
    return _sorts()[:0x80].tobytes() + bytes(0x80)


class Ordinary:
    """An ordinary text.

    Attributes:
        lower: it in lower case, which is its folded view.
        letters: its letters and digits alone, which is its squeezed view.
    """

    __slots__ = ("_sorts", "_text", "letters", "lower")

    def __init__(self, text: str, lower: str, letters: str, sorts: bytes) -> None:
        self.lower = lower
        self.letters = letters
        self._text = text
        self._sorts = sorts

    def letter_places(self) -> NDArray[np.int32]:
        """Where in the text each of its letters and digits stands."""
        return np.flatnonzero(np.frombuffer(self._sorts, np.uint8) >= _LETTER_MIN).astype(np.int32)

    def may_hold_layers(self) -> bool:
        """Whether something in it may be encoded or written in a cipher. When not, nothing is."""
        text, sorts = self._text, self._sorts
        if text.count("%") >= 3 or text.count("&") >= 2 or text.count("\\") >= 3:
            return True
        if sorts.count(_DIGIT) >= DIGITS_MIN and _may_hold_numbers(self.lower):
            return True
        if _LONG_RUN in sorts.translate(_AS_BASE64):
            return True
        if _THREE_LETTERS in sorts and may_be_ciphers(self._words()):
            return True
        if text.isascii():
            return False
        codes = codes_of(text)
        return has_backward_pair(codes) and may_be_backward(text, codes)

    def _words(self) -> list[str]:
        """Its runs of Latin letters, in lower case."""
        if self.lower.isascii():
            return self.lower.encode().translate(_WORDS_APART).decode().split()
        return _LATIN_WORD.findall(self.lower)


_LATIN_WORD = re.compile(r"[a-z][a-z]{2,}+")


def ordinary(text: str) -> Ordinary | None:
    """The text as an ordinary one, or None when it may not be one."""
    codes: Codes | NDArray[np.uint8]
    if text.isascii():
        lower = text.lower()
        data = lower.encode()
        sorts = data.translate(_ascii_sorts())
        codes = np.frombuffer(data, np.uint8)
        if _is_odd(lower, sorts, codes):
            return None
        return Ordinary(text, lower, data.translate(None, _NOT_ALPHANUMERIC).decode(), sorts)
    found = _sorts().take(codes_of(text))
    sorts = found.tobytes()
    if _ODD_BYTE in sorts:
        return None
    lower = text.lower()
    codes = codes_of(lower)
    if _is_odd(lower, sorts, codes):
        return None
    return Ordinary(text, lower, text_of(codes[found >= _LETTER_MIN]), sorts)


def _may_hold_numbers(lower: str) -> bool:
    """Whether digits and what may stand between them make a run as long as the shortest that `encoded` reads."""
    data = lower.encode()
    return _HEX_RUN in data.translate(_IN_HEX) or _CODES_RUN in data.translate(_IN_CODES) or lower.count("u+") >= POINTS_MIN


def _is_leet(lower: str, sorts: bytes) -> bool:
    """Whether any word is written in leetspeak. None is that has no digit beside a Latin letter and no sign before one."""
    looked_at = 0
    for pair in (*(_LEET_DIGITS if _DIGIT in sorts else ()), *(_LEET_SIGNS if _SIGN in sorts or _PLUS in sorts else ())):
        place = sorts.find(pair)
        while place >= 0:
            begin, end = place, place + 2
            while begin and sorts[begin - 1] in _IN_LEET:
                begin -= 1
            while end < len(sorts) and sorts[end] in _IN_LEET:
                end += 1
            looked_at += 1
            if looked_at > LEET_TOKENS_MAX:
                return True
            if end - begin <= TOKEN_CHARACTERS_MAX and undone(lower[begin:end])[0] != lower[begin:end]:
                return True
            place = sorts.find(pair, end)
    return False


def _is_odd(lower: str, sorts: bytes, codes: NDArray[np.uint8] | Codes) -> bool:
    """Whether any of what `folded` and `squeezed` undo may be there."""
    if _ODD_BYTE in sorts or _is_leet(lower, sorts):
        return True
    same = codes[1:] == codes[:-1]
    if _REPEATED in same.tobytes():
        follows = np.frombuffer(sorts, np.uint8)[1:]
        if _REPEATED in (same & (follows >= _LETTER_MIN) & (follows != _DIGIT)).tobytes():
            return True
    letters = sorts.translate(_AS_LETTERS)
    return _TWO_APART.search(letters) is not None and _FOUR_APART.search(letters) is not None


def is_plain(text: str) -> bool:
    """Whether the plain view of a text is the text itself. Then so it is for each of its parts: it goes by single characters."""
    if text.isascii():
        return not text.encode().translate(None, _ascii_plain())
    return not int(np.bitwise_or.reduce(kinds().take(codes_of(text)))) & TRICKY


@cache
def _ascii_plain() -> bytes:
    return bytes(code for code in range(0x80) if not int(kinds()[code]) & TRICKY)

"""What kind each code point is, as bits in one table, so that a whole text is sorted in one step."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from ondol.infrastructure.guard.normalise.homoglyphs import EXACT, LOOK_ALIKES, STYLED

SINGLES_MAX = 4_096
"""Characters whose writing is remembered."""

LETTER_OR_DIGIT = 1
INVISIBLE = 2
"""Shows nothing: removed."""
MAPPED = 4
"""One character that is written as others: compatibility forms, digits and dashes and spaces of other scripts, styled letters."""
JOINING = 8
"""May join what stands before it: marks, conjoining jamo."""
LOOK_ALIKE = 16
"""A letter of another script that looks like a Latin one."""
LATIN = 32
FOREIGN = 64
"""A letter of a script that has look-alikes, but is none."""
JAMO = 128
"""A compatibility jamo, as keyboards type them."""
DIGIT = 256
"""0 to 9."""
SIGN = 512
"""Stands for a letter in leetspeak, where it is no digit."""
ACCENTED = 1024
"""A Latin letter that is another one with something added."""
HANGUL = 2048
"""A composed syllable."""
DASH_LIKE = 4096
"""Looks like a dash, and is meant as one between digits."""
SPACE = 8192
STRAY = 16384
"""A mark that joins no base to become one character, of scripts that are read without it: removed."""
LOOSE = 32768
"""A look-alike that looks like it only loosely."""

TRICKY = INVISIBLE | MAPPED | JOINING | LOOK_ALIKE | DASH_LIKE | STRAY
"""A text without these is plain as it stands."""

DASH_LIKES = "ㅡー一─━"
LEET_SIGNS = "@$!|+€£¥"
_INVISIBLES = (
    "00-08 0E-1F 7F-84 86-9F AD 34F 61C 115F-1160 17B4-17B5 180B-180F 200B-200F 202A-202E 2060-206F 3164 FE00-FE0F FEFF FFA0 FFF0-FFFC "
    "1BCA0-1BCA3 1D173-1D17A E0000-E0FFF"
)
_LATIN = "41-5A 61-7A C0-D6 D8-F6 F8-2AF 1D00-1D7F 1E00-1EFF 2C60-2C7F A720-A7FF AB30-AB6F"
_FOREIGN = "370-3FF 1F00-1FFF 400-52F 1C80-1C8F A640-A69F 531-58F 13A0-13FF AB70-ABBF 2C80-2CFF A4D0-A4FF"
_CONJOINING = "1100-11FF A960-A97F D7B0-D7FF"
_MARKS = "300-36F 483-489 1AB0-1AFF 1DC0-1DFF 20D0-20FF FE20-FE2F 302A-302F 3099-309A"
_LETTERS_ALIKE = "3400-4DBF 4E00-9FFF AC00-D7A3 D800-F8FF 17000-18CFF 20000-2F7FF 30000-DFFFF E1000-10FFFF"
"""Blocks whose characters neither decompose nor join nor are digits (Hangul syllables and Han): not looked at one by one."""

_LEADING = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_FINAL = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
COMPATIBLE_JAMO = {
    **{chr(0x1100 + place): jamo for place, jamo in enumerate(_LEADING)},
    **{chr(0x1161 + place): chr(0x314F + place) for place in range(21)},
    **{chr(0x11A8 + place): jamo for place, jamo in enumerate(_FINAL)},
    **{unicodedata.normalize("NFKC", chr(code)): chr(code) for code in range(0x3165, 0x318F)},
}
"""Conjoining jamo as the compatibility jamo that look the same."""


def _spans(ranges: str) -> Iterable[tuple[int, int]]:
    for item in ranges.split():
        first, _, last = item.partition("-")
        yield int(first, 16), int(last or first, 16) + 1


@cache
def kinds() -> NDArray[np.uint16]:
    """The bits of every code point. Made on first use, which takes some ten milliseconds."""
    table = np.zeros(sys.maxunicode + 1, np.uint16)
    for ranges, bit in ((_LATIN, LATIN), (_FOREIGN, FOREIGN), (_CONJOINING, JOINING), ("3131-3163 3165-318E", JAMO), ("AC00-D7A3", HANGUL)):
        for start, end in _spans(ranges):
            table[start:end] |= bit
    everything = np.arange(sys.maxunicode + 1, dtype=np.uint32).tobytes().decode("utf-32-le", "surrogatepass")
    for expression, bit in ((r"[^\W_]+", LETTER_OR_DIGIT), (r"\s+", SPACE)):
        for run in re.finditer(expression, everything):
            table[run.start() : run.end()] |= bit
    _sort_singly(table)
    for start, end in _spans(_MARKS):
        marks = table[start:end]
        marks[marks & MAPPED == 0] = STRAY
    table[[ord(mark) for mark in _joining_marks()]] = JOINING
    for character, bit in (*((char, DASH_LIKE) for char in DASH_LIKES), *((char, SIGN) for char in LEET_SIGNS)):
        table[ord(character)] |= bit
    table[[ord(char) for char in "0123456789"]] |= DIGIT
    table[[ord(char) for char in STYLED]] |= MAPPED
    table[[ord(char) for char in STYLED]] &= 0xFFFF ^ (LATIN | ACCENTED)
    for letter in LOOK_ALIKES:
        table[ord(letter)] = LETTER_OR_DIGIT | LOOK_ALIKE | (0 if letter in EXACT else LOOSE)
    for start, end in _spans(_INVISIBLES):
        table[start:end] = INVISIBLE
    table[(table & FOREIGN != 0) & (table & LETTER_OR_DIGIT == 0)] &= 0xFFFF ^ FOREIGN
    table.setflags(write=False)
    return table


def _sort_singly(table: NDArray[np.uint16]) -> None:
    """What only the character database knows of each character."""
    skipped = np.zeros(len(table), np.bool_)
    for start, end in _spans(_LETTERS_ALIKE):
        skipped[start:end] = True
    for code in np.flatnonzero(~skipped).tolist():
        character = chr(code)
        if unicodedata.category(character) in ("Mn", "Me") or unicodedata.combining(character):
            table[code] |= JOINING
        if unicodedata.decomposition(character) and table[code] & LATIN:
            table[code] |= ACCENTED
        if not 0x3131 <= code <= 0x318E and _single(character) != character:
            table[code] |= MAPPED
    table[[ord(letter) for letter in UNACCENTED]] |= ACCENTED


@cache
def _joining_marks() -> frozenset[str]:
    """What is the second half of some composed character."""
    pairs = (
        unicodedata.decomposition(chr(code)).split()
        for start, end in _spans("80-33FF A000-ABFF FB00-FFFF 10000-16FFF 1D000-1FFFF")
        for code in range(start, end)
    )
    return frozenset(chr(int(parts[1], 16)) for parts in pairs if len(parts) == 2 and not parts[0].startswith("<"))


UNACCENTED = {**dict(zip("øØłŁđĐħĦŧŦŋıȷƒƀɨʉƶȼɇɉɍɏ", "oOlLdDhHtTnijfbiuzcejry", strict=True)), "ſ": "s"}
"""Latin letters with a stroke, or without a dot, which the character database does not take apart."""


@lru_cache(maxsize=SINGLES_MAX)
def single(character: str) -> str:
    """What is written for one character alone; nothing for one that shows nothing."""
    return _single(character)


def _single(character: str) -> str:
    if character in STYLED:
        return STYLED[character]
    if "\u3131" <= character <= "\u318e":
        return character
    normal = unicodedata.normalize("NFKC", character)
    if normal == character:
        return _own(character)
    if len(normal) == 1 and "\u1100" <= character <= "\u11ff":
        return character
    return "".join(COMPATIBLE_JAMO.get(part, STYLED.get(part, _own(part))) for part in normal)


def _own(character: str) -> str:
    """Digits, dashes and spaces of all scripts as ASCII."""
    if character.isascii():
        return character
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category == "Pd" or character in "\u2212\u2043\u02d7\u06d4\u2796":
        return "-"
    if category in ("Zs", "Zl", "Zp") or character in "\u0085\u2800":
        return "\n" if character in "\u2028\u2029\u0085" else " "
    if character in "\u2044\u2215":
        return "/"
    return character


@cache
def unaccented(character: str) -> str:
    """A Latin letter in lower case without what was added to it."""
    return (UNACCENTED.get(character) or unicodedata.normalize("NFD", character)[0]).lower()

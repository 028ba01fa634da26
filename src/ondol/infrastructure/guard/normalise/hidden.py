"""What stands in a text without being seen, and what it says."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ondol.infrastructure.guard.normalise.found import Found, readable
from ondol.infrastructure.guard.normalise.homoglyphs import TURNED, TURNED_ONLY
from ondol.infrastructure.guard.normalise.kinds import DIGIT, HANGUL, INVISIBLE, JAMO, LATIN, LETTER_OR_DIGIT, MAPPED, STRAY
from ondol.infrastructure.guard.normalise.tracked import Codes, runs_of, text_of

HIDDEN_MIN = 4
"""Hidden characters in a row before they are read; shorter runs are parts of emoji and flags."""
STYLED_MIN = 3
"""Letters of another style before they are a trick: "㎏", "①" and "™" are ordinary."""
FLAG_TAGS_MAX = 8
_BLACK_FLAG = 0x1F3F4
_OVERRIDES = (0x202D, 0x202E)
_SPOKEN = LATIN | HANGUL | DIGIT | JAMO

_STYLES = ((0x1D400, 0x1D7FF), (0x249C, 0x24E9), (0x1F110, 0x1F189), (0x250, 0x2AF), (0x1D00, 0x1D7F))
"""Blocks of mathematical, circled, bracketed and squared letters, and of those that phonetics turned or made small."""

_TURNED = str.maketrans(TURNED)

Kinds = NDArray[np.uint16]


def tricks_of(codes: Codes, sorts: Kinds) -> set[str]:
    """Which tricks a text plays with characters that are not seen or dressed up. What ordinary writing needs is none."""
    tricks: set[str] = set()
    present = int(np.bitwise_or.reduce(sorts)) if len(sorts) else 0
    if present & INVISIBLE:
        tricks.update(_unseen(codes, sorts))
    if present & STRAY:
        strays = np.flatnonzero(sorts & STRAY)
        bases = sorts[strays[strays > 0] - 1] & (LATIN | HANGUL)
        if np.count_nonzero(bases) >= STYLED_MIN:
            tricks.add("marks")
    if present & MAPPED:
        tricks.update(_dressed(codes))
    return tricks


def _dressed(codes: Codes) -> Iterator[str]:
    wide = ((codes >= 0xFF21) & (codes <= 0xFF5A)) | ((codes >= 0xFF10) & (codes <= 0xFF19))
    if np.count_nonzero(wide) >= STYLED_MIN:
        yield "fullwidth"
    styled = np.zeros(len(codes), np.bool_)
    for first, last in _STYLES:
        styled |= (codes >= first) & (codes <= last)
    if np.count_nonzero(styled) >= STYLED_MIN and bool((styled[1:] & styled[:-1]).any()):
        yield "styled"


def _unseen(codes: Codes, sorts: Kinds) -> Iterator[str]:
    bounded = np.concatenate(([0], sorts, [0]))
    begins, ends = runs_of(sorts & INVISIBLE != 0)
    within = (bounded[begins] & _SPOKEN != 0) & (bounded[ends + 1] & _SPOKEN != 0)
    first = codes[begins]
    lengths = ends - begins
    tags = (first >= 0xE0000) & (first <= 0xE007F)
    flags = tags & (lengths <= FLAG_TAGS_MAX) & (np.concatenate(([0], codes))[begins] == _BLACK_FLAG)
    selectors = ((first >= 0xFE00) & (first <= 0xFE0F)) | ((first >= 0xE0100) & (first <= 0xE01EF))
    bidi = (
        (first == 0x61C) | ((first >= 0x200E) & (first <= 0x200F)) | ((first >= 0x202A) & (first <= 0x202E)) | ((first >= 0x2066) & (first <= 0x2069))
    )
    if bool((tags & ~flags).any()):
        yield "tags"
    if bool((selectors & (within | (lengths >= HIDDEN_MIN))).any()):
        yield "variation"
    if bool((bidi & within).any()) or bool(np.isin(codes, _OVERRIDES).any()):
        yield "bidi"
    if bool((within & ~tags & ~selectors & ~bidi).any()):
        yield "invisible"


def hidden_in(codes: Codes, sorts: Kinds) -> Iterator[Found]:
    """Texts in tag characters and variation selectors, upside down, and what an override lets people read backwards; places in the original."""
    present = int(np.bitwise_or.reduce(sorts, initial=0))
    if present & MAPPED:
        yield from _turned(codes)
    if not present & INVISIBLE:
        return
    tags = (codes >= 0xE0020) & (codes <= 0xE007E)
    for begin, end in _long(tags):
        yield Found("tags", begin, end, text_of(codes[begin:end] - np.uint32(0xE0000)))
    lower = (codes >= 0xFE00) & (codes <= 0xFE0F)
    upper = (codes >= 0xE0100) & (codes <= 0xE01EF)
    for begin, end in _long(lower | upper):
        run = codes[begin:end]
        data = np.where(run < 0xE0000, run - 0xFE00, run - 0xE0100 + 16).astype(np.uint8).tobytes()
        said = readable(data)
        if said:
            yield Found("variation", begin, end, said)
    yield from _overridden(codes, sorts)


def _overridden(codes: Codes, sorts: Kinds) -> Iterator[Found]:
    stops = np.flatnonzero(np.isin(codes, (0x202C, 0x202D, 0x202E, 0x0A)))
    for begin in np.flatnonzero(codes == 0x202E).tolist():
        after = int(np.searchsorted(stops, begin, side="right"))
        end = int(stops[after]) if after < len(stops) else len(codes)
        shown = codes[begin:end][sorts[begin:end] & INVISIBLE == 0][::-1]
        if len(shown) >= HIDDEN_MIN and bool((sorts[begin:end] & LETTER_OR_DIGIT).any()):
            yield Found("bidi", begin, end, text_of(shown))


def _long(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    begins, ends = runs_of(mask)
    long = ends - begins >= HIDDEN_MIN
    return list(zip(begins[long].tolist(), ends[long].tolist(), strict=True))


def _turned(codes: Codes) -> Iterator[Found]:
    """Lines with letters upside down, from the first of them to the last, turned back."""
    if np.count_nonzero((codes >= 0x250) & (codes <= 0x28F)) < HIDDEN_MIN:
        return
    start = 0
    for line in text_of(codes).split("\n"):
        places = [place for place, char in enumerate(line) if char in TURNED_ONLY]
        if len(places) >= HIDDEN_MIN:
            begin, end = places[0], places[-1] + 1
            begin = line.rfind(" ", 0, begin) + 1
            end = end + len(line[end:].partition(" ")[0])
            yield Found("turned", start + begin, start + end, line[begin:end].translate(_TURNED)[::-1])
        start += len(line) + 1

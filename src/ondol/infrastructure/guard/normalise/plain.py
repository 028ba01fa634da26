"""From a text to its plain form."""

from __future__ import annotations

import unicodedata

import numpy as np
from numpy.typing import NDArray

from ondol.infrastructure.guard.normalise.homoglyphs import LOOK_ALIKES
from ondol.infrastructure.guard.normalise.kinds import (
    COMPATIBLE_JAMO,
    DASH_LIKE,
    DIGIT,
    FOREIGN,
    INVISIBLE,
    JOINING,
    LATIN,
    LOOK_ALIKE,
    LOOSE,
    MAPPED,
    STRAY,
    kinds,
    single,
)
from ondol.infrastructure.guard.normalise.tracked import Tracked, codes_of, runs_of, text_of

MARKS_MAX = 8
"""Marks on one base that are looked at; more are dropped, since sorting them takes the square of their number."""
LOOSE_LETTERS_MIN = 3
"""A word needs so many letters before those that look like Latin ones only loosely are read as such."""
LOOSE_FOLDED_MIN = 3
"""So many of those in a text are a trick; one may be a unit or a symbol."""
LATIN_SHARE_MIN = 2
"""How many times as many Latin letters as letters of another script a text has, when words of look-alikes alone are read as Latin."""

DROPPED_MARKS = frozenset(map(chr, (*range(0x300, 0x370), *range(0x302A, 0x3030), 0x3099, 0x309A)))
"""Marks that some base takes, dropped where theirs does not; of other scripts' writing they are a part, and stay."""

_LATIN_LETTERS = str.maketrans(LOOK_ALIKES)

Kinds = NDArray[np.uint16]


def plain(text: Tracked, sorts: Kinds) -> tuple[Tracked, frozenset[str]]:
    """NFKC without what is not seen, digits, dashes and spaces as ASCII, and words of look-alikes in Latin letters; and ``homoglyph`` for those.

    Args:
        sorts: the kinds of the text's characters.
    """
    present = int(np.bitwise_or.reduce(sorts, initial=0))
    if present & MAPPED:
        text = _mapped(text, sorts)
        sorts = kinds().take(text.codes)
        present = int(np.bitwise_or.reduce(sorts, initial=0))
    if present & (INVISIBLE | STRAY):
        text = text.kept(sorts & (INVISIBLE | STRAY) == 0)
        sorts = kinds().take(text.codes)
    if present & JOINING:
        if bool(((text.codes >= 0x1100) & (text.codes <= 0x11FF)).any()):
            text = _jamo_joined(text)
            sorts = kinds().take(text.codes)
        text = _marks_joined(text, sorts)
        sorts = kinds().take(text.codes)
        present = int(np.bitwise_or.reduce(sorts, initial=0))
    before = text
    if present & LOOK_ALIKE:
        text = _latin(text, sorts, alone=False)
        # A word of look-alikes alone is read by what the rest of the text is, which the other words have just become.
        text = _latin(text, kinds().take(text.codes), alone=True)
    folded = sorts[text.codes != before.codes] if text is not before else sorts[:0]
    is_trick = bool((folded & LOOSE == 0).any()) or len(folded) >= LOOSE_FOLDED_MIN
    return _dashes(text) if present & DASH_LIKE else text, frozenset({"homoglyph"}) if is_trick else frozenset()


def _mapped(text: Tracked, sorts: Kinds) -> Tracked:
    at = np.flatnonzero(sorts & MAPPED)
    written = list(map(single, text_of(text.codes[at])))
    letters = codes_of("".join(written))
    sizes = np.fromiter(map(len, written), np.intp, len(written))
    if len(letters) == len(at) and bool((sizes == 1).all()):
        return text.exchanged(at, letters)
    return text.edited_codes(at, at + 1, letters, sizes)


def _jamo_joined(text: Tracked) -> Tracked:
    """Conjoining jamo composed to syllables; those that are left over written as single jamo."""
    codes = text.codes
    leading = (codes >= 0x1100) & (codes <= 0x1112)
    vowel = (codes >= 0x1161) & (codes <= 0x1175)
    final = np.concatenate(((codes >= 0x11A8) & (codes <= 0x11C2), [False, False]))
    opens = np.flatnonzero(leading[:-1] & vowel[1:])
    closed = final[opens + 2]
    syllables = 0xAC00 + ((codes[opens] - 0x1100) * 21 + codes[opens + 1] - 0x1161) * 28
    syllables[closed] += codes[opens[closed] + 2] - 0x11A7
    text = text.edited_codes(opens, opens + 2 + closed, syllables.astype(np.uint32), np.ones(len(opens), np.intp)) if len(opens) else text
    codes = text.codes
    final = (codes >= 0x11A8) & (codes <= 0x11C2)
    syllable = (codes >= 0xAC00) & (codes <= 0xD7A3) & ((codes - np.uint32(0xAC00)) % 28 == 0)
    opens = np.flatnonzero(syllable[:-1] & final[1:])
    if len(opens):
        text = text.edited_codes(opens, opens + 2, codes[opens] + codes[opens + 1] - np.uint32(0x11A7), np.ones(len(opens), np.intp))
    codes = text.codes
    left = np.flatnonzero((codes >= 0x1100) & (codes <= 0x11FF))
    if not len(left):
        return text
    return text.exchanged(left, codes_of("".join(COMPATIBLE_JAMO.get(jamo, jamo) for jamo in text_of(codes[left]))))


def _marks_joined(text: Tracked, sorts: Kinds) -> Tracked:
    """Marks joined to what stands before them, as far as one character is made of both; what is left of those that Latin uses dropped."""
    firsts, finishes = runs_of(sorts & JOINING != 0)
    letters = text.text
    spans = [(max(first - 1, 0), first, finish) for first, finish in zip(firsts.tolist(), finishes.tolist(), strict=True)]
    return text.edited(
        [begin for begin, _, _ in spans], finishes, [_join(letters[begin:first], letters[first:finish]) for begin, first, finish in spans]
    )


def _join(base: str, marks: str) -> str:
    apart = base if "가" <= base <= "힣" else unicodedata.normalize("NFD", base)
    joined = unicodedata.normalize("NFC", apart[:1] + (apart[1:] + marks)[:MARKS_MAX])
    return joined[: len(base)] + "".join(part for part in joined[len(base) :] if part not in DROPPED_MARKS)


def _dashes(text: Tracked) -> Tracked:
    sorts = kinds().take(text.codes)
    digits = sorts & DIGIT != 0
    at = np.flatnonzero((sorts[1:-1] & DASH_LIKE != 0) & digits[:-2] & digits[2:]) + 1
    return text.exchanged(at, np.full(len(at), 0x2D, np.uint32)) if len(at) else text


def _latin(text: Tracked, sorts: Kinds, *, alone: bool) -> Tracked:
    """Look-alikes in Latin letters: in words that mix scripts, or in words of look-alikes alone when the text is Latin otherwise."""
    begins, ends = runs_of(sorts & (LATIN | FOREIGN | LOOK_ALIKE | DIGIT) != 0)
    sums = [np.concatenate(([0], np.cumsum(sorts & kind != 0))) for kind in (LATIN, FOREIGN, LOOK_ALIKE, LOOSE)]
    latins, foreigns, alikes, loose = (counts[ends] - counts[begins] for counts in sums)
    if alone:
        chosen = (latins + foreigns + loose == 0) & (int(sums[0][-1]) > LATIN_SHARE_MIN * int(sums[1][-1]))
    else:
        # A letter that looks like no Latin one tells a word of another script with a Latin letter in it by mistake.
        chosen = (latins > 0) & ((foreigns == 0) | (foreigns + loose <= latins)) & ((loose == 0) | (latins + foreigns + alikes >= LOOSE_LETTERS_MIN))
    folded = np.flatnonzero((alikes > 0) & chosen)
    if not len(folded):
        return text
    inside = np.zeros(len(sorts) + 1, np.int8)
    inside[begins[folded]] += 1
    inside[ends[folded]] -= 1
    at = np.flatnonzero((np.cumsum(inside[:-1], dtype=np.int8) > 0) & (sorts & LOOK_ALIKE != 0))
    return text.exchanged(at, codes_of(text_of(text.codes[at]).translate(_LATIN_LETTERS)))

"""A text as tokens in arrays: words, numbers and runs of Hangul stand whole, every sign stands alone, white space is not kept.

Everything is computed for the whole text at once; a token costs some tens of nanoseconds.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

SPACE: Final = 0
NEWLINE: Final = 1
WORD: Final = 2
DIGITS: Final = 3
HANGUL: Final = 4
HAN: Final = 5
SIGN: Final = 6

CHARACTERS_MAX: Final = 4_096
"""Longer texts are read in pieces of at most so many characters."""

MARGIN: Final = 2
"""So many empty tokens stand before the first and behind the last one, so that every token has neighbours."""

OUTSIDE: Final = 511
"""The shape of those empty tokens; no real token has it."""

_BASE: Final = 0x9E37_79B1
_MODULUS: Final = 1 << 32
_PLANE: Final = 0x1_0000
_KIND: Final = np.uint8(7)
_UPPER: Final = np.uint8(8)
_ALONE: Final = np.uint8(16)
_SECOND: Final = np.uint8(4)
"""Moves the flag of a capital that stands second above those of the sort of the first character."""
_CAPITAL_I_WITH_DOT: Final = 0x130
"""The one character whose small form is two characters: it stays as it is."""


@dataclass(frozen=True, slots=True)
class Tables:
    """What is known of each character of the basic plane, and the powers that substrings are hashed with.

    Attributes:
        sorts: kind, plus 8 for a capital, plus 16 for what is always a token of its own.
        shapes: what a token's first character, and whether a capital stands second, say of its shape: kind * 64 + case * 8.
        values: what a character adds to a hash.
        powers, inverses: of the base, modulo 2**32.
    """

    sorts: NDArray[np.uint8]
    shapes: NDArray[np.int32]
    values: NDArray[np.uint32]
    powers: NDArray[np.uint32]
    inverses: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a text, by where they begin. The first three arrays have `MARGIN` empty tokens before and behind.

    Attributes:
        spans: where they begin and where they end, half-open, in characters: shape (2, tokens).
        words: their hashes; 0 for the empty ones.
        shapes: kind * 64 + case * 8 + length up to 7, below 512; case is 1 for a capital that stands first plus 2 for one that stands second.
            `OUTSIDE` for the empty ones.
        values: what each character adds to a hash, a 0 before the first and behind the last.
        sums: for each place in the text, the hash of what stands before it; see `hashes`.
    """

    spans: NDArray[np.int64]
    words: NDArray[np.uint32]
    shapes: NDArray[np.int32]
    values: NDArray[np.uint32]
    sums: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.words) - 2 * MARGIN

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where they begin."""
        starts: NDArray[np.int64] = self.spans[0]
        return starts

    @property
    def ends(self) -> NDArray[np.int64]:
        """Where they end."""
        ends: NDArray[np.int64] = self.spans[1]
        return ends

    @property
    def kinds(self) -> NDArray[np.int32]:
        """`WORD`, `DIGITS`, `HANGUL`, `HAN`, `SIGN` or `NEWLINE`, for each real token."""
        return self.shapes[MARGIN:-MARGIN] >> 6


@cache
def tables() -> Tables:
    """The tables, made on first use (some 10 ms)."""
    codes = np.arange(_PLANE, dtype=np.uint32)
    chars = codes.view("U1")
    every = codes.tobytes().decode("utf-32-le", "surrogatepass")
    dotted = _CAPITAL_I_WITH_DOT
    small = every[:dotted].lower() + every[dotted] + every[dotted + 1 :].lower()
    folded = np.frombuffer(small.encode("utf-32-le", "surrogatepass"), np.uint32).copy()
    kinds = _kinds(codes, chars, every)
    folded[kinds == DIGITS] = ord("0")
    sorts = kinds + _UPPER * np.strings.isupper(chars).astype(np.uint8) + _ALONE * ((kinds == SIGN) | (kinds == NEWLINE)).astype(np.uint8)
    values = (folded + np.uint32(1)) * np.uint32(0xD6E8_FEB9)
    first = np.arange(64, dtype=np.int32)
    shapes = (first & 7) * 64 + (first >> 3 & 1) * 8 + (first >> 5) * 16
    return Tables(sorts.astype(np.uint8), shapes, values, _powers(_BASE), _powers(pow(_BASE, -1, _MODULUS)))


def _kinds(codes: NDArray[np.uint32], chars: NDArray[np.str_], every: str) -> NDArray[np.uint8]:
    """The kind of each character of the basic plane. Only what is neither letter nor digit nor space is looked up one by one."""
    letters, digits, spaces = np.strings.isalpha(chars), np.strings.isdecimal(chars), np.strings.isspace(chars)
    kinds = np.full(_PLANE, SIGN, np.uint8)
    unclear = (~(letters | digits | spaces)).nonzero()[0].tolist()
    kinds[[code for code in unclear if unicodedata.category(every[code])[0] == "M"]] = WORD
    kinds[letters] = WORD
    kinds[letters & (codes >= 0x2E80) & (codes <= 0x9FFF)] = HAN
    kinds[digits] = DIGITS
    kinds[ord("가") : ord("힣") + 1] = HANGUL
    kinds[ord("ㄱ") : ord("ㅣ") + 1] = HANGUL
    kinds[spaces] = SPACE
    kinds[[ord(sign) for sign in "\n\r\u2028\u2029"]] = NEWLINE
    return kinds


def _powers(base: int) -> NDArray[np.uint32]:
    factors = np.full(CHARACTERS_MAX + 1, base, np.uint32)
    factors[0] = 1
    return np.cumprod(factors, dtype=np.uint32)


def tokenise(text: str) -> Tokens:
    """The tokens of a text of at most `CHARACTERS_MAX` characters."""
    known = tables()
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.intp)
    count = len(codes)
    sorts = np.zeros(count + 1, np.uint8)
    known.sorts.take(codes, mode="clip", out=sorts[:count])
    kinds: NDArray[np.uint8] = sorts[:count] & _KIND
    breaks = np.empty(count + 1, np.bool_)
    breaks[0] = breaks[count] = True
    np.not_equal(kinds[1:], kinds[:-1], out=breaks[1:count])
    breaks[:count] |= sorts[:count] >= _ALONE
    edges = breaks.nonzero()[0]
    kept = kinds.take(edges[:-1]).nonzero()[0]
    spans = np.empty((2, len(kept) + 2 * MARGIN), np.int64)
    spans[:, :MARGIN] = 0
    spans[:, -MARGIN:] = count
    edges.take(kept, out=spans[0, MARGIN:-MARGIN], mode="clip")
    edges.take(kept + 1, out=spans[1, MARGIN:-MARGIN], mode="clip")
    starts, ends = spans
    seconds = sorts.take(starts + 1, mode="clip") & _UPPER
    shapes = known.shapes.take(sorts.take(starts) + _SECOND * seconds)
    shapes += np.minimum(ends - starts, 7).astype(np.int32)
    shapes[:MARGIN] = shapes[-MARGIN:] = OUTSIDE
    values = np.zeros(count + 2, np.uint32)
    known.values.take(codes, mode="clip", out=values[1:-1])
    sums = np.zeros(count + 1, np.uint32)
    np.add.accumulate(values[1:-1] * known.powers[:count], out=sums[1:])
    return Tokens(spans, hashes(sums, starts, ends), shapes, values, sums)


def hashes(sums: NDArray[np.uint32], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.uint32]:
    """The hash of each substring, wherever it stands: the polynomial of its characters, case folded and digits as one, modulo 2**32.

    A polynomial rolling hash (Karp and Rabin 1987) read off prefix sums; an empty substring has hash 0.
    """
    hashed = sums.take(ends)
    hashed -= sums.take(starts)
    hashed *= tables().inverses.take(starts)
    return hashed

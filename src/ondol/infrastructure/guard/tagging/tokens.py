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

_BASE: Final = 0x9E37_79B9_7F4A_7C15 | 1
_MODULUS: Final = 1 << 64
_PLANE: Final = 0x1_0000
_UPPER: Final = 8
_ALONE: Final = 16
_CAPITAL_I_WITH_DOT: Final = 0x130
"""The one character whose small form is two characters: it stays as it is."""


@dataclass(frozen=True, slots=True)
class Tables:
    """What is known of each character of the basic plane, and the powers that substrings are hashed with.

    Attributes:
        sorts: kind, plus 8 for a capital, plus 16 for what is always a token of its own.
        values: what a character adds to a hash.
        powers, inverses: of the base, modulo 2**64.
    """

    sorts: NDArray[np.uint8]
    values: NDArray[np.uint64]
    powers: NDArray[np.uint64]
    inverses: NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a text, by where they begin. The first four arrays have `MARGIN` empty tokens before and behind.

    Attributes:
        starts, ends: their spans, half-open, in characters.
        words: their hashes; 0 for the empty ones.
        shapes: kind, case and length in one number below 512; `OUTSIDE` for the empty ones.
        values: what each character adds to a hash, a 0 before the first and behind the last.
        sums: for each place in the text, the hash of what stands before it; see `hashes`.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    words: NDArray[np.uint64]
    shapes: NDArray[np.int64]
    values: NDArray[np.uint64]
    sums: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.starts) - 2 * MARGIN

    @property
    def kinds(self) -> NDArray[np.int64]:
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
    folded = np.frombuffer(small.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    kinds = _kinds(codes, chars, every)
    folded[kinds == DIGITS] = ord("0")
    sorts = kinds + _UPPER * np.strings.isupper(chars) + _ALONE * ((kinds == SIGN) | (kinds == NEWLINE))
    values = (folded + np.uint64(1)) * np.uint64(0xD6E8_FEB8_6659_FD93)
    return Tables(sorts.astype(np.uint8), values, _powers(_BASE), _powers(pow(_BASE, -1, _MODULUS)))


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


def _powers(base: int) -> NDArray[np.uint64]:
    factors = np.full(CHARACTERS_MAX + 1, base, np.uint64)
    factors[0] = 1
    return np.cumprod(factors)


def tokenise(text: str) -> Tokens:
    """The tokens of a text of at most `CHARACTERS_MAX` characters."""
    known = tables()
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    count = len(codes)
    sorts = known.sorts.take(codes, mode="clip")
    kinds: NDArray[np.uint8] = sorts & np.uint8(7)
    breaks = np.empty(count + 1, np.bool_)
    breaks[0] = breaks[count] = True
    np.not_equal(kinds[1:], kinds[:-1], out=breaks[1:count])
    breaks[:count] |= sorts >= _ALONE
    edges = breaks.nonzero()[0]
    token_kinds: NDArray[np.uint8] = kinds.take(edges[:-1])
    kept = token_kinds.nonzero()[0]
    size = len(kept) + 2 * MARGIN
    starts, ends, shapes = np.empty((3, size), np.int64)
    starts[:MARGIN] = ends[:MARGIN] = 0
    starts[-MARGIN:] = ends[-MARGIN:] = count
    shapes[:MARGIN] = shapes[-MARGIN:] = OUTSIDE
    inner = slice(MARGIN, size - MARGIN)
    edges.take(kept, out=starts[inner], mode="clip")
    edges.take(kept + 1, out=ends[inner], mode="clip")
    shapes[inner] = _shapes(starts[inner], ends[inner], token_kinds.take(kept), sorts)
    values = np.zeros(count + 2, np.uint64)
    known.values.take(codes, mode="clip", out=values[1:-1])
    sums = np.zeros(count + 1, np.uint64)
    np.cumsum(values[1:-1] * known.powers[:count], out=sums[1:])
    return Tokens(starts, ends, hashes(sums, starts, ends), shapes, values, sums)


def _shapes(starts: NDArray[np.int64], ends: NDArray[np.int64], kinds: NDArray[np.uint8], sorts: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Kind * 64 + case * 8 + length up to 7; case is 0 without capitals, 1 capitalised, 2 in capitals, 3 mixed."""
    lengths = ends - starts
    shapes: NDArray[np.int64] = np.minimum(lengths, 7)
    shapes += kinds * np.int64(64)
    places = (sorts & _UPPER).nonzero()[0]
    if len(places):
        capitals = np.bincount(starts.searchsorted(places, "right") - 1, minlength=len(starts))
        some = capitals.nonzero()[0]
        own, first = capitals.take(some), sorts.take(starts.take(some)) & _UPPER > 0
        shapes[some] += np.where(first & (own == 1), 8, np.where(own == lengths.take(some), 16, 24))
    return shapes


def hashes(sums: NDArray[np.uint64], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The hash of each substring, wherever it stands: the polynomial of its characters, case folded and digits as one, modulo 2**64.

    A polynomial rolling hash (Karp and Rabin 1987) read off prefix sums; an empty substring has hash 0.
    """
    hashed = sums.take(ends)
    hashed -= sums.take(starts)
    hashed *= tables().inverses.take(starts)
    return hashed

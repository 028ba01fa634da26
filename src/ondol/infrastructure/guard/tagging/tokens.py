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

_BASE: Final = 0x9E37_79B9_7F4A_7C15 | 1
_MODULUS: Final = 1 << 64
_PLANE: Final = 0x1_0000


@dataclass(frozen=True, slots=True)
class Tables:
    """What is known of each character of the basic plane, and the powers that substrings are hashed with.

    Attributes:
        sorts: kind, plus 8 for a capital.
        values: what a character adds to a hash.
        powers, inverses: of the base, modulo 2**64.
    """

    sorts: NDArray[np.uint8]
    values: NDArray[np.uint64]
    powers: NDArray[np.uint64]
    inverses: NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a text, by where they begin.

    Attributes:
        starts, ends: their spans, half-open, in characters.
        kinds: `WORD`, `DIGITS`, `HANGUL`, `HAN`, `SIGN` or `NEWLINE`.
        shapes: kind, case and length in one number below 512.
        sums: for each place in the text, the hash of what stands before it; see `hashes`.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    kinds: NDArray[np.uint8]
    shapes: NDArray[np.int64]
    sums: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.starts)


@cache
def tables() -> Tables:
    """The tables, made on first use (about 30 ms)."""
    kinds = np.zeros(_PLANE, np.uint8)
    uppers = np.zeros(_PLANE, np.uint8)
    folded = np.zeros(_PLANE, np.uint64)
    for code in range(_PLANE):
        char = chr(code)
        kinds[code] = _kind(char)
        uppers[code] = char.isupper()
        lower = char.lower()
        folded[code] = ord("0") if kinds[code] == DIGITS else ord(lower) if len(lower) == 1 else code
    values = (folded + np.uint64(1)) * np.uint64(0xD6E8_FEB8_6659_FD93)
    inverse = pow(_BASE, -1, _MODULUS)
    return Tables((kinds | uppers << 3).astype(np.uint8), values, _powers(_BASE), _powers(inverse))


def _kind(char: str) -> int:
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


def _powers(base: int) -> NDArray[np.uint64]:
    power, powers = 1, []
    for _ in range(CHARACTERS_MAX + 1):
        powers.append(power)
        power = power * base % _MODULUS
    return np.array(powers, np.uint64)


def tokenise(text: str) -> Tokens:
    """The tokens of a text of at most `CHARACTERS_MAX` characters."""
    known = tables()
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    if len(codes) and int(codes.max()) >= _PLANE:
        codes = np.minimum(codes, _PLANE - 1)
    sorts = known.sorts.take(codes)
    kinds = sorts & 7
    breaks = np.empty(len(codes), np.bool_)
    breaks[:1] = True
    np.not_equal(kinds[1:], kinds[:-1], out=breaks[1:])
    breaks |= (kinds == SIGN) | (kinds == NEWLINE)
    begins = breaks.nonzero()[0]
    ends = np.append(begins[1:], len(codes))
    token_kinds = kinds[begins]
    kept = (token_kinds != SPACE).nonzero()[0]
    starts, ends, token_kinds = begins[kept], ends[kept], token_kinds[kept]
    sums = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum(known.values.take(codes) * known.powers[: len(codes)], out=sums[1:])
    return Tokens(starts, ends, token_kinds, _shapes(starts, ends, token_kinds, (sorts >> 3).astype(np.uint8)), sums)


def _shapes(starts: NDArray[np.int64], ends: NDArray[np.int64], kinds: NDArray[np.uint8], uppers: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Kind * 64 + case * 8 + length up to 7; case is 0 without capitals, 1 capitalised, 2 in capitals, 3 mixed."""
    lengths = ends - starts
    if not len(starts):
        return lengths
    shapes: NDArray[np.int64] = kinds.astype(np.int64) * 64 + np.minimum(lengths, 7)
    if uppers.any():
        counted = np.zeros(len(uppers) + 1, np.int32)
        np.cumsum(uppers, out=counted[1:])
        capitals = counted[ends] - counted[starts]
        cases = np.where(capitals == lengths, 16, 24)
        cases[(capitals == 1) & (uppers[starts] == 1)] = 8
        cases[capitals == 0] = 0
        shapes += cases
    return shapes


def hashes(sums: NDArray[np.uint64], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The hash of each substring, wherever it stands: the polynomial of its characters, case folded and digits as one, modulo 2**64.

    A polynomial rolling hash (Karp and Rabin 1987) read off prefix sums; an empty substring has hash 0.
    """
    hashed: NDArray[np.uint64] = (sums[ends] - sums[starts]) * tables().inverses[starts]
    return hashed

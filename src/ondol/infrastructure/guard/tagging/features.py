"""What the tagger looks at: for each token the rows of the weight table that its characters, shape, neighbours and list memberships hash to."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ondol.infrastructure.guard.tagging.tokens import HANGUL, MARGIN, Tokens, tables, tokenise

ROW_BITS: Final = 18
"""The weight table has 2**18 rows."""

LISTED_BITS: Final = 17
"""The table of listed words has 2**17 places of a fingerprint and eight list memberships each."""

LISTS: Final = ("first_name", "last_name", "city", "country", "nationality", "company", "street", "title")
"""What lists a word may stand on, by bit. A Hangul token is looked up by its second and third syllable too, as a given name."""

_MIX: Final = np.uint32(0x85EB_CA6B)
_AGAIN: Final = np.uint32(0xC2B2_AE35)
_WORD_SALT: Final = np.uint32(0x2545_F491)

_NEAR: Final = np.arange(2 * MARGIN + 1)[:, None]
_LENGTHS: Final = np.arange(1, 4)[:, None]
# Places: 0-4 where the token and its neighbours begin, 5-9 where they end, 10-12 one to three characters on, 13-15 so many before the end,
# 16 and 17 two characters before the end of the token before and behind, 18 two characters into the token behind.
_PLACES: Final = 19
_SPANS: Final = (
    (10, 12), (2, 10), (2, 11), (2, 12), (13, 7), (14, 7), (15, 7), (1, 7), (2, 8), (0, 6), (3, 9), (16, 6), (3, 18), (10, 11), (11, 12), (12, 7),
    (11, 7), (17, 8),
)  # fmt: skip
_FROMS: Final = np.array([start for start, _ in _SPANS])
_TOS: Final = np.array([end for _, end in _SPANS])
_WORDS: Final = 2 * MARGIN + 1
_FIRST_CODE: Final = _WORDS + len(_SPANS)
_LOOKED_UP: Final = np.array([2, 1, 3, _WORDS])
_CODES: Final = 11

FEATURES: Final = _FIRST_CODE + _CODES
"""How many rows are summed for a token."""

_SALTS: Final = (np.arange(1, FEATURES + 1, dtype=np.uint32) * np.uint32(0xA24B_AED5))[:, None]


def listed_places(text_hashes: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Where words of these hashes stand in the table of listed words, and the fingerprint they have there."""
    mixed = text_hashes ^ _WORD_SALT
    mixed *= _MIX
    return mixed >> np.uint32(32 - LISTED_BITS), mixed & np.uint32(0xFF) | np.uint32(1)


def word_hash(word: str) -> int:
    """The hash of a word, as tokens and `hashes` give it."""
    return int(tokenise(word).sums[-1])


def rows(tokens: Tokens, chosen: NDArray[np.int64], listed: NDArray[np.uint16]) -> NDArray[np.uint32]:
    """All features' rows of the weight table, for the chosen tokens: shape (FEATURES, chosen).

    The spans are the token and the two before and behind it, alone and joined; its beginnings and ends of up to three characters; its second and
    third syllable and what follows them (a Korean name is a surname, two syllables and a particle). The codes join shapes, gaps and lists.
    """
    near = chosen + _NEAR
    places = np.empty((_PLACES, len(chosen)), np.int64)
    starts, ends = places[0:5], places[5:10]
    tokens.spans.take(near, axis=1, out=places[:10].reshape(2, 2 * MARGIN + 1, -1), mode="clip")
    own, to = starts[2], ends[2]
    np.minimum(own + _LENGTHS, to, out=places[10:13])
    np.maximum(to - _LENGTHS, own, out=places[13:16])
    np.maximum(ends[1:4:2] - 2, starts[1:4:2], out=places[16:18])
    np.minimum(starts[3] + 2, ends[3], out=places[18])
    hashed = np.empty((FEATURES, len(chosen)), np.uint32)
    tokens.words.take(near, out=hashed[:_WORDS], mode="clip")
    sums, spans = tokens.sums.take(places), hashed[_WORDS:_FIRST_CODE]
    np.subtract(sums.take(_TOS, axis=0), sums.take(_FROMS, axis=0), out=spans)
    spans *= tables().inverses.take(places).take(_FROMS, axis=0)
    gaps = (own > ends[1]) * np.int32(2)
    gaps += starts[3] > to
    _codes(tokens.shapes.take(near), gaps, _memberships(listed, hashed), hashed)
    return _rows(hashed)


def _memberships(listed: NDArray[np.uint16], hashed: NDArray[np.uint32]) -> NDArray[np.int32]:
    """The lists that the token, those before and behind it, and its second and third syllable stand on: shape (4, chosen)."""
    places, prints = listed_places(hashed.take(_LOOKED_UP, axis=0))
    found = listed.take(places)
    lists = (found & 0xFF).astype(np.int32)
    lists *= found >> 8 == prints
    return lists


def _codes(shapes: NDArray[np.int32], gaps: NDArray[np.int32], lists: NDArray[np.int32], hashed: NDArray[np.uint32]) -> None:
    """Write the codes behind the spans: shapes joined with shapes, gaps, lists and the words before and behind."""
    codes = hashed[_FIRST_CODE:].view(np.int32)
    own = shapes[2]
    lists[0] |= lists[3] * (own >> 6 == HANGUL)
    case = own >> 3 & 7
    codes[0] = own
    np.add(shapes[1:3] * 512, shapes[2:4], out=codes[1:3])
    np.add(codes[1] * 512, shapes[3], out=codes[3])
    np.add(own * 4, gaps, out=codes[4])
    np.add(lists[0] * 8, case, out=codes[5])
    np.add(lists[1] * 2048, codes[5], out=codes[6])
    np.add(lists[0] * 2048 + lists[2] * 8, case, out=codes[7])
    np.add(hashed[1:4:2].view(np.int32), own, out=codes[8:10])
    np.add(shapes[0] * (512 * 512), codes[1], out=codes[10])


def _rows(hashed: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Hashes to rows, in place: each feature with a salt of its own, mixed twice."""
    hashed ^= _SALTS
    hashed *= _MIX
    hashed ^= hashed >> np.uint32(15)
    hashed *= _AGAIN
    hashed >>= np.uint32(32 - ROW_BITS)
    return hashed

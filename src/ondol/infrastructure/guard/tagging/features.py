"""What the tagger looks at: for each token the rows of the weight table that its characters, shape, neighbours and list memberships hash to."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ondol.infrastructure.guard.tagging.tokens import HANGUL, Tokens, hashes, tokenise

ROW_BITS: Final = 17
"""The weight table has 2**17 rows."""

LISTED_BITS: Final = 17
"""The table of listed words has 2**17 places of a fingerprint and eight list memberships each."""

LISTS: Final = ("first_name", "last_name", "city", "country", "nationality", "company", "street", "title")
"""What lists a word may stand on, by bit. A Hangul token is looked up by its second and third syllable too, as a given name."""

_MIX: Final = np.uint64(0xFF51_AFD7_ED55_8CCD)
_WORD_SALT: Final = np.uint64(0x2545_F491_4F6C_DD1D)

_SPANS: Final = 23
_CODES: Final = 11
FEATURES: Final = _SPANS + _CODES
GATES: Final = 7
"""How many of the features, from the first, decide whether a token is looked at closely at all."""

_SALTS: Final = (np.arange(1, FEATURES + 1, dtype=np.uint64) * np.uint64(0xA24B_AED4_963E_E407))[:, None]

_AROUND: Final = np.arange(-2, 3)[:, None]
_LENGTHS: Final = np.arange(1, 4)[:, None]
# Places: 0-4 where the token and its neighbours begin, 5-9 where they end, 10-12 one to three characters on, 13-15 so many before the end,
# 16 and 17 two characters before the end of the token before and behind, 18 two characters into the token behind.
_FROMS: Final = np.array([2, 2, 2, 2, 13, 14, 15, 1, 3, 0, 4, 1, 2, 0, 3, 16, 3, 10, 11, 10, 12, 11, 17])
_TOS: Final = np.array([7, 10, 11, 12, 7, 7, 7, 6, 8, 5, 9, 7, 8, 6, 9, 6, 18, 11, 12, 12, 7, 7, 8])
_LOOKED_UP: Final = np.array([0, 7, 8, 19])
# Terms: 0-4 shapes from two before to two behind, 5-7 lists of the token, of that before and behind, 8 case, 9 gaps.
_COEFFICIENTS: Final = np.zeros((_CODES, 10), np.int64)
for _row, _terms in enumerate(
    (
        {2: 1},
        {1: 512, 2: 1},
        {2: 512, 3: 1},
        {1: 512 * 512, 2: 512, 3: 1},
        {2: 4, 9: 1},
        {5: 8, 8: 1},
        {6: 2048, 5: 8, 8: 1},
        {5: 2048, 7: 8, 8: 1},
        {2: 1},
        {2: 1},
        {0: 512 * 512, 1: 512, 2: 1},
    )
):
    for _term, _factor in _terms.items():
        _COEFFICIENTS[_row, _term] = _factor


def listed_places(text_hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
    """Where words of these hashes stand in the table of listed words, and the fingerprint they have there."""
    mixed = (text_hashes ^ _WORD_SALT) * _MIX
    return (mixed >> np.uint64(64 - LISTED_BITS)).astype(np.int64), ((mixed >> np.uint64(32)).astype(np.uint16) | np.uint16(1)) & np.uint16(0xFF)


def _memberships(listed: NDArray[np.uint16], text_hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    places, prints = listed_places(text_hashes)
    found = listed[places]
    return np.where((found >> 8) == prints, found & 0xFF, 0).astype(np.int64)


def word_hash(word: str) -> int:
    """The hash of a word, as `hashes` gives it."""
    tokens = tokenise(word)
    return int(hashes(tokens.sums, np.zeros(1, np.int64), np.array([len(word)]))[0])


def gate_rows(tokens: Tokens, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows that the gate looks at, for the chosen tokens: shape (GATES, chosen): the token, its ends, its neighbours."""
    last = len(tokens) - 1
    before, after = np.maximum(chosen - 1, 0), np.minimum(chosen + 1, last)
    froms = tokens.starts[np.stack((chosen, chosen, chosen, chosen, chosen, before, after))]
    own = tokens.ends[chosen]
    tos = np.stack((own, froms[1] + 2, froms[2] + 3, own, own, tokens.ends[before], tokens.ends[after]))
    np.minimum(tos[1:3], own, out=tos[1:3])
    np.maximum(own - _LENGTHS[1:3], froms[3:5], out=froms[3:5])
    return _rows(hashes(tokens.sums, froms, tos), _SALTS[:GATES])


def rows(tokens: Tokens, chosen: NDArray[np.int64], listed: NDArray[np.uint16]) -> NDArray[np.int64]:
    """All features' rows of the weight table, for the chosen tokens: shape (FEATURES, chosen).

    The spans are the token; its beginnings and ends of up to three characters; its second and third syllable and what follows them (a Korean
    name is a surname, two syllables and a particle); the two tokens before and behind, alone and joined. The codes join shapes, gaps and lists.
    """
    last = len(tokens) - 1
    around = chosen + _AROUND
    inside = (around >= 0) & (around <= last)
    np.clip(around, 0, last, out=around)
    places = np.empty((19, len(chosen)), np.int64)
    starts, ends = places[0:5], places[5:10]
    starts[:] = tokens.starts[around]
    ends[:] = np.where(inside, tokens.ends[around], starts)
    own, to = starts[2], ends[2]
    np.minimum(own + _LENGTHS, to, out=places[10:13])
    np.maximum(to - _LENGTHS, own, out=places[13:16])
    np.maximum(ends[1:4:2] - 2, starts[1:4:2], out=places[16:18])
    np.minimum(starts[3] + 2, ends[3], out=places[18])
    froms = places[_FROMS]
    hashed = np.empty((FEATURES, len(chosen)), np.uint64)
    hashed[:_SPANS] = hashes(tokens.sums, froms, np.maximum(places[_TOS], froms))
    terms = np.empty((10, len(chosen)), np.int64)
    terms[0:5] = np.where(inside, tokens.shapes[around], 511)
    terms[5:9] = _memberships(listed, hashed[_LOOKED_UP])
    terms[5] |= np.where(tokens.kinds[chosen] == HANGUL, terms[8], 0)
    terms[8] = terms[2] >> 3 & 7
    terms[9] = np.minimum(own - ends[1], 1) * 2 + np.minimum(starts[3] - to, 1)
    codes = _COEFFICIENTS @ terms
    hashed[_SPANS:] = codes.view(np.uint64)
    hashed[_SPANS + 8 : _SPANS + 10] += hashed[7:9]
    return _rows(hashed, _SALTS)


def _rows(hashed: NDArray[np.uint64], salts: NDArray[np.uint64]) -> NDArray[np.int64]:
    mixed = (hashed ^ salts) * _MIX
    mixed ^= mixed >> np.uint64(29)
    mixed *= _WORD_SALT
    return (mixed >> np.uint64(64 - ROW_BITS)).astype(np.int64)

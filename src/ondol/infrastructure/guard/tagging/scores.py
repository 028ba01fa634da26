"""What each class scores for a token: the sum of its features' rows of a table of signed bytes, several classes added in one word."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ondol.infrastructure.guard.tagging.features import FEATURES

WEIGHT_MAX: Final = 63
"""Weights are between minus and plus this: moved up by `_BIAS`, two of them add up within a byte."""

COLUMNS: Final = 16
"""A row of the table as it is read, and of scores: so many classes, "nothing" counted in."""

_BIAS: Final = 64
_HALF: Final = FEATURES // 2
_LOW_BYTES: Final = np.uint64(0x00FF_00FF_00FF_00FF)
# Sums of even bytes come before those of odd ones, so the table has the classes in this order.
_ORDER: Final = np.arange(COLUMNS).reshape(2, COLUMNS // 2).T.ravel()


def packed_weights(weights: NDArray[np.int8]) -> NDArray[np.uint64]:
    """The table as `class_scores` reads it, 16 bytes a row: from weights of shape (rows, COLUMNS), within `WEIGHT_MAX`."""
    moved = (weights + np.int8(_BIAS)).astype(np.uint8)
    return np.ascontiguousarray(moved[:, _ORDER]).view(np.uint64)


def class_scores(table: NDArray[np.uint64], rows: NDArray[np.uint32], bias: NDArray[np.int16]) -> NDArray[np.int16]:
    """The sums of rows and a bias, all classes of a token moved up alike: shape (tokens, COLUMNS), from rows of shape (FEATURES, tokens)."""
    taken = table.take(rows, axis=0)
    pairs = taken[:_HALF]
    pairs += taken[_HALF:]
    scores = np.empty((rows.shape[1], COLUMNS), np.int16)
    scores[:, : COLUMNS // 2] = np.add.reduce(pairs & _LOW_BYTES, axis=0).view(np.int16)
    pairs >>= np.uint64(8)
    pairs &= _LOW_BYTES
    scores[:, COLUMNS // 2 :] = np.add.reduce(pairs, axis=0).view(np.int16)
    scores += bias
    return scores

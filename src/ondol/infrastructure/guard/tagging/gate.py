"""The gate: a cheap look at every token that drops those that are surely part of nothing.

Four things of a token (the whole, how it begins, how it ends, its shape and the next one's) each point to a place of a table, which holds what that
says of the token itself, of the two behind it and of the one before it: four signed numbers in one word, so that one sum adds all of them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ondol.infrastructure.guard.tagging.tokens import MARGIN, Tokens

GATES: Final = 4
"""How many things of a token the gate looks at."""

GATE_BITS: Final = 15
"""Each has a table of 2**15 places."""

REACHES: Final = (-2, -1, 0, 1)
"""What stands so many tokens away is looked at: place k of a word is what a token says of the one from which it is REACHES[k] away."""

WEIGHT_MAX: Final = 31
"""Weights are between minus and plus this, so that the sum of four of them, each moved up by `_BIAS`, fits into a byte."""

_BIAS: Final = 32
_MIX: Final = np.uint32(0x85EB_CA6B)
_PAIR: Final = np.uint32(0x2545_F491)
_SHAPE: Final = np.uint32(0xA24B_AED5)
_TABLES: Final = (np.arange(GATES, dtype=np.uint32) << np.uint32(GATE_BITS))[:, None]


def gate_places(tokens: Tokens) -> NDArray[np.uint32]:
    """The places of the table that each token points to: shape (GATES, tokens)."""
    inner = slice(MARGIN, -MARGIN)
    shapes = tokens.shapes.view(np.uint32)
    pairs = tokens.values[:-1] * _PAIR
    pairs += tokens.values[1:]
    found = np.empty((GATES, len(tokens)), np.uint32)
    found[0] = tokens.words[inner]
    np.multiply(shapes[inner], _SHAPE, out=found[1])
    found[1] += pairs.take(tokens.starts[inner] + 1)
    pairs.take(tokens.ends[inner] - 1, out=found[2], mode="clip")
    np.multiply(shapes[inner], np.uint32(512), out=found[3])
    found[3] += shapes[MARGIN + 1 : 1 - MARGIN]
    found *= _MIX
    found >>= np.uint32(32 - GATE_BITS)
    found += _TABLES
    return found


def packed_gate(weights: NDArray[np.int8]) -> NDArray[np.uint32]:
    """The table as `gate_scores` reads it: from weights of shape (GATES * 2**GATE_BITS, 4), within `WEIGHT_MAX`."""
    return np.ascontiguousarray(weights.astype(np.int16) + _BIAS).astype(np.uint8).view(np.uint32).ravel()


def gate_scores(table: NDArray[np.uint32], tokens: Tokens) -> NDArray[np.int16]:
    """How likely each token is part of something, on a scale of its own."""
    count = len(tokens)
    sums = np.add.reduce(table.take(gate_places(tokens)), axis=0, dtype=np.uint32)
    parts = np.empty((count + 3, 4), np.uint8)
    parts[:2] = parts[-1] = GATES * _BIAS
    parts[2:-1] = sums.view(np.uint8).reshape(count, 4)
    scores: NDArray[np.int16] = np.add(parts[:count, 0], parts[1 : count + 1, 1], dtype=np.int16)
    scores += parts[2 : count + 2, 2]
    scores += parts[3:, 3]
    scores -= GATES * _BIAS * 4
    return scores

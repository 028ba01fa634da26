"""Vectors as whole numbers, and their sign codes.

All arithmetic after the rounding is in whole numbers, so that scores and codes are the same to the last bit on every machine, with any number of
threads, and whatever other vectors are computed beside: floating-point sums depend on their order.

A code holds the signs of a vector after a fixed rotation. The rotation is a randomised Hadamard transform, two rounds of sign flips and
Walsh-Hadamard (Ailon and Chazelle, The Fast Johnson-Lindenstrauss Transform, 2009); the angle between vectors shows in the Hamming distance of
their codes (Charikar, Similarity Estimation Techniques from Rounding Algorithms, 2002). Nothing is trained, so no vector shapes another's code.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

UNIT = 32_767
"""What 1 is as a whole number."""

ROTATION_SEED = 1
"""Names the rotation; part of an embedder's identity."""

ROUNDS = 2
WORD_BITS = 64
CODED_ROWS = 2_048
"""Rows that are rotated at once, 8 bytes for each of their numbers."""


@dataclass(frozen=True, slots=True)
class QueryVector:
    """A question's vector: (dimensions,) whole numbers, and its code, (words,)."""

    vector: NDArray[numpy.int16]
    code: NDArray[numpy.uint64]


def to_units(vectors: NDArray[numpy.floating]) -> NDArray[numpy.int16]:
    """Vectors, (n, dimensions), at length 1 as whole numbers; all zero where a vector is."""
    exact = numpy.ascontiguousarray(vectors, dtype=numpy.float64)
    largest = numpy.abs(exact).max(axis=1, keepdims=True, initial=0.0)
    exact = exact / numpy.where(largest > 0, largest, 1.0)  # so that no square is too large or vanishes
    lengths = numpy.sqrt((exact * exact).sum(axis=1, keepdims=True))
    return numpy.rint(exact / numpy.where(lengths > 0, lengths, 1.0) * UNIT).astype(numpy.int16)


def codes_of(vectors: NDArray[numpy.int16], seed: int = ROTATION_SEED) -> NDArray[numpy.uint64]:
    """The codes, (n, words), of unit vectors, (n, dimensions)."""
    bits = code_bits(vectors.shape[1])
    parts = [_coded(vectors[start : start + CODED_ROWS], bits, seed) for start in range(0, len(vectors), CODED_ROWS)]
    return numpy.concatenate(parts) if parts else numpy.zeros((0, bits // WORD_BITS), numpy.uint64)


def query_vector(vector: NDArray[numpy.int16], seed: int = ROTATION_SEED) -> QueryVector:
    """A unit vector, (dimensions,), with its code."""
    return QueryVector(vector, codes_of(vector.reshape(1, -1), seed)[0])


def code_bits(dimensions: int) -> int:
    """How many bits a code has: the next power of two, at least one word."""
    return max(WORD_BITS, 1 << (dimensions - 1).bit_length())


def distances(codes: NDArray[numpy.uint64], code: NDArray[numpy.uint64]) -> NDArray[numpy.uint16]:
    """Hamming distances of codes, (words, n), from one, (words,)."""
    total = numpy.zeros(codes.shape[1], numpy.uint16)
    for word, asked in zip(codes, code, strict=True):
        total += numpy.bitwise_count(word ^ asked)
    return total


def dots(vectors: NDArray[numpy.int16], vector: NDArray[numpy.int16]) -> NDArray[numpy.float64]:
    """Dot products of unit vectors, (n, dimensions), with one, as cosines.

    The products are sums of whole numbers below 2**53 in size, which floating-point adds exactly in any order.
    """
    if not len(vectors):
        return numpy.zeros(0)
    whole: NDArray[numpy.float64] = vectors.astype(numpy.float64) @ vector.astype(numpy.float64)
    return whole / (UNIT * UNIT)


def _coded(vectors: NDArray[numpy.int16], bits: int, seed: int) -> NDArray[numpy.uint64]:
    rotated = numpy.zeros((len(vectors), bits), numpy.int64)
    rotated[:, : vectors.shape[1]] = vectors
    for signs in _signs(bits, seed):
        rotated = _hadamard(rotated * signs)
    return numpy.packbits(rotated > 0, axis=1, bitorder="little").view("<u8").astype(numpy.uint64, copy=False)


@functools.cache
def _signs(bits: int, seed: int) -> NDArray[numpy.int64]:
    """(rounds, bits) of 1 and -1, from the seed alone."""
    drawn = hashlib.shake_256(f"ondol rotation {seed} {bits}".encode()).digest(ROUNDS * bits // 8)
    flips = numpy.unpackbits(numpy.frombuffer(drawn, numpy.uint8)).astype(numpy.int64)
    return (1 - 2 * flips).reshape(ROUNDS, bits)


def _hadamard(rows: NDArray[numpy.int64]) -> NDArray[numpy.int64]:
    """The Walsh-Hadamard transform of each row, unscaled."""
    count, bits = rows.shape
    half = 1
    while half < bits:
        pairs = rows.reshape(count, -1, 2, half)
        rows = numpy.stack([pairs[:, :, 0] + pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1]], axis=2).reshape(count, bits)
        half *= 2
    return rows

"""Passages that say something new come before those that repeat.

Maximal marginal relevance (Carbonell and Goldstein, The Use of MMR, Diversity-Based Reranking, 1998): the next passage is the one with the greatest
``(1 - diversity) * relevance - diversity * likeness``, where likeness is the greatest cosine with a passage that was chosen before. Relevance is the
score brought to [0, 1] over the passages that are looked at, all of which the caller may read.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

import numpy
from numpy.typing import NDArray

from ondol.application.knowledge.index import Hit
from ondol.application.knowledge.index.codes import dots

LOOKED_AT_MIN = 50
"""At least so many passages are looked at, where there are as many."""

Vectors = Mapping[tuple[uuid.UUID, int], NDArray[numpy.int16]]
"""Unit vectors of passages by segment and ordinal."""


def looked_at(limit: int) -> int:
    """How many of the best passages are looked at for so many wanted."""
    return max(LOOKED_AT_MIN, 2 * limit)


def diversify(ranked: Sequence[tuple[Hit, float]], vectors: Vectors, diversity: float, limit: int) -> list[tuple[Hit, float]]:
    """The `limit` passages that are chosen one after the other, with what each was chosen for. One without a vector is like no other.

    Args:
        ranked: best first, with their scores.
        diversity: in [0, 1].
    """
    if not ranked:
        return []
    scores = numpy.array([score for _, score in ranked])
    spread = scores[0] - scores[-1]
    relevance = (scores - scores[-1]) / spread if spread > 0 else numpy.ones(len(scores))
    known = [vectors.get((hit.segment_id, hit.ordinal)) for hit, _ in ranked]
    dimensions = next((len(vector) for vector in known if vector is not None), 1)
    matrix = numpy.array([numpy.zeros(dimensions, numpy.int16) if vector is None else vector for vector in known])
    likeness = numpy.full(len(ranked), -1.0)
    chosen: list[tuple[Hit, float]] = []
    left = numpy.ones(len(ranked), numpy.bool_)
    for _ in range(min(limit, len(ranked))):
        worth = (1 - diversity) * relevance - diversity * numpy.maximum(likeness, 0.0)
        place = int(numpy.argmax(numpy.where(left, worth, -numpy.inf)))  # of equal ones the first, which was ranked higher
        left[place] = False
        chosen.append((ranked[place][0], float(worth[place])))
        likeness = numpy.maximum(likeness, dots(matrix, matrix[place]))
    return chosen

"""The passages nearest to a question's vector, as if only those existed that the caller may read.

What the caller may not read is taken out first. Then the best candidates by the Hamming distance of codes are cut off, equal distances in the order
of document version and passage, and scored exactly. The codes are untrained and every number is whole, so a passage that the caller may not read
changes neither which hits come, nor their scores, nor their order: strictly, although candidates are cut off. Where few enough passages are
visible nothing is cut off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from uuid import UUID

import numpy
from numpy.typing import NDArray

from ondol.application.knowledge.index.codes import QueryVector, distances, dots
from ondol.application.knowledge.index.search import HITS_MAX, NOTHING_RETIRED, Hit
from ondol.infrastructure.storage.lance import SegmentReader, SegmentShelf, VectorReader, to_ids

CANDIDATES_MAX = 1_000
"""So many of the visible passages nearest by code are scored exactly."""

EXACT_MAX = 2_000
"""Where no more passages are visible all are scored exactly."""


@dataclass(frozen=True, slots=True)
class Near:
    """A passage near to a question.

    Attributes:
        hit: where it is; its score is the cosine, and it says nothing of terms.
        vector: (dimensions,), of length 1 as whole numbers.
    """

    hit: Hit
    vector: NDArray[numpy.int16] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Part:
    """The visible rows of one segment's vectors, ascending, and their distances."""

    segment: SegmentReader
    vectors: VectorReader
    rows: NDArray[numpy.int64]
    distances: NDArray[numpy.uint16]


def nearest(
    shelf: SegmentShelf,
    segments: Sequence[SegmentReader],
    vectors: Mapping[UUID, VectorReader],
    query: QueryVector,
    visible_audiences: AbstractSet[UUID],
    retired: Mapping[UUID, AbstractSet[UUID]],
    *,
    limit: int = 10,
    candidates_max: int = CANDIDATES_MAX,
    exact_max: int = EXACT_MAX,
) -> list[Near]:
    """The passages with the greatest cosine, best first, equal ones in the order of document version and passage.

    Args:
        vectors: by segment; a segment without vectors has no hits.
        retired: for each segment the document versions that no longer count.
        limit: how many at most, up to `HITS_MAX`.
        candidates_max: so many are scored exactly where more than `exact_max` are visible.

    Raises:
        SegmentGone: files were dropped meanwhile; read the list of live segments again and repeat.
        ValueError: a limit below 1 or above `HITS_MAX`.
    """
    if not 1 <= limit <= HITS_MAX:
        raise ValueError(f"limit is 1 to {HITS_MAX}, not {limit}")
    parts = [
        _visible(segment, vectors[segment.segment_id], query, visible_audiences, retired.get(segment.segment_id, NOTHING_RETIRED))
        for segment in segments
        if segment.segment_id in vectors
    ]
    parts = [part for part in parts if len(part.rows)]
    if sum(len(part.rows) for part in parts) > exact_max:
        parts = _cut(parts, max(limit, candidates_max))
    found = shelf.take_vectors([(part.vectors, part.rows) for part in parts])
    near = [item for part, taken in zip(parts, found, strict=True) for item in _scored(part, taken, query, limit)]
    near.sort(key=lambda item: (-item.hit.score, item.hit.document_version_id.bytes, item.hit.passage_ordinal))
    return near[:limit]


def vectors_of(shelf: SegmentShelf, vectors: Mapping[UUID, VectorReader], hits: Sequence[Hit]) -> dict[tuple[UUID, int], NDArray[numpy.int16]]:
    """The vectors of hits, by segment and ordinal; a hit that has none is left out.

    Raises:
        SegmentGone: files were dropped meanwhile.
    """
    ordinals: dict[UUID, list[int]] = {}
    for hit in hits:
        if hit.segment_id in vectors and len(vectors[hit.segment_id]):
            ordinals.setdefault(hit.segment_id, []).append(hit.ordinal)
    wanted = []
    for segment_id, asked in ordinals.items():
        reader = vectors[segment_id]
        rows = numpy.minimum(numpy.searchsorted(reader.ordinals, numpy.array(asked)), len(reader) - 1)
        wanted.append((segment_id, reader, rows[reader.ordinals[rows] == numpy.array(asked)]))
    found = shelf.take_vectors([(reader, rows) for _, reader, rows in wanted])
    return {
        (segment_id, int(ordinal)): vector
        for (segment_id, reader, rows), taken in zip(wanted, found, strict=True)
        for ordinal, vector in zip(reader.ordinals[rows], taken, strict=True)
    }


def _visible(
    segment: SegmentReader, vectors: VectorReader, query: QueryVector, visible_audiences: AbstractSet[UUID], retired: AbstractSet[UUID]
) -> _Part:
    selection = segment.select(visible_audiences, retired)
    rows = numpy.arange(len(vectors)) if selection.whole else numpy.flatnonzero(selection.mask[vectors.ordinals])
    far = distances(vectors.codes if len(rows) == len(vectors) else vectors.codes[:, rows], query.code)
    return _Part(segment, vectors, rows, far)


def _cut(parts: Sequence[_Part], count: int) -> list[_Part]:
    """The `count` nearest by distance over all parts; of equally distant ones the first by document version and passage."""
    bins = sum(numpy.bincount(part.distances, minlength=part.vectors.codes.shape[0] * 64 + 1) for part in parts)
    ends = numpy.cumsum(bins)
    last = int(numpy.searchsorted(ends, count))
    if last >= len(ends):
        return list(parts)
    wanted = count - (int(ends[last - 1]) if last else 0)
    tied = [numpy.flatnonzero(part.distances == last) for part in parts]
    chosen = _first(parts, tied, wanted)
    kept = [numpy.sort(numpy.concatenate([numpy.flatnonzero(part.distances < last), ties])) for part, ties in zip(parts, chosen, strict=True)]
    return [
        _Part(part.segment, part.vectors, part.rows[places], part.distances[places]) for part, places in zip(parts, kept, strict=True) if len(places)
    ]


def _first(parts: Sequence[_Part], tied: Sequence[NDArray[numpy.int64]], count: int) -> list[NDArray[numpy.int64]]:
    """Of equally distant places the first by document version and passage, over all parts."""
    if sum(len(places) for places in tied) <= count:
        return list(tied)
    documents, passages, owners = [], [], []
    for owner, (part, places) in enumerate(zip(parts, tied, strict=True)):
        found = part.segment.passages([int(ordinal) for ordinal in part.vectors.ordinals[part.rows[places]]])
        documents.append(to_ids(row.document_version_id for row in found))
        passages.append(numpy.array([row.passage_ordinal for row in found], numpy.int64))
        owners.append(numpy.full(len(found), owner))
    order = numpy.lexsort((numpy.concatenate(passages), numpy.concatenate(documents)))[:count]
    places, owner_of = numpy.concatenate(tied)[order], numpy.concatenate(owners)[order]
    return [places[owner_of == owner] for owner in range(len(parts))]


def _scored(part: _Part, vectors: NDArray[numpy.int16], query: QueryVector, limit: int) -> list[Near]:
    """The best of one part; only these are told of. A passage whose text the embedder refused has no direction, so it is near to nothing."""
    cosines = dots(vectors, query.vector)
    places = numpy.flatnonzero(vectors.any(axis=1))
    if len(places) > limit:
        threshold = numpy.partition(cosines[places], len(places) - limit)[len(places) - limit]
        places = places[cosines[places] >= threshold]
        # Rows are in the order of document version and passage, and so is a stable sort of equal ones.
        places = places[numpy.argsort(-cosines[places], kind="stable")[:limit]]
    ordinals = [int(ordinal) for ordinal in part.vectors.ordinals[part.rows[places]]]
    near = []
    for place, ordinal, row in zip(places, ordinals, part.segment.passages(ordinals), strict=True):
        hit = Hit(
            part.segment.segment_id,
            ordinal,
            row.document_version_id,
            row.audience_id,
            row.passage_ordinal,
            row.start,
            row.end,
            float(cosines[place]),
            (),
            0.0,
        )
        near.append(Near(hit, vectors[place]))
    return near

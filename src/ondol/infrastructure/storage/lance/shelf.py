"""The open segments of a process."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

import numpy
from numpy.typing import NDArray

from ondol.infrastructure.storage.lance.cache import ByteBoundedCache
from ondol.infrastructure.storage.lance.reader import (
    RESIDENT_POSTINGS_MAX,
    PostingCache,
    Postings,
    SegmentReader,
    open_segment,
    read_postings,
)
from ondol.infrastructure.storage.lance.root import IndexPlace, LanceRoot
from ondol.infrastructure.storage.lance.vectors import RESIDENT_VECTOR_BYTES_MAX, VectorReader, open_vectors, take_vectors

OPEN_SEGMENTS_MAX = 256
OPEN_SEGMENT_BYTES_MAX = 512 << 20
POSTING_CACHE_BYTES_MAX = 256 << 20
POSTING_CACHE_COUNT_MAX = 200_000
VECTOR_BYTES_MAX = 256 << 20

OPENING_LOCKS = 16
"""So many different segments can be opened at once; two callers who want the same one wait for one reading."""


class SegmentShelf:
    """Keeps the segments used last open, and the posting lists used last in memory. Safe to share by threads.

    Args:
        root: where the segments are.
        segment_count_max, segment_bytes_max: bounds of the open segments.
        posting_bytes_max: bound of the posting lists of large segments.
        resident_postings_max: what makes a segment small: it is kept in memory as a whole.
        vector_bytes_max: bound of the codes of open segments, and of the vectors of small ones.
        resident_vector_bytes_max: what makes a segment small as to its vectors.
    """

    def __init__(
        self,
        root: LanceRoot,
        *,
        segment_count_max: int = OPEN_SEGMENTS_MAX,
        segment_bytes_max: int = OPEN_SEGMENT_BYTES_MAX,
        posting_bytes_max: int = POSTING_CACHE_BYTES_MAX,
        resident_postings_max: int = RESIDENT_POSTINGS_MAX,
        vector_bytes_max: int = VECTOR_BYTES_MAX,
        resident_vector_bytes_max: int = RESIDENT_VECTOR_BYTES_MAX,
    ) -> None:
        self._root = root
        self._resident_postings_max = resident_postings_max
        self._resident_vector_bytes_max = resident_vector_bytes_max
        self._readers: ByteBoundedCache[tuple[IndexPlace, UUID], SegmentReader] = ByteBoundedCache(segment_bytes_max, segment_count_max)
        self._postings: PostingCache = ByteBoundedCache(posting_bytes_max, POSTING_CACHE_COUNT_MAX)
        self._vectors: ByteBoundedCache[UUID, VectorReader] = ByteBoundedCache(vector_bytes_max, segment_count_max)
        self._opening = [threading.Lock() for _ in range(OPENING_LOCKS)]

    @property
    def size_bytes(self) -> int:
        """What open segments, posting lists and vectors occupy."""
        return self._readers.size_bytes + self._postings.size_bytes + self._vectors.size_bytes

    def open(self, place: IndexPlace, segment_ids: Iterable[UUID]) -> list[SegmentReader]:
        """The segments, opened where they are not yet.

        Raises:
            SegmentGone: one was dropped.
        """
        return [self._reader(place, segment_id) for segment_id in segment_ids]

    def postings(self, readers: Sequence[SegmentReader], term_hashes: NDArray[numpy.int64]) -> list[list[Postings | None]]:
        """For each segment and each term its posting list, or None where the segment lacks the term.

        Raises:
            SegmentGone: files that were needed are gone.
        """
        return read_postings(self._root, readers, term_hashes, self._postings)

    def vectors(self, place: IndexPlace, vectors: Mapping[UUID, UUID]) -> dict[UUID, VectorReader]:
        """The vectors of segments, by segment, opened where they are not yet.

        Args:
            vectors: segments and the ids of their vectors.

        Raises:
            SegmentGone: some were dropped.
        """
        return {segment_id: self._vector_reader(place, segment_id, vectors_id) for segment_id, vectors_id in vectors.items()}

    def take_vectors(self, wanted: Sequence[tuple[VectorReader, NDArray[numpy.int64]]]) -> list[NDArray[numpy.int16]]:
        """For each of these the vectors of its rows, in their order.

        Raises:
            SegmentGone: files that were needed are gone.
        """
        return take_vectors(self._root, wanted)

    def forget(self, segment_ids: Collection[UUID]) -> None:
        """Closes segments that were dropped, and forgets their posting lists."""
        self._readers.discard_all(lambda key: key[1] in segment_ids)
        self._postings.discard_all(lambda key: key[0] in segment_ids)
        self._vectors.discard_all(lambda segment_id: segment_id in segment_ids)

    def _reader(self, place: IndexPlace, segment_id: UUID) -> SegmentReader:
        known = self._readers.get((place, segment_id))
        if known is not None:
            return known
        with self._opening[segment_id.int % OPENING_LOCKS]:
            known = self._readers.get((place, segment_id))
            if known is None:
                known = open_segment(self._root, place, segment_id, resident_postings_max=self._resident_postings_max)
                self._readers.put((place, segment_id), known, known.size_bytes)
            return known

    def _vector_reader(self, place: IndexPlace, segment_id: UUID, vectors_id: UUID) -> VectorReader:
        known = self._vectors.get(segment_id)
        if known is not None and known.vectors_id == vectors_id:
            return known
        with self._opening[segment_id.int % OPENING_LOCKS]:
            known = self._vectors.get(segment_id)
            if known is None or known.vectors_id != vectors_id:
                known = open_vectors(self._root, place, segment_id, vectors_id, resident_bytes_max=self._resident_vector_bytes_max)
                self._vectors.put(segment_id, known, known.size_bytes)
            return known

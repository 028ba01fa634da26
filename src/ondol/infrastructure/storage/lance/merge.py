"""Building one clean segment from several.

Deleting rows from a Lance table does not remove their bytes, so documents leave an index only this way: a new segment is written without
them, published in place of its sources, and the sources are dropped once no reader needs them. The result is what building from the
remaining documents would have written. Memory stays bounded: all passages, and the posting lists of one range of terms at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from uuid import UUID

import numpy
from numpy.typing import NDArray

from ondol.infrastructure.storage.lance.errors import SegmentError
from ondol.infrastructure.storage.lance.postings import PostingColumns
from ondol.infrastructure.storage.lance.reader import SegmentReader, open_segment
from ondol.infrastructure.storage.lance.root import IndexPlace, LanceRoot
from ondol.infrastructure.storage.lance.segments import PASSAGES_MAX, PassageColumns, SegmentInfo, write_segment

SLICE_POSTINGS_MAX = 1_000_000
"""Postings that are sorted at once, 8 bytes each; a single term may exceed it."""

NOTHING_RETIRED: frozenset[UUID] = frozenset()

_ORDINAL_BITS = 20
_FREQUENCY_BITS = 16


def merge_segments(
    root: LanceRoot,
    place: IndexPlace,
    source_ids: Sequence[UUID],
    retired: Mapping[UUID, AbstractSet[UUID]],
    segment_id: UUID,
    *,
    into: IndexPlace | None = None,
    slice_postings_max: int = SLICE_POSTINGS_MAX,
) -> SegmentInfo | None:
    """Writes one segment that holds what is not retired in the sources.

    Args:
        source_ids: segments of this index; they are left as they are.
        retired: for each source the document versions to leave out.
        segment_id: a fresh UUIDv7 for the result.
        into: the index that the result belongs to; the same when absent. Terms must mean the same there.

    Returns:
        The new segment, complete but not published; or None when nothing is left, and nothing was written.

    Raises:
        SegmentGone: a source was dropped.
        SegmentError: the sources hold the same passage twice, or too many passages.
    """
    if not source_ids:
        return None
    readers = [open_segment(root, place, source_id, resident_postings_max=0) for source_id in source_ids]
    kept = [_kept(reader, retired.get(reader.segment_id, NOTHING_RETIRED)) for reader in readers]
    if sum(int(mask.sum()) for mask in kept) > PASSAGES_MAX:
        raise SegmentError(f"The merged segment would exceed {PASSAGES_MAX} passages.", "Merge fewer segments at once.")
    passages, ordinals = _merged_passages(readers, kept)
    if not len(passages):
        return None
    return write_segment(root, into or place, segment_id, passages, _merged_postings(readers, ordinals, slice_postings_max))


def _kept(reader: SegmentReader, retired: AbstractSet[UUID]) -> NDArray[numpy.bool_]:
    return reader.select(frozenset(reader.audiences), retired).mask


def _merged_passages(readers: Sequence[SegmentReader], kept: Sequence[NDArray[numpy.bool_]]) -> tuple[PassageColumns, list[NDArray[numpy.int64]]]:
    """The passages in their new order, and for each source the new ordinal of each of its passages (-1: left out)."""
    parts = [reader.columns().take(mask) for reader, mask in zip(readers, kept, strict=True)]
    passages = PassageColumns.concatenated(parts)
    order = numpy.lexsort((passages.passage_ordinals, passages.document_version_ids))
    new_ordinals = numpy.empty(len(order), dtype=numpy.int64)
    new_ordinals[order] = numpy.arange(len(order))
    ordinals, start = [], 0
    for mask in kept:
        count = int(mask.sum())
        mapped = numpy.full(len(mask), -1, dtype=numpy.int64)
        mapped[mask] = new_ordinals[start : start + count]
        ordinals.append(mapped)
        start += count
    return passages.take(order), ordinals


def _merged_postings(readers: Sequence[SegmentReader], ordinals: Sequence[NDArray[numpy.int64]], slice_postings_max: int) -> Iterator[PostingColumns]:
    bounds = _term_bounds(readers, slice_postings_max)
    starts = [0] * len(readers)
    for bound in bounds:
        ends = [len(reader.terms) if bound is None else int(numpy.searchsorted(reader.terms, bound)) for reader in readers]
        columns = [_read_slice(reader, start, end, mapped) for reader, start, end, mapped in zip(readers, starts, ends, ordinals, strict=True)]
        yield _sorted_slice(columns)
        starts = ends


def _term_bounds(readers: Sequence[SegmentReader], slice_postings_max: int) -> list[int | None]:
    """Where each slice of terms ends (exclusively), so that slices hold about as many postings as allowed; None is the very end."""
    terms = numpy.concatenate([reader.terms for reader in readers])
    order = numpy.argsort(terms)
    postings = numpy.cumsum(numpy.concatenate([reader.document_frequencies for reader in readers])[order], dtype=numpy.int64)
    total = int(postings[-1]) if len(postings) else 0
    cuts = numpy.searchsorted(postings, numpy.arange(slice_postings_max, total, slice_postings_max))
    # A term that several segments hold must not be cut apart; bounds are terms, so `searchsorted` keeps it together.
    return [*(int(term) for term in numpy.unique(terms[order][cuts])), None]


def _read_slice(
    reader: SegmentReader, start: int, end: int, mapped: NDArray[numpy.int64]
) -> tuple[NDArray[numpy.int64], NDArray[numpy.int64], NDArray[numpy.int64]]:
    """The terms, new ordinals and frequencies of some rows of a source, without passages that are left out."""
    if start == end:
        nothing = numpy.zeros(0, dtype=numpy.int64)
        return nothing, nothing, nothing
    columns = reader.posting_columns(start, end - start)
    terms = numpy.repeat(columns.terms, numpy.diff(columns.offsets))
    ordinals = mapped[columns.ordinals]
    frequencies = columns.frequencies.astype(numpy.int64)
    live = ordinals >= 0
    return terms[live], ordinals[live], frequencies[live]


def _sorted_slice(columns: Sequence[tuple[NDArray[numpy.int64], NDArray[numpy.int64], NDArray[numpy.int64]]]) -> PostingColumns:
    """Sorts by (term, ordinal): rank of the term, ordinal and frequency share one 64-bit integer, which sorts fast and in place."""
    terms, ordinals, frequencies = (numpy.concatenate(parts) for parts in zip(*columns, strict=True))
    distinct, ranks, counts = numpy.unique(terms, return_inverse=True, return_counts=True)
    packed = (ranks << (_ORDINAL_BITS + _FREQUENCY_BITS)) | (ordinals << _FREQUENCY_BITS) | frequencies
    packed.sort()
    offsets = numpy.concatenate([[0], numpy.cumsum(counts)]).astype(numpy.int64)
    new_ordinals = (packed >> _FREQUENCY_BITS) & (PASSAGES_MAX - 1)
    return PostingColumns(distinct, offsets, new_ordinals.astype(numpy.uint32), (packed & 0xFFFF).astype(numpy.uint16))

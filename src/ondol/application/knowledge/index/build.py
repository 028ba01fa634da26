"""Building segments from documents, in bounded memory."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy
from numpy.typing import NDArray

from ondol.application.knowledge.index.terms import term_hash
from ondol.core.ids import new_id
from ondol.infrastructure.storage.lance import (
    FREQUENCY_MAX,
    PASSAGES_MAX,
    IndexPlace,
    LanceRoot,
    PassageColumns,
    PostingColumns,
    SegmentInfo,
    to_ids,
    write_segment,
)

SEGMENT_PASSAGES_MAX = 64_000
"""Passages after which a segment is written: so much is rewritten at most because one document is erased."""

SEGMENT_TERMS_MAX = 16_000_000
"""Terms (with repetitions) after which a segment is written: 4 bytes each while they wait, about 200 MB in all while it is written."""

SLICE_TERMS_MAX = 1_000_000
"""Terms that are sorted at once, 8 bytes each."""

_ORDINAL_BITS = 20


@dataclass(frozen=True, slots=True)
class IndexedPassage:
    """A passage and its terms, as `analyse` answers them.

    Attributes:
        passage_ordinal: which passage of its document version.
        start, end: where it stands in the document's text, in characters.
    """

    passage_ordinal: int
    start: int
    end: int
    audience_id: UUID
    terms: Sequence[str]


@dataclass(frozen=True, slots=True)
class IndexedDocument:
    """A document version and its passages; it always lies in one segment as a whole."""

    document_version_id: UUID
    passages: Sequence[IndexedPassage]


@dataclass(frozen=True, slots=True)
class SegmentLimits:
    """When a segment is full: before the document that would exceed either limit. A single larger document has a segment of its own."""

    passages_max: int = SEGMENT_PASSAGES_MAX
    terms_max: int = SEGMENT_TERMS_MAX


def build_segments(
    root: LanceRoot,
    place: IndexPlace,
    documents: Iterable[IndexedDocument],
    term_key: bytes,
    *,
    limits: SegmentLimits | None = None,
    make_id: Callable[[], UUID] = new_id,
) -> Iterator[SegmentInfo]:
    """Writes documents into as many segments as needed and yields each one when it is complete.

    The caller publishes the ids; what it does not publish is an orphan. A document without passages appears in no segment.

    Args:
        term_key: the tenant's key for hashing terms.
        make_id: names a segment; UUIDv7.

    Raises:
        SegmentError: the same passage twice in one segment, or the store failed.
    """
    bounds = limits or SegmentLimits()
    draft = _Draft(term_key)
    for document in documents:
        passage_count, term_count = len(document.passages), sum(len(passage.terms) for passage in document.passages)
        full = draft.passage_count + passage_count > bounds.passages_max or len(draft.terms) + term_count > bounds.terms_max
        if full and draft.passage_count:
            yield draft.write(root, place, make_id())
            draft = _Draft(term_key)
        draft.add(document)
    if draft.passage_count:
        yield draft.write(root, place, make_id())


class _TermNumbers(dict[str, int]):
    """Numbers terms in the order of their first appearance, so that each distinct term is hashed once."""

    __slots__ = ()

    def __missing__(self, term: str) -> int:
        number = self[term] = len(self)
        return number


@dataclass(slots=True)
class _Draft:
    """A segment in the making: passages and terms as they come, 4 bytes for each number."""

    term_key: bytes
    numbers: _TermNumbers = field(default_factory=_TermNumbers)
    terms: array[int] = field(default_factory=lambda: array("I"))
    documents: list[UUID] = field(default_factory=list)
    audiences: list[UUID] = field(default_factory=list)
    places: array[int] = field(default_factory=lambda: array("i"))

    @property
    def passage_count(self) -> int:
        return len(self.documents)

    def add(self, document: IndexedDocument) -> None:
        for passage in document.passages:
            self.terms.extend(map(self.numbers.__getitem__, passage.terms))
            self.documents.append(document.document_version_id)
            self.audiences.append(passage.audience_id)
            self.places.extend((passage.passage_ordinal, passage.start, passage.end, len(passage.terms)))

    def write(self, root: LanceRoot, place: IndexPlace, segment_id: UUID) -> SegmentInfo:
        columns = numpy.frombuffer(self.places, dtype=numpy.int32).reshape(-1, 4).T
        unsorted = PassageColumns(to_ids(self.documents), to_ids(self.audiences), columns[0], columns[1], columns[2], columns[3])
        order = numpy.lexsort((unsorted.passage_ordinals, unsorted.document_version_ids))
        new_ordinals = numpy.empty(len(order), dtype=numpy.uint32)
        new_ordinals[order] = numpy.arange(len(order), dtype=numpy.uint32)
        ordinals = numpy.repeat(new_ordinals, columns[3])
        return write_segment(root, place, segment_id, unsorted.take(order), self._postings(ordinals))

    def _postings(self, ordinals: NDArray[numpy.uint32]) -> Iterator[PostingColumns]:
        """Posting lists in order of the hashed terms, sorted in slices so that memory stays bounded."""
        if not self.terms:
            return
        numbers = numpy.frombuffer(self.terms, dtype=numpy.uint32)
        hashes = numpy.fromiter((term_hash(term, self.term_key) for term in self.numbers), numpy.int64, len(self.numbers))
        distinct, rank_of_number = numpy.unique(hashes, return_inverse=True)
        rank_of_number = rank_of_number.astype(numpy.uint32)
        counts = numpy.cumsum(numpy.bincount(rank_of_number[numbers], minlength=len(distinct)))
        cuts = numpy.searchsorted(counts, numpy.arange(SLICE_TERMS_MAX, len(numbers), SLICE_TERMS_MAX)) + 1
        bounds = [0, *(int(cut) for cut in numpy.unique(cuts) if cut < len(distinct)), len(distinct)]
        ranks = rank_of_number[numbers]
        for first, end in itertools.pairwise(bounds):
            inside = (ranks >= first) & (ranks < end) if len(bounds) > 2 else slice(None)
            packed = ((ranks[inside] - numpy.uint32(first)).astype(numpy.uint64) << numpy.uint64(_ORDINAL_BITS)) | ordinals[inside]
            yield _counted(distinct[first:end], packed)


def _counted(terms: NDArray[numpy.int64], packed: NDArray[numpy.uint64]) -> PostingColumns:
    """Sorts pairs of (term, ordinal) packed into one integer, and counts equal ones."""
    packed.sort()
    firsts = numpy.flatnonzero(numpy.concatenate([[True], packed[1:] != packed[:-1]]))
    frequencies = numpy.minimum(numpy.diff(numpy.append(firsts, len(packed))), FREQUENCY_MAX)
    pairs = packed[firsts]
    ranks = (pairs >> numpy.uint64(_ORDINAL_BITS)).astype(numpy.int64)
    offsets = numpy.concatenate([[0], numpy.cumsum(numpy.bincount(ranks, minlength=len(terms)))]).astype(numpy.int64)
    ordinals = (pairs & numpy.uint64(PASSAGES_MAX - 1)).astype(numpy.uint32)
    return PostingColumns(terms, offsets, ordinals, frequencies.astype(numpy.uint16))

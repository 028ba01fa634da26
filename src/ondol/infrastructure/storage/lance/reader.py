"""Reading a segment: passages and the directory of terms in memory, posting lists by row number when they are asked for."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy
from numpy.typing import NDArray

from ondol.infrastructure.storage.lance.cache import ByteBoundedCache
from ondol.infrastructure.storage.lance.errors import SegmentUnreadable
from ondol.infrastructure.storage.lance.postings import CONTENT_COLUMNS, PostingColumns, posting_columns
from ondol.infrastructure.storage.lance.root import IndexPlace, LanceRoot, segment_folder
from ondol.infrastructure.storage.lance.segments import ID_COLUMNS, NUMBER_COLUMNS, Ids, PassageColumns, to_ids, to_uuids

if TYPE_CHECKING:
    import pyarrow
    from lancedb import AsyncTable

RESIDENT_POSTINGS_MAX = 1_000_000
"""The posting lists of a smaller segment (6 bytes for each posting) are read whole when it is opened, instead of for each query."""

SELECTIONS_MAX = 4
"""How many callers' views of a segment are remembered."""

POSTINGS_OVERHEAD_BYTES = 400
"""What Python and NumPy need for two small arrays and their place in a cache (measured with tracemalloc: 360 to 410)."""

NO_POSTINGS = PostingColumns(numpy.zeros(0, numpy.int64), numpy.zeros(1, numpy.int64), numpy.zeros(0, numpy.uint32), numpy.zeros(0, numpy.uint16))

PostingCache = ByteBoundedCache["tuple[UUID, int]", "Postings"]


@dataclass(frozen=True, slots=True)
class Postings:
    """The passages that hold a term, ascending, and how often each does."""

    ordinals: NDArray[numpy.uint32]
    frequencies: NDArray[numpy.uint16]

    def copied(self) -> Postings:
        """The same in arrays of its own, where these are views of a larger one."""
        return Postings(self.ordinals.copy(), self.frequencies.copy())

    @property
    def size_bytes(self) -> int:
        """What it occupies in memory, with its objects."""
        return self.ordinals.nbytes + self.frequencies.nbytes + POSTINGS_OVERHEAD_BYTES


@dataclass(frozen=True, slots=True)
class Selection:
    """The passages of a segment that a caller may see and that are not retired."""

    mask: NDArray[numpy.bool_]
    passage_count: int
    term_count: int
    whole: bool


@dataclass(frozen=True, slots=True)
class PassageRow:
    """Where a passage comes from."""

    document_version_id: UUID
    audience_id: UUID
    passage_ordinal: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Lookup:
    """A question to one segment on its way.

    Attributes:
        rows: for each term its row in the directory, or None.
        lists: the posting lists by row; `_finish` adds the missing ones.
        missing: rows that must be read from the files, ascending.
    """

    rows: list[int | None]
    lists: dict[int, Postings]
    missing: list[int]


class SegmentReader:
    """One open segment; immutable apart from what it remembers, and safe to use from several threads.

    It holds no file descriptor. Without its files it still answers what is in memory, and raises `SegmentGone` for the rest.
    Make one with `open_segment`.
    """

    def __init__(
        self, root: LanceRoot, segment_id: UUID, table: AsyncTable, passages: PassageColumns, directory: tuple[NDArray[Any], NDArray[Any]]
    ) -> None:
        ids = passages.document_version_ids
        first_rows = numpy.flatnonzero(numpy.concatenate([[True], ids[1:] != ids[:-1]])) if len(ids) else numpy.zeros(0, numpy.int64)
        audiences, codes = numpy.unique(passages.audience_ids, return_inverse=True)
        self.segment_id = segment_id
        self.terms: NDArray[numpy.int64] = directory[0]
        self.document_frequencies: NDArray[numpy.int32] = directory[1]
        self.term_counts = _narrow(passages.term_counts)
        self._root = root
        self._table = table
        self._documents: Ids = ids[first_rows]
        self._document_rows = numpy.append(first_rows, len(ids))
        self.audiences = to_uuids(audiences)
        self._audience_codes = _narrow(codes)
        self._places = numpy.stack([passages.passage_ordinals, passages.starts, passages.ends])
        self._resident: PostingColumns | None = None
        self._selections: OrderedDict[tuple[bytes, frozenset[UUID]], Selection] = OrderedDict()
        self._selecting = threading.Lock()

    def __len__(self) -> int:
        return len(self.term_counts)

    @property
    def size_bytes(self) -> int:
        """What it occupies in memory at most, with remembered selections and resident postings."""
        arrays: list[NDArray[Any]] = [self.terms, self.document_frequencies, self.term_counts]
        arrays += [self._documents, self._document_rows, self._audience_codes, self._places]
        if self._resident is not None:
            arrays += [self._resident.offsets, self._resident.ordinals, self._resident.frequencies]
        return sum(array.nbytes for array in arrays) + SELECTIONS_MAX * len(self)

    def select(self, visible: AbstractSet[UUID], retired: AbstractSet[UUID]) -> Selection:
        """The passages of visible audiences, without those of retired document versions.

        The last few answers are remembered; a `frozenset` that is passed again is recognised without looking at its members.
        """
        seen = numpy.fromiter((audience in visible for audience in self.audiences), numpy.bool_, len(self.audiences))
        key = seen.tobytes(), frozenset(retired)
        with self._selecting:
            known = self._selections.get(key)
            if known is not None:
                self._selections.move_to_end(key)
                return known
        mask: NDArray[numpy.bool_] = seen[self._audience_codes] if len(self) else numpy.zeros(0, numpy.bool_)
        for start, end in self._rows_of_documents(retired):
            mask[start:end] = False
        count = int(numpy.count_nonzero(mask))
        term_count = int(self.term_counts[mask].sum(dtype=numpy.int64))
        selection = Selection(mask, count, term_count, count == len(self))
        with self._selecting:
            self._selections[key] = selection
            while len(self._selections) > SELECTIONS_MAX:
                self._selections.popitem(last=False)
        return selection

    def passages(self, ordinals: Sequence[int]) -> list[PassageRow]:
        """Where the passages with these ordinals come from."""
        documents = numpy.searchsorted(self._document_rows, ordinals, side="right") - 1
        identifiers = to_uuids(self._documents[documents])
        rows = []
        for ordinal, identifier in zip(ordinals, identifiers, strict=True):
            passage_ordinal, start, end = (int(number) for number in self._places[:, ordinal])
            rows.append(PassageRow(identifier, self.audiences[int(self._audience_codes[ordinal])], passage_ordinal, start, end))
        return rows

    def columns(self) -> PassageColumns:
        """All passages, as they were written."""
        documents = numpy.repeat(self._documents, numpy.diff(self._document_rows))
        audiences = to_ids(self.audiences)[self._audience_codes]
        ordinals, starts, ends = self._places
        return PassageColumns(documents, audiences, ordinals, starts, ends, self.term_counts.astype(numpy.int32))

    def posting_columns(self, first: int, count: int) -> PostingColumns:
        """The posting lists of consecutive rows, read from the files.

        Raises:
            SegmentGone: the files are gone.
        """
        query = self._table.query().select(list(CONTENT_COLUMNS)).offset(first).limit(count)
        return posting_columns(self._root.run(query.to_arrow()))

    def make_resident(self) -> None:
        """Reads all posting lists into memory; from then on the files are not needed."""
        self._resident = self.posting_columns(0, len(self.terms)) if len(self.terms) else NO_POSTINGS

    def _rows_of_documents(self, documents: AbstractSet[UUID]) -> Iterator[tuple[int, int]]:
        if not documents or not len(self._documents):
            return
        ids = to_ids(documents)
        places = numpy.minimum(numpy.searchsorted(self._documents, ids), len(self._documents) - 1)
        for place in places[self._documents[places] == ids]:
            yield int(self._document_rows[place]), int(self._document_rows[place + 1])

    def _begin(self, term_hashes: NDArray[numpy.int64], cache: PostingCache) -> _Lookup:
        """What is in memory already, and which rows must be read."""
        rows = numpy.searchsorted(self.terms, term_hashes)
        known = rows < len(self.terms)
        known[known] = self.terms[rows[known]] == term_hashes[known]
        wanted = [int(row) if held else None for row, held in zip(rows, known, strict=True)]
        distinct = {row for row in wanted if row is not None}
        if self._resident is not None:
            return _Lookup(wanted, {row: _list_of(self._resident, row) for row in distinct}, [])
        lists = {row: postings for row in distinct if (postings := cache.get((self.segment_id, row))) is not None}
        return _Lookup(wanted, lists, sorted(distinct - lists.keys()))

    async def _take(self, rows: list[int]) -> pyarrow.Table:
        return await self._table.take_offsets(rows).select(list(CONTENT_COLUMNS)).to_arrow()

    def _finish(self, lookup: _Lookup, table: pyarrow.Table, cache: PostingCache) -> None:
        """Keeps the posting lists that were read."""
        taken = posting_columns(table)
        # LanceDB promises no order, and passes over rows that do not exist, so rows are matched by term.
        place_of_term = {int(term): place for place, term in enumerate(taken.terms)}
        for row in lookup.missing:
            place = place_of_term.get(int(self.terms[row]))
            if place is None:
                raise SegmentUnreadable(f"Segment {self.segment_id} lacks a posting list that its directory names.", "Rebuild the index.")
            postings = _list_of(taken, place).copied()
            cache.put((self.segment_id, row), postings, postings.size_bytes)
            lookup.lists[row] = postings


def open_segment(root: LanceRoot, place: IndexPlace, segment_id: UUID, *, resident_postings_max: int = RESIDENT_POSTINGS_MAX) -> SegmentReader:
    """Reads the passages and the directory of terms into memory.

    Args:
        resident_postings_max: up to so many postings all posting lists are read as well.

    Raises:
        SegmentGone: it was dropped.
        SegmentUnreadable: it is not a segment of this format.
    """
    folder = segment_folder(place, segment_id)
    tables = root.open_table(folder, "passages"), root.open_table(folder, "postings")
    passages, directory = root.run(_read(*tables))
    ordinals = _numbers(passages, "ordinal", numpy.int32)
    terms = _numbers(directory, "term", numpy.int64)
    if (ordinals != numpy.arange(len(ordinals))).any() or (terms[1:] <= terms[:-1]).any():
        raise SegmentUnreadable(f"The rows of segment {segment_id} are not in order.", "Rebuild the index.")
    identifiers = [_ids(passages, name) for name in ID_COLUMNS]
    numbers = [_numbers(passages, name, numpy.int32) for name in NUMBER_COLUMNS]
    columns = PassageColumns(identifiers[0], identifiers[1], numbers[0], numbers[1], numbers[2], numbers[3])
    frequencies = _numbers(directory, "document_frequency", numpy.int32)
    reader = SegmentReader(root, segment_id, tables[1], columns, (terms, frequencies))
    if int(frequencies.sum(dtype=numpy.int64)) <= resident_postings_max:
        reader.make_resident()
    return reader


def read_postings(
    root: LanceRoot, readers: Sequence[SegmentReader], term_hashes: NDArray[numpy.int64], cache: PostingCache
) -> list[list[Postings | None]]:
    """For each segment and each term its posting list, or None where the segment lacks the term. Segments are read at the same time.

    Raises:
        SegmentGone: files that were needed are gone.
    """

    lookups = [reader._begin(term_hashes, cache) for reader in readers]
    incomplete = [(reader, lookup) for reader, lookup in zip(readers, lookups, strict=True) if lookup.missing]
    if incomplete:
        # Only the reading runs in the root's one event loop; decoding stays in the thread of the caller.
        tables = root.run(_together(reader._take(lookup.missing) for reader, lookup in incomplete))
        for (reader, lookup), table in zip(incomplete, tables, strict=True):
            reader._finish(lookup, table, cache)
    return [[None if row is None else lookup.lists[row] for row in lookup.rows] for lookup in lookups]


async def _together(reads: Iterable[Coroutine[Any, Any, pyarrow.Table]]) -> list[pyarrow.Table]:
    return await asyncio.gather(*reads)


async def _read(passages: AsyncTable, postings: AsyncTable) -> tuple[pyarrow.Table, pyarrow.Table]:
    columns = ["ordinal", *ID_COLUMNS, *NUMBER_COLUMNS]
    directory = ["term", "document_frequency"]
    return await asyncio.gather(passages.query().select(columns).to_arrow(), postings.query().select(directory).to_arrow())


def _numbers(table: pyarrow.Table, name: str, kind: Any) -> NDArray[Any]:
    # A copy, so that the array does not keep the whole batch of the reader alive.
    return numpy.array(table.column(name).to_numpy(), dtype=kind)


def _ids(table: pyarrow.Table, name: str) -> Ids:
    parts = []
    for chunk in table.column(name).chunks:
        buffer = chunk.buffers()[1]
        if buffer is not None:
            parts.append(numpy.frombuffer(memoryview(buffer), dtype="S16")[chunk.offset : chunk.offset + len(chunk)])
    return numpy.concatenate(parts) if parts else numpy.zeros(0, dtype="S16")


def _list_of(columns: PostingColumns, row: int) -> Postings:
    start, end = int(columns.offsets[row]), int(columns.offsets[row + 1])
    return Postings(columns.ordinals[start:end], columns.frequencies[start:end])


def _narrow(values: NDArray[Any]) -> NDArray[Any]:
    """The same whole numbers in as few bytes as they need."""
    greatest = int(values.max()) if len(values) else 0
    return values.astype(numpy.min_scalar_type(greatest))

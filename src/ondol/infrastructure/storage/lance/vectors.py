"""The vectors of a segment: one more Lance table in its folder, written whole after the segment and replaced as a whole.

`vectors-<id>`, one row per passage that was embedded, in the order of the segment's ordinals:

| column | type | what |
|---|---|---|
| ordinal | int32 | the passage's row in the segment |
| passage_hash | 16 bytes | a keyed hash of the text that was embedded |
| code | bytes | the signs of the rotated vector, as little-endian uint64 words |
| vector | bytes | the unit vector, each number times 32,767, as little-endian int16; all zero where the embedder refused the text |

The codes of open segments are in memory; vectors are read by row, except those of small segments. No Lance index is made of them: see
decision 0021.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy
from numpy.typing import NDArray

from ondol.infrastructure.storage.lance.errors import SegmentUnreadable
from ondol.infrastructure.storage.lance.reader import SegmentReader, open_segment
from ondol.infrastructure.storage.lance.root import IndexPlace, LanceRoot, segment_folder
from ondol.infrastructure.storage.lance.segments import Ids, PassageColumns

if TYPE_CHECKING:
    import pyarrow
    from lancedb import AsyncTable

VECTOR_BATCH_ROWS = 8_192
RESIDENT_VECTOR_BYTES_MAX = 4 << 20
"""The vectors of a smaller table are kept in memory as a whole instead of being read for each query."""

_COLUMNS = ("ordinal", "passage_hash", "code", "vector")


@dataclass(frozen=True, slots=True)
class VectorColumns:
    """Vectors of a segment, all arrays of one length, ordered by ordinal without duplicates.

    Attributes:
        ordinals: (n,).
        hashes: (n,) of 16 bytes.
        codes: (n, words).
        vectors: (n, dimensions); unit vectors times 32,767.
    """

    ordinals: NDArray[numpy.int32]
    hashes: Ids
    codes: NDArray[numpy.uint64]
    vectors: NDArray[numpy.int16]

    def __len__(self) -> int:
        return len(self.ordinals)

    def take(self, rows: NDArray[Any]) -> VectorColumns:
        """The given rows in the given order; a boolean array selects."""
        return VectorColumns(self.ordinals[rows], self.hashes[rows], self.codes[rows], self.vectors[rows])

    @classmethod
    def concatenated(cls, parts: Sequence[VectorColumns]) -> VectorColumns:
        """The rows of all parts in the order of their ordinals."""
        ordinals = numpy.concatenate([part.ordinals for part in parts])
        hashes, codes = numpy.concatenate([part.hashes for part in parts]), numpy.concatenate([part.codes for part in parts])
        return cls(ordinals, hashes, codes, numpy.concatenate([part.vectors for part in parts])).take(numpy.argsort(ordinals, kind="stable"))


class VectorReader:
    """The open vectors of one segment; immutable, and safe to use from several threads. Make one with `open_vectors`.

    Attributes:
        ordinals: the segment's ordinal of each row, ascending.
        codes: (words, rows), so that one word of all rows lies together.
    """

    def __init__(
        self, vectors_id: UUID, table: AsyncTable, ordinals: NDArray[numpy.int32], codes: NDArray[numpy.uint64], vectors: NDArray[numpy.int16] | None
    ) -> None:
        self.vectors_id = vectors_id
        self.ordinals = ordinals
        self.codes = numpy.ascontiguousarray(codes.T)
        self._table = table
        self._vectors = vectors

    def __len__(self) -> int:
        return len(self.ordinals)

    @property
    def size_bytes(self) -> int:
        """What it occupies in memory."""
        return self.ordinals.nbytes + self.codes.nbytes + (0 if self._vectors is None else self._vectors.nbytes)

    @property
    def resident(self) -> NDArray[numpy.int16] | None:
        """All vectors, where they are in memory."""
        return self._vectors

    async def _take(self, rows: list[int]) -> pyarrow.Table:
        return await self._table.take_offsets(rows).select(["ordinal", "vector"]).to_arrow()


def write_vectors(root: LanceRoot, place: IndexPlace, segment_id: UUID, vectors_id: UUID, columns: VectorColumns) -> None:
    """Writes a table; it is complete and on disk when this returns, and counts once its id is published.

    Raises:
        SegmentError: the store failed.
    """
    folder = segment_folder(place, segment_id)
    schema = _schema(columns.codes.shape[1] * 8, columns.vectors.shape[1] * 2)
    root.create_table(folder, _name(vectors_id), schema, _batches(columns, schema))
    root.persist(folder)


def read_vectors(root: LanceRoot, place: IndexPlace, segment_id: UUID, vectors_id: UUID) -> VectorColumns:
    """All of a table.

    Raises:
        SegmentGone: it was dropped.
        SegmentUnreadable: it is not of this format.
    """
    table = _opened(root, place, segment_id, vectors_id)
    return _columns(root.run(_all(table, _COLUMNS)))


def read_hashes(root: LanceRoot, place: IndexPlace, segment_id: UUID, vectors_id: UUID) -> Ids:
    """The hashes of a table's passages, by row.

    Raises:
        SegmentGone: it was dropped.
    """
    table = root.run(_all(_opened(root, place, segment_id, vectors_id), ("passage_hash",)))
    return _bytes_column(table, "passage_hash", 16).view("S16").reshape(-1)


def read_rows(root: LanceRoot, place: IndexPlace, segment_id: UUID, vectors_id: UUID, rows: Sequence[int]) -> VectorColumns:
    """Some rows of a table, in the order of their ordinals.

    Raises:
        SegmentGone: it was dropped.
    """
    table = _opened(root, place, segment_id, vectors_id)
    found = _columns(root.run(_rows(table, list(rows))))
    return found.take(numpy.argsort(found.ordinals, kind="stable"))


def open_vectors(
    root: LanceRoot, place: IndexPlace, segment_id: UUID, vectors_id: UUID, *, resident_bytes_max: int = RESIDENT_VECTOR_BYTES_MAX
) -> VectorReader:
    """Reads the codes into memory, and the vectors too where they are few.

    Raises:
        SegmentGone: it was dropped.
        SegmentUnreadable: it is not of this format.
    """
    table = _opened(root, place, segment_id, vectors_id)
    read = root.run(_all(table, ("ordinal", "code")))
    ordinals, codes = _ordinals(read), _codes(read)
    vector_bytes = root.run(_vector_bytes(table))
    vectors = None
    if vector_bytes * len(ordinals) <= resident_bytes_max:
        vectors = _vectors(root.run(_all(table, ("ordinal", "vector"))))
    return VectorReader(vectors_id, table, ordinals, codes, vectors)


def take_vectors(root: LanceRoot, wanted: Sequence[tuple[VectorReader, NDArray[numpy.int64]]]) -> list[NDArray[numpy.int16]]:
    """For each table the vectors of these rows, in their order. Tables are read at the same time.

    Raises:
        SegmentGone: files that were needed are gone.
    """
    asked = [(place, reader, rows) for place, (reader, rows) in enumerate(wanted) if reader.resident is None and len(rows)]
    tables = root.run(_together(reader._take(sorted(int(row) for row in rows)) for _, reader, rows in asked)) if asked else []
    read = {place: _in_order(table, reader, rows) for (place, reader, rows), table in zip(asked, tables, strict=True)}
    found = []
    for place, (reader, rows) in enumerate(wanted):
        resident = reader.resident
        found.append(resident[rows] if resident is not None else read.get(place, numpy.zeros((0, 0), numpy.int16)))
    return found


def merge_vectors(
    root: LanceRoot, place: IndexPlace, sources: Mapping[UUID, UUID], segment_id: UUID, vectors_id: UUID, *, into: IndexPlace | None = None
) -> int:
    """Give a merged segment the vectors that its sources have of its passages.

    Args:
        sources: segments and the ids of their vectors, of one embedder.
        segment_id: the merged segment, in `into`.

    Returns:
        How many passages got theirs; nothing was written for none.

    Raises:
        SegmentGone: a source was dropped.
    """
    if not sources:
        return 0
    merged = open_segment(root, into or place, segment_id, resident_postings_max=0)
    keys = passage_keys(merged.columns())
    parts = []
    for source_id, source_vectors in sources.items():
        source = open_segment(root, place, source_id, resident_postings_max=0)
        columns = read_vectors(root, place, source_id, source_vectors)
        own = passage_keys(source.columns())[columns.ordinals]
        rows = numpy.minimum(numpy.searchsorted(keys, own), len(keys) - 1)
        kept = keys[rows] == own
        moved = VectorColumns(rows.astype(numpy.int32), columns.hashes, columns.codes, columns.vectors)
        parts.append(moved.take(kept))
    parts = [part for part in parts if len(part)]
    if not parts:
        return 0
    columns = VectorColumns.concatenated(parts)
    write_vectors(root, into or place, segment_id, vectors_id, columns)
    return len(columns)


def drop_vectors(root: LanceRoot, place: IndexPlace, segment_id: UUID, vectors_id: UUID) -> int:
    """Deletes a table that was replaced, and answers how many files went."""
    return root.drop_table(segment_folder(place, segment_id), _name(vectors_id))


def passage_keys(passages: PassageColumns) -> NDArray[numpy.bytes_]:
    """Document version and passage as 20 bytes each, which order as the passages do."""
    ordinals = passages.passage_ordinals.astype(">u4").view(numpy.uint8).reshape(-1, 4)
    ids = passages.document_version_ids.view(numpy.uint8).reshape(-1, 16)
    return numpy.ascontiguousarray(numpy.concatenate([ids, ordinals], axis=1)).view("S20").reshape(-1)


def unembedded(reader: SegmentReader, known: VectorColumns | None) -> NDArray[numpy.int64]:
    """The ordinals of a segment that have no vector yet."""
    have = numpy.zeros(len(reader), numpy.bool_)
    if known is not None:
        have[known.ordinals] = True
    return numpy.flatnonzero(~have)


def _name(vectors_id: UUID) -> str:
    return f"vectors-{vectors_id}"


def _opened(root: LanceRoot, place: IndexPlace, segment_id: UUID, vectors_id: UUID) -> AsyncTable:
    return root.open_table(segment_folder(place, segment_id), _name(vectors_id))


def _schema(code_bytes: int, vector_bytes: int) -> pyarrow.Schema:
    import pyarrow

    types: tuple[pyarrow.DataType, ...] = (pyarrow.int32(), pyarrow.binary(16), pyarrow.binary(code_bytes), pyarrow.binary(vector_bytes))
    return pyarrow.schema(dict(zip(_COLUMNS, types, strict=True)))


def _batches(columns: VectorColumns, schema: pyarrow.Schema) -> Iterator[pyarrow.RecordBatch]:
    import pyarrow

    for start in range(0, len(columns), VECTOR_BATCH_ROWS):
        rows = columns.take(numpy.arange(start, min(start + VECTOR_BATCH_ROWS, len(columns))))
        fixed = (rows.hashes, rows.codes.astype("<u8", copy=False), rows.vectors.astype("<i2", copy=False))
        arrays: list[Any] = [pyarrow.array(rows.ordinals)]
        for field, values in zip(list(schema)[1:], fixed, strict=True):
            arrays.append(pyarrow.FixedSizeBinaryArray.from_buffers(field.type, len(rows), [None, pyarrow.py_buffer(values.tobytes())]))
        yield pyarrow.record_batch(arrays, schema=schema)


async def _all(table: AsyncTable, columns: Sequence[str]) -> pyarrow.Table:
    return await table.query().select(list(columns)).to_arrow()


async def _rows(table: AsyncTable, rows: list[int]) -> pyarrow.Table:
    return await table.take_offsets(sorted(rows)).select(list(_COLUMNS)).to_arrow()


async def _vector_bytes(table: AsyncTable) -> int:
    return int((await table.schema()).field("vector").type.byte_width)


async def _together(reads: Iterable[Coroutine[Any, Any, pyarrow.Table]]) -> list[pyarrow.Table]:
    return await asyncio.gather(*reads)


def _columns(table: pyarrow.Table) -> VectorColumns:
    hashes = _bytes_column(table, "passage_hash", 16).view("S16").reshape(-1)
    return VectorColumns(_ordinals(table), hashes, _codes(table), _vectors(table))


def _in_order(table: pyarrow.Table, reader: VectorReader, rows: NDArray[numpy.int64]) -> NDArray[numpy.int16]:
    """The vectors that were read, in the order in which they were asked for: LanceDB promises none."""
    ordinals = _ordinals(table)
    order = numpy.argsort(ordinals)
    places = numpy.searchsorted(ordinals, reader.ordinals[rows], sorter=order)
    if len(ordinals) != len(rows):
        raise SegmentUnreadable(f"Vectors {reader.vectors_id} lack a row that their codes name.", "Rebuild the index.")
    return _vectors(table)[order[places]]


def _ordinals(table: pyarrow.Table) -> NDArray[numpy.int32]:
    return numpy.array(table.column("ordinal").to_numpy(), dtype=numpy.int32)


def _codes(table: pyarrow.Table) -> NDArray[numpy.uint64]:
    width = table.schema.field("code").type.byte_width
    return _bytes_column(table, "code", width).view("<u8").astype(numpy.uint64, copy=False)


def _vectors(table: pyarrow.Table) -> NDArray[numpy.int16]:
    width = table.schema.field("vector").type.byte_width
    return _bytes_column(table, "vector", width).view("<i2").astype(numpy.int16, copy=False)


def _bytes_column(table: pyarrow.Table, name: str, width: int) -> NDArray[numpy.uint8]:
    """(rows, width), in memory of its own."""
    parts = []
    for chunk in table.column(name).chunks:
        buffer = chunk.buffers()[1]
        if buffer is not None:
            parts.append(numpy.frombuffer(memoryview(buffer), numpy.uint8, len(chunk) * width, chunk.offset * width))
    whole = numpy.concatenate(parts) if parts else numpy.zeros(0, numpy.uint8)
    return whole.reshape(-1, width)

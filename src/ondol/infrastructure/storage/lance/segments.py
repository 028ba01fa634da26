"""Writing a segment: two immutable Lance tables.

`passages`, one row per passage in the order of (document version, passage ordinal); the row number is the *ordinal* of the passage:

| column | type | what |
|---|---|---|
| ordinal | int32 | the row number |
| document_version_id | 16 bytes | |
| audience_id | 16 bytes | who may read it |
| passage_ordinal | int32 | which passage of its document |
| start, end | int32 | where it stands in the document's text, in characters |
| term_count | int32 | its length for BM25 |

`postings`, one row per term in the order of the term:

| column | type | what |
|---|---|---|
| term | int64 | a keyed hash, never a word |
| document_frequency | int32 | passages that hold the term |
| ordinals | bytes | those passages, ascending, as little-endian uint32 |
| frequencies | bytes | how often each holds it, as uint8, or as little-endian uint16 where one exceeds 255 |

That rows follow (document version, passage ordinal) lets readers break ties by ordinal, and find a document by binary search.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy
from numpy.typing import NDArray

from ondol.infrastructure.storage.lance.errors import SegmentError
from ondol.infrastructure.storage.lance.postings import PostingColumns, PostingCounts, posting_batches, posting_schema
from ondol.infrastructure.storage.lance.root import IndexPlace, LanceRoot, segment_folder

if TYPE_CHECKING:
    import pyarrow

PASSAGES_MAX = 1 << 20
"""Passages of one segment: an ordinal fits 20 bits, so that building sorts packed 64-bit integers."""

PASSAGE_BATCH_ROWS = 65_536

ID_COLUMNS = ("document_version_id", "audience_id")
NUMBER_COLUMNS = ("passage_ordinal", "start", "end", "term_count")
"""The columns after `ordinal`, in the order of the fields of `PassageColumns`."""

Ids = NDArray[numpy.bytes_]
"""An array of dtype S16: UUIDs as bytes. NumPy compares such arrays like memcmp; only reading an element would cut off final zeros."""


@dataclass(frozen=True, slots=True)
class PassageColumns:
    """The passages of a segment, all arrays of one length, ordered by (document version, passage ordinal) without duplicates."""

    document_version_ids: Ids
    audience_ids: Ids
    passage_ordinals: NDArray[numpy.int32]
    starts: NDArray[numpy.int32]
    ends: NDArray[numpy.int32]
    term_counts: NDArray[numpy.int32]

    def __len__(self) -> int:
        return len(self.passage_ordinals)

    def take(self, rows: NDArray[Any]) -> PassageColumns:
        """The given rows in the given order; a boolean array selects."""
        return PassageColumns(*(getattr(self, field.name)[rows] for field in dataclasses.fields(self)))

    @classmethod
    def concatenated(cls, parts: Sequence[PassageColumns]) -> PassageColumns:
        """The rows of all parts, one after the other; not in order any more."""
        return cls(*(numpy.concatenate([getattr(part, field.name) for part in parts]) for field in dataclasses.fields(cls)))


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """A segment that was written and is complete; it counts once its id is published."""

    segment_id: UUID
    passage_count: int
    term_count: int
    posting_count: int
    document_version_ids: tuple[UUID, ...]


def write_segment(root: LanceRoot, place: IndexPlace, segment_id: UUID, passages: PassageColumns, postings: Iterable[PostingColumns]) -> SegmentInfo:
    """Writes both tables; the folder is complete and on disk when this returns.

    Args:
        segment_id: a fresh UUIDv7; a retry takes another one, and what the failed attempt left is an orphan.
        postings: pieces in ascending order of terms; they are consumed one at a time.

    Raises:
        SegmentError: too many passages, rows out of order, or the store failed.
    """
    _check(passages)
    folder = segment_folder(place, segment_id)
    counts = PostingCounts()
    root.create_table(folder, "passages", passage_schema(), _passage_batches(passages))
    root.create_table(folder, "postings", posting_schema(), posting_batches(postings, counts))
    root.persist(folder)
    documents = numpy.unique(passages.document_version_ids)
    return SegmentInfo(segment_id, len(passages), counts.terms, counts.postings, to_uuids(documents))


def passage_schema() -> pyarrow.Schema:
    """The columns of the passages table."""
    import pyarrow

    columns: dict[str, pyarrow.DataType] = {"ordinal": pyarrow.int32()}
    columns |= {name: pyarrow.binary(16) for name in ID_COLUMNS}
    columns |= {name: pyarrow.int32() for name in NUMBER_COLUMNS}
    return pyarrow.schema(columns)


def to_ids(identifiers: Iterable[UUID]) -> Ids:
    """UUIDs as an array of 16 bytes each."""
    return numpy.frombuffer(b"".join(identifier.bytes for identifier in identifiers), dtype="S16")


def to_uuids(ids: Ids) -> tuple[UUID, ...]:
    """The opposite of `to_ids`."""
    content = ids.tobytes()
    return tuple(UUID(bytes=content[start : start + 16]) for start in range(0, len(content), 16))


def _check(passages: PassageColumns) -> None:
    if len(passages) > PASSAGES_MAX:
        raise SegmentError(f"A segment holds at most {PASSAGES_MAX} passages, not {len(passages)}.", "Write several segments.")
    ids, ordinals = passages.document_version_ids, passages.passage_ordinals
    ascending = (ids[1:] > ids[:-1]) | ((ids[1:] == ids[:-1]) & (ordinals[1:] > ordinals[:-1]))
    if not ascending.all():
        raise SegmentError("The passages of a segment are not in order, or one comes twice.")


def _passage_batches(passages: PassageColumns) -> Iterator[pyarrow.RecordBatch]:
    import pyarrow

    for start in range(0, len(passages), PASSAGE_BATCH_ROWS):
        rows = passages.take(numpy.arange(start, min(start + PASSAGE_BATCH_ROWS, len(passages))))
        whole = (rows.passage_ordinals, rows.starts, rows.ends, rows.term_counts)
        columns = [
            pyarrow.array(numpy.arange(start, start + len(rows), dtype=numpy.int32)),
            _fixed_binary(rows.document_version_ids),
            _fixed_binary(rows.audience_ids),
            *(pyarrow.array(column.astype(numpy.int32, copy=False)) for column in whole),
        ]
        yield pyarrow.record_batch(columns, schema=passage_schema())


def _fixed_binary(ids: Ids) -> pyarrow.Array[Any]:
    import pyarrow

    return pyarrow.FixedSizeBinaryArray.from_buffers(pyarrow.binary(16), len(ids), [None, pyarrow.py_buffer(ids.tobytes())])

"""Index segments: immutable Lance tables that hold hashed terms, audiences and places of passages, vectors where an embedder is set, and no words.

A segment is written whole, then published by its caller, and never changed. Documents leave by `merge_segments`, which builds a clean
segment; the old ones are dropped. This room knows tables and memory; what a term means and how hits are ranked is decided above it.
"""

from __future__ import annotations

from ondol.infrastructure.storage.lance.errors import SegmentError, SegmentGone, SegmentUnreadable
from ondol.infrastructure.storage.lance.merge import merge_segments
from ondol.infrastructure.storage.lance.postings import FREQUENCY_MAX, PostingColumns
from ondol.infrastructure.storage.lance.reader import PassageRow, Postings, SegmentReader, Selection, open_segment
from ondol.infrastructure.storage.lance.root import IndexPlace, LanceRoot
from ondol.infrastructure.storage.lance.segments import (
    PASSAGES_MAX,
    PassageColumns,
    SegmentInfo,
    to_ids,
    to_uuids,
    write_segment,
)
from ondol.infrastructure.storage.lance.shelf import SegmentShelf
from ondol.infrastructure.storage.lance.vectors import (
    RESIDENT_VECTOR_BYTES_MAX,
    VectorColumns,
    VectorReader,
    drop_vectors,
    merge_vectors,
    open_vectors,
    read_hashes,
    read_rows,
    read_vectors,
    unembedded,
    write_vectors,
)

__all__ = [
    "FREQUENCY_MAX",
    "PASSAGES_MAX",
    "RESIDENT_VECTOR_BYTES_MAX",
    "IndexPlace",
    "LanceRoot",
    "PassageColumns",
    "PassageRow",
    "PostingColumns",
    "Postings",
    "SegmentError",
    "SegmentGone",
    "SegmentInfo",
    "SegmentReader",
    "SegmentShelf",
    "SegmentUnreadable",
    "Selection",
    "VectorColumns",
    "VectorReader",
    "drop_vectors",
    "merge_segments",
    "merge_vectors",
    "open_segment",
    "open_vectors",
    "read_hashes",
    "read_rows",
    "read_vectors",
    "to_ids",
    "to_uuids",
    "unembedded",
    "write_segment",
    "write_vectors",
]

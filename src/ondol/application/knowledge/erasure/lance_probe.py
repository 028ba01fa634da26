"""An independent reader of the index: LanceDB itself over every folder there is, published or not, with none of the code that searches."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy
import obstore

from ondol.infrastructure.storage.blobs import open_store

if TYPE_CHECKING:
    from lancedb import AsyncConnection, AsyncTable

PASSAGES = "passages"
POSTINGS = "postings"
VECTORS = "vectors-"
ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Holding:
    """A segment that holds something of a document.

    Attributes:
        passages: rows of the document.
        postings: entries of posting lists, and vectors, that belong to those rows, or to rows that are not there.
    """

    index_id: uuid.UUID
    segment_id: uuid.UUID
    passages: int
    postings: int


async def segments_holding(
    url: str,
    options: Mapping[str, str],
    tenant_id: uuid.UUID,
    base_id: uuid.UUID,
    version_ids: Collection[uuid.UUID],
    *,
    replaced: Collection[uuid.UUID] = (),
    written_since: uuid.UUID | None = None,
) -> list[Holding]:
    """The segments below a base that hold some document versions.

    Args:
        url: of the index's root.
        replaced: segments that held them; whatever is left in their folders counts.
        written_since: a UUIDv7; segments as young as it are looked through for postings that point nowhere, too.
    """
    import lancedb

    wanted = numpy.frombuffer(b"".join(sorted(version.bytes for version in version_ids)), dtype=f"S{ID_BYTES}")
    found: list[Holding] = []
    with contextlib.closing(await lancedb.connect_async(url, storage_options=dict(options))) as connection:
        async for index_id, segment_id in _segments(url, f"{tenant_id}/{base_id}"):
            folder = f"{url}/{tenant_id}/{base_id}/{index_id}/{segment_id}"
            is_young = written_since is not None and segment_id.int > written_since.int
            try:
                counted = await _counted(connection, folder, wanted, is_young, await _vector_tables(url, folder))
            except (ValueError, RuntimeError, OSError):
                # It is being written or dropped at this moment: a table that cannot be opened holds nothing that could be read.
                counted = (0, await _files(url, folder) if segment_id in replaced else 0)
            if any(counted):
                found.append(Holding(index_id, segment_id, *counted))
    return found


async def _counted(connection: AsyncConnection, folder: str, wanted: Any, is_young: bool, vector_tables: Collection[str]) -> tuple[int, int]:
    passages = await _column(await connection.open_table(PASSAGES, location=f"{folder}/{PASSAGES}.lance"), "document_version_id")
    present = numpy.frombuffer(b"".join(passages), dtype=f"S{ID_BYTES}")
    places = numpy.flatnonzero(numpy.isin(present, wanted))
    if not len(places) and not is_young:
        return 0, 0
    lists = await _column(await connection.open_table(POSTINGS, location=f"{folder}/{POSTINGS}.lance"), "ordinals")
    pointing = [numpy.frombuffer(b"".join(lists), dtype="<u4")]
    for name in vector_tables:
        pointing.append(numpy.asarray(await _column(await connection.open_table(name, location=f"{folder}/{name}.lance"), "ordinal"), dtype="<u4"))
    return len(places), sum(int((pointed >= len(present)).sum() + numpy.isin(pointed, places).sum()) for pointed in pointing)


async def _column(table: AsyncTable, name: str) -> list[Any]:
    column = (await table.query().select([name]).to_arrow()).column(name)
    return [value for value in column.to_pylist() if value is not None]


async def _segments(url: str, folder: str) -> AsyncIterator[tuple[uuid.UUID, uuid.UUID]]:
    """Every segment folder below a base's: index version and segment."""
    store = open_store(url)
    for index_prefix in (await obstore.list_with_delimiter_async(store, folder))["common_prefixes"]:
        for segment_prefix in (await obstore.list_with_delimiter_async(store, index_prefix))["common_prefixes"]:
            parts = segment_prefix.rstrip("/").split("/")
            yield uuid.UUID(parts[-2]), uuid.UUID(parts[-1])


async def _vector_tables(url: str, folder: str) -> list[str]:
    """The names of the tables of vectors in a segment's folder."""
    below = await obstore.list_with_delimiter_async(open_store(url), folder.removeprefix(f"{url}/"))
    names = (prefix.rstrip("/").rpartition("/")[2].removesuffix(".lance") for prefix in below["common_prefixes"])
    return [name for name in names if name.startswith(VECTORS)]


async def _files(url: str, folder: str) -> int:
    """How many files are left below a folder."""
    return len(await obstore.list(open_store(url), folder.removeprefix(f"{url}/")).collect_async())

"""The folder or bucket under which all index segments lie.

    <root>/<tenant>/<knowledge base>/<index version>/<segment>/passages.lance
    <root>/<tenant>/<knowledge base>/<index version>/<segment>/postings.lance
    <root>/<tenant>/<knowledge base>/<index version>/<segment>/vectors-<id>.lance   (where an embedder is set)

A `LanceRoot` owns one event loop in a thread of its own, because only the asynchronous interface of LanceDB opens a table at a
given location (the synchronous one would make a connection, and with it an empty folder, for every segment).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from ondol.core.ids import unix_ms_of
from ondol.infrastructure.storage.lance.errors import SegmentError, SegmentGone, SegmentUnreadable
from ondol.infrastructure.storage.lance.lean import import_lancedb

if TYPE_CHECKING:
    import pyarrow
    from lancedb import AsyncConnection, AsyncTable
    from obstore.store import ObjectStore

METADATA_CACHE_BYTES_MAX = 64 << 20
"""What LanceDB may keep of file footers and page tables, over all segments of the process."""

INDEX_CACHE_BYTES_MAX = 1 << 20
"""Segments have no Lance index of their own, so its cache stays empty."""

DELETE_BATCH_FILES_MAX = 1_000
"""Files deleted by one call to the store."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class IndexPlace:
    """Which index a segment belongs to: the three folders above it."""

    tenant_id: UUID
    base_id: UUID
    index_version_id: UUID

    @property
    def folder(self) -> str:
        """The folder below the root, without slashes at its ends."""
        return f"{self.tenant_id}/{self.base_id}/{self.index_version_id}"


class LanceRoot:
    """Opens, makes, lists and drops the folders of segments. Safe to use from several threads.

    Args:
        url: a local folder (made when absent), or the URL of a bucket such as ``s3://bucket/prefix``.
        storage_options: credentials and endpoints for a bucket, as the `object_store` crate names them.
    """

    def __init__(self, url: str | Path, storage_options: Mapping[str, str] | None = None) -> None:
        text = str(url)
        is_local = text.startswith("file://") or "://" not in text
        self._local = Path(text.removeprefix("file://")).absolute() if is_local else None
        if self._local is not None:
            self._local.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._url = str(self._local or text).rstrip("/")
        self._options = dict(storage_options or {})
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ondol-lance", daemon=True)
        self._thread.start()
        self._opening = threading.Lock()
        self._connection: AsyncConnection | None = None
        self._store: ObjectStore | None = None

    @property
    def url(self) -> str:
        """The local folder or bucket, without a slash at its end."""
        return self._url

    @property
    def options(self) -> Mapping[str, str]:
        """Credentials and endpoints of a bucket."""
        return self._options

    def close(self) -> None:
        """Stops the event loop; nothing can be read afterwards."""
        if self._connection is not None:
            self._connection.close()  # type: ignore[no-untyped-call]
            self._connection = None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def warm_up(self) -> None:
        """Imports LanceDB and connects: 1.3 s of a core, most of it in classes that LanceDB never uses here. Call it in a thread at start."""
        self._connected()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Runs asynchronous LanceDB work to its end.

        Raises:
            SegmentGone: the files are not there.
            SegmentUnreadable: the store failed in another way.
        """
        with _store_errors():
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def create_table(self, folder: str, name: str, schema: pyarrow.Schema, batches: Iterator[pyarrow.RecordBatch]) -> None:
        """Writes a table from a stream of batches; it must not exist yet."""
        import pyarrow

        connection = self._connected()
        reader = pyarrow.RecordBatchReader.from_batches(schema, batches)
        self.run(connection.create_table(name, reader, location=self._location(folder, name)))

    def open_table(self, folder: str, name: str) -> AsyncTable:
        """Opens a table for reading; use it with `run`.

        Raises:
            SegmentGone: it does not exist.
        """
        return self.run(self._connected().open_table(name, location=self._location(folder, name)))

    def persist(self, folder: str) -> None:
        """Forces a local folder to the disk, so that a published segment survives a power cut; a bucket needs no such thing."""
        if self._local is None:
            return
        for entry in (self._local / folder).rglob("*"):
            _fsync(entry)
        for above in (Path(folder), *Path(folder).parents):
            _fsync(self._local / above)

    def index_version_ids(self, tenant_id: UUID, base_id: UUID) -> list[UUID]:
        """The index versions of a base whose folders exist, in order of their ids."""
        return self._folders(f"{tenant_id}/{base_id}")

    def segment_ids(self, place: IndexPlace) -> list[UUID]:
        """The segments whose folders exist, published or not, in order of their ids."""
        return self._folders(place.folder)

    def _folders(self, above: str) -> list[UUID]:
        with _store_errors():
            found = self._objects().list_with_delimiter(above)
        names = (prefix.rstrip("/").rpartition("/")[2] for prefix in found["common_prefixes"])
        return sorted(UUID(name) for name in names)

    def orphans(self, place: IndexPlace, live: frozenset[UUID], created_before_ms: int) -> list[UUID]:
        """Segments that nobody published: a writer died before, or a merge replaced them.

        Args:
            live: the published segment ids.
            created_before_ms: only segments whose id (a UUIDv7) is older than this Unix time; a younger one may be in the making.
        """
        return [found for found in self.segment_ids(place) if found not in live and unix_ms_of(found) < created_before_ms]

    def drop_segment(self, place: IndexPlace, segment_id: UUID) -> int:
        """Deletes the folder of a segment and answers how many files went; 0 when it was gone already."""
        return self._drop(segment_folder(place, segment_id))

    def drop_index(self, place: IndexPlace) -> int:
        """Deletes all segments of an index version and answers how many files went."""
        return self._drop(place.folder)

    def drop_table(self, folder: str, name: str) -> int:
        """Deletes one table of a segment and answers how many files went; 0 when it was gone already."""
        return self._drop(f"{folder}/{name}.lance")

    def _drop(self, folder: str) -> int:
        store, count = self._objects(), 0
        with _store_errors():
            for listed in store.list(folder, chunk_size=DELETE_BATCH_FILES_MAX):
                store.delete([found["path"] for found in listed])
                count += len(listed)
        return count

    def _location(self, folder: str, name: str) -> str:
        return f"{self._url}/{folder}/{name}.lance"

    def _connected(self) -> AsyncConnection:
        with self._opening:
            if self._connection is None:
                lancedb = import_lancedb()  # slow, and not needed by commands that never search

                session = lancedb.Session(INDEX_CACHE_BYTES_MAX, METADATA_CACHE_BYTES_MAX)
                self._connection = self.run(lancedb.connect_async(self._url, storage_options=self._options, session=session))
            return self._connection

    def _objects(self) -> ObjectStore:
        with self._opening:
            if self._store is None:
                from obstore.store import LocalStore, from_url

                if self._local is not None:
                    self._store = LocalStore(self._local, automatic_cleanup=True)
                else:
                    self._store = from_url(self._url, **cast(Any, self._options))
            return self._store


def segment_folder(place: IndexPlace, segment_id: UUID) -> str:
    """The folder of a segment below the root."""
    return f"{place.folder}/{segment_id}"


@contextlib.contextmanager
def _store_errors() -> Iterator[None]:
    """LanceDB raises plain ValueError, RuntimeError and OSError: the text alone says whether something is missing."""
    try:
        yield
    except (SegmentError, KeyboardInterrupt):
        raise
    except Exception as error:
        text = str(error).lower()
        if isinstance(error, FileNotFoundError) or "not found" in text or "no such file" in text:
            raise SegmentGone("An index segment is gone.", "Read the list of live segments again and retry.") from error
        raise SegmentUnreadable(f"The index store failed: {error}", "Look at the store; the index can be rebuilt.") from error


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Files are received: they go sealed to the blob store piece by piece, and wait there until a job worker takes them in.

Whoever leaves, or is too slow, leaves nothing behind; what a killed process leaves is swept. A file lies where a version's original would, under
a key of its own with the upload's id, so that the sweep knows both.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import hashlib
import threading
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from ondol.application.knowledge import store
from ondol.application.knowledge.content import original_path
from ondol.application.knowledge.documents.put import Told, check_told
from ondol.application.knowledge.documents.store import QUERIES
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.canonical import Json, keyed_digest
from ondol.core.errors import NotFound, RequestError, TooManyRequests
from ondol.core.ids import new_id
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.blobs import BlobInfo, KeyOwner, open_bytes, seal_bytes
from ondol.infrastructure.storage.postgres import Connection, Database, one

RECEIVED_AT_ONCE_MAX = 8
"""So many files are received at once by one process; each holds a thread while it is."""
RECEIVED_AT_ONCE_OF_TENANT_MAX = 4
WAITING_MAX = 1000
WAITING_BYTES_MAX = 8 << 30
"""So many files of a tenant, and so many bytes, may wait to be taken in."""
PIECE_BYTES = 1 << 18
BUSY_RETRY_S = 5
KEPT = timedelta(days=7)
"""So long it can be asked what became of an upload."""
FORGET_MAX = 10_000
SETTING = "http.upload_bytes_max"

UploadState = Literal["received", "taken_in", "failed"]


class DocumentTooLarge(RequestError):
    """A file is larger than the installation receives."""

    status = 413
    code = "document_too_large"

    def __init__(self, bytes_max: int, setting: str = SETTING) -> None:
        super().__init__(f"The file is larger than {bytes_max:,} bytes.", f"Split it, or have `{setting}` raised.", param="content-length")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was received.

    Attributes:
        failure: a word for why it was not taken in; `detail` says it in a sentence.
    """

    id: uuid.UUID
    base_id: uuid.UUID
    state: UploadState
    bytes: int
    document_id: uuid.UUID | None
    version_id: uuid.UUID | None
    failure: str | None
    detail: str
    created_at: datetime
    ended_at: datetime | None


Received = Callable[[Connection, uuid.UUID, bytes], Awaitable[None]]
"""What else is written in the transaction that commits: it is given the upload's id, and a keyed digest of its bytes."""

KeepFile = Callable[[uuid.UUID, BlobInfo, bytes], Awaitable[None]]
"""Notes a file that was received whole: its id, how it lies in the store, and a keyed digest of its bytes."""


class Reception:
    """Where one process receives files.

    Args:
        bytes_max: the largest file that is received now.
    """

    def __init__(self, room: Knowledge, bytes_max: Callable[[], int]) -> None:
        self._room = room
        self._bytes_max = bytes_max
        self._threads = ThreadPoolExecutor(RECEIVED_AT_ONCE_MAX, thread_name_prefix="upload")
        self._now: Counter[uuid.UUID] = Counter()

    def bytes_max(self) -> int:
        """The largest file that is received now."""
        return self._bytes_max()

    def check_length(self, length: str | None, bytes_max: int | None = None, setting: str = SETTING) -> None:
        """Refuse a file that is said to be too large before its first byte is asked for.

        Args:
            bytes_max: the largest that is received, as `setting` says; the largest document when absent.

        Raises:
            DocumentTooLarge: it is.
        """
        most = self.bytes_max() if bytes_max is None else bytes_max
        if length is not None and length.isascii() and length.isdigit() and int(length) > most:
            raise DocumentTooLarge(most, setting)

    async def receive(
        self, tenant_id: uuid.UUID, base_id: uuid.UUID, person_id: uuid.UUID, told: Told, chunks: AsyncIterator[bytes], *, also: Received
    ) -> uuid.UUID:
        """Receive a file as it comes; the id of its upload. Memory does not grow with the file.

        Raises:
            RequestError: what is told cannot be used.
            DocumentTooLarge: as soon as that is known.
            TooManyRequests: too many files are received, or wait to be taken in.
            Exception: what the chunks raise.
        """
        check_told(told)
        await self._check_load(tenant_id)

        async def keep(upload_id: uuid.UUID, info: BlobInfo, digest: bytes) -> None:
            await self._add(tenant_id, upload_id, base_id, person_id, told, info, lambda connection: also(connection, upload_id, digest))

        return await self.hold(tenant_id, chunks, self.bytes_max(), SETTING, keep)

    async def hold(self, tenant_id: uuid.UUID, chunks: AsyncIterator[bytes], bytes_max: int, setting: str, keep: KeepFile) -> uuid.UUID:
        """Seal a file as it comes, under a key of its own, and have it kept; the id of both. Where that fails, nothing is left of it.

        Args:
            bytes_max: the largest that is received, as `setting` says.

        Raises:
            DocumentTooLarge: as soon as that is known.
            TooManyRequests: too many files are being received.
            Exception: what the chunks raise, or `keep`.
        """
        with self._place(tenant_id):
            file_id = new_id()
            body = _Body(chunks, bytes_max, setting)
            try:
                info = await self._seal(tenant_id, file_id, body)
                await keep(file_id, info, keyed_digest(self._room.tenant_key(tenant_id, "knowledge"), "upload-body", body.digest()))
            except BaseException:
                await asyncio.shield(asyncio.to_thread(discard, self._room, tenant_id, file_id))
                raise
        return file_id

    async def digest_of(self, tenant_id: uuid.UUID, chunks: AsyncIterator[bytes]) -> bytes:
        """The keyed digest of a file's bytes, which go nowhere.

        Raises:
            DocumentTooLarge: as soon as that is known.
            Exception: what the chunks raise.
        """
        body = _Body(chunks, self.bytes_max())
        while await body.next_piece():
            pass
        return keyed_digest(self._room.tenant_key(tenant_id, "knowledge"), "upload-body", body.digest())

    @contextlib.contextmanager
    def _place(self, tenant_id: uuid.UUID) -> Iterator[None]:
        """A place among those who are received now, so that slow senders hold neither all threads nor those that answer questions."""
        if self._now.total() >= RECEIVED_AT_ONCE_MAX or self._now[tenant_id] >= RECEIVED_AT_ONCE_OF_TENANT_MAX:
            raise TooManyRequests(
                "Too many files are being received now.",
                "Send it again in a few seconds.",
                code="uploads_busy",
                retry_after_s=BUSY_RETRY_S,
            )
        self._now[tenant_id] += 1
        try:
            yield
        finally:
            self._now[tenant_id] -= 1
            self._now += Counter()

    async def _check_load(self, tenant_id: uuid.UUID) -> None:
        async with self._room.database.tenant_tx(tenant_id) as connection:
            load = await one(connection, QUERIES["uploads_load"], {})
        if load is not None and (load["uploads"] >= WAITING_MAX or load["bytes"] >= WAITING_BYTES_MAX):
            raise TooManyRequests("Too many files wait to be taken in.", "Send it again later.", code="uploads_wait")

    async def _seal(self, tenant_id: uuid.UUID, upload_id: uuid.UUID, body: _Body) -> BlobInfo:
        owner = _owner(tenant_id, upload_id)

        def put() -> BlobInfo:
            self._room.keyring.create(owner)
            return self._room.blobs.put(owner, _path(tenant_id, upload_id), body.pieces())

        putting = asyncio.get_running_loop().run_in_executor(self._threads, put)
        try:
            return await asyncio.shield(putting)
        except asyncio.CancelledError:
            body.stop()
            with contextlib.suppress(Exception):
                await putting
            raise

    async def _add(
        self,
        tenant_id: uuid.UUID,
        upload_id: uuid.UUID,
        base_id: uuid.UUID,
        person_id: uuid.UUID,
        told: Told,
        info: BlobInfo,
        also: Callable[[Connection], Awaitable[None]],
    ) -> None:
        room, now = self._room, self._room.clock()
        sealed = seal_bytes(room.keyring.get(_owner(tenant_id, upload_id)), msgspec.json.encode(told), _context(upload_id))
        values = {
            "tenant_id": tenant_id,
            "id": upload_id,
            "base_id": base_id,
            "person_id": person_id,
            "bytes": info.plain_bytes,
            "told_sealed": sealed,
            "now": now,
        }
        async with room.database.tenant_tx(tenant_id) as connection:
            await store.get_base(connection, base_id)
            await connection.execute(QUERIES["upload_add"], values)
            body: dict[str, Json] = {"base": base_id, "upload": upload_id, "bytes": info.plain_bytes}
            await record(connection, tenant_id, kind="document.received", actor_id=person_id, body=body, now=now)
            await also(connection)


async def find_upload(room: Knowledge, tenant_id: uuid.UUID, base_id: uuid.UUID, upload_id: uuid.UUID, person_id: uuid.UUID | None) -> Upload:
    """What became of an upload.

    Args:
        person_id: who asks for their own; None for whoever may see all.

    Raises:
        NotFound: when there is none of theirs.
    """
    async with room.database.tenant_tx(tenant_id) as connection:
        found = await one(connection, QUERIES["upload_by_id"], {"id": upload_id, "base_id": base_id, "person_id": person_id})
    if found is None:
        raise NotFound("There is no such upload.", f"What became of one can be asked for {KEPT.days} days.", code="upload_not_found")
    sealed = found.pop("detail_sealed")
    detail = "" if sealed is None else open_bytes(room.keyring.get(KeyOwner.tenant(tenant_id)), bytes(sealed), _context(upload_id)).decode()
    return Upload(**found, detail=detail)


def read_upload(room: Knowledge, tenant_id: uuid.UUID, upload_id: uuid.UUID, told_sealed: bytes, bytes_max: int) -> tuple[Told, bytes]:
    """What was told with a file, and the file.

    Raises:
        RequestError: with code ``blob_too_large``.
        KeyDestroyed, NotFound, SealBroken: it is lost.
    """
    owner = _owner(tenant_id, upload_id)
    told = msgspec.json.decode(open_bytes(room.keyring.get(owner), told_sealed, _context(upload_id)), type=Told)
    return told, room.blobs.read(owner, _path(tenant_id, upload_id), max_bytes=bytes_max)


def seal_detail(room: Knowledge, tenant_id: uuid.UUID, upload_id: uuid.UUID, detail: str) -> bytes:
    """Why a file was not taken in, sealed: it may name what stands in the file."""
    return seal_bytes(room.keyring.get(KeyOwner.tenant(tenant_id)), detail.encode("utf-8", "replace"), _context(upload_id))


def discard(room: Knowledge, tenant_id: uuid.UUID, upload_id: uuid.UUID) -> None:
    """Remove a file that was received, and its key. What is gone already does not matter."""
    room.keyring.destroy(_owner(tenant_id, upload_id))
    room.blobs.delete(_path(tenant_id, upload_id))


async def forget_uploads(database: Database, now: datetime) -> int:
    """Remove what is known of uploads that ended long ago, at most `FORGET_MAX`; how many that were."""
    async with database.system_tx() as connection:
        return (await connection.execute(QUERIES["uploads_forget"], {"before": now - KEPT, "limit": FORGET_MAX})).rowcount


class _Body:
    """A body on its way from the loop, where it arrives, to the thread that seals it; read no faster than it is sealed."""

    def __init__(self, chunks: AsyncIterator[bytes], bytes_max: int, setting: str = SETTING) -> None:
        self._chunks = chunks
        self._bytes_max = bytes_max
        self._setting = setting
        self._bytes = 0
        self._hash = hashlib.sha256()
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._waiting: concurrent.futures.Future[bytes] | None = None
        self._stopped = False

    def digest(self) -> bytes:
        """SHA-256 of what has come."""
        return self._hash.digest()

    async def next_piece(self) -> bytes:
        """About `PIECE_BYTES`, fewer at the end, and none behind it.

        Raises:
            DocumentTooLarge: more has come than may.
        """
        piece = bytearray()
        while len(piece) < PIECE_BYTES and (chunk := await anext(self._chunks, None)) is not None:
            self._bytes += len(chunk)
            if self._bytes > self._bytes_max:
                raise DocumentTooLarge(self._bytes_max, self._setting)
            piece += chunk
        self._hash.update(piece)
        return bytes(piece)

    def pieces(self) -> Iterator[bytes]:
        """All pieces, for a thread that is not the loop's."""
        while piece := self._wait():
            yield piece

    def _wait(self) -> bytes:
        with self._lock:
            if self._stopped:
                raise concurrent.futures.CancelledError
            self._waiting = asyncio.run_coroutine_threadsafe(self.next_piece(), self._loop)
        return self._waiting.result()

    def stop(self) -> None:
        """Nobody wants it any more: the thread ends with an error."""
        with self._lock:
            self._stopped = True
            if self._waiting is not None:
                self._waiting.cancel()


def _owner(tenant_id: uuid.UUID, upload_id: uuid.UUID) -> KeyOwner:
    return KeyOwner(tenant_id, "document", upload_id)


def _path(tenant_id: uuid.UUID, upload_id: uuid.UUID) -> str:
    return original_path(tenant_id, upload_id, upload_id)


def _context(upload_id: uuid.UUID) -> bytes:
    return b"upload" + upload_id.bytes

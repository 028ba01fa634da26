"""Sealed blobs: objects of any size that only their owner's data key opens."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO
from uuid import UUID

from ondol.core.errors import RequestError, SealBroken
from ondol.infrastructure.storage.blobs.keyring import KeyOwner, KeyRing
from ondol.infrastructure.storage.blobs.seal import (
    FRAME_BYTES,
    HEADER_BYTES,
    SEALED_FRAME_BYTES,
    Buffer,
    FrameOpener,
    frame_count,
    plain_size,
    seal_frames,
)
from ondol.infrastructure.storage.blobs.store import (
    ObjectPiece,
    check_path,
    delete_object,
    get_piece,
    list_objects,
    object_exists,
    put_stream,
)

if TYPE_CHECKING:
    from obstore.store import ObjectStore

CHUNK_BYTES = 1024 * 1024
"""How much of a source is taken at a time."""
WINDOW_FRAMES = 64
"""How many frames (4 MiB) are fetched with one request while streaming. Each is a request of its own, so a slow reader
never lets a connection to the store time out."""


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """What was put: sizes in bytes before and after sealing, and the content address (32 bytes)."""

    path: str
    plain_bytes: int
    sealed_bytes: int
    content_address: bytes


class SealedBlobs:
    """Objects in a store, each sealed under the data key of its owner and bound to that owner and its path.

    The keys of the owner and of its tenant must have been created. The content address is an HMAC-SHA-256 of the plain bytes
    under ``derive("content")`` of the tenant's key, so it tells equal from different within a tenant and nothing outside.

    Args:
        store: where the sealed objects lie.
        keyring: has the data keys.
    """

    def __init__(self, store: ObjectStore, keyring: KeyRing) -> None:
        self._store = store
        self._keyring = keyring

    def put(self, owner: KeyOwner, path: str, source: bytes | Iterable[bytes] | BinaryIO) -> BlobInfo:
        """Seal a source into an object, replacing what was at the path. It appears whole or not at all.

        Memory does not grow with the source. An error of the source itself comes through as it is.

        Raises:
            KeyDestroyed: when the owner or its tenant has no key.
            DataFolderError: when the store cannot be written, such as when the disk is full.
            ValueError: when the path is not one we use (see `check_path`).
        """
        check_path(path)
        meter = _Meter(self._tenant_key(owner.tenant_id))
        key = self._keyring.get(owner)
        sealed_bytes = put_stream(self._store, path, seal_frames(key, meter.through(_chunks(source)), _context(owner, path)))
        return BlobInfo(path, meter.plain_bytes, sealed_bytes, meter.address())

    def stream(self, owner: KeyOwner, path: str) -> Iterator[bytes]:
        """The plain bytes, frame by frame (64 KiB). Each frame is authentic when it is handed out, but only the end of the
        iteration proves that none is missing: act on the whole only then.

        The first request is made at once, so a missing key or object shows here and not at the first frame.

        Raises:
            KeyDestroyed: when the owner has no key.
            NotFound: when there is no such object.
            SealBroken: when it was altered, cut off, or belongs to another owner or path; also while iterating.
            Conflict: while iterating, when it was replaced in the meantime.
            DataFolderError: when the store cannot be read; also while iterating.
        """
        return self._open(owner, path, 0).frames(0)

    def read(self, owner: KeyOwner, path: str, *, max_bytes: int) -> bytes:
        """All plain bytes.

        Raises:
            RequestError: with code ``blob_too_large`` when there are more than `max_bytes`; nothing more is fetched then.
            KeyDestroyed, NotFound, SealBroken, Conflict, DataFolderError: as for `stream`.
        """
        opened = self._open(owner, path, 0)
        if opened.plain_bytes > max_bytes:
            raise RequestError(
                f"The stored object has {opened.plain_bytes} bytes; at most {max_bytes} can be read at once.",
                "Read it as a stream.",
                code="blob_too_large",
            )
        return b"".join(opened.frames(0))

    def read_range(self, owner: KeyOwner, path: str, start: int, end: int) -> bytes:
        """The plain bytes from `start` to `end` (exclusive), as a slice would give them, from the frames that hold them.

        An empty answer is authentic too: the end of the object is checked then.

        Raises:
            ValueError: when `start` is negative or after `end`.
            KeyDestroyed, NotFound, SealBroken, Conflict, DataFolderError: as for `stream`.
        """
        if not 0 <= start <= end:
            raise ValueError(f"{start}:{end} is not a range")
        first = start // FRAME_BYTES
        opened = self._open(owner, path, first, max(first, (end - 1) // FRAME_BYTES))
        if start >= min(end, opened.plain_bytes):
            next(opened.frames(opened.frame_count - 1))
            return b""
        last = (min(end, opened.plain_bytes) - 1) // FRAME_BYTES
        plain = b"".join(opened.frames(first, last))
        return plain[start - first * FRAME_BYTES : end - first * FRAME_BYTES]

    def delete(self, path: str) -> bool:
        """Delete an object. Returns whether it was there. (To erase content, destroy its key.)

        Raises:
            DataFolderError: when the store refuses.
            ValueError: when the path is not one we use.
        """
        return delete_object(self._store, check_path(path))

    def exists(self, path: str) -> bool:
        """Whether there is an object at the path; whether it opens is not said.

        Raises:
            DataFolderError: when the store cannot be asked.
            ValueError: when the path is not one we use.
        """
        return object_exists(self._store, check_path(path))

    def list(self, prefix: str) -> Iterator[str]:
        """The paths below a prefix of whole segments (``a/b`` has ``a/b/c``, not ``a/bc``), in no particular order.

        Raises:
            DataFolderError: when the store cannot be listed.
            ValueError: when the prefix is neither empty nor one we use.
        """
        return list_objects(self._store, check_path(prefix.removesuffix("/")) if prefix else "")

    def content_address(self, tenant_id: UUID, data: bytes) -> bytes:
        """The content address that `put` gives for these bytes, 32 bytes.

        Raises:
            KeyDestroyed: when the tenant has no key.
        """
        return hmac.digest(self._tenant_key(tenant_id), data, "sha256")

    def _tenant_key(self, tenant_id: UUID) -> bytes:
        return self._keyring.get(KeyOwner.tenant(tenant_id)).derive("content")

    def _open(self, owner: KeyOwner, path: str, first: int, last: int | None = None) -> _OpenedBlob:
        """Fetch the header, and with it the first window when the reading begins there."""
        key = self._keyring.get(owner)
        frames = 0 if first else WINDOW_FRAMES if last is None else min(WINDOW_FRAMES, last + 1)
        head = get_piece(self._store, check_path(path), 0, HEADER_BYTES + frames * SEALED_FRAME_BYTES)
        plain_bytes = plain_size(head.object_bytes)
        opener = FrameOpener(key, head.data[:HEADER_BYTES], _context(owner, path))
        return _OpenedBlob(self._store, path, opener, plain_bytes, head)


class _OpenedBlob:
    """A sealed object whose size, version and header are known; its frames are fetched when asked for."""

    def __init__(self, store: ObjectStore, path: str, opener: FrameOpener, plain_bytes: int, head: ObjectPiece) -> None:
        self._store = store
        self._path = path
        self._opener = opener
        self._object_bytes = head.object_bytes
        self._tag = head.tag
        self._fetched = head.data[HEADER_BYTES:]
        self.plain_bytes = plain_bytes
        self.frame_count = frame_count(plain_bytes)

    def frames(self, first: int, last: int | None = None) -> Iterator[bytes]:
        """The plain bytes of frames `first` to `last` (inclusive; the end of the object when absent)."""
        stop = self.frame_count if last is None else last + 1
        while first < stop:
            after = min(first + WINDOW_FRAMES, stop)
            yield from self._opener.open_run(first, self._window(first, after), stream_ends=after == self.frame_count)
            first = after

    def _window(self, first: int, after: int) -> memoryview:
        start = HEADER_BYTES + first * SEALED_FRAME_BYTES
        end = min(HEADER_BYTES + after * SEALED_FRAME_BYTES, self._object_bytes)
        fetched, self._fetched = self._fetched, memoryview(b"")  # a window that is done must not stay in memory
        if first > 0 or len(fetched) < end - start:
            fetched = get_piece(self._store, self._path, start, end, tag=self._tag).data
        if len(fetched) < end - start:
            raise SealBroken("A stored object became shorter while it was read.", "Read it again.")
        return fetched[: end - start]


class _Meter:
    """Counts the plain bytes on their way through and takes their content address."""

    def __init__(self, key: bytes) -> None:
        self._address = hmac.new(key, digestmod=hashlib.sha256)
        self.plain_bytes = 0

    def through(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        for chunk in chunks:
            self._address.update(chunk)
            self.plain_bytes += len(chunk)
            yield chunk

    def address(self) -> bytes:
        return self._address.digest()


def _context(owner: KeyOwner, path: str) -> bytes:
    return f"ondol.blob.1\x00{owner.label}\x00{path}".encode()


def _chunks(source: bytes | Iterable[bytes] | BinaryIO) -> Iterator[memoryview]:
    """A source as chunks of at most `CHUNK_BYTES`. A file is read, not iterated: its lines may have any length."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        pieces: Iterable[Buffer] = (source,)
    elif hasattr(source, "read"):
        pieces = iter(lambda: source.read(CHUNK_BYTES), b"")
    else:
        pieces = source
    for piece in pieces:
        view = memoryview(piece)
        for offset in range(0, len(view), CHUNK_BYTES):
            yield view[offset : offset + CHUNK_BYTES]

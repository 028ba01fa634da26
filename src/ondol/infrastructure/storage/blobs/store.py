"""Object stores by URL, and the few things that are done to them, with errors in our own words.

A store is the plain `obstore` object. On a local folder, files get mode 0600 and folders 0700, and what is written or
deleted is on disk (fsync) when the call returns. Cloud stores take their credentials and options from their usual
environment variables (``AWS_*``, ``GOOGLE_*``, ``AZURE_*``).
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, GenericError, PermissionDeniedError, PreconditionError, UnauthenticatedError
from obstore.store import LocalStore, from_url

from ondol.core.errors import Conflict, DataFolderError, NotFound, SettingsError
from ondol.infrastructure.storage.blobs.files import create_private_file, make_private_folder, settle_private_file, sync_folder

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import ObjectStore

PART_BYTES = 8 * 1024 * 1024
"""Size of an upload part. S3 takes 10,000 parts, so an object has at most 78 GiB."""
PARTS_AT_ONCE_MAX = 3
"""Parts in flight: bounds the memory of an upload, whatever its size."""
PATH_CHARACTERS_MAX = 512

_CLOUD_SCHEMES = ("s3", "gs", "az", "memory")
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.=-]*")
_OS_ERROR = re.compile(r"\(os error (\d+)\)")


@dataclass(frozen=True, slots=True)
class ObjectPiece:
    """Bytes from one object, with what the store says of the whole: its size in bytes and its version tag."""

    data: memoryview
    object_bytes: int
    tag: str | None


def open_store(url: str | Path) -> ObjectStore:
    """The store at a URL: ``file:///path``, a plain path, ``s3://``, ``gs://``, ``az://`` or ``memory://``.

    A local folder is made (0700) if it is missing; one that exists keeps its mode.

    Raises:
        SettingsError: when the scheme is unknown or the store refuses its configuration.
        DataFolderError: when the local folder cannot be made or entered.
    """
    text = str(url)
    scheme, separator, _ = text.partition("://")
    if not separator or scheme == "file":
        folder = Path(text).expanduser().absolute() if not separator else _folder_of(text)
        with _storage_errors("opened", str(folder)):
            make_private_folder(folder, parents_mode=0o777)
            return LocalStore(folder)
    if scheme not in _CLOUD_SCHEMES:
        raise SettingsError(f"There is no blob store for {scheme}://.", "Use a path, file://, s3://, gs://, az:// or memory://.")
    try:
        return from_url(text)
    except (BaseError, ValueError) as error:
        raise SettingsError(
            f"The {scheme}:// store cannot be opened: {_first_line(error)}",
            "Check the URL and the environment variables with the store's credentials.",
        ) from error


def check_path(path: str) -> str:
    """The path, when it is one we use: segments of ASCII letters, digits and ``_ . = -`` between single slashes.

    Paths hold ids and digests, never words from documents, so nothing readable is outside the seal.

    Raises:
        ValueError: otherwise.
    """
    if len(path) > PATH_CHARACTERS_MAX or not all(_SEGMENT.fullmatch(segment) for segment in path.split("/")):
        raise ValueError(f"{path!r} is not a blob path")
    return path


def put_new(store: ObjectStore, path: str, data: bytes) -> bool:
    """Write a small object unless one exists; of several processes that try at once, one succeeds.

    Returns:
        Whether this call wrote it.

    Raises:
        DataFolderError: when the store cannot be written.
    """
    file = _local_file(store, path)
    with _storage_errors("written", path):
        if file is not None:
            # obstore would show the file before it is on disk, and with an open mode.
            make_private_folder(file.parent)
            return create_private_file(file, data)
        try:
            obstore.put(store, path, data, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return False
        return True


def put_stream(store: ObjectStore, path: str, pieces: Iterator[bytes]) -> int:
    """Write an object from its pieces, replacing what was there; it appears whole or not at all.

    Returns:
        Its size in bytes.

    Raises:
        DataFolderError: when the store cannot be written. What the pieces raise comes through as it is.
    """
    source = _Source(pieces)
    start = source.take(PART_BYTES)
    file = _local_file(store, path)
    try:
        with _storage_errors("written", path):
            if file is not None:
                make_private_folder(file.parent)
            if source.exhausted:
                obstore.put(store, path, start, use_multipart=False)
            else:
                parts = chain([start], source)
                obstore.put(store, path, parts, use_multipart=True, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE_MAX)
            if file is not None:
                settle_private_file(file)
    except Exception:
        if source.failure is not None:
            raise source.failure from source.failure.__cause__
        raise
    return source.taken_bytes


def get_piece(store: ObjectStore, path: str, start: int, end: int, *, tag: str | None = None) -> ObjectPiece:
    """Bytes ``start`` to ``end`` (exclusive) of an object, fewer where it ends earlier.

    Args:
        tag: the version tag that the object must still have.

    Raises:
        NotFound: when there is no such object.
        Conflict: when the object has another tag by now.
        DataFolderError: when the store cannot be read.
    """
    options: GetOptions = {"range": (start, end)}
    if tag is not None:
        options["if_match"] = tag
    with _storage_errors("read", path):
        try:
            result = obstore.get(store, path, options=options)
            return ObjectPiece(memoryview(result.bytes()), result.meta["size"], result.meta["e_tag"])
        except GenericError:
            # A range that begins behind the end is an error in every store, and each words it in its own way.
            size = obstore.head(store, path)["size"]
            if size > start:
                raise
            return ObjectPiece(memoryview(b""), size, tag)


def object_exists(store: ObjectStore, path: str) -> bool:
    """Whether the store has the object.

    Raises:
        DataFolderError: when the store cannot be asked.
    """
    with _storage_errors("found", path):
        try:
            obstore.head(store, path)
        except FileNotFoundError:
            return False
        return True


def delete_object(store: ObjectStore, path: str) -> bool:
    """Delete an object for good: after this call a power cut does not bring it back.

    Returns:
        Whether it was there. Of two calls at once on a cloud store, both may say so.

    Raises:
        DataFolderError: when the store refuses.
    """
    if not object_exists(store, path):
        return False
    file = _local_file(store, path)
    with _storage_errors("deleted", path):
        try:
            obstore.delete(store, path)
        except FileNotFoundError:
            return False
        if file is not None:
            sync_folder(file.parent)
        return True


def list_objects(store: ObjectStore, prefix: str) -> Iterator[str]:
    """The paths below a folder-like prefix (all for ""), in no particular order, fetched page by page.

    Raises:
        DataFolderError: when the store cannot be listed.
    """
    with _storage_errors("listed", prefix or "/"):
        for page in obstore.list(store, prefix or None):
            for meta in page:
                yield meta["path"]


class _Source:
    """The pieces of an object on their way into the store: counted, and with the failure of whoever makes them kept apart."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.taken_bytes = 0
        self.exhausted = False
        self.failure: BaseException | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            piece = next(self._pieces)
        except StopIteration:
            self.exhausted = True
            raise
        except BaseException as error:
            self.failure = error
            raise
        self.taken_bytes += len(piece)
        return piece

    def take(self, bytes_min: int) -> bytes:
        """At least this many bytes, or all there are."""
        taken: list[bytes] = []
        for piece in self:
            taken.append(piece)
            if self.taken_bytes > bytes_min:
                break
        return b"".join(taken)


def _local_file(store: ObjectStore, path: str) -> Path | None:
    return store.prefix / path if isinstance(store, LocalStore) and store.prefix is not None else None


def _folder_of(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/") or parts.query or parts.fragment:
        raise SettingsError(f"{url} is not a local folder.", "Write file:// and an absolute path, such as file:///var/lib/ondol/blobs.")
    return Path(unquote(parts.path))


@contextmanager
def _storage_errors(done: str, path: str) -> Iterator[None]:
    """Turn what the store raises into our errors: ``done`` is the verb of the sentence."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"The stored object {path} does not exist.", "It was deleted, or the store is another one than before.") from error
    except PreconditionError as error:
        raise Conflict(f"The stored object {path} changed while it was read.", "Read it again.") from error
    except (PermissionDeniedError, UnauthenticatedError, PermissionError) as error:
        raise DataFolderError(f"{path} cannot be {done}: {_first_line(error)}", _hint(errno.EACCES)) from error
    except (BaseError, OSError) as error:
        raise DataFolderError(f"{path} cannot be {done}: {_first_line(error)}", _hint(_errno_of(error))) from error


def _errno_of(error: BaseException) -> int:
    if isinstance(error, OSError):
        return error.errno or 0
    found = _OS_ERROR.search(str(error))
    return int(found.group(1)) if found else 0


def _hint(number: int) -> str:
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "Make room on the disk, or raise the quota; nothing was left half written."
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "Give the user that runs Ondol (or the store's credentials) the right to read, write and delete there."
    if number in (errno.EMFILE, errno.ENFILE):
        return "Raise the limit of open files (ulimit -n)."
    if number in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
        return f"Something else than Ondol's folders lies there ({os.strerror(number)}); move it away."
    return "Check that the store is reachable and its URL is right, then try again."


def _first_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    # Below its first line, obstore prints its own data structures.
    return str(error).partition("\n")[0]

"""The data folder: its layout, its format, and the lock of whoever runs the embedded stores in it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ondol.core.errors import DataFolderError

FORMAT = "1"
PARTIAL_PREFIX = ".new-"
FREE_BYTES_MIN = 256 * 1024 * 1024
USED_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Where each thing lies below the data folder."""

    root: Path

    @property
    def postgres(self) -> Path:
        """The embedded Postgres."""
        return self.root / "postgres"

    @property
    def postgres_secret(self) -> Path:
        """The embedded Postgres superuser's password."""
        return self.root / "keys" / "postgres.secret"

    @property
    def root_key(self) -> Path:
        """The key that wraps all data keys."""
        return self.root / "keys" / "root.key"

    @property
    def ledger_key(self) -> Path:
        """The key that signs the ledger."""
        return self.root / "keys" / "ledger.key"

    @property
    def blobs(self) -> Path:
        """Sealed blobs."""
        return self.root / "blobs"

    @property
    def keyring(self) -> Path:
        """Wrapped data keys."""
        return self.root / "keyring"

    @property
    def cache(self) -> Path:
        """What can be made again at any time. Made by whoever first keeps something there."""
        return self.root / "cache"

    @property
    def metrics(self) -> Path:
        """What workers count, in numbers."""
        return self.root / "metrics"

    @property
    def spool(self) -> Path:
        """Records on their way to Postgres. Covered by erasure: they hold ids and figures, and are gone once written."""
        return self.root / "spool"

    @property
    def models(self) -> Path:
        """Local models, a folder each. Made by whoever puts one there."""
        return self.root / "models"

    @property
    def lance(self) -> Path:
        """Lance tables."""
        return self.root / "lance"


def open_folder(root: Path) -> DataFolder:
    """Make the data folder if it is absent, and refuse one that is not ours.

    Raises:
        DataFolderError: when it cannot be made or written, is a foreign folder, or has another version's format.
    """
    folder = DataFolder(root.absolute())
    format_file = folder.root / "format"
    try:
        if _is_fresh(folder.root):
            folder.root.mkdir(parents=True, exist_ok=True)
            # As root the database's own user must pass through here to its part; everything below has modes of its own.
            folder.root.chmod(0o711 if os.geteuid() == 0 else 0o700)
            _refuse_full_disk(folder.root)
            _write_atomically(format_file, FORMAT + "\n")
        elif not format_file.is_file():
            raise DataFolderError(f"{folder.root} is not empty and is not a data folder of Ondol.", "Set ONDOL_DATA_DIR to a folder of its own.")
        found = format_file.read_text("utf-8").strip()
    except OSError as error:
        raise as_folder_error(error, folder.root) from error
    if found != FORMAT:
        raise DataFolderError(
            f"{folder.root} has data format {found}; this version of Ondol reads format {FORMAT}.",
            "Start it with the version that made it, or set ONDOL_DATA_DIR to another folder.",
        )
    _make_private_folders(folder.root)
    return folder


class FolderLock:
    """The right to run the embedded stores of a data folder: one process at a time, released however that process ends."""

    def __init__(self, folder: DataFolder) -> None:
        self._path = folder.root / "lock"
        self._file: IO[bytes] | None = None

    def acquire(self) -> bool:
        """Take the lock if it is free.

        Raises:
            DataFolderError: when the lock file cannot be written.
        """
        try:
            file = self._path.open("ab", buffering=0)
        except OSError as error:
            raise as_folder_error(error, self._path.parent) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        except OSError as error:
            file.close()
            raise as_folder_error(error, self._path.parent) from error
        with contextlib.suppress(OSError):  # on a full disk the lock holds all the same; only its holder is not named
            file.truncate(0)
            file.write(f"{os.getpid()} {Path(sys.argv[0]).name} {' '.join(sys.argv[1:2])}\n".encode())
        self._file = file
        return True

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Inside, whoever runs the stores for a while only waits before stopping them."""
        with self._users().open("a") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            yield

    def wait_until_unused(self, seconds_max: float) -> None:
        """Wait until nobody is inside `used`, at most so long."""
        deadline = time.monotonic() + seconds_max
        with self._users().open("a") as file:
            while time.monotonic() < deadline:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    time.sleep(USED_POLL_SECONDS)
                else:
                    return

    def _users(self) -> Path:
        return self._path.with_name("users")

    def holder(self) -> str:
        """Who holds the lock, for a message: process id and command."""
        try:
            return self._path.read_text("utf-8").strip() or "another process"
        except OSError:
            return "another process"

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            self._file.close()
            self._file = None


def as_folder_error(error: OSError, place: Path) -> DataFolderError:
    """A sentence and a hint for what the operating system said about a place."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataFolderError(f"The disk that holds {place} is full.", "Free some space and start again; nothing is lost.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return DataFolderError(
            f"{error.filename or place} may not be written: {error.strerror}.", "Set ONDOL_DATA_DIR to a folder that you may write to."
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return DataFolderError(f"{place} is not a folder.", "Set ONDOL_DATA_DIR to a folder.")
    return DataFolderError(f"{error.filename or place}: {error.strerror}.", "Look at the disk and the folder's permissions.")


def _refuse_full_disk(root: Path) -> None:
    free = shutil.disk_usage(root).free
    if free < FREE_BYTES_MIN:
        raise DataFolderError(
            f"The disk that holds {root} has {free // 2**20} MiB left; a new installation needs {FREE_BYTES_MIN // 2**20}.",
            "Free some space, or set ONDOL_DATA_DIR to another disk.",
        )


def _is_fresh(root: Path) -> bool:
    """Whether nothing of anybody lies there: a new disk's `lost+found` and what a start that was cut off left do not count."""
    return not root.exists() or all(entry.name == "lost+found" or entry.name.startswith(PARTIAL_PREFIX) for entry in root.iterdir())


def _make_private_folders(root: Path) -> None:
    try:
        for private in ("keys", "keyring", "blobs", "lance", "spool"):
            (root / private).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise as_folder_error(error, root) from error


def _write_atomically(path: Path, text: str) -> None:
    fresh = tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=PARTIAL_PREFIX, delete=False, encoding="utf-8")  # noqa: SIM115
    try:
        with fresh:
            fresh.write(text)
            fresh.flush()
            os.fsync(fresh.fileno())
        Path(fresh.name).replace(path)
    except OSError:
        Path(fresh.name).unlink(missing_ok=True)
        raise

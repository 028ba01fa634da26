"""Records on the local disk before anybody is told that their work is done.

`append` hands a record to the operating system, so that the end of the process (even `kill -9`) takes nothing with it. A thread makes it outlive
a power cut some milliseconds later, for all records that came meanwhile at once: waiting for the disk at each request would cost more than the
request itself.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import queue
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from zlib import crc32

from ondol.core.errors import OndolError
from ondol.infrastructure.storage.spool.segments import SUFFIX, spool_bytes, sync_folder

SPOOL_BYTES_MAX = 2 << 30
"""About three million records: an hour of a thousand requests each second without Postgres."""
SEGMENT_BYTES_MAX = 4 << 20
SYNC_EVERY_S = 0.05
COUNT_EVERY_S = 0.2
"""While the spool is full the folder is counted anew at most so often."""
CLOSE_S = 10.0

_logger = logging.getLogger(__name__)


class SpoolFull(OndolError):
    """The spool holds as much as it may. Nothing was kept."""


class Spool:
    """The segments that one process writes. One thread appends.

    Args:
        folder: where segments lie, those of all processes of one kind of record; made when it is missing.
        worker: begins this process's file names; random when absent.
        bytes_max: most bytes in the folder, over all processes.
        segment_bytes_max: most bytes of one segment.
        sync_every_s: longest that a record waits before the disk is asked to keep it through a power cut.
        write: hands bytes to a descriptor, as `os.write`.

    Attributes:
        worker: begins the file names.
        sync_failures: how often the disk refused to make records outlive a power cut.
    """

    def __init__(
        self,
        folder: Path,
        *,
        worker: str | None = None,
        bytes_max: int = SPOOL_BYTES_MAX,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
        sync_every_s: float = SYNC_EVERY_S,
        write: Callable[[int, bytes], int] = os.write,
    ) -> None:
        self.folder = folder
        self.sync_failures = 0
        self.worker = worker or secrets.token_hex(6)
        self._bytes_max = bytes_max
        self._segment_bytes_max = segment_bytes_max
        self._sync_every_s = sync_every_s
        self._write = write
        self._descriptor = -1
        self._size = 0
        self._room = 0
        self._number = 0
        self._is_dirty = False
        self._counted_at = float("-inf")
        self._elsewhere = 0
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._retired: queue.SimpleQueue[tuple[int, Future[None]]] = queue.SimpleQueue()
        self._is_closing = False
        self._thread: threading.Thread | None = None

    @property
    def open_bytes(self) -> int:
        """Bytes in the segment that is being written."""
        return self._size

    def append(self, record: bytes) -> None:
        """Keep a record, which holds no line feed. When this returns, the end of the process loses nothing of it.

        Raises:
            SpoolFull: when the folder holds as much as it may.
            OSError: when the disk does not take it. Nothing of it is kept then.
        """
        line = b"%08x\t%b\n" % (crc32(record), record)
        size = self._size + len(line)
        if size > self._room:
            self._make_room(len(line))
            size = self._size + len(line)
        if self._write(self._descriptor, line) != len(line):
            self._cut_back()
            raise OSError(errno.ENOSPC, "the disk took only a part of a record")
        self._size = size
        if not self._is_dirty:
            self._is_dirty = True
            self._wake.set()

    def rotate(self) -> Future[None]:
        """End the segment that is being written, so that it may be drained. The result comes when it is on the disk and free."""
        done: Future[None] = Future()
        if self._descriptor < 0:
            done.set_result(None)
            return done
        self._elsewhere += self._size
        self._retired.put((self._descriptor, done))
        self._descriptor, self._size, self._room = -1, 0, 0
        self._hurry.set()
        self._wake.set()
        return done

    def close(self) -> None:
        """End the last segment and wait for the disk, within `CLOSE_S`."""
        self.rotate()
        self._is_closing = True
        self._hurry.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)
            self._thread = None

    def _make_room(self, needed: int) -> None:
        """Go on in a new segment."""
        self.rotate()
        now = time.monotonic()
        if self._elsewhere + needed > self._bytes_max or self._number == 0:
            if now - self._counted_at < COUNT_EVERY_S:
                raise SpoolFull("The spool is full.", "It empties as soon as Postgres answers again.")
            self._counted_at = now
            self._elsewhere = spool_bytes(self.folder)
        room = min(self._segment_bytes_max, self._bytes_max - self._elsewhere)
        if room < needed <= self._bytes_max - self._elsewhere:
            room = needed
        if room < needed:
            raise SpoolFull("The spool is full.", "It empties as soon as Postgres answers again.")
        self._descriptor, self._size, self._room = self._open_segment(), 0, room
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep_syncing, name="spool-sync", daemon=True)
            self._thread.start()

    def _open_segment(self) -> int:
        """A new segment, locked before it has a name that a drainer looks for."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._number += 1
        name = f"{self.worker}-{self._number:08d}"
        fresh = self.folder / f"{name}.new"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fresh.rename(self.folder / f"{name}{SUFFIX}")
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def _cut_back(self) -> None:
        """Take the part of a line out again; where that fails the segment ends here, and its reader finds a line cut off."""
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError:
            self.rotate()

    def _keep_syncing(self) -> None:
        """Ask the disk to keep what was written, once for all that came within `sync_every_s`. Only this thread closes descriptors."""
        folder_synced = 0
        while True:
            self._wake.wait()
            self._hurry.wait(self._sync_every_s)
            self._wake.clear()
            self._hurry.clear()
            is_closing = self._is_closing
            self._is_dirty = False
            descriptor, number = self._descriptor, self._number
            if descriptor >= 0:
                self._sync(descriptor)
            if number != folder_synced:
                self._sync_names()
                folder_synced = number
            while not self._retired.empty():
                old, done = self._retired.get()
                self._sync(old)
                os.close(old)
                done.set_result(None)
            if is_closing:
                return

    def _sync(self, descriptor: int) -> None:
        try:
            os.fdatasync(descriptor)
        except OSError as error:
            self._tell_failed(error)

    def _sync_names(self) -> None:
        try:
            sync_folder(self.folder)
        except OSError as error:
            self._tell_failed(error)

    def _tell_failed(self, error: OSError) -> None:
        self.sync_failures += 1
        _logger.error("spool cannot be made to outlive a power cut", extra={"reason": error.strerror, "failures": self.sync_failures})

"""The files of a spool: how a record lies in them, who may read them, and what becomes of one that cannot be read.

A segment is a file of lines. A line is the CRC-32 of a record in eight hexadecimal digits, a tab, the record, a line feed; so a record may
hold any byte but a line feed, and a damaged place costs the lines that it touches and no others. Whoever writes a segment holds its lock (`flock`),
and so does whoever drains it: a lock ends with its process, however that ends, and what a dead worker left is anybody's to drain.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

SUFFIX = ".spool"
ASIDE_NAME = "unreadable"
"""The file beside the segments that keeps what could not be read or written, for a person to look at."""
ASIDE_BYTES_MAX = 16 << 20
FRAME_BYTES = 10
"""What a line holds beside its record."""
RESCUES_MAX = 100
"""Places inside of a damaged line at which another record is looked for."""

_BEGINNING = re.compile(rb"[0-9a-f]{8}\t")


def frame(record: bytes) -> bytes:
    """A record as its line."""
    return b"%08x\t%b\n" % (crc32(record), record)


def read_records(data: bytes) -> tuple[list[bytes], list[bytes]]:
    """The records in a piece of a segment, and the lines that hold none. A last line without its line feed was cut off while it was written."""
    records: list[bytes] = []
    broken: list[bytes] = []
    lines = data.split(b"\n")
    tail = lines.pop()
    for line in lines:
        record = line[9:]
        if line[:9] == b"%08x\t" % crc32(record):
            records.append(record)
        else:
            _rescue(line, records, broken)
    if tail:
        broken.append(tail)
    return records, broken


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment that this process has claimed.

    Attributes:
        descriptor: holds the lock; `release` or `remove` closes it.
    """

    path: Path
    descriptor: int
    size: int

    def read(self) -> bytes:
        """Everything in it.

        Raises:
            OSError: when the disk does not give it.
        """
        pieces: list[bytes] = []
        place = 0
        while piece := os.pread(self.descriptor, 1 << 20, place):
            pieces.append(piece)
            place += len(piece)
        return b"".join(pieces)

    def remove(self) -> None:
        """Everything in it is dealt with."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        os.close(self.descriptor)

    def release(self) -> None:
        """Leave it to the next one, or to a later round."""
        os.close(self.descriptor)


def segment_files(folder: Path) -> list[tuple[Path, int]]:
    """The segments of a spool with their bytes, the oldest first."""
    found: list[tuple[int, Path, int]] = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(SUFFIX):
                with contextlib.suppress(FileNotFoundError):
                    told = entry.stat()
                    found.append((told.st_mtime_ns, Path(entry.path), told.st_size))
    return [(path, size) for _, path, size in sorted(found)]


def spool_bytes(folder: Path) -> int:
    """How many bytes the segments of a spool hold."""
    return sum(size for _, size in segment_files(folder))


def claim(folder: Path, bytes_max: int) -> list[Segment]:
    """The oldest segments that nobody writes or drains, locked for this caller: at least one if there is one, and at most about `bytes_max` together.

    Raises:
        OSError: when the folder cannot be read.
    """
    claimed: list[Segment] = []
    taken = 0
    for path, size in segment_files(folder):
        if claimed and taken + size > bytes_max:
            break
        segment = _lock(path)
        if segment is not None:
            claimed.append(segment)
            taken += segment.size
    return claimed


def keep_aside(folder: Path, lines: Sequence[bytes]) -> bool:
    """Put what could not be read or written beside the segments. False when there is no room for it any more."""
    data = b"".join(line + b"\n" for line in lines)
    with contextlib.suppress(OSError):
        descriptor = os.open(folder / ASIDE_NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size + len(data) <= ASIDE_BYTES_MAX:
                return os.write(descriptor, data) == len(data)
        finally:
            os.close(descriptor)
    return False


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlive a power cut.

    Raises:
        OSError: when the disk does not take it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(path: Path) -> Segment | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        told = os.fstat(descriptor)
        if told.st_nlink:  # otherwise somebody drained and removed it before we had the lock
            return Segment(path, descriptor, told.st_size)
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _rescue(line: bytes, records: list[bytes], broken: list[bytes]) -> None:
    """Where a line feed itself was damaged one line holds two records: take out those that are whole."""
    for place in _places(line):
        second = line[place + 9 :]
        if line[place : place + 9] == b"%08x\t" % crc32(second):
            records.append(second)
            first, line = line[: place - 1], line[: place - 1]
            if first[:9] == b"%08x\t" % crc32(first[9:]):
                records.append(first[9:])
                return
            break
    if line:
        broken.append(line)


def _places(line: bytes) -> Iterable[int]:
    for count, found in enumerate(_BEGINNING.finditer(line, 1)):
        if count >= RESCUES_MAX:
            return
        yield found.start()

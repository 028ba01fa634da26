"""Which replicas of the limits wrote into a spool, so that one that died can be closed once all that it recorded is settled.

A replica that is lost keeps its leases until it is closed: what it may have spent counts as spent. Whoever has its spool knows when nothing of it is
left. So a worker puts a mark beside its segments, a file ``<worker>.<replica>.replica`` that it holds locked; a mark that can be locked is a
dead worker's, and when none of that worker's segments is left either, every record of its replica has been settled.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

from ondol.infrastructure.storage.spool import segment_files

SUFFIX = ".replica"
MARKS_MAX = 1_000
"""Marks looked at in one round; a worker leaves one."""


class ReplicaMarks:
    """The marks of this process."""

    def __init__(self, folder: Path, worker: str) -> None:
        self._folder = folder
        self._worker = worker
        self._descriptors: dict[uuid.UUID, int] = {}

    def mark(self, replica_id: uuid.UUID) -> None:
        """Say that this worker is that replica. Again changes nothing.

        Raises:
            OSError: when the disk does not take it.
        """
        if replica_id in self._descriptors:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{self._worker}.{replica_id.hex}"
        fresh = self._folder / f"{name}.new"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Locked before it has the name that a drain looks for.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fresh.rename(self._folder / f"{name}{SUFFIX}")
        except OSError:
            os.close(descriptor)
            raise
        self._descriptors[replica_id] = descriptor

    def close(self) -> None:
        """This worker writes no more."""
        descriptors, self._descriptors = self._descriptors, {}
        for descriptor in descriptors.values():
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class DeadReplica:
    """The mark of a worker that is gone, locked by this process.

    Attributes:
        settled: no segment of that worker is left.
    """

    replica_id: uuid.UUID
    path: Path
    descriptor: int
    settled: bool

    def forget(self) -> None:
        """The replica is closed."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    def release(self) -> None:
        """Let go of the lock."""
        os.close(self.descriptor)


def dead_replicas(folder: Path) -> list[DeadReplica]:
    """The marks that nobody holds, each to be released."""
    found: list[DeadReplica] = []
    for path in _marks(folder):
        worker, _, name = path.name.removesuffix(SUFFIX).rpartition(".")
        descriptor = _lock(path)
        if descriptor is None:
            continue
        try:
            # Looked for only now: a worker that is gone writes no further segment.
            settled = not any(segment.name.startswith(f"{worker}-") for segment, _ in segment_files(folder))
            found.append(DeadReplica(uuid.UUID(name), path, descriptor, settled))
        except ValueError:
            os.close(descriptor)
    return found


def _marks(folder: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        return sorted(Path(entry.path) for entry in entries if entry.name.endswith(SUFFIX))[:MARKS_MAX]
    return []


def _lock(path: Path) -> int | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor

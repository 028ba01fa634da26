"""One page of metrics for all workers of a machine: each keeps its cells in a file of its own, and whoever is asked adds all of them up.

All workers answer on one port, so a scrape reaches any one of them. A worker holds a lock on its file for as long as it lives. What a dead worker
counted is kept: the next one that starts folds it into `totals.json`; its gauges are told no more. A worker copies its cells into the file about
twice a second and when it is asked, so one that is killed takes at most `FLUSH_EVERY_S` of counts with it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import struct
import time
import zlib
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from ondol.infrastructure.telemetry.catalogue import Metric
from ondol.infrastructure.telemetry.metrics import Registry

FLUSH_EVERY_S = 0.5
CELLS_MAX = 65_536
NAMES_BYTES_MAX = 2 << 20
TOTALS_BYTES_MAX = 32 << 20
CELL_LIMIT = 1 << 62
"""A counter that comes so far begins again: money in nano-units might, in a worker that lives for years."""

_SUFFIX = ".cells"
_HEAD = struct.Struct("=8sIIqq")
_MAGIC = b"ondolmet"
_CELLS_AT = 64
_NAMES_AT = _CELLS_AT + 8 * CELLS_MAX
_logger = logging.getLogger(__name__)


class _Totals(msgspec.Struct, forbid_unknown_fields=True):
    """What dead workers counted, and the files that are in it already."""

    version: int
    folded: list[str]
    series: list[tuple[str, tuple[str, ...], list[int]]]


class SharedCells:
    """One worker's file.

    Args:
        folder: of all workers' files; made when absent.
        registry: the worker's.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path, registry: Registry) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self._registry = registry
        self._version = _version(tuple(registry.metrics.values()))
        self._told_series = 0
        self._names_bytes = 0
        self._full = False
        with _folder_lock(folder, fcntl.LOCK_EX):
            fold_dead(folder, tuple(registry.metrics.values()))
            name = f"{time.time_ns():020d}-{os.getpid()}-{os.urandom(4).hex()}{_SUFFIX}"
            self._descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        self.flush()

    def flush(self) -> None:
        """Write the cells into the file; the kernel keeps them from then on, however this process ends.

        Plain writes and no mapped memory: on a full disk a write fails, while a touch of a mapped page would end the process.

        Raises:
            OSError: the disk takes none. The next flush tries again.
        """
        registry = self._registry
        names: list[bytes] = []
        names_bytes, told = self._names_bytes, self._told_series
        for series in registry.series[self._told_series :]:
            line = msgspec.json.encode((series.metric.name, series.labels, series.start)) + b"\n"
            if names_bytes + len(line) > NAMES_BYTES_MAX or series.start + series.metric.width > CELLS_MAX:
                self._tell_full()
                break
            names.append(line)
            names_bytes += len(line)
            told += 1
        if names:
            self._write(b"".join(names), _NAMES_AT + self._names_bytes)
            self._names_bytes, self._told_series = names_bytes, told
        values = registry.values if len(registry.values) <= CELLS_MAX else registry.values[:CELLS_MAX]
        try:
            cells = array("q", values)
        except OverflowError:
            for place, value in enumerate(registry.values):
                if value > CELL_LIMIT:
                    registry.values[place] = value % CELL_LIMIT
            cells = array("q", registry.values[:CELLS_MAX])
        self._write(cells.tobytes(), _CELLS_AT)
        # Last: names and cells that this counts are there before it does.
        self._write(_HEAD.pack(_MAGIC, self._version, 0, len(cells), self._names_bytes), 0)

    def sum(self) -> Registry:
        """Everything that the workers of this folder count and have counted. May be called in a thread.

        Raises:
            OSError: the folder cannot be read.
        """
        metrics = tuple(self._registry.metrics.values())
        with _folder_lock(self.folder, fcntl.LOCK_SH):
            summed, folded = _read_totals(self.folder, metrics)
            for path in _files(self.folder):
                if path.name not in folded:
                    _add_file(summed, path, gauges=_is_alive(path))
        return summed

    def close(self) -> None:
        """Leave the file to be folded."""
        try:
            self.flush()
        finally:
            os.close(self._descriptor)

    def _write(self, data: bytes, at: int) -> None:
        written = os.pwrite(self._descriptor, data, at)
        if written != len(data):
            raise OSError(errno.ENOSPC, "The disk took only a part of the metrics.")

    def _tell_full(self) -> None:
        if not self._full:
            self._full = True
            _logger.error("the file of metrics is full; further series are not told", extra={"series": self._told_series})


def fold_dead(folder: Path, metrics: Sequence[Metric]) -> None:
    """Put what dead workers counted into the totals and remove their files. The caller holds the folder's lock.

    Where the process ends in between, the totals name the files that they hold, so nothing is counted twice.
    """
    dead = [path for path in _files(folder) if not _is_alive(path)]
    if not dead:
        return
    totals, folded = _read_totals(folder, metrics)
    for path in dead:
        if path.name not in folded:
            _add_file(totals, path, gauges=False)
    kept = [(series.metric.name, series.labels, cells) for series, cells in totals.rows() if series.metric.kind != "gauge"]
    data = msgspec.json.encode(_Totals(_version(metrics), sorted(path.name for path in dead), kept))
    fresh = folder / "totals.new"
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / "totals.json")
    for path in dead:
        path.unlink(missing_ok=True)


def _read_totals(folder: Path, metrics: Sequence[Metric]) -> tuple[Registry, frozenset[str]]:
    """The totals. Those of other metrics than ours, or damaged ones, count as none: counters begin again, which every reader of them expects."""
    registry = Registry(metrics)
    try:
        with (folder / "totals.json").open("rb") as file:
            told = msgspec.json.decode(file.read(TOTALS_BYTES_MAX), type=_Totals)
    except FileNotFoundError:
        return registry, frozenset()
    except (OSError, msgspec.DecodeError) as error:
        _logger.warning("the totals of metrics cannot be read", extra={"reason": type(error).__name__})
        return registry, frozenset()
    if told.version == _version(metrics):
        for name, labels, cells in told.series:
            registry.merge(name, labels, cells)
    return registry, frozenset(told.folded)


def _add_file(registry: Registry, path: Path, *, gauges: bool) -> None:
    """Add a worker's series, as far as they can be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        head = os.pread(descriptor, _HEAD.size, 0)
        if len(head) != _HEAD.size:
            return
        magic, version, _, cells_count, names_bytes = _HEAD.unpack(head)
        if magic != _MAGIC or version != _version(tuple(registry.metrics.values())) or not 0 <= cells_count <= CELLS_MAX:
            return
        names = os.pread(descriptor, max(0, min(names_bytes, NAMES_BYTES_MAX)), _NAMES_AT)
        data = os.pread(descriptor, 8 * cells_count, _CELLS_AT)
    finally:
        os.close(descriptor)
    if len(data) != 8 * cells_count:
        return
    cells = array("q", data)
    for line in names.splitlines():
        try:
            name, labels, start = msgspec.json.decode(line, type=tuple[str, tuple[str, ...], int])
        except msgspec.DecodeError:
            continue
        metric = registry.metrics.get(name)
        if metric is not None and (gauges or metric.kind != "gauge") and 0 <= start <= len(cells) - metric.width:
            registry.merge(name, labels, cells[start : start + metric.width])


def _files(folder: Path) -> list[Path]:
    """The workers' files, oldest first, so that bounds fall on the same series each time."""
    return sorted(folder.glob(f"*{_SUFFIX}"))


def _is_alive(path: Path) -> bool:
    """Whether a worker holds the file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextlib.contextmanager
def _folder_lock(folder: Path, kind: int) -> Iterator[None]:
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


def _version(metrics: Sequence[Metric]) -> int:
    """Tells one catalogue from another: files of another are not added up."""
    return zlib.crc32(repr([(metric.name, metric.kind, metric.labels, metric.scale, metric.bounds) for metric in metrics]).encode())

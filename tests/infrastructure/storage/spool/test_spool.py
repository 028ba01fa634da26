"""Records are on the disk when `append` returns, whatever the disk does."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ondol.infrastructure.storage.spool import Spool, SpoolFull, claim, read_records, segment_files


def on_disk(folder: Path) -> list[bytes]:
    """All records that a drain would find now, also in the segment that is still written."""
    return [record for path, _ in segment_files(folder) for record in read_records(path.read_bytes())[0]]


class Disk:
    """Writes like the operating system, and fails at one call.

    Args:
        fails_at: the number of the call, from 0.
        how: writes a part, or nothing and raises.
    """

    def __init__(self, fails_at: int, how: str) -> None:
        self.calls = 0
        self._fails_at = fails_at
        self._how = how

    def write(self, descriptor: int, data: bytes) -> int:
        number, self.calls = self.calls, self.calls + 1
        if number != self._fails_at:
            return os.write(descriptor, data)
        if self._how == "nothing":
            raise OSError(errno.ENOSPC, "no space left")
        return os.write(descriptor, data[: len(data) // 2])


@pytest.fixture
def spools(tmp_path: Path) -> Iterator[Callable[..., Spool]]:
    opened: list[Spool] = []

    def open_spool(**options: object) -> Spool:
        opened.append(Spool(tmp_path / "spool", **options))  # type: ignore[arg-type]
        return opened[-1]

    yield open_spool
    for spool in opened:
        spool.close()


def test_a_record_is_there_when_append_returns(spools: Callable[..., Spool]) -> None:
    spool = spools()
    for number in range(3):
        spool.append(b"record %d" % number)
        assert on_disk(spool.folder)[-1] == b"record %d" % number
    assert claim(spool.folder, 1000) == [], "whoever writes holds the lock"
    assert spool.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path, _ in segment_files(spool.folder)} == {0o600}


def test_a_segment_that_was_ended_may_be_drained(spools: Callable[..., Spool]) -> None:
    spool = spools()
    spool.append(b"first")
    spool.rotate().result(10)
    spool.append(b"second")
    [segment] = claim(spool.folder, 1000)
    assert read_records(segment.read()) == ([b"first"], [])
    segment.remove()
    assert on_disk(spool.folder) == [b"second"]
    spool.rotate().result(10)
    spool.rotate().result(10)
    assert (spool.open_bytes, spool.sync_failures) == (0, 0)


def test_segments_have_a_size_and_large_records_their_own(spools: Callable[..., Spool]) -> None:
    spool = spools(segment_bytes_max=100)
    for size in (40, 40, 40, 300, 10):
        spool.append(b"x" * size)
    spool.close()
    assert sorted(size for _, size in segment_files(spool.folder)) == [20, 50, 100, 310]


@pytest.mark.parametrize("how", ["nothing", "half"])
@pytest.mark.parametrize("fails_at", range(6))
def test_a_full_disk_at_any_call_takes_that_record_and_no_other(how: str, fails_at: int, spools: Callable[..., Spool]) -> None:
    spool = spools(segment_bytes_max=60, write=Disk(fails_at, how).write)
    kept: list[bytes] = []
    for number in range(6):
        record = b"this is record %d" % number
        try:
            spool.append(record)
            kept.append(record)
        except OSError as error:
            assert error.errno == errno.ENOSPC
            assert number == fails_at
    assert len(kept) == 5
    assert sorted(on_disk(spool.folder)) == kept
    assert all(read_records(path.read_bytes())[1] == [] for path, _ in segment_files(spool.folder)), "no half of a record is left"


def test_a_disk_that_cannot_even_be_cut_back_loses_no_record(spools: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, size: int) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "ftruncate", refuse)
    spool = spools(write=Disk(1, "half").write)
    spool.append(b"first")
    with pytest.raises(OSError, match="part"):
        spool.append(b"second")
    spool.append(b"third")
    assert on_disk(spool.folder) == [b"first", b"third"]


def test_the_folder_has_a_bound_over_all_workers(spools: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("ondol.infrastructure.storage.spool.spool.time.monotonic", lambda: now[0])
    first, second = spools(bytes_max=100), spools(bytes_max=100)
    first.append(b"x" * 50)
    second.append(b"x" * 20)
    for _ in range(2):
        with pytest.raises(SpoolFull):
            second.append(b"y" * 20)
    first.rotate().result(10)
    [segment, *rest] = sorted(claim(first.folder, 1000), key=lambda segment: -segment.size)
    for other in rest:
        other.release()
    segment.remove()
    with pytest.raises(SpoolFull, match="full"):
        second.append(b"y" * 20)
    now[0] += 1
    second.append(b"y" * 20)
    assert sorted(on_disk(first.folder)) == [b"x" * 20, b"y" * 20]


def test_a_disk_that_keeps_nothing_through_a_power_cut_is_told(
    spools: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "fdatasync", refuse)
    monkeypatch.setattr(os, "fsync", refuse)
    spool = spools()
    spool.append(b"first")
    spool.close()
    assert spool.sync_failures >= 2
    assert {record.message for record in caplog.records} == {"spool cannot be made to outlive a power cut"}
    assert on_disk(spool.folder) == [b"first"]


def test_a_folder_that_vanishes_is_made_again(spools: Callable[..., Spool]) -> None:
    spool = spools()
    spool.append(b"first")
    spool.rotate().result(10)
    for path, _ in segment_files(spool.folder):
        path.unlink()
    spool.folder.rmdir()
    spool.append(b"second")
    assert on_disk(spool.folder) == [b"second"]

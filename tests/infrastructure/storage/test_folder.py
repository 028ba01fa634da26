from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ondol.core.errors import DataFolderError
from ondol.infrastructure.storage import folder as module
from ondol.infrastructure.storage.folder import DataFolder, FolderLock, as_folder_error, open_folder

PRIVATE = {"keys", "keyring", "blobs", "lance", "spool"}


def test_a_fresh_folder_is_made_private_and_opens_again(tmp_path: Path) -> None:
    root = tmp_path / "a" / "data"
    made = open_folder(root)
    assert open_folder(root) == made == DataFolder(root)
    assert {entry.name for entry in root.iterdir()} == {*PRIVATE, "format"}
    assert {stat.S_IMODE((root / name).stat().st_mode) for name in PRIVATE} == {0o700}
    assert stat.S_IMODE(root.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)
    places = [made.postgres, made.postgres_secret, made.root_key, made.ledger_key, made.blobs, made.keyring, made.lance]
    assert len(set(places)) == len(places)
    assert all(place.is_relative_to(root) for place in places)


def test_a_new_disk_and_what_a_cut_off_start_left_are_fresh(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / ".new-abc").write_text("")
    assert open_folder(tmp_path).root == tmp_path
    for name in PRIVATE:
        (tmp_path / name).rmdir()
    open_folder(tmp_path)
    assert (tmp_path / "keys").is_dir()


@pytest.mark.parametrize("held", ["notes.txt", ".git", "keys"])
def test_a_foreign_folder_is_refused_and_left_alone(held: str, tmp_path: Path) -> None:
    (tmp_path / held).mkdir()
    with pytest.raises(DataFolderError, match="not a data folder of Ondol"):
        open_folder(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == [held]


def test_another_format_is_refused(tmp_path: Path) -> None:
    open_folder(tmp_path)
    (tmp_path / "format").write_text("2\n")
    with pytest.raises(DataFolderError, match="data format 2; this version of Ondol reads format 1"):
        open_folder(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DataFolderError, match="is not a folder"):
            open_folder(path)


def test_a_nearly_full_disk_is_refused_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FREE_BYTES_MIN", 2**62)
    with pytest.raises(DataFolderError, match="a new installation needs"):
        open_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    open_folder(tmp_path)
    monkeypatch.setattr(module, "FREE_BYTES_MIN", 2**62)
    open_folder(tmp_path)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk without one free byte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], capture_output=True, check=False).returncode != 0
    ):
        pytest.skip("only root can mount a small disk")
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_full_disk_is_said_and_the_next_start_goes_on(full_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FREE_BYTES_MIN", 0)
    data = full_disk / "data"
    with contextlib.suppress(OSError), (full_disk / "lost+found").open("wb") as file:
        file.write(bytes(2**20))
    for root in (full_disk, data):
        with pytest.raises(DataFolderError, match="is full") as caught:
            open_folder(root)
        assert "Free some space" in caught.value.hint
    (full_disk / "lost+found").unlink()
    assert open_folder(data).root == data
    with (full_disk / "filler").open("wb") as file, contextlib.suppress(OSError):
        file.write(bytes(2**20))
        file.flush()
    lock = FolderLock(open_folder(data))
    assert lock.acquire(), "the lock holds though its holder cannot be written down"
    assert not FolderLock(open_folder(data)).acquire()
    lock.release()


HOLD = """
import sys
from pathlib import Path
from ondol.infrastructure.storage.folder import DataFolder, FolderLock
print(FolderLock(DataFolder(Path(sys.argv[1]))).acquire() if len(sys.argv) > 2 else "")
lock = FolderLock(DataFolder(Path(sys.argv[1])))
print(lock.acquire(), flush=True)
sys.stdin.read()
"""


def test_the_lock_holds_across_processes_and_ends_with_its_holder(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    holder = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert [holder.stdout.readline(), holder.stdout.readline()] == ["\n", "True\n"]
    mine = FolderLock(folder)
    assert not mine.acquire()
    assert mine.holder().startswith(f"{holder.pid} ")
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert mine.acquire()
    assert not FolderLock(folder).acquire()
    assert mine.holder().startswith(f"{os.getpid()} ")
    mine.release()
    mine.release()
    other = FolderLock(folder)
    assert other.acquire()
    other.release()
    (tmp_path / "lock").unlink()
    assert other.holder() == "another process"


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EROFS, "may write to"),
        (errno.EACCES, "may write to"),
        (errno.ENOTDIR, "to a folder"),
        (errno.EIO, "Look at"),
    ],
)
def test_what_the_system_says_becomes_a_sentence_and_a_hint(number: int, hint: str) -> None:
    made = as_folder_error(OSError(number, os.strerror(number)), Path("/data"))
    assert hint in made.hint
    assert made.message.endswith(".")

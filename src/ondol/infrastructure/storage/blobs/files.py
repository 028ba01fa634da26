"""Private local files: readable by their owner only, complete and on disk before they are seen."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path

FILE_MODE = 0o600
FOLDER_MODE = 0o700


def make_private_folder(folder: Path, *, parents_mode: int = FOLDER_MODE) -> None:
    """Make a folder with mode 0700, and its missing parents, and bring their names to disk. Existing ones stay as they are.

    Args:
        folder: the folder.
        parents_mode: the mode of the parents that are made, less the umask.

    Raises:
        OSError: when a folder cannot be made, or is something else.
    """
    if folder.is_dir():
        return
    missing = [folder]
    while not missing[-1].parent.is_dir():
        missing.append(missing[-1].parent)
    for path in reversed(missing):
        try:
            path.mkdir(mode=FOLDER_MODE if path == folder else parents_mode)
        except FileExistsError:
            if not path.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path)) from None
        sync_folder(path.parent)


def create_private_file(path: Path, content: bytes) -> bool:
    """Make a file with mode 0600, unless it exists: it appears with all its content, fsynced, or not at all.

    Returns:
        Whether this call made it; False when it existed, or another process was first.

    Raises:
        OSError: when it cannot be written. Nothing is left behind then.
    """
    # A name that ends in # and digits is what obstore gives to unfinished files: its listings leave them out.
    unfinished = path.with_name(f"{path.name}#{secrets.randbits(63)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        try:
            os.link(unfinished, path)
        except FileExistsError:
            return False
    finally:
        unfinished.unlink()
    sync_folder(path.parent)
    return True


def settle_private_file(path: Path) -> None:
    """Set mode 0600 where the file system knows modes, and bring the file and its name to disk.

    Raises:
        OSError: when it cannot be opened or written to disk.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(PermissionError):  # on file systems without modes; the content is sealed anyway
            os.fchmod(descriptor, FILE_MODE)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to disk, so that a file made or deleted stays so after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

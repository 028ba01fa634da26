"""Putting a backup of the key ring back: its keys without those of the erased. Both key rings are local folders."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from ondol.infrastructure.storage.blobs.files import make_private_folder, settle_private_file
from ondol.infrastructure.storage.blobs.keyring import KEY_SUFFIX, TOMBSTONES

PARTIAL_SUFFIX = "#1"
"""Ends the name of a file while it is written; listings of the store leave such names out."""


def merge_tombstones(backup: Path, keyring: Path) -> int:
    """Add a backup's tombstones to a key ring's, and destroy the keys of their owners; how many were new.

    Args:
        backup: a folder that may be absent.

    Raises:
        OSError: when a folder cannot be read or written.
    """
    added = 0
    for name in _names(backup / TOMBSTONES):
        target = keyring / TOMBSTONES / name
        if not target.exists():
            _copy(backup / TOMBSTONES / name, target)
            added += 1
        (keyring / f"{name}{KEY_SUFFIX}").unlink(missing_ok=True)
    return added


def merge_keyring(backup: Path, keyring: Path) -> int:
    """Put a backup's keys into a key ring, but for those whose owners have a tombstone there; how many were put.

    Args:
        backup: a folder that may be absent.

    Raises:
        OSError: when a folder cannot be read or written.
    """
    put = 0
    for name in _names(backup):
        owner = name.removesuffix(KEY_SUFFIX)
        if not name.endswith(KEY_SUFFIX) or name.startswith(f"{TOMBSTONES}/") or (keyring / TOMBSTONES / owner).exists():
            continue
        _copy(backup / name, keyring / name)
        put += 1
    return put


def _names(folder: Path) -> Iterator[str]:
    """Every file below a folder, by its path within it."""
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file():
            yield path.relative_to(folder).as_posix()


def _copy(source: Path, target: Path) -> None:
    """A file appears whole or not at all."""
    make_private_folder(target.parent)
    fresh = target.with_name(target.name + PARTIAL_SUFFIX)
    shutil.copyfile(source, fresh)
    fresh.replace(target)
    settle_private_file(target)

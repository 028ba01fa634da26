"""Key providers: a root key that wraps data keys and never leaves its provider."""

from __future__ import annotations

import base64
import binascii
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from ondol.core.errors import DataFolderError, SettingsError
from ondol.infrastructure.storage.blobs.files import create_private_file, make_private_folder
from ondol.infrastructure.storage.blobs.seal import KEY_BYTES, DataKey, open_bytes, seal_bytes

ROOT_KEY_VARIABLE = "ONDOL_ROOT_KEY"
_FILE_WORD = "ondol-root-key-1"
_FILE_BYTES_MAX = 1024


class KeyProvider(Protocol):
    """Wraps data keys with a root key. The context binds a wrapped key to its owner: it must be the same to unwrap."""

    @property
    def key_id(self) -> str:
        """Names the root key without telling it; stored beside each wrapped key."""
        ...

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """The data key, encrypted and authenticated together with its context."""
        ...

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The data key again.

        Raises:
            SealBroken: when it was altered, or wrapped for another context or by another root key.
        """
        ...


class _HeldKeyProvider:
    """A root key that this process holds. Wrapping is sealing (see `seal`), so each wrapping has a key of its own."""

    def __init__(self, root: DataKey) -> None:
        self._root = root
        self._key_id = f"root:{root.derive('key-id')[:8].hex()}"

    @property
    def key_id(self) -> str:
        """``root:`` and 16 hexadecimal digits derived from the root key: the same key has the same id wherever it is kept."""
        return self._key_id

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """See `KeyProvider`."""
        return seal_bytes(self._root, key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """See `KeyProvider`."""
        return open_bytes(self._root, wrapped, context)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._key_id})"


class FileKeyProvider(_HeldKeyProvider):
    """The root key in a file of its own, readable by its owner only. The default."""

    @classmethod
    def open_or_create(cls, path: Path) -> FileKeyProvider:
        """Read the root key, or make one.

        The file appears complete and fsynced, or not at all; when two processes make it at once, one wins and both read the
        winner's key. Its folder is made (0700) if it is missing.

        Raises:
            SettingsError: when group or others may touch the file, or it holds no root key.
            DataFolderError: when it cannot be read or written.
        """
        try:
            if not path.exists():
                make_private_folder(path.parent, parents_mode=0o777)
                fresh = base64.b64encode(os.urandom(KEY_BYTES)).decode()
                create_private_file(path, f"{_FILE_WORD} {fresh}\n".encode())
            return cls(_read_root_key(path))
        except OSError as error:
            raise DataFolderError(
                f"The root key file {path} cannot be used: {error.strerror or error}.",
                "Let the user that runs Ondol read and write it, and see that its folder exists.",
            ) from error


class EnvironmentKeyProvider(_HeldKeyProvider):
    """The root key from an environment variable, for containers that get their secrets that way."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> EnvironmentKeyProvider:
        """Read the root key from ``ONDOL_ROOT_KEY``: 32 bytes in base64.

        Args:
            environment: ``os.environ``.

        Raises:
            SettingsError: when the variable is missing or is not 32 bytes in base64. The message never shows its value.
        """
        text = environment.get(ROOT_KEY_VARIABLE)
        if text is None:
            raise SettingsError(f"{ROOT_KEY_VARIABLE} is not set.", _MAKE_HINT)
        root = _decode_root_key(text.strip())
        if root is None:
            raise SettingsError(f"{ROOT_KEY_VARIABLE} is not {KEY_BYTES} bytes in base64.", _MAKE_HINT)
        return cls(root)


_MAKE_HINT = f"Set it to the output of: openssl rand -base64 {KEY_BYTES}"


def _read_root_key(path: Path) -> DataKey:
    # The mode is asked of the open file, not of the name, which could point elsewhere by then.
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SettingsError(
                f"The root key file {path} has mode {mode:04o}: others than its owner may touch it.",
                f"Run: chmod 600 {path} (and make a new installation if somebody may have read it).",
            )
        text = file.read(_FILE_BYTES_MAX).decode("ascii", errors="replace")
    word, _, encoded = text.strip().partition(" ")
    root = _decode_root_key(encoded) if word == _FILE_WORD else None
    if root is None:
        raise SettingsError(
            f"The file {path} holds no root key of Ondol.",
            "Restore the file from its backup; without it, nothing that was sealed can be read.",
        )
    return root


def _decode_root_key(text: str) -> DataKey | None:
    try:
        secret = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return DataKey(secret) if len(secret) == KEY_BYTES else None

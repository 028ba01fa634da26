"""The ledger's signer: an Ed25519 key (RFC 8032) in a private file, and beside it the list of all public keys that were ever used.

The private key lies as PKCS 8 PEM in a file such as ``keys/ledger.key``. The list lies in ``keys/ledger.public``, one line for each key: its id
and its 32 bytes in hexadecimal. Rotation adds a line and takes none away, so that everything signed before stays verifiable. Keys that somebody
may have stolen are named in ``keys/ledger.revoked``, one id on each line: what rests on trust in a signature alone, such as a verdict that lets a
release go live, is refused then; the chain itself is not, since batches hold each other.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from ondol.core.errors import DataFolderError, SettingsError
from ondol.infrastructure.ledger.types import PublicKeys
from ondol.infrastructure.storage.blobs.files import create_private_file, make_private_folder, sync_folder

PUBLIC_KEYS_SUFFIX = ".public"
REVOKED_KEYS_SUFFIX = ".revoked"
ENVELOPE_OPENING = b"DSSEv1 "
"""How everything begins that is signed inside of a DSSE envelope. All other messages begin with words of ours, so neither passes for the other."""
KEY_FILE_BYTES_MAX = 4096
PUBLIC_KEYS_FILE_BYTES_MAX = 1_000_000

_KEY_ID = re.compile(r"[0-9a-f]{16}")
_LINE = re.compile(r"([0-9a-f]{16}) ([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class LedgerSigner:
    """Signs with one private key. `key_id` is the first 16 hexadecimal digits of SHA-256 of the public key."""

    key_id: str
    public_key: bytes
    _private_key: Ed25519PrivateKey = field(repr=False, compare=False)

    @classmethod
    def open_or_create(cls, path: Path) -> LedgerSigner:
        """Read the private key, or make one, and see that its public key is in the list.

        Two processes at once get the same key. The folder is made (0700) if it is missing.

        Raises:
            SettingsError: when others than its owner may touch the file, or it holds no Ed25519 key.
            DataFolderError: when it cannot be read or written.
        """
        with _key_folder(path):
            if not path.exists():
                create_private_file(path, _pem(Ed25519PrivateKey.generate()))
            signer = cls._of(_read_private_key(path))
            _publish(path, signer)
            return signer

    @classmethod
    def rotate(cls, path: Path) -> LedgerSigner:
        """Put a fresh private key in the place of the old one, whose public key stays in the list.

        A process that holds the old key goes on signing with it until it opens the file again; both verify.

        Raises:
            DataFolderError: when it cannot be written.
        """
        with _key_folder(path):
            if path.exists():
                _publish(path, cls._of(_read_private_key(path)))
            private_key = Ed25519PrivateKey.generate()
            signer = cls._of(private_key)
            # The list first: a signature by a key that is in no list could never be verified.
            _publish(path, signer)
            _replace(path, _pem(private_key), 0o600)
            return signer

    @classmethod
    def _of(cls, private_key: Ed25519PrivateKey) -> LedgerSigner:
        public_key = private_key.public_key().public_bytes_raw()
        return cls(key_id_of(public_key), public_key, private_key)

    def sign(self, purpose: str, message: bytes) -> bytes:
        """The signature, 64 bytes.

        Args:
            purpose: a fixed word, such as ``batch``: what is signed for one purpose verifies for no other.
            message: what to sign.
        """
        return self._private_key.sign(_signed_bytes(purpose, message))

    def sign_envelope(self, encoded: bytes) -> bytes:
        """The signature of a DSSE envelope, 64 bytes: over the encoding alone, so that any verifier of DSSE can check it.

        Args:
            encoded: the pre-authentication encoding (PAE) of its type and payload.

        Raises:
            ValueError: when it is none: it could be a message of another purpose.
        """
        if not encoded.startswith(ENVELOPE_OPENING):
            raise ValueError("only a pre-authentication encoding is signed for an envelope")
        return self._private_key.sign(encoded)


def envelope_signature_holds(public_key: bytes, encoded: bytes, signature: bytes) -> bool:
    """Whether the holder of that key (raw, 32 bytes) signed an envelope of this pre-authentication encoding."""
    if not encoded.startswith(ENVELOPE_OPENING):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, encoded)
    except (InvalidSignature, ValueError):
        return False
    return True


def signature_holds(public_key: bytes, purpose: str, message: bytes, signature: bytes) -> bool:
    """Whether the holder of that key (raw, 32 bytes) signed this message for this purpose."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _signed_bytes(purpose, message))
    except (InvalidSignature, ValueError):
        return False
    return True


def key_id_of(public_key: bytes) -> str:
    """The first 16 hexadecimal digits of SHA-256 of a raw public key."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def public_keys_path(path: Path) -> Path:
    """Where the list of public keys lies that belongs to a private key's file."""
    return path.with_suffix(PUBLIC_KEYS_SUFFIX)


def revoked_keys_path(path: Path) -> Path:
    """Where the ids of revoked keys lie that belong to a private key's file."""
    return path.with_suffix(REVOKED_KEYS_SUFFIX)


def read_revoked_keys(path: Path) -> frozenset[str]:
    """The ids of keys that somebody may have stolen; none where there is no list.

    Args:
        path: the list itself; see `revoked_keys_path`.

    Raises:
        SettingsError: when a line is no id of a key.
        DataFolderError: when it cannot be read.
    """
    try:
        lines = path.read_text("ascii", errors="replace").splitlines() if path.exists() else []
    except OSError as error:
        raise _unusable(path, error) from error
    for number, line in enumerate(lines, 1):
        if _KEY_ID.fullmatch(line) is None:
            raise SettingsError(f"Line {number} of {path} is no id of a key.", "Write one id of 16 hexadecimal digits on each line.")
    return frozenset(lines)


def revoke_key(path: Path, key_id: str) -> None:
    """Trust a key no more. One that is in use has to be rotated first.

    Args:
        path: the private key's file.

    Raises:
        SettingsError: when the list of public keys has no such key.
        DataFolderError: when it cannot be written.
    """
    with _key_folder(path):
        if key_id not in read_public_keys(public_keys_path(path)):
            raise SettingsError(f"The ledger has never had a key {key_id[:50]}.", f"{public_keys_path(path)} lists all of them.")
        revoked = revoked_keys_path(path)
        known = read_revoked_keys(revoked) | {key_id}
        _replace(revoked, "".join(f"{each}\n" for each in sorted(known)).encode(), 0o644)


def read_public_keys(path: Path) -> PublicKeys:
    """All public keys ever used, by key id.

    Args:
        path: the list itself; see `public_keys_path`.

    Raises:
        SettingsError: when a line is no key, or its id belongs to another key.
        DataFolderError: when it cannot be read.
    """
    try:
        with path.open("rb") as file:
            text = file.read(PUBLIC_KEYS_FILE_BYTES_MAX).decode("ascii", errors="replace")
    except OSError as error:
        raise _unusable(path, error) from error
    keys: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = _LINE.fullmatch(line)
        if match is None or key_id_of(bytes.fromhex(match[2])) != match[1]:
            raise SettingsError(f"Line {number} of {path} is no public key of the ledger.", "Restore the file from its backup.")
        keys[match[1]] = bytes.fromhex(match[2])
    return keys


def _signed_bytes(purpose: str, message: bytes) -> bytes:
    return b"ondol ledger " + purpose.encode() + b"\x00" + message


def _pem(private_key: Ed25519PrivateKey) -> bytes:
    return private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@contextmanager
def _key_folder(path: Path) -> Iterator[None]:
    """The folder of the keys, made if missing and locked against other processes; file errors are wrapped."""
    try:
        make_private_folder(path.parent, parents_mode=0o777)
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> DataFolderError:
    return DataFolderError(
        f"The ledger's key file {path} cannot be used: {error.strerror or error}.",
        "Let the user that runs Ondol read and write it, and see that its folder exists.",
    )


def _read_private_key(path: Path) -> Ed25519PrivateKey:
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SettingsError(
                f"The ledger's key file {path} has mode {mode:04o}: others than its owner may touch it.",
                f"Run: chmod 600 {path} (and rotate the key if somebody may have read it).",
            )
        content = file.read(KEY_FILE_BYTES_MAX)
    try:
        private_key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError):
        private_key = None
    if not isinstance(private_key, Ed25519PrivateKey):
        raise SettingsError(f"The file {path} holds no Ed25519 key.", "Restore it from its backup, or move it away to start with a fresh key.")
    return private_key


def _publish(path: Path, signer: LedgerSigner) -> None:
    """Add the signer's public key to the list, under the lock of the folder."""
    public = public_keys_path(path)
    known = dict(read_public_keys(public)) if public.exists() else {}
    if signer.key_id not in known:
        known[signer.key_id] = signer.public_key
        _replace(public, "".join(f"{key_id} {key.hex()}\n" for key_id, key in known.items()).encode(), 0o644)


def _replace(path: Path, content: bytes, mode: int) -> None:
    """Put new content in the place of a file's old one, in one step."""
    fresh = path.with_name(f"{path.name}#{secrets.randbits(63)}")
    create_private_file(fresh, content)
    fresh.chmod(mode)
    fresh.replace(path)
    sync_folder(path.parent)

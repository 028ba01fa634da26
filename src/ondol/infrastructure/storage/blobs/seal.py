"""Authenticated encryption of byte streams.

The construction is STREAM (Hoang, Reyhanitabar, Rogaway and Vizár, "Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance", CRYPTO 2015): the plain bytes are cut into frames, and the nonce of each frame holds its number and
whether it is the last one. Frames that were reordered, repeated, dropped, appended or taken from another stream do not open.

Layout of sealed bytes, version 1 (integers big-endian)::

    header, 40 bytes
        0   7   magic, "ONDOLSB"
        7   1   version, 1
        8  32   salt, random for each stream
    frame, one or more, back to back
        0   n   AES-256-GCM ciphertext of n plain bytes: 65,536 in every frame but the last, which holds 1 to 65,536
                (0 only when the whole stream is empty)
        n  16   GCM tag

    stream key (32 bytes) and nonce prefix (7 bytes) = HKDF-SHA256(data key, salt = salt, info = "ondol.seal.1", 39 bytes)
    nonce (12 bytes) = nonce prefix (7) | number of the frame from 0 (4) | 1 for the last frame, otherwise 0 (1)
    associated data  = header | context

The context says where the bytes belong (their owner and path). It is not stored: who opens must know it. Every stream has
a key of its own, so nonces never meet, however many streams one data key seals.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable, Iterator
from typing import NoReturn, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ondol.core.errors import SealBroken

Buffer: TypeAlias = "bytes | bytearray | memoryview"

KEY_BYTES = 32
FRAME_BYTES = 65_536
TAG_BYTES = 16
SEALED_FRAME_BYTES = FRAME_BYTES + TAG_BYTES
FRAMES_MAX = 2**32
"""The frame number has four bytes: a stream holds at most 256 TiB."""

_MAGIC = b"ONDOLSB\x01"
_SALT_BYTES = 32
HEADER_BYTES = len(_MAGIC) + _SALT_BYTES
_PREFIX_BYTES = 7


class DataKey:
    """32 secret bytes from which everything of one owner is sealed, or derived.

    It shows its bytes in no repr and refuses to be pickled or copied into a job.

    Args:
        secret: the 32 bytes.

    Raises:
        ValueError: when the secret has another length.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise ValueError(f"a data key has {KEY_BYTES} bytes")
        self._secret = bytes(secret)

    @classmethod
    def random(cls) -> DataKey:
        """A fresh key from the operating system's randomness."""
        return cls(os.urandom(KEY_BYTES))

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose: HKDF-SHA256 (RFC 5869) with info ``"ondol.derive.1" 00 purpose`` and no salt.

        Args:
            purpose: a fixed word, such as ``content`` or ``terms``; two purposes give unrelated bytes.
        """
        return self._expand(None, b"ondol.derive.1\x00" + purpose.encode(), KEY_BYTES)

    def secret_bytes(self) -> bytes:
        """The key itself, for a key provider to wrap. Nothing else may ask."""
        return self._secret

    def stream_key(self, salt: bytes) -> tuple[bytes, bytes]:
        """The key (32 bytes) and the nonce prefix (7 bytes) of the stream with this salt."""
        material = self._expand(salt, b"ondol.seal.1", KEY_BYTES + _PREFIX_BYTES)
        return material[:KEY_BYTES], material[KEY_BYTES:]

    def _expand(self, salt: bytes | None, info: bytes, length: int) -> bytes:
        return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(self._secret)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DataKey) and hmac.compare_digest(self._secret, other._secret)

    __hash__ = None  # type: ignore[assignment]  # a secret is no dictionary key

    def __repr__(self) -> str:
        return "DataKey(hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a data key cannot be pickled or copied")


class FrameOpener:
    """Opens single frames of one stream, in any order.

    Args:
        key: the data key that sealed the stream.
        header: the first `HEADER_BYTES` bytes of the stream.
        context: the context it was sealed for.

    Raises:
        SealBroken: when the header is not one of ours. (One that was altered shows itself at the first frame.)
    """

    def __init__(self, key: DataKey, header: Buffer, context: bytes) -> None:
        header = bytes(header)
        if len(header) != HEADER_BYTES or not header.startswith(_MAGIC):
            raise SealBroken("These bytes do not begin like sealed bytes.", _BROKEN_HINT)
        stream_key, self._prefix = key.stream_key(header[len(_MAGIC) :])
        self._cipher = AESGCM(stream_key)
        self._associated = header + context

    def open(self, number: int, frame: Buffer, *, last: bool) -> bytes:
        """The plain bytes of one frame.

        Args:
            number: the frame's place in the stream, from 0.
            frame: its ciphertext and tag.
            last: whether the stream ends with it.

        Raises:
            SealBroken: when the frame was altered, moved, or sealed under another key or context.
        """
        try:
            return self._cipher.decrypt(_nonce(self._prefix, number, last), frame, self._associated)
        except (InvalidTag, ValueError):
            raise SealBroken("Sealed bytes do not open: they were altered, cut off or moved.", _BROKEN_HINT) from None

    def open_run(self, first: int, frames: memoryview, *, stream_ends: bool) -> Iterator[bytes]:
        """The plain bytes of consecutive frames, one by one.

        Args:
            first: the number of the first frame.
            frames: whole sealed frames, back to back; at least one.
            stream_ends: whether the last of them is the last of the stream.

        Raises:
            SealBroken: as for `open`.
        """
        for offset in range(0, len(frames), SEALED_FRAME_BYTES):
            frame = frames[offset : offset + SEALED_FRAME_BYTES]
            ends_here = offset + len(frame) == len(frames)
            yield self.open(first + offset // SEALED_FRAME_BYTES, frame, last=stream_ends and ends_here)


def seal_frames(key: DataKey, chunks: Iterable[Buffer], context: bytes) -> Iterator[bytes]:
    """The sealed stream of a plain one: its header, then its frames, holding back at most one frame and one chunk.

    Args:
        key: the data key of the owner.
        chunks: the plain bytes, cut anyhow.
        context: where the bytes belong; the same must be given to open them.

    Raises:
        ValueError: when the stream is longer than `FRAMES_MAX` frames.
    """
    header = _MAGIC + os.urandom(_SALT_BYTES)
    stream_key, prefix = key.stream_key(header[len(_MAGIC) :])
    cipher = AESGCM(stream_key)
    associated = header + context
    yield header
    for number, (frame, last) in enumerate(_frames(chunks)):
        if number >= FRAMES_MAX:
            raise ValueError(f"a sealed stream has at most {FRAMES_MAX} frames of {FRAME_BYTES} bytes")
        yield cipher.encrypt(_nonce(prefix, number, last), frame, associated)


def seal_bytes(key: DataKey, plain: bytes, context: bytes) -> bytes:
    """The sealed form of a value that fits in memory; `sealed_size` gives its length."""
    return b"".join(seal_frames(key, [plain], context))


def open_bytes(key: DataKey, sealed: bytes, context: bytes) -> bytes:
    """The plain form of a value that fits in memory.

    Raises:
        SealBroken: when it was altered, cut off, extended, or sealed under another key or context.
    """
    plain_size(len(sealed))
    opener = FrameOpener(key, sealed[:HEADER_BYTES], context)
    return b"".join(opener.open_run(0, memoryview(sealed)[HEADER_BYTES:], stream_ends=True))


def sealed_size(plain_bytes: int) -> int:
    """How many bytes a plain stream of this length has when sealed."""
    return HEADER_BYTES + plain_bytes + TAG_BYTES * frame_count(plain_bytes)


def plain_size(sealed_bytes: int) -> int:
    """How many plain bytes a sealed stream of this length holds.

    Raises:
        SealBroken: when no sealed stream has this length.
    """
    body = sealed_bytes - HEADER_BYTES
    frames = -(-body // SEALED_FRAME_BYTES)
    plain_bytes = body - TAG_BYTES * frames
    if plain_bytes < 0 or frames != frame_count(plain_bytes):
        raise SealBroken("Sealed bytes have an impossible length: they were cut off or extended.", _BROKEN_HINT)
    return plain_bytes


def frame_count(plain_bytes: int) -> int:
    """How many frames a plain stream of this length is cut into: at least one."""
    return max(1, -(-plain_bytes // FRAME_BYTES))


_BROKEN_HINT = "Restore the object from a backup, and find out who can write to the store."


def _nonce(prefix: bytes, number: int, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + (b"\x01" if last else b"\x00")


def _frames(chunks: Iterable[Buffer]) -> Iterator[tuple[bytes, bool]]:
    """Frames with whether they are the last: a full frame waits until one more byte proves that it is not."""
    pending = bytearray()
    for chunk in chunks:
        pending += chunk
        taken = 0
        while len(pending) - taken > FRAME_BYTES:
            yield bytes(pending[taken : taken + FRAME_BYTES]), False
            taken += FRAME_BYTES
        del pending[:taken]
    yield bytes(pending), True

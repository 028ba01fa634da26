from __future__ import annotations

import copy
import hashlib
import hmac
import pickle

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from ondol.core.errors import SealBroken
from ondol.infrastructure.storage.blobs.seal import (
    FRAME_BYTES,
    HEADER_BYTES,
    SEALED_FRAME_BYTES,
    DataKey,
    frame_count,
    open_bytes,
    plain_size,
    seal_bytes,
    seal_frames,
    sealed_size,
)

KEY = DataKey(bytes(range(32)))
CONTEXT = b"tenant/document/1"
EDGES = [0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 3 * FRAME_BYTES, 3 * FRAME_BYTES + 5]


def plain_of(size: int) -> bytes:
    return hashlib.shake_128(size.to_bytes(8, "big")).digest(size)


def frames_of(sealed: bytes) -> list[bytes]:
    body = sealed[HEADER_BYTES:]
    return [body[offset : offset + SEALED_FRAME_BYTES] for offset in range(0, len(body), SEALED_FRAME_BYTES)]


@pytest.mark.parametrize("size", EDGES)
def test_round_trip_and_sizes_at_the_edges_of_frames(size: int) -> None:
    sealed = seal_bytes(KEY, plain_of(size), CONTEXT)
    assert open_bytes(KEY, sealed, CONTEXT) == plain_of(size)
    assert len(sealed) == sealed_size(size)
    assert plain_size(len(sealed)) == size
    assert len(frames_of(sealed)) == frame_count(size)


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, 90_000), max_size=8))
def test_any_chunking_seals_the_same_bytes(cuts: list[int]) -> None:
    chunks = [plain_of(size) for size in cuts]
    sealed = b"".join(seal_frames(KEY, chunks, CONTEXT))
    assert open_bytes(KEY, sealed, CONTEXT) == b"".join(chunks)
    assert len(sealed) == sealed_size(sum(cuts))


def test_the_layout_is_the_documented_one() -> None:
    """Opened by hand, from the docstring alone: HKDF written out after RFC 5869."""
    sealed = seal_bytes(KEY, b"bottom" * 20_000, CONTEXT)
    header, salt = sealed[:40], sealed[8:40]
    assert header[:8] == b"ONDOLSB\x01"
    extracted = hmac.digest(salt, bytes(range(32)), "sha256")
    first = hmac.digest(extracted, b"ondol.seal.1\x01", "sha256")
    second = hmac.digest(extracted, first + b"ondol.seal.1\x02", "sha256")
    prefix = second[:7]
    cipher = AESGCM(first)
    plain = cipher.decrypt(prefix + b"\0\0\0\0" + b"\0", sealed[40 : 40 + 65_552], header + CONTEXT)
    plain += cipher.decrypt(prefix + b"\0\0\0\1" + b"\1", sealed[40 + 65_552 :], header + CONTEXT)
    assert plain == b"bottom" * 20_000


def test_every_flipped_bit_of_a_short_value_is_detected() -> None:
    sealed = seal_bytes(KEY, b"secret", CONTEXT)
    for position in range(len(sealed) * 8):
        altered = bytearray(sealed)
        altered[position // 8] ^= 1 << position % 8
        with pytest.raises(SealBroken):
            open_bytes(KEY, bytes(altered), CONTEXT)


LONG = seal_bytes(KEY, plain_of(2 * FRAME_BYTES + 100), CONTEXT)


@settings(max_examples=200, deadline=None)
@given(position=st.integers(0, len(LONG) * 8 - 1))
def test_a_flipped_bit_anywhere_is_detected(position: int) -> None:
    altered = bytearray(LONG)
    altered[position // 8] ^= 1 << position % 8
    with pytest.raises(SealBroken):
        open_bytes(KEY, bytes(altered), CONTEXT)


@settings(max_examples=200, deadline=None)
@given(length=st.integers(0, len(LONG) - 1))
def test_truncation_anywhere_is_detected(length: int) -> None:
    with pytest.raises(SealBroken):
        open_bytes(KEY, LONG[:length], CONTEXT)


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_truncation_between_frames_is_detected(kept: int) -> None:
    with pytest.raises(SealBroken):
        open_bytes(KEY, LONG[: HEADER_BYTES + kept * SEALED_FRAME_BYTES], CONTEXT)


@settings(max_examples=100, deadline=None)
@given(extra=st.binary(min_size=1, max_size=100))
def test_extension_is_detected(extra: bytes) -> None:
    with pytest.raises(SealBroken):
        open_bytes(KEY, LONG + extra, CONTEXT)


@pytest.mark.parametrize("order", [[1, 0, 2], [0, 0, 2], [0, 2], [1, 2], [0, 1, 1, 2], [0, 1, 2, 2], [2, 1, 0], [0, 1]])
def test_frames_reordered_repeated_or_dropped_are_detected(order: list[int]) -> None:
    frames = frames_of(LONG)
    with pytest.raises(SealBroken):
        open_bytes(KEY, LONG[:HEADER_BYTES] + b"".join(frames[number] for number in order), CONTEXT)


def test_frames_of_another_stream_with_the_same_key_and_context_are_detected() -> None:
    other = seal_bytes(KEY, plain_of(2 * FRAME_BYTES + 100), CONTEXT)
    mixed = [frames_of(LONG)[0], frames_of(other)[1], frames_of(LONG)[2]]
    with pytest.raises(SealBroken):
        open_bytes(KEY, LONG[:HEADER_BYTES] + b"".join(mixed), CONTEXT)


@pytest.mark.parametrize("context", [b"", CONTEXT + b"2", CONTEXT[:-1]])
def test_another_context_does_not_open(context: bytes) -> None:
    with pytest.raises(SealBroken):
        open_bytes(KEY, LONG, context)


def test_another_key_does_not_open() -> None:
    with pytest.raises(SealBroken):
        open_bytes(DataKey.random(), LONG, CONTEXT)


def test_sealing_twice_gives_unrelated_bytes() -> None:
    first, second = seal_bytes(KEY, b"same", CONTEXT), seal_bytes(KEY, b"same", CONTEXT)
    assert first[8:40] != second[8:40]
    assert first[40:44] != second[40:44]


def test_a_data_key_hides_itself() -> None:
    key = DataKey(b"k" * 32)
    assert "k" * 4 not in repr(key) + str(key) + f"{key}"
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            copied(key)
    with pytest.raises(ValueError, match="32 bytes") as raised:
        DataKey(b"kkkk")
    assert "kkkk" not in str(raised.value)


def test_derived_keys_depend_on_key_and_purpose_only() -> None:
    derived = {DataKey(secret).derive(purpose) for secret in (b"a" * 32, b"b" * 32) for purpose in ("content", "terms")}
    assert len(derived) == 4
    assert {len(one) for one in derived} == {32}
    assert DataKey(b"a" * 32).derive("content") == DataKey(b"a" * 32).derive("content")

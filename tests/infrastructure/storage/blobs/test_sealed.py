from __future__ import annotations

import hashlib
import hmac
import io
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import obstore
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore

from ondol.core.errors import Conflict, KeyDestroyed, NotFound, RequestError, SealBroken
from ondol.infrastructure.storage.blobs import BlobInfo, EnvironmentKeyProvider, KeyOwner, KeyRing, SealedBlobs, open_store
from ondol.infrastructure.storage.blobs.seal import FRAME_BYTES, HEADER_BYTES, SEALED_FRAME_BYTES, sealed_size
from ondol.infrastructure.storage.blobs.sealed import WINDOW_FRAMES
from ondol.infrastructure.storage.blobs.store import PART_BYTES

EDGES = [0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, WINDOW_FRAMES * FRAME_BYTES, WINDOW_FRAMES * FRAME_BYTES + 1, PART_BYTES + 7]


def plain_of(size: int) -> bytes:
    return hashlib.shake_128(size.to_bytes(8, "big")).digest(size)


def fresh() -> tuple[MemoryStore, SealedBlobs, KeyOwner]:
    """Blobs in memory, for properties: Hypothesis wants a new world for each example."""
    provider = EnvironmentKeyProvider.from_environment({"ONDOL_ROOT_KEY": "A" * 43 + "="})
    ring = KeyRing(MemoryStore(), provider)
    owner = KeyOwner(UUID(int=1), "document", UUID(int=2))
    ring.create(KeyOwner.tenant(owner.tenant_id))
    ring.create(owner)
    store = MemoryStore()
    return store, SealedBlobs(store, ring), owner


def stored(store: MemoryStore, path: str) -> bytes:
    return bytes(obstore.get(store, path).bytes())


@pytest.mark.parametrize("size", EDGES)
@pytest.mark.parametrize("form", ["bytes", "chunks", "file"])
def test_round_trip(blobs: SealedBlobs, owner: KeyOwner, size: int, form: str) -> None:
    plain = plain_of(size)
    chunks = [plain[offset : offset + 100_000] for offset in range(0, size, 100_000)]
    source = {"bytes": plain, "chunks": chunks, "file": io.BytesIO(plain)}[form]
    info = blobs.put(owner, "a/b", source)  # type: ignore[arg-type]
    assert info == BlobInfo("a/b", size, sealed_size(size), blobs.content_address(owner.tenant_id, plain))
    assert b"".join(blobs.stream(owner, "a/b")) == plain
    assert blobs.read(owner, "a/b", max_bytes=size) == plain


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(0, 400_000), max_size=10))
def test_any_chunking_gives_the_same_plain_bytes_and_address(sizes: list[int]) -> None:
    _, blobs, owner = fresh()
    chunks = [plain_of(size) for size in sizes]
    info = blobs.put(owner, "x", iter(chunks))
    assert info.content_address == blobs.content_address(owner.tenant_id, b"".join(chunks))
    assert blobs.read(owner, "x", max_bytes=10**7) == b"".join(chunks)


def test_the_content_address_is_an_hmac_under_the_tenant_key(keyring: KeyRing, blobs: SealedBlobs, owner: KeyOwner) -> None:
    derived = keyring.get(KeyOwner.tenant(owner.tenant_id)).derive("content")
    assert blobs.content_address(owner.tenant_id, b"abc") == hmac.digest(derived, b"abc", "sha256")
    other = KeyOwner.tenant(uuid4())
    keyring.create(other)
    assert blobs.content_address(other.tenant_id, b"abc") != blobs.content_address(owner.tenant_id, b"abc")


RANGED_BYTES = 3 * FRAME_BYTES + 1000
RANGED = fresh()
RANGED[1].put(RANGED[2], "ranged", plain_of(RANGED_BYTES))
NEAR_EDGES = st.sampled_from([0, 1, FRAME_BYTES, 2 * FRAME_BYTES, RANGED_BYTES]).flatmap(lambda edge: st.integers(max(0, edge - 2), edge + 2))
PLACES = st.one_of(NEAR_EDGES, st.integers(0, RANGED_BYTES + FRAME_BYTES))


@settings(max_examples=300, deadline=None)
@given(one=PLACES, other=PLACES)
def test_a_range_equals_the_slice(one: int, other: int) -> None:
    _, blobs, owner = RANGED
    start, end = sorted((one, other))
    assert blobs.read_range(owner, "ranged", start, end) == plain_of(RANGED_BYTES)[start:end]


def test_long_ranges_and_ranges_of_nothing(blobs: SealedBlobs, owner: KeyOwner) -> None:
    size = (2 * WINDOW_FRAMES + 3) * FRAME_BYTES
    blobs.put(owner, "long", plain_of(size))
    blobs.put(owner, "empty", b"")
    assert blobs.read_range(owner, "long", 70_000, size - 5) == plain_of(size)[70_000:-5]
    assert blobs.read_range(owner, "long", 10, size) == plain_of(size)[10:]
    assert blobs.read_range(owner, "empty", 0, 2**62) == b""
    assert blobs.read_range(owner, "empty", 2**40, 2**62) == b""
    for start, end in ((-1, 5), (5, 4)):
        with pytest.raises(ValueError, match="not a range"):
            blobs.read_range(owner, "long", start, end)


def test_a_range_fetches_only_its_frames(keyring: KeyRing, owner: KeyOwner) -> None:
    """Every frame but the wanted one is destroyed; the range still reads."""
    store = MemoryStore()
    blobs = SealedBlobs(store, keyring)
    blobs.put(owner, "x", plain_of(5 * FRAME_BYTES))
    sealed = stored(store, "x")
    kept = slice(HEADER_BYTES + 2 * SEALED_FRAME_BYTES, HEADER_BYTES + 3 * SEALED_FRAME_BYTES)
    obstore.put(store, "x", sealed[:HEADER_BYTES] + bytes(2 * SEALED_FRAME_BYTES) + sealed[kept] + bytes(2 * SEALED_FRAME_BYTES))
    wanted = slice(2 * FRAME_BYTES + 3, 3 * FRAME_BYTES)
    assert blobs.read_range(owner, "x", wanted.start, wanted.stop) == plain_of(5 * FRAME_BYTES)[wanted]
    with pytest.raises(SealBroken):
        blobs.read_range(owner, "x", wanted.start, wanted.stop + 1)


@pytest.mark.parametrize("kept_bytes", [0, 30, HEADER_BYTES, HEADER_BYTES + SEALED_FRAME_BYTES, HEADER_BYTES + 2 * SEALED_FRAME_BYTES, -1])
def test_a_truncated_object_is_detected_by_every_reading_that_reaches_its_end(kept_bytes: int) -> None:
    store, blobs, owner = fresh()
    blobs.put(owner, "x", plain_of(2 * FRAME_BYTES + 10))
    obstore.put(store, "x", stored(store, "x")[:kept_bytes])
    for reading in (
        lambda: list(blobs.stream(owner, "x")),
        lambda: blobs.read(owner, "x", max_bytes=10**6),
        lambda: blobs.read_range(owner, "x", 0, 10**6),
        lambda: blobs.read_range(owner, "x", 2 * FRAME_BYTES, 2 * FRAME_BYTES + 1),
        lambda: blobs.read_range(owner, "x", 10**6, 2 * 10**6),
    ):
        with pytest.raises(SealBroken):
            reading()


def test_nothing_readable_is_stored(tmp_path: Path, keyring: KeyRing, owner: KeyOwner) -> None:
    blobs = SealedBlobs(open_store(tmp_path / "blobs"), keyring)
    blobs.put(owner, "a/b", "주민등록번호".encode() * 1000)
    assert "주민".encode() not in (tmp_path / "blobs/a/b").read_bytes()


def test_another_owner_path_or_key_does_not_open(keyring: KeyRing, owner: KeyOwner) -> None:
    store = MemoryStore()
    blobs = SealedBlobs(store, keyring)
    blobs.put(owner, "here", b"content")
    stranger = KeyOwner(owner.tenant_id, "subject", owner.id)
    keyring.create(stranger)
    with pytest.raises(SealBroken):
        blobs.read(stranger, "here", max_bytes=100)
    obstore.copy(store, "here", "there")
    with pytest.raises(SealBroken):
        blobs.read(owner, "there", max_bytes=100)
    assert blobs.read(owner, "here", max_bytes=100) == b"content"


def test_a_blob_is_bound_to_its_owner_even_if_two_owners_had_one_key() -> None:
    class OneKeyForAll:
        key_id = "one"

        def wrap(self, key: bytes, context: bytes) -> bytes:
            return b"wrapped"

        def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
            return b"k" * 32

    keys, store, tenant = MemoryStore(), MemoryStore(), UUID(int=1)
    owner, stranger = KeyOwner(tenant, "document", UUID(int=2)), KeyOwner(tenant, "subject", UUID(int=2))
    for one in (KeyOwner.tenant(tenant), owner, stranger):
        KeyRing(keys, OneKeyForAll()).create(one)
    blobs = SealedBlobs(store, KeyRing(keys, OneKeyForAll()))
    blobs.put(owner, "x", b"content")
    assert blobs.read(owner, "x", max_bytes=100) == b"content"
    with pytest.raises(SealBroken):
        blobs.read(stranger, "x", max_bytes=100)


def test_a_destroyed_key_closes_every_door(blobs: SealedBlobs, keyring: KeyRing, owner: KeyOwner) -> None:
    blobs.put(owner, "x", b"content")
    keyring.destroy(owner)
    for use in (
        lambda: blobs.read(owner, "x", max_bytes=100),
        lambda: blobs.stream(owner, "x"),
        lambda: blobs.read_range(owner, "x", 0, 1),
        lambda: blobs.put(owner, "x", b"again"),
    ):
        with pytest.raises(KeyDestroyed):
            use()
    assert blobs.exists("x")
    keyring.create(owner)
    with pytest.raises(SealBroken):
        blobs.read(owner, "x", max_bytes=100)


def test_without_a_tenant_key_nothing_is_put(blobs: SealedBlobs, keyring: KeyRing, owner: KeyOwner) -> None:
    keyring.destroy(KeyOwner.tenant(owner.tenant_id))
    with pytest.raises(KeyDestroyed):
        blobs.put(owner, "x", b"content")
    with pytest.raises(KeyDestroyed):
        blobs.content_address(owner.tenant_id, b"content")
    assert not blobs.exists("x")


def test_read_has_a_limit(blobs: SealedBlobs, owner: KeyOwner) -> None:
    blobs.put(owner, "x", bytes(1000))
    with pytest.raises(RequestError) as raised:
        blobs.read(owner, "x", max_bytes=999)
    assert raised.value.code == "blob_too_large"


def test_missing_objects(blobs: SealedBlobs, owner: KeyOwner) -> None:
    assert not blobs.exists("nothing")
    assert blobs.delete("nothing") is False
    for use in (
        lambda: blobs.read(owner, "nothing", max_bytes=1),
        lambda: blobs.stream(owner, "nothing"),
        lambda: blobs.read_range(owner, "nothing", 10**6, 10**7),
    ):
        with pytest.raises(NotFound):
            use()


def test_list_exists_delete(blobs: SealedBlobs, owner: KeyOwner) -> None:
    for path in ("a/b/1", "a/b/2", "a/bc/3", "d"):
        blobs.put(owner, path, b"x")
    assert set(blobs.list("")) == {"a/b/1", "a/b/2", "a/bc/3", "d"}
    assert set(blobs.list("a/b")) == set(blobs.list("a/b/")) == {"a/b/1", "a/b/2"}
    assert list(blobs.list("nothing")) == []
    assert blobs.delete("a/b/1") is True
    assert set(blobs.list("a/b")) == {"a/b/2"}
    assert not blobs.exists("a/b/1")


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", "../a", "a/../b", ".a", "a b", "한국", "a#1", "a\x00", "a/" + "b" * 600])
def test_paths_that_hold_more_than_ids_are_refused(blobs: SealedBlobs, owner: KeyOwner, path: str) -> None:
    for use in (
        lambda: blobs.put(owner, path, b""),
        lambda: blobs.stream(owner, path),
        lambda: blobs.delete(path),
        lambda: blobs.exists(path),
    ):
        with pytest.raises(ValueError, match="not a blob path"):
            use()


@pytest.mark.parametrize("good_bytes", [0, 10, PART_BYTES, 3 * PART_BYTES])
@pytest.mark.parametrize("error", [RuntimeError("mid"), FileNotFoundError("source"), ValueError("source"), PermissionError("source")])
def test_a_source_that_fails_leaves_the_old_object_and_no_rest(
    tmp_path: Path, keyring: KeyRing, owner: KeyOwner, good_bytes: int, error: Exception
) -> None:
    blobs = SealedBlobs(open_store(tmp_path / "blobs"), keyring)
    blobs.put(owner, "a/old", b"old")

    def source() -> Iterator[bytes]:
        for _ in range(good_bytes // 1_000_000):
            yield bytes(1_000_000)
        raise error

    for path in ("a/old", "a/new"):
        with pytest.raises(type(error)) as raised:
            blobs.put(owner, path, source())
        assert raised.value is error
    assert blobs.read(owner, "a/old", max_bytes=10) == b"old"
    assert [file.name for file in (tmp_path / "blobs" / "a").iterdir()] == ["old"]


def test_an_object_replaced_while_it_is_streamed_is_a_conflict(blobs: SealedBlobs, owner: KeyOwner) -> None:
    size = (WINDOW_FRAMES + 1) * FRAME_BYTES
    blobs.put(owner, "x", plain_of(size))
    stream = blobs.stream(owner, "x")
    assert next(stream) == plain_of(size)[:FRAME_BYTES]
    blobs.put(owner, "x", plain_of(size))
    with pytest.raises(Conflict):
        list(stream)

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from obstore.store import MemoryStore

from ondol.core.errors import Conflict, KeyDestroyed, SealBroken, SettingsError
from ondol.infrastructure.storage.blobs import DataKey, FileKeyProvider, KeyOwner, KeyRing, open_store
from ondol.infrastructure.storage.blobs.merging import merge_keyring, merge_tombstones

TENANT = UUID(int=7)
ERASED_AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def document() -> KeyOwner:
    return KeyOwner(TENANT, "document", uuid4())


class HandClock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_create_get_destroy(keyring: KeyRing) -> None:
    owner = document()
    assert not keyring.exists(owner)
    created = keyring.create(owner)
    assert keyring.get(owner) == created
    assert keyring.exists(owner)
    with pytest.raises(Conflict):
        keyring.create(owner)
    assert keyring.destroy(owner) is True
    assert keyring.destroy(owner) is False
    assert not keyring.exists(owner)
    with pytest.raises(KeyDestroyed) as raised:
        keyring.get(owner)
    assert raised.value.hint
    assert keyring.get_or_create(owner) != created


def test_another_key_ring_on_the_same_store_reads_the_same_key(tmp_path: Path, keyring: KeyRing, provider: FileKeyProvider) -> None:
    owner = document()
    created = keyring.get_or_create(owner)
    other = KeyRing(open_store(tmp_path / "keys"), provider)
    assert other.get(owner) == created
    assert other.get_or_create(owner) == created


def test_the_key_file_is_private_small_and_wrapped(tmp_path: Path, keyring: KeyRing, provider: FileKeyProvider) -> None:
    owner = document()
    key = keyring.create(owner)
    path = tmp_path / "keys" / f"{TENANT}/document/{owner.id}.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in list(path.parents)[:3]} == {0o700}
    record = json.loads(path.read_text())
    assert {**record, "wrapped": ""} == {"version": 1, "key_id": provider.key_id, "wrapped": ""}
    assert key.secret_bytes().hex() not in path.read_bytes().hex()


def test_a_key_file_moved_to_another_owner_does_not_open(tmp_path: Path, provider: FileKeyProvider) -> None:
    store = open_store(tmp_path / "keys")
    source, target = document(), document()
    KeyRing(store, provider).create(source)
    folder = tmp_path / "keys" / str(TENANT) / "document"
    (folder / f"{source.id}.key").rename(folder / f"{target.id}.key")
    with pytest.raises(SealBroken):
        KeyRing(store, provider).get(target)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda record: {**record, "wrapped": record["wrapped"][:-4]}, SealBroken),
        (lambda record: {**record, "wrapped": "###"}, SealBroken),
        (lambda record: {"version": 1}, SealBroken),
        (lambda record: {**record, "version": 2}, SettingsError),
        (lambda record: {**record, "key_id": "root:0000000000000000"}, SettingsError),
    ],
)
def test_a_damaged_or_foreign_key_file_says_so(
    tmp_path: Path, provider: FileKeyProvider, change: Callable[[dict[str, str]], object], error: type[Exception]
) -> None:
    store = open_store(tmp_path / "keys")
    owner = document()
    KeyRing(store, provider).create(owner)
    path = tmp_path / "keys" / f"{owner.label}.key"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(error) as raised:
        KeyRing(store, provider).get(owner)
    assert raised.value.hint  # type: ignore[attr-defined]


def test_an_empty_key_file_is_damage_and_not_absence(tmp_path: Path, provider: FileKeyProvider) -> None:
    store = open_store(tmp_path / "keys")
    owner = document()
    KeyRing(store, provider).create(owner)
    (tmp_path / "keys" / f"{owner.label}.key").write_bytes(b"")
    with pytest.raises(SealBroken):
        KeyRing(store, provider).get_or_create(owner)


def test_owners_of_one_tenant_are_listed(tmp_path: Path, provider: FileKeyProvider) -> None:
    ring = KeyRing(open_store(tmp_path / "keys"), provider)
    owners = {document(), document(), KeyOwner.tenant(TENANT), KeyOwner(TENANT, "subject", uuid4())}
    for owner in (*owners, KeyOwner.tenant(uuid4())):
        ring.create(owner)
    for foreign in ("notes.txt", "document/x.key", "document/deep/y.key", f"other/{uuid4()}.key"):
        path = tmp_path / "keys" / str(TENANT) / foreign
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    assert set(ring.list_owners(TENANT)) == owners
    assert list(ring.list_owners(uuid4())) == []


def test_an_owner_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="owns no keys"):
        KeyOwner(TENANT, "../escape", uuid4())  # type: ignore[arg-type]


def test_another_process_forgets_a_destroyed_key_in_time(provider: FileKeyProvider) -> None:
    store, clock = MemoryStore(), HandClock()
    here = KeyRing(store, provider)
    there = KeyRing(store, provider, cache_seconds=60, monotonic=clock)
    owner = document()
    key = here.create(owner)
    assert there.get(owner) == key
    here.destroy(owner)
    clock.seconds = 59.9
    assert there.get(owner) == key, "reading it must not go to the store while it is cached"
    clock.seconds = 60.0
    with pytest.raises(KeyDestroyed):
        there.get(owner)


def test_using_a_key_does_not_prolong_its_life_in_memory(provider: FileKeyProvider) -> None:
    store, clock = MemoryStore(), HandClock()
    there = KeyRing(store, provider, cache_seconds=10, monotonic=clock)
    owner = document()
    there.create(owner)
    KeyRing(store, provider).destroy(owner)
    for clock.seconds in (4.0, 8.0):
        there.get(owner)
    clock.seconds = 12.0
    with pytest.raises(KeyDestroyed):
        there.get(owner)


def test_a_slow_reading_counts_from_its_beginning(provider: FileKeyProvider) -> None:
    """A key that is destroyed elsewhere just after it was read must not live longer because unwrapping took its time."""
    store, clock, owner = MemoryStore(), HandClock(), document()

    class Slow:
        key_id = provider.key_id

        def wrap(self, key: bytes, context: bytes) -> bytes:
            return provider.wrap(key, context)

        def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
            clock.seconds += 9.0
            return provider.unwrap(wrapped, context)

    elsewhere = KeyRing(store, provider)
    elsewhere.create(owner)
    ring = KeyRing(store, Slow(), cache_seconds=10, monotonic=clock)
    ring.get(owner)
    elsewhere.destroy(owner)
    clock.seconds = 10.0
    with pytest.raises(KeyDestroyed):
        ring.get(owner)


def test_the_cache_is_bounded_and_drops_the_longest_unused(provider: FileKeyProvider) -> None:
    store = MemoryStore()
    ring = KeyRing(store, provider, cache_entries=2)
    first, second, third = document(), document(), document()
    for owner in (first, second):
        ring.create(owner)
    ring.get(first)
    ring.create(third)
    for owner in (first, second, third):
        KeyRing(store, provider).destroy(owner)
    assert isinstance(ring.get(first), DataKey)
    assert isinstance(ring.get(third), DataKey)
    with pytest.raises(KeyDestroyed):
        ring.get(second)


def test_a_key_read_while_it_is_destroyed_is_not_kept(provider: FileKeyProvider) -> None:
    """The provider stands for the slow moment between reading a key and keeping it."""
    store, owner = MemoryStore(), document()

    class DestroysMeanwhile:
        key_id = provider.key_id

        def wrap(self, key: bytes, context: bytes) -> bytes:
            return provider.wrap(key, context)

        def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
            ring.destroy(owner)
            return provider.unwrap(wrapped, context)

    KeyRing(store, provider).create(owner)
    ring = KeyRing(store, DestroysMeanwhile())
    ring.get(owner)
    with pytest.raises(KeyDestroyed):
        ring.get(owner)


def test_processes_that_ask_at_once_get_one_key(tmp_path: Path, provider: FileKeyProvider) -> None:
    script = (
        "import sys; from pathlib import Path; from uuid import UUID\n"
        "from ondol.infrastructure.storage.blobs import FileKeyProvider, KeyOwner, KeyRing, open_store\n"
        "folder = Path(sys.argv[1])\n"
        "ring = KeyRing(open_store(folder / 'keys'), FileKeyProvider.open_or_create(folder / 'root.key'))\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "for number in range(40):\n"
        "    key = ring.get_or_create(KeyOwner(UUID(int=7), 'document', UUID(int=number)))\n"
        "    print(key.derive('compare').hex())\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate()[0].split() for process in processes]
    assert len(set(answers[0])) == 40
    assert answers == [answers[0]] * 3
    left = [path.name for path in (tmp_path / "keys").rglob("*#*")]
    assert left == []


def test_whoever_is_buried_gets_no_key_again(tmp_path: Path, keyring: KeyRing, provider: FileKeyProvider) -> None:
    owner, other = document(), document()
    keyring.create(owner)
    kept = keyring.create(other)
    assert keyring.bury(owner, ERASED_AT) is True
    assert keyring.bury(owner, ERASED_AT) is False
    fresh = KeyRing(open_store(tmp_path / "keys"), provider)
    for ring in (keyring, fresh):
        assert (ring.is_buried(owner), ring.is_buried(other)) == (True, False)
        for ask in (ring.create, ring.get, ring.get_or_create):
            with pytest.raises(KeyDestroyed):
                ask(owner)
        assert ring.get(other) == kept
    assert list(fresh.list_buried()) == [(owner, ERASED_AT)]
    assert list(fresh.list_owners(TENANT)) == [other]


def test_a_key_that_was_made_while_its_owner_was_buried_is_gone(keyring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tombstone comes between the look for it and the writing of the key."""
    owner = document()
    wrap = keyring._provider.wrap

    def slow_wrap(secret: bytes, context: bytes) -> bytes:
        keyring.bury(owner, ERASED_AT)
        return wrap(secret, context)

    monkeypatch.setattr(keyring._provider, "wrap", slow_wrap)
    with pytest.raises(KeyDestroyed):
        keyring.get_or_create(owner)
    assert not keyring.exists(owner)


def test_a_backups_keys_come_back_without_those_of_the_erased(tmp_path: Path, provider: FileKeyProvider) -> None:
    backup, live = (KeyRing(open_store(tmp_path / name), provider) for name in ("backup", "live"))
    erased, erased_elsewhere, kept = document(), document(), document()
    for owner in (erased, erased_elsewhere, kept):
        backup.create(owner)
    live.create(erased_elsewhere)
    live.bury(erased, ERASED_AT)
    backup.bury(erased_elsewhere, ERASED_AT)
    assert merge_tombstones(tmp_path / "backup", tmp_path / "live") == 1
    assert merge_keyring(tmp_path / "backup", tmp_path / "live") == 1
    found = KeyRing(open_store(tmp_path / "live"), provider)
    assert list(found.list_owners(TENANT)) == [kept]
    assert found.get(kept) == backup.get(kept)
    assert {owner for owner, _ in found.list_buried()} == {erased, erased_elsewhere}
    assert merge_keyring(tmp_path / "absent", tmp_path / "live") == merge_tombstones(tmp_path / "absent", tmp_path / "live") == 0
    assert stat.S_IMODE((tmp_path / "live" / f"{kept.label}.key").stat().st_mode) == 0o600

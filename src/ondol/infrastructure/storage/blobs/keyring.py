"""The key ring: wrapped data keys in a store of their own.

One small object for each key, ``<tenant>/<kind>/<id>.key``, JSON::

    {"version": 1, "key_id": "root:9f...", "wrapped": "<base64>"}

The wrapped key is bound to its owner: moved to another owner's place it does not open. Erasing an owner's content is
deleting this one object. So the store of the key ring must keep no old versions (no bucket versioning, no undelete), and
its backup must be short-lived: its age is the erasure horizon.

Beside the keys lies a tombstone for each erased owner, ``tombstones/<tenant>/<kind>/<id>``: outside the database's dump, so
that a restore of an older one is told what to erase again. No key is ever made for an owner that has one.
"""

from __future__ import annotations

import base64
import binascii
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, get_args
from uuid import UUID

import msgspec

from ondol.core.errors import Conflict, KeyDestroyed, NotFound, SealBroken, SettingsError
from ondol.infrastructure.storage.blobs.providers import KeyProvider
from ondol.infrastructure.storage.blobs.seal import DataKey
from ondol.infrastructure.storage.blobs.store import delete_object, get_piece, list_objects, object_exists, put_new

if TYPE_CHECKING:
    from obstore.store import ObjectStore

OwnerKind = Literal["tenant", "document", "subject"]

KEY_SUFFIX = ".key"
TOMBSTONES = "tombstones"
"""The folder of the tombstones; no tenant is called so."""
_VERSION = 1
_KEY_FILE_BYTES_MAX = 16_384
_ATTEMPTS_MAX = 8


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """What a data key belongs to: a whole tenant, a document, or a person (subject) of whom content speaks."""

    tenant_id: UUID
    kind: OwnerKind
    id: UUID

    def __post_init__(self) -> None:
        if self.kind not in get_args(OwnerKind):
            raise ValueError(f"{self.kind!r} owns no keys")

    @classmethod
    def tenant(cls, tenant_id: UUID) -> KeyOwner:
        """The tenant itself: its key serves content addresses and keyed term hashes."""
        return cls(tenant_id, "tenant", tenant_id)

    @property
    def label(self) -> str:
        """``<tenant>/<kind>/<id>``: names the owner in paths and seals."""
        return f"{self.tenant_id}/{self.kind}/{self.id}"


class KeyRing:
    """Creates, hands out and destroys data keys. Safe to use from several threads and processes at once.

    Keys are kept in memory for `cache_seconds` from when they were read. `destroy` removes the key from the store and from
    the memory of this process before it returns; **other processes forget it within `cache_seconds`**, and until then can
    still open what it sealed.

    Args:
        store: where the wrapped keys lie; nothing else may lie there.
        provider: wraps and unwraps them.
        cache_entries: how many keys are kept in memory at most; the longest unused one goes first.
        cache_seconds: how long a key is kept in memory.
        monotonic: seconds that never run backwards.
    """

    def __init__(
        self,
        store: ObjectStore,
        provider: KeyProvider,
        *,
        cache_entries: int = 4096,
        cache_seconds: float = 60.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._provider = provider
        self._cache = _KeyCache(cache_entries, cache_seconds, monotonic)

    def create(self, owner: KeyOwner) -> DataKey:
        """A new key for an owner that has none.

        An owner whose key was destroyed can be given another one, which opens nothing of what the first one sealed, unless it
        has a tombstone.

        Raises:
            Conflict: when the owner has a key.
            KeyDestroyed: when the owner was erased.
            DataFolderError: when the key ring cannot be written.
        """
        ticket = self._cache.ticket()
        key = self._put_fresh(owner)
        if key is None:
            raise Conflict(f"{owner.label} has a data key already.", "Use the key it has.")
        self._cache.add(owner, key, ticket)
        return key

    def get(self, owner: KeyOwner) -> DataKey:
        """The key of an owner.

        Raises:
            KeyDestroyed: when there is none: it was destroyed, or never created.
            SealBroken: when the stored key was altered or belongs to another owner.
            SettingsError: when it was wrapped with another root key than the configured one.
            DataFolderError: when the key ring cannot be read.
        """
        cached = self._cache.get(owner)
        if cached is not None:
            return cached
        ticket = self._cache.ticket()
        key = self._read(owner)
        if key is None:
            raise KeyDestroyed(f"The data key of {owner.label} does not exist.", "What it sealed was erased and cannot be read again.")
        self._cache.add(owner, key, ticket)
        return key

    def get_or_create(self, owner: KeyOwner) -> DataKey:
        """The key of an owner, made if there is none; processes that ask at once get the same key.

        Raises:
            Conflict: when other processes create and destroy the key all the while.
            KeyDestroyed: when the owner was erased.
            SealBroken, SettingsError, DataFolderError: as for `get`.
        """
        cached = self._cache.get(owner)
        if cached is not None:
            return cached
        for _ in range(_ATTEMPTS_MAX):
            ticket = self._cache.ticket()
            key = self._read(owner) or self._put_fresh(owner)
            if key is not None:
                self._cache.add(owner, key, ticket)
                return key
        raise Conflict(f"The data key of {owner.label} keeps changing.", "Try again.")

    def destroy(self, owner: KeyOwner) -> bool:
        """Destroy a key: what it sealed is gone for good. See the class for what other processes still know.

        A stream that is open already goes on to its end.

        Returns:
            Whether there was one.

        Raises:
            DataFolderError: when the key ring cannot be written; the key may still exist then.
        """
        self._cache.forget(owner)
        try:
            return delete_object(self._store, _path(owner))
        finally:
            # Again, for a thread that read the key between the two.
            self._cache.forget(owner)

    def bury(self, owner: KeyOwner, erased_at: datetime) -> bool:
        """Destroy a key for good: the owner gets a tombstone first, so that no process makes another key and no restore brings this one back.

        Returns:
            Whether there was a key.

        Raises:
            DataFolderError: when the key ring cannot be written; run it again.
        """
        record = _TombstoneRecord(_VERSION, erased_at.astimezone(UTC).isoformat(timespec="seconds"))
        put_new(self._store, _tombstone_path(owner), msgspec.json.encode(record))
        return self.destroy(owner)

    def is_buried(self, owner: KeyOwner) -> bool:
        """Whether the owner has a tombstone.

        Raises:
            DataFolderError: when the key ring cannot be read.
        """
        return object_exists(self._store, _tombstone_path(owner))

    def list_buried(self) -> Iterator[tuple[KeyOwner, datetime]]:
        """Every owner that has a tombstone, of all tenants, and when it was erased.

        Raises:
            DataFolderError: when the key ring cannot be read.
            SealBroken: when a tombstone is damaged.
        """
        for path in list_objects(self._store, TOMBSTONES):
            owner = _owner_at(path.removeprefix(f"{TOMBSTONES}/") + KEY_SUFFIX)
            if owner is None:
                continue
            try:
                data = get_piece(self._store, path, 0, _KEY_FILE_BYTES_MAX).data
                yield owner, datetime.fromisoformat(msgspec.json.decode(data, type=_TombstoneRecord).erased_at)
            except (msgspec.MsgspecError, ValueError):
                raise SealBroken(f"The tombstone of {owner.label} is damaged.", "Put it back from a newer backup of the key ring.") from None

    def forget(self, owner: KeyOwner) -> None:
        """Drop a key from the memory of this process: somebody destroyed it."""
        self._cache.forget(owner)

    def exists(self, owner: KeyOwner) -> bool:
        """Whether the store has a key for the owner; the cache is not asked.

        Raises:
            DataFolderError: when the key ring cannot be read.
        """
        return object_exists(self._store, _path(owner))

    def list_owners(self, tenant_id: UUID) -> Iterator[KeyOwner]:
        """All owners of a tenant that have a key, in no particular order. Foreign objects in the store are passed over.

        Raises:
            DataFolderError: when the key ring cannot be listed.
        """
        for path in list_objects(self._store, str(tenant_id)):
            owner = _owner_at(path)
            if owner is not None:
                yield owner

    def _put_fresh(self, owner: KeyOwner) -> DataKey | None:
        """A new key, or None when another process was first.

        Raises:
            KeyDestroyed: when the owner was erased, if only while the key was made.
        """
        self._refuse_buried(owner)
        key = DataKey.random()
        wrapped = self._provider.wrap(key.secret_bytes(), _context(owner))
        record = _KeyRecord(_VERSION, self._provider.key_id, base64.b64encode(wrapped).decode())
        if not put_new(self._store, _path(owner), msgspec.json.encode(record)):
            return None
        try:
            self._refuse_buried(owner)
        except KeyDestroyed:
            self.destroy(owner)
            raise
        return key

    def _refuse_buried(self, owner: KeyOwner) -> None:
        if self.is_buried(owner):
            raise KeyDestroyed(f"{owner.label} was erased and gets no key again.", "What was erased is taken in again as something new.")

    def _read(self, owner: KeyOwner) -> DataKey | None:
        try:
            stored = get_piece(self._store, _path(owner), 0, _KEY_FILE_BYTES_MAX)
        except NotFound:
            return None
        try:
            record = msgspec.json.decode(stored.data, type=_KeyRecord)
            wrapped = base64.b64decode(record.wrapped, validate=True)
        except (msgspec.MsgspecError, binascii.Error, ValueError, UnicodeDecodeError):
            raise SealBroken(f"The stored data key of {owner.label} is damaged.", "Restore it from the backup of the key ring.") from None
        if record.version != _VERSION:
            raise SettingsError(f"The data key of {owner.label} has version {record.version}.", "Run the version of Ondol that wrote it.")
        if record.key_id != self._provider.key_id:
            raise SettingsError(
                f"The key ring was made with the root key {record.key_id}, but {self._provider.key_id} is configured.",
                "Configure the root key that belongs to this key ring, or restore its file.",
            )
        return DataKey(self._provider.unwrap(wrapped, _context(owner)))


class _KeyRecord(msgspec.Struct, frozen=True):
    version: int
    key_id: str
    wrapped: str


class _TombstoneRecord(msgspec.Struct, frozen=True):
    version: int
    erased_at: str


class _KeyCache:
    """The keys last used. What was read before a key was forgotten is not added after it: that is what tickets are for."""

    def __init__(self, entries_max: int, seconds_max: float, monotonic: Callable[[], float]) -> None:
        self._entries_max = entries_max
        self._seconds_max = seconds_max
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._entries: OrderedDict[KeyOwner, tuple[DataKey, float]] = OrderedDict()
        self._forgotten_count = 0

    def ticket(self) -> tuple[int, float]:
        """Taken before a key is read; `add` asks for it."""
        with self._lock:
            return self._forgotten_count, self._monotonic()

    def get(self, owner: KeyOwner) -> DataKey | None:
        with self._lock:
            entry = self._entries.get(owner)
            if entry is None:
                return None
            key, expires = entry
            if self._monotonic() >= expires:
                del self._entries[owner]
                return None
            self._entries.move_to_end(owner)
            return key

    def add(self, owner: KeyOwner, key: DataKey, ticket: tuple[int, float]) -> None:
        forgotten_count, read_at = ticket
        with self._lock:
            if forgotten_count != self._forgotten_count:
                return
            self._entries[owner] = (key, read_at + self._seconds_max)
            self._entries.move_to_end(owner)
            while len(self._entries) > self._entries_max:
                self._entries.popitem(last=False)

    def forget(self, owner: KeyOwner) -> None:
        with self._lock:
            self._forgotten_count += 1
            self._entries.pop(owner, None)


def _path(owner: KeyOwner) -> str:
    return owner.label + KEY_SUFFIX


def _tombstone_path(owner: KeyOwner) -> str:
    return f"{TOMBSTONES}/{owner.label}"


def _context(owner: KeyOwner) -> bytes:
    return b"ondol.data-key.1\x00" + owner.label.encode()


def _owner_at(path: str) -> KeyOwner | None:
    parts = path.removesuffix(KEY_SUFFIX).split("/")
    if not path.endswith(KEY_SUFFIX) or len(parts) != 3:
        return None
    tenant, kind, identifier = parts
    try:
        owner = KeyOwner(UUID(tenant), kind, UUID(identifier))  # type: ignore[arg-type]  # checked by KeyOwner
    except ValueError:
        return None
    return owner if _path(owner) == path else None

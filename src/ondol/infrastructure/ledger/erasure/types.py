"""The records of erasure: what is erased, and each room's part in it."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ondol.core.clock import Clock
from ondol.infrastructure.ledger.signing import LedgerSigner
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing
from ondol.infrastructure.storage.postgres import Connection, Database

ErasureKind = Literal["document", "subject"]
ErasureState = Literal["hidden", "running", "proved", "failed"]
ErasureStore = Literal["postgres", "lance", "blobs", "spool", "keyring"]
ItemKind = Literal["document", "version", "segment", "answer"]

EVERY_KIND: frozenset[ErasureKind] = frozenset({"document", "subject"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """One erasure.

    Attributes:
        base_id: the base of a document; None for a subject.
        with_documents: whether documents that speak of a subject are erased too, each by an erasure of its own.
        state: `hidden`: nobody sees it any more; `running`: it is being removed; `proved`: every probe finds nothing; `failed`: somebody must look.
        reason: a fixed word that whoever asked gave.
        replayed: a restore had brought it back, so parts of it may have been gone already.
        failure: a fixed word; empty unless it failed.
        receipt: see `receipt.py`; None until it is proved.
    """

    tenant_id: uuid.UUID
    id: uuid.UUID
    kind: ErasureKind
    target_id: uuid.UUID
    base_id: uuid.UUID | None
    with_documents: bool
    state: ErasureState
    asked_by: uuid.UUID | None
    reason: str
    replayed: bool
    failure: str
    receipt: dict[str, Any] | None
    receipt_digest: bytes | None
    signature: bytes | None
    signer: str | None
    hidden_at: datetime
    proved_at: datetime | None

    @property
    def owner(self) -> KeyOwner:
        """Whose data key opens what is erased."""
        return KeyOwner(self.tenant_id, self.kind, self.target_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one eraser did. Counts are None until they are known.

    Attributes:
        found: things that its room knows of.
        before, after: what its probe, an independent reader, saw.
    """

    name: str
    found: int
    before: int | None = None
    after: int | None = None
    erased_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Eraser:
    """One room's part in erasing things of some kinds from one store.

    Attributes:
        name: a fixed word, unique over all erasers.
        method: how it goes, a fixed word such as `deleted`, `emptied` or `rewritten`.
        tables: the tables whose personal columns it answers for.
        find: tells how many things there are, in the caller's transaction, and notes the items that later erasers need.
        erase: removes them. Run again after it was killed, it goes on.
        probe: counts what can still be found, by another way than the room reads it.
    """

    name: str
    store: ErasureStore
    method: str
    kinds: frozenset[ErasureKind]
    tables: frozenset[str] = frozenset()
    find: Callable[[Connection, Erasure], Awaitable[int]]
    erase: Callable[[Erasure], Awaitable[None]]
    probe: Callable[[Erasure], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Gone:
    """What nobody may keep in memory any more: an owner's key, and document versions and segments of its tenant."""

    owner: KeyOwner
    version_ids: frozenset[uuid.UUID] = frozenset()
    segment_ids: frozenset[uuid.UUID] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureRoom:
    """What erasing works with.

    Attributes:
        erasers: in the order in which they find and erase; the key comes last.
        horizon_days: for how long backups of the key ring are kept; None when nobody said.
        forget: drops what this process keeps in memory of what is gone; other workers are told by a notice.
    """

    database: Database
    keyring: KeyRing
    clock: Clock
    signer: Callable[[], LedgerSigner]
    erasers: Sequence[Eraser]
    horizon_days: int | None
    forget: Callable[[Gone], None]

"""The records of the ledger: frozen, without behaviour."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

ArtefactKind = Literal[
    "original",
    "document",
    "document_version",
    "index_segment",
    "index_version",
    "cache_entry",
    "prompt",
    "policy",
    "model",
    "dataset",
    "checkpoint",
    "evaluation",
    "release",
    "answer",
    "export",
    "backup",
    "subject",
]
"""What can be a node of the lineage. The table `artefacts` holds the same list as a constraint."""

Relation = Literal[
    "derived_from",
    "contained_in",
    "cites",
    "supersedes",
    "about",
    "trained_on",
    "evaluated_on",
    "cached_from",
    "exported_from",
    "backed_up_from",
]
"""How a child came from its parent. The table `artefact_links` holds the same list as a constraint."""

Store = Literal["blob", "lance", "postgres", "external"]
"""Where bytes lie; `external` is outside this installation's reach, where erasure can only ask and record."""

Head = tuple[int, bytes]
"""Number and digest of a batch. Whoever remembers one can tell later whether the chain still holds it."""

PublicKeys = Mapping[str, bytes]
"""Raw Ed25519 public keys (32 bytes) by key id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened, exactly what its digest covers.

    `body` is plain JSON: strings, whole numbers, booleans, nulls, lists and objects. `created_at` has microseconds.
    """

    tenant_id: uuid.UUID
    id: uuid.UUID
    kind: str
    actor_id: uuid.UUID | None
    body: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedBatch:
    """One link of the chain. Digests and root are 32 bytes, the Ed25519 signature 64; `signer` is a key id."""

    number: int
    event_count: int
    root: bytes
    previous_digest: bytes
    digest: bytes
    signature: bytes
    signer: str
    sealed_at: datetime

    @property
    def head(self) -> Head:
        """What to remember of it."""
        return self.number, self.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsealed:
    """Events that wait for the sealer. `count` stops at a named limit; `oldest_at` is None when nothing waits."""

    count: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a verification covered. Batches are those of the whole chain; the other figures are of one tenant if one was named.

    `first_at` and `last_at` are the earliest and latest time of a sealed event; `head` is None for an empty chain.
    """

    batches: int
    events: int
    first_at: datetime | None
    last_at: datetime | None
    head: Head | None
    unsealed: Unsealed


@dataclass(frozen=True, slots=True, kw_only=True)
class InclusionProof:
    """Proves that one event is sealed, without showing any other: the event, its place, the hashes beside its way to the root, the batch."""

    event: Event
    place: int
    path: tuple[bytes, ...]
    batch: SealedBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class NewArtefact:
    """A node to add. `address` is the keyed content address (32 bytes), if the artefact has content of its own."""

    id: uuid.UUID
    kind: ArtefactKind
    address: bytes | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """`child_id` came from `parent_id`."""

    child_id: uuid.UUID
    parent_id: uuid.UUID
    relation: Relation


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """An artefact that a walk reached: `depth` links away by the shortest way, whose last link is `relation`."""

    id: uuid.UUID
    kind: ArtefactKind
    relation: Relation
    depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """The artefacts of a walk, nearest first. When `complete` is False a limit cut it off, and there is more."""

    reached: tuple[Reached, ...]
    complete: bool

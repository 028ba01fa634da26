"""The receipt of an erasure: what was found and is gone, signed by the ledger's key, its digest in the ledger's chain."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ondol.core.canonical import Json, canonical_json, digest
from ondol.infrastructure.ledger.erasure.store import QUERIES
from ondol.infrastructure.ledger.erasure.types import Eraser, Erasure, ErasureRoom, Step
from ondol.infrastructure.ledger.signing import signature_holds
from ondol.infrastructure.ledger.types import PublicKeys
from ondol.infrastructure.storage.postgres import Connection, one

RECEIPT_VERSION = 1
SIGNED_FOR = "erasure"
MEMORY_SECONDS_MAX = 60
"""So long a worker that missed every notice may still hold a key in memory."""

DOCUMENTS_SHOWN_MAX = 1000
"""A receipt names so many documents that speak of a subject; it always tells how many there are."""

REMAINS = ("ids", "keyed_addresses_in_the_ledger", "counts", "request_accounts", "tombstone")
"""What an erasure leaves, on purpose: none of it is content, and none leads to content any more."""


@dataclass(frozen=True, slots=True)
class ReceiptCheck:
    """Whether a receipt holds.

    Attributes:
        signature: its signer's key, which is in the ledger's list, signed exactly this.
        event: an event of the ledger names its digest.
        found_again: what each probe finds now, by eraser; nothing is what must be.
    """

    signature: bool
    event: bool
    found_again: Mapping[str, int]

    @property
    def holds(self) -> bool:
        """Whether all of it does."""
        return self.signature and self.event and not any(self.found_again.values())


def make_receipt(
    room: ErasureRoom, erasure: Erasure, steps: Sequence[Step], erasers: Mapping[str, Eraser], extra: Mapping[str, Json]
) -> dict[str, Any]:
    """The receipt, as plain JSON. Times are UTC with microseconds."""
    now = room.clock()
    horizon: dict[str, Json] = {"keyring_backup_days": room.horizon_days, "ends_at": None}
    if room.horizon_days is not None:
        horizon["ends_at"] = now + timedelta(days=room.horizon_days)
    stores: list[Json] = [
        {
            "store": erasers[step.name].store,
            "name": step.name,
            "method": erasers[step.name].method,
            "found": step.found,
            "probe_before": step.before,
            "probe_after": step.after,
        }
        for step in steps
    ]
    receipt: dict[str, Json] = {
        "version": RECEIPT_VERSION,
        "erasure": erasure.id,
        "tenant": erasure.tenant_id,
        "kind": erasure.kind,
        "target": erasure.target_id,
        "asked_by": erasure.asked_by,
        "reason": erasure.reason,
        "replayed": erasure.replayed,
        "hidden_at": erasure.hidden_at,
        "proved_at": now,
        "stores": stores,
        "memory": {"told": True, "seconds_max": MEMORY_SECONDS_MAX},
        "backups": horizon,
        "remains": list(REMAINS),
        **extra,
    }
    plain: dict[str, Any] = _as_json(receipt)
    return plain


def receipt_digest(receipt: Mapping[str, Any]) -> bytes:
    """What is signed, and what the ledger's event names: 32 bytes."""
    return digest(receipt)


def signature_of_receipt_holds(keys: PublicKeys, erasure: Erasure) -> bool:
    """Whether the receipt is what its signer signed."""
    if erasure.receipt is None or erasure.signature is None or erasure.signer is None or erasure.signer not in keys:
        return False
    taken = receipt_digest(erasure.receipt)
    return taken == erasure.receipt_digest and signature_holds(keys[erasure.signer], SIGNED_FOR, taken, erasure.signature)


async def event_names_receipt(connection: Connection, erasure: Erasure) -> bool:
    """Whether the ledger's last event about this erasure names its receipt."""
    found = await one(connection, QUERIES["event_of_receipt"], {"erasure_id": erasure.id, "erasure": str(erasure.id)})
    return found is not None and erasure.receipt_digest is not None and found["body"].get("receipt") == erasure.receipt_digest.hex()


def documents_named(ids: Sequence[uuid.UUID], *, erased: bool) -> dict[str, Json]:
    """Documents that speak of a subject, for its receipt; erased ones have receipts of their own."""
    return {"documents": {"count": len(ids), "erased": erased, "ids": list(ids[:DOCUMENTS_SHOWN_MAX])}}


def _as_json(receipt: Mapping[str, Json]) -> Any:
    return json.loads(canonical_json(receipt))

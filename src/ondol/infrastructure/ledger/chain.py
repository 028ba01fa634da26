"""The links of the chain: what a batch's digest covers, how it is signed, and how both are checked."""

from __future__ import annotations

import uuid
from datetime import datetime

from psycopg.rows import DictRow

from ondol.core.canonical import Json, canonical_json, digest
from ondol.core.errors import LedgerBroken
from ondol.infrastructure.ledger.events import instant
from ondol.infrastructure.ledger.signing import LedgerSigner, signature_holds
from ondol.infrastructure.ledger.types import PublicKeys, SealedBatch

GENESIS_DIGEST = bytes(32)
BATCH_EVENTS_MAX = 10_000
SIGNING_PURPOSE = "batch"
NIL_ID = uuid.UUID(int=0)


def sign_batch(signer: LedgerSigner, *, number: int, event_count: int, root: bytes, previous_digest: bytes, sealed_at: datetime) -> SealedBatch:
    """The batch with its digest and the signature over it."""
    sealed = batch_digest(
        number=number, event_count=event_count, root=root, previous_digest=previous_digest, sealed_at=sealed_at, signer=signer.key_id
    )
    return SealedBatch(
        number=number,
        event_count=event_count,
        root=root,
        previous_digest=previous_digest,
        digest=sealed,
        signature=signer.sign(SIGNING_PURPOSE, sealed),
        signer=signer.key_id,
        sealed_at=sealed_at,
    )


def batch_digest(*, number: int, event_count: int, root: bytes, previous_digest: bytes, sealed_at: datetime, signer: str) -> bytes:
    """SHA-256 of the canonical JSON of all that a batch says but its digest and signature, 32 bytes."""
    return digest(
        {
            "number": number,
            "event_count": event_count,
            "root": root,
            "previous_digest": previous_digest,
            "sealed_at": sealed_at,
            "signer": signer,
        }
    )


def batch_text(batch: SealedBatch) -> str:
    """The text whose SHA-256, over UTF-8, is the digest of a batch: for whoever checks it elsewhere."""
    told: dict[str, Json] = {"number": batch.number, "event_count": batch.event_count, "root": batch.root, "previous_digest": batch.previous_digest}
    return canonical_json({**told, "sealed_at": batch.sealed_at, "signer": batch.signer}).decode()


def check_batch(batch: SealedBatch, public_keys: PublicKeys) -> None:
    """Check a batch by itself: its size, its digest and its signature.

    Raises:
        LedgerBroken: naming the batch and what does not hold.
    """
    if not 0 < batch.event_count <= BATCH_EVENTS_MAX:
        raise LedgerBroken(f"Batch {batch.number} claims {batch.event_count} events; a batch has 1 to {BATCH_EVENTS_MAX:,}.")
    expected = batch_digest(
        number=batch.number,
        event_count=batch.event_count,
        root=batch.root,
        previous_digest=batch.previous_digest,
        sealed_at=batch.sealed_at,
        signer=batch.signer,
    )
    if batch.digest != expected:
        raise LedgerBroken(f"The digest of batch {batch.number} does not hold: its row was altered.")
    public_key = public_keys.get(batch.signer)
    if public_key is None:
        raise LedgerBroken(
            f"Batch {batch.number} is signed by the key {batch.signer}, which is not known.", "Add its public key, if it is one of yours."
        )
    if not signature_holds(public_key, SIGNING_PURPOSE, batch.digest, batch.signature):
        raise LedgerBroken(f"The signature of batch {batch.number} does not hold.")


def batch_of(row: DictRow) -> SealedBatch:
    """The batch that a row holds.

    Raises:
        LedgerBroken: when a column is null, or the time is none that could have been sealed.
    """
    if any(value is None for value in row.values()):
        raise LedgerBroken(f"A column of batch {row['number']} is null: its row was altered.")
    try:
        sealed_at = instant(row["sealed_us"])
    except (ValueError, OverflowError):
        raise LedgerBroken(f"The time of batch {row['number']} does not hold: its row was altered.") from None
    return SealedBatch(
        number=row["number"],
        event_count=row["event_count"],
        root=row["root"],
        previous_digest=row["previous_digest"],
        digest=row["digest"],
        signature=row["signature"],
        signer=row["signer"],
        sealed_at=sealed_at,
    )

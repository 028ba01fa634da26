"""Inclusion proofs: one tenant checks one event with public keys alone, and sees nothing of the others but hashes."""

from __future__ import annotations

import uuid

from ondol.core.errors import Conflict, LedgerBroken, NotFound
from ondol.infrastructure.ledger.chain import BATCH_EVENTS_MAX, batch_of, check_batch
from ondol.infrastructure.ledger.events import digest_of, event_of
from ondol.infrastructure.ledger.merkle import audit_path, root_of_path
from ondol.infrastructure.ledger.types import InclusionProof, PublicKeys
from ondol.infrastructure.storage.postgres import Database, load_queries, one, rows

_SQL = load_queries("ondol.infrastructure.ledger")


async def prove(database: Database, tenant_id: uuid.UUID, event_id: uuid.UUID) -> InclusionProof:
    """The proof that an event of this tenant is sealed. It is only gathered here; `check_proof` says whether it holds.

    Raises:
        NotFound: when the tenant has no such event.
        Conflict: when the event waits for the sealer.
        LedgerBroken: when its row or its batch cannot even be read as one.
    """
    async with database.tenant_tx(tenant_id) as connection:
        row = await one(connection, _SQL["event_by_id"], {"tenant_id": tenant_id, "id": event_id})
    if row is None:
        raise NotFound("There is no such event in the ledger.", param="event_id")
    if row["batch"] is None:
        raise Conflict("The event is not sealed yet.", "Events are sealed about once a second.", code="not_sealed")
    async with database.system_tx() as connection:
        batch_row = await one(connection, _SQL["batch_by_number"], {"number": row["batch"]})
        digests = [found["digest"] for found in await rows(connection, _SQL["digests_of_batch"], {"batch": row["batch"], "limit": BATCH_EVENTS_MAX})]
    if batch_row is None:
        raise LedgerBroken(f"Event {event_id} claims to be in batch {row['batch']}, which the chain does not have.")
    try:
        return InclusionProof(event=event_of(row), place=row["place"], path=audit_path(digests, row["place"]), batch=batch_of(batch_row))
    except (IndexError, TypeError, ValueError, OverflowError, RecursionError):
        raise LedgerBroken(f"Event {event_id} of batch {row['batch']} does not hold: its row was altered.") from None


def check_proof(proof: InclusionProof, public_keys: PublicKeys) -> None:
    """Check a proof, without a database.

    Args:
        public_keys: the keys that may have signed, got from a source that the checker trusts.

    Raises:
        LedgerBroken: naming what does not hold.
    """
    check_batch(proof.batch, public_keys)
    try:
        digest = digest_of(proof.event)
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise LedgerBroken(f"Event {proof.event.id} has no digest: it holds what no event can hold.") from None
    if root_of_path(digest, proof.place, proof.batch.event_count, proof.path) != proof.batch.root:
        raise LedgerBroken(f"Event {proof.event.id} is not what stands at place {proof.place} of batch {proof.batch.number}.")

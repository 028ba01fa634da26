"""Whether the records of requests are what was recorded: each batch's rows against the root in its event, and one record proved alone."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import psycopg

from ondol.core.errors import Conflict, LedgerBroken, NotFound
from ondol.infrastructure.access.people import list_tenants
from ondol.infrastructure.gateway.records.audit import KIND
from ondol.infrastructure.gateway.records.lines import FORMS, canonical_form, line_digest, line_in, line_of, record_of
from ondol.infrastructure.ledger import InclusionProof, PublicKeys, check_proof, prove
from ondol.infrastructure.ledger.events import sound_event
from ondol.infrastructure.ledger.merkle import RootBuilder, audit_path, root_of_path
from ondol.infrastructure.ledger.types import Event
from ondol.infrastructure.storage.postgres import Connection, Database, load_queries, one, rows

EVENTS_PAGE = 500
ROWS_PAGE = 2_000
BATCH_ROWS_MAX = 1_000_000

_SQL = load_queries("ondol.infrastructure.gateway.records")
_NIL = uuid.UUID(int=0)


@dataclass(frozen=True, slots=True)
class RecordsVerification:
    """What a verification covered.

    Attributes:
        unbatched: records from before there were batches, about which the ledger says nothing.
    """

    batches: int
    records: int
    unbatched: int


@dataclass(frozen=True, slots=True)
class RecordProof:
    """Proves one record, without showing any other.

    Attributes:
        canonical: the canonical JSON of the record's columns, in the order of `lines.COLUMNS`.
        place: its leaf in the batch.
        path: the hashes beside its way to the batch's root.
        batch: that the batch's event, which holds the root, is sealed.
    """

    canonical: bytes
    place: int
    path: tuple[bytes, ...]
    batch: InclusionProof


async def verify_records(database: Database, *, tenant_id: uuid.UUID | None = None) -> RecordsVerification:
    """Check every batch of every tenant: that no record was changed, removed, added or moved. `ledger.verify` checks the events themselves.

    Memory is bounded by a page of rows. It may run while records are written.

    Args:
        tenant_id: look at this tenant only.

    Raises:
        LedgerBroken: naming the batch or the record and what does not hold.
    """
    batches = records = unbatched = 0
    for tenant in [tenant_id] if tenant_id is not None else [found.id for found in await list_tenants(database)]:
        async with aclosing(_events(database, tenant)) as events:
            async for event in events:
                records += await _check_batch(database, event)
                batches += 1
        async with database.tenant_tx(tenant) as connection:
            stray = await one(connection, _SQL["stray_record"], {"tenant_id": tenant})
            counted = await one(connection, _SQL["unbatched_records"], {"tenant_id": tenant})
        if stray is not None:
            raise LedgerBroken(f"Record {stray['id']} claims to be in batch {stray['batch_id']}, which does not have it.")
        unbatched += (counted or {})["counted"]
    return RecordsVerification(batches, records, unbatched)


async def prove_record(database: Database, tenant_id: uuid.UUID, request_id: uuid.UUID) -> RecordProof:
    """The proof that a request's record is what was recorded. `check_record_proof` says whether it holds.

    Raises:
        NotFound: when the tenant has no such record.
        Conflict: when its batch is not sealed yet, or it is from before there were batches.
        LedgerBroken: when it cannot be read as one any more.
    """
    async with database.tenant_tx(tenant_id) as connection:
        row = await one(connection, _SQL["request_by_id"], {"id": request_id})
    if row is None:
        raise NotFound("There is no such request.", param="request_id")
    if row["batch_id"] is None:
        raise Conflict("The request was recorded before there were batches.", code="not_sealed")
    proof = await prove(database, tenant_id, row["batch_id"])
    digests = [digest async for _, digest in _digests(database, proof.event)]
    try:
        line = line_in(line_of(record_of(row)), _form(proof.event))
        return RecordProof(canonical_form(line), row["batch_place"], audit_path(digests, row["batch_place"]), proof)
    except (AttributeError, IndexError, TypeError, ValueError):
        raise _altered(row) from None


def check_record_proof(proof: RecordProof, public_keys: PublicKeys) -> None:
    """Check a proof, without a database.

    Raises:
        LedgerBroken: naming what does not hold.
    """
    check_proof(proof.batch, public_keys)
    event = proof.batch.event
    line = proof.canonical[2:-2].replace(b'","', b"\t")
    if canonical_form(line) != proof.canonical or event.kind != KIND or event.body.get("form") not in FORMS:
        raise LedgerBroken("The proof is none of a request's record.")
    if root_of_path(line_digest(line), proof.place, int(event.body["count"]), proof.path) != bytes.fromhex(str(event.body["root"])):
        raise LedgerBroken(f"The record is not what stands at place {proof.place} of batch {event.id}.")


async def _check_batch(database: Database, event: Event) -> int:
    """Check one batch, and how many records it has."""
    try:
        count, root = int(event.body["count"]), bytes.fromhex(event.body["root"])
        _bounds(event)
    except (KeyError, TypeError, ValueError):
        raise LedgerBroken(f"Event {event.id} is none of a batch of records.") from None
    builder = RootBuilder()
    async for row, digest in _digests(database, event):
        if row["batch_place"] != builder.count:
            raise LedgerBroken(f"The record at place {builder.count} of batch {event.id} is missing or stands elsewhere.")
        builder.add(digest)
    if builder.count != count:
        raise LedgerBroken(f"Batch {event.id} has {builder.count} of its {count} records.")
    if builder.root() != root:
        raise LedgerBroken(f"The root of batch {event.id} does not hold: a record of it was altered.")
    return count


async def _digests(database: Database, batch: Event) -> AsyncGenerator[tuple[Mapping[str, Any], bytes], None]:
    """The rows of a batch with the digests of their lines, in order."""
    form, (first, last) = _form(batch), _bounds(batch)
    after = uuid.UUID(int=max(0, first.int - 1))
    for _ in range(BATCH_ROWS_MAX // ROWS_PAGE):
        values: dict[str, object] = {"tenant_id": batch.tenant_id, "batch_id": batch.id, "after": after, "last": last, "limit": ROWS_PAGE}
        try:
            async with database.tenant_tx(batch.tenant_id) as connection:
                page = await rows(connection, _SQL["batch_rows"], values)
        except psycopg.DataError:
            raise LedgerBroken(f"A record of batch {batch.id} holds what no record can hold: it was altered.") from None
        for row in page:
            try:
                digest = line_digest(line_in(line_of(record_of(row)), form))
            except (AttributeError, TypeError, ValueError, OverflowError):
                raise _altered(row) from None
            yield row, digest
        if len(page) < ROWS_PAGE:
            return
        after = page[-1]["id"]


async def _events(database: Database, tenant_id: uuid.UUID) -> AsyncGenerator[Event, None]:
    after = _NIL
    while True:
        async with database.tenant_tx(tenant_id) as connection:
            page = await _page(connection, tenant_id, after)
        for row in page:
            event = sound_event(row)
            if event is None:
                raise LedgerBroken(f"The digest of event {row['id']} does not hold: its row was altered.")
            yield event
        if len(page) < EVENTS_PAGE:
            return
        after = page[-1]["id"]


async def _page(connection: Connection, tenant_id: uuid.UUID, after: uuid.UUID) -> list[dict[str, Any]]:
    return await rows(connection, _SQL["recorded_batches"], {"tenant_id": tenant_id, "after": after, "limit": EVENTS_PAGE})


def _form(batch: Event) -> str:
    form = str(batch.body.get("form"))
    if form not in FORMS:
        raise LedgerBroken(f"Batch {batch.id} has the form {form}, which this version does not know.", "Use a newer version.")
    return form


def _bounds(event: Event) -> tuple[uuid.UUID, uuid.UUID]:
    return uuid.UUID(str(event.body["first"])), uuid.UUID(str(event.body["last"]))


def _altered(row: Mapping[str, Any]) -> LedgerBroken:
    return LedgerBroken(f"Record {row['id']} holds what no record can hold: it was altered.")

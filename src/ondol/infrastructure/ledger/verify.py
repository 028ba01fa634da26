"""Verification: everything that the ledger says is computed again, from the rows alone, in bounded memory.

What it can find by itself is every change inside the chain. That the newest batches were cut off, or taken back and sealed anew by an
installation that still holds its key, shows only against a head that somebody remembered outside: pass it as `expected_head`.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import DictRow

from ondol.core.errors import LedgerBroken
from ondol.infrastructure.ledger.chain import GENESIS_DIGEST, NIL_ID, batch_of, check_batch
from ondol.infrastructure.ledger.events import sound_event
from ondol.infrastructure.ledger.merkle import merkle_root
from ondol.infrastructure.ledger.sealer import chain_head, unsealed
from ondol.infrastructure.ledger.types import Event, Head, PublicKeys, SealedBatch, Verification
from ondol.infrastructure.storage.postgres import Database, load_queries, one, rows

EVENTS_PAGE = 1000
BATCHES_PAGE = 500

_SQL = load_queries("ondol.infrastructure.ledger")
_INT32_MIN = -(2**31)
_INT64_MIN = -(2**63)


@dataclass(slots=True)
class _Tally:
    """The figures of a verification while it runs."""

    tenant_id: uuid.UUID | None
    events: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None

    def add(self, event: Event) -> None:
        if self.tenant_id not in (None, event.tenant_id):
            return
        self.events += 1
        self.first_at = event.created_at if self.first_at is None else min(self.first_at, event.created_at)
        self.last_at = event.created_at if self.last_at is None else max(self.last_at, event.created_at)


async def verify(
    database: Database, public_keys: PublicKeys, *, tenant_id: uuid.UUID | None = None, expected_head: Head | None = None
) -> Verification:
    """Check the whole chain: numbers without gaps, digests, links, signatures, roots, and each event's digest and place.

    Memory is bounded by a page of events and one batch's digests. It may run beside the sealer: it covers the batches that were
    there when it began.

    Args:
        public_keys: all keys that may have signed; see `read_public_keys`.
        tenant_id: give the figures of this tenant. Everything is checked all the same, since a root is over all tenants.
        expected_head: number and digest of a batch that was seen before and must still be there.

    Raises:
        LedgerBroken: naming the batch or event and what does not hold.
    """
    head = await chain_head(database)
    tally = _Tally(tenant_id)
    last_number = head[0] if head else 0
    previous = GENESIS_DIGEST
    number = 0
    async with aclosing(_batches(database, last_number)) as batches, aclosing(_events(database, last_number)) as events:
        async for row in batches:
            number += 1
            batch = batch_of(row)
            _check_link(batch, number, previous)
            check_batch(batch, public_keys)
            await _check_events(batch, events, tally)
            if expected_head is not None and number == expected_head[0]:
                _check_remembered(batch, expected_head)
            previous = batch.digest
        _refuse_extra(await anext(events, None))
    if number < last_number:
        raise LedgerBroken(f"Batch {number + 1} is missing.")
    if expected_head is not None and number < expected_head[0]:
        raise LedgerBroken(f"The chain ends at batch {number}, but batch {expected_head[0]} was there before: its end was cut off.")
    await _refuse_stray(database, last_number)
    return Verification(
        batches=number,
        events=tally.events,
        first_at=tally.first_at,
        last_at=tally.last_at,
        head=head,
        unsealed=await unsealed(database, tenant_id=tenant_id),
    )


def _check_link(batch: SealedBatch, number: int, previous: bytes) -> None:
    if batch.number != number:
        raise LedgerBroken(f"Batch {number} is missing: batch {batch.number} comes in its place.")
    if batch.previous_digest != previous:
        raise LedgerBroken(f"Batch {number} does not continue the batch before it.")


def _check_remembered(batch: SealedBatch, expected_head: Head) -> None:
    if batch.digest != expected_head[1]:
        raise LedgerBroken(f"Batch {batch.number} is another than the one that was there before: the chain was written anew.")


async def _check_events(batch: SealedBatch, events: AsyncIterator[DictRow], tally: _Tally) -> None:
    """Take exactly the events of one batch and check each of them, and the root over all."""
    digests: list[bytes] = []
    for place in range(batch.event_count):
        row = await anext(events, None)
        if row is None or row["batch"] != batch.number or row["place"] != place:
            if row is not None and row["batch"] < batch.number:
                _refuse_extra(row)
            raise LedgerBroken(f"The event at place {place} of batch {batch.number} is missing or stands elsewhere.")
        event = sound_event(row)
        if event is None:
            raise LedgerBroken(f"The digest of event {row['id']} at place {place} of batch {batch.number} does not hold: its row was altered.")
        digests.append(row["digest"])
        tally.add(event)
    if merkle_root(digests) != batch.root:
        raise LedgerBroken(f"The root of batch {batch.number} does not hold: its events are not the ones that were sealed.")


def _refuse_extra(row: DictRow | None) -> None:
    if row is not None:
        raise LedgerBroken(f"Event {row['id']} claims place {row['place']} of batch {row['batch']}, which does not have it.")


async def _refuse_stray(database: Database, last: int) -> None:
    async with database.system_tx() as connection:
        stray = await one(connection, _SQL["stray_event"], {"last": last})
    if stray is not None:
        raise LedgerBroken(f"Event {stray['id']} claims to be in batch {stray['batch']}, which the chain does not have.")


async def _batches(database: Database, last: int) -> AsyncGenerator[DictRow, None]:
    """The chain's rows up to a number, a page and a short transaction at a time: what is sealed never changes."""
    after = _INT64_MIN
    while True:
        async with database.system_tx() as connection:
            page = await rows(connection, _SQL["batches_after"], {"after": after, "last": last, "limit": BATCHES_PAGE})
        for row in page:
            yield row
        if len(page) < BATCHES_PAGE:
            return
        after = page[-1]["number"]


async def _events(database: Database, last: int) -> AsyncGenerator[DictRow, None]:
    """The sealed events up to a batch, in order of batch and place, from the smallest numbers that could be written."""
    after = {"after_batch": _INT64_MIN, "after_place": _INT32_MIN, "after_id": NIL_ID, "after_tenant_id": NIL_ID}
    while True:
        async with database.system_tx() as connection:
            page = await rows(connection, _SQL["sealed_events_after"], {**after, "last": last, "limit": EVENTS_PAGE})
        for row in page:
            yield row
        if len(page) < EVENTS_PAGE:
            return
        row = page[-1]
        after = {"after_batch": row["batch"], "after_place": row["place"], "after_id": row["id"], "after_tenant_id": row["tenant_id"]}

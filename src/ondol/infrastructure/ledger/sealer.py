"""The sealer: puts events into signed batches, about once a second, by one process of the whole installation at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from datetime import datetime

from psycopg.rows import DictRow

from ondol.core.clock import Clock
from ondol.core.errors import LedgerBroken
from ondol.infrastructure.ledger.chain import BATCH_EVENTS_MAX, GENESIS_DIGEST, NIL_ID, sign_batch
from ondol.infrastructure.ledger.events import sound_event
from ondol.infrastructure.ledger.merkle import merkle_root
from ondol.infrastructure.ledger.signing import LedgerSigner
from ondol.infrastructure.ledger.types import Head, SealedBatch, Unsealed
from ondol.infrastructure.storage.postgres import Connection, Database, load_queries, one, rows

SEALER_LOCK = 0x0D01_0002
BATCH_EVENTS_DEFAULT = 1000
UNSOUND_PAGES_MAX = 10
UNSEALED_COUNT_MAX = 100_000
RETRY_INTERVAL_S_MAX = 30.0

_SQL = load_queries("ondol.infrastructure.ledger")
_log = logging.getLogger(__name__)


async def seal_once(database: Database, signer: LedgerSigner, now: datetime, *, batch_max: int = BATCH_EVENTS_DEFAULT) -> SealedBatch | None:
    """Seal the oldest waiting events as the next batch of the chain, in one transaction.

    Events are taken by being unsealed, not by their time, so one whose transaction ends late is in a later batch and never missed.
    An event whose own digest does not hold is left waiting and logged: sealing it would break the chain for good.

    Args:
        signer: signs the batch.
        now: the time of sealing, aware.
        batch_max: most events of the batch, at most `BATCH_EVENTS_MAX`.

    Returns:
        The batch, or None when nothing waits or another sealer is at work.

    Raises:
        ValueError: for a `batch_max` out of range.
        LedgerBroken: when an event vanished while it was sealed; nothing is sealed then.
    """
    if not 1 <= batch_max <= BATCH_EVENTS_MAX:
        raise ValueError(f"a batch has 1 to {BATCH_EVENTS_MAX:,} events, not {batch_max}")
    async with database.system_tx() as connection:
        lock = await one(connection, _SQL["take_sealer_lock"], {"lock": SEALER_LOCK})
        if lock is None or not lock["taken"]:
            return None
        events = await _waiting_events(connection, batch_max)
        if not events:
            return None
        last = await one(connection, _SQL["last_batch"], {})
        batch = sign_batch(
            signer,
            number=last["number"] + 1 if last else 1,
            event_count=len(events),
            root=merkle_root([event["digest"] for event in events]),
            previous_digest=last["digest"] if last else GENESIS_DIGEST,
            sealed_at=now,
        )
        await _write(connection, batch, events)
        return batch


async def run_sealer(
    database: Database,
    signer: LedgerSigner,
    clock: Clock,
    stop: asyncio.Event,
    interval_s: float = 1.0,
    *,
    batch_max: int = BATCH_EVENTS_DEFAULT,
) -> None:
    """Seal about once every interval until `stop` is set, and without a pause while full batches come.

    An error is logged and tried again after a pause that doubles up to `RETRY_INTERVAL_S_MAX`.
    """
    pause_s = interval_s
    while not stop.is_set():
        try:
            batch = await seal_once(database, signer, clock(), batch_max=batch_max)
        except Exception:
            # The boundary of a job: whatever failed, events wait safely and the next round may succeed.
            _log.exception("ledger sealing failed", extra={"retry_s": pause_s})
            await _pause(stop, pause_s)
            pause_s = min(pause_s * 2, RETRY_INTERVAL_S_MAX)
            continue
        pause_s = interval_s
        if batch is None or batch.event_count < batch_max:
            await _pause(stop, interval_s)


async def unsealed(database: Database, *, tenant_id: uuid.UUID | None = None) -> Unsealed:
    """How many events wait and since when; the count stops at `UNSEALED_COUNT_MAX`.

    Args:
        tenant_id: count those of this tenant only.
    """
    limit: dict[str, object] = {"limit": UNSEALED_COUNT_MAX}
    if tenant_id is None:
        async with database.system_tx() as connection:
            found = await one(connection, _SQL["unsealed"], limit)
    else:
        async with database.tenant_tx(tenant_id) as connection:
            found = await one(connection, _SQL["unsealed_of_tenant"], {**limit, "tenant_id": tenant_id})
    return Unsealed(count=found["waiting"], oldest_at=found["oldest_at"]) if found else Unsealed(count=0, oldest_at=None)


async def chain_head(database: Database) -> Head | None:
    """Number and digest of the last batch, to be remembered outside of the database; None while there is none."""
    async with database.system_tx() as connection:
        last = await one(connection, _SQL["last_batch"], {})
    return (last["number"], last["digest"]) if last else None


async def _waiting_events(connection: Connection, batch_max: int) -> list[DictRow]:
    """The next events whose digest holds. Pages without a single one are passed over, so that they cannot block those behind them."""
    after_id, after_tenant_id = NIL_ID, NIL_ID
    for _ in range(UNSOUND_PAGES_MAX):
        page = await rows(connection, _SQL["waiting_events"], {"after_id": after_id, "after_tenant_id": after_tenant_id, "limit": batch_max})
        sound = [row for row in page if sound_event(row) is not None]
        if len(sound) < len(page):
            _log.error("ledger events left unsealed: digest does not hold", extra={"event_count": len(page) - len(sound)})
        if sound or len(page) < batch_max:
            return sound
        after_id, after_tenant_id = page[-1]["id"], page[-1]["tenant_id"]
    return []


async def _write(connection: Connection, batch: SealedBatch, events: list[DictRow]) -> None:
    await connection.execute(
        _SQL["insert_batch"],
        {
            "number": batch.number,
            "event_count": batch.event_count,
            "root": batch.root,
            "previous_digest": batch.previous_digest,
            "digest": batch.digest,
            "signature": batch.signature,
            "signer": batch.signer,
            "sealed_at": batch.sealed_at,
        },
    )
    ids = [event["id"] for event in events]
    placed = await connection.execute(
        _SQL["place_events"],
        {
            "batch": batch.number,
            "tenant_ids": [event["tenant_id"] for event in events],
            "ids": ids,
            "first_id": ids[0],
            "last_id": ids[-1],
        },
    )
    if placed.rowcount != batch.event_count:
        raise LedgerBroken(f"Batch {batch.number} was to seal {batch.event_count} events and found {placed.rowcount}; nothing is sealed.")


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)

from __future__ import annotations

import asyncio
import logging
import random
import time
import uuid
from datetime import datetime

import psycopg
import pytest
from psycopg.rows import DictRow

from ondol.core.errors import LedgerBroken
from ondol.infrastructure.ledger import LedgerSigner, PublicKeys, SealedBatch, Unsealed, chain_head, record, run_sealer, seal_once, unsealed, verify
from ondol.infrastructure.ledger.chain import BATCH_EVENTS_MAX, GENESIS_DIGEST
from ondol.infrastructure.ledger.sealer import SEALER_LOCK
from ondol.infrastructure.storage.postgres import Connection, Database, DatabaseAddresses, DatabaseAway, rows

pytestmark = pytest.mark.anyio

Owner = psycopg.AsyncConnection[DictRow]
Tenants = tuple[uuid.UUID, uuid.UUID]


async def write(database: Database, tenant_id: uuid.UUID, count: int, now: datetime) -> list[uuid.UUID]:
    async with database.tenant_tx(tenant_id) as connection, connection.pipeline():
        return [await record(connection, tenant_id, kind="a", actor_id=None, body={"n": number}, now=now) for number in range(count)]


async def placed(connection: Connection) -> list[DictRow]:
    return await rows(connection, "select id, batch, place from ledger_events order by batch, place", {})


async def test_a_batch_holds_the_events_of_all_tenants_in_order_of_id(
    database: Database, tenant_ids: Tenants, signer: LedgerSigner, public_keys: PublicKeys, now: datetime
) -> None:
    ids = [*await write(database, tenant_ids[0], 2, now), *await write(database, tenant_ids[1], 2, now)]
    assert await unsealed(database) == Unsealed(count=4, oldest_at=now)
    assert await unsealed(database, tenant_id=tenant_ids[0]) == Unsealed(count=2, oldest_at=now)
    first = await seal_once(database, signer, now, batch_max=3)
    second = await seal_once(database, signer, now, batch_max=3)
    assert first is not None
    assert second is not None
    assert (first.number, first.event_count, first.previous_digest, first.signer) == (1, 3, GENESIS_DIGEST, signer.key_id)
    assert (second.number, second.event_count, second.previous_digest) == (2, 1, first.digest)
    assert await seal_once(database, signer, now) is None
    assert await unsealed(database) == Unsealed(count=0, oldest_at=None)
    assert await chain_head(database) == second.head
    ordered = sorted(ids)
    async with database.system_tx() as connection:
        assert [tuple(row.values()) for row in await placed(connection)] == [
            (ordered[0], 1, 0),
            (ordered[1], 1, 1),
            (ordered[2], 1, 2),
            (ordered[3], 2, 0),
        ]
    assert (await verify(database, public_keys)).events == 4


async def test_nothing_to_seal_makes_no_batch(database: Database, signer: LedgerSigner, now: datetime) -> None:
    assert await seal_once(database, signer, now) is None
    assert await chain_head(database) is None


@pytest.mark.parametrize("batch_max", [0, BATCH_EVENTS_MAX + 1])
async def test_the_size_of_a_batch_has_limits(database: Database, signer: LedgerSigner, now: datetime, batch_max: int) -> None:
    with pytest.raises(ValueError, match="1 to 10,000"):
        await seal_once(database, signer, now, batch_max=batch_max)


async def test_a_second_sealer_turns_away_at_once(database: Database, tenant_ids: Tenants, signer: LedgerSigner, now: datetime) -> None:
    await write(database, tenant_ids[0], 1, now)
    async with database.system_tx() as first:
        await first.execute("select pg_advisory_xact_lock(%s)", (SEALER_LOCK,))
        assert await asyncio.wait_for(seal_once(database, signer, now), 5) is None
    assert await seal_once(database, signer, now) is not None


@pytest.mark.parametrize("seed", range(4))
async def test_every_event_is_sealed_once_whatever_the_order_of_commits(
    addresses: DatabaseAddresses, tenant_ids: Tenants, signer: LedgerSigner, public_keys: PublicKeys, now: datetime, seed: int
) -> None:
    chance = random.Random(seed)
    database = Database(addresses, pool_max=14)
    kept: list[uuid.UUID] = []

    async def one_transaction(tenant_id: uuid.UUID, count: int, keep: bool, recorded: asyncio.Event, go: asyncio.Event) -> None:
        try:
            async with database.tenant_tx(tenant_id) as connection:
                ids = [await record(connection, tenant_id, kind="a", actor_id=None, body={"n": n}, now=now) for n in range(count)]
                recorded.set()
                await go.wait()
                if not keep:
                    raise InterruptedError
        except InterruptedError:
            return
        kept.extend(ids)

    stop = asyncio.Event()
    sealing = asyncio.create_task(run_sealer(database, signer, lambda: now, stop, 0.001, batch_max=3))
    for _ in range(3):
        waves = [(asyncio.Event(), asyncio.Event()) for _ in range(10)]
        tasks = [
            asyncio.create_task(one_transaction(chance.choice(tenant_ids), chance.randint(1, 4), chance.random() < 0.85, recorded, go))
            for recorded, go in waves
        ]
        await asyncio.gather(*(recorded.wait() for recorded, _ in waves))
        order = list(range(10))
        chance.shuffle(order)
        for index in order:
            waves[index][1].set()
            if chance.random() < 0.7:
                await tasks[index]
                await asyncio.gather(seal_once(database, signer, now, batch_max=2), seal_once(database, signer, now, batch_max=5))
        await asyncio.gather(*tasks)
    stop.set()
    await sealing
    while await seal_once(database, signer, now) is not None:
        pass

    async with database.system_tx() as connection:
        found = await placed(connection)
        batches = await rows(connection, "select number, event_count from ledger_batches order by number", {})
    assert sorted(row["id"] for row in found) == sorted(kept)
    assert [(row["batch"], row["place"]) for row in found] == [(b["number"], place) for b in batches for place in range(b["event_count"])]
    assert [b["number"] for b in batches] == list(range(1, len(batches) + 1))
    verified = await verify(database, public_keys)
    assert (verified.batches, verified.events, verified.unsealed.count) == (len(batches), len(kept), 0)
    in_order_of_place = [row["id"] for row in found]
    assert in_order_of_place != sorted(in_order_of_place), "no transaction committed out of order: the test shows nothing"
    await database.close()


KILLERS = {
    "raised": "raise exception 'no'",
    "killed": "perform pg_terminate_backend(pg_backend_pid())",
}


@pytest.mark.parametrize("how", sorted(KILLERS))
@pytest.mark.parametrize("step", ["before insert on ledger_batches", "after insert on ledger_batches", "after update on ledger_events"])
async def test_a_sealer_that_dies_leaves_nothing_half_sealed(
    database: Database, tenant_ids: Tenants, owner: Owner, signer: LedgerSigner, public_keys: PublicKeys, now: datetime, how: str, step: str
) -> None:
    await write(database, tenant_ids[0], 2, now)
    before = await seal_once(database, signer, now)
    await write(database, tenant_ids[0], 3, now)
    await owner.execute(f"create function die() returns trigger language plpgsql as $$ begin {KILLERS[how]}; return new; end $$")
    await owner.execute(f"create trigger die {step} for each statement execute function die()")
    with pytest.raises((psycopg.Error, DatabaseAway)):
        await seal_once(database, signer, now)
    assert before is not None
    assert await chain_head(database) == before.head
    verified = await verify(database, public_keys)
    assert (verified.batches, verified.events, verified.unsealed.count) == (1, 2, 3)
    await owner.execute("drop function die cascade")
    after = await seal_once(database, signer, now)
    assert after is not None
    assert (after.number, after.event_count, after.previous_digest) == (2, 3, before.digest)


async def test_an_event_that_cannot_be_placed_stops_its_batch(
    database: Database, tenant_ids: Tenants, owner: Owner, signer: LedgerSigner, now: datetime
) -> None:
    ids = await write(database, tenant_ids[0], 3, now)
    await owner.execute("create function skip() returns trigger language plpgsql as $$ begin return null; end $$")
    await owner.execute(f"create trigger skip before update on ledger_events for each row when (old.id = '{ids[1]}') execute function skip()")
    with pytest.raises(LedgerBroken, match="3 events and found 2"):
        await seal_once(database, signer, now)
    assert (await chain_head(database), (await unsealed(database)).count) == (None, 3)


async def test_an_error_while_signing_leaves_nothing_half_sealed(
    database: Database, tenant_ids: Tenants, signer: LedgerSigner, public_keys: PublicKeys, now: datetime
) -> None:
    await write(database, tenant_ids[0], 3, now)
    with pytest.raises(OSError, match="no key"):
        await seal_once(database, BrokenSigner(signer, failures=1), now)
    assert await chain_head(database) is None
    assert (await verify(database, public_keys)).unsealed.count == 3


class BrokenSigner(LedgerSigner):
    """A signer whose key is away for a while."""

    def __init__(self, signer: LedgerSigner, failures: int) -> None:
        object.__setattr__(self, "key_id", signer.key_id)
        object.__setattr__(self, "public_key", signer.public_key)
        object.__setattr__(self, "_private_key", signer._private_key)
        object.__setattr__(self, "failures", failures)

    def sign(self, purpose: str, message: bytes) -> bytes:
        failures: int = self.failures  # type: ignore[attr-defined]
        object.__setattr__(self, "failures", failures - 1)
        if failures > 0:
            raise OSError("no key")
        return super().sign(purpose, message)


async def test_an_event_whose_digest_does_not_hold_is_left_out_and_blocks_nobody(
    database: Database,
    tenant_ids: Tenants,
    owner: Owner,
    signer: LedgerSigner,
    public_keys: PublicKeys,
    now: datetime,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad = await write(database, tenant_ids[0], 3, now)
    await owner.execute("update ledger_events set kind = 'forged'")
    await write(database, tenant_ids[0], 2, now)
    with caplog.at_level(logging.ERROR):
        batch = await seal_once(database, signer, now, batch_max=3)
    assert batch is not None
    assert batch.event_count == 2
    assert [record_.message for record_ in caplog.records] == ["ledger events left unsealed: digest does not hold"]
    assert await seal_once(database, signer, now, batch_max=3) is None
    verified = await verify(database, public_keys)
    assert (verified.events, verified.unsealed.count) == (2, len(bad))


async def test_the_loop_drains_without_a_pause(database: Database, tenant_ids: Tenants, signer: LedgerSigner, now: datetime) -> None:
    await write(database, tenant_ids[0], 10, now)
    stop = asyncio.Event()
    rounds = 0

    def clock() -> datetime:
        nonlocal rounds
        rounds += 1
        if rounds == 4:
            stop.set()
        return now

    # With an hour between rounds only a loop that does not pause while it is behind ends in time.
    await asyncio.wait_for(run_sealer(database, signer, clock, stop, 3600.0, batch_max=3), 20)
    assert await chain_sizes(database) == [3, 3, 3, 1]


async def test_the_loop_goes_on_after_errors(
    database: Database, tenant_ids: Tenants, signer: LedgerSigner, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    await write(database, tenant_ids[0], 2, now)
    stop = asyncio.Event()
    rounds = 0

    def clock() -> datetime:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            stop.set()
        return now

    await asyncio.wait_for(run_sealer(database, BrokenSigner(signer, failures=2), clock, stop, 0.001), 20)
    assert await chain_sizes(database) == [2]
    assert [entry.message for entry in caplog.records] == ["ledger sealing failed"] * 2


async def test_the_loop_stops_at_once_while_it_waits(database: Database, signer: LedgerSigner, now: datetime) -> None:
    stop, looked = asyncio.Event(), asyncio.Event()

    def clock() -> datetime:
        looked.set()
        return now

    loop = asyncio.create_task(run_sealer(database, signer, clock, stop, 3600.0))
    await looked.wait()
    stop.set()
    await asyncio.wait_for(loop, 10)


async def chain_sizes(database: Database) -> list[int]:
    async with database.system_tx() as connection:
        return [row["event_count"] for row in await rows(connection, "select event_count from ledger_batches order by number", {})]


async def test_ten_thousand_events(
    database: Database, tenant_ids: Tenants, signer: LedgerSigner, public_keys: PublicKeys, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    started = time.perf_counter()
    for tenant_id in tenant_ids:
        await write(database, tenant_id, 5000, now)
    written = time.perf_counter()
    batches: list[SealedBatch] = []
    while (batch := await seal_once(database, signer, now)) is not None:
        batches.append(batch)
    sealed = time.perf_counter()
    verified = await verify(database, public_keys)
    checked = time.perf_counter()
    assert (verified.batches, verified.events) == (10, 10_000)
    with capsys.disabled():
        print(f"\n10,000 events: written {written - started:.2f} s, sealed {sealed - written:.2f} s, verified {checked - sealed:.2f} s")  # noqa: T201

"""Records reach Postgres in batches, and survive its absence."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable
from dataclasses import replace

import pytest
from psycopg.conninfo import make_conninfo

from ondol.core.clock import utc_now
from ondol.core.ids import new_id
from ondol.infrastructure.gateway import RequestRecord, RequestRecorder
from ondol.infrastructure.storage.postgres import Database, DatabaseAddresses, load_queries, rows

pytestmark = pytest.mark.anyio


def record_of(tenant_id: uuid.UUID, **changes: object) -> RequestRecord:
    record = RequestRecord(
        tenant_id=tenant_id,
        id=new_id(),
        person_id=new_id(),
        api_key_id=None,
        model="assistant/help",
        route="chat.completions",
        input_tokens=12,
        output_tokens=5,
        cost_nano=None,
        currency=None,
        duration_us=1_234,
        status=200,
        outcome="answered",
        created_at=utc_now(),
    )
    return replace(record, **changes)  # type: ignore[arg-type]


def by_id(records: Iterable[RequestRecord]) -> list[RequestRecord]:
    """Ids of one millisecond are in no order."""
    return sorted(records, key=lambda record: record.id)


async def kept(database: Database, tenant_id: uuid.UUID) -> list[RequestRecord]:
    async with database.tenant_tx(tenant_id) as connection:
        found = await rows(connection, "select * from requests order by id limit 1000", {})
    return [RequestRecord(**{**row, "guard_rules": tuple(row["guard_rules"] or ())}) for row in found]


async def test_records_of_several_tenants_are_kept_whole(database: Database) -> None:
    first, second = new_id(), new_id()
    records = [
        record_of(first),
        record_of(second, api_key_id=new_id(), cost_nano=7, currency="KRW"),
        record_of(first, outcome="caller_left", status=499),
        record_of(first, guard_policy=bytes(range(32)), guard_decision="block", guard_rules=("secrets.key", "injection")),
    ]
    recorder = RequestRecorder(database, write_every_s=3_600)
    async with recorder:
        for record in records:
            recorder.record(record)
    assert await kept(database, first) == by_id([records[0], records[2], records[3]])
    assert await kept(database, second) == [records[1]]
    assert (recorder.waiting, recorder.dropped) == (0, 0)


class TellingRecorder(RequestRecorder):
    """Tells when a round is over."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, write_every_s=0.01)
        self.round_over = asyncio.Event()

    async def flush(self) -> bool:
        written = await super().flush()
        self.round_over.set()
        return written


async def test_records_are_written_without_being_asked(database: Database) -> None:
    tenant_id = new_id()
    recorder = TellingRecorder(database)
    async with recorder:
        recorder.record(record_of(tenant_id))
        async with asyncio.timeout(10):
            await recorder.round_over.wait()
        assert len(await kept(database, tenant_id)) == 1


async def test_a_batch_that_is_written_twice_counts_once(database: Database) -> None:
    tenant_id = new_id()
    record = record_of(tenant_id)
    recorder = RequestRecorder(database)
    for _ in range(2):
        recorder.record(record)
        assert await recorder.flush()
    assert await kept(database, tenant_id) == [record]


async def test_records_wait_while_postgres_is_away(database: Database, addresses: DatabaseAddresses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ondol.infrastructure.storage.postgres.database.CONNECT_TIMEOUT_S", 0.3)
    tenant_id = new_id()
    nowhere = Database(replace(addresses, app=make_conninfo(addresses.app, host="127.0.0.1", hostaddr="127.0.0.1", port=1)))
    recorder = RequestRecorder(nowhere)
    records = [record_of(tenant_id) for _ in range(3)]
    for record in records:
        recorder.record(record)
    assert not await recorder.flush()
    assert recorder.waiting == 3
    recorder._database = database  # Postgres is back
    assert await recorder.flush()
    assert await kept(database, tenant_id) == by_id(records)
    await nowhere.close()


async def test_a_refused_record_does_not_take_the_others_with_it(database: Database) -> None:
    tenant_id = new_id()
    good = [record_of(tenant_id), record_of(tenant_id)]
    recorder = RequestRecorder(database)
    for record in (good[0], record_of(tenant_id, duration_us=-1), record_of(tenant_id, model="a\x00b"), good[1]):
        recorder.record(record)
    assert await recorder.flush()
    assert await kept(database, tenant_id) == by_id(good)
    assert (recorder.waiting, recorder.dropped) == (0, 2)


async def test_a_month_without_a_partition_keeps_its_records_and_no_others(database: Database) -> None:
    tenant_id = new_id()
    recorder = RequestRecorder(database)
    good = record_of(tenant_id)
    for record in (record_of(tenant_id, id=new_id(unix_ms=4_000_000_000_000)), good, record_of(tenant_id, duration_us=-1)):
        recorder.record(record)
    for _ in range(2):
        assert not await recorder.flush()
        assert (recorder.waiting, recorder.dropped) == (1, 1)
    assert await kept(database, tenant_id) == [good]


async def test_memory_is_bounded_and_losses_are_told(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    recorder = RequestRecorder(database, waiting_max=2, write_every_s=3_600)
    tenant_id = new_id()
    async with recorder:
        for _ in range(5):
            recorder.record(record_of(tenant_id))
        assert (recorder.waiting, recorder.dropped) == (2, 3)
    assert len(await kept(database, tenant_id)) == 2
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["request records dropped"]


async def test_a_cancelled_round_loses_nothing(database: Database) -> None:
    recorder = RequestRecorder(database)
    records = [record_of(new_id()) for _ in range(3)]
    for record in records:
        recorder.record(record)
    flushing = asyncio.create_task(recorder.flush())
    await asyncio.sleep(0)
    flushing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flushing
    late = record_of(new_id())
    recorder.record(late)
    assert recorder.waiting == 4
    assert await recorder.flush()
    for record in (*records, late):
        assert await kept(database, record.tenant_id) == [record]


def test_the_insert_names_every_field() -> None:
    sql = load_queries("ondol.infrastructure.gateway")["insert_request"]
    assert all(f"%({name})s::" in sql for name in RequestRecord.__dataclass_fields__)

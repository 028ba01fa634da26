"""Each record reaches Postgres once, whatever happens on the way.

Rules out of the field's defects: memory that grows while the flush of spend fails (1: LiteLLM #38193), and a database on the request's path or a
write for each request (9: LiteLLM #16582).
"""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from ondol.core.clock import utc_now
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import create_tenant, remove_tenant
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.gateway.records.drain import RecordDrain
from ondol.infrastructure.gateway.records.lines import line_of, record_of
from ondol.infrastructure.gateway.records.recorder import RequestRecorder
from ondol.infrastructure.storage.blobs import FileKeyProvider, KeyRing, open_store
from ondol.infrastructure.storage.postgres import Connection, Database, DatabaseAddresses, rows
from ondol.infrastructure.storage.spool import Spool, frame, segment_files
from ondol.infrastructure.storage.spool.segments import ASIDE_NAME
from tests.infrastructure.gateway.records.conftest import Ground
from tests.infrastructure.gateway.records.making import kept, kept_ids, make_record
from tests.infrastructure.gateway.records.test_lines import FULL, changes

pytestmark = pytest.mark.anyio


async def test_records_of_several_tenants_are_kept_whole(ground: Ground, database: Database, keyring: KeyRing, tenant: Tenant) -> None:
    other = await create_tenant(database, keyring, slug="other", name="Other", now=utc_now())
    full = {**FULL, "created_at": datetime(2026, 3, 4, tzinfo=UTC)}
    records = [make_record(tenant.id), make_record(other.id, **full), make_record(tenant.id, outcome="caller_left", status=499)]
    for record in records:
        ground.recorder.record(record)
    assert await ground.flush()
    assert await kept(database, tenant.id) == sorted((records[0], records[2]), key=lambda record: record.id)
    assert await kept(database, other.id) == [records[1]]
    assert (ground.drain.written, ground.recorder.dropped, segment_files(ground.folder)) == (3, 0, [])


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changed=st.lists(changes, min_size=1, max_size=30))
def test_whatever_a_line_holds_comes_back_from_postgres(
    changed: list[dict[str, Any]], module_addresses: DatabaseAddresses, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async def work() -> None:
        folder = tmp_path_factory.mktemp("ground")
        database = Database(module_addresses, pool_max=2)
        keyring = KeyRing(open_store(folder / "keyring"), FileKeyProvider.open_or_create(folder / "root.key"))
        tenant = await create_tenant(database, keyring, slug=f"t{new_id().hex}", name="T", now=utc_now())
        recorder = RequestRecorder(Spool(folder / "spool"))
        drain = RecordDrain(database, folder / "spool", utc_now)
        records = [make_record(tenant.id, **change) for change in changed]
        async with recorder:
            for record in records:
                recorder.record(record)
        assert await drain.flush()
        async with database.tenant_tx(tenant.id) as connection:
            found = [line_of(record_of(row)) for row in await rows(connection, "select * from requests order by id limit 1000", {})]
        assert found == sorted(map(line_of, records))
        await database.close()

    asyncio.run(work())


async def test_records_are_written_without_being_asked(database: Database, tenant: Tenant, tmp_path: Path) -> None:
    settled = asyncio.Event()

    async def settle(connection: Connection) -> None:
        settled.set()

    recorder = RequestRecorder(Spool(tmp_path), rotate_every_s=0.01)
    drain = RecordDrain(database, tmp_path, utc_now, held=recorder, round_every_s=0.01)
    drain._settle = settle
    async with drain, recorder:
        recorder.record(make_record(tenant.id))
        async with asyncio.timeout(10):
            await settled.wait()
        recorder.record(make_record(tenant.id))
    assert drain.written == 2
    assert len(await kept(database, tenant.id)) == 2


async def test_what_an_older_version_left_in_the_spool_is_kept(ground: Ground, database: Database, tenant: Tenant) -> None:
    records = [make_record(tenant.id), make_record(tenant.id, images=3)]
    ground.recorder.record(records[1])
    await ground.recorder.rotate()
    [(path, _)] = segment_files(ground.folder)
    path.write_bytes(path.read_bytes() + frame(b"\t".join(line_of(records[0]).split(b"\t")[:-3])))
    assert await ground.flush()
    assert await kept(database, tenant.id) == records


async def test_a_segment_that_is_drained_again_adds_nothing(ground: Ground, database: Database, tenant: Tenant) -> None:
    records = [make_record(tenant.id) for _ in range(5)]
    for record in records[:3]:
        ground.recorder.record(record)
    await ground.recorder.rotate()
    [(path, _)] = segment_files(ground.folder)
    written = path.read_bytes()
    assert await ground.drain.flush()
    # The process ended between the commit and the removal of the file; and one record stands there twice.
    path.write_bytes(written + frame(line_of(records[3])) * 2 + frame(line_of(records[4])))
    assert await ground.drain.flush()
    assert await kept_ids(database, tenant.id) == sorted(record.id for record in records)
    assert (ground.drain.written, ground.drain.repeated) == (5, 4)
    path.write_bytes(written)
    assert await ground.drain.flush()
    assert (ground.drain.written, ground.drain.repeated, segment_files(ground.folder)) == (5, 7, [])


async def test_records_wait_while_postgres_is_away(
    ground: Ground, database: Database, addresses: DatabaseAddresses, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ondol.infrastructure.storage.postgres.database.CONNECT_TIMEOUT_S", 0.3)
    nowhere = Database(replace(addresses, system=make_conninfo(addresses.system, host="127.0.0.1", hostaddr="127.0.0.1", port=1)))
    records = [make_record(tenant.id) for _ in range(3)]
    for record in records:
        ground.recorder.record(record)
    ground.drain._database = nowhere
    assert not await ground.flush()
    ground.drain._database = database  # Postgres is back
    assert await ground.flush()
    assert await kept_ids(database, tenant.id) == sorted(record.id for record in records)
    await nowhere.close()


async def test_a_locked_table_delays_and_loses_nothing(ground: Ground, addresses: DatabaseAddresses, database: Database, tenant: Tenant) -> None:
    impatient = Database(addresses, pool_max=1, statement_timeout_ms=200)
    ground.drain._database = impatient
    record = make_record(tenant.id)
    ground.recorder.record(record)
    with psycopg.connect(addresses.owner) as owner:
        owner.execute("lock table ondol.requests in access exclusive mode")
        assert not await ground.flush()
        ground.recorder.record(make_record(tenant.id))
    assert await ground.flush()
    assert len(await kept(database, tenant.id)) == 2
    await impatient.close()


async def test_a_refused_record_does_not_take_the_others_with_it(ground: Ground, database: Database, tenant: Tenant) -> None:
    good = [make_record(tenant.id) for _ in range(4)]
    for record in (good[0], good[1], make_record(tenant.id, guard_policy=b"short"), good[2], make_record(tenant.id, trace_id="é" * 32), good[3]):
        ground.recorder.record(record)
    await ground.recorder.rotate()
    [(path, _)] = segment_files(ground.folder)
    path.write_bytes(path.read_bytes() + frame(b"no record at all"))
    assert await ground.drain.flush()
    assert len(await kept(database, tenant.id)) == 5
    assert (ground.drain.refused, ground.drain.unreadable, ground.drain.written, segment_files(ground.folder)) == (1, 1, 5, [])
    assert (ground.folder / ASIDE_NAME).read_bytes().startswith(b"no record at all\n")


@pytest.mark.parametrize("moment_ms", [0, 946_684_800_000, 4_000_000_000_000])
async def test_a_clock_that_jumped_loses_nothing(moment_ms: int, ground: Ground, database: Database, tenant: Tenant) -> None:
    """A clock that is wrong gives ids of months that have no partition."""
    records = [make_record(tenant.id, id=new_id(unix_ms=moment_ms)), make_record(tenant.id)]
    for record in records:
        ground.recorder.record(record)
    assert await ground.flush()
    assert await kept_ids(database, tenant.id) == sorted(record.id for record in records)


async def test_a_month_whose_partition_is_missing_gets_one(ground: Ground, addresses: DatabaseAddresses, database: Database, tenant: Tenant) -> None:
    with psycopg.connect(addresses.owner) as owner:
        owner.execute(f"drop table ondol.requests_{utc_now():%Y%m}")
    record = make_record(tenant.id)
    ground.recorder.record(record)
    assert await ground.flush()
    assert await kept_ids(database, tenant.id) == [record.id]


async def test_records_of_a_removed_tenant_are_dropped_and_the_others_kept(
    ground: Ground, database: Database, keyring: KeyRing, tenant: Tenant
) -> None:
    gone = await create_tenant(database, keyring, slug="gone", name="Gone", now=utc_now())
    for tenant_id in (tenant.id, gone.id, tenant.id, gone.id):
        ground.recorder.record(make_record(tenant_id))
    await remove_tenant(database, keyring, gone.id)
    assert await ground.flush()
    assert (len(await kept(database, tenant.id)), await kept(database, gone.id)) == (2, [])
    assert (ground.drain.written, ground.drain.unowned, ground.drain.repeated) == (2, 2, 0)


async def test_a_damaged_byte_and_a_torn_end_cost_their_records_only(ground: Ground, database: Database, tenant: Tenant) -> None:
    records = [make_record(tenant.id) for _ in range(4)]
    for record in records:
        ground.recorder.record(record)
    await ground.recorder.rotate()
    [(path, _)] = segment_files(ground.folder)
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = lines[1][:100] + b"?" + lines[1][101:]
    path.write_bytes(lines[0] + damaged + lines[2] + lines[3][:50])
    assert await ground.drain.flush()
    assert await kept_ids(database, tenant.id) == sorted((records[0].id, records[2].id))
    assert (ground.drain.unreadable, ground.drain.written) == (2, 2)
    assert (ground.folder / ASIDE_NAME).read_bytes() == damaged + lines[3][:50] + b"\n"


@pytest.mark.parametrize("how", ["nothing", "half", "forever"])
async def test_a_full_disk_at_any_call_loses_no_record(how: str, database: Database, tenant: Tenant, tmp_path: Path) -> None:
    async def trial(fails_at: int, folder: Path) -> None:
        calls = 0

        def write(descriptor: int, data: bytes) -> int:
            nonlocal calls
            number, calls = calls, calls + 1
            if number == fails_at and how == "half":
                return os.write(descriptor, data[: len(data) // 2])
            if number == fails_at or (number > fails_at and how == "forever"):
                raise OSError(errno.ENOSPC, "no space left")
            return os.write(descriptor, data)

        recorder = RequestRecorder(Spool(folder, segment_bytes_max=1000, write=write))
        drain = RecordDrain(database, folder, utc_now, held=recorder)
        records = [make_record(tenant.id) for _ in range(6)]
        async with recorder:
            for number, record in enumerate(records):
                recorder.record(record)
                assert recorder.full == (number >= fails_at)
            assert recorder.held == (6 - fails_at if how == "forever" else 1)
            await recorder._round()
            assert recorder.full == (how == "forever")
        assert await drain.flush()
        assert {record.id for record in records} <= set(await kept_ids(database, tenant.id))
        assert (drain.written, recorder.dropped, recorder.held, drain.unreadable) == (6, 0, 0, 0)

    for fails_at in range(6):
        await trial(fails_at, tmp_path / str(fails_at))


async def test_memory_is_bounded_while_the_disk_takes_nothing(ground: Ground, tenant: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "no space left")

    record = make_record(tenant.id)
    recorder = RequestRecorder(Spool(ground.folder, write=refuse), held_bytes_max=3 * len(line_of(record)))
    for _ in range(5):
        recorder.record(record)
    await recorder._round()
    assert (recorder.held, recorder.dropped, recorder.full) == (3, 2, True)
    assert {record.message for record in caplog.records} == {"the spool takes no request records", "request records dropped"}


async def test_what_memory_holds_stays_there_while_postgres_is_away_too(ground: Ground, database: Database, tenant: Tenant) -> None:
    lines = [line_of(make_record(tenant.id)) for _ in range(3)]
    ground.recorder.give_back(lines)

    async def fail(connection: Connection) -> None:
        raise OSError("away")

    settle, ground.drain._settle = ground.drain._settle, fail
    assert not await ground.drain.flush()
    assert ground.recorder.take_held(10) == lines
    ground.recorder.give_back(lines)
    ground.drain._settle = settle
    assert await ground.drain.flush()
    assert len(await kept(database, tenant.id)) == 3


async def test_a_record_that_is_none_is_dropped_and_told(ground: Ground, tenant: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    ground.recorder.record(make_record(tenant.id, created_at="yesterday"))
    assert ground.recorder.dropped == 1
    assert [record.message for record in caplog.records] == ["request record refused"]


async def test_few_records_while_postgres_is_away_do_not_become_many_files(ground: Ground, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ondol.infrastructure.gateway.records.recorder.SMALL_SEGMENTS_MAX", 3)
    for _ in range(10):
        ground.recorder.record(make_record(tenant.id))
        await ground.recorder._round()
    assert len(segment_files(ground.folder)) == 4


async def test_what_is_settled_and_what_is_kept_come_together_or_not_at_all(ground: Ground, database: Database, tenant: Tenant) -> None:
    calls: list[Connection] = []

    async def settle(connection: Connection) -> None:
        calls.append(connection)
        found = await rows(connection, "select count(*) as counted from requests where id > '00000000-0000-0000-0000-000000000000'", {})
        assert found == [{"counted": 2}]
        if len(calls) == 1:
            raise OSError("away")

    ground.drain._settle = settle
    for _ in range(2):
        ground.recorder.record(make_record(tenant.id))
    assert not await ground.flush()
    assert await kept(database, tenant.id) == []
    assert await ground.flush()
    assert len(await kept(database, tenant.id)) == 2
    assert len(calls) == 2

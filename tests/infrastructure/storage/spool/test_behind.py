"""Rows reach Postgres in batches behind the request, and survive its absence."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from psycopg.conninfo import make_conninfo

from ondol.core.clock import utc_now
from ondol.core.errors import KeyDestroyed
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import create_tenant
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection, Database, DatabaseAddresses, rows
from ondol.infrastructure.storage.spool import WriteBehind

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Group:
    """A row of the table that these tests write."""

    tenant_id: uuid.UUID
    name: str
    id: uuid.UUID = field(default_factory=new_id)


async def write(connection: Connection, tenant_id: uuid.UUID, items: Sequence[Group]) -> None:
    for item in items:
        if item.name == "erased":
            raise KeyDestroyed("gone")
        if item.name == "broken":
            raise RuntimeError("a mistake of ours")
        values = (tenant_id, item.id, item.name, utc_now())
        await connection.execute("insert into groups values (%s, %s, %s, %s) on conflict (tenant_id, id) do nothing", values)


def behind(database: Database, **options: object) -> WriteBehind[Group]:
    chosen = {"waiting_max": 1000, "weight_max": 10_000, "write_every_s": 3_600, **options}
    return WriteBehind(database, "groups", write, lambda item: len(item.name), **chosen)  # type: ignore[arg-type]


async def kept(database: Database, tenant_id: uuid.UUID) -> list[str]:
    async with database.tenant_tx(tenant_id) as connection:
        return sorted(row["name"] for row in await rows(connection, "select name from groups limit 1000", {}))


async def test_rows_of_several_tenants_are_written_at_the_end(database: Database, keyring: KeyRing, tenant: Tenant) -> None:
    other = await create_tenant(database, keyring, slug="other", name="Other", now=utc_now())
    async with behind(database) as writing:
        for item in (Group(tenant.id, "a"), Group(other.id, "b"), Group(tenant.id, "c")):
            writing.add(item)
    assert (await kept(database, tenant.id), await kept(database, other.id)) == (["a", "c"], ["b"])
    assert (writing.waiting, writing.dropped) == (0, 0)


async def test_rows_are_written_without_being_asked(database: Database, tenant: Tenant) -> None:
    written = asyncio.Event()

    async def write_and_tell(connection: Connection, tenant_id: uuid.UUID, items: Sequence[Group]) -> None:
        await write(connection, tenant_id, items)
        written.set()

    options = {"waiting_max": 10, "weight_max": 100, "write_every_s": 0.01}
    async with WriteBehind(database, "groups", write_and_tell, lambda item: 1, **options) as writing:  # type: ignore[arg-type]
        writing.add(Group(tenant.id, "a"))
        async with asyncio.timeout(10):
            await written.wait()
        assert await writing.flush()
        assert await kept(database, tenant.id) == ["a"]


async def test_a_batch_that_is_written_twice_counts_once(database: Database, tenant: Tenant) -> None:
    writing = behind(database)
    item = Group(tenant.id, "a")
    for _ in range(2):
        writing.add(item)
        assert await writing.flush()
    assert await kept(database, tenant.id) == ["a"]


async def test_rows_wait_while_postgres_is_away(
    database: Database, addresses: DatabaseAddresses, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ondol.infrastructure.storage.postgres.database.CONNECT_TIMEOUT_S", 0.3)
    nowhere = Database(replace(addresses, app=make_conninfo(addresses.app, host="127.0.0.1", hostaddr="127.0.0.1", port=1)))
    writing = behind(nowhere)
    for name in "abc":
        writing.add(Group(tenant.id, name))
    assert not await writing.flush()
    assert writing.waiting == 3
    writing._database = database  # Postgres is back
    assert await writing.flush()
    assert await kept(database, tenant.id) == ["a", "b", "c"]
    await nowhere.close()


async def test_a_refused_row_does_not_take_the_others_with_it(database: Database, tenant: Tenant) -> None:
    writing = behind(database)
    for name in ("a", "b", "", "c", "erased", "x\x00y", "d", "a"):
        writing.add(Group(tenant.id, name))
    assert await writing.flush()
    assert await kept(database, tenant.id) == ["a", "b", "c", "d"]
    assert (writing.waiting, writing.dropped) == (0, 4)


async def test_a_mistake_of_ours_is_told_and_loses_nothing(database: Database, tenant: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    async with behind(database) as writing:
        writing.add(Group(tenant.id, "broken"))
        with pytest.raises(RuntimeError):
            await writing.flush()
        assert writing.waiting == 1
    assert writing.dropped == 1
    assert [record.message for record in caplog.records] == ["records cannot be written", "rows dropped"]


async def test_memory_is_bounded_and_losses_are_told(database: Database, tenant: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    async with behind(database, waiting_max=3, weight_max=5) as writing:
        for name in ("aa", "bb", "cc", "d", "e"):
            writing.add(Group(tenant.id, name))
        assert (writing.waiting, writing.dropped) == (3, 2)
    assert await kept(database, tenant.id) == ["aa", "bb", "d"]
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["rows dropped"]


async def test_a_cancelled_round_loses_nothing(database: Database, tenant: Tenant) -> None:
    writing = behind(database)
    for name in "abc":
        writing.add(Group(tenant.id, name))
    flushing = asyncio.create_task(writing.flush())
    await asyncio.sleep(0)
    flushing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flushing
    writing.add(Group(tenant.id, "d"))
    assert writing.waiting == 4
    assert await writing.flush()
    assert await kept(database, tenant.id) == ["a", "b", "c", "d"]

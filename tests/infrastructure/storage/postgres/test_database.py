from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any, cast

import psycopg
import pytest

from ondol.core.ids import new_id
from ondol.infrastructure.storage.postgres import Database, DatabaseAddresses, DatabaseAway, one, rows
from ondol.infrastructure.storage.postgres import database as module

pytestmark = pytest.mark.anyio


async def test_the_app_role_sees_one_tenant_only(database: Database) -> None:
    first, second = new_id(), new_id()
    async with database.system_tx() as connection:
        for tenant_id, slug in ((first, "first"), (second, "second")):
            await connection.execute("insert into tenants (id, slug, name, created_at) values (%s, %s, %s, now())", (tenant_id, slug, slug))
    async with database.tenant_tx(first) as connection:
        assert await rows(connection, "select slug from tenants", {}) == [{"slug": "first"}]
    with pytest.raises(ZeroDivisionError):
        async with database.tenant_tx(first) as connection:
            await connection.execute("update tenants set name = 'changed'")
            raise ZeroDivisionError
    async with database.tenant_tx(first) as connection:
        assert await one(connection, "select name, current_setting('statement_timeout') as longest from tenants", {}) == {
            "name": "first",
            "longest": "30s",
        }


@pytest.fixture
async def small(module_addresses: DatabaseAddresses, anyio_backend: str) -> AsyncIterator[Database]:
    opened = Database(module_addresses, pool_max=2, statement_timeout_ms=100)
    yield opened
    await opened.close()


async def test_more_transactions_than_connections_take_turns(small: Database) -> None:
    async def process() -> int:
        async with small.system_tx() as connection:
            found = await one(connection, "select pg_backend_pid() as process", {})
            assert found is not None
            return cast("int", found["process"])

    assert len(set(await asyncio.gather(*(process() for _ in range(20))))) <= 2


async def test_a_statement_that_takes_too_long_is_ended_and_the_connection_goes_on(small: Database) -> None:
    with pytest.raises(psycopg.errors.QueryCanceled):
        async with small.system_tx() as connection:
            await connection.execute("select pg_sleep(5)")
    async with small.system_tx() as connection:
        assert await one(connection, "select 1 as one", {}) == {"one": 1}


async def test_no_free_connection_in_time_is_said(small: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async with small.system_tx(), small.system_tx():
        monkeypatch.setattr(module, "CONNECT_TIMEOUT_S", 0.05)
        with pytest.raises(DatabaseAway):
            async with small.system_tx():
                pass


async def test_a_broken_connection_is_told_and_the_next_one_works(small: Database, module_addresses: DatabaseAddresses) -> None:
    with pytest.raises(DatabaseAway):
        async with small.system_tx() as connection:
            process = connection.info.backend_pid
            with psycopg.connect(module_addresses.system, autocommit=True) as other:
                other.execute("select pg_terminate_backend(%s)", (process,))
            await connection.execute("select 1")
    async with small.system_tx() as connection:
        assert connection.info.backend_pid != process


async def test_connections_that_broke_while_nobody_used_them_are_replaced(small: Database, module_addresses: DatabaseAddresses) -> None:
    async with small.system_tx() as one_of_them, small.system_tx() as other:
        processes = [one_of_them.info.backend_pid, other.info.backend_pid]
    with psycopg.connect(module_addresses.system, autocommit=True) as killer:
        killer.execute("select pg_terminate_backend(process) from unnest(%s::int[]) as process", (processes,))
    async with small.system_tx() as first, small.system_tx() as second:
        assert not {first.info.backend_pid, second.info.backend_pid} & set(processes)


async def test_a_commit_that_did_not_arrive_is_told(small: Database, module_addresses: DatabaseAddresses) -> None:
    with pytest.raises(DatabaseAway):
        async with small.system_tx() as connection:
            await connection.execute("select 1")
            with psycopg.connect(module_addresses.system, autocommit=True) as killer:
                killer.execute("select pg_terminate_backend(%s)", (connection.info.backend_pid,))


async def test_nobody_there_is_away(anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT_TIMEOUT_S", 0.2)
    nowhere = "host=/nonexistent user=nobody password=x dbname=x"
    away = Database(DatabaseAddresses(nowhere, nowhere, nowhere))
    with pytest.raises(DatabaseAway):
        async with away.system_tx():
            pass
    with pytest.raises(DatabaseAway):
        async with away.writer_lock(new_id()):
            pass
    await away.close()


async def test_one_writer_at_a_time(small: Database) -> None:
    what, other = new_id(), new_id()
    async with small.writer_lock(what) as first:
        async with small.writer_lock(what) as second, small.writer_lock(other) as unrelated:
            assert (first, second, unrelated) == (True, False, True)
        async with small.writer_lock(what) as again:
            assert not again
    async with small.writer_lock(what) as after:
        assert after


HOLD = """
import asyncio, sys, uuid
from ondol.infrastructure.storage.postgres import Database, DatabaseAddresses

async def main():
    async with Database(DatabaseAddresses("", sys.argv[1], "")).writer_lock(uuid.UUID(sys.argv[2])) as free:
        print(free, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_the_lock_ends_with_the_process_that_holds_it(small: Database, module_addresses: DatabaseAddresses) -> None:
    what = new_id()
    holder = await asyncio.to_thread(
        subprocess.Popen, [sys.executable, "-c", HOLD, module_addresses.app, str(what)], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    try:
        assert holder.stdout is not None
        assert await asyncio.to_thread(holder.stdout.readline) == "True\n"
        async with small.writer_lock(what) as free:
            assert not free
        holder.send_signal(signal.SIGKILL)
        async with asyncio.timeout(10):
            while not await _is_free(small, what):  # noqa: ASYNC110 - what changes is in Postgres
                await asyncio.sleep(0)
    finally:
        holder.kill()
        holder.communicate()


async def _is_free(database: Database, what: Any) -> bool:
    async with database.writer_lock(what) as free:
        return free


async def test_a_pool_whose_opening_is_cancelled_leaves_nothing_behind(anyio_backend: str) -> None:
    came, over = asyncio.Event(), asyncio.Event()
    writers: list[asyncio.StreamWriter] = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        came.set()
        with contextlib.suppress(ConnectionError):
            while await reader.read(1000):
                pass
        over.set()

    before = asyncio.all_tasks()
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    address = f"host=127.0.0.1 port={server.sockets[0].getsockname()[1]} dbname=nothing"
    database = Database(DatabaseAddresses(owner=address, app=address, system=address))

    async def use() -> None:
        async with database.system_tx():
            raise AssertionError("nobody answers")

    using = asyncio.create_task(use())
    await came.wait()
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    left = {task for task in asyncio.all_tasks() - before if task.get_name().startswith("pool-")}
    for writer in writers:
        writer.transport.abort()
    await over.wait()
    server.close()
    await server.wait_closed()
    await database.close()
    pending = (await asyncio.wait(left, timeout=10))[1] if left else set()
    assert {task.get_name() for task in pending} == set(), "whoever still connects ends with its connection, nobody waits for ever"

"""Processes and servers die: what a caller was answered is recorded, and once."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import random
import signal
import tempfile
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from ondol.core.clock import utc_now
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import create_tenant
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.gateway.records.audit import KIND
from ondol.infrastructure.gateway.records.drain import RecordDrain
from ondol.infrastructure.gateway.records.recorder import RequestRecorder
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database, DatabaseAddresses, rows
from ondol.infrastructure.storage.postgres.embedded import EmbeddedPostgres
from ondol.infrastructure.storage.postgres.migrate import migrate
from ondol.infrastructure.storage.postgres.roles import addresses_from_owner
from ondol.infrastructure.storage.spool import Spool, segment_files
from tests.infrastructure.gateway.records.making import kept_ids, make_record
from tests.infrastructure.gateway.records.worker import serve

pytestmark = pytest.mark.anyio
KILLS = 20
CLIENTS = 4
AHEAD = 8
"""Requests that a client sends before it reads an answer."""


class Client:
    """Asks one worker until it dies, and remembers what was answered."""

    def __init__(self, socket: str) -> None:
        self.answered: list[uuid.UUID] = []
        self._socket = socket

    async def ask(self) -> None:
        reader, writer = await self._connected()
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"".join(new_id().hex.encode() + b"\n" for _ in range(AHEAD)))
                for _ in range(AHEAD):
                    line = await reader.readline()
                    if not line.endswith(b"\n"):
                        writer.close()
                        return
                    self.answered.append(uuid.UUID(line.decode().strip()))

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(60):
            while True:
                try:
                    return await asyncio.open_unix_connection(self._socket)
                except (FileNotFoundError, ConnectionRefusedError):  # the worker has not begun to listen
                    await asyncio.sleep(0.005)


async def events_of(database: Database, tenant_id: uuid.UUID) -> Counter[uuid.UUID]:
    """How many records each event of the ledger speaks of."""
    async with database.tenant_tx(tenant_id) as connection:
        found = await rows(connection, "select id, (body->>'count')::int as counted from ledger_events where kind = %(kind)s", {"kind": KIND})
    return Counter({row["id"]: row["counted"] for row in found})


async def places_of(database: Database, tenant_id: uuid.UUID) -> dict[uuid.UUID, list[int]]:
    """The places of the records of each batch."""
    found: dict[uuid.UUID, list[int]] = {}
    async with database.tenant_tx(tenant_id) as connection:
        for row in await rows(connection, "select batch_id, batch_place from requests order by batch_id, batch_place limit 1000000", {}):
            found.setdefault(row["batch_id"], []).append(row["batch_place"])
    return found


async def test_killed_workers_lose_nothing_of_what_was_answered_and_write_nothing_twice(
    database: Database, addresses: DatabaseAddresses, tenant: Tenant, tmp_path: Path
) -> None:
    """Two workers drain the same folder all the while, so kills meet every step of a drain too."""
    dice = random.Random(20261121)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([serve.__module__])
    folder = tmp_path / "spool"
    clients: list[Client] = []

    with tempfile.TemporaryDirectory(prefix="ondol-records-") as sockets:

        async def start(number: int) -> tuple[BaseProcess, asyncio.Task[None], list[Client]]:
            socket = f"{sockets}/{number}"
            process = context.Process(target=serve, args=(socket, str(folder), addresses, tenant.id), daemon=True)
            process.start()
            asking = [Client(socket) for _ in range(CLIENTS)]
            clients.extend(asking)
            return process, asyncio.ensure_future(_all(asking)), asking

        workers = [await start(0), await start(1)]
        for kill in range(KILLS):
            place = dice.randrange(2)
            process, task, asking = workers[place]
            enough = dice.randrange(20, 400)
            async with asyncio.timeout(60):
                while sum(len(client.answered) for client in asking) < enough:  # noqa: ASYNC110 - the clients are what is waited for
                    await asyncio.sleep(0.001)
            os.kill(process.pid or 0, signal.SIGKILL)
            await task
            process.join(10)
            if kill < KILLS - 2:
                workers[place] = await start(kill + 2)
            else:
                del workers[place]
                workers *= 2
        for process, task, _ in workers[:1]:
            process.kill()
            await task
            process.join(10)

    answered = {identifier for client in clients for identifier in client.answered}
    drain = RecordDrain(database, folder, utc_now)
    assert await drain.flush()
    kept = await kept_ids(database, tenant.id)
    assert answered <= set(kept)
    assert len(kept) >= len(answered) >= KILLS * 20
    assert (drain.unreadable, drain.refused, segment_files(folder)) == (0, 0, [])
    places = await places_of(database, tenant.id)
    assert places == {batch: list(range(count)) for batch, count in (await events_of(database, tenant.id)).items()}


async def _all(clients: list[Client]) -> None:
    await asyncio.gather(*(client.ask() for client in clients))


@pytest.fixture
async def own_server(tmp_path_factory: pytest.TempPathFactory, open_folder: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A server that may be killed."""
    place = open_folder / "killed"
    server = EmbeddedPostgres(place / "postgres", place / "postgres.secret", os_user=os.environ.get("ONDOL_DATABASE_OS_USER", "ondol"))
    await asyncio.to_thread(server.start)
    yield server
    await asyncio.to_thread(server.stop)


async def test_a_killed_postgres_delays_records_and_repeats_none(
    own_server: EmbeddedPostgres, keyring: KeyRing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ondol.infrastructure.storage.postgres.database.CONNECT_TIMEOUT_S", 1)
    addresses = addresses_from_owner(own_server.owner_address())
    await asyncio.to_thread(migrate, addresses)
    database = Database(addresses, pool_max=2)
    tenant = await create_tenant(database, keyring, slug="acme", name="Acme", now=utc_now())
    spool = Spool(tmp_path / "spool", segment_bytes_max=30_000)
    recorder = RequestRecorder(spool)
    drain = RecordDrain(database, spool.folder, utc_now, held=recorder, batch_max=50)
    records = [make_record(tenant.id) for _ in range(3_000)]
    for record in records:
        recorder.record(record)
    await recorder.rotate()
    flushing = asyncio.create_task(drain.flush())
    while drain.written < 500:  # noqa: ASYNC110 - in the middle of the drain
        await asyncio.sleep(0)
    assert own_server.process_id
    os.kill(own_server.process_id, signal.SIGKILL)
    assert not await flushing
    assert 500 <= drain.written < 3_000
    while own_server.is_alive():
        pass
    await asyncio.to_thread(own_server.start)
    async with asyncio.timeout(60):
        while not await drain.flush():  # the pool connects anew after a pause
            pass
    assert await kept_ids(database, tenant.id) == sorted(record.id for record in records)
    assert (await events_of(database, tenant.id)).total() == 3_000
    await database.close()
    spool.close()

"""The job worker reads what comes: woken by a notice, seeing over all tenants which files wait and nothing else of them."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from ondol.application.knowledge.attachments.reading import reading_of
from ondol.application.knowledge.attachments.store import find_file
from ondol.application.knowledge.documents.taking import run_takers
from tests.application.knowledge.attachments.conftest import LEASE, Files

pytestmark = pytest.mark.anyio
READ_WITHIN_S = 30


async def test_the_worker_reads_what_comes(files: Files) -> None:
    house = files.desk.house
    stop = asyncio.Event()
    working = asyncio.create_task(run_takers(house.platform.database, reading_of(files.room, lambda: files.limits), stop))
    try:
        sent = await files.send(LEASE)
        async with asyncio.timeout(READ_WITHIN_S):
            while True:
                async with house.platform.database.tenant_tx(house.tenant_id) as connection:
                    found = await find_file(connection, files.room.keyring, house.tenant_id, sent)
                if found.state != "received":
                    break
                await asyncio.sleep(0)
        assert (found.state, found.title, found.language) == ("ready", "Lease of the Harbour Street office", "en")
    finally:
        stop.set()
        await working


async def test_the_worker_sees_ids_of_what_waits_and_no_more(files: Files) -> None:
    sent = await files.send(LEASE)
    with psycopg.connect(files.desk.house.platform.database.addresses.system, autocommit=True) as system:
        assert system.execute("select id, state from ondol.attachments").fetchall() == [(sent, "received")]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            system.execute("select details_sealed from ondol.attachments")

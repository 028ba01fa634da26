from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from ondol.application.knowledge.documents import Told
from ondol.application.knowledge.documents.uploads import Reception, find_upload
from ondol.application.knowledge.store import ensure_base
from ondol.core.config import Settings
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import create_tenant
from ondol.infrastructure.jobs import create_job_app
from ondol.infrastructure.storage.blobs import KeyOwner
from ondol.infrastructure.storage.postgres import Connection, DatabaseAddresses
from ondol.wiring.jobs import register_tasks, run_worker
from ondol.wiring.platform import open_platform
from tests.application.conftest import SteppedClock

pytestmark = pytest.mark.anyio


async def test_the_worker_sweeps_every_tenant(addresses: DatabaseAddresses, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    settings = replace(settings, database=replace(settings.database, url=addresses.owner))
    clock = SteppedClock(datetime.now(UTC) + timedelta(days=2))
    async with open_platform(settings, clock=clock) as platform:
        app = create_job_app(addresses)
        register_tasks(app, platform)
        now_ms = int(clock().timestamp() * 1000)
        left: list[KeyOwner] = []
        for slug in ("acme", "other"):
            tenant = await create_tenant(platform.database, platform.keyring, slug=slug, name=slug, now=clock())
            left += [KeyOwner(tenant.id, "document", new_id(now_ms - hours * 3_600_000)) for hours in (25, 23)]
        for owner in left:
            platform.keyring.create(owner)
        await app.tasks["sweep_unnamed"](timestamp=0)
        assert [platform.keyring.exists(owner) for owner in left] == [False, True, False, True]


async def test_the_worker_takes_uploads_in_until_it_is_stopped(addresses: DatabaseAddresses, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    settings = replace(settings, database=replace(settings.database, url=addresses.owner))

    async def file() -> AsyncIterator[bytes]:
        yield b"# Beacon\n\nThe beacon is white."

    async def nothing(_: Connection, __: uuid.UUID, ___: bytes) -> None:
        return

    async with open_platform(settings) as platform:
        tenant = await create_tenant(platform.database, platform.keyring, slug="acme", name="Acme", now=platform.clock())
        async with platform.database.tenant_tx(tenant.id) as connection:
            base = await ensure_base(connection, tenant.id, "base", new_id(), platform.clock())
        stop = asyncio.Event()
        worker = asyncio.create_task(run_worker(platform, stop))
        reception = Reception(platform.knowledge, lambda: 1000)
        upload_id = await reception.receive(tenant.id, base.id, new_id(), Told("a.md"), file(), also=nothing)
        async with asyncio.timeout(60):
            ask = partial(find_upload, platform.knowledge, tenant.id, base.id, upload_id, None)
            while (found := await ask()).state == "received":  # noqa: ASYNC110 - what changes is in Postgres
                await asyncio.sleep(0.01)
        stop.set()
        await worker
    assert (found.state, found.failure, found.document_id is not None) == ("taken_in", None, True)

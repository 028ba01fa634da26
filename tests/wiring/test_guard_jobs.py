"""The job worker tells of incidents and removes what the guard keeps no longer."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ondol.core.config import AlarmSettings, GuardSettings, HttpSettings, Settings
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import create_tenant
from ondol.infrastructure.guard.incidents import Case, open_incident
from ondol.infrastructure.guard.vault import Vault
from ondol.infrastructure.jobs import create_job_app
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from ondol.wiring.jobs import register_tasks
from ondol.wiring.platform import open_platform
from tests.application.conftest import SteppedClock

pytestmark = pytest.mark.anyio


async def test_incidents_are_told_and_old_tokens_go(addresses: DatabaseAddresses, tmp_path: Path) -> None:
    bodies: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        bodies.append(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    alarms = AlarmSettings(webhook_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", webhook_private=True)
    settings = Settings(data_dir=tmp_path / "data", guard=GuardSettings(alarms=alarms), http=HttpSettings(public_url="https://ai.example.com"))
    settings = replace(settings, database=replace(settings.database, url=addresses.owner))
    clock = SteppedClock(datetime.now(UTC))
    async with server, open_platform(settings, clock=clock) as platform:
        app = create_job_app(addresses)
        register_tasks(app, platform)
        tenant = await create_tenant(platform.database, platform.keyring, slug="acme", name="Acme", now=clock())
        case = Case(tenant.id, "leaked", "output", bytes(32), ("secrets.key",), "sample", clock())
        async with platform.database.tenant_tx(tenant.id) as connection:
            incident_id, _ = await open_incident(connection, platform.keyring, case)
        vault = Vault(platform.database, platform.keyring, clock, kept=timedelta(hours=1))
        vault.keeper(tenant.id, None)("[PHONE_Tabcdefghijkl]", "PHONE", "010-1234-5678")
        assert await vault.writing.flush()
        for _ in range(2):
            await app.tasks["guard_alarms"](timestamp=0)
            await app.tasks["guard_care"](timestamp=0)
        assert [json.loads(body)["link"] for body in bodies] == [f"https://ai.example.com/api/v1/guard/incidents/{incident_id}"]
        assert await vault.look_up(tenant.id, new_id(), ["[PHONE_Tabcdefghijkl]"]) == {"[PHONE_Tabcdefghijkl]": "010-1234-5678"}
        clock.advance(hours=2)
        await app.tasks["guard_care"](timestamp=0)
        async with platform.database.tenant_tx(tenant.id) as connection:
            assert await (await connection.execute("select 1 from guard_tokens")).fetchall() == []

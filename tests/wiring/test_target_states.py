"""How the places that answer a tenant's models do, over the admin API of a worker that sends requests."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from ondol.infrastructure.access.keys import create_key
from ondol.infrastructure.access.people import NewPerson, add_person
from ondol.infrastructure.serving.routing.breaker import DEFAULT_BREAKER
from ondol.infrastructure.serving.scripted import Reply
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from ondol.wiring.admin import admin_application
from ondol.wiring.gateway import targets_seen
from tests.infrastructure.gateway.ground import NOW, Tenancy, open_ground, served
from tests.infrastructure.gateway.server.wire import running

pytestmark = pytest.mark.anyio


async def _auditor(tenancy: Tenancy) -> str:
    platform = tenancy.ground.platform
    async with platform.database.tenant_tx(tenancy.id) as connection:
        person = await add_person(connection, platform.keyring, tenancy.id, NewPerson("eve", "Eve", roles=frozenset({"auditor"})), NOW)
        return (await create_key(connection, tenancy.id, person.id, "k", NOW))[1].text


async def test_a_target_that_keeps_failing_is_told_to_its_own_tenant_alone(addresses: DatabaseAddresses, tmp_path: Path) -> None:
    async with open_ground(addresses, tmp_path) as ground, served(ground, Reply(trouble="broken")) as (tenancy, _):
        other = await ground.tenancy()
        keys = {"own": await _auditor(tenancy), "other": await _auditor(other)}
        await ground.fresh()
        application = admin_application(ground.platform, ground.keys, ground.guard.policies, seen=partial(targets_seen, ground.room))
        async with running(application) as server, httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:

            async def seen(who: str) -> list[dict[str, Any]]:
                answer = await client.get("/api/v1/gateway/targets", headers={"authorization": f"Bearer {keys[who]}"})
                assert answer.status_code == 200, answer.text
                return list(answer.json()["targets"])

            [whole] = await seen("own")
            assert (whole["alias"], whole["provider"], whole["state"], whole["rests_s"]) == ("m", "up", "closed", 0)
            for _ in range(DEFAULT_BREAKER.consecutive_max):
                assert (await tenancy.ask()).status_code >= 500
            [failing] = await seen("own")
            assert failing["state"] == "open" and 0 < failing["rests_s"] <= DEFAULT_BREAKER.open_s_max
            assert await seen("other") == []

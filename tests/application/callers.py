"""The admin API of a house on a real socket, asked by several people at once."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from ondol.infrastructure.access.keys import KeyDirectory, create_key
from ondol.infrastructure.access.people import NewPerson, add_person, create_tenant
from ondol.infrastructure.access.types import Role
from ondol.infrastructure.guard.policies import PolicyDirectory
from ondol.wiring.admin import admin_application
from tests.application.conftest import House
from tests.infrastructure.gateway.server.wire import running
from tests.infrastructure.guard.words import word_checks

ROLES: Mapping[str, Role] = {"owner": "owner", "auditor": "auditor", "member": "member"}
FOREIGNER = "foreigner"


@dataclass(frozen=True, slots=True)
class Callers:
    """Whoever asks: somebody of each of `ROLES` by its name, the house's own people by their logins, and a `FOREIGNER`, another tenant's owner."""

    other_id: uuid.UUID
    _client: httpx.AsyncClient
    _keys: Mapping[str, str]

    async def __call__(self, who: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """The status of an answer, and what it told or its error's code."""
        answer = await self._client.request(method, path, json=body, headers={"authorization": f"Bearer {self._keys[who]}"})
        told = answer.json()
        return answer.status_code, told["error"]["code"] if "error" in told else told


@asynccontextmanager
async def callers_of(house: House) -> AsyncIterator[Callers]:
    """Open the API for as long as the context is."""
    platform, clock = house.platform, house.clock
    other = await create_tenant(platform.database, platform.keyring, slug="other-one", name="Other", now=clock())
    keys: dict[str, str] = {}
    async with platform.database.tenant_tx(house.tenant_id) as connection:
        people = dict(house.people)
        for login, role in ROLES.items():
            people[login] = (await add_person(connection, platform.keyring, house.tenant_id, _new(login, role), clock())).id
        for login, person_id in people.items():
            keys[login] = (await create_key(connection, house.tenant_id, person_id, "key", clock()))[1].text
    async with platform.database.tenant_tx(other.id) as connection:
        foreigner = await add_person(connection, platform.keyring, other.id, _new(FOREIGNER, "owner"), clock())
        keys[FOREIGNER] = (await create_key(connection, other.id, foreigner.id, "key", clock()))[1].text
    directory, policies = KeyDirectory(platform.database, clock), PolicyDirectory(platform.database, platform.keyring, checks=word_checks)
    await directory.refresh()
    await policies.refresh()
    async with (
        running(admin_application(platform, directory, policies)) as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}/api/v1", timeout=60) as client,
    ):
        yield Callers(other.id, client, keys)


def _new(login: str, role: Role) -> NewPerson:
    return NewPerson(login, login, roles=frozenset({role}))

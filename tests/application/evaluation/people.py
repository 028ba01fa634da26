"""People of a tenant who call the admin API, and what people asked in production as the gateway keeps it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import psycopg
from psycopg.types.json import Jsonb

from ondol.core.ids import new_id
from ondol.infrastructure.access.keys import KeyDirectory, create_key
from ondol.infrastructure.access.people import NewPerson, add_person, create_tenant
from ondol.infrastructure.guard.sealing import seal_text
from ondol.wiring.admin import admin_application
from ondol.wiring.guard import open_guard
from tests.application.conftest import House
from tests.infrastructure.gateway.server.wire import running

Ask = Callable[..., Awaitable[tuple[int, Any]]]
ROLES = {"owner": "owner", "admin": "admin", "auditor": "auditor", "member": "member", "ann": "member", "bob": "member", "cho": "member"}
"""The people by login; `foreigner` is another tenant's owner."""


async def recorded(
    house: House, question: str, answer: str = "Yes.", *, who: str = "visitor", decision: str | None = None, refused: bool = False
) -> uuid.UUID:
    """A request as the gateway keeps it, with its content."""
    request_id, now, person = new_id(), house.clock(), house.people[who]
    keyring = house.platform.keyring
    sealed = [
        seal_text(keyring, house.tenant_id, person, text, b"request-" + what + request_id.bytes)
        for what, text in ((b"prompt", f"[system] be kind\n\n[user] {question}"), (b"answer", answer))
    ]
    with psycopg.connect(house.platform.database.addresses.owner, options="-c search_path=ondol") as owner:
        owner.execute(
            "insert into requests (tenant_id, id, person_id, model, route, input_tokens, output_tokens, duration_us, status, outcome, guard_decision,"
            " created_at) values (%s, %s, %s, 'm', 'm', 1, 1, 1, 200, 'answered', %s, %s)",
            (house.tenant_id, request_id, person, decision, now),
        )
        owner.execute(
            "insert into request_contents values (%s, %s, %s, 'full', %s, %s, %s, %s)",
            (house.tenant_id, request_id, person, *sealed, now, now + timedelta(days=90)),
        )
        owner.execute(
            "insert into answers (tenant_id, id, assistant_id, person_id, outcome, content_sealed, provenance, created_at)"
            " values (%s, %s, %s, %s, %s, '', %s, %s)",
            (
                house.tenant_id, request_id, new_id(), person, "refused" if refused else "answered",
                Jsonb({"sentences": [{"verdict": "partial"}] if answer == "Perhaps." else []}), now,
            ),
        )  # fmt: skip
    return request_id


@asynccontextmanager
async def asking(house: House) -> AsyncIterator[tuple[Ask, dict[str, uuid.UUID]]]:
    """A call of the API as somebody: the status with the answer, or with the code of the error. And who they are, by login."""
    platform, texts, people = house.platform, dict[str, str](), dict[str, uuid.UUID]()
    other = await create_tenant(platform.database, platform.keyring, slug="other-one", name="Other", now=house.clock())
    for login, tenant_id, role in (*((login, house.tenant_id, role) for login, role in ROLES.items()), ("foreigner", other.id, "owner")):
        async with platform.database.tenant_tx(tenant_id) as connection:
            new = NewPerson(login, login, roles=frozenset({role}))  # type: ignore[arg-type]
            people[login] = (await add_person(connection, platform.keyring, tenant_id, new, house.clock())).id
            texts[login] = (await create_key(connection, tenant_id, people[login], "key", house.clock()))[1].text
    keys = KeyDirectory(platform.database, house.clock)
    await keys.refresh()
    async with open_guard(platform) as guard:
        await guard.policies.refresh()
        async with (
            running(admin_application(platform, keys, guard.policies)) as server,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}/api/v1/evaluation", timeout=60) as client,
        ):

            async def call(who: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
                answer = await client.request(method, path, json=body, headers={"authorization": f"Bearer {texts[who]}"})
                told = answer.json()
                return answer.status_code, told["error"]["code"] if "error" in told else told

            yield call, people

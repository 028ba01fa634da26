"""Prompts over the admin API: who may, what comes back, and each tenant for itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from ondol.infrastructure.access.keys import KeyDirectory, create_key
from ondol.infrastructure.access.people import NewPerson, add_person, create_tenant
from ondol.infrastructure.guard.policies import PolicyDirectory
from ondol.wiring.admin import admin_application
from tests.application.conftest import House
from tests.infrastructure.gateway.server.wire import running
from tests.infrastructure.guard.words import word_checks

pytestmark = pytest.mark.anyio

Ask = Callable[..., Awaitable[tuple[int, Any]]]
BODY = {"texts": {"en": {"role": "you help $who", "constraints": ["be brief"]}}, "variables": {"who": "line"}}


@pytest.fixture
async def ask(house: House) -> AsyncIterator[Ask]:
    platform, texts = house.platform, {}
    other = await create_tenant(platform.database, platform.keyring, slug="other-one", name="Other", now=house.clock())
    for login, tenant_id, role in (
        ("owner", house.tenant_id, "owner"),
        ("auditor", house.tenant_id, "auditor"),
        ("member", house.tenant_id, "member"),
        ("foreigner", other.id, "owner"),
    ):
        async with platform.database.tenant_tx(tenant_id) as connection:
            new = NewPerson(login, login, roles=frozenset({role}))  # type: ignore[arg-type]
            person = await add_person(connection, platform.keyring, tenant_id, new, house.clock())
            texts[login] = (await create_key(connection, tenant_id, person.id, "key", house.clock()))[1].text
    keys, policies = KeyDirectory(platform.database, house.clock), PolicyDirectory(platform.database, platform.keyring, checks=word_checks)
    await keys.refresh()
    async with (
        running(admin_application(platform, keys, policies)) as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}/api/v1") as client,
    ):

        async def call(who: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
            answer = await client.request(method, path, json=body, headers={"authorization": f"Bearer {texts[who]}"})
            told = answer.json()
            return answer.status_code, told["error"]["code"] if "error" in told else told

        yield call


async def test_a_prompt_is_set_shown_labelled_and_compared(ask: Ask) -> None:
    status, kept = await ask("owner", "PUT", "/prompts/support", BODY)
    assert (status, kept["version"], kept["new"]) == (200, 1, True)
    assert (await ask("owner", "PUT", "/prompts/support", BODY))[1]["new"] is False
    assert (await ask("owner", "PUT", "/prompts/support", {"texts": {"ko": {"role": "짧게"}}}))[1]["version"] == 2
    assert (await ask("owner", "PUT", "/prompts/support/labels/good", {"version": "1"}))[1] == {"version": 1, "changed": True}
    shown = (await ask("auditor", "GET", "/prompts/support?version=good"))[1]
    assert (shown["prompt"], shown["digest"]) == ({**BODY, "texts": BODY["texts"]}, kept["digest"])
    assert "+  ko:" in (await ask("auditor", "GET", "/prompts/support/diff?first=good"))[1]["diff"]
    listed = (await ask("auditor", "GET", "/prompts"))[1]
    assert ([(item["version"], item["labels"]) for item in listed["prompts"]], listed["built_in"]) == ([(2, []), (1, ["good"])], ["assistant"])


async def test_who_may_not_and_mistakes_are_refused(ask: Ask) -> None:
    await ask("owner", "PUT", "/prompts/support", BODY)
    for method, path, body in (("PUT", "/prompts/support", BODY), ("PUT", "/prompts/support/labels/good", {"version": "1"})):
        assert await ask("auditor", method, path, body) == (403, "role_required")
    for path in ("/prompts", "/prompts/support", "/prompts/support/diff?first=1"):
        assert await ask("member", "GET", path) == (403, "role_required")
    assert await ask("foreigner", "GET", "/prompts/support") == (404, "prompt_not_found")
    assert (await ask("foreigner", "GET", "/prompts"))[1]["prompts"] == []
    assert await ask("owner", "GET", "/prompts/support?version=9") == (404, "prompt_not_found")
    assert await ask("owner", "PUT", "/prompts/support", {"texts": {"en": {"role": "$nobody"}}}) == (400, "invalid_prompt")
    assert (await ask("owner", "PUT", "/prompts/support", {"texts": {}}))[0] == 400
    assert (await ask("owner", "PUT", "/prompts/Support", BODY))[0] == 400
    assert await ask("owner", "PUT", "/prompts/support/labels/builtin", {"version": "1"}) == (400, "bad_label")

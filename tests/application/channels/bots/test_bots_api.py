"""Bots over the admin API: who may, what comes back, and each tenant for itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ondol.application.assistant.store import put_assistant
from ondol.application.knowledge.store import find_base
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import ensure_group, list_tenants
from ondol.infrastructure.serving.operator import set_operator
from tests.application.callers import Callers, callers_of
from tests.application.conftest import House

pytestmark = pytest.mark.anyio
SECRETS = {"signing_secret": "8f742231b10e8888abcd99", "token": "xoxb-0123456789"}
BODY = {"name": "chat", "assistant": "help", **SECRETS}
ROOM = {"groups": ["buyers"], "clearance": "internal", "open_documents": False}


@pytest.fixture
async def ask(house: House) -> AsyncIterator[Callers]:
    house.write("refund.md", "# Refunds\n\nA refund takes 5 days.\n")
    await house.ingest()
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        base = await find_base(connection, "base")
        await put_assistant(connection, house.tenant_id, new_id(), "help", base.id, {"title": {"en": "Help"}}, house.clock())
        await ensure_group(connection, house.tenant_id, "buyers", house.clock())
    async with callers_of(house) as asked:
        yield asked


async def made(ask: Callers, **more: Any) -> dict[str, Any]:
    status, told = await ask("owner", "POST", "/bots", {**BODY, **more})
    assert status == 200, told
    return dict(told)


async def test_a_bot_lives_and_never_tells_its_secrets(ask: Callers) -> None:
    shown = await made(ask)
    assert shown == {
        "name": "chat", "assistant": "help", "public_id": shown["public_id"], "events": f"/bots/{shown['public_id']}/events",
        "base_url": "https://slack.com/api", "private_network": False, "by_email": False, "key_id": shown["key_id"],
        "created_at": shown["created_at"], "revoked_at": None, "people": [], "rooms": [],
    }  # fmt: skip
    listed = {name: value for name, value in shown.items() if name not in ("people", "rooms")}
    assert await ask("auditor", "GET", "/bots") == (200, {"bots": [listed]})
    done = (200, {"changed": True})
    assert await ask("owner", "PUT", "/bots/chat/people/U1", {"login": "member"}) == done
    assert await ask("owner", "PUT", "/bots/chat/people/U0", {"login": "owner"}) == done
    assert await ask("owner", "PUT", "/bots/chat/people/U1", {"login": "auditor"}) == done
    assert await ask("owner", "PUT", "/bots/chat/rooms/C1", ROOM) == done
    assert await ask("owner", "PUT", "/bots/chat/rooms/C2", {}) == done
    told = (await ask("auditor", "GET", "/bots/chat"))[1]
    assert told["people"] == [{"chat_user": "U1", "login": "auditor"}, {"chat_user": "U0", "login": "owner"}]
    usual = {"groups": [], "clearance": "public", "open_documents": True}
    assert told["rooms"] == [{"chat_room": "C1", **ROOM}, {"chat_room": "C2", **usual}]
    changed = (await ask("owner", "PATCH", "/bots/chat", {"by_email": True, "token": "xoxb-another-one"}))[1]
    assert changed == {**told, "by_email": True}
    assert await ask("owner", "DELETE", "/bots/chat/people/U0") == done
    assert await ask("owner", "DELETE", "/bots/chat/people/U0") == (404, "chat_user_not_found")
    assert await ask("owner", "DELETE", "/bots/chat/rooms/C2") == done
    assert await ask("owner", "DELETE", "/bots/chat/rooms/C2") == (404, "chat_room_not_found")
    assert await ask("owner", "POST", "/bots/chat/revoke") == done
    assert (await ask("auditor", "GET", "/bots/chat"))[1]["revoked_at"] is not None
    assert await ask("owner", "PATCH", "/bots/chat", {"by_email": False}) == (409, "bot_revoked")


@pytest.mark.parametrize("who", ["auditor", "member"])
async def test_only_who_changes_things_changes_bots(ask: Callers, who: str) -> None:
    await made(ask)
    asked: list[tuple[str, str, Any]] = [
        ("POST", "/bots", {**BODY, "name": "other"}),
        ("PATCH", "/bots/chat", {"by_email": True}),
        ("PUT", "/bots/chat/people/U1", {"login": "member"}),
        ("DELETE", "/bots/chat/people/U1", None),
        ("PUT", "/bots/chat/rooms/C1", ROOM),
        ("DELETE", "/bots/chat/rooms/C1", None),
        ("POST", "/bots/chat/revoke", None),
    ]
    assert [await ask(who, *one) for one in asked] == [(403, "role_required")] * len(asked)
    for path in ("/bots", "/bots/chat"):
        assert (await ask(who, "GET", path))[0] == (200 if who == "auditor" else 403)


async def test_another_tenant_has_none_of_it(ask: Callers) -> None:
    await made(ask)
    assert await ask("foreigner", "GET", "/bots") == (200, {"bots": []})
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {}),
        ("POST", "/revoke", None),
        ("PUT", "/people/U1", {"login": "owner"}),
        ("PUT", "/rooms/C1", {}),
        ("DELETE", "/people/U1", None),
        ("DELETE", "/rooms/C1", None),
    ):
        assert await ask("foreigner", method, f"/bots/chat{path}", body) == (404, "bot_not_found")


async def test_mistakes_name_their_field(ask: Callers) -> None:
    await made(ask)
    for wrong, refused in (
        ({}, (409, "bot_exists")),
        ({"name": "B b"}, (400, "bad_name")),
        ({"name": "b", "assistant": "nobody"}, (404, "assistant_not_found")),
        ({"name": "b", "base_url": "http://chat.example"}, (400, "bad_base_url")),
        ({"name": "b", "token": "two words"}, (400, "bad_secret")),
        ({"name": "b", "signing_secret": ""}, (400, "bad_secret")),
    ):
        assert await ask("owner", "POST", "/bots", {**BODY, **wrong}) == refused
    for path, body, told in (
        ("/bots/chat/people/U%201", {"login": "owner"}, (400, "bad_chat_id")),
        ("/bots/chat/people/U1", {"login": "nobody"}, (404, "person_not_found")),
        ("/bots/chat/rooms/C1", {"groups": ["nobody"]}, (400, "unknown_group")),
        ("/bots/chat/rooms/C1", {"clearance": "top"}, (400, "invalid_request")),
    ):
        assert await ask("owner", "PUT", path, body) == told


async def test_a_chat_in_the_installations_own_network_is_for_who_runs_it(house: House, ask: Callers) -> None:
    near = {"private_network": True, "base_url": "http://chat.internal/api"}
    tenants = {tenant.id: tenant for tenant in await list_tenants(house.platform.database)}
    await set_operator(house.platform.database, tenants[ask.other_id], house.clock())
    assert await ask("owner", "POST", "/bots", {**BODY, **near}) == (403, "not_operator")
    await set_operator(house.platform.database, tenants[house.tenant_id], house.clock())
    assert (await made(ask, **near))["base_url"] == near["base_url"]

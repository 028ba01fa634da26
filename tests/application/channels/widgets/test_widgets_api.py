"""Widgets over the admin API: who may, what comes back, and each tenant for itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ondol.application.assistant.store import put_assistant
from ondol.application.channels.widgets.script import element_script
from ondol.application.knowledge.store import find_base
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import ensure_group
from ondol.infrastructure.storage.postgres import rows
from tests.application.callers import Callers, callers_of
from tests.application.conftest import House

pytestmark = pytest.mark.anyio
BODY = {"name": "site", "assistant": "help", "origins": ["https://shop.example/"], "groups": ["buyers"]}
FIELDS = {"open_documents": False, "visitors": False, "questions_per_minute": 120, "questions_per_customer": 10, "algorithm": "HS256"}


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
    status, told = await ask("owner", "POST", "/widgets", {**BODY, **more})
    assert status == 200, told
    return dict(told)


async def test_a_widget_lives_and_its_secret_is_shown_once(house: House, ask: Callers) -> None:
    first = await made(ask)
    secret, shown = first.pop("secret"), {**first}
    assert len(secret) == 43
    path, integrity = f"/widget/v1/{shown['public_id']}/ondol-chat.js", element_script().integrity
    named = {"name": "site", "assistant": "help", "origins": ["https://shop.example"], "groups": ["buyers"], "script": path, "integrity": integrity}
    assert shown == {**named, **FIELDS, "public_id": shown["public_id"], "created_at": shown["created_at"], "revoked_at": None}
    assert await ask("auditor", "GET", "/widgets/site") == (200, shown)
    assert await ask("auditor", "GET", "/widgets") == (200, {"widgets": [shown]})
    changed = (await ask("owner", "PATCH", "/widgets/site", {"visitors": True, "questions_per_minute": 7}))[1]
    assert changed == {**shown, "visitors": True, "questions_per_minute": 7}
    assert (await ask("owner", "PATCH", "/widgets/site", {"groups": []}))[1]["groups"] == []
    assert (await ask("owner", "POST", "/widgets/site/secret", {"grace_minutes": 5}))[1]["secret"] not in ("", secret)
    preview = (await ask("owner", "POST", "/widgets/site/preview", {"origin": "https://ondol.example"}))[1]
    assert (preview["title"], bool(preview["token"])) == ({"en": "Help"}, True)
    assert (await ask("owner", "POST", "/widgets/site/erasures", {"customer": "preview"}))[0] == 200
    assert await ask("owner", "POST", "/widgets/site/revoke") == (200, {"changed": True})
    assert (await ask("auditor", "GET", "/widgets/site"))[1]["revoked_at"] is not None
    assert await ask("owner", "PATCH", "/widgets/site", {"visitors": False}) == (409, "widget_revoked")
    assert await ask("owner", "POST", "/widgets/site/preview", {"origin": "https://ondol.example"}) == (403, "widget_revoked")
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        told = await rows(connection, "select kind, body::text as body from ledger_events where kind like 'widget.%%' order by id", {})
    kinds = ["created", "changed", "changed", "secret_rotated", "customer_added", "revoked"]
    assert [row["kind"] for row in told] == [f"widget.{kind}" for kind in kinds]
    assert not any(word in row["body"] for row in told for word in ("shop.example", "buyers", "preview"))


@pytest.mark.parametrize("who", ["auditor", "member"])
async def test_only_who_changes_things_changes_widgets(ask: Callers, who: str) -> None:
    await made(ask)
    asked: list[tuple[str, str, Any]] = [
        ("POST", "/widgets", {**BODY, "name": "other"}),
        ("PATCH", "/widgets/site", {"visitors": True}),
        ("POST", "/widgets/site/secret", {}),
        ("POST", "/widgets/site/preview", {"origin": "https://ondol.example"}),
        ("POST", "/widgets/site/erasures", {}),
        ("POST", "/widgets/site/revoke", None),
    ]
    assert [await ask(who, *one) for one in asked] == [(403, "role_required")] * len(asked)
    assert (await ask(who, "GET", "/widgets"))[0] == (200 if who == "auditor" else 403)


async def test_another_tenant_has_none_of_it(ask: Callers) -> None:
    await made(ask)
    assert await ask("foreigner", "GET", "/widgets") == (200, {"widgets": []})
    for method, path, body in (("GET", "", None), ("PATCH", "", {}), ("POST", "/revoke", None), ("POST", "/secret", {}), ("POST", "/erasures", {})):
        assert await ask("foreigner", method, f"/widgets/site{path}", body) == (404, "widget_not_found")


async def test_mistakes_name_their_field(ask: Callers) -> None:
    await made(ask)
    for wrong, refused in (
        ({}, (409, "widget_exists")),
        ({"name": "b", "origins": ["*"]}, (400, "bad_origin")),
        ({"name": "b", "assistant": "nobody"}, (404, "assistant_not_found")),
        ({"name": "b", "groups": ["nobody"]}, (400, "unknown_group")),
        ({"name": "b", "public_key": "nonsense"}, (400, "bad_public_key")),
        ({"name": "b", "questions_per_minute": 0}, (400, "invalid_request")),
        ({"name": "B b"}, (400, "bad_name")),
    ):
        assert await ask("owner", "POST", "/widgets", {**BODY, **wrong}) == refused
    assert await ask("owner", "POST", "/widgets/site/erasures", {"customer": "nobody"}) == (404, "person_not_found")


async def test_a_customer_is_no_person_of_the_console(ask: Callers) -> None:
    await made(ask)
    await ask("owner", "POST", "/widgets/site/preview", {"origin": "https://ondol.example"})
    listed = (await ask("owner", "GET", "/people"))[1]["people"]
    assert not any(person["kind"] == "customer" for person in listed)

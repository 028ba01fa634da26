"""Threads and what is kept in mind, over the admin API: everybody's own, and nobody else's."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from ondol.application.assistant.threads import store
from ondol.application.assistant.threads.types import Turn
from ondol.application.declaration import apply_declaration, parse_declaration
from ondol.application.knowledge.ingest import IngestOptions, ingest_folder
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import find_person, find_tenant
from tests.wiring.test_admin import Api, api

__all__ = ["api"]

pytestmark = pytest.mark.anyio

ASSISTANTS = """
version: 1
tenants:
  - slug: {slug}
    bases: [docs]
    assistants: [{{name: help, base: docs}}]
"""


async def thread(api: Api, login: str, *questions: str, slug: str = "acme", rests_on: frozenset[uuid.UUID] = frozenset()) -> str:
    """A thread with these questions, each answered by itself."""
    await apply_declaration(api.platform.declaration_room, parse_declaration(ASSISTANTS.format(slug=slug)))
    platform, now = api.platform, api.platform.clock()
    tenant = await find_tenant(platform.database, slug)
    thread_id, parent = new_id(), None
    async with platform.database.tenant_tx(tenant.id) as connection:
        person = await find_person(connection, platform.keyring, tenant.id, login)
        assistants = await (await connection.execute("select id from assistants")).fetchall()
        for place, question in enumerate(questions):
            turn = Turn(new_id(), parent, question, question, question.upper(), refused=False, rests_on=rests_on, created_at=now)
            where = (connection, platform.keyring, tenant.id, person.id)
            if place == 0:
                await store.add_thread(*where, assistants[0]["id"], thread_id=thread_id, turn=turn, title=question, now=now)
            else:
                assert await store.grow_thread(*where, thread_id, turn, now)
            parent = turn.id
    return str(thread_id)


async def test_everybody_lists_reads_renames_and_deletes_their_own(api: Api) -> None:
    first, second = await thread(api, "member", "one", "two", "three"), await thread(api, "member", "other")
    _, page = await api.ask("member", "GET", "/threads?limit=1")
    assert ([item["id"] for item in page["threads"]], page["next"]) == ([second], second)
    _, rest = await api.ask("member", "GET", f"/threads?limit=1&before={page['next']}")
    assert ([(item["id"], item["title"], item["turns"]) for item in rest["threads"]], rest["next"]) == ([(first, "one", 3)], None)
    _, read = await api.ask("member", "GET", f"/threads/{first}?limit=2")
    assert [(turn["question"], turn["answer"], turn["withheld"]) for turn in read["turns"]] == [("one", "ONE", False), ("two", "TWO", False)]
    _, more = await api.ask("member", "GET", f"/threads/{first}?after={read['next']}")
    assert ([turn["question"] for turn in more["turns"]], more["next"]) == (["three"], None)
    assert more["turns"][0]["parent"] == read["turns"][1]["id"]
    assert await api.ask("member", "PATCH", f"/threads/{first}", {"title": "  On  refunds "}) == (200, {"changed": True})
    assert (await api.ask("member", "GET", f"/threads/{first}"))[1]["thread"]["title"] == "On refunds"
    assert await api.ask("member", "PATCH", f"/threads/{first}", {"title": "   "}) == (400, "bad_title")
    assert await api.ask("member", "DELETE", f"/threads/{first}") == (200, {"changed": True})
    assert await api.ask("member", "GET", f"/threads/{first}") == (404, "thread_not_found")
    assert await api.ask("member", "DELETE", f"/threads/{first}") == (404, "thread_not_found")
    tenant = await find_tenant(api.platform.database, "acme")
    async with api.platform.database.tenant_tx(tenant.id) as connection:
        told = await (await connection.execute("select body from ledger_events where kind = 'thread.deleted'")).fetchall()
        left = await (await connection.execute("select count(*) as turns from turns")).fetchall()
    assert [row["body"] for row in told] == [{"thread": first, "turns": 3}]
    assert left[0]["turns"] == 1


@pytest.mark.parametrize("who", ["owner", "auditor", "other owner"])
@pytest.mark.parametrize(
    ("method", "path", "body"), [("GET", "", None), ("GET", "/export", None), ("PATCH", "", {"title": "x"}), ("DELETE", "", None)]
)
async def test_nobody_has_another_persons_thread(api: Api, who: str, method: str, path: str, body: Mapping[str, Any] | None) -> None:
    first = await thread(api, "member", "one")
    assert await api.ask(who, method, f"/threads/{first}{path}", body) == (404, "thread_not_found")
    assert (await api.ask(who, "GET", "/threads"))[1] == {"threads": [], "next": None}
    assert (await api.ask(who, "GET", f"/threads?before={first}"))[1] == {"threads": [], "next": None}
    assert (await api.ask("member", "GET", f"/threads/{first}"))[1]["thread"]["title"] == "one"


async def test_all_is_exported_as_one_object(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ondol.application.assistant.threads.reading.PAGE_MAX", 2)
    assert await api.ask("member", "GET", "/threads-export") == (200, {"version": 1, "threads": []})
    ids = [await thread(api, "member", *[f"question {number} of {count}" for number in range(count)]) for count in (1, 2, 5)]
    await thread(api, "owner", "nobody else's")
    _, told = await api.ask("member", "GET", "/threads-export")
    assert [item["id"] for item in told["threads"]] == ids[::-1]
    assert [len(item["turns"]) for item in told["threads"]] == [5, 2, 1]
    assert [turn["answer"] for turn in told["threads"][0]["turns"]] == [f"QUESTION {number} OF 5" for number in range(5)]
    _, one = await api.ask("member", "GET", f"/threads/{ids[1]}/export")
    assert one == {"version": 1, "threads": [told["threads"][1]]}
    assert "nobody" not in json.dumps(told)


async def test_an_answer_of_what_may_no_longer_be_read_is_not_shown_again(api: Api, tmp_path: Any) -> None:
    platform = api.platform
    tenant = await find_tenant(platform.database, "acme")
    folder = tmp_path / "files"
    folder.mkdir()
    file = folder / "a.md"

    async def written(text: str) -> frozenset[uuid.UUID]:
        file.write_text(text)
        await ingest_folder(platform.knowledge, tenant.id, "docs", folder, IngestOptions(prune=True), lambda done, total: None)
        async with platform.database.tenant_tx(tenant.id) as connection:
            found = await (await connection.execute("select id from document_versions where state = 'current'")).fetchall()
        return frozenset(row["id"] for row in found)

    grounds = await written("# Refunds\n\nA refund takes 5 days.\n")
    first = await thread(api, "member", "secret", rests_on=grounds)

    async def shown() -> list[tuple[Any, ...]]:
        _, read = await api.ask("member", "GET", f"/threads/{first}")
        _, exported = await api.ask("member", "GET", f"/threads/{first}/export")
        assert [turn["answer"] for turn in exported["threads"][0]["turns"]] == [turn["answer"] for turn in read["turns"]]
        return [(turn["question"], turn["asked"], turn["answer"], turn["withheld"]) for turn in read["turns"]]

    assert await shown() == [("secret", "secret", "SECRET", False)]
    await written("# Refunds\n\nA refund takes 6 days.\n")
    assert await shown() == [("secret", "secret", "SECRET", False)]  # the new version may be read as well
    await written("---\nclass: restricted\n---\n# Refunds\n\nA refund takes 7 days.\n")
    assert await shown() == [("secret", None, None, True)]


async def test_an_assistant_keeps_in_mind_what_it_is_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await thread(api, "owner", "one")
    assert await api.ask("member", "PUT", "/assistants/help/memory/plan", {"value": " Premium  plan "}) == (200, {"changed": True})
    assert [(item["name"], item["value"]) for item in (await api.ask("member", "GET", "/assistants/help/memory"))[1]["memory"]] == [
        ("plan", "Premium plan")
    ]
    assert (await api.ask("owner", "GET", "/assistants/help/memory"))[1] == {"memory": []}
    monkeypatch.setattr(store, "SLOTS_MAX", 1)
    assert await api.ask("member", "PUT", "/assistants/help/memory/city", {"value": "Busan"}) == (400, "memory_full")
    assert (await api.ask("member", "PUT", "/assistants/help/memory/plan", {"value": "Basic"}))[0] == 200
    assert (await api.ask("member", "PUT", "/assistants/help/memory/Plan", {"value": "Basic"}))[0] == 400
    assert await api.ask("member", "PUT", "/assistants/help/memory/plan", {"value": "  "}) == (400, "bad_memory")
    assert await api.ask("member", "PUT", "/assistants/none/memory/plan", {"value": "x"}) == (404, "model_not_found")
    assert await api.ask("owner", "DELETE", "/assistants/help/memory/plan") == (404, "memory_not_found")
    assert await api.ask("member", "DELETE", "/assistants/help/memory/plan") == (200, {"changed": True})
    assert (await api.ask("member", "GET", "/assistants/help/memory"))[1] == {"memory": []}

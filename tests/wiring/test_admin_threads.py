"""Threads and what is kept in mind, over the admin API: everybody's own, and nobody else's."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any, cast

import pytest

from ondol.application.assistant.threads import store
from ondol.application.assistant.threads.types import Turn
from ondol.application.declaration import apply_declaration, parse_declaration
from ondol.application.knowledge.ingest import IngestOptions, ingest_folder
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import ensure_group, find_person, find_tenant, set_groups
from ondol.infrastructure.storage.postgres import rows
from tests.application.conftest import SteppedClock
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


async def more(
    api: Api, login: str, thread_id: str, parent: str | None, question: str, rests_on: frozenset[uuid.UUID] = frozenset(), *, refused: bool = False
) -> str:
    """One more turn of a thread, after the one that is named."""
    platform, now = api.platform, api.platform.clock()
    tenant = await find_tenant(platform.database, "acme")
    follows = uuid.UUID(parent) if parent else None
    turn = Turn(new_id(), follows, question, question, question.upper(), refused=refused, rests_on=rests_on, created_at=now)
    async with platform.database.tenant_tx(tenant.id) as connection:
        person = await find_person(connection, platform.keyring, tenant.id, login)
        assert await store.grow_thread(connection, platform.keyring, tenant.id, person.id, uuid.UUID(thread_id), turn, now)
    return str(turn.id)


async def branch(api: Api, thread_id: str, query: str = "") -> tuple[list[tuple[str, int, int]], str | None]:
    """The questions of a branch, each with its place among its siblings and how many there are."""
    _, read = await api.ask("member", "GET", f"/threads/{thread_id}/branch{query}")
    return [(turn["question"], turn["siblings"].index(turn["id"]) + 1, len(turn["siblings"])) for turn in read["turns"]], read["earlier"]


async def test_a_branch_is_read_to_its_end_with_what_stands_beside_each_turn(api: Api) -> None:
    first = await thread(api, "member", "one", "two", "three")
    _, read = await api.ask("member", "GET", f"/threads/{first}")
    one, two, three = [turn["id"] for turn in read["turns"]]
    assert await branch(api, first) == ([("one", 1, 1), ("two", 1, 1), ("three", 1, 1)], None)
    again = await more(api, "member", first, one, "two, otherwise")
    await more(api, "member", first, again, "and then")
    start = await more(api, "member", first, None, "another beginning")
    assert await branch(api, first) == ([("another beginning", 2, 2)], None), "the branch of what was said last"
    assert await branch(api, first, f"?turn={one}") == ([("one", 1, 2), ("two, otherwise", 2, 2), ("and then", 1, 1)], None)
    assert await branch(api, first, f"?turn={two}") == ([("one", 1, 2), ("two", 1, 2), ("three", 1, 1)], None)
    assert await branch(api, first, f"?turn={two}&limit=2") == ([("two", 1, 2), ("three", 1, 1)], two)
    assert await branch(api, first, f"?before={two}&limit=2") == ([("one", 1, 2)], None)
    assert await api.ask("member", "GET", f"/threads/{first}/branch?turn={new_id()}") == (404, "turn_not_found")
    other = await thread(api, "member", "elsewhere")
    assert await api.ask("member", "GET", f"/threads/{other}/branch?turn={start}") == (404, "turn_not_found")
    tenant = await find_tenant(api.platform.database, "acme")
    async with api.platform.database.tenant_tx(tenant.id) as connection:
        await connection.execute("delete from turns where id = %(id)s", {"id": one})
    assert await branch(api, first, f"?turn={three}") == ([("two", 1, 3), ("three", 1, 1)], None), "what follows an erased turn begins a branch"


async def test_words_are_found_in_titles_questions_and_answers_of_ones_own(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    refunds = await thread(api, "member", "How long does a Refund take?", "By card?")
    korean = await thread(api, "member", "환불은 며칠 걸리나요?")
    await thread(api, "owner", "a refund of somebody else")

    async def found(words: str, query: str = "") -> list[tuple[str, str | None]]:
        _, page = await api.ask("member", "GET", f"/threads?search={words}{query}")
        return [(item["id"], item["found"]["excerpt"]) for item in page["threads"]]

    assert await found("refund") == [(refunds, "")], "in its title"
    assert await found("CARD%20by") == [(refunds, "By card?")], "every word, in any order"
    assert await found("환불은") == [(korean, "")]
    assert await found("card%20환불") == []
    assert await found("%00") == await found("%25") == []
    await api.ask("member", "PATCH", f"/threads/{refunds}", {"title": "Money"})
    assert await found("LONG") == [(refunds, "How long does a Refund take?")]
    assert (await api.ask("member", "GET", "/threads?search=" + "x" * 201))[0] == 400
    monkeypatch.setattr("ondol.application.assistant.threads.search.TURNS_READ_MAX", 1)
    _, page = await api.ask("member", "GET", "/threads?search=long")
    assert (page["threads"], page["next"]) == ([], korean), "a look reads so many turns, and says where the next one goes on"
    assert await found("long", f"&before={korean}") == [(refunds, "How long does a Refund take?")]


async def test_what_may_no_longer_be_read_is_not_found_either(api: Api) -> None:
    gone = frozenset({new_id()})
    first = await thread(api, "member", "What opens the vault?")
    parent = (await api.ask("member", "GET", f"/threads/{first}"))[1]["thread"]["head"]
    await more(api, "member", first, parent, "sesame", rests_on=gone)
    await api.ask("member", "PATCH", f"/threads/{first}", {"title": "x"})
    _, page = await api.ask("member", "GET", "/threads?search=sesame")
    assert [item["found"]["excerpt"] for item in page["threads"]] == ["sesame"], "the question is one's own"
    tenant = await find_tenant(api.platform.database, "acme")
    async with api.platform.database.tenant_tx(tenant.id) as connection:
        person = await find_person(connection, api.platform.keyring, tenant.id, "member")
        turn = Turn(new_id(), uuid.UUID(parent), "and?", "and?", "open barley", refused=False, rests_on=gone, created_at=api.platform.clock())
        assert await store.grow_thread(connection, api.platform.keyring, tenant.id, person.id, uuid.UUID(first), turn, turn.created_at)
    assert (await api.ask("member", "GET", "/threads?search=barley"))[1] == {"threads": [], "next": None}


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
    until = (api.platform.clock() + store.BROUGHT_BACK_FOR).isoformat().replace("+00:00", "Z")
    assert await api.ask("member", "DELETE", f"/threads/{first}") == (200, {"changed": True, "restorable_until": until})
    assert await api.ask("member", "GET", f"/threads/{first}") == (404, "thread_not_found")
    assert await api.ask("member", "DELETE", f"/threads/{first}") == (404, "thread_not_found")
    await store.forget_deleted(api.platform.database, api.platform.clock() + store.BROUGHT_BACK_FOR)
    tenant = await find_tenant(api.platform.database, "acme")
    async with api.platform.database.tenant_tx(tenant.id) as connection:
        told = await (await connection.execute("select body from ledger_events where kind = 'thread.deleted'")).fetchall()
        left = await (await connection.execute("select count(*) as turns from turns")).fetchall()
    assert [row["body"] for row in told] == [{"thread": first, "turns": 3}]
    assert left[0]["turns"] == 1


async def counted(api: Api) -> tuple[int, int, int]:
    """How many threads, turns and shares the tenant has, deleted ones too."""
    tenant = await find_tenant(api.platform.database, "acme")
    async with api.platform.database.tenant_tx(tenant.id) as connection:
        text = "select (select count(*) from threads) as a, (select count(*) from turns) as b, (select count(*) from thread_shares) as c"
        [found] = await (await connection.execute(text)).fetchall()
    return found["a"], found["b"], found["c"]


async def test_a_deleted_thread_is_nobodys_to_see_and_comes_back_until_its_time_is_over(api: Api) -> None:
    clock, database = cast(SteppedClock, api.platform.clock), api.platform.database
    first, kept = await thread(api, "member", "one", "two"), await thread(api, "member", "kept")
    await api.ask("member", "PUT", f"/threads/{first}/shares", {"people": ["owner"], "groups": []})
    _, told = await api.ask("member", "GET", f"/threads/{first}/branch")
    assert await api.ask("member", "POST", f"/threads/{first}/restore") == (404, "thread_gone"), "it was not deleted"
    await api.ask("member", "DELETE", f"/threads/{first}")
    for method, path, body in (
        ("GET", "", None), ("GET", "/branch", None), ("GET", "/export", None), ("GET", "/shares", None), ("PATCH", "", {"title": "x"}),
        ("PUT", "/shares", {"people": ["auditor"]}),
    ):  # fmt: skip
        assert await api.ask("member", method, f"/threads/{first}{path}", body) == (404, "thread_not_found"), path
    assert await api.ask("owner", "GET", f"/threads/{first}") == (404, "thread_not_found"), "who could read it still does"
    assert (await api.ask("owner", "GET", "/threads?shared=with_me"))[1]["threads"] == []
    for query in ("", "?shared=by_me", "?search=one"):
        assert first not in [item["id"] for item in (await api.ask("member", "GET", f"/threads{query}"))[1]["threads"]], query
    assert [item["id"] for item in (await api.ask("member", "GET", "/threads-export"))[1]["threads"]] == [kept]
    turn = Turn(new_id(), None, "three", "three", "THREE", refused=False, rests_on=frozenset(), created_at=clock())
    tenant = await find_tenant(database, "acme")
    async with database.tenant_tx(tenant.id) as connection:
        person = await find_person(connection, api.platform.keyring, tenant.id, "member")
        assert not await store.grow_thread(connection, api.platform.keyring, tenant.id, person.id, uuid.UUID(first), turn, clock())
    for stranger in ("owner", "other owner"):
        assert await api.ask(stranger, "POST", f"/threads/{first}/restore") == (404, "thread_gone")
    clock.advance(seconds=store.BROUGHT_BACK_FOR.total_seconds() - 1)
    assert await store.forget_deleted(database, clock()) == 0
    assert await api.ask("member", "POST", f"/threads/{first}/restore") == (200, {"changed": True})
    assert (await api.ask("member", "GET", f"/threads/{first}/branch"))[1] == told, "not all of it came back"
    assert (await api.ask("owner", "GET", f"/threads/{first}"))[0] == 200
    await api.ask("member", "DELETE", f"/threads/{first}")
    clock.advance(seconds=store.BROUGHT_BACK_FOR.total_seconds())
    assert await api.ask("member", "POST", f"/threads/{first}/restore") == (404, "thread_gone"), "whether or not the sweep has come by"
    assert await counted(api) == (2, 3, 1)
    assert await store.forget_deleted(database, clock()) == 1
    assert await counted(api) == (1, 1, 0)
    async with database.tenant_tx(tenant.id) as connection:
        kinds = await (await connection.execute("select kind from ledger_events where kind like 'thread.%%' order by id")).fetchall()
    assert [row["kind"] for row in kinds] == ["thread.shared", "thread.deleted", "thread.restored", "thread.deleted"]


async def test_what_was_deleted_goes_a_thousand_at_a_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ondol.application.assistant.threads.store.FORGET_MAX", 2)
    for number in range(5):
        await api.ask("member", "DELETE", f"/threads/{await thread(api, 'member', str(number))}")
    assert await store.forget_deleted(api.platform.database, api.platform.clock() + store.BROUGHT_BACK_FOR) == 5
    assert await counted(api) == (0, 0, 0)


async def test_an_erasure_does_not_wait_for_a_deleted_thread(api: Api) -> None:
    ground = new_id()
    first = await thread(api, "member", "one", "two", rests_on=frozenset({ground}))
    await api.ask("member", "DELETE", f"/threads/{first}")
    tenant = await find_tenant(api.platform.database, "acme")
    async with api.platform.database.tenant_tx(tenant.id) as connection:
        person = await find_person(connection, api.platform.keyring, tenant.id, "member")
        assert await store.erase_resting_on(connection, [ground]) == 2
        assert (await store.erase_person(connection, person.id))["threads"] == 1


@pytest.mark.parametrize("who", ["owner", "auditor", "other owner"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("GET", "", None), ("GET", "/branch", None), ("GET", "/export", None), ("PATCH", "", {"title": "x"}), ("DELETE", "", None)],
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


async def groups(api: Api, login: str, *names: str) -> None:
    """Put somebody into these groups alone."""
    tenant = await find_tenant(api.platform.database, "acme")
    async with api.platform.database.tenant_tx(tenant.id) as connection:
        for name in names:
            await ensure_group(connection, tenant.id, name, api.platform.clock())
        person = await find_person(connection, api.platform.keyring, tenant.id, login)
        await set_groups(connection, tenant.id, person.id, names)


async def test_a_thread_is_read_by_those_with_whom_it_is_shared_and_by_nobody_else(api: Api) -> None:
    first = await thread(api, "member", "one", rests_on=frozenset({new_id()}))
    parent = (await api.ask("member", "GET", f"/threads/{first}"))[1]["thread"]["head"]
    await more(api, "member", first, parent, "two")
    shares = f"/threads/{first}/shares"
    await groups(api, "auditor", "leads")
    assert await api.ask("auditor", "GET", f"/threads/{first}") == (404, "thread_not_found")
    wanted = {"people": ["owner", "member"], "groups": ["leads"]}
    assert await api.ask("member", "PUT", shares, wanted) == (200, {"people": ["owner"], "groups": ["leads"]}), "nobody shares with themselves"
    assert await api.ask("member", "PUT", shares, wanted) == (200, {"people": ["owner"], "groups": ["leads"]})
    for reader in ("owner", "auditor"):
        _, read = await api.ask(reader, "GET", f"/threads/{first}")
        assert read["thread"]["shared_by"] == "member"
        told = [(turn["question"], turn["answer"], turn["withheld"]) for turn in read["turns"]]
        assert told == [("one", None, True), ("two", "TWO", False)], "what rests on what the reader may not read is withheld"
        assert (await api.ask(reader, "GET", f"/threads/{first}/branch"))[1]["thread"]["shared_by"] == "member"
        assert [item["id"] for item in (await api.ask(reader, "GET", "/threads?shared=with_me"))[1]["threads"]] == [first]
        assert (await api.ask(reader, "GET", "/threads"))[1]["threads"] == [], "it is not among their own"
        assert (await api.ask(reader, "GET", "/threads?search=one"))[1]["threads"] == []
        for method, path, body in (("PATCH", "", {"title": "x"}), ("DELETE", "", None), ("GET", "/export", None), ("GET", "/shares", None)):
            assert await api.ask(reader, method, f"/threads/{first}{path}", body) == (404, "thread_not_found"), (reader, method, path)
        assert await api.ask(reader, "PUT", shares, {"people": [reader]}) == (404, "thread_not_found")
        assert await api.ask(reader, "DELETE", shares) == (404, "thread_not_found")
    assert await api.ask("other owner", "GET", f"/threads/{first}") == (404, "thread_not_found")
    assert (await api.ask("member", "GET", "/threads?shared=with_me"))[1]["threads"] == []
    await thread(api, "member", "not shared")
    assert [item["id"] for item in (await api.ask("member", "GET", "/threads?shared=by_me"))[1]["threads"]] == [first]
    assert await api.ask("member", "PUT", shares, {"people": ["ghost"]}) == (400, "unknown_person")
    assert await api.ask("member", "PUT", shares, {"groups": ["ghosts"]}) == (400, "unknown_group")
    assert (await api.ask("member", "PUT", shares, {"people": ["x"] * 51}))[0] == 400
    await groups(api, "auditor")
    assert await api.ask("auditor", "GET", f"/threads/{first}") == (404, "thread_not_found"), "who leaves the group reads no longer"
    assert await api.ask("member", "DELETE", shares) == (200, {"people": [], "groups": []})
    assert await api.ask("owner", "GET", f"/threads/{first}") == (404, "thread_not_found")
    tenant = await find_tenant(api.platform.database, "acme")
    async with api.platform.database.tenant_tx(tenant.id) as connection:
        kinds = "select kind, body from ledger_events where kind like 'thread.%%' order by id"
        events = await rows(connection, kinds, {})
        person = await find_person(connection, api.platform.keyring, tenant.id, "owner")
    assert [row["kind"] for row in events] == ["thread.shared", "thread.unshared"]
    assert all((row["body"]["thread"], row["body"]["people"]) == (first, [str(person.id)]) for row in events)
    assert all(len(row["body"]["groups"]) == 1 for row in events)


async def test_erasing_a_person_ends_what_is_shared_with_them(api: Api) -> None:
    first = await thread(api, "member", "one")
    await api.ask("member", "PUT", f"/threads/{first}/shares", {"people": ["owner", "auditor"]})
    tenant = await find_tenant(api.platform.database, "acme")
    async with api.platform.database.tenant_tx(tenant.id) as connection:
        person = await find_person(connection, api.platform.keyring, tenant.id, "owner")
        assert (await store.erase_person(connection, person.id))["thread_shares"] == 1
    assert (await api.ask("member", "GET", f"/threads/{first}/shares"))[1] == {"people": ["auditor"], "groups": []}


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

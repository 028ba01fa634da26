"""Releases over the admin API: who may, what comes of it, and each tenant for itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ondol.application.assistant.store import put_assistant
from ondol.application.knowledge.store import ensure_base
from ondol.core.ids import new_id
from tests.application.assistant.conftest import Desk
from tests.application.callers import Callers, callers_of

pytestmark = pytest.mark.anyio

PATH = "/assistants/desk/releases"


@pytest.fixture
async def ask(desk: Desk) -> AsyncIterator[Callers]:
    platform, clock = desk.house.platform, desk.house.clock
    async with callers_of(desk.house) as asked:
        async with platform.database.tenant_tx(asked.other_id) as connection:
            base_id = new_id()
            await ensure_base(connection, asked.other_id, "base", base_id, clock())
            await put_assistant(connection, asked.other_id, new_id(), "desk", base_id, {}, clock())
        yield asked


async def test_a_release_is_made_let_live_compared_and_rolled_back(ask: Callers) -> None:
    status, first = await ask("owner", "POST", PATH, {"extractive": True})
    assert (status, first["number"], first["state"], first["manifest"]["route"]["kind"]) == (200, 1, "draft", "extractive")
    assert first["manifest"]["bases"][0]["index_version_id"] is not None
    parts = {"verification": {"partial": "strike"}, "retrieval": {"rewrite": "multi"}, "refuse_below": 0.87}
    second = (await ask("owner", "POST", PATH, {"turns_max": 2, "index": "follow", **parts}))[1]
    assert (await ask("owner", "POST", f"{PATH}/1/activate", {"reason": "trial"}))[1]["state"] == "live"
    assert (await ask("owner", "POST", f"{PATH}/2/propose"))[1]["state"] == "candidate"
    assert (await ask("owner", "POST", f"{PATH}/candidate/activate", {"reason": "fix", "note": "왜냐하면"}))[1]["number"] == 2
    assert (await ask("owner", "POST", f"{PATH}/rollback", {"reason": "incident"}))[1]["number"] == 1
    assert (await ask("auditor", "GET", f"{PATH}/live"))[1]["digest"] == first["digest"]
    told = (await ask("auditor", "GET", f"{PATH}/diff?first=1&second=2"))[1]
    assert (told["fields"]["memory.turns_max"], told["fields"]["route.kind"]) == ([6, 2], ["extractive", "installation"])
    assert told["fields"]["verification.refuse_below_thousandths"] == [None, 870]
    assert (told["fields"]["retrieval.rewrite"], told["fields"]["retrieval.queries_max"]) == ([None, "multi"], [None, 3])
    page = (await ask("auditor", "GET", f"{PATH}?limit=1"))[1]
    assert ([item["id"] for item in page["releases"]], page["next"]) == ([second["id"]], 2)
    page = (await ask("auditor", "GET", f"{PATH}?limit=1&before={page['next']}"))[1]
    assert ([item["number"] for item in page["releases"]], page["next"]) == ([1], None)
    moves = (await ask("auditor", "GET", f"{PATH}/history?limit=2"))[1]
    assert [(move["kind"], move["from_number"], move["to_number"], move["note"]) for move in moves["moves"]] == [
        ("rollback", 2, 1, ""),
        ("activate", 1, 2, "왜냐하면"),
    ]
    last = (await ask("auditor", "GET", f"{PATH}/history?before={moves['next']}"))[1]
    assert [(move["from_number"], move["to_number"], move["by"] is not None) for move in last["moves"]] == [(None, 1, True)]


async def test_who_may_not_and_mistakes_are_refused(ask: Callers) -> None:
    await ask("owner", "POST", PATH, {"extractive": True})
    for path, body in (("", {}), ("/1/activate", {}), ("/1/propose", None), ("/rollback", {})):
        assert await ask("auditor", "POST", PATH + path, body) == (403, "role_required")
    for path in ("", "/1", "/history", "/diff?first=1&second=1"):
        assert await ask("member", "GET", PATH + path) == (403, "role_required")
    assert (await ask("foreigner", "GET", PATH))[1] == {"releases": [], "next": None}
    assert await ask("foreigner", "POST", f"{PATH}/1/activate", {}) == (404, "release_not_found")
    assert await ask("owner", "GET", f"{PATH}/9") == (404, "release_not_found")
    assert await ask("owner", "POST", f"{PATH}/rollback", {}) == (409, "no_previous_release")
    assert await ask("owner", "POST", PATH, {"model": "absent"}) == (404, "model_not_found")
    assert await ask("owner", "POST", PATH, {"prompt": "absent@1"}) == (404, "prompt_not_found")
    assert await ask("owner", "POST", PATH, {"index": "77"}) == (404, "index_version_not_found")
    assert await ask("owner", "POST", PATH, {"prompt_values": {"nobody": "x"}}) == (400, "invalid_prompt")
    assert (await ask("owner", "POST", PATH, {"passages_max": 101}))[0] == 400
    assert (await ask("owner", "POST", PATH, {"retrieval": {"rewrite": "multi", "queries_max": 7}}))[0] == 400
    assert (await ask("owner", "POST", PATH, {"retrieval": {"rewrite": "all"}}))[0] == 400
    assert (await ask("owner", "POST", PATH, {"refuse_below": 1.01}))[0] == 400
    assert (await ask("owner", "POST", f"{PATH}/1/activate", {"note": "x" * 2001}))[0] == 400
    assert (await ask("owner", "POST", f"{PATH}/latest/activate", {}))[0] == 400
    assert (await ask("owner", "GET", "/assistants/absent/releases"))[0] == 404


async def test_an_assistant_is_made_changed_and_listed(ask: Callers) -> None:
    body = {"base": "base", "settings": {"title": {"ko": "도우미", "en": "Helper"}}}
    status, made = await ask("owner", "PUT", "/assistants/helper", body)
    assert (status, made["created"], made["title"], made["release"], made["waiting"]) == (200, True, {"ko": "도우미", "en": "Helper"}, 1, None)
    assert made["model"] == "assistant/helper"
    again = (await ask("owner", "PUT", "/assistants/helper", {**body, "settings": {"title": {"en": "Desk"}}}))[1]
    assert (again["created"], again["id"], again["title"]) == (False, made["id"], {"en": "Desk"})
    listed = (await ask("member", "GET", "/assistants"))[1]["assistants"]
    assert "helper" in [item["name"] for item in listed]
    assert [item["settings"] for item in listed] == [None] * len(listed), "a member is not told how it is made"
    assert (await ask("auditor", "GET", "/assistants/helper"))[1]["settings"] == {"title": {"en": "Desk"}}
    assert await ask("foreigner", "GET", "/assistants/helper") == (404, "model_not_found")
    assert await ask("auditor", "PUT", "/assistants/helper", body) == (403, "role_required")
    assert (await ask("owner", "PUT", "/assistants/other", {"base": "absent"}))[0] == 404
    assert (await ask("owner", "PUT", "/assistants/other", {"base": "base", "settings": {"turns_max": "many"}}))[0] == 400
    assert (await ask("owner", "GET", "/assistants/other"))[0] == 404, "what was refused left nothing behind"

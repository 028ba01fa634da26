"""A prompt that is being written, over the admin API and a real gateway: rendered, answered beside what serves, kept by nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from ondol.application.assistant.drafts import Trial
from ondol.application.knowledge.ingest import IngestOptions, ingest_folder
from ondol.core.money import Money
from ondol.infrastructure.access.keys import create_key
from ondol.infrastructure.access.people import NewPerson, add_person
from ondol.infrastructure.access.types import Role
from ondol.infrastructure.gateway.application import Gateway
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.serving.types import Usage
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from ondol.infrastructure.telemetry.observer import Observer
from ondol.infrastructure.telemetry.room import open_telemetry
from ondol.wiring.admin import admin_application
from ondol.wiring.drafts import draft_asker
from ondol.wiring.gateway import gateway_of
from ondol.wiring.platform import assistant_room
from tests.infrastructure.gateway.ground import NOW, Ground, Tenancy, open_ground
from tests.infrastructure.gateway.server.wire import running

pytestmark = pytest.mark.anyio

PROMPT = {
    "texts": {"en": {"role": "You are the $animal of $organisation.", "constraints": ['Say "$refusal" otherwise.']}},
    "variables": {"animal": "line", "organisation": "line", "refusal": "line"},
}
ITEMS = [
    {"id": f"refund-{number}", "question": f"How long does a refund take, by way {number}?", "expected": ["5 business days"]} for number in range(4)
]
OPEN = {"prompt": PROMPT, "values": {"animal": "owl"}}
ASKED = {**OPEN, "assistant": "help", "golden": "refunds", "answer": True}


@dataclass
class Desk:
    """The API with a key for each role, and the model behind the assistant."""

    tenancy: Tenancy
    up: ScriptedModel
    client: httpx.AsyncClient
    texts: dict[str, str]

    async def ask(self, who: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
        answer = await self.client.request(method, path, json=body, headers={"authorization": f"Bearer {self.texts[who]}"})
        told = answer.json()
        return answer.status_code, (told["error"]["code"], told["error"]["param"]) if "error" in told else told

    async def preview(self, body: object, who: str = "owner") -> tuple[int, Any]:
        return await self.ask(who, "POST", "/evaluation/prompt-preview", body)


@pytest.fixture(scope="module")
async def ground(module_addresses: DatabaseAddresses, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[Ground]:
    async with open_ground(module_addresses, tmp_path_factory.mktemp("previews")) as opened:
        yield opened


@pytest.fixture
async def desk(ground: Ground, tmp_path: Path) -> AsyncIterator[Desk]:
    platform = ground.platform
    async with ScriptedModel(Reply("A refund takes 5 business days [1].", usage=Usage(1000, 500))) as up:
        async with ground.at_once():
            tenancy = await ground.tenancy()
            await tenancy.provider(up.base_url)
            await tenancy.model("up/small")
            await tenancy.price("up", "small")
        (tmp_path / "refund.md").write_text("# Refund policy\n\nA refund is paid within 5 business days. It goes back to the card.\n", "utf-8")
        await ingest_folder(platform.knowledge, tenancy.id, "docs", tmp_path, IngestOptions(), lambda done, total: None)
        quoting = {"name": "quoting", "base": "docs", "settings": {"extractive": True}}
        await tenancy.declare(assistants=[{"name": "help", "base": "docs", "settings": {"model": "m"}}, quoting])
        texts = {"owner": await _key(tenancy, "owner", "owner"), "auditor": await _key(tenancy, "auditor", "auditor")}
        await ground.fresh()
        telemetry = open_telemetry(platform.settings.metrics, platform.settings.telemetry, platform.folder.metrics, lambda _: "acme")
        async with telemetry as observer:
            asked = draft_asker(platform, lambda trial: _gateway(ground, observer, trial))
            application = admin_application(platform, ground.keys, ground.guard.policies, ask_draft=asked)
            async with (
                running(application) as server,
                httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}/api/v1", timeout=30, trust_env=False) as client,
            ):
                found = Desk(tenancy, up, client, texts)
                assert (await found.ask("owner", "POST", "/evaluation/golden-sets", {"name": "refunds"}))[0] == 200
                assert (await found.ask("owner", "POST", "/evaluation/golden-sets/refunds/versions", {"items": ITEMS}))[0] == 200
                yield found


async def _key(tenancy: Tenancy, login: str, role: Role) -> str:
    platform = tenancy.ground.platform
    async with platform.database.tenant_tx(tenancy.id) as connection:
        person = await add_person(connection, platform.keyring, tenancy.id, NewPerson(login, login, roles=frozenset({role})), NOW)
        return (await create_key(connection, tenancy.id, person.id, "k", NOW))[1].text


def _gateway(ground: Ground, observer: Observer, trial: Trial) -> Gateway:
    assistants = assistant_room(ground.platform, {})
    return gateway_of(
        ground.platform, ground.keys, ground.room, ground.guard, lambda: assistants, record=ground.recorder.record, observer=observer,
        records_full=lambda: False, contents=ground.contents, ready=dict, inside=True, trial=trial,
    )  # fmt: skip


async def test_a_draft_is_rendered_and_its_mistakes_name_their_field(desk: Desk) -> None:
    _, told = await desk.preview(OPEN)
    organisation = desk.tenancy.tenant.name
    assert f"You are the owl of {organisation}." in told["texts"]["en"]
    assert "The documents do not hold the answer" in told["texts"]["en"]
    assert (told["cases"], told["live"], told["model"], told["next"]) == ([], None, None, None)
    assert await desk.preview({**OPEN, "values": {}}) == (400, ("invalid_prompt", "animal"))
    typo = {"texts": {"en": {"role": "x", "constraints": ["fine", "costs $5"]}}}
    assert await desk.preview({"prompt": typo}) == (400, ("invalid_prompt", "texts.en.constraints.1"))
    unknown = {"texts": {"ko": {"role": "x", "examples": [{"question": "$who?", "answer": "y"}]}}}
    assert await desk.preview({"prompt": unknown}) == (400, ("invalid_prompt", "texts.ko.examples.0.question"))
    assert await desk.preview({"prompt": {"texts": {"en": {"role": "x" * 8001}}}}) == (400, ("invalid_request", "prompt.texts.en.role"))
    assert await desk.preview(OPEN, who="auditor") == (403, ("role_required", None))


async def test_cases_are_answered_by_the_draft_beside_what_serves(desk: Desk) -> None:
    status, told = await desk.preview({**ASKED, "cases": 2})
    assert (status, told["live"], told["model"], told["next"]) == (200, "assistant@1", "m", 2)
    assert [case["id"] for case in told["cases"]] == ["refund-0", "refund-1"]
    for case in told["cases"]:
        assert "5 business days" in case["draft"]["text"] and "5 business days" in case["live"]["text"]
        # 1,000 tokens at $1 and 500 at $2 a million
        assert (case["draft"]["cost"], case["draft"]["currency"], case["expected"]) == ("0.002", "USD", ["5 business days"])
    systems = sorted("owl" in request.body["messages"][0]["content"] for request in desk.up.requests)
    assert systems == [False, False, True, True], "each case goes to the model once by the draft and once by what serves"
    assert {request.body["max_tokens"] for request in desk.up.requests} == {700}


async def test_nothing_of_a_look_is_kept_but_its_account(desk: Desk) -> None:
    await desk.preview({**ASKED, "cases": 1})
    rows = desk.tenancy.rows
    assert [row["n"] for row in await rows("select count(*) as n from ondol.answers")] == [0]
    assert [row["n"] for row in await rows("select count(*) as n from ondol.prompt_versions where name <> 'assistant'")] == [0]
    await desk.tenancy.ground.recorder.rotate()
    await desk.tenancy.ground.drain.flush()
    assert [row["cost_nano"] for row in await rows("select cost_nano from ondol.requests")] == [2_000_000, 2_000_000]


async def test_the_rest_of_a_set_is_looked_at_from_where_the_last_page_ended(desk: Desk) -> None:
    _, told = await desk.preview({**OPEN, "golden": "refunds", "first": 3})
    assert ([case["id"] for case in told["cases"]], told["next"], told["cases"][0]["draft"]) == (["refund-3"], None, None)
    assert len(desk.up.requests) == 0, "nobody asked for answers"
    assert await desk.preview({**ASKED, "cases": 4}) == (400, ("invalid_request", "cases"))
    assert await desk.preview({**OPEN, "golden": "refunds", "answer": True}) == (400, ("nothing_to_answer", "assistant"))
    assert await desk.preview({**ASKED, "golden": "absent"}) == (404, ("golden_not_found", "golden"))


async def test_a_hidden_set_is_for_its_owner_and_no_model_is_asked_where_none_writes(desk: Desk) -> None:
    hidden = {"name": "secret", "split": "hidden"}
    await desk.ask("owner", "POST", "/evaluation/golden-sets", hidden)
    await desk.ask("owner", "POST", "/evaluation/golden-sets/secret/versions", {"items": ITEMS[:1]})
    desk.texts["admin"] = await _key(desk.tenancy, "admin", "admin")
    await desk.tenancy.ground.fresh()
    assert await desk.preview({**OPEN, "golden": "secret"}, who="admin") == (403, ("golden_hidden", None))
    assert (await desk.preview({**OPEN, "golden": "secret"}))[0] == 200
    _, told = await desk.preview({**ASKED, "assistant": "quoting"})
    assert (told["model"], [case["draft"] for case in told["cases"]], len(desk.up.requests)) == (None, [None, None, None], 0)


async def test_a_failure_is_told_beside_its_case_and_a_budget_holds_for_looks_too(desk: Desk) -> None:
    desk.up.say(Reply(trouble="broken"))
    _, told = await desk.preview({**ASKED, "cases": 1})
    assert (told["cases"][0]["draft"]["failure"][:6], told["cases"][0]["draft"]["text"]) == ("HTTP 5", "")
    desk.up.say(Reply("A refund takes 5 business days [1]."))
    await desk.tenancy.budget(Money(1_000, "USD"))
    await desk.tenancy.ground.fresh()
    _, told = await desk.preview({**ASKED, "cases": 1})
    assert told["cases"][0]["draft"]["failure"].startswith("HTTP 429")


async def test_the_gateway_of_a_look_leaves_the_ending_of_revoked_keys_to_the_one_that_serves(desk: Desk) -> None:
    ended = desk.tenancy.ground.keys.on_gone
    await desk.preview({**ASKED, "cases": 1})
    assert desk.tenancy.ground.keys.on_gone is ended

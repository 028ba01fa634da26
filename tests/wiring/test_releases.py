"""Releases end to end, over the gateway: what serves, what it costs, going live under load, and what was altered."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from ondol.application.assistant.release import create_release, let_live, wish_of
from ondol.application.assistant.store import find_assistant
from ondol.application.knowledge.ingest import IngestOptions, ingest_folder
from ondol.application.prompts import prompt_body
from ondol.application.prompts.store import put_prompt
from ondol.core.money import Money
from ondol.infrastructure.access.limits.types import Bounds
from ondol.infrastructure.releases import Release, Why, roll_back
from ondol.infrastructure.serving.directory import AssistantCard, ServingDirectory
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.serving.types import Usage
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from ondol.wiring.platform import release_assistants
from tests.infrastructure.gateway.ground import NOW, Ground, Tenancy, open_ground
from tests.infrastructure.gateway.server.wire import eventually

pytestmark = pytest.mark.anyio

QUESTION = "How long does a refund take?"
ANSWER = "A refund is paid within 5 business days [1]."
HELP = "assistant/help"


@pytest.fixture(scope="module")
async def ground(module_addresses: DatabaseAddresses, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[Ground]:
    folder: Path = tmp_path_factory.mktemp("releases")
    async with open_ground(module_addresses, folder) as opened:
        yield opened


@dataclass
class Desk:
    """A tenant with an assistant over a document, and two models behind one scripted upstream."""

    tenancy: Tenancy
    up: ScriptedModel

    @property
    def ground(self) -> Ground:
        return self.tenancy.ground

    async def ask(self, question: str = QUESTION, **more: Any) -> httpx.Response:
        return await self.tenancy.ask({"model": HELP, "messages": [{"role": "user", "content": question}], **more})

    async def release(self, **chosen: Any) -> Release:
        """Make a release and let it serve."""
        knowledge = self.ground.platform.knowledge
        async with knowledge.database.tenant_tx(self.tenancy.id) as connection:
            found = await find_assistant(connection, "help")
        made = await create_release(knowledge, self.tenancy.id, found, wish_of(found.settings, **chosen), "active")
        done = await let_live(knowledge, self.tenancy.id, made.id, Why("improvement"))
        await self.ground.fresh()
        return done

    async def back(self) -> Release:
        platform = self.ground.platform
        async with platform.database.tenant_tx(self.tenancy.id) as connection:
            found = await find_assistant(connection, "help")
            return await roll_back(connection, platform.keyring, self.tenancy.id, found.id, Why("incident"), NOW)

    def card(self) -> AssistantCard:
        return self.ground.room.directory.tenant(self.tenancy.id).assistants["help"]


@pytest.fixture
async def desk(ground: Ground, tmp_path: Path) -> AsyncIterator[Desk]:
    async with ScriptedModel(Reply(ANSWER, usage=Usage(1000, 500))) as up:
        async with ground.at_once():
            tenancy = await ground.tenancy()
            await tenancy.provider(up.base_url)
            await tenancy.model("up/small", context_tokens=3000, output_tokens_default=500)
            await tenancy.model("up/large", alias="large", context_tokens=3000, output_tokens_default=500)
            await tenancy.price("up", "small")
            await tenancy.price("up", "large", input=10**10, output=2 * 10**10)
        (tmp_path / "refund.md").write_text("# Refund policy\n\nA refund is paid within 5 business days. It goes back to the card.\n", "utf-8")
        await ingest_folder(ground.platform.knowledge, tenancy.id, "docs", tmp_path, IngestOptions(), lambda done, total: None)
        await tenancy.declare(assistants=[{"name": "help", "base": "docs", "settings": {"model": "m"}}])
        yield Desk(tenancy, up)


def of(answer: httpx.Response) -> dict[str, Any]:
    """The answer's own field."""
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["ondol"]
    return found


async def test_an_answer_costs_what_its_model_costs_and_names_its_release(desk: Desk) -> None:
    answer = await desk.ask()
    assert answer.json()["choices"][0]["message"]["content"].strip() == ANSWER
    record = await desk.tenancy.record()
    # 1,000 tokens at $1 and 500 at $2 a million
    assert (record.cost_nano, record.currency, record.provider, record.upstream_model) == (2_000_000, "USD", "up", "small")
    assert (record.input_tokens, record.output_tokens, record.usage_estimated, record.price_id is not None) == (1000, 500, False, True)
    assert record.release_id == desk.card().release_id is not None
    assert of(answer)["release"] == answer.headers["x-ondol-release"] == str(record.release_id)
    assert (answer.headers["x-ondol-cost"], answer.headers["x-ondol-route"]) == ("0.002 USD", "up/small")
    [request] = desk.up.requests
    asked = request.body
    assert (asked["model"], asked["messages"][0]["role"], asked["messages"][-1]["role"]) == ("small", "system", "tool")


async def test_a_stream_is_charged_alike(desk: Desk) -> None:
    answer = await desk.ask(stream=True)
    record = await desk.tenancy.record()
    assert (answer.status_code, record.cost_nano, record.release_id) == (200, 2_000_000, desk.card().release_id)
    assert f'"release":"{record.release_id}"' in answer.text


async def test_a_budget_is_asked_before_the_model_is(desk: Desk) -> None:
    """3,000 tokens of context and 500 of an answer cost $0.004 at the most."""
    await desk.tenancy.budget(Money(3_000_000, "USD"))
    answer = await desk.ask()
    assert (answer.status_code, list(desk.up.requests)) == (429, [])


async def test_a_budget_of_the_model_counts_what_assistants_ask_of_it(desk: Desk) -> None:
    """Of two answers at $0.002 and a request at most $0.004, the second does not fit into $0.005, whoever asks the model."""
    await desk.tenancy.budget(Money(5_000_000, "USD"), scope="model", subject="m")
    assert (await desk.ask(ondol={"cache": False})).status_code == 200
    assert (await desk.ask(ondol={"cache": False})).status_code == 429
    assert (await desk.tenancy.ask({"model": "m", "messages": [{"role": "user", "content": "Hello?"}], "max_tokens": 1_000})).status_code == 200
    await desk.release(model="large")
    assert (await desk.ask(ondol={"cache": False})).status_code == 200


async def test_the_answers_record_names_who_served_the_model_also_when_it_is_given_again(desk: Desk) -> None:
    first, again = await desk.ask(), await desk.ask()
    assert [answer.headers["x-ondol-cache"] for answer in (first, again)] == ["none", "hit"]
    streamed = await desk.ask(stream=True)
    assert streamed.headers["x-ondol-cache"] == "hit"
    found = await desk.tenancy.rows("select provenance from answers order by id")
    assert [(row["provenance"]["model"], row["provenance"]["provider"]) for row in found] == [("m", "up")] * 3
    assert (await desk.ask("Where does the refund go?")).headers["x-ondol-cache"] == "none"


async def test_a_model_without_a_price_is_not_asked_on_a_budget(desk: Desk) -> None:
    await desk.tenancy.model("up/unpriced", alias="unpriced")
    await desk.tenancy.budget(Money(10**12, "USD"))
    await desk.release(model="unpriced")
    assert (await desk.ask()).status_code >= 400
    assert not desk.up.requests


async def test_a_target_that_fails_is_followed_by_the_next(desk: Desk) -> None:
    async with ScriptedModel(Reply(trouble="broken")) as broken:
        await desk.tenancy.provider(broken.base_url, name="broken")
        await desk.tenancy.model("broken/small", "up/small", retries_max=0)
        assert of(await desk.ask())["model"] == "m"
    record = await desk.tenancy.record()
    assert (record.provider, record.attempts, record.cost_nano) == ("up", 2, 2_000_000)


async def test_a_target_of_anthropics_family_is_asked_in_its_shape(desk: Desk) -> None:
    """The documents stay in a tool's turn, for which that family wants the tool to be named."""
    pieces = (b"HTTP/1.1 500 Oops\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}",)
    async with ScriptedModel(Reply(raw=pieces, then="close")) as claude:
        await desk.tenancy.provider(claude.base_url, name="claude", kind="anthropic")
        await desk.tenancy.model("claude/opus", "up/small", retries_max=0)
        assert of(await desk.ask())["model"] == "m"
        asked = claude.requests[0].body
    assert (asked["tools"][0]["name"], asked["tool_choice"], asked["messages"][-1]["content"][0]["type"]) == (
        "search_documents",
        {"type": "none"},
        "tool_result",
    )
    assert "tools" not in desk.up.requests[0].body


async def test_a_caller_gets_no_cheaper_tier_and_no_longer_answer(desk: Desk) -> None:
    await desk.tenancy.provider(desk.up.base_url, service_tier_percents={"flex": 50})
    await desk.tenancy.limit(bounds=Bounds(output_tokens_max=300))
    await desk.ask(service_tier="flex", max_tokens=100_000)
    assert (await desk.tenancy.record()).cost_nano == 2_000_000
    assert (desk.up.requests[0].body["max_tokens"], "service_tier" in desk.up.requests[0].body) == (300, False)


async def test_what_is_pinned_to_the_model_stands_before_the_prompt(desk: Desk) -> None:
    await desk.tenancy.model("up/small", prompt="Be kind to everybody who writes to us, always.")
    await desk.ask()
    assert desk.up.requests[0].body["messages"][0]["content"].startswith("Be kind")


async def test_a_model_that_is_gone_is_told(desk: Desk) -> None:
    await desk.tenancy.model("up/small", disabled=True)
    answer = await desk.ask()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "assistant_model_missing")


async def test_an_extractive_release_asks_no_model_and_costs_nothing(desk: Desk) -> None:
    made = await desk.release(extractive=True)
    told = of(await desk.ask())
    record = await desk.tenancy.record()
    assert (told["model"], told["release"], record.cost_nano, list(desk.up.requests)) == ("extractive", str(made.id), None, [])


async def test_what_is_declared_serves_until_somebody_makes_a_release(desk: Desk) -> None:
    first = desk.card().release_id
    await desk.tenancy.declare(assistants=[{"name": "help", "base": "docs", "settings": {"model": "m"}}])
    assert desk.card().release_id == first  # the same once more is nothing new
    await desk.tenancy.declare(assistants=[{"name": "help", "base": "docs", "settings": {"model": "large"}}])
    second = desk.card()
    assert (second.release_id != first, second.route) == (True, "large")
    made = await desk.release(model="m")
    await desk.tenancy.declare(assistants=[{"name": "help", "base": "docs", "settings": {"extractive": True}}])
    assert (desk.card().release_id, desk.card().route) == (made.id, "m")


async def test_an_assistant_of_before_gets_a_release_when_a_worker_starts(desk: Desk) -> None:
    async with desk.tenancy.change() as connection:
        await connection.execute("update assistants set live_release_id = null")
    assert "release" not in {name for name, value in of(await desk.ask()).items() if value is not None}
    await release_assistants(desk.ground.platform)
    await desk.ground.fresh()
    assert of(await desk.ask())["release"] == str(desk.card().release_id)


async def prompts(desk: Desk) -> None:
    """Prompts `one` and `two` that name themselves."""
    platform = desk.ground.platform
    async with platform.database.tenant_tx(desk.tenancy.id) as connection:
        for name in ("one", "two"):
            body = prompt_body({"texts": {"en": {"role": f"you are prompt-{name}"}}})
            await put_prompt(connection, platform.keyring, desk.tenancy.id, name, body, by=None, now=NOW)


def repeating(body: Mapping[str, Any]) -> Reply:
    """Says which model was asked with which prompt and how many passages."""
    prompt = "prompt-one" if "prompt-one" in body["messages"][0]["content"] else "prompt-two"
    passages = body["messages"][-1]["content"].count("[")
    return Reply(f"{body['model']} {prompt} {passages} [1].", between_s=0.001)


async def test_an_answer_is_given_by_one_release_whatever_goes_live_meanwhile(desk: Desk) -> None:
    """Under load, with the pointer moving all the while: prompt, model, record and what is told are always of the same release."""
    await prompts(desk)
    desk.up.say(repeating)
    show = {"unsupported": "show", "partial": "show"}
    one = await desk.release(prompt="one", model="m", verification=show)
    two = await desk.release(prompt="two", model="large", verification=show)
    wanted = {str(one.id): ("small prompt-one 1 [1].", "m"), str(two.id): ("large prompt-two 1 [1].", "large")}
    told: list[tuple[str, str, str]] = []
    moving = True

    async def asking() -> None:
        while moving:
            answer = await desk.ask(ondol={"cache": False})
            own = of(answer)
            told.append((own["release"], answer.json()["choices"][0]["message"]["content"].strip(), own["model"]))

    askers = [asyncio.create_task(asking()) for _ in range(6)]
    knowledge = desk.ground.platform.knowledge
    for turn in range(12):
        before = len(told)
        await let_live(knowledge, desk.tenancy.id, (one, two)[turn % 2].id, Why("trial"))
        await eventually(lambda before=before: len(told) >= before + 3)  # type: ignore[misc]
    moving = False
    await asyncio.gather(*askers)
    assert {release for release, _, _ in told} == set(wanted)
    assert [item for item in told if wanted[item[0]] != (item[1], item[2])] == []
    records = {record.id: record for record in desk.tenancy.records}
    models = {str(one.id): "small", str(two.id): "large"}
    assert [record for record in records.values() if models[str(record.release_id)] != record.upstream_model] == []


async def test_every_worker_hears_of_going_live_and_back(desk: Desk) -> None:
    first = desk.card().release_id
    others = [ServingDirectory(desk.ground.platform.database, desk.ground.platform.keyring) for _ in range(2)]
    running = [asyncio.create_task(other.run()) for other in others]

    def all_have(release_id: uuid.UUID | None) -> bool:
        cards = [other.tenant(desk.tenancy.id).assistants.get("help") for other in (*others, desk.ground.room.directory)]
        return all(card is not None and card.release_id == release_id for card in cards)

    try:
        await eventually(lambda: all_have(first))
        made = await desk.release(model="large")
        await eventually(lambda: all_have(made.id))
        assert (await desk.back()).id == first
        await eventually(lambda: all_have(first))
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def hard(name: str, word: str, *, floor: bool = False) -> dict[str, Any]:
    """A policy that refuses a word."""
    rules = [{"find": "topics", "do": "block"}]
    return {"version": 1, "name": name, "floor": floor, "stages": {"input": rules}, "checks": {"topics": {"named": {name: [word]}}}}


async def test_an_answer_is_guarded_by_the_policy_that_its_release_names_and_by_the_floors_of_today(desk: Desk) -> None:
    """Whoever changes a policy changes nothing of a release that somebody made, unless the policy is a floor; a declaration follows."""

    async def statuses() -> list[str]:
        said = [(await desk.ask(f"How long does a refund of a {word} take?")).json() for word in ("apple", "banana")]
        return ["passed" if "5 business days" in answer["choices"][0]["message"]["content"] else "refused" for answer in said]

    bound = [{"scope": "assistant", "target": "help", "policy": "house"}]
    declared = {"assistants": [{"name": "help", "base": "docs", "settings": {"model": "m"}}], "guard": bound}
    await desk.tenancy.declare(policies=[hard("house", "apple")], **declared)
    assert await statuses() == ["refused", "passed"]
    await desk.tenancy.declare(policies=[hard("house", "banana")], **declared)
    assert await statuses() == ["passed", "refused"]
    made = await desk.release()
    await desk.tenancy.declare(policies=[hard("house", "apple")], **declared)
    assert await statuses() == ["passed", "refused"]
    [row] = await desk.tenancy.rows("select digest from guard_policies where name = 'house' and version = 2")
    assert (made.manifest.pinned_policy, (await desk.tenancy.record(6)).guard_policy) == (bytes(row["digest"]), bytes(row["digest"]))
    floors = [*bound, {"scope": "tenant", "target": "", "policy": "law"}]
    await desk.tenancy.declare(policies=[hard("house", "apple"), hard("law", "apple", floor=True)], **{**declared, "guard": floors})
    assert await statuses() == ["refused", "refused"]
    await desk.release(guard="follow")
    assert await statuses() == ["refused", "passed"]


@pytest.mark.parametrize("table", ["releases", "prompt_versions"])
async def test_what_was_altered_is_not_served(desk: Desk, module_addresses: DatabaseAddresses, table: str) -> None:
    made = await desk.release(turns_max=3)
    change = "manifest = jsonb_set(manifest, '{verification,unsupported}', '\"show\"')" if table == "releases" else "digest = sha256('')"
    async with await psycopg.AsyncConnection.connect(module_addresses.owner, autocommit=True) as owner:
        await owner.execute(f"update ondol.{table} set {change} where tenant_id = %s", (desk.tenancy.id,))
    answer = await desk.ask()
    assert (answer.status_code, list(desk.up.requests)) == (500, [])
    assert str(made.id) not in json.dumps(answer.json())  # what is wrong is for the log, not for the caller

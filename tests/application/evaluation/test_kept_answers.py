"""An answer that was given before is scored again: what is found, who is told what, and what an erasure leaves of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from ondol.application.evaluation.kept_answers import SCORERS
from ondol.core.ids import new_id
from ondol.infrastructure.access.keys import KeyDirectory, create_key
from ondol.infrastructure.access.people import NewPerson, add_person, create_tenant
from ondol.infrastructure.guard.policies import PolicyDirectory
from ondol.infrastructure.storage.blobs import KeyOwner
from ondol.infrastructure.storage.postgres.database import rows
from ondol.wiring.admin import admin_application
from tests.application.assistant.conftest import Desk, desk
from tests.infrastructure.gateway.server.wire import running
from tests.infrastructure.guard.words import word_checks

__all__ = ["desk"]

pytestmark = pytest.mark.anyio

Ask = Callable[..., Awaitable[tuple[int, Any]]]
QUESTION = "How long does a refund take?"


@pytest.fixture
async def ask(desk: Desk) -> AsyncIterator[Ask]:
    platform, clock, texts = desk.house.platform, desk.house.clock, {}
    tenant_id = desk.house.tenant_id
    other = await create_tenant(platform.database, platform.keyring, slug="other-one", name="Other", now=clock())
    async with platform.database.tenant_tx(tenant_id) as connection:
        for login in ("visitor", "support"):
            texts[login] = (await create_key(connection, tenant_id, desk.house.people[login], "key", clock()))[1].text
        person = await add_person(connection, platform.keyring, tenant_id, NewPerson("auditor", "auditor", roles=frozenset({"auditor"})), clock())
        texts["auditor"] = (await create_key(connection, tenant_id, person.id, "key", clock()))[1].text
    async with platform.database.tenant_tx(other.id) as connection:
        person = await add_person(connection, platform.keyring, other.id, NewPerson("owner", "owner", roles=frozenset({"owner"})), clock())
        texts["foreigner"] = (await create_key(connection, other.id, person.id, "key", clock()))[1].text
    keys, policies = KeyDirectory(platform.database, clock), PolicyDirectory(platform.database, platform.keyring, checks=word_checks)
    await keys.refresh()
    await policies.refresh()
    async with (
        running(admin_application(platform, keys, policies)) as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}/api/v1") as client,
    ):

        async def call(who: str, path: str, body: object = None) -> tuple[int, Any]:
            answer = await client.post(path, json=body or {}, headers={"authorization": f"Bearer {texts[who]}"})
            told = answer.json()
            return answer.status_code, told["error"]["code"] if "error" in told else told

        yield call


async def _answered(desk: Desk, question: str = QUESTION) -> str:
    told = await desk.ask(question)
    return f"/answers/{told.request.id}/evaluate"


async def test_an_answer_is_scored_by_what_its_documents_say(ask: Ask, desk: Desk) -> None:
    path = await _answered(desk)
    status, told = await ask("visitor", path)
    assert (status, sorted(told["scores"])) == (200, sorted(SCORERS))
    values = {name: (score["value"], score["status"]) for name, score in told["scores"].items()}
    assert values["groundedness"] == values["citation_recall"] == values["citation_precision"] == (1.0, "ok")
    assert values["hallucination_rate"] == values["refusal"] == values["pii_leak"] == (0.0, "ok")
    assert values["language_match"] == (1.0, "ok")
    assert told["scores"]["groundedness"]["details"]["by"] == "scorer"
    some = (await ask("visitor", path, {"scorers": ["tokens", "latency", "tokens"]}))[1]
    assert list(some["scores"]) == ["tokens", "latency"]


async def test_a_refusal_claims_nothing(ask: Ask, desk: Desk) -> None:
    told = (await ask("visitor", await _answered(desk, "What is the capital of Mongolia?")))[1]["scores"]
    assert (told["refusal"]["value"], told["groundedness"]["status"]) == (1.0, "skipped")


async def test_others_are_told_figures_and_no_words_and_the_ledger_says_who_looked(ask: Ask, desk: Desk) -> None:
    path = await _answered(desk)
    told = (await ask("auditor", path))[1]["scores"]
    assert told["groundedness"]["value"] == 1.0
    assert {(score["reason"], score["details"]) for score in told.values()} == {(None, None)}
    async with desk.house.platform.database.tenant_tx(desk.house.tenant_id) as connection:
        events = await rows(connection, "select actor_id, body from ledger_events where kind = 'answer.evaluated'", {})
    assert [event["body"]["answer"] for event in events] == [path.split("/")[2]]


async def test_who_may_not_and_mistakes_are_refused(ask: Ask, desk: Desk) -> None:
    path = await _answered(desk)
    assert await ask("support", path) == (404, "answer_not_found")
    assert await ask("foreigner", path) == (404, "answer_not_found")
    assert await ask("visitor", f"/answers/{new_id()}/evaluate") == (404, "answer_not_found")
    assert await ask("visitor", path, {"scorers": ["korquad_f1"]}) == (400, "unknown_scorer")
    assert (await ask("visitor", path, {"scorers": ["tokens"] * 30}))[0] == 400


async def test_of_what_was_erased_nothing_is_scored(ask: Ask, desk: Desk) -> None:
    path = await _answered(desk)
    platform, tenant_id = desk.house.platform, desk.house.tenant_id
    async with platform.database.tenant_tx(tenant_id) as connection:
        documents = await rows(connection, "select id from documents", {})
    for row in documents:
        platform.keyring.destroy(KeyOwner(tenant_id, "document", row["id"]))
    told = (await ask("visitor", path, {"scorers": ["groundedness", "citation_recall"]}))[1]["scores"]
    assert [score["value"] for score in told.values()] != [1.0, 1.0]
    platform.keyring.destroy(KeyOwner(tenant_id, "subject", desk.house.people["visitor"]))
    assert await ask("auditor", path) == (409, "answer_erased")

"""An answer that was given before is scored again: what is found, who is told what, and what an erasure leaves of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ondol.application.evaluation.kept_answers import SCORERS
from ondol.core.ids import new_id
from ondol.infrastructure.storage.blobs import KeyOwner
from ondol.infrastructure.storage.postgres.database import rows
from tests.application.assistant.conftest import Desk, desk
from tests.application.callers import Callers, callers_of

__all__ = ["desk"]

pytestmark = pytest.mark.anyio

QUESTION = "How long does a refund take?"


@pytest.fixture
async def ask(desk: Desk) -> AsyncIterator[Callers]:
    async with callers_of(desk.house) as asked:
        yield asked


async def _answered(desk: Desk, question: str = QUESTION) -> str:
    told = await desk.ask(question)
    return f"/answers/{told.request.id}/evaluate"


async def test_an_answer_is_scored_by_what_its_documents_say(ask: Callers, desk: Desk) -> None:
    path = await _answered(desk)
    status, told = await ask("visitor", "POST", path, {})
    assert (status, sorted(told["scores"])) == (200, sorted(SCORERS))
    values = {name: (score["value"], score["status"]) for name, score in told["scores"].items()}
    assert values["groundedness"] == values["citation_recall"] == values["citation_precision"] == (1.0, "ok")
    assert values["hallucination_rate"] == values["refusal"] == values["pii_leak"] == (0.0, "ok")
    assert values["language_match"] == (1.0, "ok")
    assert told["scores"]["groundedness"]["details"]["by"] == "scorer"
    some = (await ask("visitor", "POST", path, {"scorers": ["tokens", "latency", "tokens"]}))[1]
    assert list(some["scores"]) == ["tokens", "latency"]


async def test_a_refusal_claims_nothing(ask: Callers, desk: Desk) -> None:
    told = (await ask("visitor", "POST", await _answered(desk, "What is the capital of Mongolia?"), {}))[1]["scores"]
    assert (told["refusal"]["value"], told["groundedness"]["status"]) == (1.0, "skipped")


async def test_others_are_told_figures_and_no_words_and_the_ledger_says_who_looked(ask: Callers, desk: Desk) -> None:
    path = await _answered(desk)
    told = (await ask("auditor", "POST", path, {}))[1]["scores"]
    assert told["groundedness"]["value"] == 1.0
    assert {(score["reason"], score["details"]) for score in told.values()} == {(None, None)}
    async with desk.house.platform.database.tenant_tx(desk.house.tenant_id) as connection:
        events = await rows(connection, "select actor_id, body from ledger_events where kind = 'answer.evaluated'", {})
    assert [event["body"]["answer"] for event in events] == [path.split("/")[2]]


async def test_who_may_not_and_mistakes_are_refused(ask: Callers, desk: Desk) -> None:
    path = await _answered(desk)
    assert await ask("support", "POST", path, {}) == (404, "answer_not_found")
    assert await ask("foreigner", "POST", path, {}) == (404, "answer_not_found")
    assert await ask("visitor", "POST", f"/answers/{new_id()}/evaluate", {}) == (404, "answer_not_found")
    assert await ask("visitor", "POST", path, {"scorers": ["korquad_f1"]}) == (400, "unknown_scorer")
    assert (await ask("visitor", "POST", path, {"scorers": ["tokens"] * 30}))[0] == 400


async def test_of_what_was_erased_nothing_is_scored(ask: Callers, desk: Desk) -> None:
    path = await _answered(desk)
    platform, tenant_id = desk.house.platform, desk.house.tenant_id
    async with platform.database.tenant_tx(tenant_id) as connection:
        documents = await rows(connection, "select id from documents", {})
    for row in documents:
        platform.keyring.destroy(KeyOwner(tenant_id, "document", row["id"]))
    told = (await ask("visitor", "POST", path, {"scorers": ["groundedness", "citation_recall"]}))[1]["scores"]
    assert [score["value"] for score in told.values()] != [1.0, 1.0]
    platform.keyring.destroy(KeyOwner(tenant_id, "subject", desk.house.people["visitor"]))
    assert await ask("auditor", "POST", path, {}) == (409, "answer_erased")

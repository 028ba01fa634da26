"""A question of a command goes through the gateway's door: charged, limited, guarded and recorded as the person who asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ondol.application.knowledge.ingest import IngestOptions, ingest_folder
from ondol.core.errors import RequestError
from ondol.core.money import Money
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.serving.types import Usage
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from ondol.wiring.asking import ask_as
from tests.infrastructure.gateway.ground import Ground, Tenancy, open_ground

pytestmark = pytest.mark.anyio
QUESTION = "How long does a refund take?"
ANSWER = "A refund is paid within 5 business days [1]."


@pytest.fixture
async def ground(addresses: DatabaseAddresses, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Ground]:
    async with open_ground(addresses, tmp_path / "ground") as opened:
        yield opened


@pytest.fixture
async def up(anyio_backend: str) -> AsyncIterator[ScriptedModel]:
    async with ScriptedModel(Reply(ANSWER, usage=Usage(1000, 500))) as model:
        yield model


@pytest.fixture
async def tenancy(ground: Ground, up: ScriptedModel, tmp_path: Path) -> Tenancy:
    made = await ground.tenancy()
    await made.provider(up.base_url)
    await made.model("up/small", context_tokens=3000, output_tokens_default=500)
    await made.price("up", "small")
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "refund.md").write_text("# Refund policy\n\nA refund is paid within 5 business days. It goes back to the card.\n", "utf-8")
    await ingest_folder(ground.platform.knowledge, made.id, "docs", folder, IngestOptions(), lambda done, total: None)
    await made.declare(assistants=[{"name": "help", "base": "docs", "settings": {"model": "m"}}])
    return made


async def asked(tenancy: Tenancy, question: str = QUESTION, **more: Any) -> tuple[str, Mapping[str, Any]]:
    """The text of the answer, and what is told of it."""
    body = {"model": "assistant/help", "messages": [{"role": "user", "content": question}], **more}
    answer = await ask_as(tenancy.ground.platform, tenancy.id, tenancy.person.id, body)
    return answer["choices"][0]["message"]["content"].strip(), answer.get("ondol", {})


async def test_an_answer_is_charged_to_whoever_asks_and_recorded(tenancy: Tenancy) -> None:
    text, told = await asked(tenancy, ondol={"thread": "new"})
    assert (text, "thread" in told) == (ANSWER, True)
    await tenancy.ground.drain.flush()
    [row] = await tenancy.rows("select person_id, api_key_id, model, cost_nano, outcome from requests")
    assert row == {"person_id": tenancy.person.id, "api_key_id": None, "model": "assistant/help", "cost_nano": 2_000_000, "outcome": "answered"}


async def test_the_persons_budget_and_limits_hold(tenancy: Tenancy, up: ScriptedModel) -> None:
    await tenancy.budget(Money(5_000_000, "USD"), scope="person", subject=str(tenancy.person.id))
    assert (await asked(tenancy))[0] == ANSWER
    with pytest.raises(RequestError) as caught:
        await asked(tenancy, "How long does another refund take?")
    assert (caught.value.code, len(up.requests)) == ("budget_exceeded", 1)


async def test_an_answer_that_breaks_off_is_an_error(tenancy: Tenancy, up: ScriptedModel) -> None:
    up.say(Reply(ANSWER, trouble="cut_off"))
    with pytest.raises(RequestError, match="broke off"):
        await asked(tenancy)


async def test_the_guard_reads_what_is_asked(tenancy: Tenancy, up: ScriptedModel) -> None:
    rules = [{"find": "topics", "do": "block"}]
    policy = {"version": 1, "name": "house", "stages": {"input": rules}, "checks": {"topics": {"named": {"fruit": ["apple"]}}}}
    await tenancy.declare(policies=[policy], guard=[{"policy": "house"}])
    text, _ = await asked(tenancy, "How long does a refund of an apple take?")
    assert (ANSWER in text, list(up.requests)) == (False, [])

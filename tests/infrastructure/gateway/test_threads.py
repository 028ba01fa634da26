"""Threads through every shape that reaches an assistant, over a real socket: they go on, and nobody reaches another's."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from ondol.application.assistant.threads import store
from ondol.application.knowledge.ingest import IngestOptions, ingest_folder
from ondol.core.ids import new_id
from tests.infrastructure.gateway.ground import Ground, Tenancy
from tests.infrastructure.gateway.upstreams import upstream

pytestmark = pytest.mark.anyio

HELP = "assistant/help"
ASK = [{"role": "user", "content": "hi"}]
QUESTION = "How long does a refund take?"
FOLLOW_UP = "And to what does it go back?"


@pytest.fixture
async def helped(ground: Ground, tmp_path: Path) -> Tenancy:
    """A fresh tenant whose assistant has a few documents."""
    tenancy = await ground.tenancy()
    (tmp_path / "refund.md").write_text("# Refund policy\n\nA refund is paid within 5 business days. It goes back to the card that was charged.\n")
    (tmp_path / "hours.md").write_text("# Opening hours\n\nThe help line answers from 09:00 to 18:00 on weekdays.\n")
    (tmp_path / "backup.md").write_text("# Backups\n\nA backup is made every night and kept for 14 days.\n")
    await ingest_folder(ground.platform.knowledge, tenancy.id, "docs", tmp_path, IngestOptions(), lambda done, total: None)
    await tenancy.declare(bases=["docs"], assistants=[{"name": "help", "base": "docs"}])
    return tenancy


def chat(question: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}]}


def messages(question: str) -> dict[str, Any]:
    return {**chat(question), "max_tokens": 100}


def responses(question: str) -> dict[str, Any]:
    return {"input": question}


def completions(question: str) -> dict[str, Any]:
    return {"prompt": question}


SHAPES = {"chat/completions": chat, "messages": messages, "responses": responses, "completions": completions}


async def said(tenancy: Tenancy, shape: str, question: str, *, stream: bool = False, **ondol: Any) -> dict[str, Any]:
    """The ``ondol`` field of an answer, whole or at the end of a stream."""
    body = {"model": HELP, **SHAPES[shape](question), "ondol": ondol, **({"stream": True} if stream else {})}
    answer = await tenancy.ask(body, path=f"/v1/{shape}")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any]
    if not stream:
        told = answer.json()["ondol"]
        return told
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    told = next(told for event in reversed(events) if (told := event.get("ondol") or event.get("response", {}).get("ondol")))
    return told


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
async def test_a_thread_goes_on_in_every_shape(helped: Tenancy, shape: str, stream: bool) -> None:
    first = await said(helped, shape, QUESTION, stream=stream, thread="new")
    second = await said(helped, shape, FOLLOW_UP, stream=stream, thread=first["thread"]["id"])
    edited = await said(helped, shape, FOLLOW_UP, stream=stream, thread=first["thread"]["id"], parent=first["thread"]["turn"])
    again = await said(helped, shape, QUESTION, stream=stream, thread=first["thread"]["id"], parent="start")
    assert first["thread"]["turn"] == first["answer_id"]
    assert second["sources"][0]["title"] == "Refund policy"
    assert second["thread"]["remembered"] == 1
    assert [one["thread"]["parent"] for one in (first, second, edited, again)] == [None, first["answer_id"], first["answer_id"], None]
    assert "thread" not in await said(helped, shape, QUESTION, stream=stream)


async def told_error(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


async def test_nobody_reaches_another_persons_thread(ground: Ground, helped: Tenancy) -> None:
    first = await said(helped, "chat/completions", QUESTION, thread="new")
    body = {"model": HELP, **chat(FOLLOW_UP), "ondol": {"thread": first["thread"]["id"]}}
    absent = {**body, "ondol": {"thread": str(new_id())}}
    key = await helped.another_key(person=await helped.another_person())
    await ground.fresh()
    stranger = await ground.tenancy()
    await stranger.declare(bases=["docs"], assistants=[{"name": "help", "base": "docs"}])
    theirs = [await helped.ask(body, key=key), await stranger.ask(body), await stranger.ask({**body, "stream": True})]
    for answer in (*theirs, await helped.ask(absent)):
        assert await told_error(answer) == (404, "thread_not_found", "ondol.thread")
        assert answer.json()["error"]["message"] == theirs[0].json()["error"]["message"]


@pytest.mark.parametrize(
    ("ondol", "param"),
    [
        ({"thread": "mine"}, "ondol.thread"),
        ({"thread": ""}, "ondol.thread"),
        ({"thread": 7}, "ondol.thread"),
        ({"thread": "{01900000-0000-7000-8000-000000000001}"}, "ondol.thread"),
        ({"thread": "new", "parent": "start"}, "ondol.parent"),
        ({"parent": "start"}, "ondol.parent"),
        ({"thread": "01900000-0000-7000-8000-000000000001", "parent": "last"}, "ondol.parent"),
    ],
)
@pytest.mark.parametrize("shape", SHAPES)
async def test_what_names_no_thread_is_told(helped: Tenancy, shape: str, ondol: dict[str, Any], param: str) -> None:
    answer = await helped.ask({"model": HELP, **SHAPES[shape](QUESTION), "ondol": ondol}, path=f"/v1/{shape}")
    assert answer.status_code == 400
    assert param in answer.text


async def test_a_model_keeps_no_thread(tenancy: Tenancy) -> None:
    async with upstream() as model:
        await tenancy.provider(model.base_url)
        await tenancy.model()
        answer = await tenancy.ask({"messages": ASK, "ondol": {"thread": "new"}})
        assert await told_error(answer) == (400, "unsupported_parameter", "ondol.thread")
        assert (await tenancy.ask({"messages": ASK, "ondol": {"progress": False}})).status_code == 200


async def test_what_the_guard_masks_is_remembered_masked(ground: Ground, helped: Tenancy, tmp_path: Path) -> None:
    masked = [{"find": "personal", "do": "mask"}]
    (tmp_path / "phone.md").write_text("# Emergency telephone\n\nThe emergency telephone of the office is 010-1234-5678 at any hour.\n")
    await ingest_folder(ground.platform.knowledge, helped.id, "docs", tmp_path, IngestOptions(), lambda done, total: None)
    await helped.declare(
        bases=["docs"],
        assistants=[{"name": "help", "base": "docs"}],
        policies=[{"name": "masking", "version": 1, "stages": {"output": masked}}],
        guard=[{"policy": "masking"}],
    )
    first = await said(helped, "chat/completions", "What is the emergency telephone of the office?", thread="new")
    assert not first["refused"]
    platform = ground.platform
    async with platform.database.tenant_tx(helped.id) as connection:
        thread_id = uuid.UUID(first["thread"]["id"])
        [turn] = await store.turns_of(connection, platform.keyring, helped.id, helped.person.id, thread_id, limit=10)
    assert "emergency telephone" in turn.answer
    assert "1234" not in turn.answer

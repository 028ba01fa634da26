"""The guard on the whole way, under a policy of the tenant's own, asked by the real `openai` client and in every shape."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ondol.infrastructure.serving.scripted import Reply
from ondol.infrastructure.serving.types import Finish, TextDelta, Usage
from tests.infrastructure.gateway.ground import Ground, Tenancy, events_of
from tests.infrastructure.gateway.test_pipeline import CITATION, HELP, assistant
from tests.infrastructure.gateway.upstreams import PATHS, STREAMED, body_for, upstream

pytestmark = pytest.mark.anyio

PHONE = "010-1234-5678"
KEY = "AKIA" + "Q3EGFT5RJ2XN7WPD"
POLICY = {
    "version": 1,
    "name": "own",
    "stages": {
        "input": [{"find": "personal:PHONE", "do": "tokenise"}, {"find": "secrets", "do": "block"}],
        "output": [{"find": "personal:PHONE", "do": "mask"}, {"find": "secrets", "do": "block"}],
        "tool": [{"find": "secrets", "do": "block"}],
    },
}
GUARDED = {"policies": [POLICY], "guard": [{"policy": "own"}]}


async def guarded(ground: Ground, base_url: str, kind: str = "openai") -> Tenancy:
    tenancy = await ground.tenancy()
    await tenancy.provider(base_url, kind=kind)
    await tenancy.model()
    await tenancy.declare(**GUARDED)
    return tenancy


async def ask(tenancy: Tenancy, content: Any, *, stream: bool = False, model: str = "m") -> tuple[str, str, dict[str, Any]]:
    """What is answered: text, finish reason and the extension field."""
    async with tenancy.client() as client:
        messages: list[Any] = [{"role": "user", "content": content}]
        if not stream:
            whole = await client.chat.completions.create(model=model, messages=messages)
            return whole.choices[0].message.content or "", whole.choices[0].finish_reason, (whole.model_extra or {}).get("ondol", {})
        chunks = [chunk async for chunk in await client.chat.completions.create(model=model, messages=messages, stream=True)]
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        return text, str(chunks[-1].choices[0].finish_reason), (chunks[-1].model_extra or {}).get("ondol", {})


def repeat(body: Any) -> str:
    """What the last message says, once more."""
    content = body["messages"][-1]["content"]
    return "You said " + (content if isinstance(content, str) else content[0]["text"])


@pytest.mark.parametrize("stream", [False, True])
async def test_the_upstream_sees_tokens_and_the_caller_values(ground: Ground, stream: bool) -> None:
    async with upstream(repeat) as up:
        tenancy = await guarded(ground, up.base_url)
        text, reason, extension = await ask(tenancy, f"call {PHONE} please", stream=stream)
        assert "1234" not in json.dumps(up.requests[0].body)
        assert text == f"You said call {PHONE} please"
        assert reason == "stop"
        assert extension["guard"]["decisions"] == {"input": "mask", "output": "allow"}
        record = await tenancy.record()
        assert extension["guard"]["policy"] == (record.guard_policy or b"").hex()
        # The token of an earlier turn, sent back by the caller, is still its own; a stranger's is nothing.
        token = repeat(up.requests[0].body).removeprefix("You said call ").removesuffix(" please")
        assert await ground.guard.vault.writing.flush()
        assert (await ask(tenancy, f"again {token}", stream=stream))[0] == f"You said again {PHONE}"
        stranger = await guarded(ground, up.base_url)
        assert (await ask(stranger, f"again {token}", stream=stream))[0] == f"You said again {token}"
        other = await tenancy.another_person(f"p{stream}")
        key = await tenancy.another_key(person=other)
        told = (await tenancy.ask(body_for("chat", f"again {token}"), key=key)).text
        assert PHONE not in told


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("operation", STREAMED)
async def test_what_is_refused_never_reaches_the_upstream(ground: Ground, operation: str, stream: bool) -> None:
    """LiteLLM #35257: on /v1/messages the guard was left out and called a success."""
    async with upstream() as up:
        tenancy = await guarded(ground, up.base_url, "anthropic" if operation == "messages" else "openai")
        answer = await tenancy.ask(body_for(operation, f"my key is {KEY}", stream=stream), PATHS[operation])
        assert answer.status_code == 200, answer.text
        assert not up.requests
    assert answer.headers["x-ondol-guard"] == "block"
    ended = {"chat": '"content_filter"', "completions": '"content_filter"', "messages": '"refusal"', "responses": '"content_filter"'}[operation]
    assert ended in answer.text
    assert "policy" in answer.text
    assert '"rules":["secrets.' in answer.text
    assert KEY not in answer.text
    record = await tenancy.record()
    assert (record.status, record.outcome, record.guard_decision, record.attempts) == (200, "refused", "block", 0)
    assert all(rule.startswith("secrets.") for rule in record.guard_rules)
    assert record.guard_rules


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("operation", STREAMED)
async def test_an_answer_is_cut_where_it_must_stop(ground: Ground, operation: str, stream: bool) -> None:
    """LiteLLM PR 38721, 38788; api7/aisix #204: pieces that leaked before the verdict came."""
    says = f"First you call {PHONE} and use {KEY} and " + "x y z " * 300
    async with upstream([says[place : place + 5] for place in range(0, len(says), 5)]) as up:
        tenancy = await guarded(ground, up.base_url, "anthropic" if operation == "messages" else "openai")
        answer = await tenancy.ask(body_for(operation, "hello", stream=stream), PATHS[operation])
    assert answer.status_code == 200, answer.text
    assert KEY not in answer.text
    assert "Q3EGFT" not in answer.text
    assert "1234-5678" not in answer.text.replace('":"', "")
    assert "x y z" not in answer.text
    record = await tenancy.record()
    assert (record.outcome, record.guard_decision) == ("answered", "block")
    assert '"output":"block"' in answer.text


async def test_an_answer_that_is_cut_lets_the_upstream_go(ground: Ground) -> None:
    from tests.infrastructure.gateway.ground import served

    async with served(ground, Reply(pieces=[f"use {KEY} and ", *["x y z " * 50] * 100], between_s=0.01)) as (tenancy, up):
        await tenancy.declare(**GUARDED)
        text, reason, extension = await ask(tenancy, "hello", stream=True)
        assert reason == "content_filter"
        assert text.startswith("use ")
        assert extension["guard"]["decisions"]["output"] == "block"
        await up.callers_left(1)


async def test_citations_are_left_out_where_their_places_no_longer_hold(ground: Ground) -> None:
    for says, kept in (("No number.", True), (f"The number {PHONE}.", False)):
        tenancy, _ = await assistant(ground, TextDelta(says), Finish("stop", Usage(12, 5), (CITATION,), {"answer_id": "a-1"}))
        await tenancy.declare(**GUARDED, bases=["docs"], assistants=[{"name": "help", "base": "docs"}])
        async with tenancy.client() as client:
            answer = await client.chat.completions.create(model=HELP, messages=[{"role": "user", "content": "hello"}])
        assert bool(answer.choices[0].message.annotations) is kept


async def test_a_long_text_is_guarded_as_a_short_one(ground: Ground) -> None:
    async with upstream("x " * 15_000 + PHONE) as up:
        tenancy = await guarded(ground, up.base_url)
        text, reason, _ = await ask(tenancy, "y " * 15_000 + f"call 010-8765-4321, {PHONE}")
        assert PHONE not in json.dumps(up.requests[0].body)
    assert (text[-10:], reason) == (" [PHONE_1]", "stop")


async def test_parts_that_are_no_text_are_passed_on(ground: Ground) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    async with upstream() as up:
        tenancy = await guarded(ground, up.base_url)
        await ask(tenancy, [{"type": "text", "text": PHONE}, image])
        content = up.requests[0].body["messages"][0]["content"]
    assert content[1] == image
    assert "1234" not in content[0]["text"]


async def test_arguments_of_calls_are_looked_at_before_they_reach_the_caller(ground: Ground) -> None:
    """LiteLLM PR 40784: deltas of calls were let out early."""
    from tests.infrastructure.gateway.upstreams import AnyShape

    arguments = json.dumps({"key": KEY, "to": "somebody"})

    class Calling(AnyShape):
        def events(self, operation: str, pieces: Any, body: Any) -> Any:
            deltas = [{"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "send", "arguments": ""}}]}]
            deltas += [
                {"tool_calls": [{"index": 0, "function": {"arguments": arguments[place : place + 3]}}]} for place in range(0, len(arguments), 3)
            ]
            chunks = [{"id": "u", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
            return [*chunks, {"id": "u", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}, "[DONE]"]

    from ondol.infrastructure.serving.scripted import ScriptedModel

    shape = Calling()
    shape.model = ScriptedModel(shape)
    tools = [{"type": "function", "function": {"name": "send", "parameters": {"type": "object"}}}]
    async with shape.model as up:
        tenancy = await guarded(ground, up.base_url)
        answer = await tenancy.ask(body_for("chat", "hello", tools=tools, stream=True))
    assert answer.status_code == 200
    said = "".join(
        call["function"].get("arguments", "")
        for event in events_of(answer.text)[:-1]
        for call in event["choices"][0]["delta"].get("tool_calls") or ()
    )
    assert "Q3EG" not in said
    assert KEY not in answer.text
    assert (await tenancy.record()).guard_decision == "block"

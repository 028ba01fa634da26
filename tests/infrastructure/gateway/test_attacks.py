"""What somebody who means harm would try: amounts that fit no column, texts in places that nobody reads, reservations that are too small."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from ondol.core.money import Money
from ondol.infrastructure.access.limits.types import Bounds
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.serving.scripted_faults import whole
from ondol.infrastructure.serving.types import Usage
from tests.infrastructure.gateway.ground import Ground, served
from tests.infrastructure.gateway.upstreams import PATHS, body_for, upstream

pytestmark = pytest.mark.anyio

MOST = 2**63 - 1


async def test_a_cost_that_fits_no_column_leaves_nothing_behind_and_nobody_else_without_limits(ground: Ground) -> None:
    says = Reply("x", usage=Usage(2**31 - 1, 2**31 - 1))
    async with served(ground, says) as (tenancy, _):
        await tenancy.price(input=MOST, output=0)
        await tenancy.limit(concurrent_max=1)
        first = await tenancy.ask()
        assert first.status_code == 200, first.text
        assert (await tenancy.ask()).status_code == 200  # the slot is free again
        assert len(tenancy.records) == 2


async def test_budgets_that_overflow_together_stop_nobody_else(ground: Ground) -> None:
    says = Reply("x", usage=Usage(900_000, 1), before_s=0.3)
    async with served(ground, says) as (tenancy, _), served(ground, "x") as (other, _):
        await tenancy.price(input=MOST, output=0)
        await tenancy.budget(Money(MOST, "USD"))
        await other.limit(requests_per_minute=100)
        answers = await asyncio.gather(*(tenancy.ask() for _ in range(4)))
        assert [answer.status_code for answer in answers] == [200] * 4
        for _ in range(2):
            assert await ground.room.governor.beat()
        assert (await other.ask()).status_code == 200


PHONE = "010-1234-5678"
SECRET = "AKIA" + "Q3EGFT5RJ2XN7WPD"
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}


def _said(*content: Any, role: str = "user", **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "hi"}, {"role": role, "content": list(content), **more}]}


def _called(call: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": None, "tool_calls": [call]}, *_said("")["messages"][:1]]}


HIDDEN: dict[str, tuple[str, dict[str, Any]]] = {
    "a part of another kind": ("chat", _said({"type": "input_text", "text": PHONE})),
    "a text beside a refusal": ("chat", _said({"type": "refusal", "refusal": "no", "text": PHONE})),
    "a text beside a picture": ("chat", _said({**IMAGE, "text": PHONE})),
    "a part that thinks": ("chat", _said({"type": "thinking", "thinking": PHONE})),
    "a call with a decoy": (
        "chat", _called({"id": "1", "type": "custom", "function": {"name": "f", "arguments": ""}, "custom": {"name": "f", "input": PHONE}}),
    ),
    "a block of another kind": ("messages", {"max_tokens": 9, **_said({"type": "x", "text": PHONE})}),
    "a block in a result": (
        "messages", {"max_tokens": 9, **_said({"type": "tool_result", "tool_use_id": "1", "content": [{"type": "x", "text": PHONE}]})},
    ),
    "a result with a decoy": ("messages", {"max_tokens": 9, **_said({"type": "tool_result", "tool_use_id": "1", "content": PHONE, "text": "no"})}),
    "what a document is about": (
        "messages",
        {"max_tokens": 9, **_said({"type": "document", "context": PHONE, "source": {"type": "text", "media_type": "text/plain", "data": "x"}})},
    ),
    "a result of a server's tool": (
        "messages", {"max_tokens": 9, **_said({"type": "mcp_tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": PHONE}]})},
    ),
    "an item of another kind": ("responses", {"input": [{"type": "mcp_call", "id": "1", "name": "f", "arguments": "{}", "output": PHONE}]}),
    "a part of an output": (
        "responses", {"input": [{"type": "function_call_output", "call_id": "1", "output": [{"type": "x", "text": PHONE}]}]},
    ),
    "a part of a message": ("responses", {"input": [{"role": "user", "content": [{"type": "x", "said": PHONE}]}]}),
}  # fmt: skip
NUMBERED = {
    "version": 1,
    "name": "numbered",
    "stages": {
        "input": [{"find": "personal:PHONE", "do": "mask"}, {"find": "secrets", "do": "block"}],
        "model": [{"find": "personal:PHONE", "do": "mask"}],
    },
}


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@pytest.mark.parametrize("name", HIDDEN)
async def test_no_text_of_a_request_hides_in_a_place_of_an_unknown_kind(ground: Ground, name: str, kind: str) -> None:
    operation, body = HIDDEN[name]
    async with upstream() as up:
        tenancy = await ground.tenancy()
        await tenancy.provider(up.base_url, kind=kind, speaks_responses=True)
        await tenancy.model()
        await tenancy.declare(policies=[NUMBERED], guard=[{"policy": "numbered"}])
        answer = await tenancy.ask(body, PATHS[operation])
        assert answer.status_code in (200, 400), answer.text
        assert PHONE not in "".join(str(request.body) for request in up.requests)


@pytest.mark.parametrize("operation", ["chat", "completions", "responses", "messages", "embeddings", "images", "speech"])
@pytest.mark.parametrize("value", [SECRET, [SECRET], {"a": [{"b": SECRET}]}])
async def test_what_nobody_may_send_goes_into_no_unknown_field(ground: Ground, operation: str, value: Any) -> None:
    async with upstream() as up:
        tenancy = await ground.tenancy()
        await tenancy.provider(up.base_url, kind="anthropic" if operation == "messages" else "openai", speaks_responses=True)
        await tenancy.model()
        await tenancy.declare(policies=[NUMBERED], guard=[{"policy": "numbered"}])
        assert (await tenancy.ask(body_for(operation, documents="plain"), PATHS[operation])).status_code == 200
        count = len(up.requests)
        answer = await tenancy.ask(body_for(operation, documents=value), PATHS[operation])
        assert "content_filter" in answer.text or "refusal" in answer.text or answer.status_code == 400
        assert len(up.requests) == count


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("chat", _said({"type": "file", "file": {"file_id": "file-1"}})),
        ("messages", {"max_tokens": 9, **_said({"type": "document", "source": {"type": "file", "file_id": "file_1"}})}),
        ("messages", {"max_tokens": 9, **_said({"type": "container_upload", "file_id": "file_1"})}),
        ("responses", {"input": [{"role": "user", "content": [{"type": "input_file", "file_data": "x", "file_id": "file-1"}]}]}),
        ("completions", {"prompt": "x", "prompt_embeds": "gASV"}),
    ],
)
async def test_what_a_provider_keeps_and_what_no_policy_can_read_is_refused(ground: Ground, operation: str, body: dict[str, Any]) -> None:
    async with upstream() as up:
        tenancy = await ground.tenancy()
        await tenancy.provider(up.base_url, kind="anthropic" if operation == "messages" else "openai", speaks_responses=True)
        await tenancy.model()
        assert (await tenancy.ask(body, PATHS[operation])).status_code == 400
        assert not up.requests


async def test_what_stands_beside_a_picture_is_reserved_too(ground: Ground) -> None:
    async with served(ground, "x") as (tenancy, up):
        await tenancy.price(input=10**9, output=0)
        await tenancy.budget(Money(10**8, "USD"))  # 0.1: a hundred thousand tokens
        tool = {"type": "function", "function": {"name": "f", "description": "word " * 100_000, "parameters": {"type": "object"}}}
        body = {**_said(IMAGE, {"type": "text", "text": "what is it?"}), "tools": [tool]}
        answer = await tenancy.ask(body)
        assert answer.status_code == 429, answer.text
        assert not up.requests
        big = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1_000_000}}
        assert (await tenancy.ask(_said(big))).status_code == 200  # a picture's bytes are no tokens


async def test_tools_count_as_a_part_of_the_prompt(ground: Ground) -> None:
    async with served(ground, "x") as (tenancy, up):
        await tenancy.limit(bounds=Bounds(prompt_tokens_max=1_000))
        tool = {"type": "function", "function": {"name": "f", "description": "word " * 2_000, "parameters": {"type": "object"}}}
        assert (await tenancy.ask()).status_code == 200
        answer = await tenancy.ask({**_said({"type": "text", "text": "hi"}), "tools": [tool]})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "prompt_too_long")
        assert len(up.requests) == 1


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
async def test_a_bound_on_the_length_of_an_answer_holds_by_whatever_name(ground: Ground, field: str) -> None:
    async with served(ground, "x", parameters={field: {"most": 100}, "n": {"fixed": 1}}) as (tenancy, up):
        assert (await tenancy.ask({**_said({"type": "text", "text": "hi"}), field: 50_000, "n": 2})).status_code == 200
        assert up.requests[-1].body["max_tokens"] == 100
        assert up.requests[-1].body["n"] == 1
        assert (await tenancy.ask({**_said({"type": "text", "text": "hi"}), field: 50})).status_code == 200
        assert up.requests[-1].body["max_tokens"] == 50


async def test_a_bounded_number_of_choices_is_the_one_that_is_reserved_and_asked_for(ground: Ground) -> None:
    async with served(ground, "x", parameters={"n": {"least": 2, "most": 3}}) as (tenancy, up):
        await tenancy.price(input=0, output=10**12)
        await tenancy.budget(Money(25 * 10**8, "USD"))  # of a thousandth a token: 2500 tokens
        assert (await tenancy.ask({**_said({"type": "text", "text": "hi"}), "n": 9, "max_tokens": 800})).status_code == 200
        told = up.requests[-1].body["n"]
        assert (told, type(told)) == (3, int)
        assert (await tenancy.ask({**_said({"type": "text", "text": "hi"}), "n": 9, "max_tokens": 900})).status_code == 429
        assert (await tenancy.ask({**_said({"type": "text", "text": "hi"}), "n": 1, "max_tokens": 1_300})).status_code == 429


@pytest.mark.parametrize(
    "call",
    [
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}", "note": SECRET}},
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}, "custom": {"name": "g", "input": SECRET}},
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}, "note": {"a": [SECRET]}},
    ],
)
async def test_a_call_carries_out_nothing_that_the_guard_did_not_read(ground: Ground, call: dict[str, Any]) -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [{**call, "extra_content": {"signature": "aGk="}}]}
    answer = {"id": "u", "object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    async with served(ground, Reply(raw=[whole(json.dumps(answer).encode())])) as (tenancy, _):
        policy = {"version": 1, "name": "out", "stages": {stage: [{"find": "secrets", "do": "block"}] for stage in ("output", "tool")}}
        await tenancy.declare(policies=[policy], guard=[{"policy": "out"}])
        told = await tenancy.ask()
        assert told.status_code == 200, told.text
        assert SECRET not in told.text
        assert told.json()["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == "{}"


async def test_what_a_provider_says_of_its_failures_stays_inside_an_answer_too(ground: Ground) -> None:
    part = {"type": "output_text", "text": "hi", "annotations": []}
    item = {"id": "i", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    answer = {"id": "u", "object": "response", "status": "incomplete", "output": [item], "error": {"code": "x", "message": SECRET}}
    async with ScriptedModel(Reply(raw=[whole(json.dumps(answer).encode())])) as up:
        tenancy = await ground.tenancy()
        await tenancy.provider(up.base_url, speaks_responses=True)
        await tenancy.model()
        told = await tenancy.ask({"input": "hi"}, "/v1/responses")
        assert told.status_code == 200, told.text
        assert SECRET not in told.text


@pytest.mark.parametrize("role", [[], {}, 5, None])
async def test_a_role_that_is_no_word_is_told_so(ground: Ground, role: Any) -> None:
    async with served(ground, "x") as (tenancy, _):
        assert (await tenancy.ask({"messages": [{"role": role, "content": "hi"}]})).status_code == 400


@pytest.mark.parametrize("field", ["content", "reasoning_content", "arguments"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_huge_answer_does_not_hold_up_others(ground: Ground, field: str, stream: bool) -> None:
    text = "The parcel is on its way to you. " * 4_000
    call = {"index": 0, "id": "1", "type": "function", "function": {"name": "f", "arguments": json.dumps({"a": text})}}
    said = {"role": "assistant", "content": "hi", **({"tool_calls": [call]} if field == "arguments" else {field: text})}
    choice = {"index": 0, "delta" if stream else "message": said, "finish_reason": "stop"}
    answer = json.dumps({"id": "u", "object": "chat.completion", "choices": [choice]}).encode()
    raw = whole(b"data: " + answer + b"\n\ndata: [DONE]\n\n", content_type=b"text/event-stream") if stream else whole(answer)
    async with served(ground, Reply(raw=[raw])) as (tenancy, _):
        longest = 0.0
        running = asyncio.create_task(tenancy.ask({**_said({"type": "text", "text": "hi"}), "stream": stream}))
        before = time.thread_time()  # what the loop's own thread works between two turns: other threads and programs do not count
        while not running.done():
            await asyncio.sleep(0.005)
            longest, before = max(longest, time.thread_time() - before), time.thread_time()
        told = await running
        assert told.status_code == 200
        assert "parcel" in told.text
        assert longest < 0.8


async def test_who_leaves_before_an_answer_begins_has_used_what_was_held(ground: Ground) -> None:
    async with served(ground, Reply("x", trouble="hang_before_headers")) as (tenancy, up):
        await tenancy.budget(3_000)
        asking = asyncio.create_task(tenancy.ask({**_said({"type": "text", "text": "hi"}), "max_tokens": 2_000}))
        await up.requests_came(1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await tenancy.record()
        up.say("Hello.")
        assert (await tenancy.ask({**_said({"type": "text", "text": "hi"}), "max_tokens": 2_000})).status_code == 429
        assert (await tenancy.ask({**_said({"type": "text", "text": "hi"}), "max_tokens": 100})).status_code == 200

"""What an upstream may do wrong, through the whole gateway: never a hang, a crash or a leak, and never half an answer that looks whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.serving.scripted_faults import DELTA, DONE, STOP, STREAM_FAULTS, WHOLE_FAULTS, Fault, chunked, head, whole
from ondol.infrastructure.serving.types import Usage
from tests.infrastructure.gateway.ground import CREDENTIAL, Ground, Tenancy, events_of, served
from tests.infrastructure.gateway.upstreams import PATHS, body_for

pytestmark = pytest.mark.anyio

FAST: dict[str, Any] = {"first_byte_s": 0.3, "between_s": 0.3, "whole_s": 5, "connect_s": 1}
STREAM = head(b"content-type: text/event-stream", b"transfer-encoding: chunked")
TEXT = b'data: {"choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]}\n\n'


@pytest.fixture(scope="module")
async def hurried(ground: Ground) -> AsyncIterator[tuple[Tenancy, ScriptedModel]]:
    """A tenant whose provider is given little time."""
    async with ScriptedModel("Hello.") as upstream:
        tenancy = await ground.tenancy()
        await tenancy.provider(upstream.base_url, **FAST)
        await tenancy.model(retries_max=0)
        yield tenancy, upstream


def rest(ground: Ground, tenancy: Tenancy) -> None:
    """The breaker forgets: each fault is looked at alone."""
    for target in ground.room.directory.tenant(tenancy.id).models["m"].row.targets:
        breaker = ground.room.router.breaker(target)
        breaker._close()


CASES = [*(("whole", name, fault) for name, fault in WHOLE_FAULTS.items()), *(("stream", name, fault) for name, fault in STREAM_FAULTS.items())]


@pytest.mark.parametrize(("kind", "name", "fault"), CASES, ids=[f"{kind} {name}" for kind, name, _ in CASES])
async def test_every_fault(ground: Ground, hurried: tuple[Tenancy, ScriptedModel], kind: str, name: str, fault: Fault) -> None:
    tenancy, up = hurried
    rest(ground, tenancy)
    up.say(fault.reply)
    before = len(tenancy.records)
    async with asyncio.timeout(8):
        answer = await tenancy.ask(body_for("chat", stream=fault.stream))
    record = await tenancy.record(before + 1)
    if not fault.code:
        assert answer.status_code == 200
        assert record.outcome == "answered"
        assert fault.content in answer.text
        assert answer.text.endswith("data: [DONE]\n\n") == fault.stream
        return
    assert record.outcome == fault.code
    assert record.status >= 500
    assert "[DONE]" not in answer.text
    if answer.status_code == 200:
        assert fault.stream, "a whole answer has its own status"
        error = events_of(answer.text)[-1]["error"]
    else:
        error = answer.json()["error"]
        assert answer.status_code == record.status
    assert error["code"] == fault.code
    assert error["request_id"] == answer.headers["x-request-id"]
    assert error["message"]
    assert CREDENTIAL not in answer.text + str(answer.headers)
    assert "127.0.0.1" not in answer.text


@pytest.mark.parametrize("operation", ["messages", "responses"])
@pytest.mark.parametrize(
    "trouble", ["hang_before_headers", "hang_mid_stream", "cut_off", "garbage", "error_event", "huge_line", "broken", "rate_limited"]
)
async def test_faults_in_the_callers_own_shape(ground: Ground, hurried: tuple[Tenancy, ScriptedModel], operation: str, trouble: Any) -> None:
    """Portkey #1142: an error inside a stream with status 200 was taken for an answer."""
    tenancy, up = hurried
    rest(ground, tenancy)
    up.say(Reply("one two three four five six " * 20, trouble=trouble))
    answer = await tenancy.ask(body_for(operation, stream=True), PATHS[operation])
    if answer.status_code != 200:
        error = answer.json()
        assert error["error"]["message"]
        assert operation != "messages" or error["type"] == "error"
        return
    last = events_of(answer.text)[-1]
    assert last["type"] in ({"error"} if operation == "messages" else {"error", "response.failed"}), last
    assert "message_stop" not in answer.text
    assert "response.completed" not in answer.text


async def test_storms_of_429_are_told_with_when_to_come_back(ground: Ground, hurried: tuple[Tenancy, ScriptedModel]) -> None:
    tenancy, up = hurried
    rest(ground, tenancy)
    up.say(Reply(trouble="rate_limited", retry_after_s=7))
    asked = len(up.requests)
    answers = await asyncio.gather(*(tenancy.ask() for _ in range(30)))
    for answer in answers:
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "upstream_rate_limited")
        assert 1 <= int(answer.headers["retry-after"]) <= 8
    late = len(up.requests)
    assert (await tenancy.ask()).status_code == 503
    assert len(up.requests) == late, "a provider that asks to be left alone is left alone"
    assert late > asked


async def test_storms_of_500_open_the_breaker(ground: Ground, hurried: tuple[Tenancy, ScriptedModel]) -> None:
    tenancy, up = hurried
    rest(ground, tenancy)
    up.say(Reply(trouble="broken"))
    for _ in range(20):
        answer = await tenancy.ask()
        assert answer.status_code in {502, 503}
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "upstream_unavailable"
    assert int(answer.headers["retry-after"]) >= 1
    asked = len(up.requests)
    assert (await tenancy.ask()).status_code == 503
    assert len(up.requests) == asked
    rest(ground, tenancy)
    up.say("Well again.")
    assert (await tenancy.ask()).status_code == 200


async def test_retries_stay_in_their_budget(ground: Ground) -> None:
    async with served(ground, ["", Reply("Second time.")], retries_max=2) as (tenancy, up):
        up.say([Reply(trouble="broken"), Reply("Second time.")])
        answer = await tenancy.ask()
        assert (answer.status_code, len(up.requests)) == (200, 2)
        assert (await tenancy.record()).attempts == 2


async def test_a_stream_that_has_begun_is_not_asked_for_again(ground: Ground) -> None:
    """What was let out cannot be taken back: a second answer behind half of the first would be neither."""
    async with served(ground, Reply("one two three four", trouble="cut_off"), retries_max=2) as (tenancy, up):
        answer = await tenancy.ask(body_for("chat", stream=True))
        assert events_of(answer.text)[-1]["error"]["code"] == "upstream_cut_off"
        assert len(up.requests) == 1


async def test_tool_calls_with_a_duplicate_index(ground: Ground, hurried: tuple[Tenancy, ScriptedModel]) -> None:
    """Servers that number every call 0: two calls must not become one with the arguments of both."""
    tenancy, up = hurried
    rest(ground, tenancy)

    def call(identity: str, name: str, arguments: str) -> bytes:
        delta = {"tool_calls": [{"index": 0, "id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}]}
        return b"data: %b\n\n" % json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}).encode()

    end = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}\n\n'
    up.say(Reply(raw=[STREAM + chunked(call("a", "first", '{"x":1}'), call("b", "second", '{"y":2}'), end, DONE)]))
    tools = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in ("first", "second")]
    answer = await tenancy.ask(body_for("chat", tools=tools, stream=True))
    calls: dict[int, list[str]] = {}
    for event in events_of(answer.text)[:-1]:
        for made in (event["choices"][0]["delta"].get("tool_calls") or ()) if event["choices"] else ():
            seen = calls.setdefault(made["index"], ["", ""])
            seen[0] += made["function"].get("name") or ""
            seen[1] += made["function"].get("arguments") or ""
    assert sorted(map(tuple, calls.values())) == [("first", '{"x":1}'), ("second", '{"y":2}')]


async def test_a_wrong_usage_is_capped_by_what_can_be(ground: Ground) -> None:
    for usage in (Usage(2**33, 5), Usage(-1, 5)):
        async with served(ground, Reply("Hello there.", usage=usage)) as (tenancy, _):
            await tenancy.price(input=10**9, output=10**9)
            answer = await tenancy.ask()
            assert answer.status_code == 200
            record = await tenancy.record()
            assert record.usage_estimated
            assert record.cost_nano is not None
            assert record.cost_nano < 10**6


HOSTILE = ["x\r\nset-cookie: a=b", "x\n\ndata: [DONE]\n\n", "\u2028", "\x00", "é" * 50, "a" * 5_000]


@pytest.mark.parametrize("text", HOSTILE, ids=["crlf", "events", "separator", "nul", "latin", "long"])
async def test_what_a_provider_calls_itself_never_becomes_a_header_or_an_event(
    ground: Ground, hurried: tuple[Tenancy, ScriptedModel], text: str
) -> None:
    tenancy, up = hurried
    rest(ground, tenancy)
    answer = {"id": text, "model": text, "system_fingerprint": text, "object": text, "service_tier": text,
              "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}  # fmt: skip
    up.say(Reply(raw=[whole(json.dumps(answer).encode(), b"x-request-id: evil", b"x-ondol-cost: 0 USD", b"set-cookie: a=b", b"openai-model: x")]))
    got = await tenancy.ask()
    assert "set-cookie" not in got.headers
    assert got.headers["x-request-id"] != "evil"
    assert "openai-model" not in got.headers
    chunk = {"id": text, "model": text, "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}
    up.say(Reply(raw=[STREAM + chunked(b"data: " + json.dumps(chunk, ensure_ascii=False).encode().replace(b"\n", b"\\n") + b"\n\n", STOP, DONE)]))
    streamed = await tenancy.ask(body_for("chat", stream=True))
    assert "set-cookie" not in streamed.headers
    for block in streamed.text.split("\n\n")[:-1]:
        assert block.startswith(("data: ", ":"))
        assert len(block.splitlines()) == 1
    assert streamed.text.count("[DONE]\n\n") == 1 or "[DONE]" in text


@pytest.mark.parametrize("name", HOSTILE[:4], ids=["crlf", "events", "separator", "nul"])
async def test_names_of_tools_from_a_provider_stay_inside_their_field(ground: Ground, hurried: tuple[Tenancy, ScriptedModel], name: str) -> None:
    tenancy, up = hurried
    rest(ground, tenancy)
    call = {"id": name, "type": "function", "function": {"name": name, "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    body = {"id": "x", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    up.say(Reply(raw=[whole(json.dumps(body).encode())]))
    for operation in ("chat", "messages", "responses"):
        answer = await tenancy.ask(body_for(operation), PATHS[operation])
        assert answer.status_code in {200, 502}
        assert "set-cookie" not in answer.headers
        answer.json()


async def test_names_of_models_and_providers_stay_inside_their_headers(ground: Ground) -> None:
    from ondol.infrastructure.serving.store import Target

    async with served(ground, "Hello.") as (tenancy, up):
        await tenancy.model(Target("up", "x-é set-cookie: a=b"), alias="m", release="r\r\nset-cookie: c=d")
        answer = await tenancy.ask()
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
        assert answer.headers["x-ondol-route"] == "up/x-? set-cookie: a=b"
        assert up.requests[0].body["model"] == "x-é set-cookie: a=b"


async def test_deltas_without_an_end_are_no_answer(ground: Ground, hurried: tuple[Tenancy, ScriptedModel]) -> None:
    """A stream that stops after its text but before its reason must not be passed off as whole (field notes, section 3)."""
    tenancy, up = hurried
    rest(ground, tenancy)
    up.say(Reply(raw=[STREAM + chunked(DELTA)]))
    answer = await tenancy.ask(body_for("chat", stream=True))
    text = answer.text
    assert "[DONE]" not in text
    assert events_of(text)[-1]["error"]["code"] == "upstream_cut_off" if answer.status_code == 200 else True

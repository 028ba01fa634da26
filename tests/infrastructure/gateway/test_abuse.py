"""Bodies and headers of all kinds through the whole gateway: nothing is a 500, nothing hangs, and nothing goes further than it may."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ondol.infrastructure.access.limits.types import Bounds
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.shapes.body import DEPTH_MAX
from ondol.infrastructure.serving.scripted import ScriptedModel
from tests.infrastructure.gateway.ground import CREDENTIAL, Ground, Tenancy, events_of, served
from tests.infrastructure.gateway.server.wire import running, wired
from tests.infrastructure.gateway.upstreams import PATHS, AnyShape, body_for, upstream

pytestmark = pytest.mark.anyio

WRITTEN = ("chat", "messages", "responses", "completions", "embeddings", "images", "speech", "count_tokens", "moderations", "feedback")
ALL_PATHS = {**PATHS, "moderations": "/v1/moderations", "feedback": "/v1/feedback"}


@pytest.fixture(scope="module")
async def tenant(ground: Ground) -> AsyncIterator[tuple[Tenancy, ScriptedModel]]:
    async with upstream() as up:
        tenancy = await ground.tenancy()
        await tenancy.provider(up.base_url)
        await tenancy.model()
        yield tenancy, up


NO_JSON = {
    "nothing": b"",
    "a brace": b"{",
    "null": b"null",
    "a list": b"[]",
    "a number": b"7",
    "invalid UTF-8": b'{"model": "m", "messages": [{"role": "user", "content": "\xff"}], "input": "\xff", "prompt": "\xff"}',
    "a lone surrogate": b'{"model": "\\ud800", "messages": []}',
    "a lone surrogate in a text": b'{"model": "m", "messages": [{"role": "user", "content": "a\\udfffb"}], "input": "\\ud800", "prompt": "\\ud800"}',
    "NaN": b'{"temperature": NaN}',
    "infinity": b'{"temperature": 1e999}',
    "a huge number": b'{"seed": ' + b"9" * 5_000 + b"}",
    "10,000 lists deep": b"[" * 10_000,
    "10,000 objects deep": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "a little too deep": b'{"model":"m","messages":[{"role":"user","content":"x"}],"deep":' + b"[" * DEPTH_MAX + b"]" * DEPTH_MAX + b"}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "compressed": b"\x1f\x8b\x08\x00",
    "two objects": b"{}{}",
    "UTF-16": '{"model":"m"}'.encode("utf-16"),
}


@pytest.mark.parametrize("name", NO_JSON)
async def test_what_is_no_json_of_ours_is_told_so_on_every_route(tenant: tuple[Tenancy, ScriptedModel], name: str) -> None:
    tenancy, up = tenant
    up.requests.clear()
    for operation in WRITTEN:
        answer = await tenancy.ask(NO_JSON[name], ALL_PATHS[operation])
        assert answer.status_code == 400, (operation, answer.text)
        error = answer.json()["error"]
        assert operation in {"messages", "count_tokens"} or error["code"] == "invalid_json"
        assert len(error["message"]) < 1_000
    assert not up.requests


@pytest.mark.parametrize("value", ["\x00", "a\x00b", "x\r\ny: z", "\u2028", "é", "a b", "x" * 201, "../../etc/passwd", "m\n", "assistant/../m"])
async def test_names_of_models_that_cannot_be(tenant: tuple[Tenancy, ScriptedModel], value: str) -> None:
    tenancy, up = tenant
    up.requests.clear()
    for operation in PATHS:
        answer = await tenancy.ask({**body_for(operation), "model": value}, PATHS[operation])
        assert answer.status_code in {400, 404}, (operation, answer.text)
        assert "y" not in answer.headers
        assert "\x00" not in answer.text
    assert not up.requests


async def test_texts_with_nul_and_line_separators_go_on_as_they_are(tenant: tuple[Tenancy, ScriptedModel]) -> None:
    tenancy, up = tenant
    text = "a\x00b\u2028c\u0085d\ufeff\U0001f600"
    assert (await tenancy.ask(body_for("chat", text))).status_code == 200
    assert up.requests[-1].body["messages"][0]["content"] == text


async def test_of_duplicate_keys_the_last_is_meant_by_all(tenant: tuple[Tenancy, ScriptedModel]) -> None:
    """What the guard reads and what the upstream is sent must be one and the same."""
    tenancy, up = tenant
    body = b'{"model":"nobody","model":"m","messages":[{"role":"user","content":"x","content":"y"}],"messages":[{"role":"user","content":"z"}]}'
    assert (await tenancy.ask(body)).status_code == 200
    assert up.requests[-1].body["messages"] == [{"role": "user", "content": "z"}]


@pytest.mark.parametrize("chunked", [False, True])
async def test_bodies_of_100_megabytes(tenant: tuple[Tenancy, ScriptedModel], chunked: bool) -> None:
    """Refused before they are read, and what is sent all the same is not kept."""
    tenancy, up = tenant
    up.requests.clear()
    framing = "transfer-encoding: chunked" if chunked else f"content-length: {100 << 20}"
    piece = b" " * (1 << 20)
    for path in ("/v1/chat/completions", "/v1/messages"):
        url = httpx.URL(tenancy.ground.url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {tenancy.key}\r\n{framing}\r\n\r\n".encode())

        async def send(writer: asyncio.StreamWriter = writer) -> None:
            for _ in range(100):
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                await writer.drain()

        sending = asyncio.create_task(send())
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.transport.abort()
        assert head.startswith(b"HTTP/1.1 413 ")
        assert b"connection: close\r\n" in head
    assert (await tenancy.ask()).status_code == 200
    assert len(up.requests) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"x-request-id": "mine"},
        {"traceparent": "00-x\ty-z-01"},
        {"anthropic-version": "2023-06-01", "anthropic-beta": "x"},
        {"x-forwarded-for": "10.0.0.1", "x-forwarded-proto": "https", "forwarded": "for=1.2.3.4"},
        {"x-litellm-api-key": "x", "x-portkey-config": "{}", "x-ondol-route": "up/other", "x-ondol-tenant": "other"},
        {"host": "evil.example"},
        {"content-type": "text/plain"},
        {"accept": "text/event-stream"},
    ],
    ids=str,
)
async def test_headers_change_nothing_that_they_should_not(tenant: tuple[Tenancy, ScriptedModel], headers: dict[str, str]) -> None:
    """LiteLLM CVE-2026-49468: a Host header opened the door."""
    tenancy, up = tenant
    answer = await tenancy.ask(None, **headers)
    assert answer.status_code == 200
    assert answer.headers["x-request-id"] != "mine"
    assert answer.headers["x-ondol-route"] == "up/small"
    sent = up.requests[-1].headers
    assert sent["host"].startswith("127.0.0.1:")
    assert not any(name.startswith(("x-", "forwarded", "anthropic")) for name in sent)
    bare = await tenancy.ground.http.post("/v1/chat/completions", json={"model": "m", **body_for("chat")}, headers=headers)
    assert bare.status_code == 401


async def test_many_messages_parts_and_tools_are_bounded(tenant: tuple[Tenancy, ScriptedModel]) -> None:
    tenancy, up = tenant
    up.requests.clear()
    message = {"role": "user", "content": "x"}
    tool = {"type": "function", "function": {"name": "f"}}
    for body in (
        {"messages": [message] * 5_000},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}] * 2_000}]},
        {"messages": [message], "tools": [tool] * 2_000},
        {"messages": [message], "n": 10_000},
        {"messages": [message], "max_tokens": 2**40},
        {"messages": [{"role": "user", "content": "x" * 1_000_001}]},
    ):
        answer = await tenancy.ask(body)
        assert answer.status_code == 400, answer.text
        assert len(answer.json()["error"]["message"]) < 500
    assert not up.requests


async def test_worst_cases_of_the_guard_do_not_stop_others(tenant: tuple[Tenancy, ScriptedModel]) -> None:
    """A text that takes the guard long is looked at in a thread: others are answered meanwhile."""
    tenancy, _ = tenant
    long = asyncio.create_task(tenancy.ask(body_for("chat", "a1@b-" * 150_000)))
    await asyncio.sleep(0)
    quick = [await tenancy.ask() for _ in range(3)]
    assert all(answer.status_code == 200 for answer in quick)
    assert (await long).status_code in {200, 400}


# ---- Anything


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
MESSAGES = st.lists(st.fixed_dictionaries({}, optional={"role": st.sampled_from(["user", "system", "assistant", "tool"]) | JSON, "content": JSON,
                                                        "tool_calls": JSON, "name": JSON}), max_size=3)  # fmt: skip
FIELDS = ("stream", "stream_options", "n", "temperature", "max_tokens", "tools", "ondol", "modalities", "functions", "logprobs", "other", "system",
          "response_format", "instructions", "text", "encoding_format", "voice", "size", "tool_choice", "seed", "store")  # fmt: skip
NEAR = st.fixed_dictionaries(
    {"model": st.just("m") | JSON, "messages": MESSAGES | JSON, "input": st.just("x") | MESSAGES | JSON, "prompt": st.just("x") | JSON},
    optional=dict.fromkeys(FIELDS, JSON),
)
BODIES = NEAR.map(lambda value: json.dumps(value).encode()) | JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40)


@pytest.mark.parametrize("operation", [*PATHS])
@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_no_body_is_a_500(ground: Ground, operation: str, kind: str) -> None:
    """Anything near a request, through everything, in one go. What is understood is answered; what is not is told so."""
    bodies: list[bytes] = []

    @given(BODIES)
    @settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def collect(body: bytes) -> None:
        bodies.append(body)

    collect()
    async with upstream() as up:
        tenancy = await ground.tenancy()
        await tenancy.provider(up.base_url, kind=kind, speaks_responses=True)
        await tenancy.model()
        for body in bodies:
            answer = await tenancy.ask(body, PATHS[operation])
            assert answer.status_code in {200, 400, 403, 404}, (body, answer.text)
            assert answer.headers["content-type"].partition(";")[0] in {"application/json", "text/event-stream", "audio/mpeg"}
            assert CREDENTIAL not in answer.text
            if answer.status_code >= 400:
                assert answer.json()["error"]["message"]


async def test_no_answer_is_a_crash(ground: Ground) -> None:
    """Anything as an upstream's answer: it is let out, or told to be garbage."""
    answers: list[Any] = []
    near = st.fixed_dictionaries({}, optional=dict.fromkeys(("choices", "content", "output", "usage", "id", "model", "data", "error", "ondol"), JSON))

    @given(near)
    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def collect(answer: Any) -> None:
        answers.append(answer)

    collect()

    class Wild(AnyShape):
        def whole(self, operation: str, text: str) -> Any:
            return answers[self.place]

        def events(self, operation: str, pieces: Any, body: Any) -> Any:
            return [answers[self.place], "[DONE]"]

        place = 0

    shape = Wild()
    shape.model = ScriptedModel(shape)
    async with shape.model as up:
        tenancy = await ground.tenancy()
        await tenancy.provider(up.base_url)
        await tenancy.provider(up.base_url, "claude", kind="anthropic")
        await tenancy.model(retries_max=0)
        await tenancy.model("claude", alias="c", retries_max=0)
        for shape.place in range(len(answers)):
            for model, operation, stream in (("m", "chat", False), ("m", "chat", True), ("c", "messages", False), ("m", "responses", True)):
                for card in ground.room.directory.tenant(tenancy.id).models.values():
                    for target in card.row.targets:
                        ground.room.router.breaker(target)._close()
                answer = await tenancy.ask({**body_for(operation, stream=stream), "model": model}, PATHS[operation])
                assert answer.status_code in {200, 502, 503}, (answers[shape.place], answer.text)
                assert "internal_error" not in answer.text, answers[shape.place]
    assert all(record.outcome != "internal_error" for record in tenancy.records)


# ---- Tool definitions from callers


@pytest.mark.parametrize("name", ["", "x" * 500, "a b", "x\r\ny: z", "\x00", "../x", "한글"])
async def test_names_of_tools_that_are_strange(ground: Ground, name: str) -> None:
    for kind in ("openai", "anthropic"):
        async with upstream() as up:
            tenancy = await ground.tenancy()
            await tenancy.provider(up.base_url, kind=kind)
            await tenancy.model()
            tools = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}]
            answer = await tenancy.ask(body_for("chat", tools=tools))
            assert answer.status_code in {200, 400}, answer.text
            assert "y" not in answer.headers
            if answer.status_code == 400:
                assert answer.json()["error"]["param"].startswith("tools")


# ---- Framing: what stands between two requests on one connection


async def test_pipelined_requests_are_each_somebodys_own(ground: Ground) -> None:
    """Smuggling: the second request on a connection has its own key, or none."""
    async with served(ground, "Hello.") as (tenancy, _):
        body = json.dumps({"model": "m", **body_for("chat")}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{{}}content-length: {len(body)}\r\n\r\n"
        with_key = head.format(f"authorization: Bearer {tenancy.key}\r\n").encode() + body
        without = head.format("").encode() + body
        assert ground.gateway is not None
        async with wired(ground.gateway) as wire:
            wire.send(with_key + without + with_key)
            await wire.until(lambda: len(wire.answers(*[b"POST"] * 3)) == 3 if wire.received.count(b"HTTP/1.1 ") == 3 else False)
            assert [answer.status for answer in wire.answers(*[b"POST"] * 3)] == [200, 401, 200]


async def test_a_body_that_says_two_lengths_reaches_nobody(ground: Ground) -> None:
    async with served(ground, "Hello.") as (tenancy, up):
        body = json.dumps({"model": "m", **body_for("chat")}).encode()
        for lines in (
            f"content-length: {len(body)}\r\ncontent-length: 5",
            f"content-length: {len(body)}\r\ntransfer-encoding: chunked",
            "transfer-encoding: chunked, identity",
            f"content-length: +{len(body)}",
            f"content-length : {len(body)}",
        ):
            reader, writer = await asyncio.open_connection(httpx.URL(ground.url).host, httpx.URL(ground.url).port)
            head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {tenancy.key}\r\n{lines}\r\n\r\n"
            writer.write(head.encode() + body)
            async with asyncio.timeout(5):
                assert (await reader.read()).startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 "))
            writer.close()
        assert not up.requests


async def test_limits_of_the_caller_hold_for_bodies_that_are_refused_early(ground: Ground) -> None:
    async with served(ground, "Hello.") as (tenancy, up):
        await tenancy.limit(bounds=Bounds(body_bytes_max=1_000))

        async def pieces() -> AsyncIterator[bytes]:
            yield b"{" + b" " * 5_000

        told = {"authorization": f"Bearer {tenancy.key}"}
        answer = await ground.http.post("/v1/chat/completions", content=pieces(), headers=told)
        assert answer.status_code == 413
        assert not up.requests


async def test_ids_of_requests_are_ours_and_never_the_same(tenant: tuple[Tenancy, ScriptedModel]) -> None:
    tenancy, _ = tenant
    answers = await asyncio.gather(*(tenancy.ask(None, **{"x-request-id": "same"}) for _ in range(20)))
    ids = {uuid.UUID(answer.headers["x-request-id"]) for answer in answers}
    assert len(ids) == 20
    assert len({answer.json()["id"] for answer in answers}) == 20


async def test_one_slow_caller_does_not_hold_others(ground: Ground) -> None:
    assert ground.gateway is not None
    seen: list[str] = []

    async def handler(exchange: Exchange) -> None:
        assert ground.gateway is not None
        seen.append(exchange.path)
        await ground.gateway(exchange)

    async with running(handler) as server, served(ground, "Hello.") as (tenancy, _):
        slow = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(50)]
        for _, writer in slow:
            writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as http:
            answer = await http.post("/v1/chat/completions", json={"model": "m", **body_for("chat", stream=True)},
                                     headers={"authorization": f"Bearer {tenancy.key}"})  # fmt: skip
        assert events_of(answer.text)[-1] == "[DONE]"
        for _, writer in slow:
            writer.transport.abort()
    assert seen == ["/v1/chat/completions"]

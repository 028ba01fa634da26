"""Chat completions over a real socket with the real `openai` client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest

from ondol.core.errors import NotFound, TooManyRequests, UpstreamError
from ondol.infrastructure.gateway.chat import EVENTS_AHEAD_MAX
from ondol.infrastructure.gateway.chat_answer import DONE
from ondol.infrastructure.serving import ChatEvent, ChatRequest, ChatUpstream, Finish, OpenAICompatible, Progress, TextDelta, Usage
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.storage.postgres import DatabaseAway

pytestmark = pytest.mark.anyio

ASK: list[Any] = [{"role": "user", "content": "환불은 언제 되나요?"}]
CITATION = {"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 3, "url": "https://x.example/refund", "title": "환불"}}
FINISH = Finish("stop", Usage(12, 5), (CITATION,), {"answer_id": "a-1", "refused": False})


def saying(*events: ChatEvent | Exception) -> ChatUpstream:
    async def upstream(request: ChatRequest) -> AsyncIterator[ChatEvent]:
        for event in events:
            if isinstance(event, Exception):
                raise event
            yield event

    return upstream


ASSISTANT = saying(Progress("searching"), TextDelta("일주일"), Progress("writing"), TextDelta(" 안에.\u2028"), FINISH)


async def lines(response: httpx.Response) -> list[str]:
    return [line async for line in response.aiter_lines() if line]


async def test_a_whole_answer(gateway: Any) -> None:
    gateway.models["assistant/help"] = ASSISTANT
    async with gateway.client() as client:
        raw = await client.chat.completions.with_raw_response.create(model="assistant/help", messages=ASK)
    answer = raw.parse()
    record = await gateway.record()
    assert answer.id == f"chatcmpl-{record.id.hex}"
    assert raw.headers["x-request-id"] == str(record.id)
    assert float(raw.headers["x-ondol-duration-ms"]) >= 0
    assert answer.model == "assistant/help"
    assert answer.choices[0].message.content == "일주일 안에.\u2028"
    assert answer.choices[0].finish_reason == "stop"
    assert [citation.model_dump() for citation in answer.choices[0].message.annotations or ()] == [CITATION]
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (12, 5, 17)
    assert answer.model_extra == {"ondol": {"answer_id": "a-1", "refused": False}}
    assert "system_fingerprint" not in raw.text


async def test_a_streamed_answer(gateway: Any) -> None:
    gateway.models["assistant/help"] = ASSISTANT
    async with gateway.client() as client:
        stream = await client.chat.completions.create(model="assistant/help", messages=ASK, stream=True, stream_options={"include_usage": True})
        chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "일주일 안에.\u2028"
    *_, last, usage = chunks
    assert last.choices[0].finish_reason == "stop"
    assert last.choices[0].delta.model_extra == {"annotations": [CITATION]}
    assert last.model_extra == {"ondol": {"answer_id": "a-1", "refused": False}}
    assert (usage.choices, usage.usage and usage.usage.total_tokens) == ([], 17)
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks[:-1])


async def test_what_the_stream_looks_like_on_the_wire(gateway: Any, key: str) -> None:
    gateway.models["a"] = ASSISTANT
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=gateway.base_url, headers=headers) as client:
        async with client.stream("POST", "/chat/completions", json={"model": "a", "messages": ASK, "stream": True}) as response:
            assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert response.headers["cache-control"] == "no-store"
            plain = await lines(response)
        asked = {"model": "a", "messages": ASK, "stream": True, "ondol": {"progress": True}}
        async with client.stream("POST", "/chat/completions", json=asked) as response:
            progressing = await lines(response)
    assert [line for line in plain if line.startswith(":")] == [": searching", ": writing"]
    assert plain[-1] == progressing[-1] == "data: [DONE]"
    # httpx splits text at U+2028 too: were it not escaped, this line would be cut in two.
    assert all(line.startswith(("data: ", ": ")) for line in plain)
    chunks = [json.loads(line[6:]) for line in progressing if line.startswith("data: {")]
    assert [chunk["ondol"] for chunk in chunks if "ondol" in chunk] == [
        {"stage": "searching"},
        {"stage": "writing"},
        {"answer_id": "a-1", "refused": False},
    ]
    assert not any("usage" in chunk for chunk in chunks)
    assert "stage" not in "".join(plain)


async def test_a_provider_behind_the_gateway(gateway: Any) -> None:
    async with ScriptedModel(Reply("Through two sockets.", tells_usage=False)) as model, gateway.client() as client:
        provider = OpenAICompatible(model.base_url, "k", "scripted", 5)
        gateway.models["provider/small"] = provider.stream
        answer = await client.chat.completions.create(model="provider/small", messages=ASK, max_completion_tokens=20, seed=3)
        await provider.close()
    assert answer.choices[0].message.content == "Through two sockets."
    assert answer.model_extra == {"ondol": {"usage_estimated": True}}
    assert model.requests[0].body["seed"] == 3
    record = await gateway.record()
    assert (record.model, record.status, record.outcome, record.route) == ("provider/small", 200, "answered", "chat.completions")
    assert record.input_tokens > 0
    assert record.output_tokens > 0
    assert (record.tenant_id, record.person_id, record.api_key_id) == (gateway.caller.tenant_id, gateway.caller.person_id, gateway.caller.api_key_id)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("error", "raised", "status", "code"),
    [
        (NotFound("No.", code="model_not_found"), openai.NotFoundError, 404, "model_not_found"),
        (TooManyRequests("Slow down.", retry_after_s=9), openai.RateLimitError, 429, "rate_limit_exceeded"),
        (UpstreamError("Late.", status=504, code="upstream_timeout"), openai.InternalServerError, 504, "upstream_timeout"),
        (DatabaseAway("Postgres does not answer."), openai.InternalServerError, 503, "store_unavailable"),
        (ZeroDivisionError("the secret inside"), openai.InternalServerError, 500, "internal_error"),
    ],
)
async def test_an_early_failure_has_its_own_status(
    gateway: Any, *, stream: bool, error: Exception, raised: type[openai.APIStatusError], status: int, code: str
) -> None:
    gateway.models["a"] = saying(error)
    async with gateway.client() as client:
        with pytest.raises(raised) as caught:
            await client.chat.completions.create(model="a", messages=ASK, stream=stream)
    body: Any = caught.value.body
    record = await gateway.record()
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert body["request_id"] == caught.value.response.headers["x-request-id"] == str(record.id)
    assert "secret inside" not in caught.value.message
    assert (record.status, record.outcome) == (status, code)
    if status == 429:
        assert caught.value.response.headers["retry-after"] == "9"


@pytest.mark.parametrize(
    ("error", "code"), [(UpstreamError("Gone.", code="upstream_cut_off"), "upstream_cut_off"), (ZeroDivisionError("the secret"), "internal_error")]
)
async def test_a_failure_in_the_middle_raises_in_the_client_and_has_no_end_mark(gateway: Any, key: str, error: Exception, code: str) -> None:
    gateway.models["a"] = saying(TextDelta("half "), error)
    async with gateway.client() as client:
        got = ""
        with pytest.raises(openai.APIError) as caught:
            async for chunk in await client.chat.completions.create(model="a", messages=ASK, stream=True):
                got += chunk.choices[0].delta.content or ""
    assert got == "half "
    assert caught.value.code == code
    record = await gateway.record()
    assert record.outcome == code
    assert record.status >= 500
    assert record.output_tokens > 0
    async with httpx.AsyncClient(base_url=gateway.base_url, headers={"authorization": f"Bearer {key}"}) as client:
        response = await client.post("/chat/completions", json={"model": "a", "messages": ASK, "stream": True})
    assert DONE not in response.content
    assert "the secret" not in response.text


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_without_an_end_is_cut_off(gateway: Any, stream: bool) -> None:
    gateway.models["a"] = saying(TextDelta("half"))
    async with gateway.client() as client:
        with pytest.raises(openai.APIError) as caught:
            answer = await client.chat.completions.create(model="a", messages=ASK, stream=stream)
            if stream:
                _ = [chunk async for chunk in answer]
    assert caught.value.code == "upstream_cut_off"


async def test_silence_is_filled_with_keep_alives(gateway: Any, key: str) -> None:
    speak = asyncio.Event()

    async def slow(request: ChatRequest) -> AsyncIterator[ChatEvent]:
        await speak.wait()
        yield TextDelta("late")
        yield FINISH

    gateway.models["a"] = slow
    async with (
        httpx.AsyncClient(base_url=gateway.base_url, headers={"authorization": f"Bearer {key}"}) as client,
        client.stream("POST", "/chat/completions", json={"model": "a", "messages": ASK, "stream": True}) as response,
    ):
        got: list[str] = []
        async for line in response.aiter_lines():
            got.append(line)
            if got.count(": keep-alive") == 2:
                speak.set()
    assert got.count(": keep-alive") >= 2
    assert got[-2:] == ["data: [DONE]", ""]
    assert '"content":"late"' in "".join(got)


class Waiting:
    """An upstream that says one word and then waits for ever, and tells when it is let go."""

    def __init__(self, *first: ChatEvent) -> None:
        self.first = first
        self.asked = asyncio.Event()
        self.let_go = asyncio.Event()

    async def __call__(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        try:
            for event in self.first:
                yield event
            self.asked.set()
            await asyncio.Event().wait()
        finally:
            self.let_go.set()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("first", [(), (TextDelta("word "),)])
async def test_a_caller_who_leaves_cancels_the_upstream_within_100_ms(gateway: Any, stream: bool, first: tuple[ChatEvent, ...]) -> None:
    took_s = []
    # The best of three: a busy machine is not our delay.
    for _ in range(3):
        gateway.records.clear()
        gateway.recorded.clear()
        upstream = gateway.models["a"] = Waiting(*first)
        async with gateway.client() as client:
            asking = asyncio.create_task(client.chat.completions.create(model="a", messages=ASK, stream=stream))
            await upstream.asked.wait()
            answer = await asking if stream else None
            started = asyncio.get_running_loop().time()
            if answer is not None:
                await answer.close()
            else:
                asking.cancel()
            async with asyncio.timeout(5):
                await upstream.let_go.wait()
            took_s.append(asyncio.get_running_loop().time() - started)
            record = await gateway.record()
        assert (record.status, record.outcome) == (499, "caller_left")
        assert record.input_tokens > 0
        assert (record.output_tokens > 0) == bool(first)
    assert min(took_s) < 0.1, took_s


async def test_what_a_slow_caller_does_not_take_is_not_produced(gateway: Any, key: str) -> None:
    """Back-pressure: the caller reads nothing, and the upstream stands still once every buffer on the way is full."""
    produced, let_go = 0, asyncio.Event()

    async def endless(request: ChatRequest) -> AsyncIterator[ChatEvent]:
        nonlocal produced
        try:
            while True:
                produced += 1
                yield TextDelta("\x01" * 20_000)  # six bytes each on the wire
        finally:
            let_go.set()

    gateway.models["a"] = endless
    body = json.dumps({"model": "a", "messages": ASK, "stream": True}).encode()
    host, port = gateway.root_url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port), limit=1_024)
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b" % (key.encode(), len(body), body)
    )
    async with asyncio.timeout(20):
        before = -1
        while before != produced:
            before = produced
            for _ in range(2_000):
                await asyncio.sleep(0)
        writer.transport.abort()
        await let_go.wait()
        record = await gateway.record()
    assert produced > EVENTS_AHEAD_MAX
    assert record.outcome == "caller_left"


async def test_what_an_upstream_does_after_its_end_is_not_cut_short(gateway: Any) -> None:
    tidied = asyncio.Event()
    release = asyncio.Event()

    async def tidy(request: ChatRequest) -> AsyncIterator[ChatEvent]:
        yield TextDelta("done")
        yield FINISH
        await release.wait()
        tidied.set()

    gateway.models["a"] = tidy
    async with gateway.client() as client:
        stream = await client.chat.completions.create(model="a", messages=ASK, stream=True)
        assert [chunk async for chunk in stream]
        assert not tidied.is_set()
        release.set()
        record = await gateway.record()
    assert tidied.is_set()
    assert record.outcome == "answered"

"""What every real model server must give through the gateway: whole and streamed, bounded, recorded, paid for, let go of, with errors of our form."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest

from ondol.infrastructure.gateway.records import RequestRecord
from ondol.infrastructure.serving.probe import probe_provider
from tests.infrastructure.gateway.ground import Ground, Tenancy, events_of
from tests.infrastructure.serving.grounds import row
from tests.upstreams.servers import CONTEXT_TOKENS, ModelServer

pytestmark = [pytest.mark.anyio, pytest.mark.upstreams]

ASK: list[Any] = [{"role": "user", "content": "환불은 며칠 걸리나요? How long does a refund take?"}]
PLAIN: dict[str, Any] = {"temperature": 0, "max_tokens": 24}
"""The likeliest words: the same each time."""
INPUT_NANO, OUTPUT_NANO = 1_000, 2_000
"""What a token costs."""
ENDLESS = 100_000
"""More tokens than either server writes within `AT_ONCE_S`, by far."""
AT_ONCE_S = 6.0


@pytest.fixture
async def tenancy(ground: Ground, server: ModelServer) -> Tenancy:
    """A fresh tenant whose model ``m`` is the server's."""
    return await tenancy_of(ground, server)


async def tenancy_of(ground: Ground, server: ModelServer, *, name: str = "", provider: dict[str, Any] | None = None, **model: Any) -> Tenancy:
    """A fresh tenant with the server's model, or another `name` of it, as ``m``."""
    async with ground.at_once():
        tenancy = await ground.tenancy()
        await tenancy.provider(server.base_url, **(provider or {}))
        await tenancy.model(f"up/{name or server.model}", **model)
        await tenancy.price("up", name or server.model, input=INPUT_NANO * 10**6, output=OUTPUT_NANO * 10**6)
    return tenancy


async def ask_itself(server: ModelServer, **more: Any) -> httpx.Response:
    """Ask a server past the gateway."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        return await client.post(f"{server.base_url}/chat/completions", json={"model": server.model, "messages": ASK, **PLAIN, **more})


def check_paid(record: RequestRecord) -> None:
    """It was answered, and costs what its tokens cost."""
    assert (record.status, record.outcome, record.attempts) == (200, "answered", 1)
    assert record.input_tokens > 0 < record.output_tokens
    assert (record.cost_nano, record.currency) == (record.input_tokens * INPUT_NANO + record.output_tokens * OUTPUT_NANO, "USD")


async def test_a_whole_answer(tenancy: Tenancy, server: ModelServer) -> None:
    async with tenancy.client() as client:
        answer = await client.chat.completions.create(model="m", messages=ASK, **PLAIN)
    own = (await ask_itself(server)).json()
    [choice] = answer.choices
    assert choice.message.content == own["choices"][0]["message"]["content"] != ""
    assert (choice.message.role, choice.finish_reason, answer.model) == ("assistant", "length", "m")
    record = await tenancy.record()
    check_paid(record)
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (own["usage"]["prompt_tokens"], own["usage"]["completion_tokens"])
    assert (record.input_tokens, record.output_tokens, record.usage_estimated) == (answer.usage.prompt_tokens, answer.usage.completion_tokens, False)
    assert (record.provider, record.upstream_model, record.stream) == ("up", server.model, False)


async def test_a_stream_says_the_same_and_ends_as_ours_do(tenancy: Tenancy, server: ModelServer) -> None:
    whole = (await tenancy.ask({"messages": ASK, **PLAIN})).json()["choices"][0]["message"]["content"]
    streamed = await tenancy.ask({"messages": ASK, **PLAIN, "stream": True, "stream_options": {"include_usage": True}})
    assert (streamed.status_code, streamed.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert streamed.text.endswith("data: [DONE]\n\n")
    *chunks, usage, done = events_of(streamed.text)
    assert done == "[DONE]"
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == whole
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks if chunk["choices"][0]["finish_reason"]] == ["length"]
    assert len([chunk for chunk in chunks if chunk["choices"][0]["delta"].get("content")]) > 1, "it came in pieces"
    assert {chunk["model"] for chunk in chunks} == {"m"}
    record = await tenancy.record(2)
    check_paid(record)
    assert usage["choices"] == []
    assert (usage["usage"]["prompt_tokens"], usage["usage"]["completion_tokens"]) == (record.input_tokens, record.output_tokens)
    assert record.usage_estimated is not server.tells_usage
    assert chunks[-1]["ondol"].get("usage_estimated", False) is not server.tells_usage, "an estimate is marked"
    assert record.first_token_us is not None


async def test_a_client_library_reads_the_stream_to_its_end(tenancy: Tenancy) -> None:
    async with tenancy.client() as client:
        chunks = [chunk async for chunk in await client.chat.completions.create(model="m", messages=ASK, stream=True, **PLAIN)]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["length"]


async def test_the_record_and_its_cost_reach_the_database(ground: Ground, tenancy: Tenancy) -> None:
    answer = await tenancy.ask({"messages": ASK, **PLAIN})
    record = await tenancy.record()
    await ground.recorder.rotate()
    assert await ground.drain.flush()
    [kept] = await tenancy.rows("select cost_nano, input_tokens, output_tokens, outcome from requests where id = %s", record.id)
    assert kept == {"cost_nano": record.cost_nano, "input_tokens": record.input_tokens, "output_tokens": record.output_tokens, "outcome": "answered"}
    assert record.cost_nano is not None
    assert answer.headers["x-ondol-cost"] == f"{record.cost_nano / 10**9:.9f}".rstrip("0") + " USD"


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
async def test_a_bound_on_the_answer_is_kept(ground: Ground, server: ModelServer, field: str) -> None:
    tenancy = await tenancy_of(ground, server, output_tokens_max=12)
    counts: list[int] = []
    for asked in (4, 1_000):
        answer = (await tenancy.ask({"messages": ASK, "temperature": 0, field: asked})).json()
        assert answer["choices"][0]["finish_reason"] == "length"
        counts.append(answer["usage"]["completion_tokens"])
    assert counts == [4, 12]


async def test_who_leaves_is_not_written_for(tenancy: Tenancy) -> None:
    """Both servers write one answer after the other: the next one comes at once only where the one before was stopped."""
    body = {"model": "m", "messages": ASK, "temperature": 0, "max_tokens": ENDLESS, "stream": True}
    headers = {"authorization": f"Bearer {tenancy.key}"}
    async with tenancy.ground.http.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
        assert answer.status_code == 200
        async for line in answer.aiter_lines():
            if '"content":"' in line:
                break
    left = await tenancy.record()
    assert (left.status, left.outcome, left.usage_estimated) == (499, "caller_left", True)
    assert 0 < left.output_tokens < ENDLESS
    assert left.cost_nano is not None and left.cost_nano > 0
    async with asyncio.timeout(AT_ONCE_S):
        assert (await tenancy.ask({"messages": ASK, **PLAIN})).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_responses_are_spoken_over_chat(tenancy: Tenancy, stream: bool) -> None:
    async with tenancy.client() as client:
        if stream:
            events = [
                event async for event in await client.responses.create(model="m", input="hello", max_output_tokens=24, temperature=0, stream=True)
            ]
            assert events[-1].type in {"response.completed", "response.incomplete"}
            answer: Any = events[-1].response
            assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == answer.output_text
        else:
            answer = await client.responses.create(model="m", input="hello", max_output_tokens=24, temperature=0)
    assert answer.output_text
    assert answer.incomplete_details.reason == "max_output_tokens"
    check_paid(await tenancy.record())


@pytest.mark.parametrize("stream", [False, True])
async def test_anthropics_messages_are_spoken_over_chat(tenancy: Tenancy, stream: bool) -> None:
    answer = await tenancy.ask({"model": "m", "messages": ASK, **PLAIN, "stream": stream}, "/v1/messages")
    assert answer.status_code == 200
    if stream:
        assert '"stop_reason":"max_tokens"' in answer.text
        assert answer.text.rstrip().endswith('{"type":"message_stop"}')
    else:
        assert answer.json()["stop_reason"] == "max_tokens"
    check_paid(await tenancy.record())


@pytest.mark.parametrize("stream", [False, True])
async def test_completions(tenancy: Tenancy, stream: bool) -> None:
    answer = await tenancy.ask({"model": "m", "prompt": "Returns are", **PLAIN, "stream": stream}, "/v1/completions")
    assert answer.status_code == 200
    if stream:
        *chunks, done = events_of(answer.text)
        assert done == "[DONE]"
        assert "".join(chunk["choices"][0]["text"] for chunk in chunks if chunk["choices"])
    else:
        assert answer.json()["choices"][0]["text"]
    check_paid(await tenancy.record())


async def test_what_a_server_has_not_is_an_error_of_ours(tenancy: Tenancy, server: ModelServer) -> None:
    answer = await tenancy.ask({"model": "m", "input": "hello"}, "/v1/embeddings")
    code = {"transformers": "upstream_missing", "llama_cpp": "upstream_failed"}[server.name]
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, code)
    assert "embedding=True" not in answer.text and "Not Found" not in answer.text
    record = await tenancy.record()
    assert (record.status, record.outcome, record.input_tokens, record.cost_nano) == (502, code, 0, None)


async def test_a_model_that_nobody_knows(tenancy: Tenancy) -> None:
    async with tenancy.client() as client:
        with pytest.raises(openai.NotFoundError) as caught:
            await client.chat.completions.create(model="other", messages=ASK)
    assert caught.value.code == "model_not_found"


async def test_a_prompt_beyond_the_context(ground: Ground, server: ModelServer) -> None:
    """With the bound told to the gateway no server is asked: one of them ends its stream without a word."""
    tenancy = await tenancy_of(ground, server, context_tokens=CONTEXT_TOKENS)
    long = [{"role": "user", "content": "word " * 2 * CONTEXT_TOKENS}]
    answer = await tenancy.ask({"messages": long, "max_tokens": 8, "stream": True})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "prompt_too_long")
    assert (await tenancy.record()).attempts == 0


async def test_a_probe_finds_it(server: ModelServer) -> None:
    probe = await probe_provider(row(server.base_url, private_network=True))
    assert probe.ok, probe
    if server.name == "llama_cpp":
        assert probe.models == ("tiny",)


async def test_the_servers_own_words_stay_behind(tenancy: Tenancy, server: ModelServer) -> None:
    """Of an error's text nothing goes on; it may hold a path of the server's machine."""
    answer = await tenancy.ask({"messages": ASK, "temperature": "hot"})
    told = json.dumps(answer.json())
    assert answer.status_code in {400, 500, 502}
    assert set(answer.json()) == {"error"}
    assert server.base_url not in told and "Traceback" not in told and "hot" not in told

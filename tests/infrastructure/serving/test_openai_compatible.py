"""The provider client against the scripted model over a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any, get_args

import httpx
import pytest

from ondol.core.errors import RequestError, SettingsError, UpstreamError
from ondol.core.ids import new_id
from ondol.infrastructure.serving import (
    ChatEvent,
    ChatRequest,
    Finish,
    Message,
    OpenAICompatible,
    TextDelta,
    UpstreamRateLimited,
    Usage,
    openai_compatible,
)
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel, Trouble

pytestmark = pytest.mark.anyio

KEY = "sk-very-secret-key"
REQUEST = ChatRequest(id=new_id(), model="assistant/help", messages=(Message("user", "환불은 언제 되나요?"),))


@pytest.fixture
async def model(anyio_backend: str) -> AsyncIterator[ScriptedModel]:
    async with ScriptedModel() as model:
        yield model


async def answer(model: ScriptedModel, request: ChatRequest = REQUEST, *, timeout_s: float = 5.0) -> list[ChatEvent]:
    provider = OpenAICompatible(model.base_url, KEY, "scripted", timeout_s)
    try:
        return [event async for event in provider.stream(request)]
    finally:
        await provider.close()


async def failure(model: ScriptedModel, reply: Reply, *, timeout_s: float = 5.0) -> UpstreamError:
    model.say(reply)
    with pytest.raises(UpstreamError) as caught:
        await answer(model, timeout_s=timeout_s)
    error = caught.value
    assert KEY not in f"{error.message} {error.hint} {error!r} {error.__cause__!r}"
    return error


async def test_an_answer_comes_as_deltas_and_a_finish(model: ScriptedModel) -> None:
    model.say(Reply("일주일 안에 됩니다.", usage=Usage(11, 7)))
    events = await answer(model)
    assert events == [TextDelta("일주일 "), TextDelta("안에 "), TextDelta("됩니다."), Finish("stop", Usage(11, 7))]


async def test_the_upstream_is_asked_to_stream_with_usage_and_our_model(model: ScriptedModel) -> None:
    raw: dict[str, Any] = {"model": "assistant/help", "stream": False, "ondol": {"progress": True}, "seed": 7, "max_completion_tokens": 99}
    message = Message("user", "hi", {"role": "user", "content": [{"type": "text", "text": "hi"}]})
    await answer(model, replace(REQUEST, messages=(message,), raw=raw, max_tokens=50, temperature=0.5))
    recorded = model.requests[0]
    assert recorded.body == {
        "model": "scripted",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "seed": 7,
        "max_completion_tokens": 50,
        "temperature": 0.5,
    }
    assert recorded.headers["authorization"] == f"Bearer {KEY}"


async def test_a_connection_is_used_again(model: ScriptedModel) -> None:
    provider = OpenAICompatible(model.base_url, KEY, "scripted", 5)
    for _ in range(3):
        assert [event async for event in provider.stream(REQUEST)]
    assert model.connections_made == 1
    await provider.close()


@pytest.mark.parametrize("trouble", get_args(Trouble))
async def test_no_trouble_keeps_a_connection(model: ScriptedModel, trouble: Trouble) -> None:
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=1), trust_env=False) as client:
        provider = OpenAICompatible(model.base_url, KEY, "scripted", 0.2, client)
        model.say([Reply(trouble=trouble), Reply("fine", usage=Usage(1, 1))])
        with contextlib.suppress(UpstreamError):
            _ = [event async for event in provider.stream(REQUEST)]
        assert [event async for event in provider.stream(REQUEST)] == [TextDelta("fine"), Finish("stop", Usage(1, 1))]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("tells_done", [True, False])
async def test_line_ends_and_a_missing_end_mark_are_tolerated(model: ScriptedModel, line_end: str, tells_done: bool) -> None:
    model.say(Reply("a b", line_end=line_end, tells_done=tells_done, usage=Usage(1, 2)))
    assert await answer(model) == [TextDelta("a "), TextDelta("b"), Finish("stop", Usage(1, 2))]


async def test_missing_usage_is_estimated_and_marked(model: ScriptedModel) -> None:
    model.say(Reply("a few words of an answer", tells_usage=False))
    finish = (await answer(model))[-1]
    assert isinstance(finish, Finish)
    assert finish.usage.estimated
    assert finish.usage.input_tokens > 7
    assert finish.usage.output_tokens > 3


@pytest.mark.parametrize(
    ("trouble", "status", "code"),
    [
        ("close_before_headers", 502, "upstream_cut_off"),
        ("cut_off", 502, "upstream_cut_off"),
        ("garbage", 502, "upstream_garbage"),
        ("not_http", 502, "upstream_garbage"),
        ("wrong_content_type", 502, "upstream_garbage"),
        ("huge_line", 502, "upstream_garbage"),
        ("error_event", 502, "upstream_failed"),
        ("refused", 502, "upstream_rejected"),
        ("unauthorised", 502, "upstream_rejected"),
        ("broken", 502, "upstream_failed"),
    ],
)
async def test_each_trouble_has_its_code(model: ScriptedModel, trouble: Trouble, status: int, code: str) -> None:
    error = await failure(model, Reply(trouble=trouble))
    assert (error.status, error.code) == (status, code)


@pytest.mark.parametrize("trouble", ["hang_before_headers", "hang_mid_stream"])
async def test_a_hanging_upstream_times_out_and_is_let_go(model: ScriptedModel, trouble: Trouble) -> None:
    error = await failure(model, Reply(trouble=trouble), timeout_s=0.1)
    assert (error.status, error.code) == (504, "upstream_timeout")
    async with asyncio.timeout(5):
        await model.callers_left(1)


async def test_an_answer_may_not_drip_for_ever(model: ScriptedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_compatible, "ANSWER_S_MAX", 0.1)
    error = await failure(model, Reply("word " * 10_000, between_s=0.01))
    assert error.code == "upstream_timeout"


async def test_a_rate_limit_says_when_to_come_back(model: ScriptedModel) -> None:
    error = await failure(model, Reply(trouble="rate_limited", retry_after_s=42))
    assert isinstance(error, UpstreamRateLimited)
    assert (error.status, error.code, error.retry_after_s) == (503, "upstream_rate_limited", 42)


async def test_a_refusal_names_the_upstreams_code_only(model: ScriptedModel) -> None:
    error = await failure(model, Reply(trouble="refused"))
    assert error.message == "The model provider refused the request (400, context_length_exceeded)."


async def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    provider = OpenAICompatible(f"http://user:hunter2@127.0.0.1:{port}/v1", "", "scripted", 5)
    with pytest.raises(UpstreamError) as caught:
        await anext(provider.stream(REQUEST))
    assert (caught.value.status, caught.value.code) == (502, "upstream_unreachable")
    assert "hunter2" not in str(caught.value) + repr(caught.value.__cause__)
    await provider.close()


async def test_a_full_pool_is_busy(model: ScriptedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_compatible, "POOL_TIMEOUT_S", 0.05)
    model.say(Reply(trouble="hang_mid_stream"))
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=1), trust_env=False) as client:
        provider = OpenAICompatible(model.base_url, KEY, "scripted", 5, client)
        async with aclosing(provider.stream(REQUEST)) as first:
            await anext(first)
            with pytest.raises(UpstreamError) as caught:
                await anext(provider.stream(REQUEST))
            assert (caught.value.status, caught.value.code) == (503, "upstream_busy")


async def test_closing_the_iterator_hangs_up_at_once(model: ScriptedModel) -> None:
    model.say(Reply(trouble="hang_mid_stream"))
    provider = OpenAICompatible(model.base_url, KEY, "scripted", 60)
    async with aclosing(provider.stream(REQUEST)) as events:
        await anext(events)
    async with asyncio.timeout(5):
        await model.callers_left(1)
    await provider.close()


async def test_cancelling_the_reader_hangs_up_at_once(model: ScriptedModel) -> None:
    model.say(Reply(trouble="hang_before_headers"))
    reading = asyncio.create_task(answer(model, timeout_s=60))
    await model.requests_came(1)
    reading.cancel()
    async with asyncio.timeout(5):
        await model.callers_left(1)
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_an_upstream_that_stays_open_after_its_reason_does_not_hold_the_answer(model: ScriptedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_compatible, "AFTER_FINISH_S", 0.05)
    monkeypatch.setattr(openai_compatible, "AFTER_DONE_S", 0.05)
    for tells_done in (True, False):
        model.say(Reply("done", trouble="hang_after_finish", tells_done=tells_done, usage=Usage(1, 1)))
        assert await answer(model) == [TextDelta("done"), Finish("stop", Usage(1, 1))]


@pytest.mark.parametrize(
    ("base_url", "key"),
    [("ftp://example.com/v1", ""), ("nonsense", ""), ("http://", ""), ("http://example.com/v1?key=secret", ""), ("http://example.com", "sk-a\nb")],
)
def test_an_address_or_key_that_cannot_be_sent_is_refused(base_url: str, key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        OpenAICompatible(base_url, key, "scripted", 5)
    assert "secret" not in str(caught.value)
    assert "sk-a" not in str(caught.value)


async def test_credentials_in_the_address_are_sent_as_basic_and_nowhere_else(model: ScriptedModel) -> None:
    provider = OpenAICompatible(model.base_url.replace("http://", "http://user:hunter2@"), "", "scripted", 5)
    assert [event async for event in provider.stream(REQUEST)]
    assert model.requests[0].headers["authorization"] == "Basic dXNlcjpodW50ZXIy"
    await provider.close()


async def test_a_key_goes_before_credentials_in_the_address(model: ScriptedModel) -> None:
    provider = OpenAICompatible(model.base_url.replace("http://", "http://user:hunter2@"), KEY, "scripted", 5)
    assert [event async for event in provider.stream(REQUEST)]
    assert model.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert "hunter2" not in str(model.requests[0])
    await provider.close()


async def test_a_value_that_json_cannot_carry_is_the_callers_mistake(model: ScriptedModel) -> None:
    provider = OpenAICompatible(model.base_url, KEY, "scripted", 5)
    with pytest.raises(RequestError):
        await anext(provider.stream(replace(REQUEST, messages=(Message("user", "\ud800"),))))
    await provider.close()

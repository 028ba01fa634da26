"""A model as assistants ask it, over the router, against the scripted model on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import get_args

import pytest

from ondol.core.errors import RequestError, SettingsError, UpstreamError
from ondol.core.ids import new_id
from ondol.infrastructure.serving import ChatEvent, ChatRequest, Finish, Message, TextDelta, Usage
from ondol.infrastructure.serving.chat_model import ChatModel
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel, Trouble
from ondol.infrastructure.serving.types import FinishReason
from ondol.wiring.platform import opened_router

pytestmark = pytest.mark.anyio

KEY = "sk-very-secret-key"
REQUEST = ChatRequest(id=new_id(), model="assistant/help", messages=(Message("user", "환불은 언제 되나요?"),))


@pytest.fixture
async def model(anyio_backend: str) -> AsyncIterator[ScriptedModel]:
    async with ScriptedModel() as model:
        yield model


async def answer(model: ScriptedModel, request: ChatRequest = REQUEST, *, timeout_s: float = 5.0) -> list[ChatEvent]:
    async with opened_router() as router:
        chat = ChatModel(router, model.base_url, KEY, "scripted", timeout_s)
        return [event async for event in chat.stream(request)]


async def failure(model: ScriptedModel, *replies: Reply, timeout_s: float = 5.0) -> UpstreamError:
    model.say(list(replies))
    with pytest.raises(UpstreamError) as caught:
        await answer(model, timeout_s=timeout_s)
    error = caught.value
    assert KEY not in f"{error.message} {error.hint} {error!r} {error.__cause__!r}"
    return error


async def test_an_answer_comes_as_deltas_and_a_finish(model: ScriptedModel) -> None:
    model.say(Reply("일주일 안에 됩니다.", usage=Usage(11, 7)))
    events = await answer(model)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "일주일 안에 됩니다."
    assert events[-1] == Finish("stop", Usage(11, 7))


async def test_the_upstream_is_asked_to_stream_with_usage_and_our_model(model: ScriptedModel) -> None:
    await answer(model, replace(REQUEST, messages=(Message("system", "Be kind."), Message("user", "hi")), max_tokens=50, temperature=0.5))
    recorded = model.requests[0]
    assert recorded.body == {
        "model": "scripted",
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 50,
        "temperature": 0.5,
    }
    assert recorded.headers["authorization"] == f"Bearer {KEY}"


async def test_a_connection_is_used_again(model: ScriptedModel) -> None:
    async with opened_router() as router:
        chat = ChatModel(router, model.base_url, KEY, "scripted", 5)
        for _ in range(3):
            assert [event async for event in chat.stream(REQUEST)]
    assert model.connections_made == 1


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("tells_done", [True, False])
async def test_line_ends_and_a_missing_end_mark_are_tolerated(model: ScriptedModel, line_end: str, tells_done: bool) -> None:
    model.say(Reply("a b", line_end=line_end, tells_done=tells_done, usage=Usage(1, 2)))
    events = await answer(model)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "a b"
    assert events[-1] == Finish("stop", Usage(1, 2))


async def test_missing_usage_is_estimated_and_marked(model: ScriptedModel) -> None:
    model.say(Reply("a few words of an answer", tells_usage=False))
    finish = (await answer(model))[-1]
    assert isinstance(finish, Finish)
    assert finish.usage.estimated
    assert finish.usage.input_tokens > 7
    assert finish.usage.output_tokens > 3


@pytest.mark.parametrize("trouble", [trouble for trouble in get_args(Trouble) if trouble != "hang_after_finish"])
async def test_every_trouble_is_an_error_of_the_upstream(model: ScriptedModel, trouble: Trouble) -> None:
    error = await failure(model, *[Reply("one two", trouble=trouble)] * 6, timeout_s=0.3)
    assert error.code.startswith("upstream_")


async def test_an_upstream_that_stays_open_after_its_reason_does_not_hold_the_answer(model: ScriptedModel) -> None:
    model.say(Reply("one two", trouble="hang_after_finish"))
    assert isinstance((await answer(model, timeout_s=0.3))[-1], Finish)


@pytest.mark.parametrize("trouble", ["cut_off", "garbage", "huge_line", "error_event", "hang_mid_stream"])
async def test_an_answer_that_broke_off_is_never_a_whole_one(model: ScriptedModel, trouble: Trouble) -> None:
    model.say([Reply("one two three", trouble=trouble)] * 3)
    events: list[ChatEvent] = []
    async with opened_router() as router:
        chat = ChatModel(router, model.base_url, KEY, "scripted", 0.3)
        with pytest.raises(UpstreamError):
            async for event in chat.stream(REQUEST):
                events.append(event)
    assert not any(isinstance(event, Finish) for event in events)


async def test_closing_the_iterator_hangs_up_at_once(model: ScriptedModel) -> None:
    model.say(Reply("one two", trouble="hang_mid_stream"))
    async with opened_router() as router:
        chat = ChatModel(router, model.base_url, KEY, "scripted", 60)
        async with aclosing(chat.stream(REQUEST)) as events:
            await anext(events)
        async with asyncio.timeout(5):
            await model.callers_left(1)


async def test_cancelling_the_reader_hangs_up_at_once(model: ScriptedModel) -> None:
    model.say(Reply(trouble="hang_before_headers"))
    reading = asyncio.create_task(answer(model, timeout_s=60))
    await model.requests_came(1)
    reading.cancel()
    async with asyncio.timeout(5):
        await model.callers_left(1)
    with pytest.raises(asyncio.CancelledError):
        await reading


@pytest.mark.parametrize(
    ("base_url", "key"),
    [
        ("ftp://host/v1", ""),
        ("http:///v1", ""),
        ("nothing", ""),
        ("http://user:hunter2@host/v1", ""),
        ("http://host/v1", "two words"),
        ("http://host", "열쇠"),
    ],
)
async def test_an_address_or_key_that_cannot_be_sent_is_refused(base_url: str, key: str) -> None:
    async with opened_router() as router:
        with pytest.raises(SettingsError) as caught:
            ChatModel(router, base_url, key, "scripted", 5)
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


async def test_a_value_that_json_cannot_carry_is_the_callers_mistake(model: ScriptedModel) -> None:
    with pytest.raises(RequestError):
        await answer(model, replace(REQUEST, messages=(Message("user", "\ud800"),)))


async def test_reasons_are_openai_s(model: ScriptedModel) -> None:
    for reason in get_args(FinishReason):
        model.say(Reply("a", finish_reason=reason, usage=Usage(1, 1)))
        assert (await answer(model))[-1] == Finish(reason, Usage(1, 1))

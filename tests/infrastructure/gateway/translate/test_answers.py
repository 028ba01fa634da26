"""Answers of another family come back as the caller's own: whole or streamed, they say the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings

from ondol.infrastructure.gateway.shapes.messages import messages_usage
from ondol.infrastructure.gateway.translate.chat_over_messages import ChatOverMessages, messages_as_chat, usage_as_chat
from ondol.infrastructure.gateway.translate.messages_over_chat import MessagesOverChat, chat_as_messages, usage_as_messages
from ondol.infrastructure.gateway.translate.responses_over_chat import ResponsesOverChat
from ondol.infrastructure.serving.types import Frame
from tests.infrastructure.gateway.shapes import driving as d
from tests.infrastructure.gateway.shapes import test_chat as chat
from tests.infrastructure.gateway.shapes import test_messages as messages
from tests.infrastructure.gateway.shapes import test_responses as responses


class Frames:
    """A stream of frames as a router gives them: an iterator that nobody can close."""

    def __init__(self, frames: list[Any]) -> None:
        self._left = [Frame(json.loads(json.dumps(frame))) for frame in frames]

    def __aiter__(self) -> AsyncIterator[list[Frame]]:
        return self

    async def __anext__(self) -> list[Frame]:
        if not self._left:
            raise StopAsyncIteration
        return [self._left.pop(0)]


def back(translation: Any, frames: list[Any]) -> list[Any]:
    async def run() -> list[Any]:
        return [frame for batch in [batch async for batch in translation.frames(Frames(frames))] for frame in batch]

    return asyncio.run(run())


CHAT_ANSWER: dict[str, Any] = {
    "id": "x",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hello there.",
                "reasoning_content": "Hm.",
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {
        "prompt_tokens": 20,
        "completion_tokens": 3,
        "total_tokens": 23,
        "prompt_tokens_details": {"cached_tokens": 7, "cache_write_tokens": 2},
    },
}


def test_an_answer_goes_to_the_other_family_and_back() -> None:
    message = chat_as_messages(CHAT_ANSWER)
    assert message["stop_reason"] == "tool_use"
    assert [block["type"] for block in message["content"]] == ["thinking", "text", "tool_use"]
    again = messages_as_chat(message)
    assert {**again["choices"][0]["message"], "refusal": None} == {**CHAT_ANSWER["choices"][0]["message"], "refusal": None}
    assert again["choices"][0]["finish_reason"] == "tool_calls"
    assert again["usage"] == CHAT_ANSWER["usage"]


@pytest.mark.parametrize(
    ("chat_reason", "reason"), [("stop", "end_turn"), ("length", "max_tokens"), ("tool_calls", "tool_use"), ("content_filter", "refusal")]
)
def test_reasons_of_an_end(chat_reason: str, reason: str) -> None:
    told = chat_as_messages({"choices": [{"message": {"content": "x"}, "finish_reason": chat_reason}]})
    assert told["stop_reason"] == reason
    assert messages_as_chat(told)["choices"][0]["finish_reason"] == chat_reason


def test_usage_with_caches_is_the_same_in_both_families() -> None:
    own = {"input_tokens": 11, "output_tokens": 3, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 2}
    assert usage_as_messages(usage_as_chat(own)) == own
    assert messages_usage(own) == messages_usage(usage_as_messages(usage_as_chat(own)))


@settings(max_examples=60, deadline=None)
@given(messages.blocks, d.cuts)
def test_messages_come_back_as_a_chat(content: list[dict[str, Any]], cuts: list[float]) -> None:
    one, other = d.conversation(), d.conversation()
    answer = messages_as_chat({"content": content, "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}})
    expected, told = chat.whole(answer, one)
    got, out = chat.streamed(back(ChatOverMessages(), messages.frames_of(content, cuts)), other)
    if expected[0].reason != "content_filter":
        assert (got[0].text, got[0].reason) == (expected[0].text, expected[0].reason)
        assert [(name, json.loads(said)) for name, said in got[0].calls] == [(name, json.loads(said)) for name, said in expected[0].calls]
    assert (got[0].reason == "content_filter") == (expected[0].reason == "content_filter")
    d.clean(out)
    d.clean(told)


@settings(max_examples=60, deadline=None)
@given(d.texts, d.arguments, d.cuts)
def test_a_chat_comes_back_in_the_other_shapes(text: str, arguments: str, cuts: list[float]) -> None:
    frames = [chat.chunk({"content": piece}) for piece in d.cut(text, cuts)]
    frames += [*chat.call_chunks(0, "f", d.cut(arguments, cuts)), chat.chunk({}, reason="tool_calls")]
    frames.append({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 7}})
    expected, _ = chat.streamed(list(frames), d.conversation())
    content, reason, out = messages.streamed(back(MessagesOverChat(), frames), d.conversation())
    response, more = responses.streamed(back(ResponsesOverChat(), frames), d.conversation())
    d.clean(out)
    d.clean(more)
    seen, _ = messages.seen_of(content, reason)
    assert (reason == "refusal") == (expected[0].reason == "content_filter") == (response["status"] == "incomplete")
    if reason != "refusal":
        said = responses.seen_of(response)
        assert seen.text == expected[0].text == said.text
        assert [json.loads(call[1]) for call in seen.calls] == [json.loads(call[1]) for call in expected[0].calls]
        assert said.calls == expected[0].calls
        assert response["usage"]["output_tokens"] == 7


def test_the_first_of_two_calls_that_share_an_index_is_not_mixed_with_the_second() -> None:
    frames = [
        chat.chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"a":1}'}}]}),
        chat.chunk({"tool_calls": [{"index": 0, "id": "b", "function": {"name": "g", "arguments": '{"b":2}'}}]}),
        chat.chunk({}, reason="tool_calls"),
    ]
    content, _, _ = messages.streamed(back(MessagesOverChat(), frames), d.conversation())
    assert [(block["name"], block["input"]) for block in content] == [("f", {"a": 1}), ("g", {"b": 2})]

"""What is no answer is told as the provider's failure: whatever JSON an upstream sends, no other error than `UpstreamError` comes of it."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ondol.core.errors import UpstreamError
from ondol.infrastructure.gateway.shapes.base import Asked, Shape, Spot
from ondol.infrastructure.gateway.shapes.chat_stream import CHAT
from ondol.infrastructure.gateway.shapes.completions import COMPLETIONS
from ondol.infrastructure.gateway.shapes.embeddings import EMBEDDINGS
from ondol.infrastructure.gateway.shapes.images import IMAGES
from ondol.infrastructure.gateway.shapes.messages_stream import MESSAGES
from ondol.infrastructure.gateway.shapes.responses_stream import RESPONSES
from ondol.infrastructure.gateway.shapes.speech import sound_events
from ondol.infrastructure.gateway.shapes.sse import json_bytes
from ondol.infrastructure.gateway.shapes.transcriptions import TRANSCRIPTIONS, let_plain
from ondol.infrastructure.gateway.translate.chat_over_messages import ChatOverMessages
from ondol.infrastructure.gateway.translate.completions_over_chat import CompletionsOverChat, CompletionsOverMessages
from ondol.infrastructure.gateway.translate.messages_over_chat import MessagesOverChat
from ondol.infrastructure.gateway.translate.responses_over_chat import ResponsesOverChat, ResponsesOverMessages
from ondol.infrastructure.serving.types import Frame, Usage
from tests.infrastructure.gateway.shapes import driving as d

STREAMED: dict[str, Shape] = {
    "chat": CHAT,
    "messages": MESSAGES,
    "responses": RESPONSES,
    "completions": COMPLETIONS,
    "transcriptions": TRANSCRIPTIONS,
}
WHOLE: dict[str, Shape] = {**STREAMED, "images": IMAGES}
TRANSLATIONS: dict[str, Any] = {
    "chat over messages": ChatOverMessages(),
    "completions over chat": CompletionsOverChat(),
    "completions over messages": CompletionsOverMessages(),
    "messages over chat": MessagesOverChat(),
    "responses over chat": ResponsesOverChat(),
    "responses over messages": ResponsesOverMessages(),
}

_BACK = {
    "chat over messages": CHAT, "completions over chat": COMPLETIONS, "completions over messages": COMPLETIONS, "messages over chat": MESSAGES,
    "responses over chat": RESPONSES, "responses over messages": RESPONSES,
}  # fmt: skip

_call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
_logprobs = {"content": [{"token": "a", "logprob": 0.0, "bytes": [97], "top_logprobs": []}]}
_chat_usage = {
    "prompt_tokens": 5,
    "completion_tokens": 2,
    "prompt_tokens_details": {"cached_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 1},
}
_delta = {
    "role": "assistant",
    "content": "a",
    "refusal": "r",
    "reasoning_content": "t",
    "tool_calls": [_call],
    "annotations": [{"type": "x", "x": {"a": 1}}],
}
_message = {**_delta, "audio": {"transcript": "t", "data": "d"}}
_item = {"type": "message", "id": "m", "content": [{"type": "output_text", "text": "a", "annotations": [{}], "logprobs": []}]}
_call_item = {"type": "function_call", "id": "f", "call_id": "c", "name": "f", "arguments": "{}"}
_usage = {"input_tokens": 3, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 1}, "output_tokens_details": {"reasoning_tokens": 1}}
_response = {"id": "r", "status": "completed", "output": [_item, _call_item], "usage": _usage, "ondol": {"a": 1}}
_blocks = [
    {"type": "text", "text": "a", "citations": [{"cited_text": "b"}]},
    {"type": "thinking", "thinking": "t", "signature": "s"},
    {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
    {"type": "server_tool_use", "id": "t", "name": "f", "input": {}},
]
_cache_usage = {"input_tokens": 3, "output_tokens": 2, "cache_read_input_tokens": 1, "cache_creation_input_tokens": 1}

FRAMES: list[dict[str, Any]] = [
    {
        "choices": [{"index": 0, "delta": _delta, "finish_reason": None, "logprobs": _logprobs, "stop_reason": "x"}],
        "usage": _chat_usage,
        "ondol": {"a": 1},
    },
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "created": 1},
    {"choices": [{"index": 0, "text": "a", "logprobs": {"tokens": ["a"], "token_logprobs": [0.0]}, "finish_reason": "stop"}]},
    {"type": "message_start", "message": {"usage": _cache_usage, "content": []}},
    *({"type": "content_block_start", "index": 0, "content_block": block} for block in _blocks),
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "a"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {"a": 1}}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": _cache_usage, "ondol": {"a": 1}},
    {"type": "response.created", "response": _response},
    {"type": "response.output_item.added", "output_index": 0, "item": _item},
    {"type": "response.output_item.added", "output_index": 0, "item": _call_item},
    {"type": "response.output_text.delta", "output_index": 0, "delta": "a"},
    {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "{}"},
    {"type": "response.output_item.done", "output_index": 0, "item": _item},
    {"type": "response.output_item.done", "output_index": 0, "item": {"type": "reasoning", "summary": [{"type": "summary_text", "text": "t"}]}},
    {"type": "response.completed", "response": _response},
    {"type": "transcript.text.delta", "delta": "a", "logprobs": [{"token": "a"}]},
    {"type": "transcript.text.done", "text": "a", "usage": {"type": "duration", "seconds": 3}},
    {"type": "speech.audio.delta", "audio": "YQ=="},
    {"type": "speech.audio.done", "usage": _usage},
]
ANSWERS: list[dict[str, Any]] = [
    {"choices": [{"index": 0, "message": _message, "finish_reason": "stop", "logprobs": _logprobs}], "usage": _chat_usage, "ondol": {"a": 1}},
    {"choices": [{"index": 0, "text": "a", "finish_reason": "stop", "logprobs": {"tokens": ["a"]}}], "usage": _chat_usage},
    {"content": _blocks, "stop_reason": "end_turn", "usage": _cache_usage, "id": "m", "model": "x"},
    _response,
    {"data": [{"url": "x", "revised_prompt": "a"}], "usage": _usage},
    {
        "text": "a b", "duration": 1.5, "segments": [{"id": 0, "start": 0.0, "end": 1.0, "text": "a b", "tokens": [1]}],
        "words": [{"word": "a", "start": 0.0, "end": 1.0}], "logprobs": [{"token": "a b"}], "usage": {"type": "duration", "seconds": 2},
    },
]  # fmt: skip

_words = st.sampled_from(["", "a", "{}", "[1]", "message"])
_leaves = st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), _words)
_names = st.sampled_from(["type", "text", "content", "id", "function"])
_junk = st.recursive(_leaves, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_names, inner, max_size=3)), max_leaves=5)


def _paths(tree: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at] if at else []
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in entries:
        found += _paths(value, (*at, key))
    return found


def _spoilt(tree: dict[str, Any], at: tuple[Any, ...], junk: Any) -> dict[str, Any]:
    """A tree with something else at one place."""
    tree = copy.deepcopy(tree)
    holder: Any = tree
    for key in at[:-1]:
        holder = holder[key]
    holder[at[-1]] = junk
    return tree


@st.composite
def spoilt(draw: Callable[[Any], Any], trees: list[dict[str, Any]]) -> dict[str, Any]:
    tree: dict[str, Any] = draw(st.sampled_from(trees))
    for _ in range(draw(st.integers(0, 2))):
        paths = _paths(tree)
        if paths:
            tree = _spoilt(tree, draw(st.sampled_from(paths)), draw(_junk))
    return tree


def _asked(shape: Shape) -> Asked:
    body: dict[str, Any] = {"input": "x", "messages": [], "prompt": "x"}
    return Asked(shape.operation, "m", body, [Spot("user", "x", body, "input")])


def _stream(shape: Shape, frames: list[Any]) -> None:
    writer = shape.stream(_asked(shape), d.told(), d.letting())
    for frame in frames:
        d.clean(writer.take([frame]))
    d.clean(writer.finish(writer.usage or Usage(1, 1), {}))


@pytest.mark.parametrize("name", STREAMED)
@settings(max_examples=120, deadline=None)
@given(frames=st.lists(spoilt(FRAMES), max_size=6))
def test_any_frames(name: str, frames: list[dict[str, Any]]) -> None:
    with contextlib.suppress(UpstreamError):
        _stream(STREAMED[name], [Frame(copy.deepcopy(frame), str(frame.get("type", ""))) for frame in frames])


@pytest.mark.parametrize("name", WHOLE)
@settings(max_examples=120, deadline=None)
@given(answer=spoilt(ANSWERS))
def test_any_answer(name: str, answer: dict[str, Any]) -> None:
    shape = WHOLE[name]
    with contextlib.suppress(UpstreamError):
        answer = shape.decode(json.dumps(answer).encode())
        shape.let(answer, d.told(), d.letting())
        usage = shape.usage(answer)
        shape.put_usage(answer, usage or Usage(1, 1, estimated=True))
        shape.text_of(answer)
        json_bytes(answer)


@pytest.mark.parametrize("name", TRANSLATIONS)
@settings(max_examples=120, deadline=None)
@given(frames=st.lists(spoilt(FRAMES), max_size=6))
def test_any_frames_of_another_shape(name: str, frames: list[dict[str, Any]]) -> None:
    async def source() -> AsyncIterator[list[Frame]]:
        for frame in frames:
            yield [Frame(copy.deepcopy(frame), str(frame.get("type", "")))]

    async def run() -> list[Frame]:
        return [frame async for batch in TRANSLATIONS[name].frames(source()) for frame in batch]

    with contextlib.suppress(UpstreamError):
        _stream(_BACK[name], asyncio.run(run()))


@pytest.mark.parametrize("name", TRANSLATIONS)
@settings(max_examples=120, deadline=None)
@given(answer=spoilt(ANSWERS))
def test_any_answer_of_another_shape(name: str, answer: dict[str, Any]) -> None:
    shape = _BACK[name]
    with contextlib.suppress(UpstreamError):
        told = TRANSLATIONS[name].whole(copy.deepcopy(answer))
        shape.let(told, d.told(), d.letting())
        shape.usage(told)
        json_bytes(told)


@settings(max_examples=80, deadline=None)
@given(frames=st.lists(spoilt(FRAMES), max_size=4))
def test_any_frames_of_sound(frames: list[dict[str, Any]]) -> None:
    with contextlib.suppress(UpstreamError):
        sound_events([Frame(frame) for frame in frames])


@settings(max_examples=80, deadline=None)
@given(
    body=st.one_of(
        st.binary(max_size=60), spoilt([{"data": [{"embedding": [1.0]}], "usage": _chat_usage}]).map(lambda tree: json.dumps(tree).encode())
    )
)
def test_any_embeddings(body: bytes) -> None:
    with contextlib.suppress(UpstreamError):
        answer = EMBEDDINGS.decode(body)
        EMBEDDINGS.let(answer, d.told(), d.letting())
        EMBEDDINGS.put_usage(answer, EMBEDDINGS.usage(answer) or Usage(1, 0, estimated=True))
        json_bytes(answer)


@settings(max_examples=80, deadline=None)
@given(
    body=st.one_of(
        st.binary(max_size=60),
        st.lists(
            st.sampled_from(["00:00:01,000 --> 00:00:02,000", " --> ", "\n", "\n\n", "1", "words", "WEBVTT", "00:01.000 --> 00:02.000 align:start"])
        ).map(lambda parts: "".join(parts).encode()),
    ),
    form=st.sampled_from(["text", "srt", "vtt"]),
)
def test_any_subtitles(body: bytes, form: str) -> None:
    with contextlib.suppress(UpstreamError):
        let_plain(body, form, d.letting())

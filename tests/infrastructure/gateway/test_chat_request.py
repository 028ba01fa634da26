"""Bodies of all kinds: what is understood, what is refused and by which name, and that nothing is a 500."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ondol.core.errors import RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.gateway import create_gateway
from ondol.infrastructure.gateway.chat_request import DEPTH_MAX, MESSAGES_MAX, TEXT_CHARS_MAX, ParsedChat, parse_chat
from ondol.infrastructure.serving import ChatRequest, Message

ID = new_id()
USER = {"role": "user", "content": "hi"}


def parse(**body: Any) -> ParsedChat:
    return parse_chat(json.dumps({"model": "m", "messages": [USER], **body}).encode(), ID)


def test_a_full_body_is_understood_and_kept() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://x.example/i.png"}}
    body = {
        "model": "assistant/help",
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "What "}, image, {"type": "text", "text": "is it?"}], "name": "Kim"},
            {"role": "assistant", "tool_calls": []},
            {"role": "tool", "content": "42", "tool_call_id": "t"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True, "other": 1},
        "max_tokens": 5,
        "max_completion_tokens": 7,
        "temperature": 1,
        "n": 1,
        "tools": [],
        "seed": 3,
        "metadata": None,
        "ondol": {"progress": True, "future": []},
    }
    messages: Any = body["messages"]
    assert parse_chat(json.dumps(body).encode(), ID) == ParsedChat(
        ChatRequest(
            id=ID,
            model="assistant/help",
            messages=(
                Message("developer", "Be brief.", messages[0]),
                Message("user", "What is it?", messages[1]),
                Message("assistant", "", messages[2]),
                Message("tool", "42", messages[3]),
            ),
            stream=True,
            max_tokens=7,
            temperature=1.0,
            raw=body,
        ),
        include_usage=True,
        progress=True,
    )


def test_nulls_mean_absent() -> None:
    parsed = parse(**dict.fromkeys(("stream", "stream_options", "max_tokens", "temperature", "n", "tools", "ondol", "logprobs", "modalities")))
    assert not parsed.request.stream
    assert parsed.request.max_tokens is None


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"model": 7}, "model", "invalid_value"),
        ({"model": ""}, "model", "invalid_value"),
        ({"model": "x" * 201}, "model", "invalid_value"),
        ({"model": "a\x00b"}, "model", "invalid_value"),
        ({"messages": []}, "messages", "invalid_value"),
        ({"messages": "hi"}, "messages", "invalid_value"),
        ({"messages": [USER] * (MESSAGES_MAX + 1)}, "messages", "invalid_value"),
        ({"messages": [USER, {"content": "x"}]}, "messages[1].role", "missing_field"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role", "invalid_value"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "invalid_type"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content", "invalid_value"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text", "invalid_type"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type", "invalid_type"),
        ({"messages": [{"role": "user", "content": "x" * (TEXT_CHARS_MAX + 1)}]}, "messages", "text_too_long"),
        ({"n": 2}, "n", "unsupported_value"),
        ({"n": 0}, "n", "invalid_value"),
        ({"max_tokens": 0}, "max_tokens", "invalid_value"),
        ({"max_tokens": 2**40}, "max_tokens", "invalid_value"),
        ({"temperature": 2.5}, "temperature", "invalid_value"),
        ({"stream": "yes"}, "stream", "invalid_value"),
        ({"stream_options": []}, "stream_options", "invalid_value"),
        ({"tools": [{"type": "function"}]}, "tools", "unsupported_parameter"),
        ({"functions": [{}]}, "functions", "unsupported_parameter"),
        ({"logprobs": True}, "logprobs", "unsupported_parameter"),
        ({"modalities": ["audio"]}, "modalities", "unsupported_value"),
        ({"ondol": {"progress": 1}}, "ondol.progress", "invalid_value"),
    ],
)
def test_a_mistake_is_called_by_its_name(changes: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse(**changes)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, param, code)
    assert len(caught.value.message) < 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'{"model": "m", "messages": [{"role": "user", "content": "\xff"}]}',
        b'{"model": "\\ud800", "messages": []}',
        b'{"temperature": NaN}',
        b'{"temperature": 1e999}',
        b'{"seed": ' + b"9" * 5_000 + b"}",
        b"[" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"deep":' + b"[" * DEPTH_MAX + b"]" * DEPTH_MAX + b"}",
        b"\xef\xbb\xbf{}",
        b"\x1f\x8b\x08\x00",
    ],
)
def test_what_is_no_json_of_ours_is_told_so(body: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        parse_chat(body, ID)
    assert caught.value.code == "invalid_json"


def test_of_duplicate_keys_the_last_is_meant() -> None:
    body = b'{"model":"a","model":"b","messages":[{"role":"user","content":"x","content":"y"}]}'
    request = parse_chat(body, ID).request
    assert (request.model, request.raw["model"], request.messages[0].content) == ("b", "b", "y")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
MESSAGES = st.lists(st.fixed_dictionaries({}, optional={"role": st.just("user") | JSON, "content": JSON}), max_size=3)
FIELDS = ("stream", "stream_options", "n", "temperature", "max_tokens", "tools", "ondol", "modalities", "functions", "logprobs", "other")
NEAR = st.fixed_dictionaries({"model": st.just("m") | JSON, "messages": MESSAGES | JSON}, optional=dict.fromkeys(FIELDS, JSON))


@given(NEAR.map(lambda value: json.dumps(value).encode()) | JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40))
@settings(max_examples=300, deadline=None)
def test_no_body_is_a_500(fresh_gateway: Any, key: str, body: bytes) -> None:
    """Through the whole application, without a socket for speed. What is understood reaches the upstream and can be passed on."""
    state = fresh_gateway()

    async def upstream(request: ChatRequest) -> Any:
        msgspec.json.encode(request.raw)
        if request:
            raise RequestError("seen", code="seen")
        yield

    state.models["m"] = upstream
    sent: list[Any] = []

    async def receive() -> Any:
        if not received:
            received.append(True)
            return {"type": "http.request", "body": body, "more_body": False}
        return await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    received: list[bool] = []
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/chat/completions",
        "headers": [(b"authorization", f"Bearer {key}".encode())],
        "client": ("127.0.0.1", 1),
    }
    asyncio.run(create_gateway(state.door())(scope, receive, send))  # type: ignore[arg-type]
    assert sent[0]["status"] in {400, 404}
    assert json.loads(sent[1]["body"])["error"]["code"]

"""Requests that go to a target of another family: what they say there, and the name of each field that cannot be said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ondol.core.errors import RequestError
from ondol.infrastructure.gateway.shapes.base import Asked
from ondol.infrastructure.gateway.shapes.chat import read_chat
from ondol.infrastructure.gateway.shapes.completions import read_completions
from ondol.infrastructure.gateway.shapes.messages import read_messages
from ondol.infrastructure.gateway.shapes.responses import read_responses
from ondol.infrastructure.gateway.translate import plan
from tests.infrastructure.serving.grounds import row, target

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
READ: dict[str, Any] = {"chat": read_chat, "messages": read_messages, "responses": read_responses, "completions": read_completions}


def sent(kind: str, shape: str, body: dict[str, Any], prompts: tuple[str, ...] = ()) -> dict[str, Any]:
    """The body that a target of a kind gets."""
    asked: Asked = READ[shape]({"model": "alias", **body})
    there = target(row("http://up.example/v1", kind=kind))
    found: dict[str, Any] = json.loads(plan(asked, there).request(asked, there, prompts, 50))
    assert found.pop("model") == "model-1"
    return found


@pytest.mark.parametrize(
    ("base_url", "told", "asked", "field"),
    [
        ("http://up.example/v1", "", {}, "max_tokens"),
        ("http://up.example/v1", "", {"max_completion_tokens": 900}, "max_tokens"),
        ("http://up.example/v1", "", {"max_tokens": 900, "max_completion_tokens": 900}, "max_tokens"),
        ("http://up.example/v1", "max_completion_tokens", {"max_tokens": 900}, "max_completion_tokens"),
        ("http://api.openai.com.up.example/v1", "", {"max_completion_tokens": 900}, "max_tokens"),
        ("https://api.openai.com/v1", "", {}, "max_completion_tokens"),
        ("https://api.openai.com/v1", "", {"max_tokens": 900}, "max_tokens"),
        ("https://api.openai.com/v1", "max_tokens", {}, "max_tokens"),
        ("https://acme.openai.azure.com/openai/v1", "", {"max_tokens": 900, "max_completion_tokens": 900}, "max_completion_tokens"),
        ("", "", {"max_completion_tokens": 900}, "max_completion_tokens"),
    ],
)
def test_a_chats_bound_goes_by_the_one_name_that_the_server_knows(base_url: str, told: str, asked: dict[str, int], field: str) -> None:
    read = read_chat({"model": "alias", "messages": [{"role": "user", "content": "u"}], **asked})
    there = target(row(base_url, bound_field=told))
    body = json.loads(plan(read, there).request(read, there, (), 50))
    assert {name: value for name, value in body.items() if name.startswith("max_")} == {field: 50}


CHAT_TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}
CHAT = {
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "u"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
        {"role": "assistant", "content": "a", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}]},
        {"role": "tool", "tool_call_id": "c", "content": "r"},
        {"role": "user", "content": "v"},
    ],
    "tools": [CHAT_TOOL],
    "tool_choice": "required",
    "stop": "x",
    "temperature": 1.5,
}
MESSAGES = {
    "max_tokens": 9,
    "system": "s",
    "messages": [
        {
            "role": "user",
            "content": [{"type": "text", "text": "u"}, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "r"}, {"type": "text", "text": "v"}]},
    ],
    "tools": [{"name": "f", "description": "d", "input_schema": SCHEMA}],
    "tool_choice": {"type": "any"},
    "stop_sequences": ["x"],
}


def test_a_chat_as_messages() -> None:
    assert sent("anthropic", "chat", CHAT, ("pinned",)) == {
        **MESSAGES,
        "max_tokens": 50,
        "temperature": 1,
        "system": [{"type": "text", "text": "pinned"}, {"type": "text", "text": "s"}],
    }


def test_messages_as_a_chat() -> None:
    messages: list[Any] = CHAT["messages"]  # type: ignore[assignment]
    assert sent("openai", "messages", {**MESSAGES, "stream": True}, ("pinned",)) == {
        "messages": [{"role": "system", "content": "pinned"}, *messages[:-1], {"role": "user", "content": [{"type": "text", "text": "v"}]}],
        "tools": [CHAT_TOOL],
        "tool_choice": "required",
        "stop": ["x"],
        "max_tokens": 50,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


RESPONSE = {
    "instructions": "s",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "u"}, {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a": 1}'},
        {"type": "function_call_output", "call_id": "c", "output": "r"},
        {"type": "reasoning", "summary": []},
        {"role": "user", "content": "v"},
    ],
    "tools": [{"type": "function", "name": "f", "description": "d", "parameters": SCHEMA}],
    "tool_choice": "required",
    "max_output_tokens": 9,
}


def test_a_response_as_a_chat() -> None:
    body = sent("openai", "responses", RESPONSE)
    messages: list[Any] = CHAT["messages"]  # type: ignore[assignment]
    calls = messages[2]
    assert body == {
        "messages": [messages[0], messages[1], {**calls, "content": [{"type": "text", "text": "a"}]}, *messages[3:]],
        "tools": [CHAT_TOOL],
        "tool_choice": "required",
        "max_tokens": 50,
    }


def test_a_response_as_messages() -> None:
    told = {name: value for name, value in MESSAGES.items() if name != "stop_sequences"}
    assert sent("anthropic", "responses", RESPONSE) == {**told, "max_tokens": 50, "system": [{"type": "text", "text": "s"}]}


def test_a_schema_goes_from_a_response_to_a_chat() -> None:
    form = {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}
    body = sent("openai", "responses", {"input": "x", "text": {"format": form}})
    assert body["response_format"] == {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}}


@pytest.mark.parametrize(
    ("kind", "shape", "body", "param"),
    [
        ("anthropic", "chat", {"n": 2}, "n"),
        ("anthropic", "chat", {"logprobs": True}, "logprobs"),
        ("anthropic", "chat", {"seed": 1}, "seed"),
        ("anthropic", "chat", {"frequency_penalty": 1}, "frequency_penalty"),
        ("anthropic", "chat", {"response_format": {"type": "json_object"}}, "response_format"),
        ("anthropic", "chat", {"reasoning_effort": "high"}, "reasoning_effort"),
        ("anthropic", "chat", {"something_new": 1}, "something_new"),
        ("anthropic", "chat", {"tools": [{"type": "custom", "custom": {}}]}, "tools[0]"),
        ("anthropic", "chat", {"tools": [CHAT_TOOL], "tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        ("anthropic", "chat", {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}, "messages[0].content[0]"),
        ("openai", "messages", {"top_k": 3}, "top_k"),
        ("openai", "messages", {"thinking": {"type": "enabled", "budget_tokens": 1024}}, "thinking"),
        ("openai", "messages", {"mcp_servers": [{}]}, "mcp_servers"),
        ("openai", "messages", {"something_new": 1}, "something_new"),
        ("openai", "messages", {"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools[0]"),
        ("openai", "messages", {"messages": [{"role": "user", "content": [{"type": "container_upload"}]}]}, "messages[0].content[0]"),
        ("openai", "responses", {"something_new": 1}, "something_new"),
        ("openai", "responses", {"tools": [{"type": "web_search"}]}, "tools[0]"),
        ("openai", "responses", {"input": [{"type": "computer_call"}]}, "input[0].type"),
        ("openai", "responses", {"text": {"format": {"type": "grammar"}}}, "text.format"),
        ("anthropic", "responses", {"text": {"format": {"type": "json_object"}}}, "response_format"),
        ("anthropic", "completions", {"echo": True}, "echo"),
        ("anthropic", "completions", {"logprobs": 3}, "logprobs"),
        ("anthropic", "completions", {"suffix": "x"}, "suffix"),
        ("anthropic", "completions", {"n": 2}, "n"),
        ("anthropic", "completions", {"prompt": ["a", "b"]}, "prompt[1]"),
        ("anthropic", "completions", {"logit_bias": {"1": 2}}, "logit_bias"),
    ],
)
def test_what_cannot_be_said_is_named(kind: str, shape: str, body: dict[str, Any], param: str) -> None:
    least: dict[str, dict[str, Any]] = {
        "chat": {"messages": [{"role": "user", "content": "x"}]},
        "messages": {"max_tokens": 9, "messages": [{"role": "user", "content": "x"}]},
        "responses": {"input": "x"},
        "completions": {"prompt": "x"},
    }
    with pytest.raises(RequestError) as caught:
        sent(kind, shape, {**least[shape], **body})
    assert (caught.value.param, caught.value.status) == (param, 400)


@pytest.mark.parametrize(("kind", "shape"), [("anthropic", "embeddings"), ("anthropic", "images"), ("openai", "count_tokens")])
def test_what_a_family_does_not_do_is_said(kind: str, shape: Any) -> None:
    there = target(row("http://up.example/v1", kind=kind))
    with pytest.raises(RequestError) as caught:
        plan(Asked(shape, "m", {}, []), there)
    assert caught.value.code == "unsupported_operation"

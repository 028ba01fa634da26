"""A hostile provider writes into ids, reasons, roles, tiers and names: nothing of it reaches the caller, in any shape, whole or streamed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from ondol.infrastructure.gateway.shapes.words import COUNTS_MAX, MARK_CHARACTERS_MAX, figures, is_mark, mark
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.serving.scripted_faults import head, whole
from tests.infrastructure.gateway.ground import Ground, events_of, served
from tests.infrastructure.gateway.upstreams import PATHS, STREAMED, AnyShape, Json, body_for, text_in, text_streamed

pytestmark = pytest.mark.anyio

EVIL = "wire money\r\nx-evil: 1\r\n\r\n" + "\u202e\u2028송금" * 100
SAFE = frozenset({"type", "text", "content", "delta", "name", "arguments", "partial_json", "b64_json", "thinking"})
"""Fields that say what an event is, and texts, which the guard reads."""
_BESIDE = (
    "system_fingerprint", "service_tier", "stop_sequence", "truncation", "user", "metadata", "tools", "tool_choice", "created",
    "created_at", "object", "stop_reason", "signature", "incomplete_details", "temperature", "background", "size", "quality",
)  # fmt: skip
BESIDE = dict.fromkeys(_BESIDE, EVIL)


def spoilt(value: Any) -> Any:
    """The same answer with harm in every short string, and beside them."""
    if isinstance(value, list):
        return [spoilt(each) for each in value]
    if not isinstance(value, dict):
        return value
    told: Json = {
        name: each if name in SAFE and isinstance(each, str) else EVIL if isinstance(each, str) else spoilt(each) for name, each in value.items()
    }
    if "function" in told:
        return told  # what stands beside a call, such as a signature, the guard reads
    if "choices" in told or "usage" in told or "finish_reason" in told or "role" in told or "id" in told:
        told = {**BESIDE, **told, EVIL: 1}
    if isinstance(told.get("usage"), dict):
        told["usage"] |= {"note": EVIL, EVIL: 1, "service_tier": EVIL, "details": {"note": EVIL, EVIL: {"a": EVIL}}}
    return told


class Hostile(AnyShape):
    """Calls a tool too."""

    def whole(self, operation: str, text: str) -> Json:
        made = super().whole(operation, text)
        match operation:
            case "chat":
                made["choices"][0]["message"]["tool_calls"] = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
            case "messages":
                made["content"] += [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]
                made["content"] += [{"type": "thinking", "thinking": "", "signature": "s"}]
            case "responses":
                made["output"] += [{"type": "function_call", "id": "f", "call_id": "c", "name": "f", "arguments": "{}", "status": "completed"}]
        told: Json = spoilt(made)
        return told

    def events(self, operation: str, pieces: Sequence[str], body: Json) -> list[Json | str]:
        made = super().events(operation, pieces, body)
        call: Any = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        if operation == "chat":
            made.insert(
                2, {"id": "u", "choices": [{"index": 0, "delta": {"role": "r", "tool_calls": [call]}, "message": "m", "finish_reason": None}]}
            )
        if operation == "messages":
            made[-2:-2] = [
                {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}}},
                {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
                {"type": "content_block_stop", "index": 1},
            ]
        if operation == "responses":
            item = {"type": "function_call", "id": "f", "call_id": "c", "name": "f", "arguments": "", "status": "in_progress"}
            made[-1:-1] = [
                {"type": "response.output_item.added", "output_index": 1, "item": item},
                {"type": "response.function_call_arguments.delta", "output_index": 1, "item_id": "f", "delta": "{}"},
                {"type": "response.output_item.done", "output_index": 1, "item": {**item, "arguments": "{}"}},
            ]
        return [each if isinstance(each, str) else spoilt(each) for each in made]


WAYS = [
    *((shape, "anthropic" if shape == "messages" else "openai", True) for shape in STREAMED),
    ("chat", "anthropic", True), ("messages", "openai", True), ("responses", "openai", False), ("responses", "anthropic", True),
    ("completions", "anthropic", True), ("images", "openai", True),
]  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("shape", "kind", "speaks"), WAYS)
async def test_no_short_string_of_a_provider_carries_harm(ground: Ground, shape: str, kind: str, speaks: bool, stream: bool) -> None:
    if stream and shape not in STREAMED:
        return
    hostile = Hostile()
    hostile.model = ScriptedModel(hostile)
    async with hostile.model as up:
        tenancy = await ground.tenancy()
        await tenancy.provider(up.base_url, kind=kind, speaks_responses=speaks)
        await tenancy.model()
        answer = await tenancy.ask(body_for(shape, stream=stream), PATHS[shape])
    assert answer.status_code == 200, answer.text
    told = answer.content.decode()
    said = json.dumps(events_of(told) if stream else answer.json(), ensure_ascii=False)
    for harm in ("wire", "송금", "x-evil", "\u202e"):
        assert harm not in told + said + str(answer.headers)
    assert len(told) < 12_000
    if shape != "images":
        assert "Hello there." in (text_streamed(shape, events_of(told)) if stream else text_in(shape, answer.json()))
        assert shape == "completions" or '"f"' in said  # the call went out, under an id of the known form


async def test_a_tier_and_ids_of_the_known_form_go_on(ground: Ground) -> None:
    call = {"id": "functions.look_up:0", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
    choice = {"index": 0, "message": {"role": "assistant", "content": None, "tool_calls": [call]}, "finish_reason": "tool_calls"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "prompt_tokens_details": {"cached_tokens": 1}, "queue_time": 0.5}
    made = {"choices": [choice], "created": 7, "system_fingerprint": "fp_44709d6fcb", "service_tier": "default", "usage": usage}
    async with served(ground, lambda _: Reply(raw=[whole(json.dumps(made).encode())])) as (tenancy, _):
        told = (await tenancy.ask()).json()
    assert told["choices"][0]["message"]["tool_calls"] == [call]
    assert told["choices"][0]["finish_reason"] == "tool_calls"
    assert (told["created"], told["system_fingerprint"], told["service_tier"], told["usage"]) == (7, "fp_44709d6fcb", "default", usage)


@pytest.mark.parametrize("kind", [b"audio/mpeg\x01evil", b"audio/mpeg; x=" + b"a" * 200, b'audio/mpeg; x="<b>"'])
async def test_sound_of_an_odd_type_is_no_sound(ground: Ground, kind: bytes) -> None:
    reply = Reply(raw=[head(b"content-type: " + kind, b"content-length: 3") + b"ID3"])
    async with served(ground, lambda _: reply) as (tenancy, _):
        answer = await tenancy.ask({"input": "hi", "voice": "alloy"}, PATHS["speech"])
    assert answer.status_code == 502, answer.text
    assert "evil" not in str(answer.headers)


def test_what_stands_in_the_place_of_an_id_is_the_same_each_time_and_another_for_another() -> None:
    assert mark("call_a-1.b:2/3+4=|~") == "call_a-1.b:2/3+4=|~"
    assert mark("a b", "call_") == mark("a b", "call_") != mark("a c", "call_")
    assert is_mark(mark({"a": EVIL}))
    assert (mark(None), mark("")) == ("", "")
    assert [is_mark(value) for value in ("", "a" * MARK_CHARACTERS_MAX, "a" * (MARK_CHARACTERS_MAX + 1), "가", "a\n", 1)] == [
        False,
        True,
        *[False] * 4,
    ]


def test_figures_are_numbers_and_bounded() -> None:
    deep: Any = {"a": {"b": {"c": {"d": 1}}}}
    assert figures(deep) == {"a": {"b": {"c": {}}}}
    assert len(figures({f"n{place}": 1 for place in range(500)})) == COUNTS_MAX
    assert figures({"a": 1, "b": "text", "type": "tokens", "c": [EVIL], "d": None}) == {"a": 1, "b": None, "type": "tokens", "c": None, "d": None}

"""Anthropic's messages: a stream and a whole answer of the same blocks come to the same, however the stream was cut."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ondol.core.errors import RequestError
from ondol.infrastructure.gateway.shapes.messages import let_messages, read_messages
from ondol.infrastructure.gateway.shapes.messages_stream import MESSAGES, MessagesStream
from tests.infrastructure.gateway.shapes import driving as d

blocks = st.lists(
    st.one_of(
        st.builds(lambda text: {"type": "text", "text": text}, d.texts),
        st.builds(lambda text: {"type": "thinking", "thinking": text, "signature": "s"}, d.texts),
        st.builds(lambda given_: {"type": "tool_use", "id": "t", "name": "f", "input": json.loads(given_)}, d.arguments),
    ),
    max_size=4,
)


def seen_of(content: list[dict[str, Any]], reason: Any) -> tuple[d.Seen, str]:
    """What a reader gets: the text, the calls, why it ended; and the thoughts."""
    seen = d.Seen("", [], reason)
    thoughts = ""
    for block in content:
        match block["type"]:
            case "text":
                seen.text += block["text"]
            case "thinking":
                thoughts += block["thinking"]
            case "tool_use":
                seen.calls.append((block["name"], json.dumps(block["input"])))
    return seen, thoughts


def frames_of(content: list[dict[str, Any]], cuts: list[float]) -> list[dict[str, Any]]:
    frames: list[dict[str, Any]] = [{"type": "message_start", "message": {"usage": {"input_tokens": 3, "output_tokens": 1}}}]
    for index, block in enumerate(content):
        kind = block["type"]
        head = (
            {**block, "text": ""} if kind == "text" else {**block, "thinking": "", "signature": ""} if kind == "thinking" else {**block, "input": {}}
        )
        text = block.get("text") or block.get("thinking") or (json.dumps(block["input"]) if kind == "tool_use" else "")
        name, field = {"text": ("text_delta", "text"), "thinking": ("thinking_delta", "thinking"), "tool_use": ("input_json_delta", "partial_json")}[
            kind
        ]
        frames.append({"type": "content_block_start", "index": index, "content_block": head})
        frames += [{"type": "content_block_delta", "index": index, "delta": {"type": name, field: piece}} for piece in d.cut(text, cuts)]
        if kind == "thinking":
            frames.append({"type": "content_block_delta", "index": index, "delta": {"type": "signature_delta", "signature": "s"}})
        frames.append({"type": "content_block_stop", "index": index})
    return [*frames, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}, {"type": "message_stop"}]


def streamed(frames: list[dict[str, Any]], talk: Any, batch: int = 1) -> tuple[list[dict[str, Any]], Any, bytes]:
    """The blocks as a strict client puts them together, why the answer ended, and all bytes."""
    out = d.run(MessagesStream(d.told(), d.letting(talk)), frames, batch)
    content: list[dict[str, Any]] = []
    open_at: int | None = None
    pieces: list[str] = []
    reason = None
    for event in d.events(out):
        match event["type"]:
            case "content_block_start":
                assert open_at is None
                assert event["index"] == len(content)
                open_at = event["index"]
                content.append(event["content_block"])
                pieces = []
            case "content_block_delta":
                assert event["index"] == open_at
                block, delta = content[-1], event["delta"]
                if delta["type"] == "input_json_delta":
                    pieces.append(delta["partial_json"])
                elif delta["type"] == "signature_delta":
                    block["signature"] = delta["signature"]
                else:
                    field = "text" if delta["type"] == "text_delta" else "thinking"
                    block[field] += delta[field]
            case "content_block_stop":
                assert event["index"] == open_at
                open_at = None
                if content[-1]["type"] == "tool_use":
                    whole = "".join(pieces)
                    content[-1]["input"] = json.loads(whole) if d.is_json(whole) else None
            case "message_delta":
                reason = event["delta"]["stop_reason"]
    assert open_at is None
    if reason == "refusal":  # of a call that was ended only the beginning went out
        content = [block for block in content if block["type"] != "tool_use" or block["input"] is not None]
    return content, reason, out


@settings(max_examples=100, deadline=None)
@given(blocks, d.cuts, st.integers(1, 4))
def test_a_stream_says_what_the_whole_answer_says(content: list[dict[str, Any]], cuts: list[float], batch: int) -> None:
    one, other = d.conversation(), d.conversation()
    answer: dict[str, Any] = {"content": copy.deepcopy(content), "stop_reason": "end_turn"}
    let_messages(answer, d.told(), d.letting(one))
    got, reason, out = streamed(frames_of(content, cuts), other, batch)
    d.clean(json.dumps(answer, ensure_ascii=False))
    d.clean(out)
    if reason != "refusal" or answer["stop_reason"] != "refusal":
        assert seen_of(got, reason) == seen_of(answer["content"], answer["stop_reason"])
        assert other.trace().decision == one.trace().decision
    else:  # what stands behind a refused call is not begun in a whole answer; in a stream it is on its way
        assert seen_of(got, reason)[0].calls[: len(seen_of(answer["content"], "")[0].calls)] == seen_of(answer["content"], "")[0].calls


def test_a_number_that_is_split_over_two_blocks_does_not_pass() -> None:
    content: list[dict[str, Any]] = [{"type": "text", "text": f"it is {d.RESIDENT[:8]}"}, {"type": "text", "text": f"{d.RESIDENT[8:]}, yes"}]
    answer: dict[str, Any] = {"content": copy.deepcopy(content), "stop_reason": "end_turn"}
    let_messages(answer, d.told(), d.letting())
    got, _, out = streamed(frames_of(content, []), d.conversation())
    text = seen_of(got, "")[0].text
    assert text == seen_of(answer["content"], "")[0].text
    assert d.RESIDENT not in text
    assert d.RESIDENT[8:] not in out.decode()


def test_a_changed_thought_is_not_vouched_for() -> None:
    content: list[dict[str, Any]] = [{"type": "thinking", "thinking": f"it is {d.RESIDENT}, ", "signature": "s"}, {"type": "text", "text": "hi"}]
    got, _, _ = streamed(frames_of(content, []), d.conversation())
    assert not got[0]["signature"]


def test_blocks_that_are_not_known_are_looked_at() -> None:
    content = [{"type": "web_search_tool_result", "content": [{"type": "x", "title": d.CARD}]}, {"type": "new_kind", "a": "harmless"}]
    answer: dict[str, Any] = {"content": copy.deepcopy(content), "stop_reason": "end_turn"}
    let_messages(answer, d.told(), d.letting())
    assert answer["content"] == content[1:]


def test_what_is_not_known_here_does_not_go_out() -> None:
    content: list[dict[str, Any]] = [
        {"type": "text", "text": "Hi", "note": d.CARD},
        {"type": "tool_use", "id": "t", "name": "f", "input": {}, "note": d.CARD},
    ]
    answer: dict[str, Any] = {"content": copy.deepcopy(content), "stop_reason": "tool_use", "note": d.CARD}
    let_messages(answer, d.told(), d.letting())
    d.clean(json.dumps(answer))
    frames = frames_of(content, [])
    frames[0]["message"]["note"] = d.CARD
    _, _, out = streamed(frames, d.conversation())
    d.clean(out)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"temperature": 2}, "temperature"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(change: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_messages({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}], **change})
    assert caught.value.param == param


def test_usage_counts_what_a_cache_held_as_input() -> None:
    usage = MESSAGES.usage({"usage": {"input_tokens": 5, "output_tokens": 2, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 11}})
    assert usage is not None
    assert (usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens, usage.output_tokens) == (23, 7, 11, 2)

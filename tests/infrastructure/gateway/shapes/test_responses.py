"""OpenAI's responses: a stream and a whole answer of the same items come to the same, and a stream's end tells what its pieces told."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ondol.core.errors import RequestError
from ondol.infrastructure.gateway.shapes.responses import let_responses, read_responses
from ondol.infrastructure.gateway.shapes.responses_stream import ResponsesStream
from tests.infrastructure.gateway.shapes import driving as d


def message(text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "message", "id": "msg", "role": "assistant", "status": "completed", "content": [part]}


def call(arguments: str) -> dict[str, Any]:
    return {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": arguments, "status": "completed"}


items = st.lists(st.one_of(st.builds(message, d.texts), st.builds(call, d.arguments)), max_size=3)


def seen_of(answer: dict[str, Any]) -> d.Seen:
    seen = d.Seen("", [], answer["status"])
    for item in answer["output"]:
        if item["type"] == "message":
            seen.text += "".join(part["text"] for part in item["content"])
        elif item.get("status") != "incomplete":
            seen.calls.append((item["name"], item["arguments"]))
    return seen


def frames_of(output: list[dict[str, Any]], cuts: list[float]) -> list[dict[str, Any]]:
    frames: list[dict[str, Any]] = [{"type": "response.created", "response": {"id": "r", "status": "in_progress", "output": []}}]
    for index, item in enumerate(output):
        is_call = item["type"] == "function_call"
        text = item["arguments"] if is_call else item["content"][0]["text"]
        head = {**item, "arguments": ""} if is_call else {**item, "content": []}
        kind = "response.function_call_arguments.delta" if is_call else "response.output_text.delta"
        frames.append({"type": "response.output_item.added", "output_index": index, "item": head})
        frames += [{"type": kind, "output_index": index, "item_id": item["id"], "delta": piece} for piece in d.cut(text, cuts)]
        frames.append({"type": kind.replace("delta", "done"), "output_index": index, "item_id": item["id"], "text": text, "arguments": text})
        frames.append({"type": "response.output_item.done", "output_index": index, "item": item})
    usage = {"input_tokens": 5, "output_tokens": 7}
    return [*frames, {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": output, "usage": usage}}]


def streamed(frames: list[dict[str, Any]], talk: Any, batch: int = 1) -> tuple[dict[str, Any], bytes]:
    """The answer at the end, which must be what the pieces say."""
    out = d.run(ResponsesStream(d.told("resp_1"), d.letting(talk)), frames, batch)
    told = d.events(out)
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    pieces: dict[int, str] = {}
    for event in told:
        if event["type"].endswith(".delta"):
            pieces[event["output_index"]] = pieces.get(event["output_index"], "") + event["delta"]
    answer: dict[str, Any] = told[-1]["response"]
    for index, item in enumerate(answer["output"]):
        whole = "".join(part["text"] for part in item["content"]) if item["type"] == "message" else item["arguments"]
        assert pieces.get(index, "") == whole
    return answer, out


@settings(max_examples=100, deadline=None)
@given(items, d.cuts, st.integers(1, 4))
def test_a_stream_says_what_the_whole_answer_says(output: list[dict[str, Any]], cuts: list[float], batch: int) -> None:
    one, other = d.conversation(), d.conversation()
    answer: dict[str, Any] = {"output": copy.deepcopy(output), "status": "completed"}
    let_responses(answer, d.told("resp_1"), d.letting(one))
    got, out = streamed(frames_of(output, cuts), other, batch)
    d.clean(json.dumps(answer, ensure_ascii=False))
    d.clean(out)
    assert got["status"] == answer["status"]
    if answer["status"] == "completed":
        assert seen_of(got) == seen_of(answer)
        assert other.trace().decision == one.trace().decision


def test_reasoning_goes_out_only_as_a_whole() -> None:
    item = {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": f"it is {d.CARD}, "}]}
    frames = frames_of([message("hi")], [])
    frames[1:1] = [
        {"type": "response.output_item.added", "output_index": 9, "item": {**item, "summary": []}},
        {"type": "response.reasoning_summary_text.delta", "output_index": 9, "delta": d.CARD},
        {"type": "response.output_item.done", "output_index": 9, "item": item},
    ]
    answer, out = streamed(frames, d.conversation())
    d.clean(out)
    assert [each["type"] for each in answer["output"]] == ["message"]


def test_what_is_not_known_here_does_not_go_out() -> None:
    output = [{**message("Hi"), "note": d.CARD}, {**call("{}"), "note": d.CARD}]
    output[0]["content"][0]["note"] = d.CARD
    answer: dict[str, Any] = {"output": copy.deepcopy(output), "status": "completed", "note": d.CARD}
    let_responses(answer, d.told("resp_1"), d.letting())
    d.clean(json.dumps(answer))
    frames = frames_of(output, [])
    frames[0]["response"]["note"] = frames[-1]["response"]["note"] = d.CARD
    d.clean(streamed(frames, d.conversation())[1])


def test_annotations_are_looked_at_one_by_one() -> None:
    item = message("Hi")
    item["content"][0]["annotations"] = [
        {"type": "url_citation", "url": "https://a.example", "title": d.CARD},
        {"type": "url_citation", "title": "fine"},
    ]
    answer: dict[str, Any] = {"output": [copy.deepcopy(item)], "status": "completed"}
    let_responses(answer, d.told("resp_1"), d.letting())
    assert answer["output"][0]["content"][0]["annotations"] == [{"type": "url_citation", "title": "fine"}]
    told, out = streamed(frames_of([item], []), d.conversation())
    d.clean(out)
    assert told["output"][0]["content"][0]["annotations"] == [{"type": "url_citation", "title": "fine"}]


@pytest.mark.parametrize("name", ["previous_response_id", "conversation", "background", "prompt"])
def test_nothing_is_kept_at_a_provider(name: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_responses({"model": "m", "input": "x", name: "y"})
    assert caught.value.param == name


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"input": None}, "input"),
        ({"input": [{"role": "wizard", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": 1}]}]}, "input[0].content[0].text"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]"),
        ({"input": [{"type": 4}]}, "input[0].type"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(change: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_responses({"model": "m", "input": "x", **change})
    assert caught.value.param == param

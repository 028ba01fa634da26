"""Chat: a stream and a whole answer of the same content come to the same, however the stream was cut; and nothing forbidden is in any byte of it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ondol.core.errors import RequestError
from ondol.infrastructure.gateway.shapes.chat import let_chat, read_chat
from ondol.infrastructure.gateway.shapes.chat_stream import CHAT, ChatStream
from tests.infrastructure.gateway.shapes import driving as d


def whole(answer: dict[str, Any], talk: Any) -> tuple[dict[int, d.Seen], str]:
    answer = copy.deepcopy(answer)
    let_chat(answer, d.told(), d.letting(talk))
    out = json.dumps(answer, ensure_ascii=False)
    seen = {}
    for place, choice in enumerate(answer["choices"]):
        message = choice["message"]
        calls = [(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls") or ()]
        seen[place] = d.Seen(message.get("content") or "", calls, choice["finish_reason"])
    return seen, out


def streamed(frames: list[Any], talk: Any, choices: int = 1, batch: int = 1) -> tuple[dict[int, d.Seen], bytes]:
    out = d.run(ChatStream(d.told(), d.letting(talk), choices=choices, include_usage=True), frames, batch)
    seen: dict[int, d.Seen] = {}
    calls: dict[tuple[int, int], list[str]] = {}
    for event in d.events(out):
        for choice in event["choices"]:
            one = seen.setdefault(choice["index"], d.Seen())
            one.text += choice["delta"].get("content") or ""
            for piece in choice["delta"].get("tool_calls") or ():
                call = calls.setdefault((choice["index"], piece["index"]), ["", ""])
                function = piece.get("function", {})
                call[0] += function.get("name") or ""
                call[1] += function.get("arguments") or ""
            one.reason = choice["finish_reason"] or one.reason
    for (index, _), (name, given_) in sorted(calls.items()):
        if d.is_json(given_) or seen[index].reason != "content_filter":  # of a call that was ended only the beginning went out
            seen[index].calls.append((name, given_))
    return seen, out


def chunk(delta: dict[str, Any], index: int = 0, reason: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": delta, "finish_reason": reason, **more}]}


def call_chunks(place: int, name: str, pieces: list[str]) -> list[dict[str, Any]]:
    head = {"index": place, "id": f"c{place}", "type": "function", "function": {"name": name, "arguments": ""}}
    rest = [chunk({"tool_calls": [{"index": place, "function": {"arguments": piece}}]}) for piece in pieces]
    return [chunk({"tool_calls": [head]}), *rest]


@settings(max_examples=120, deadline=None)
@given(d.texts, st.lists(d.arguments, max_size=2), d.cuts, d.cuts, st.integers(1, 4))
def test_a_stream_says_what_the_whole_answer_says(text: str, calls: list[str], cuts: list[float], call_cuts: list[float], batch: int) -> None:
    reason = "tool_calls" if calls else "stop"
    message = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [  # type: ignore[assignment]
            {"id": f"c{place}", "type": "function", "function": {"name": f"f{place}", "arguments": given_}} for place, given_ in enumerate(calls)
        ]
    frames = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": piece}) for piece in d.cut(text, cuts))]
    for place, given_ in enumerate(calls):
        frames += call_chunks(place, f"f{place}", d.cut(given_, call_cuts))
    frames.append(chunk({}, reason=reason))
    one, other = d.conversation(), d.conversation()
    expected, told = whole({"choices": [{"message": message, "finish_reason": reason}]}, one)
    got, out = streamed(frames, other, batch=batch)
    assert got == expected
    assert other.trace().decision == one.trace().decision
    d.clean(told)
    d.clean(out)


@settings(max_examples=60, deadline=None)
@given(st.lists(d.texts, min_size=2, max_size=3), d.cuts, st.randoms(use_true_random=False))
def test_choices_that_interleave_are_each_a_text_of_their_own(texts: list[str], cuts: list[float], random: Any) -> None:
    pieces = [[chunk({"content": piece}, index) for piece in d.cut(text, cuts)] + [chunk({}, index, "stop")] for index, text in enumerate(texts)]
    frames = []
    while any(pieces):
        frames.append(random.choice([each for each in pieces if each]).pop(0))
    one, other = d.conversation(), d.conversation()
    expected, _ = whole({"choices": [{"message": {"content": text}, "finish_reason": "stop"} for text in texts]}, one)
    got, out = streamed(frames, other, len(texts))
    assert {index: seen for index, seen in got.items() if seen.text} == {index: seen for index, seen in expected.items() if seen.text}
    d.clean(out)


@settings(max_examples=120, deadline=None)
@given(d.texts, st.lists(st.integers(1, 9), min_size=1, max_size=30))
def test_log_probabilities_tell_no_token_that_did_not_go_out(text: str, lengths: list[int]) -> None:
    frames, place = [], 0
    for length in lengths * (len(text) // sum(lengths) + 1):
        token = text[place : place + length]
        place += length
        if token:
            frames.append(chunk({"content": token}, logprobs={"content": [{"token": token, "logprob": -0.1, "bytes": list(token.encode())}]}))
    frames.append(chunk({}, reason="stop"))
    _, out = streamed(frames, d.conversation())
    d.clean(out)
    found, tokens = "", ""
    for event in d.events(out):
        for choice in event["choices"]:
            found += choice["delta"].get("content") or ""
            tokens += "".join(item["token"] for item in (choice.get("logprobs") or {}).get("content") or ())
            assert found.startswith(tokens)
    if found == text:
        assert tokens == text
    answer = {"choices": [{"message": {"content": text}, "finish_reason": "stop", "logprobs": {"content": [{"token": text, "logprob": 0.0}]}}]}
    d.clean(whole(answer, d.conversation())[1])


def entry(token: str, *others: str) -> dict[str, Any]:
    alternatives = [{"token": other, "logprob": -2.0, "bytes": list(other.encode())} for other in others]
    return {"token": token, "logprob": -0.1, "bytes": list(token.encode()), "top_logprobs": alternatives}


def spread(secret: str) -> list[dict[str, Any]]:
    """A harmless text beside whose tokens the second alternatives spell a secret, a few characters each."""
    pieces = [secret[place : place + 3] for place in range(0, len(secret), 3)]
    return [entry("so ", "so ", piece) for piece in pieces]


@pytest.mark.parametrize("secret", [d.CARD, d.RESIDENT, d.KEY])
def test_what_might_have_been_said_is_read_too(secret: str) -> None:
    entries = spread(secret)
    answer = {"choices": [{"message": {"content": "so " * len(entries)}, "finish_reason": "stop", "logprobs": {"content": entries}}]}
    _, out = whole(answer, d.conversation())
    d.clean(out)
    told = json.loads(out)["choices"][0]["logprobs"]["content"]
    assert [(item["token"], item["top_logprobs"]) for item in told] == [("so ", [])] * len(entries)
    frames = [chunk({"content": item["token"]}, logprobs={"content": [item]}) for item in entries]
    _, streaming = streamed([*frames, chunk({}, reason="stop")], d.conversation())
    events = [choice for event in d.events(streaming) for choice in event["choices"]]
    spelled = "".join(
        item["top_logprobs"][1]["token"] for choice in events for item in (choice.get("logprobs") or {}).get("content") or () if item["top_logprobs"]
    )
    assert secret not in spelled


def test_harmless_alternatives_go_out_field_by_field() -> None:
    odd = {**entry("Hi", "Hi", "Hello"), "said": d.CARD, "bytes": list(d.CARD.encode())}
    answer = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop", "logprobs": {"content": [odd], "refusal": None}}]}
    _, out = whole(answer, d.conversation())
    d.clean(out)
    [told] = json.loads(out)["choices"][0]["logprobs"]["content"]
    assert told == {**entry("Hi", "Hi", "Hello"), "bytes": None}


def test_tokens_that_are_not_the_texts_are_read() -> None:
    answer = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop", "logprobs": {"content": [entry(d.CARD)]}}]}
    _, out = whole(answer, d.conversation())
    d.clean(out)
    assert json.loads(out)["choices"][0]["logprobs"] is None


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param(
            [  # all of index 0, told apart by their ids
                chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f0", "arguments": '{"a":1}'}}]}),
                chunk({"tool_calls": [{"index": 0, "id": "b", "function": {"name": "f1", "arguments": '{"b":2}'}}]}),
            ],
            id="all of index 0",
        ),
        pytest.param(
            [  # the id again with each piece
                chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f0", "arguments": '{"a"'}}]}),
                chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"arguments": ":1}"}}]}),
                chunk({"tool_calls": [{"index": 1, "id": "b", "function": {"name": "f1", "arguments": '{"b":2}'}}]}),
            ],
            id="id repeated",
        ),
        pytest.param(
            [  # the name in two pieces
                chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f"}}]}),
                chunk({"tool_calls": [{"index": 0, "function": {"name": "0", "arguments": '{"a":1}'}}]}),
                chunk({"tool_calls": [{"index": 1, "id": "b", "function": {"name": "f1", "arguments": '{"b":2}'}}]}),
            ],
            id="name split",
        ),
        pytest.param(
            [  # no index at all
                chunk({"tool_calls": [{"id": "a", "function": {"name": "f0", "arguments": '{"a":1}'}}]}),
                chunk({"tool_calls": [{"id": "b", "function": {"name": "f1", "arguments": '{"b":2}'}}]}),
            ],
            id="no index",
        ),
        pytest.param(
            [  # the whole name again with each piece
                chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f0", "arguments": '{"a"'}}]}),
                chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f0", "arguments": ":1}"}}]}),
                chunk({"tool_calls": [{"index": 1, "id": "b", "function": {"name": "f1", "arguments": '{"b":2}'}}]}),
            ],
            id="name repeated",
        ),
    ],
)
def test_calls_are_told_apart_where_servers_number_them_badly(frames: list[Any]) -> None:
    seen, _ = streamed([*frames, chunk({}, reason="tool_calls")], d.conversation())
    assert seen[0] == d.Seen("", [("f0", '{"a":1}'), ("f1", '{"b":2}')], "tool_calls")


def test_a_name_after_its_arguments_is_no_call() -> None:
    frames = [
        chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"arguments": '{"a":1}'}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"name": "f0"}}]}),
        chunk({}, reason="tool_calls"),
    ]
    seen, _ = streamed(frames, d.conversation())
    assert seen[0].calls == []
    assert seen[0].reason == "content_filter"


@settings(max_examples=40, deadline=None)
@given(d.arguments, d.cuts)
def test_a_call_as_it_was_told_once_is_guarded_too(arguments: str, cuts: list[float]) -> None:
    one, other = d.conversation(), d.conversation()
    frames = [chunk({"function_call": {"name": "f"}}), *(chunk({"function_call": {"arguments": piece}}) for piece in d.cut(arguments, cuts))]
    out = d.run(ChatStream(d.told(), d.letting(other)), [*frames, chunk({}, reason="function_call")])
    d.clean(out)
    name = said = ""
    for event in d.events(out):
        call = event["choices"][0]["delta"].get("function_call") or {}
        name, said = name + call.get("name", ""), said + call.get("arguments", "")
    reason = d.events(out)[-1]["choices"][0]["finish_reason"]
    answer = {"choices": [{"message": {"content": None, "function_call": {"name": "f", "arguments": arguments}}, "finish_reason": "function_call"}]}
    let_chat(answer, d.told(), d.letting(one))
    choice: Any = answer["choices"][0]
    d.clean(json.dumps(answer, ensure_ascii=False))
    assert choice["finish_reason"] == reason
    if reason == "function_call":
        assert choice["message"]["function_call"] == {"name": name, "arguments": said}


def test_what_is_not_known_here_does_not_go_out() -> None:
    message = {"content": "Hi", "reasoning_details": [{"text": d.CARD}], "tokens_of_it": 3}
    answer: dict[str, Any] = {"provider": d.CARD, "choices": [{"message": message, "note": d.CARD, "finish_reason": "stop"}], "ondol": d.CARD}
    let_chat(answer, d.told(), d.letting())
    assert answer["choices"][0]["message"] == {"content": "Hi", "tokens_of_it": 3}
    assert "note" not in answer["choices"][0]
    assert "provider" not in answer
    _, out = streamed(
        [chunk({"content": "Hi", "reasoning_details": d.CARD}, note=d.CARD), {**chunk({}, reason="stop"), "x": d.CARD}], d.conversation()
    )
    d.clean(out)


def test_line_separators_are_escaped() -> None:
    _, out = streamed([chunk({"content": "a\u2028b\u2029c\u0085d"}), chunk({}, reason="stop")], d.conversation())
    assert "\u2028" not in out.decode()
    assert "".join(event["choices"][0]["delta"].get("content", "") for event in d.events(out) if event["choices"]) == "a\u2028b\u2029c\u0085d"


def test_a_stream_ends_with_its_usage_and_the_mark() -> None:
    frames = [chunk({"content": "hi"}), chunk({}, reason="stop"), {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 7}}]
    _, out = streamed(frames, d.conversation())
    assert out.endswith(b"data: [DONE]\n\n")
    assert d.events(out)[-1]["usage"]["completion_tokens"] == 7


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}, "messages[0].content[0].text"),
        ({"n": 0}, "n"),
        ({"model": ""}, "model"),
        ({"tools": "x"}, "tools"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(change: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_chat({"model": "m", "messages": [{"role": "user", "content": "x"}], **change})
    assert caught.value.param == param


def test_a_text_that_is_split_into_parts_is_looked_at_as_one() -> None:
    parts = [{"type": "text", "text": d.RESIDENT[:6]}, {"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": d.RESIDENT[6:]}]
    asked = read_chat({"model": "m", "messages": [{"role": "user", "content": parts}]})
    assert [spot.text for spot in asked.spots] == [d.RESIDENT]
    asked.rewrite(["masked"])
    assert asked.body["messages"][0]["content"] == [{"type": "text", "text": "masked"}, {"type": "image_url", "image_url": {"url": "x"}}]


def test_the_shape_is_whole() -> None:
    assert CHAT.operation == "chat"
    assert CHAT.refusal is not None

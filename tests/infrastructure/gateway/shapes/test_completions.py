"""Legacy completions: a stream and a whole answer of the same content come to the same; prompts are each read alone, and tokens are refused."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ondol.core.errors import RequestError
from ondol.infrastructure.gateway.shapes.completions import CompletionsStream, let_completions, read_completions
from tests.infrastructure.gateway.shapes import driving as d


def chunk(text: str, index: int = 0, reason: str | None = None, tokens: list[str] | None = None) -> dict[str, Any]:
    logprobs = {"tokens": tokens, "token_logprobs": [0.0] * len(tokens), "text_offset": [0] * len(tokens)} if tokens is not None else None
    return {"choices": [{"index": index, "text": text, "finish_reason": reason, "logprobs": logprobs}]}


def streamed(frames: list[Any], talk: Any, choices: int = 1, batch: int = 1) -> tuple[dict[int, d.Seen], bytes]:
    out = d.run(CompletionsStream(d.told(), d.letting(talk), choices=choices, include_usage=True), frames, batch)
    assert out.endswith(b"data: [DONE]\n\n")
    seen: dict[int, d.Seen] = {}
    for event in d.events(out):
        for choice in event["choices"]:
            one = seen.setdefault(choice["index"], d.Seen())
            one.text += choice["text"]
            one.reason = choice["finish_reason"] or one.reason
    return seen, out


@settings(max_examples=80, deadline=None)
@given(st.lists(d.texts, min_size=1, max_size=3), d.cuts, st.integers(1, 4), st.randoms(use_true_random=False))
def test_a_stream_says_what_the_whole_answer_says(texts: list[str], cuts: list[float], batch: int, random: Any) -> None:
    pieces = [[*(chunk(piece, index) for piece in d.cut(text, cuts)), chunk("", index, "stop")] for index, text in enumerate(texts)]
    frames = []
    while any(pieces):
        frames.append(random.choice([each for each in pieces if each]).pop(0))
    one, other = d.conversation(), d.conversation()
    answer: dict[str, Any] = {"choices": [{"index": index, "text": text, "finish_reason": "stop"} for index, text in enumerate(texts)]}
    let_completions(answer, d.told(), d.letting(one))
    got, out = streamed(frames, other, len(texts), batch)
    assert got == {choice["index"]: d.Seen(choice["text"], [], choice["finish_reason"]) for choice in answer["choices"]}
    assert other.trace().decision == one.trace().decision
    d.clean(out)
    d.clean(json.dumps(answer, ensure_ascii=False))


@settings(max_examples=60, deadline=None)
@given(d.texts, st.lists(st.integers(1, 9), min_size=1, max_size=20), st.integers(1, 5))
def test_log_probabilities_tell_no_token_that_did_not_go_out(text: str, lengths: list[int], group: int) -> None:
    tokens, place = [], 0
    for length in lengths * (len(text) // sum(lengths) + 1):
        tokens.append(text[place : place + length])
        place += length
    tokens = [token for token in tokens if token]
    frames = [chunk("".join(tokens[at : at + group]), tokens=tokens[at : at + group]) for at in range(0, len(tokens), group)]
    _, out = streamed([*frames, chunk("", reason="stop")], d.conversation())
    d.clean(out)
    found = told = ""
    for event in d.events(out):
        for choice in event["choices"]:
            found += choice["text"]
            told += "".join((choice["logprobs"] or {}).get("tokens") or ())
            assert found.startswith(told)
    if found == text:
        assert told == text


def test_a_prompt_that_is_echoed_is_guarded_like_the_answer() -> None:
    answer: dict[str, Any] = {"choices": [{"text": f"{d.CARD} is the card.", "logprobs": {"tokens": [d.CARD]}, "prompt_token_ids": [1, 2]}]}
    answer_before = copy.deepcopy(answer)
    let_completions(answer, d.told(), d.letting())
    d.clean(json.dumps(answer))
    assert set(answer["choices"][0]) == {"index", "text", "logprobs", "finish_reason"}
    assert answer_before["choices"][0]["text"] != answer["choices"][0]["text"]


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"prompt": [1, 2]}, "prompt", "tokens_not_readable"),
        ({"prompt": [[1], [2]]}, "prompt", "tokens_not_readable"),
        ({"prompt": []}, "prompt", "invalid_value"),
        ({"prompt": ["a", None]}, "prompt[1]", "invalid_value"),
        ({"prompt": None}, "prompt", "invalid_value"),
        ({"n": 500}, "n", "invalid_value"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(change: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_completions({"model": "m", "prompt": "x", **change})
    assert (caught.value.param, caught.value.code) == (param, code)


def test_all_that_is_written_is_counted_for() -> None:
    asked = read_completions({"model": "m", "prompt": ["a", "b"], "n": 2, "best_of": 5, "suffix": "z"})
    assert asked.choices == 10
    assert [spot.text for spot in asked.spots] == ["a", "b", "z"]
    asked.rewrite(["1", "2", "3"])
    assert (asked.body["prompt"], asked.body["suffix"]) == (["1", "2"], "3")


@pytest.mark.parametrize("secret", [d.CARD, d.RESIDENT, d.KEY])
def test_alternatives_that_spell_what_nobody_may_say_do_not_go_out(secret: str) -> None:
    pieces = [secret[place : place + 3] for place in range(0, len(secret), 3)]
    text = "so " * len(pieces)
    told = {"tokens": ["so "] * len(pieces), "top_logprobs": [{"so ": -0.1, piece: -2.0} for piece in pieces]}
    answer: dict[str, Any] = {"choices": [{"text": text, "finish_reason": "stop", "logprobs": told}]}
    let_completions(answer, d.told(), d.letting())
    d.clean(json.dumps(answer))
    [choice] = answer["choices"]
    assert (choice["text"], choice["logprobs"]["tokens"], choice["logprobs"]["top_logprobs"]) == (text, told["tokens"], [None] * len(pieces))

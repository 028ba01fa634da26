"""Snippets and answers given again, over a real socket."""

from __future__ import annotations

import json

import pytest

from ondol.infrastructure.serving.types import Progress, Snippet, TextDelta
from tests.infrastructure.gateway.ground import Ground, Tenancy
from tests.infrastructure.gateway.test_pipeline import FINISH, HELP, assistant
from tests.infrastructure.gateway.test_threads import ASK, FOLLOW_UP, QUESTION, SHAPES, helped, said

__all__ = ["helped"]

pytestmark = pytest.mark.anyio

SAYS = (Progress("searching"), Snippet("Within a week.", {"verdict": "supported"}), TextDelta("Sure."), FINISH)


async def test_a_snippet_is_told_at_once_to_those_who_asked_for_progress(ground: Ground) -> None:
    tenancy, _ = await assistant(ground, *SAYS)
    body = {"model": HELP, "messages": ASK, "stream": True}
    told = (await tenancy.ask({**body, "ondol": {"progress": True}})).text
    events = [json.loads(line[6:]) for line in told.splitlines() if line.startswith("data: {")]
    marked = [place for place, event in enumerate(events) if "snippet" in event.get("ondol", {})]
    worded = [place for place, event in enumerate(events) if event["choices"][0]["delta"].get("content")]
    assert events[marked[0]]["ondol"] == {"snippet": {"text": "Within a week.", "verdict": "supported"}}
    assert events[marked[0]]["choices"][0]["delta"] == {}
    assert marked[0] < worded[0]
    plain = (await tenancy.ask(body)).text
    assert ": snippet\n" in plain
    assert "Within a week" not in plain


@pytest.mark.parametrize("shape", sorted(set(SHAPES) - {"chat/completions"}))
async def test_other_shapes_are_not_disturbed_by_it(ground: Ground, shape: str) -> None:
    tenancy, _ = await assistant(ground, *SAYS)
    answer = await tenancy.ask({"model": HELP, **SHAPES[shape]("hi"), "stream": True, "ondol": {"progress": True}}, path=f"/v1/{shape}")
    assert answer.status_code == 200
    assert "Sure." in answer.text
    assert "Within a week" not in answer.text


async def test_an_answer_is_given_again_to_the_same_question(helped: Tenancy) -> None:
    first = await said(helped, "chat/completions", QUESTION)
    again = [await said(helped, shape, QUESTION, stream=stream) for shape in ("chat/completions", "responses") for stream in (False, True)]
    assert "cached" not in first
    assert [one["cached"] for one in again] == [{"answer_id": first["answer_id"]}] * 4
    assert len({one["answer_id"] for one in again}) == 4
    for one in (
        await said(helped, "chat/completions", QUESTION, cache=False),
        await said(helped, "chat/completions", QUESTION, thread="new"),
        await said(helped, "chat/completions", FOLLOW_UP),
    ):
        assert "cached" not in one


async def test_an_answer_is_not_given_again_under_another_policy(helped: Tenancy) -> None:
    await said(helped, "chat/completions", QUESTION)
    masking = {"name": "masking", "version": 1, "stages": {"output": [{"find": "personal", "do": "mask"}]}}
    await helped.declare(bases=["docs"], assistants=[{"name": "help", "base": "docs"}], policies=[masking], guard=[{"policy": "masking"}])
    assert "cached" not in await said(helped, "chat/completions", QUESTION)
    assert "cached" in await said(helped, "chat/completions", QUESTION)

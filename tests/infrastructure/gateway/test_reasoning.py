"""Reasoning that nobody sees is billed: an answer that ends early is charged with all that its model was allowed to think."""

from __future__ import annotations

from typing import Any

import pytest

from ondol.core.money import Money
from ondol.infrastructure.serving.scripted import Reply
from ondol.infrastructure.serving.types import Usage
from tests.infrastructure.gateway.ground import Ground, Tenancy, served
from tests.infrastructure.gateway.upstreams import PATHS, body_for, upstream

pytestmark = pytest.mark.anyio

MOST = 2_000
SENTENCE = "A sentence that is long enough to be counted, and to go out. "
SAID = [SENTENCE * 4] * 6


async def _left(ground: Ground, tenancy: Tenancy, operation: str = "chat", count: int = 1, **more: Any) -> Any:
    """The record of a request whose caller left in the middle of its answer."""
    bound = "max_output_tokens" if operation == "responses" else "max_tokens"
    body: dict[str, Any] = {"model": "m", **body_for(operation, stream=True), bound: MOST, **more}
    async with ground.http.stream("POST", PATHS[operation], json=body, headers={"authorization": f"Bearer {tenancy.key}"}) as response:
        async for piece in response.aiter_text():
            if "sentence" in piece:
                break
    return await tenancy.record(count)


ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "an effort": ("chat", {"reasoning_effort": "high"}),
    "reasoning": ("responses", {"reasoning": {"effort": "low"}}),
    "a bound on reasoning": ("chat", {"reasoning": {"max_tokens": 500}}),
    "thinking": ("messages", {"thinking": {"type": "enabled", "budget_tokens": 1_024}}),
}


@pytest.mark.parametrize("name", ASKED)
async def test_who_asks_for_reasoning_and_leaves_has_used_what_was_held(ground: Ground, name: str) -> None:
    operation, more = ASKED[name]
    async with upstream(SAID, ends=7 if operation == "responses" else 5) as up:
        tenancy = await ground.tenancy()
        await tenancy.provider(up.base_url, kind="anthropic" if operation == "messages" else "openai", speaks_responses=True)
        await tenancy.model()
        record = await _left(ground, tenancy, operation, **more)
    assert (record.outcome, record.output_tokens, record.usage_estimated) == ("caller_left", MOST, True)
    assert 0 < MOST - record.reasoning_tokens < 500, "what was seen is no reasoning"


@pytest.mark.parametrize(
    ("target", "settings", "more", "hidden"),
    [
        ("up/small", {}, {}, False),
        ("up/small", {}, {"reasoning_effort": "none"}, False),
        ("up/small", {}, {"thinking": {"type": "disabled"}}, False),
        ("up/small", {"reasons": True}, {}, True),
        ("up/o3-mini", {}, {}, True),
        ("up/gpt-5-nano", {}, {}, True),
        ("up/deepseek/deepseek-r1", {}, {}, True),
        ("up/o3-mini", {"reasons": False}, {"reasoning_effort": "high"}, False),
        ("up/gpt-4o-mini", {}, {}, False),
        ("up/llama3:8b", {}, {}, False),
    ],
)
async def test_a_model_is_taken_to_reason_by_its_setting_or_by_what_is_known(
    ground: Ground, target: str, settings: Any, more: Any, hidden: bool
) -> None:
    async with upstream(SAID, ends=5) as up:
        tenancy = await ground.tenancy()
        await tenancy.provider(up.base_url)
        await tenancy.model(target, **settings)
        record = await _left(ground, tenancy, **more)
    assert record.usage_estimated
    assert (record.output_tokens == MOST) is hidden
    assert hidden or record.output_tokens < 500


async def test_a_price_of_reasoning_says_so_and_is_the_one_that_is_charged(ground: Ground) -> None:
    async with upstream(SAID, ends=5) as up:
        tenancy = await ground.tenancy()
        await tenancy.provider(up.base_url)
        await tenancy.model()
        await tenancy.price(input=0, output=10**9, reasoning=3 * 10**9)
        await tenancy.budget(Money(6 * 10**6, "USD"))  # all of one request
        record = await _left(ground, tenancy)
        assert record.cost_nano == record.reasoning_tokens * 3_000 + (MOST - record.reasoning_tokens) * 1_000
        assert (await tenancy.ask(body_for("chat", max_tokens=500))).status_code == 429


async def test_a_target_that_told_of_reasoning_reasons(ground: Ground) -> None:
    usage = Usage(9, 20, reasoning_tokens=15)
    async with served(ground, "hi") as (tenancy, up):
        first = await _held(ground, tenancy, up, 1)
        assert first.output_tokens < 500
        up.say(_telling(usage))
        assert (await tenancy.ask()).json()["usage"]["completion_tokens_details"]["reasoning_tokens"] == 15
        assert (await _held(ground, tenancy, up, 3)).output_tokens == MOST


async def _held(ground: Ground, tenancy: Tenancy, up: Any, count: int) -> Any:
    up.say(Reply(SENTENCE * 8, trouble="hang_mid_stream"))
    return await _left(ground, tenancy, count=count)


def _telling(usage: Usage) -> Reply:
    import json

    from ondol.infrastructure.serving.scripted_faults import whole

    told = {
        "prompt_tokens": usage.input_tokens, "completion_tokens": usage.output_tokens,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }  # fmt: skip
    choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    return Reply(raw=[whole(json.dumps({"id": "u", "object": "chat.completion", "choices": [choice], "usage": told}).encode())])


async def test_an_answer_that_the_guard_ends_hides_reasoning_too(ground: Ground) -> None:
    async with served(ground, Reply("Here: AKIAQ3EGFT5RJ2XN7WPD. " + SENTENCE * 20, between_s=0.002), reasons=True) as (tenancy, _):
        policy = {"version": 1, "name": "out", "stages": {"output": [{"find": "secrets", "do": "block"}]}}
        await tenancy.declare(policies=[policy], guard=[{"policy": "out"}])
        answer = await tenancy.ask(body_for("chat", stream=True, max_tokens=MOST))
        assert "content_filter" in answer.text
        record = await tenancy.record()
    assert (record.output_tokens, record.usage_estimated) == (MOST, True)


async def test_a_model_that_never_began_to_answer_may_have_thought(ground: Ground) -> None:
    async with served(ground, Reply("x", trouble="hang_before_headers"), reasons=True, deadline_s=0.3) as (tenancy, _):
        assert (await tenancy.ask(body_for("chat", max_tokens=MOST))).status_code == 504
        assert (await tenancy.record()).output_tokens == MOST

"""What a request may be and may cost: limits, budgets, bounds of parameters; who pays which price; and that a refusal gives back what it took."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta
from typing import Any

import openai
import pytest

from ondol.core.money import Money
from ondol.infrastructure.access.limits.types import Bounds
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.serving.store import Target
from ondol.infrastructure.serving.types import Usage
from tests.infrastructure.gateway.ground import ASK, NOW, Ground, Tenancy, events_of, served
from tests.infrastructure.gateway.upstreams import PATHS, AnyShape, body_for, upstream

pytestmark = pytest.mark.anyio

HELLO = Reply("Hello.", usage=Usage(10, 5))


def usd(nano: int) -> Money:
    return Money(nano, "USD")


async def test_requests_a_minute(ground: Ground) -> None:
    """A refused request takes nothing (LiteLLM #39309: rejected requests burned the limit)."""
    async with served(ground, HELLO) as (tenancy, up):
        await tenancy.limit(requests_per_minute=2, tokens_per_minute=1_000_000)
        first = await tenancy.ask()
        assert first.headers["x-ratelimit-limit-requests"] == "2"
        assert first.headers["x-ratelimit-remaining-requests"] == "1"
        assert first.headers["x-ratelimit-reset-requests"].endswith("ms")
        assert first.headers["x-ratelimit-limit-tokens"] == "1000000"
        assert (await tenancy.ask()).status_code == 200
        refused = await tenancy.ask()
        error = refused.json()["error"]
        assert (refused.status_code, error["code"], error["type"]) == (429, "requests_limit", "rate_limit_error")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.headers["x-should-retry"] == "true"
        assert len(up.requests) == 2
    record = tenancy.records[-1]
    assert (record.status, record.outcome, record.input_tokens, record.output_tokens) == (429, "requests_limit", 0, 0)


async def test_tokens_a_minute_hold_for_streams_and_refund_what_was_not_used(ground: Ground) -> None:
    """LiteLLM #41610, #18730: limits on tokens that streams went past, and 663 tokens on a limit of 100."""
    async with served(ground, HELLO) as (tenancy, up):
        await tenancy.limit(tokens_per_minute=300)
        for stream in (True, False, True):
            answer = await tenancy.ask(body_for("chat", max_tokens=150, stream=stream))
            assert answer.status_code == 200, "of 150 and more that each holds, all but 15 come back"
        refused = await tenancy.ask(body_for("chat", max_tokens=500))
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "tokens_limit")
        assert refused.headers["x-should-retry"] == "false", "alone it is more than the limit: waiting is of no use"
        assert len(up.requests) == 3


async def test_requests_at_once(ground: Ground) -> None:
    """LiteLLM #20256: a slot that leaked was a 429 for ever."""
    async with served(ground, Reply(trouble="hang_before_headers")) as (tenancy, up):
        await tenancy.limit(concurrent_max=1)
        asking = asyncio.create_task(tenancy.ask())
        await up.requests_came(1)
        refused = await tenancy.ask()
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "concurrency_limit")
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await tenancy.record(2)
        up.say(HELLO)
        async with asyncio.timeout(2):  # what was refused a moment ago is refused without asking for as long as `governor.REFUSED_S`
            while (await tenancy.ask()).status_code == 429:
                pass
        for reply, stream in ((Reply(trouble="cut_off"), True), (Reply(trouble="refused"), False), (HELLO, True), (HELLO, False)):
            up.say(reply)
            answer = await tenancy.ask(body_for("chat", stream=stream))
            assert answer.status_code == (400 if reply.trouble == "refused" else 200)


@pytest.mark.parametrize(
    ("bounds", "body", "status", "code"),
    [
        (Bounds(body_bytes_max=200), body_for("chat", "x" * 300), 413, "body_too_large"),
        (Bounds(prompt_tokens_max=20), body_for("chat", "word " * 200), 400, "prompt_too_long"),
        (Bounds(prompt_tokens_max=20), body_for("chat", "hi"), 200, ""),
    ],
)
async def test_bounds_of_one_request(ground: Ground, bounds: Bounds, body: Any, status: int, code: str) -> None:
    async with served(ground, HELLO) as (tenancy, up):
        await tenancy.limit(bounds=bounds)
        answer = await tenancy.ask(body)
        assert answer.status_code == status
        assert not code or answer.json()["error"]["code"] == code
        assert len(up.requests) == (status == 200)


async def test_a_deadline_ends_what_takes_longer(ground: Ground) -> None:
    async with served(ground, Reply(trouble="hang_before_headers"), deadline_s=0.2) as (tenancy, up):
        answer = await tenancy.ask()
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "upstream_timeout")
        async with asyncio.timeout(5):
            await up.callers_left(1)


@pytest.mark.parametrize(("asked", "sent"), [({}, 50), ({"max_tokens": 10}, 10), ({"max_tokens": 999}, 50), ({"max_completion_tokens": 999}, 50)])
async def test_every_request_has_an_end(ground: Ground, asked: dict[str, Any], sent: int) -> None:
    async with served(ground, HELLO, output_tokens_default=80) as (tenancy, up):
        await tenancy.limit(bounds=Bounds(output_tokens_max=50))
        await tenancy.ask(body_for("chat", **asked))
        assert {name: value for name, value in up.requests[0].body.items() if name.startswith("max_")} == {"max_tokens": sent}


async def test_parameters_are_where_the_model_lets_them_be(ground: Ground) -> None:
    bounds = {
        "temperature": {"most": 0.5},
        "top_p": {"least": 0.9},
        "seed": {"fixed": 7},
        "logit_bias": {"forbidden": True},
        "presence_penalty": {"most": 1},
    }
    async with served(ground, HELLO, parameters=bounds) as (tenancy, up):
        await tenancy.ask(body_for("chat", temperature=2, top_p=0.1))
        sent = up.requests[-1].body
        assert (sent["temperature"], sent["top_p"], sent["seed"]) == (0.5, 0.9, 7)
        await tenancy.ask(body_for("chat", temperature=0.1, seed=99, top_p=None))
        sent = up.requests[-1].body
        assert (sent["temperature"], sent["seed"], sent["top_p"]) == (0.1, 7, None)
        forbidden = await tenancy.ask(body_for("chat", logit_bias={"1": 2}))
        assert (forbidden.status_code, forbidden.json()["error"]["code"]) == (400, "parameter_not_allowed")
        assert forbidden.json()["error"]["param"] == "logit_bias"
        wrong = await tenancy.ask(body_for("chat", presence_penalty="much"))
        assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "presence_penalty")
        assert len(up.requests) == 2


@pytest.mark.parametrize("operation", ["messages", "responses", "completions"])
async def test_parameters_hold_in_every_shape(ground: Ground, operation: str) -> None:
    async with upstream() as up:
        async with ground.at_once():
            tenancy = await ground.tenancy()
            await tenancy.provider(up.base_url, kind="anthropic" if operation == "messages" else "openai", speaks_responses=True)
            await tenancy.model(parameters={"temperature": {"most": 0.5}}, output_tokens_max=7)
        assert (await tenancy.ask(body_for(operation, temperature=1), PATHS[operation])).status_code == 200
        sent = up.requests[-1].body
        assert sent["temperature"] == 0.5
        assert sent["max_output_tokens" if operation == "responses" else "max_tokens"] == 7


async def test_operations_that_a_model_is_not_open_for(ground: Ground) -> None:
    async with upstream() as up:
        async with ground.at_once():
            tenancy = await ground.tenancy()
            await tenancy.provider(up.base_url)
            await tenancy.model(operations=["embeddings"])
        refused = await tenancy.ask()
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "operation_not_allowed")
        assert (await tenancy.ask(body_for("embeddings"), PATHS["embeddings"])).status_code == 200
        assert len(up.requests) == 1


async def test_a_prompt_that_fits_no_context_is_told_so(ground: Ground) -> None:
    async with served(ground, HELLO, context_tokens=100) as (tenancy, up):
        refused = await tenancy.ask(body_for("chat", "word " * 400))
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "prompt_too_long")
        assert not up.requests


# ---- Budgets


async def test_a_budget_in_money_stops_hard_and_its_refusal_is_not_repeated(ground: Ground) -> None:
    """LiteLLM #26672: 99 of 30 were spent. OpenAI's clients repeat a 429 on their own unless they are told not to."""
    async with served(ground, Reply("Hello.", usage=Usage(10, 100))) as (tenancy, up):
        await tenancy.price(input=0, output=10**9)  # 1,000 nano for a token
        await tenancy.budget(usd(250_000))
        client = tenancy.client(max_retries=3)
        answers = []
        async with client:
            for _ in range(2):
                answers.append(await client.chat.completions.with_raw_response.create(model="m", messages=ASK, max_tokens=100))
            with pytest.raises(openai.RateLimitError) as caught:
                await client.chat.completions.create(model="m", messages=ASK, max_tokens=100)
        assert [answer.headers["x-ondol-cost"] for answer in answers] == ["0.0001 USD"] * 2
        assert caught.value.code == "budget_exceeded"
        headers = caught.value.response.headers
        assert headers["x-should-retry"] == "false"
        assert int(headers["retry-after"]) > 60
        assert "0.00005 USD" in caught.value.message
        smaller = await tenancy.ask(body_for("chat", max_tokens=40))
        assert smaller.status_code == 200, "what fits still goes"
        assert len(up.requests) == 3, "the client did not repeat, and nothing was asked that could not be paid"
    assert [record.cost_nano for record in tenancy.records if record.status == 200] == [100_000, 100_000, 100_000]


@pytest.mark.parametrize("operation", [*PATHS])
async def test_budgets_hold_on_every_route(ground: Ground, operation: str) -> None:
    """bifrost #2873: routes that were passed through went past every budget."""
    async with upstream() as up:
        async with ground.at_once():
            tenancy = await ground.tenancy()
            await tenancy.provider(up.base_url, kind="anthropic" if operation == "count_tokens" else "openai")
            await tenancy.model()
            await tenancy.price(input=10**12, output=10**12, image=10**12, character=10**12)
        await tenancy.budget(usd(1_000))
        answer = await tenancy.ask(body_for(operation), PATHS[operation])
        if operation == "count_tokens":
            assert answer.status_code == 200, "counting costs nothing"
            return
        assert answer.status_code == 429, answer.text
        assert answer.headers["x-should-retry"] == "false"
        assert not up.requests


@pytest.mark.parametrize("operation", ["chat", "messages", "responses", "embeddings"])
async def test_a_model_without_a_price_is_closed_to_who_has_a_budget_in_money(ground: Ground, operation: str) -> None:
    """LiteLLM reserves nothing for a model of unknown price: its budgets do not hold there."""
    async with upstream() as up:
        async with ground.at_once():
            tenancy = await ground.tenancy()
            await tenancy.provider(up.base_url)
            await tenancy.model()
        assert (await tenancy.ask(body_for(operation), PATHS[operation])).status_code == 200
        await tenancy.budget(usd(10**9))
        refused = await tenancy.ask(body_for(operation), PATHS[operation])
        assert (refused.status_code, len(up.requests)) == (403, 1)
        assert "no price" in refused.text
        if operation != "messages":
            assert refused.json()["error"]["code"] == "price_unknown"
        await tenancy.price()
        assert (await tenancy.ask(body_for(operation), PATHS[operation])).status_code == 200


async def test_a_budget_in_tokens_counts_what_was_used(ground: Ground) -> None:
    async with served(ground, HELLO) as (tenancy, _):
        budget = await tenancy.budget(400, scope="person", subject=str(tenancy.person.id))
        for _ in range(10):
            assert (await tenancy.ask(body_for("chat", max_tokens=100))).status_code == 200, "15 of the 120 that each holds are used"
        refused = await tenancy.ask(body_for("chat", max_tokens=300))
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "budget_exceeded")
        await ground.fresh()
        rows = await tenancy.rows("select spent from limit_pools where rule_id = %s", budget.id)
    assert sum(row["spent"] for row in rows) == 150


async def test_what_an_upstream_writes_beyond_its_bound_ends_the_stream(ground: Ground) -> None:
    async with served(ground, Reply(pieces=["word " * 50] * 40, between_s=0.001)) as (tenancy, up):
        answer = await tenancy.ask(body_for("chat", max_tokens=20, stream=True))
        last = events_of(answer.text)[-1]
        assert last["error"]["code"] == "budget_exceeded"
        async with asyncio.timeout(5):
            await up.callers_left(1)
    record = await tenancy.record()
    assert 100 < record.output_tokens < 400, "what came is counted"


async def test_an_upstream_that_was_never_reached_costs_nothing(ground: Ground) -> None:
    async with served(ground, Reply(trouble="broken"), retries_max=0) as (tenancy, up):
        await tenancy.price(input=10**9, output=10**9)
        await tenancy.budget(usd(1_200_000))
        for _ in range(4):
            assert (await tenancy.ask(body_for("chat", max_tokens=900))).status_code == 502
        up.say(HELLO)
        assert (await tenancy.ask(body_for("chat", max_tokens=900))).status_code == 200, "all of the budget is there"
    assert [(record.cost_nano, record.input_tokens) for record in tenancy.records[:4]] == [(None, 0)] * 4


# ---- Prices


async def test_the_price_of_the_target_that_answered_counts(ground: Ground) -> None:
    """Kong's documentation: a limit applies to the model that was asked for, not to the one that stood in."""
    async with upstream(usage=(100, 10)) as cheap, upstream(usage=(100, 10)) as dear:
        async with ground.at_once():
            tenancy = await ground.tenancy()
            await tenancy.provider(cheap.base_url, "cheap")
            await tenancy.provider(dear.base_url, "dear")
            await tenancy.model("cheap/c", "dear/d", retries_max=0)
            await tenancy.price("cheap", "c", input=1_000_000, output=1_000_000)
        price = await tenancy.price("dear", "d", input=10**9, output=2 * 10**9)
        first = await tenancy.ask()
        cheap.say(Reply(trouble="broken"))
        second = await tenancy.ask()
    assert (first.headers["x-ondol-route"], first.headers["x-ondol-cost"]) == ("cheap/c", "0.00000011 USD")
    assert (second.headers["x-ondol-route"], second.headers["x-ondol-cost"]) == ("dear/d", "0.00012 USD")
    record = tenancy.records[1]
    assert (record.provider, record.upstream_model, record.cost_nano, record.price_id, record.attempts) == ("dear", "d", 120_000, price.id, 2)


async def test_the_price_of_the_day_counts(ground: Ground) -> None:
    now = ground.platform.clock()
    async with served(ground, HELLO) as (tenancy, _):
        await tenancy.price(from_at=NOW, input=10**9, output=0)
        await tenancy.price(from_at=now - timedelta(hours=1), input=2 * 10**9, output=0)
        await tenancy.price(from_at=now + timedelta(hours=1), input=9 * 10**9, output=0)
        await tenancy.ask()
    assert (await tenancy.record()).cost_nano == 20_000


async def test_cached_and_reasoning_tokens_have_prices_of_their_own(ground: Ground) -> None:
    """LiteLLM #36168: cached tokens were dropped, and cost four times as much."""

    class Detailed(AnyShape):
        def _usage(self, operation: str) -> Any:
            details = {"prompt_tokens_details": {"cached_tokens": 80}, "completion_tokens_details": {"reasoning_tokens": 30}}
            return {"usage": {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150, **details}}

    from ondol.infrastructure.serving.scripted import ScriptedModel

    shape = Detailed()
    shape.model = ScriptedModel(shape)
    async with shape.model as up:
        async with ground.at_once():
            tenancy = await ground.tenancy()
            await tenancy.provider(up.base_url)
            await tenancy.model()
            await tenancy.price(input=10**9, cached_input=10**8, output=2 * 10**9, reasoning=10**9)
        for stream in (False, True):
            await tenancy.ask(body_for("chat", stream=stream))
    for record in tenancy.records:
        assert (record.input_tokens, record.cached_tokens, record.output_tokens, record.reasoning_tokens) == (100, 80, 50, 30)
        assert record.cost_nano == 20 * 1_000 + 80 * 100 + 20 * 2_000 + 30 * 1_000


async def test_the_cost_of_a_stream_stands_in_its_last_event(ground: Ground) -> None:
    async with served(ground, HELLO) as (tenancy, _):
        await tenancy.price(input=10**9, output=10**9)
        answer = await tenancy.ask(body_for("chat", stream=True, stream_options={"include_usage": True}))
    told = [event["ondol"]["cost"] for event in events_of(answer.text)[:-1] if "cost" in event.get("ondol", {})]
    assert told == [{"amount": "0.000015", "currency": "USD"}]


# ---- Routes


async def test_another_family_answers_when_the_first_is_down(ground: Ground) -> None:
    """Portkey #1142, LiteLLM #6957: no fallback for what failed inside. Here until the first frame."""
    async with upstream(("From ", "Claude.")) as other:
        async with ground.at_once():
            tenancy = await ground.tenancy()
            await tenancy.provider("http://127.0.0.1:9/v1", "down")
            await tenancy.provider(other.base_url, "claude", kind="anthropic")
            await tenancy.model("down/gpt", "claude/opus", retries_max=0)
        for stream in (False, True):
            answer = await tenancy.ask(body_for("chat", stream=stream, max_tokens=33))
            assert answer.status_code == 200, answer.text
            assert answer.headers["x-ondol-route"] == "claude/opus"
            if stream:
                chunks = [event for event in events_of(answer.text) if event != "[DONE]"]
                assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"]) == "From Claude."
                assert answer.text.endswith("data: [DONE]\n\n")
            else:
                assert answer.json()["choices"][0]["message"]["content"] == "From Claude."
                assert answer.json()["model"] == "m"
        sent = other.requests[-1]
    assert sent.path == "/v1/messages"
    assert (sent.body["model"], sent.body["max_tokens"], sent.body["messages"][0]["role"]) == ("opus", 33, "user")
    assert sent.headers["x-api-key"]
    assert "authorization" not in sent.headers


async def test_what_cannot_be_translated_names_the_field(ground: Ground) -> None:
    async with upstream() as up:
        async with ground.at_once():
            tenancy = await ground.tenancy()
            await tenancy.provider(up.base_url, kind="anthropic")
            await tenancy.model()
        refused = await tenancy.ask(body_for("chat", n=2))
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "n")
        embeddings = await tenancy.ask(body_for("embeddings"), PATHS["embeddings"])
        assert (embeddings.status_code, embeddings.json()["error"]["code"]) == (400, "unsupported_operation")
        assert not up.requests
    assert [record.cost_nano for record in tenancy.records] == [None, None]


async def test_a_conversation_stays_where_it_began(ground: Ground) -> None:
    async with upstream() as one, upstream() as other:
        async with ground.at_once():
            tenancy = await ground.tenancy()
            await tenancy.provider(one.base_url, "one")
            await tenancy.provider(other.base_url, "other")
            await tenancy.model(Target("one", "x", 0, 1), Target("other", "x", 0, 1), sticky=True)
        for talk in range(20):
            begin = [{"role": "user", "content": f"This is talk number {talk}."}]
            routes = set()
            for turn in range(2):
                more = [{"role": "assistant", "content": "ok"}, {"role": "user", "content": f"turn {turn}"}] * turn
                routes.add((await tenancy.ask({"messages": begin + more})).headers["x-ondol-route"])
            assert len(routes) == 1
        assert one.requests
        assert other.requests


async def test_a_credential_is_changed_without_a_restart(ground: Ground, tenancy: Tenancy) -> None:
    async with upstream() as up:
        for credential in ("sk-first-credential", "sk-second-credential"):
            await tenancy.provider(up.base_url, credential=credential)
            if not tenancy.records:
                await tenancy.model()
            assert (await tenancy.ask()).status_code == 200
    assert [request.headers["authorization"] for request in up.requests] == ["Bearer sk-first-credential", "Bearer sk-second-credential"]


async def test_a_provider_on_a_private_address_is_refused_unless_it_is_registered_so(ground: Ground, tenancy: Tenancy) -> None:
    """Portkey #1718, CVE-2025-66405: a host that a caller chose was asked from inside the network."""
    async with upstream() as up:
        await tenancy.provider(up.base_url, private_network=False)
        await tenancy.model()
        answer = await tenancy.ask()
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_not_allowed")
        assert "127.0.0.1" not in answer.text
        for name in ("x-portkey-custom-host", "x-base-url", "host"):
            await tenancy.ask(None, **{name: up.base_url.removeprefix("http://").removesuffix("/v1")})
        assert not up.requests


async def test_what_costs_nothing_is_refused_by_no_currency(ground: Ground) -> None:
    """A shared model's price list is its owner's, whose currency may be another than that of a caller's budget."""
    operator = ground.operator
    assert operator is not None
    async with ScriptedModel("hello") as up:
        await operator.provider(up.base_url, "free")
        alias = await operator.model("free/none", alias=f"free-{uuid.uuid4().hex[:6]}", shared=True)
        await operator.model("free/some", alias=f"{alias}-priced", shared=True)
        await operator.price("free", "none", input=0, output=0)
        await operator.price("free", "some", input=10**9, output=10**9)
        tenancy = await ground.tenancy(currency="KRW")
        await tenancy.budget(Money(10**9, "KRW"))
        answer = await tenancy.ask({"model": alias, "messages": ASK})
        assert answer.status_code == 200, answer.text
        assert (await tenancy.record()).cost_nano == 0
        priced = await tenancy.ask({"model": f"{alias}-priced", "messages": ASK})
        assert (priced.status_code, priced.json()["error"]["code"]) == (403, "currency_mismatch"), priced.text

"""What is kept of each request: usage that is right however it ends, one record with every field, its content as the tenant wants it, its trace."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest

from ondol.infrastructure.gateway.records.content import content_of
from ondol.infrastructure.serving.scripted import Reply
from ondol.infrastructure.serving.types import Usage
from tests.infrastructure.gateway.ground import Ground, Tenancy, events_of, served
from tests.infrastructure.gateway.upstreams import PATHS, STREAMED, body_for, text_in, upstream, usage_in

pytestmark = pytest.mark.anyio

SENTENCE = "A sentence that is long enough to be let out before the end. "
CASES = [("chat", "openai"), ("messages", "anthropic"), ("responses", "openai"), ("responses", "native"), ("completions", "openai"),
         ("chat", "anthropic"), ("messages", "openai")]  # fmt: skip


async def tenant_at(ground: Ground, base_url: str, kind: str, **model: Any) -> Tenancy:
    async with ground.at_once():
        tenancy = await ground.tenancy()
        await tenancy.provider(base_url, kind="anthropic" if kind == "anthropic" else "openai", speaks_responses=kind == "native")
        await tenancy.model(**model)
    return tenancy


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("operation", "kind"), CASES)
async def test_usage_that_the_upstream_tells_counts_on_every_shape(ground: Ground, operation: str, kind: str, stream: bool) -> None:
    async with upstream("Hello there.", usage=(1234, 56)) as up:
        tenancy = await tenant_at(ground, up.base_url, kind)
        answer = await tenancy.ask(body_for(operation, stream=stream), PATHS[operation])
    assert answer.status_code == 200, answer.text
    if not stream:
        assert usage_in(operation, answer.json()) == (1234, 56)
        assert "usage_estimated" not in answer.text
    record = await tenancy.record()
    assert (record.input_tokens, record.output_tokens, record.usage_estimated) == (1234, 56, False)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("operation", "kind"), [case for case in CASES if case[1] != "anthropic"])
async def test_usage_that_the_upstream_omits_is_estimated_and_marked(ground: Ground, operation: str, kind: str, stream: bool) -> None:
    """TensorZero #1791, OpenAI's own specification (openai-openapi #539): streams without a usage."""
    async with upstream(SENTENCE * 10, usage=None) as up:
        tenancy = await tenant_at(ground, up.base_url, kind)
        answer = await tenancy.ask(body_for(operation, SENTENCE * 5, stream=stream), PATHS[operation])
    assert answer.status_code == 200, answer.text
    assert '"usage_estimated":true' in answer.text
    record = await tenancy.record()
    assert record.usage_estimated
    assert 60 < record.input_tokens < 110
    assert 120 < record.output_tokens < 180
    if not stream:
        assert usage_in(operation, answer.json()) == (record.input_tokens, record.output_tokens)


@pytest.mark.parametrize("usage", [{"prompt_tokens": -5, "completion_tokens": 2}, {"prompt_tokens": "7"}, {"prompt_tokens": 2**40}, [], 7, {},
                                   {"prompt_tokens": True, "completion_tokens": 3}, {"prompt_tokens": 5, "completion_tokens": 1.5}])  # fmt: skip
async def test_usage_that_cannot_be_is_not_believed(ground: Ground, usage: Any) -> None:
    from tests.infrastructure.gateway.upstreams import AnyShape

    class Wrong(AnyShape):
        def _usage(self, operation: str) -> Any:
            return {"usage": usage}

    from ondol.infrastructure.serving.scripted import ScriptedModel

    shape = Wrong(SENTENCE)
    shape.model = ScriptedModel(shape)
    async with shape.model as up:
        tenancy = await tenant_at(ground, up.base_url, "openai")
        for stream in (False, True):
            answer = await tenancy.ask(body_for("chat", stream=stream))
            assert answer.status_code == 200, answer.text
    for record in tenancy.records:
        assert record.usage_estimated
        assert 5 < record.output_tokens < 30


@pytest.mark.parametrize(("operation", "kind"), CASES)
async def test_a_client_that_leaves_early_is_counted_and_the_upstream_let_go_within_100_ms(ground: Ground, operation: str, kind: str) -> None:
    """LiteLLM #14457 (usage lost on disconnect), #17364 (the upstream goes on writing for nobody)."""
    took_s = []
    for _ in range(3):
        ends = {("chat", "openai"): 4, ("messages", "openai"): 4, ("responses", "openai"): 4, ("responses", "native"): 6}.get((operation, kind), 5)
        async with upstream([SENTENCE * 4] * 6, ends=ends) as up:
            tenancy = await tenant_at(ground, up.base_url, kind)
            await tenancy.price(input=10**9, output=10**9)
            request, told = {"model": "m", **body_for(operation, stream=True)}, {"authorization": f"Bearer {tenancy.key}"}
            async with ground.http.stream("POST", PATHS[operation], json=request, headers=told) as response:
                async for piece in response.aiter_text():
                    if "sentence" in piece:
                        break
                started = asyncio.get_running_loop().time()
            async with asyncio.timeout(5):
                await up.callers_left(1)
            took_s.append(asyncio.get_running_loop().time() - started)
            record = await tenancy.record()
        assert (record.status, record.outcome, record.usage_estimated) == (499, "caller_left", True)
        assert record.input_tokens > 0
        assert record.output_tokens >= 50, "what came is counted"
        assert record.cost_nano == (record.input_tokens + record.output_tokens) * 1_000
    assert min(took_s) < 0.1, took_s


@pytest.mark.parametrize("trouble", ["hang_before_headers", "hang_mid_stream"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_at_any_time_lets_the_upstream_go(ground: Ground, trouble: Any, stream: bool) -> None:
    if trouble == "hang_mid_stream" and not stream:
        return
    async with served(ground, Reply(SENTENCE * 4, trouble=trouble)) as (tenancy, up):
        asking = asyncio.create_task(tenancy.ask(body_for("chat", stream=stream)))
        await up.requests_came(1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        async with asyncio.timeout(5):
            await up.callers_left(1)
        record = await tenancy.record()
        assert (record.status, record.outcome) == (499, "caller_left")
        up.say("Hello.")
        assert (await tenancy.ask()).status_code == 200


async def test_a_client_gone_at_each_event_of_a_stream(ground: Ground) -> None:
    """Whatever was written when it left: one record, nothing held, and the upstream let go."""
    pieces = [SENTENCE * 4] * 4
    async with served(ground, Reply(pieces=pieces, between_s=0.02)) as (tenancy, _):
        await tenancy.limit(concurrent_max=1)
        whole = await tenancy.ask(body_for("chat", stream=True))
        count = whole.text.count("\n\n")
        told = {"authorization": f"Bearer {tenancy.key}"}
        for place in range(1, count + 1):
            seen = ""
            async with ground.http.stream("POST", PATHS["chat"], json={"model": "m", **body_for("chat", stream=True)}, headers=told) as response:
                assert response.status_code == 200, "the slot of the one before is free"
                async for piece in response.aiter_text():
                    seen += piece
                    if seen.count("\n\n") >= place:
                        break
            record = await tenancy.record(place + 1)
            assert record.outcome in {"caller_left", "answered"}
        assert (await tenancy.ask()).status_code == 200
    assert sum(record.outcome == "caller_left" for record in tenancy.records) >= 3


async def test_a_client_that_hangs_up_at_each_byte_of_its_request(ground: Ground) -> None:
    async with served(ground, "Hello.") as (tenancy, _):
        body = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {tenancy.key}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        url = httpx.URL(ground.url)
        whole = head + body
        for place in range(0, len(whole), 7):
            _, writer = await asyncio.open_connection(url.host, url.port)
            writer.write(whole[:place])
            await writer.drain()
            writer.transport.abort()
        assert (await tenancy.ask()).status_code == 200
        record = await tenancy.record()
    assert record.outcome == "answered"


# ---- Records


async def test_a_record_says_all_of_a_request_and_reaches_postgres(ground: Ground) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    async with served(ground, Reply("Hello.", usage=Usage(100, 20), before_s=0.02)) as (tenancy, _):
        price = await tenancy.price(input=10**9, output=10**9)
        await tenancy.budget(10**6)
        answer = await tenancy.ask(body_for("chat", stream=True), traceparent=f"00-{trace_id}-00f067aa0ba902b7-01")
    record = await tenancy.record()
    assert str(record.id) == answer.headers["x-request-id"]
    assert (record.tenant_id, record.person_id, record.api_key_id) == (tenancy.id, tenancy.person.id, tenancy.api_key.id)
    assert (record.model, record.route, record.provider, record.upstream_model, record.stream) == ("m", "chat.completions", "up", "small", True)
    assert (record.input_tokens, record.output_tokens, record.usage_estimated) == (100, 20, False)
    assert (record.cost_nano, record.currency, record.price_id) == (120_000, "USD", price.id)
    assert (record.status, record.outcome, record.attempts, record.trace_id) == (200, "answered", 1, trace_id)
    assert (record.guard_decision, record.guard_rules) == ("allow", ())
    assert record.guard_policy is not None
    assert len(record.guard_policy) == 32
    assert record.first_token_us is not None
    assert record.queue_us > 0
    assert record.guard_us > 0
    assert 20_000 <= record.upstream_us <= record.duration_us
    assert 20_000 <= record.first_token_us <= record.duration_us
    assert record.queue_us + record.guard_us + record.upstream_us <= record.duration_us + 3
    assert record.settlement is not None
    assert [charge.amount for charge in record.settlement.charges] == [120]
    await ground.recorder.rotate()
    assert await ground.drain.flush()
    [row] = await tenancy.rows("select * from requests where id = %s", record.id)
    for name in ("tenant_id", "person_id", "api_key_id", "model", "route", "provider", "upstream_model", "stream", "input_tokens", "output_tokens",
                 "cost_nano", "currency", "price_id", "queue_us", "guard_us", "upstream_us", "first_token_us", "duration_us", "attempts", "status",
                 "outcome", "trace_id", "created_at", "usage_estimated"):  # fmt: skip
        assert str(row[name]) == str(getattr(record, name)), name


@pytest.mark.parametrize(
    ("operation", "body", "status", "outcome"),
    [
        ("chat", {"messages": []}, 400, None),
        ("chat", {"messages": [{"role": "user", "content": "주민등록번호 900101-1234568"}]}, 200, "refused"),
        ("embeddings", {"input": "주민등록번호 900101-1234568"}, 400, "refused"),
        ("embeddings", {"input": "hello"}, 200, "answered"),
        ("images", {"prompt": "a cat"}, 200, "answered"),
        ("speech", {"input": "hello", "voice": "alloy"}, 200, "answered"),
        ("messages", {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}, 200, "answered"),
        ("count_tokens", {"messages": [{"role": "user", "content": "hi"}]}, 200, "answered"),
    ],
)
async def test_each_request_leaves_one_record(ground: Ground, operation: str, body: Any, status: int, outcome: str | None) -> None:
    async with upstream() as up:
        tenancy = await tenant_at(ground, up.base_url, "openai")
        answer = await tenancy.ask(body, PATHS[operation])
    assert answer.status_code == status, answer.text
    assert [record.outcome for record in tenancy.records] == ([outcome] if outcome else []), "what was not understood never came to a model"


async def test_what_cannot_be_recorded_is_not_done(ground: Ground) -> None:
    async with served(ground, "Hello.") as (tenancy, up):
        ground.is_full = True
        try:
            for operation, path in PATHS.items():
                answer = await tenancy.ask(body_for(operation), path)
                assert answer.status_code == 503, operation
                assert operation in {"messages", "count_tokens"} or answer.json()["error"]["code"] == "records_unavailable"
        finally:
            ground.is_full = False
        assert not up.requests
        assert (await tenancy.ask()).status_code == 200


# ---- Content


@pytest.mark.parametrize("mode", ["off", "masked", "full"])
@pytest.mark.parametrize("operation", STREAMED)
@pytest.mark.parametrize("stream", [False, True])
async def test_content_is_kept_as_the_tenant_wants_it(ground: Ground, mode: str, operation: str, stream: bool) -> None:
    async with upstream("Call 010-1234-5678, please.") as up:
        tenancy = await tenant_at(ground, up.base_url, "anthropic" if operation == "messages" else "openai")
        await tenancy.settings(content=mode)
        await tenancy.ask(body_for(operation, "My number is 010-9876-5432.", stream=stream), PATHS[operation])
    record = await tenancy.record()
    assert await ground.contents.writing.flush()
    async with ground.platform.database.tenant_tx(tenancy.id) as connection:
        kept = await content_of(connection, ground.platform.keyring, tenancy.id, record.id, ground.platform.clock())
    if mode == "off":
        assert kept is None
        return
    assert kept is not None
    assert kept.mode == mode
    assert "My number is" in kept.prompt
    assert kept.answer.startswith("Call ")
    both = kept.prompt + kept.answer
    if mode == "masked":
        assert not re.search(r"\d{4}-\d{4}", both)
    else:
        assert "010-9876-5432" in both


# ---- Notice and mark


@pytest.mark.parametrize("operation", STREAMED)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_mark_that_a_machine_wrote_it(ground: Ground, operation: str, stream: bool) -> None:
    """EU AI Act, article 50; Korea's AI Basic Act, article 31."""
    async with upstream("안녕하세요, 무엇을 도와드릴까요?") as up:
        tenancy = await tenant_at(ground, up.base_url, "anthropic" if operation == "messages" else "openai")
        plain = await tenancy.ask(body_for(operation, "안녕하세요", stream=stream), PATHS[operation])
        await tenancy.settings(mark=True)
        marked = await tenancy.ask(body_for(operation, "안녕하세요", stream=stream), PATHS[operation])
        await tenancy.settings(mark=True, notice={"ko": "기계가 씁니다."})
        own = await tenancy.ask(body_for(operation, "안녕하세요", stream=stream), PATHS[operation])
    assert "x-ai-generated" not in plain.headers
    assert "ai_generated" not in plain.text
    assert marked.headers["x-ai-generated"] == "true"
    assert '"ai_generated":true' in marked.text
    assert "이 답변은 인공지능이 생성합니다." in marked.text
    assert "기계가 씁니다." in own.text


async def test_a_refusal_of_the_policy_is_marked_too(ground: Ground) -> None:
    async with served(ground, "Hello.") as (tenancy, up):
        await tenancy.settings(mark=True)
        answer = await tenancy.ask(body_for("chat", "주민등록번호 900101-1234568"))
        assert not up.requests
    assert answer.headers["x-ai-generated"] == "true"
    assert answer.headers["x-ondol-guard"] == "block"
    assert answer.json()["choices"][0]["finish_reason"] == "content_filter"
    assert answer.json()["ondol"]["ai_generated"] is True


# ---- Traces


@pytest.mark.parametrize(
    ("told", "goes_on"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", False),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", False),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", False),
        ("nonsense", False),
        ("", False),
    ],
)
async def test_a_trace_goes_on_to_the_upstream(ground: Ground, told: str, goes_on: bool) -> None:
    async with served(ground, "Hello.") as (tenancy, up):
        await tenancy.ask(None, **({"traceparent": told} if told else {}))
        sent = up.requests[0].headers["traceparent"]
    version, trace_id, span_id, flags = sent.split("-")
    assert (version, len(trace_id), len(span_id), flags) == ("00", 32, 16, "00")
    assert (trace_id in told) == goes_on
    assert span_id not in told
    assert (await tenancy.record()).trace_id == trace_id


# ---- The guard's part, whole and streamed the same


@pytest.mark.parametrize("operation", STREAMED)
async def test_whole_and_streamed_answers_say_the_same(ground: Ground, operation: str) -> None:
    async with upstream(["One ", "two ", "three, and the card 4111 11", "11 1111 1111 ", "now."]) as up:
        tenancy = await tenant_at(ground, up.base_url, "anthropic" if operation == "messages" else "openai")
        whole = text_in(operation, (await tenancy.ask(body_for(operation), PATHS[operation])).json())
        events = events_of((await tenancy.ask(body_for(operation, stream=True), PATHS[operation])).text)
    said = ""
    for event in events:
        if event == "[DONE]":
            continue
        match operation:
            case "chat":
                said += event["choices"][0]["delta"].get("content") or "" if event["choices"] else ""
            case "completions":
                said += event["choices"][0]["text"] if event["choices"] else ""
            case "messages":
                said += event["delta"].get("text", "") if event["type"] == "content_block_delta" else ""
            case "responses":
                said += event["delta"] if event["type"] == "response.output_text.delta" else ""
    assert said == whole
    assert "1111" not in said
    first, second = (replace_times(record) for record in tenancy.records)
    assert first == second


def replace_times(record: Any) -> tuple[Any, ...]:
    return record.guard_decision, record.guard_rules, record.input_tokens, record.output_tokens, record.outcome

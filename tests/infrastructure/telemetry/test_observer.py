"""What is observed is what the page says, worked out a second time here."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ondol.infrastructure.gateway.records import RequestRecord
from ondol.infrastructure.telemetry.observer import Observer
from ondol.infrastructure.telemetry.types import Put
from tests.infrastructure.telemetry.samples import RECORD, changed
from tests.infrastructure.telemetry.test_metrics import samples

records = st.builds(
    changed,
    route=st.sampled_from(["chat.completions", "messages"]),
    model=st.sampled_from(["a", "b"]),
    outcome=st.sampled_from(["answered", "upstream_timeout"]),
    currency=st.sampled_from([None, "USD", "KRW"]),
    cost_nano=st.integers(0, 10**12),
    input_tokens=st.integers(0, 10**6),
    output_tokens=st.integers(0, 10**6),
    reasoning_tokens=st.integers(0, 5),
    cached_tokens=st.integers(0, 5),
    usage_estimated=st.booleans(),
    stream=st.booleans(),
    first_token_us=st.none() | st.integers(0, 10**8),
    duration_us=st.integers(0, 10**9),
    queue_us=st.integers(0, 1000),
)


def page(observer: Observer) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return samples(asyncio.run(observer.scrape()))


@settings(max_examples=40)
@given(st.lists(st.tuples(records, st.integers(0, 10**6)), max_size=30))
def test_counters_are_the_sums_of_the_records(seen: list[tuple[RequestRecord, int]]) -> None:
    observer = Observer()
    expected: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()
    for record, overhead_us in seen:
        observer.observe(record, overhead_us=overhead_us, decisions={"input": "mask"})
        model, route = ("model", record.model), ("route", record.route)
        expected["ondol_requests_total", (model, ("outcome", record.outcome), route)] += 1
        if record.currency is not None:
            expected["ondol_cost_nano_total", (("currency", record.currency), model)] += record.cost_nano or 0
        kinds = {"input": record.input_tokens, "output": record.output_tokens, "reasoning": record.reasoning_tokens, "cached": record.cached_tokens}
        kinds["estimated"] = (record.input_tokens + record.output_tokens) * record.usage_estimated
        for kind, count in kinds.items():
            expected["ondol_tokens_total", (("kind", kind), model)] += count
        expected["ondol_guard_verdicts_total", (("decision", "mask"), ("stage", "input"))] += 1
        expected["ondol_request_duration_seconds_count", (model, route)] += 1
        expected["ondol_overhead_seconds_bucket", (("le", "0.0005"), route)] += overhead_us <= 500
        expected["ondol_request_duration_seconds_bucket", (("le", "0.25"), model, route)] += record.duration_us <= 250_000
        if record.first_token_us is not None:
            expected["ondol_time_to_first_token_seconds_count", (model,)] += 1
            expected["ondol_time_to_first_token_seconds_bucket", (("le", "1.0"), model)] += record.first_token_us <= 1_000_000
    found = page(observer)
    assert {key: found.get(key, 0) for key in expected} == expected
    seconds = sum(record.queue_us for record, _ in seen) / 1e6
    assert found["ondol_stage_seconds_total", (("stage", "queue"),)] == pytest.approx(seconds)
    assert sum(value for (name, _), value in found.items() if name == "ondol_requests_total") == len(seen)


def test_nobody_is_named_unless_it_is_set() -> None:
    plain, named = Observer(), Observer(tenant_name={RECORD.tenant_id: "acme"}.__getitem__)
    for observer in (plain, named):
        observer.observe(RECORD, overhead_us=1)
    told = asyncio.run(plain.scrape()).decode()
    for identity in (RECORD.tenant_id, RECORD.person_id, RECORD.api_key_id, RECORD.id):
        assert str(identity) not in told
        assert identity is not None
        assert identity.hex not in told
    assert page(named)["ondol_tokens_total", (("kind", "cached"), ("model", "helper"), ("tenant", "acme"))] == 100


def test_a_name_that_cannot_be_told_costs_no_request(caplog: pytest.LogCaptureFixture) -> None:
    observer = Observer(tenant_name=dict[uuid.UUID, str]().__getitem__)
    for _ in range(3):
        observer.observe(RECORD, overhead_us=1)
    assert [entry.message for entry in caplog.records] == ["a request could not be counted"]


def test_refusals_and_attempts_are_counted() -> None:
    observer = Observer()
    observer.rejected("tokens_limit")
    observer.rejected("tokens_limit")
    observer.refused("model_not_found")
    observer.asked_upstream("north", "answered")
    found = page(observer)
    assert found["ondol_limit_rejections_total", (("limit", "tokens_limit"),)] == 2
    assert found["ondol_refused_requests_total", (("code", "model_not_found"),)] == 1
    assert found["ondol_upstream_requests_total", (("outcome", "answered"), ("provider", "north"))] == 1


def test_gauges_are_asked_and_one_that_fails_hides_no_other(caplog: pytest.LogCaptureFixture) -> None:
    observer = Observer()
    open_breakers = ["gpt-4o", "gpt-5"]

    def fails(_put: Put) -> None:
        raise RuntimeError("gone")

    def tells(put: Put) -> None:
        put("ondol_in_flight", 4)
        for model in open_breakers:
            put("ondol_breaker_state", 2, "north", model)

    observer.gauges(fails)
    observer.gauges(tells)
    with caplog.at_level(logging.ERROR):
        assert page(observer)["ondol_in_flight", ()] == 4
        open_breakers.pop()
        found = page(observer)
    assert [labels for name, labels in found if name == "ondol_breaker_state"] == [(("model", "gpt-4o"), ("provider", "north"))]
    assert found["ondol_workers", ()] == 1
    assert found["ondol_process_cpu_seconds_total", ()] > 0
    assert len(caplog.records) == 1


def test_two_workers_tell_one_page_and_write_by_themselves(tmp_path: Path) -> None:
    async def run() -> None:
        async with Observer(tmp_path, flush_every_s=0.01) as one, Observer(tmp_path, flush_every_s=0.01) as two:
            one.observe(RECORD, overhead_us=100)
            two.observe(RECORD, overhead_us=100)
            key = ("ondol_requests_total", (("model", "helper"), ("outcome", "answered"), ("route", "chat.completions")))
            async with asyncio.timeout(10):
                while samples(await one.scrape()).get(key) != 2:
                    pass  # each look waits for a thread
            assert samples(await two.scrape())["ondol_workers", ()] == 2
            assert samples(await two.scrape())["ondol_overhead_seconds_count", (("route", "chat.completions"),)] == 2

    asyncio.run(run())


def test_a_folder_that_cannot_be_made_leaves_a_worker_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")

    async def run() -> bytes:
        async with Observer(tmp_path / "file") as observer:
            observer.observe(RECORD, overhead_us=100)
            return await observer.scrape()

    assert samples(asyncio.run(run()))["ondol_overhead_seconds_count", (("route", "chat.completions"),)] == 1
    assert "each worker tells its own" in caplog.text

"""The way to a collector, on real sockets: slow, cut off, overloaded, refusing, or gone."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from ondol.core.errors import SettingsError
from ondol.core.ids import new_id
from ondol.infrastructure.telemetry import otlp
from ondol.infrastructure.telemetry.collector import RETRY_AFTER_S_MAX, Collector, parse_headers, retry_after_s
from ondol.infrastructure.telemetry.metrics import Registry
from ondol.infrastructure.telemetry.otlp import Exporter
from ondol.infrastructure.telemetry.trace_context import TraceContext
from tests.infrastructure.telemetry.samples import RECORD, Receiver, Turn, changed, partly, plain

SPANS = 4
"""Of the sample record."""


def collector(url: str, **how: float) -> Collector:
    return Collector(url, {"authorization": "Bearer k"}, **{"attempt_s": 10.0, "give_up_s": 10.0, "backoff_s": 0.001} | how)  # type: ignore[arg-type]


def counted(registry: Registry, name: str, *labels: str) -> int:
    return registry.values[registry.cell(name, labels)]


def exported(registry: Registry, signal: str = "traces") -> int:
    return counted(registry, "ondol_otlp_exported_total", signal)


def dropped(registry: Registry, reason: str, signal: str = "traces") -> int:
    return counted(registry, "ondol_otlp_dropped_total", signal, reason)


async def send(turns: Sequence[Turn], *, requests: int = 1, close_s: float = 10.0, **how: float) -> tuple[Receiver, Registry]:
    """Send some requests to a receiver that answers by these turns, and close."""
    registry = Registry()
    async with Receiver(turns).listening() as receiver:  # noqa: SIM117 - the receiver outlives the exporter
        async with Exporter(collector(receiver.url, **how), registry, write_every_s=0.01, close_s=close_s) as exporter:
            for _ in range(requests):
                exporter.offer(changed(id=new_id()), 100, None)
    return receiver, registry


def test_spans_and_metrics_arrive_with_their_resource() -> None:
    receiver, registry = asyncio.run(send([], requests=3))
    assert len(receiver.spans) == exported(registry) == 3 * SPANS
    assert set(receiver.paths) == {"/v1/traces", "/v1/metrics"}
    for head in receiver.heads:
        assert (head["content-type"], head["content-encoding"], head["authorization"]) == ("application/x-protobuf", "gzip", "Bearer k")
    (resource,) = {str(of.resource) for request in receiver.traces for of in request.resource_spans}
    assert 'string_value: "ondol"' in resource
    names = plain(receiver.traces[0].resource_spans[0].resource.attributes)
    assert set(names) == {"service.name", "service.version", "service.instance.id", "process.pid"}
    (point,) = next(
        metric.histogram.data_points
        for metric in receiver.metrics[-1].resource_metrics[0].scope_metrics[0].metrics
        if metric.name == "gen_ai.server.request.duration"
    )
    assert point.count == 3


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_an_overloaded_collector_is_asked_again(status: int) -> None:
    receiver, registry = asyncio.run(send([(status, {"retry-after": "0"}, b""), (status, {}, b"")]))
    assert len(receiver.spans) == exported(registry) == SPANS
    assert receiver.paths.count("/v1/traces") + receiver.paths.count("/v1/metrics") >= 4


def test_a_collector_that_hangs_up_is_asked_again() -> None:
    receiver, registry = asyncio.run(send(["cut", "cut"]))
    assert len(receiver.spans) == exported(registry) == SPANS


def test_retry_after_is_waited_for() -> None:
    async def run() -> tuple[float, int]:
        began = asyncio.get_running_loop().time()
        async with Receiver([(503, {"retry-after": "1"}, b"")]).listening() as receiver:
            sender = collector(receiver.url)
            await sender.send("traces", b"")
            await sender.close()
        return asyncio.get_running_loop().time() - began, len(receiver.paths)

    took, times = asyncio.run(run())
    assert times == 2
    assert took >= 1.0


def test_retry_after_that_goes_beyond_giving_up_is_given_up_at_once() -> None:
    receiver, registry = asyncio.run(send([(503, {"retry-after": "60"}, b"")], give_up_s=5.0))
    assert dropped(registry, "gave_up") + dropped(registry, "gave_up", "metrics") in (1, SPANS)
    assert len(receiver.paths) == 2


@pytest.mark.parametrize("status", [301, 400, 401, 404, 413, 500])
def test_what_is_refused_is_not_sent_again(status: int) -> None:
    receiver, registry = asyncio.run(send([(status, {"location": "/elsewhere"}, b"")] * 2))
    assert receiver.spans == []
    assert dropped(registry, "refused") == SPANS
    assert dropped(registry, "refused", "metrics") == 1
    assert len(receiver.paths) == 2


def test_spans_that_a_collector_did_not_want_are_counted() -> None:
    async def run() -> Registry:
        registry = Registry()
        async with Receiver([partly(3)]).listening() as receiver:  # noqa: SIM117 - the receiver outlives the exporter
            async with Exporter(collector(receiver.url), registry, write_every_s=0.01) as exporter:
                exporter.offer(RECORD, 1, None)
                await receiver.until(lambda: len(receiver.paths) == 1)
        return registry

    registry = asyncio.run(run())
    assert (exported(registry), dropped(registry, "refused")) == (SPANS - 3, 3)


@pytest.mark.parametrize("answer", [b"\xff\xff\xff", b"x" * 200_000, b"\x0a\x02\x08\xff"])
def test_an_answer_that_is_nonsense_is_still_a_yes(answer: bytes) -> None:
    _, registry = asyncio.run(send([(200, {}, answer)]))
    assert exported(registry) == SPANS


def test_a_slow_collector_costs_spans_and_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "BATCHES_MAX", 2)

    async def run() -> tuple[Receiver, Registry]:
        registry = Registry()
        async with Receiver(["wait"]).listening() as receiver:  # noqa: SIM117 - the receiver outlives the exporter
            async with Exporter(collector(receiver.url), registry, write_every_s=0.01, metrics_every_s=600) as exporter:
                for _ in range(2_000):
                    exporter.offer(changed(id=new_id()), 1, None)
                await receiver.until(lambda: len(receiver.paths) == 1)
                await exporter._write_queue()
                assert sum(map(len, exporter._batches)) + len(exporter._batch) <= 3 * otlp.BATCH_SPANS
                assert dropped(registry, "queue_full") > 0
                receiver.release.set()
        return receiver, registry

    receiver, registry = asyncio.run(run())
    # What is dropped before it is written counts as one for each request.
    assert exported(registry) + SPANS * dropped(registry, "queue_full") == 2_000 * SPANS
    (point,) = next(
        metric.histogram.data_points
        for metric in receiver.metrics[-1].resource_metrics[0].scope_metrics[0].metrics
        if metric.name == "gen_ai.server.request.duration"
    )
    assert point.count == 2_000, "metrics count what spans had no room for"


def test_more_than_the_queue_holds_is_dropped_at_once() -> None:
    async def run() -> Registry:
        registry = Registry()
        exporter = Exporter(collector("http://127.0.0.1:9"), registry)
        for _ in range(otlp.QUEUE_MAX + 10):
            exporter.offer(RECORD, 1, None)
        return registry

    assert dropped(asyncio.run(run()), "queue_full") == 10


def test_nobody_there_neither_hangs_nor_grows(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused at once

        async def run() -> Registry:
            registry = Registry()
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"
            async with Exporter(collector(url, give_up_s=0.05), registry, write_every_s=0.01) as exporter:
                exporter.offer(RECORD, 1, None)
            return registry

        with caplog.at_level(logging.WARNING):
            registry = asyncio.run(run())
    assert dropped(registry, "gave_up") + dropped(registry, "closing") == SPANS
    assert [entry.message for entry in caplog.records] == ["the collector takes no telemetry"], "told once, not each time"


def test_closing_does_not_wait_for_a_collector_that_hangs() -> None:
    async def run() -> tuple[float, Registry]:
        registry = Registry()
        async with Receiver(["wait", "wait"]).listening() as receiver:
            async with Exporter(collector(receiver.url), registry, write_every_s=0.01, close_s=0.2) as exporter:
                exporter.offer(RECORD, 1, None)
                await receiver.until(lambda: len(receiver.paths) == 1)
                began = asyncio.get_running_loop().time()
            return asyncio.get_running_loop().time() - began, registry

    took, registry = asyncio.run(run())
    assert took < 5
    assert dropped(registry, "closing") == SPANS


def test_an_attempt_that_trickles_ends() -> None:
    async def run() -> int:
        async with Receiver(["wait"]).listening() as receiver:
            sender = collector(receiver.url, attempt_s=0.2)
            assert (await sender.send("traces", b"")).reason == ""
            await sender.close()
            return len(receiver.paths)

    assert asyncio.run(run()) == 2


def test_only_sampled_traces_are_sent_and_all_requests_are_measured() -> None:
    async def run() -> Receiver:
        async with Receiver().listening() as receiver:  # noqa: SIM117 - the receiver outlives the exporter
            async with Exporter(collector(receiver.url), Registry(), ratio=0.25, write_every_s=0.01, close_s=10) as exporter:
                for _ in range(400):
                    record = changed(id=new_id())
                    exporter.offer(record, 1, TraceContext(record.id, ratio=0.25))
        return receiver

    receiver = asyncio.run(run())
    assert 50 < len({span.trace_id for span in receiver.spans}) < 155
    metrics = {metric.name: metric for metric in receiver.metrics[-1].resource_metrics[0].scope_metrics[0].metrics}
    assert metrics["gen_ai.server.request.duration"].histogram.data_points[0].count == 400


def test_a_request_that_cannot_be_written_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> Receiver:
        async with Receiver().listening() as receiver:  # noqa: SIM117 - the receiver outlives the exporter
            async with Exporter(collector(receiver.url), Registry(), write_every_s=0.01, close_s=10) as exporter:
                exporter.offer(changed(duration_us="long"), 1, None)
                exporter.offer(RECORD, 1, None)
        return receiver

    assert len(asyncio.run(run()).spans) == SPANS
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("told", "seconds"), [("5", 5.0), (" 0 ", 0.0), ("99999999999", RETRY_AFTER_S_MAX), ("", None), ("soon", None), ("-1", None), ("1.5", None)]
)
def test_retry_after_is_read(told: str, seconds: float | None) -> None:
    assert retry_after_s(told) == seconds


def test_retry_after_may_be_a_date() -> None:
    soon = retry_after_s(format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True))
    assert soon is not None
    assert 25 < soon <= 30
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


def test_headers_are_read_and_a_wrong_one_is_not_shown() -> None:
    assert parse_headers("") == {}
    assert parse_headers("Authorization=Basic%20abc%3D, x-key = v=w ") == {"authorization": "Basic abc=", "x-key": "v=w"}
    for wrong in ("secret-token", "a b=secret", "x=secret%0d%0ay: z", "=secret"):
        with pytest.raises(SettingsError) as caught:
            parse_headers(f"x=1,{wrong}")
        assert "secret" not in str(caught.value)
        assert "Part 2" in str(caught.value)


@pytest.mark.parametrize("url", ["127.0.0.1:4318", "grpc://a:4317", "http://", "http://user:pass@host", "http://host?x=1", "file:///etc"])
def test_an_address_that_is_none_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Collector(url)
    assert "pass" not in str(caught.value)

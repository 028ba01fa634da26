"""The conventions' metrics, decoded by the messages that OpenTelemetry publishes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

from ondol.infrastructure.telemetry import instruments
from ondol.infrastructure.telemetry.instruments import Instruments
from tests.infrastructure.telemetry.samples import RECORD, changed, plain

START, NOW = 1_000, 2_000


def metrics_of(counted: Instruments) -> dict[str, Any]:
    request = ExportMetricsServiceRequest.FromString(counted.write(b"", b"", NOW))
    return {metric.name: metric for metric in request.resource_metrics[0].scope_metrics[0].metrics}


def test_a_stream_is_measured_as_its_caller_and_as_its_upstream_see_it() -> None:
    counted = Instruments(START)
    counted.add(changed(stream=True, first_token_us=10_240, output_tokens=31))
    metrics = metrics_of(counted)
    assert {name: metric.unit for name, metric in metrics.items()} == {
        "gen_ai.server.request.duration": "s",
        "gen_ai.server.time_to_first_token": "s",
        "gen_ai.server.time_per_output_token": "s",
        "gen_ai.client.operation.duration": "s",
        "gen_ai.client.operation.time_to_first_chunk": "s",
        "gen_ai.client.token.usage": "{token}",
    }
    (point,) = metrics["gen_ai.client.operation.duration"].histogram.data_points
    assert (point.start_time_unix_nano, point.time_unix_nano, point.count, point.sum) == (START, NOW, 1, 0.04)
    assert list(point.explicit_bounds)[:3] == [0.01, 0.02, 0.04]
    assert list(point.bucket_counts)[:4] == [0, 0, 1, 0]
    assert plain(point.attributes) == {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "north", "gen_ai.request.model": "gpt-4o"}
    tokens = {plain(point.attributes)["gen_ai.token.type"]: point.sum for point in metrics["gen_ai.client.token.usage"].histogram.data_points}
    assert tokens == {"input": 120, "output": 31}
    (per_token,) = metrics["gen_ai.server.time_per_output_token"].histogram.data_points
    assert round(per_token.sum, 9) == round(0.03016 / 30, 9)
    assert metrics["gen_ai.client.token.usage"].histogram.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE


def test_the_family_of_token_metrics_is_chosen() -> None:
    old, new, both = Instruments(START), Instruments(START, family="counters"), Instruments(START, family="both")
    for counted in (old, new, both):
        counted.add(RECORD)
        counted.add(RECORD)
    counters = {name for name in metrics_of(new) if "inference.usage" in name}
    assert counters == {f"gen_ai.client.inference.usage.{name}" for name in ("input_tokens", "output_tokens", "cache_read.input_tokens")}
    assert "gen_ai.client.token.usage" not in metrics_of(new)
    assert set(metrics_of(both)) == set(metrics_of(old)) | counters
    number = metrics_of(new)["gen_ai.client.inference.usage.input_tokens"].sum
    assert (number.is_monotonic, number.data_points[0].as_int) == (True, 240)


def test_faults_have_a_series_of_their_own() -> None:
    counted = Instruments(START)
    counted.add(RECORD)
    counted.add(changed(status=502, outcome="upstream_garbage"))
    points = metrics_of(counted)["gen_ai.client.operation.duration"].histogram.data_points
    assert [plain(point.attributes).get("error.type") for point in points] == [None, "upstream_garbage"]


def test_attribute_sets_are_bounded() -> None:
    counted = Instruments(START)
    for number in range(instruments.POINTS_MAX + 500):
        counted.add(changed(model=f"m{number}", upstream_us=0))
    points = metrics_of(counted)["gen_ai.server.request.duration"].histogram.data_points
    assert len(points) == instruments.POINTS_MAX + 1
    (overflow,) = (point for point in points if "otel.metric.overflow" in plain(point.attributes))
    assert plain(overflow.attributes) == {"otel.metric.overflow": True}
    assert overflow.count == 500


def test_nothing_counted_is_nothing_told() -> None:
    assert Instruments(START).write(b"", b"", NOW) == b""


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=30))
def test_buckets_hold_what_is_not_above_their_bound(durations: list[int]) -> None:
    counted = Instruments(START)
    for duration in durations:
        counted.add(changed(duration_us=duration))
    (point,) = metrics_of(counted)["gen_ai.server.request.duration"].histogram.data_points
    total = 0
    for bound, count in zip([*point.explicit_bounds, float("inf")], point.bucket_counts, strict=True):
        total += count
        assert total == sum(duration / 1e6 <= bound for duration in durations)
    assert point.count == len(durations)

"""The conventions' metrics of one worker, summed from its start (cumulative), as OTLP.

opentelemetry/proto/metrics/v1/metrics.proto, version 1.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Literal

from ondol.infrastructure.telemetry import genai
from ondol.infrastructure.telemetry.attributes import attribute
from ondol.infrastructure.telemetry.genai import Instrument
from ondol.infrastructure.telemetry.protobuf import (
    bytes_field,
    double_field,
    fixed64_field,
    packed_double_field,
    packed_fixed64_field,
    text_field,
    varint_field,
)
from ondol.infrastructure.telemetry.types import Observed

POINTS_MAX = 2_000
"""Attribute sets of one instrument; all further ones are one, marked as the SDK's specification says."""
TokenFamily = Literal["histogram", "counters", "both"]
_CUMULATIVE = 2
_OVERFLOW = (("otel.metric.overflow", "true"),)
Labels = tuple[tuple[str, str], ...]


class Instruments:
    """All instruments of one worker.

    Args:
        started_ns: Unix nanoseconds from which is counted.
        family: which of the two families of token metrics is told.
    """

    def __init__(self, started_ns: int, *, family: TokenFamily = "histogram") -> None:
        self._started_ns = started_ns
        self._histograms: dict[Instrument, dict[Labels, list[float]]] = {}
        self._counters: dict[Instrument, dict[Labels, int]] = {}
        self._old_family = family != "counters"
        self._new_family = family != "histogram"

    def add(self, record: Observed) -> None:
        """Count one request."""
        fault = genai.request_error(record)
        labels: Labels = (("gen_ai.operation.name", genai.operation(record)),)
        if record.provider:
            labels += (("gen_ai.provider.name", record.provider),)
        model: Labels = (("gen_ai.request.model", record.upstream_model or record.model),)
        served: Labels = (*labels, ("gen_ai.request.model", record.model))
        self._record(genai.SERVER_DURATION, (*served, ("error.type", fault)) if fault else served, record.duration_us / 1e6)
        if record.first_token_us is not None:
            self._record(genai.FIRST_TOKEN, served, record.first_token_us / 1e6)
            if record.output_tokens > 1:
                self._record(genai.PER_TOKEN, served, max(0, record.duration_us - record.first_token_us) / 1e6 / (record.output_tokens - 1))
        if record.upstream_us:
            self._add_upstream(record, labels + model)

    def _add_upstream(self, record: Observed, labels: Labels) -> None:
        fault = genai.upstream_error(record)
        self._record(genai.CLIENT_DURATION, (*labels, ("error.type", fault)) if fault else labels, record.upstream_us / 1e6)
        first_s = genai.first_chunk_s(record)
        if first_s is not None:
            self._record(genai.FIRST_CHUNK, labels, first_s)
        if self._old_family:
            for kind, count in (("input", record.input_tokens), ("output", record.output_tokens)):
                if count:
                    self._record(genai.TOKEN_USAGE, (*labels, (genai.TOKEN_TYPE, kind)), count)
        if self._new_family:
            for field, instrument in genai.TOKEN_COUNTERS.items():
                count = getattr(record, field)
                if count:
                    points = self._counters.setdefault(instrument, {})
                    key = labels if labels in points or len(points) < POINTS_MAX else _OVERFLOW
                    points[key] = points.get(key, 0) + count

    def _record(self, instrument: Instrument, labels: Labels, value: float) -> None:
        points = self._histograms.setdefault(instrument, {})
        cells = points.get(labels)
        if cells is None:
            key = labels if len(points) < POINTS_MAX else _OVERFLOW
            cells = points.setdefault(key, [0] * (len(instrument.bounds) + 2))
        cells[bisect_left(instrument.bounds, value)] += 1
        cells[-1] += value

    def write(self, resource: bytes, scope: bytes, now_ns: int) -> bytes:
        """An `ExportMetricsServiceRequest`; empty when nothing was counted."""
        metrics = [_metric(instrument, 9, self._points(instrument, points, now_ns)) for instrument, points in self._histograms.items()]
        metrics += [_metric(instrument, 7, self._numbers(points, now_ns)) for instrument, points in self._counters.items()]
        if not metrics:
            return b""
        of_scope = bytes_field(1, scope) + b"".join(metrics) + text_field(3, genai.SCHEMA_URL)
        return bytes_field(1, bytes_field(1, resource) + bytes_field(2, of_scope) + text_field(3, genai.SCHEMA_URL))

    def _points(self, instrument: Instrument, points: dict[Labels, list[float]], now_ns: int) -> bytes:
        written = bytearray()
        for labels, cells in points.items():
            counts = [int(cell) for cell in cells[:-1]]
            point = fixed64_field(2, self._started_ns) + fixed64_field(3, now_ns) + fixed64_field(4, sum(counts)) + double_field(5, cells[-1])
            point += packed_fixed64_field(6, counts) + packed_double_field(7, instrument.bounds) + _labels(9, labels)
            written += bytes_field(1, point)
        return bytes(written) + varint_field(2, _CUMULATIVE)

    def _numbers(self, points: dict[Labels, int], now_ns: int) -> bytes:
        written = bytearray()
        for labels, count in points.items():
            point = fixed64_field(2, self._started_ns) + fixed64_field(3, now_ns) + fixed64_field(6, count) + _labels(7, labels)
            written += bytes_field(1, point)
        return bytes(written) + varint_field(2, _CUMULATIVE) + varint_field(3, True)


def _metric(instrument: Instrument, field: int, data: bytes) -> bytes:
    head = text_field(1, instrument.name) + text_field(2, instrument.help) + text_field(3, instrument.unit)
    return bytes_field(2, head + bytes_field(field, data))


def _labels(field: int, labels: Sequence[tuple[str, str]]) -> bytes:
    return b"".join(attribute(field, name, True if labels is _OVERFLOW else value) for name, value in labels)

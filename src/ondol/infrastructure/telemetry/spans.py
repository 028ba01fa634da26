"""A finished request as OTLP spans: the request itself, and below it waiting, the guard's reading, and the upstream.

opentelemetry/proto/trace/v1/trace.proto, version 1.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ondol.infrastructure.telemetry.attributes import SpanAttributes, attribute
from ondol.infrastructure.telemetry.genai import SCHEMA_URL, asks_agent, operation, request_error, upstream_error
from ondol.infrastructure.telemetry.protobuf import bytes_field, fixed32_field, text_field, varint_field
from ondol.infrastructure.telemetry.trace_context import TraceContext
from ondol.infrastructure.telemetry.types import Observed

_INTERNAL, _SERVER, _CLIENT = 1, 2, 3
_STATUS_ERROR = bytes_field(15, varint_field(3, 2))
_TIMES = struct.Struct("<BQBQ")
_START_KEY, _END_KEY = 7 << 3 | 1, 8 << 3 | 1
_LOCAL, _REMOTE = fixed32_field(16, 0x101), fixed32_field(16, 0x301)
"""Flags: sampled, and whether the parent is elsewhere is known (and so)."""
SPANS_PER_REQUEST_MAX = 4


class SpanWriter:
    """Writes requests as spans.

    Args:
        identities: tells tenant, person and key.
    """

    def __init__(self, *, identities: bool = False) -> None:
        self._request = SpanAttributes("request", 9, identities=identities)
        self._guard = SpanAttributes("guard", 9, identities=identities)
        self._upstream = SpanAttributes("upstream", 9, identities=identities)

    def write(self, record: Observed, overhead_us: int, context: TraceContext) -> list[bytes]:
        """Each span of a request, as a field of `ScopeSpans`."""
        trace = bytes_field(1, bytes.fromhex(context.trace_id))
        end = round(record.created_at.timestamp() * 1e6)
        start = end - record.duration_us
        admitted = start + record.queue_us
        read = admitted + record.guard_us
        # A record that was cut short may add up to more than the whole.
        asked_until = min(end, read + record.upstream_us)
        root = struct.pack(">Q", context.span_id)
        parent = bytes_field(4, bytes.fromhex(context.parent)) if context.parent else b""
        body = self._request.of(record) + attribute(9, "ondol.overhead_us", overhead_us)
        body += _STATUS_ERROR if request_error(record) else b""
        spans = [_span(trace, root, parent, f"{record.route} {record.model}", _SERVER, start, end, body + (_REMOTE if parent else _LOCAL))]
        below = bytes_field(4, root)
        if record.queue_us:
            spans.append(_span(trace, struct.pack(">Q", context.queue_id), below, "queue", _INTERNAL, start, min(end, admitted), _LOCAL))
        if record.guard_us:
            body = self._guard.of(record) + _LOCAL
            spans.append(_span(trace, struct.pack(">Q", context.guard_id), below, "guard", _INTERNAL, admitted, min(end, read), body))
        if record.upstream_us:
            body = self._upstream.of(record) + _LOCAL + (_STATUS_ERROR if upstream_error(record) else b"")
            agent = asks_agent(record)
            name = f"{operation(record)} {record.model if agent else record.upstream_model or record.model}"
            kind = _INTERNAL if agent else _CLIENT
            spans.append(_span(trace, struct.pack(">Q", context.upstream_id), below, name, kind, min(end, read), asked_until, body))
        return spans


def trace_request(resource: bytes, scope: bytes, spans: Sequence[bytes]) -> bytes:
    """An `ExportTraceServiceRequest`."""
    of_scope = bytes_field(1, scope) + b"".join(spans) + text_field(3, SCHEMA_URL)
    return bytes_field(1, bytes_field(1, resource) + bytes_field(2, of_scope) + text_field(3, SCHEMA_URL))


def _span(trace: bytes, span_id: bytes, parent: bytes, name: str, kind: int, start_us: int, end_us: int, body: bytes) -> bytes:
    times = _TIMES.pack(_START_KEY, start_us * 1000, _END_KEY, max(start_us, end_us) * 1000)
    return bytes_field(2, trace + bytes_field(2, span_id) + parent + text_field(5, name[:200]) + varint_field(6, kind) + times + body)

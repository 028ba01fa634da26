"""Requests as spans, decoded by the messages that OpenTelemetry publishes."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from ondol.infrastructure.gateway.records import RequestRecord
from ondol.infrastructure.telemetry.genai import ATTRIBUTES, DERIVED, SCHEMA_URL
from ondol.infrastructure.telemetry.spans import SpanWriter, trace_request
from ondol.infrastructure.telemetry.trace_context import TraceContext
from tests.infrastructure.telemetry.samples import ENDED, RECORD, changed, plain

GIVEN = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def spans_of(record: RequestRecord, context: TraceContext | None = None, *, identities: bool = False) -> dict[str, Span]:
    written = SpanWriter(identities=identities).write(record, 400, context or TraceContext(record.id))
    request = ExportTraceServiceRequest.FromString(trace_request(b"", b"", written))
    (resource,) = request.resource_spans
    (scope,) = resource.scope_spans
    assert (resource.schema_url, scope.schema_url) == (SCHEMA_URL, SCHEMA_URL)
    assert len({span.span_id for span in scope.spans}) == len(scope.spans)
    return {span.name: span for span in scope.spans}


def test_every_row_of_the_table_names_a_field() -> None:
    fields = {field.name for field in msgspec.structs.fields(RequestRecord)}
    assert [row.field for row in ATTRIBUTES if row.field not in fields | DERIVED.keys()] == []
    assert len({(row.span, row.name) for row in ATTRIBUTES}) == len(ATTRIBUTES)


def test_a_request_is_four_spans_one_after_another() -> None:
    context = TraceContext(RECORD.id, GIVEN)
    sent = context.outgoing()
    spans = spans_of(RECORD, context)
    assert list(spans) == ["chat.completions helper", "queue", "guard", "chat gpt-4o"]
    root, queue, guard, upstream = spans.values()
    assert {span.trace_id.hex() for span in spans.values()} == {"0af7651916cd43dd8448eb211c80319c"}
    assert root.parent_span_id.hex() == "b7ad6b7169203331"
    assert {span.parent_span_id for span in (queue, guard, upstream)} == {root.span_id}
    assert upstream.span_id.hex().encode() == sent[36:52], "the upstream was sent this span"
    assert [span.kind for span in spans.values()] == [Span.SPAN_KIND_SERVER, Span.SPAN_KIND_INTERNAL, Span.SPAN_KIND_INTERNAL, Span.SPAN_KIND_CLIENT]
    ended = int(ENDED.timestamp()) * 10**9 + ENDED.microsecond * 1000
    assert (root.start_time_unix_nano, root.end_time_unix_nano) == (ended - 40_400_000, ended)
    assert queue.start_time_unix_nano == root.start_time_unix_nano
    assert queue.end_time_unix_nano - queue.start_time_unix_nano == 150_000
    assert guard.start_time_unix_nano == queue.end_time_unix_nano
    assert guard.end_time_unix_nano - guard.start_time_unix_nano == 90_000
    assert upstream.start_time_unix_nano == guard.end_time_unix_nano
    assert upstream.end_time_unix_nano - upstream.start_time_unix_nano == 40_000_000
    assert {span.flags & 1 for span in spans.values()} == {1}
    assert [span.flags >> 8 & 3 for span in (root, upstream)] == [3, 1], "the parent is elsewhere; the parent is here"


def test_what_stands_on_the_spans() -> None:
    spans = spans_of(changed(stream=True, first_token_us=10_240))
    assert plain(spans["chat gpt-4o"].attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "north",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.stream": True,
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.usage.cache_read.input_tokens": 100,
        "gen_ai.response.time_to_first_chunk": 0.01,
        "ondol.cost_nano": 1_234_567,
        "ondol.currency": "USD",
        "ondol.attempts": 1,
    }
    assert plain(spans["guard"].attributes) == {
        "ondol.guard.policy": "07" * 32,
        "ondol.guard.decision": "mask",
        "ondol.guard.rules": ("pii.phone", "pii.name"),
    }
    assert plain(spans["chat.completions helper"].attributes) == {
        "http.response.status_code": 200,
        "ondol.request_id": str(RECORD.id),
        "ondol.route": "chat.completions",
        "ondol.model": "helper",
        "ondol.outcome": "answered",
        "ondol.overhead_us": 400,
    }


def test_usage_stands_on_one_span_alone() -> None:
    """Langfuse counts each span that tells usage: two of them would double the cost."""
    telling = [name for name, span in spans_of(RECORD).items() if any("usage" in pair.key or "cost" in pair.key for pair in span.attributes)]
    assert telling == ["chat gpt-4o"]


def test_nobody_is_named_unless_it_is_set() -> None:
    identities = (RECORD.tenant_id, RECORD.person_id, RECORD.api_key_id)
    silent = str(spans_of(RECORD))
    assert not any(str(identity) in silent for identity in identities)
    named = plain(spans_of(RECORD, identities=True)["chat.completions helper"].attributes)
    assert (named["ondol.tenant_id"], named["user.id"], named["ondol.key_id"]) == tuple(map(str, identities))


def test_faults_are_told_where_they_happened() -> None:
    spans = spans_of(changed(status=504, outcome="upstream_timeout", provider="", upstream_model="", attempts=0))
    upstream, root = spans["chat helper"], spans["chat.completions helper"]
    assert (upstream.status.code, root.status.code) == (Status.STATUS_CODE_ERROR, Status.STATUS_CODE_ERROR)
    assert plain(upstream.attributes)["error.type"] == plain(root.attributes)["error.type"] == "upstream_timeout"
    for outcome, status in (("caller_left", 499), ("stopped", 503), ("prompt_too_long", 400), ("refused", 200)):
        spans = spans_of(changed(status=status, outcome=outcome))
        assert {span.status.code for span in spans.values()} == {Status.STATUS_CODE_UNSET}, outcome
        assert "error.type" not in str(spans)


def test_a_request_that_asked_nobody_has_no_upstream() -> None:
    assert list(spans_of(changed(upstream_us=0, guard_us=0, provider="", upstream_model=""))) == ["chat.completions helper", "queue"]


def test_an_assistant_is_an_agent() -> None:
    span = spans_of(changed(provider="", upstream_model="", cost_nano=None, currency=None))["invoke_agent helper"]
    told: dict[str, Any] = plain(span.attributes)
    assert (told["gen_ai.operation.name"], told["gen_ai.agent.name"]) == ("invoke_agent", "helper")
    assert "gen_ai.provider.name" not in told
    assert span.kind == Span.SPAN_KIND_INTERNAL


@given(
    st.uuids(),
    st.text(max_size=300),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.binary(max_size=60),
)
def test_any_record_is_well_formed(
    identifier: uuid.UUID, text: str, queue: int, guard: int, upstream: int, duration: int, traceparent: bytes
) -> None:
    record = changed(
        id=identifier, model=text, upstream_model=text, provider=text, outcome=text, queue_us=queue, guard_us=guard, upstream_us=upstream,
        duration_us=duration, guard_rules=(text,) * 3,
    )  # fmt: skip
    written = SpanWriter(identities=True).write(record, 1, TraceContext(identifier, traceparent))
    request = ExportTraceServiceRequest.FromString(trace_request(b"", b"", written))
    spans = request.resource_spans[0].scope_spans[0].spans
    root = spans[0]
    for span in spans:
        assert len(span.trace_id) == 16
        assert len(span.span_id) == 8
        assert span.start_time_unix_nano <= span.end_time_unix_nano <= root.end_time_unix_nano or span.end_time_unix_nano == span.start_time_unix_nano

"""The caller's trace goes on, and ids follow from the request's id."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.core.ids import new_id
from ondol.infrastructure.telemetry.trace_context import TraceContext, is_sampled, is_traceparent

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
GIVEN = f"00-{TRACE}-{PARENT}-01".encode()
ID = uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8057")


def test_the_callers_trace_goes_on() -> None:
    context = TraceContext(ID, GIVEN)
    assert (context.trace_id, context.parent, context.sampled) == (TRACE, PARENT, True)
    first, second = context.outgoing(), context.outgoing()
    assert first == b"00-" + TRACE.encode() + b"-bcceb302099a8056-01"
    assert second == b"00-" + TRACE.encode() + b"-bcceb302099a8055-01"
    assert context.upstream_id == 0xBCCEB302099A8055, "the span is the one of the last attempt"
    assert context.asked == 2


def test_without_one_the_request_is_the_trace() -> None:
    context = TraceContext(ID)
    assert (context.trace_id, context.parent, context.sampled) == (ID.hex, "", True)
    assert context.outgoing().startswith(b"00-01890a5dac96774bbcceb302099a8057-")


def test_a_caller_keeps_its_trace_out_but_not_in() -> None:
    assert TraceContext(ID, GIVEN[:-1] + b"0").sampled is False
    assert TraceContext(ID, GIVEN[:-1] + b"0").outgoing().endswith(b"-00")
    assert TraceContext(ID, GIVEN, ratio=0.0).sampled is False


@pytest.mark.parametrize(
    "told",
    [
        b"", b"00", GIVEN[:-1], GIVEN + b"-more", GIVEN.upper(), GIVEN.replace(b"00-", b"ff-", 1), GIVEN.replace(TRACE.encode(), b"0" * 32),
        GIVEN.replace(PARENT.encode(), b"0" * 16), GIVEN.replace(b"-", b"_"), GIVEN.replace(b"0af7", b"0ag7"), GIVEN + b"\n", GIVEN + b", " + GIVEN,
        b"01" + GIVEN[2:] + b"more", b"0" * 55,
    ],
)  # fmt: skip
def test_what_is_no_trace_counts_as_none(told: bytes) -> None:
    assert is_traceparent(told) is False
    assert TraceContext(ID, told).trace_id == ID.hex


def test_a_later_version_is_read_as_far_as_this_one_goes() -> None:
    assert is_traceparent(b"cc" + GIVEN[2:] + b"-what-comes-then")
    assert is_traceparent(b"cc" + GIVEN[2:])


@given(st.binary(max_size=80))
def test_no_bytes_break_it(told: bytes) -> None:
    context = TraceContext(ID, told)
    assert is_traceparent(context.outgoing())


def test_every_span_of_a_request_has_its_own_id() -> None:
    for _ in range(200):
        context = TraceContext(new_id())
        ids = {context.span_id, context.queue_id, context.guard_id}
        for _ in range(20):
            context.outgoing()
            ids.add(context.upstream_id)
        assert len(ids) == 23
        assert 0 not in ids


def test_a_share_of_traces_is_sampled_and_a_larger_share_holds_a_smaller() -> None:
    traces = [new_id().hex for _ in range(4_000)]
    few = {trace for trace in traces if is_sampled(trace, 0.1)}
    more = {trace for trace in traces if is_sampled(trace, 0.5)}
    assert few < more
    assert 280 < len(few) < 530  # six standard deviations
    assert all(is_sampled(trace, 1.0) for trace in traces)
    assert not any(is_sampled(trace, 0.0) for trace in traces)


def test_the_threshold_is_that_of_consistent_sampling() -> None:
    """Half of all: randomness from 2^55 on, as a collector's own sampler decides it."""
    assert is_sampled("0" * 18 + "80000000000000", 0.5)
    assert not is_sampled("0" * 18 + "7fffffffffffff", 0.5)

"""What is written here, protobuf's own library reads; what it writes is read here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint

from ondol.infrastructure.telemetry import protobuf
from ondol.infrastructure.telemetry.attributes import attribute

values = st.one_of(
    st.text(max_size=50),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.lists(st.text(max_size=5), max_size=5).map(tuple),
)


@given(st.text(max_size=30), values)
def test_attributes_arrive_as_they_were(name: str, value: str | bool | int | float | tuple[str, ...]) -> None:
    number, data = next(protobuf.read_fields(attribute(9, name, value)))
    assert number == 9
    assert isinstance(data, bytes)
    pair = KeyValue.FromString(data)
    kind = pair.value.WhichOneof("value")
    assert kind is not None
    read = getattr(pair.value, kind)
    assert pair.key == name
    assert (tuple(item.string_value for item in read.values) if kind == "array_value" else read) == value
    assert {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value", tuple: "array_value"}[type(value)] == kind


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20), st.lists(st.floats(allow_nan=False), max_size=20), st.integers(0, 2**32 - 1))
def test_numbers_arrive_as_they_were(counts: list[int], bounds: list[float], flags: int) -> None:
    data = protobuf.packed_fixed64_field(6, counts) + protobuf.packed_double_field(7, bounds) + protobuf.varint_field(10, flags)
    data += protobuf.fixed64_field(3, 2**63)
    point = HistogramDataPoint.FromString(data)
    assert list(point.bucket_counts) == counts
    assert list(point.explicit_bounds) == bounds
    assert (point.flags, point.time_unix_nano) == (flags, 2**63)


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    try:
        fields = list(protobuf.read_fields(data))
    except ValueError:
        return
    assert all(number >= 0 for number, _ in fields)


@pytest.mark.parametrize("data", [b"\x0a\x05ab", b"\x09\x01", b"\xff" * 11, b"\x0b"])
def test_what_is_cut_off_or_unknown_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"cut off|no known type"):
        list(protobuf.read_fields(data))


def test_what_the_library_writes_is_read() -> None:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().schema_url = "x" * 300
    ((number, inner),) = protobuf.read_fields(request.SerializeToString())
    assert isinstance(inner, bytes)
    assert (number, list(protobuf.read_fields(inner))) == (1, [(3, b"x" * 300)])

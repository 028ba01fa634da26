"""The protobuf wire format, as far as OTLP needs it: fields are written as bytes, and a small message is read.

Source: https://protobuf.dev/programming-guides/encoding/. OTLP's messages are few and frozen since 1.0, so writing them takes a page and no
dependency; decision 7 says what was turned down.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
VARINT_BYTES_MAX = 10
_MASK_64 = (1 << 64) - 1
_ONE_BYTE = tuple(bytes((value,)) for value in range(128))
_BYTES_KEYS = tuple(_ONE_BYTE[number << 3 | _BYTES] for number in range(16))


def varint(value: int) -> bytes:
    """A whole number of at most 64 bits; a negative one as its two's complement."""
    if 0 <= value < 128:
        return _ONE_BYTE[value]
    value &= _MASK_64
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def varint_field(number: int, value: int) -> bytes:
    """A field of type int64, uint64, bool or enum."""
    return varint(number << 3 | _VARINT) + varint(value)


def fixed64_field(number: int, value: int) -> bytes:
    """A field of type fixed64."""
    return varint(number << 3 | _FIXED64) + struct.pack("<Q", value)


def double_field(number: int, value: float) -> bytes:
    """A field of type double."""
    return varint(number << 3 | _FIXED64) + struct.pack("<d", value)


def fixed32_field(number: int, value: int) -> bytes:
    """A field of type fixed32."""
    return varint(number << 3 | _FIXED32) + struct.pack("<I", value)


def bytes_field(number: int, data: bytes) -> bytes:
    """A field of type bytes, or a message."""
    size = len(data)
    key = _BYTES_KEYS[number] if number < 16 else varint(number << 3 | _BYTES)
    return key + (_ONE_BYTE[size] if size < 128 else varint(size)) + data


def text_field(number: int, text: str) -> bytes:
    """A field of type string. Half characters, which UTF-8 cannot carry, become question marks."""
    return bytes_field(number, text.encode("utf-8", "replace"))


def packed_fixed64_field(number: int, values: Sequence[int]) -> bytes:
    """A packed repeated field of type fixed64."""
    return bytes_field(number, struct.pack(f"<{len(values)}Q", *values))


def packed_double_field(number: int, values: Sequence[float]) -> bytes:
    """A packed repeated field of type double."""
    return bytes_field(number, struct.pack(f"<{len(values)}d", *values))


def read_fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message, each with its number; fixed ones as their bytes.

    Raises:
        ValueError: it is none.
    """
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _read_varint(data, at)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = _read_varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError("a field has no known type")
        if at + size > len(data):
            raise ValueError("a field is cut off")
        yield number, data[at : at + size]
        at += size


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(VARINT_BYTES_MAX):
        if at + place >= len(data):
            break
        byte = data[at + place]
        value |= (byte & 127) << (7 * place)
        if byte < 128:
            return value, at + place + 1
    raise ValueError("a number is cut off")

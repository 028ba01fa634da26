"""Server-sent events as they go out."""

from __future__ import annotations

from typing import Any

import msgspec

DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"

# Legal in JSON and in an event, but clients that split text into lines take them for ends of lines.
_LINE_ENDS_OF_SOME_CLIENTS = ((b"\xc2\x85", b"\\u0085"), (b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"))

_encode = msgspec.json.Encoder().encode


def json_bytes(value: Any) -> bytes:
    """JSON for one line of an event."""
    encoded = _encode(value)
    if not encoded.isascii():
        for found, escaped in _LINE_ENDS_OF_SOME_CLIENTS:
            if found in encoded:
                encoded = encoded.replace(found, escaped)
    return encoded


def event(value: Any, name: bytes = b"") -> bytes:
    """One event.

    Args:
        name: of the event, for shapes that name them.
    """
    if name:
        return b"event: " + name + b"\ndata: " + json_bytes(value) + b"\n\n"
    return b"data: " + json_bytes(value) + b"\n\n"

"""The head of an answer as bytes. What would let a value begin a line of its own is refused."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus

from ondol.infrastructure.gateway.request_head import TOKEN_BYTES

NAMES_KEPT_MAX = 512

_STATUS_LINES = {int(status): f"HTTP/1.1 {int(status)} {status.phrase}\r\n".encode("ascii") for status in HTTPStatus}
_OF_THE_SERVER = frozenset((b"keep-alive", b"content-length", b"transfer-encoding", b"date", b"x-request-id", b"x-ondol-duration-ms"))
"""Headers that the server writes itself, as it does ``connection``: of a handler's own only ``connection: close`` is heard."""


def status_line(status: int) -> bytes:
    """The first line of an answer."""
    line = _STATUS_LINES.get(status)
    return line if line is not None else b"HTTP/1.1 %d Unknown\r\n" % status


def header_lines(headers: Sequence[tuple[bytes, bytes]]) -> tuple[bytes, bool]:
    """A handler's headers as lines, and whether it asks for the connection's end.

    Raises:
        ValueError: a name or a value holds what does not belong there (CR, LF, NUL), or the framing, which is the server's.
    """
    lines: list[bytes] = []
    close = False
    for name, value in headers:
        prefix = _prefix(name)
        if prefix:
            lines.append(b"%b%b\r\n" % (prefix, value))
        elif value.lower() == b"close":
            close = True
        else:
            raise ValueError("The header connection is the server's own, but for its end.")
    text = b"".join(lines)
    if not text.count(b"\r") == text.count(b"\n") == len(lines) or b"\0" in text:
        raise ValueError("A header's value holds the end of a line.")
    return text, close


@lru_cache(maxsize=NAMES_KEPT_MAX)
def _prefix(name: bytes) -> bytes:
    """The beginning of a header's line; empty for ``connection``.

    Raises:
        ValueError: it is no name, or one that only the server writes.
    """
    if not name or name.translate(None, TOKEN_BYTES):
        raise ValueError(f"{name!r} is no name of a header.")
    if name.lower() in _OF_THE_SERVER:
        raise ValueError(f"The header {name!r} is the server's own.")
    return b"" if name.lower() == b"connection" else name + b": "

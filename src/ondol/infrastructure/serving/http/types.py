"""Requests as they are written to the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from ondol.core.errors import RequestError, SettingsError
from ondol.infrastructure.serving.types import Headers

REQUEST_HEAD_BYTES_MAX = 32 << 10
_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")


class Origin(NamedTuple):
    """Where connections go. `host` is lower-case and without brackets, `port` always told."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """As in a Host header: brackets around an IPv6 address, no port when it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


@dataclass(slots=True)
class HttpRequest:
    """One request. `headers` are written as they stand; content-length comes from the body. They are left out of `repr`: they hold the credential."""

    method: bytes
    origin: Origin
    path: bytes
    headers: Headers = field(repr=False)
    body: bytes = field(default=b"", repr=False)

    def head(self) -> bytes:
        """The request line and headers up to the empty line.

        Raises:
            RequestError: when a part could end a line early or the head is too large: nothing of it is sent.
        """
        parts = [self.method, b" ", self.path, b" HTTP/1.1\r\n"]
        for name, value in self.headers:
            parts += (name, b": ", value, b"\r\n")
        parts.append(b"content-length: %d\r\n\r\n" % len(self.body))
        head = b"".join(parts)
        ends = len(self.headers) + 3
        if head.count(b"\n") != ends or head.count(b"\r") != ends or b"\0" in head or b" " in self.path or len(head) > REQUEST_HEAD_BYTES_MAX:
            raise RequestError("The request holds a header that cannot be passed on to the model provider.", code="invalid_header")
        return head


def checked_headers(headers: Headers, where: str) -> Headers:
    """The same headers, when each can be sent.

    Raises:
        SettingsError: for a name that is no lower-case token or a value with control characters; the value itself is not told.
    """
    for name, value in headers:
        if not name or not _TOKEN.issuperset(name):
            raise SettingsError(f"A header name of {where} is not a lower-case token.", "Write it like x-team.")
        if any((byte < 32 and byte != 9) or byte == 127 for byte in value):
            raise SettingsError(f"A header value of {where} holds control characters.", "Paste it again on one line.")
    return headers

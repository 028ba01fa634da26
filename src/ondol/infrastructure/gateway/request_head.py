"""The head of an HTTP/1.1 request, read strictly: whatever two parsers might read differently is refused (RFC 9110, RFC 9112)."""

from __future__ import annotations

import re
from urllib.parse import unquote

from ondol.infrastructure.gateway.errors import Refused

URI_BYTES_MAX = 8_192
HEADERS_MAX = 100
HEAD_BYTES_MAX = 32_768
METHOD_BYTES_MAX = 24
LENGTH_DIGITS_MAX = 18

CHUNKED = -1
"""`RequestHead.length` of a body whose end is told by its chunks."""

TOKEN_BYTES = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VISIBLE = bytes(range(0x21, 0x7F))
_NO_CONTROLS = bytes(byte for byte in range(256) if byte >= 0x20 and byte != 0x7F) + b"\t\r\n"
_METHODS = {word.encode(): word for word in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
_VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]")
_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
_ABSOLUTE = re.compile(rb"https?://([^/?#]+)([^#]*)", re.IGNORECASE)
_ONCE = (b"host", b"content-length", b"transfer-encoding")
_COMMON_NAMES = (
    "Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Baggage", "Cache-Control", "Connection", "Content-Encoding", "Content-Length",
    "Content-Type", "Cookie", "Expect", "Forwarded", "Host", "HTTP-Referer", "If-Modified-Since", "If-None-Match", "Idempotency-Key", "Keep-Alive",
    "OpenAI-Organization", "OpenAI-Project", "Origin", "Pragma", "Referer", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "TE", "Traceparent",
    "Tracestate", "Transfer-Encoding", "Upgrade-Insecure-Requests", "User-Agent", "Via", "X-Api-Key", "X-Forwarded-For", "X-Forwarded-Host",
    "X-Forwarded-Proto", "X-Real-IP", "X-Request-Id", "X-Requested-With", "X-Stainless-Arch", "X-Stainless-Async", "X-Stainless-Lang",
    "X-Stainless-OS", "X-Stainless-Package-Version", "X-Stainless-Read-Timeout", "X-Stainless-Retry-Count", "X-Stainless-Runtime",
    "X-Stainless-Runtime-Version", "X-Stainless-Timeout",
)  # fmt: skip
_NAMES = {form.encode(): name.lower().encode() for name in _COMMON_NAMES for form in (name, name.lower())}
"""Names as they usually come, to their lower case; others are read letter by letter."""


class RequestHead:
    """What a request's head says.

    Attributes:
        target: path and query as they were sent, in origin form; ``*`` for OPTIONS.
        path: the path with its escapes undone; bytes that are no UTF-8 become U+FFFD.
        query: as it was sent, without the question mark.
        headers: names in lower case, in the order of arrival.
        index: value by name; repeated ones joined with ``, ``, so that two credentials are never one valid one.
        length: bytes of the body, or `CHUNKED`.
        keep_alive: the connection may serve another request.
        expects_continue: the client waits for a 100 before it sends the body.
        old: HTTP/1.0, which knows no chunks.
    """

    __slots__ = ("expects_continue", "headers", "index", "keep_alive", "length", "method", "old", "path", "query", "target")

    def __init__(self, method: str, old: bool, headers: list[tuple[bytes, bytes]], index: dict[bytes, bytes]) -> None:
        self.method = method
        self.old = old
        self.headers = headers
        self.index = index
        self.target = b""
        self.path = ""
        self.query = b""
        self.length = 0
        self.keep_alive = not old
        self.expects_continue = False


def read_head(head: bytes) -> RequestHead:
    """The head, given without its empty line.

    Raises:
        Refused: 400, 414, 417, 431, 501 or 505.
    """
    lines = head.split(b"\r\n")
    if head.translate(None, _NO_CONTROLS) or not head.count(b"\n") == head.count(b"\r") == len(lines) - 1:
        raise malformed("The request's head holds a control character, or a line that does not end in CR LF.")
    method, target, old = _read_request_line(lines[0])
    if len(lines) > HEADERS_MAX + 1:
        raise Refused(431, "headers_too_many", f"The request has more than {HEADERS_MAX} headers.")
    names = _NAMES
    headers: list[tuple[bytes, bytes]] = []
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        known = names.get(name) or _read_name(name)
        if not colon:
            raise malformed("A header has no colon.")
        headers.append((known, value.strip(b" \t")))
    index = dict(headers)
    if len(index) != len(headers):
        index = _joined(headers)
    read = RequestHead(method, old, headers, index)
    _read_target(read, target)
    _read_framing(read)
    connection = index.get(b"connection")
    if connection is not None:
        words = [word.strip() for word in connection.lower().split(b",")]
        read.keep_alive = b"close" not in words and (not old or b"keep-alive" in words)
    return read


def malformed(message: str) -> Refused:
    """A request that cannot be read: 400."""
    return Refused(400, "malformed_request", message)


def uri_too_long() -> Refused:
    """A request line that has no end: 414."""
    return Refused(414, "uri_too_long", f"The address is longer than {URI_BYTES_MAX} bytes.")


def headers_too_large() -> Refused:
    """A head that has no end: 431."""
    return Refused(431, "headers_too_large", f"The request's head is larger than {HEAD_BYTES_MAX} bytes.")


def _read_request_line(line: bytes) -> tuple[str, bytes, bool]:
    """Method, target, and whether it is HTTP/1.0."""
    parts = line.split(b" ")
    if len(parts) != 3:
        raise malformed("The request line is not a method, an address and a version.")
    word, target, version = parts
    method = _METHODS.get(word)
    if method is None:
        if not word or len(word) > METHOD_BYTES_MAX or word.translate(None, TOKEN_BYTES):
            raise malformed("The method is not a word.")
        method = word.decode("ascii")
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        if _VERSION.fullmatch(version) is None:
            raise malformed("The request line does not end in a version of HTTP.")
        raise Refused(505, "http_version_not_supported", "This server speaks HTTP/1.1.", "Do not use HTTP/2 here, or put a proxy in front.")
    if len(target) > URI_BYTES_MAX:
        raise uri_too_long()
    if not target or target.translate(None, _VISIBLE) or b"#" in target:
        raise malformed("The address holds a character that must be escaped.")
    return method, target, version == b"HTTP/1.0"


def _read_name(name: bytes) -> bytes:
    """A header's name in lower case. A space before the colon and a continued line come here too, and end here."""
    if not name or name.translate(None, TOKEN_BYTES):
        raise malformed("A header's name holds a character that no name has.")
    return name.lower()


def _joined(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    index: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in index and name in _ONCE:
            raise malformed(f"The header {name.decode('ascii')} came twice.")
        index[name] = index[name] + b", " + value if name in index else value
    return index


def _read_target(read: RequestHead, target: bytes) -> None:
    """Target, path and query, and the rules of `Host`. What an absolute address names takes the place of `Host`."""
    host = read.index.get(b"host")
    if host is None:
        if not read.old:
            raise malformed("The header host is missing.")
    elif _HOST.fullmatch(host) is None:
        raise malformed("The header host names no host.")
    if target[0] != 0x2F and not (target == b"*" and read.method == "OPTIONS"):
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is None or _HOST.fullmatch(absolute[1]) is None:
            raise malformed("The address is neither a path nor an absolute address.")
        read.headers[:] = [(b"host", absolute[1]), *(header for header in read.headers if header[0] != b"host")]
        read.index[b"host"] = absolute[1]
        target = absolute[2] if absolute[2].startswith(b"/") else b"/" + absolute[2]
    read.target = target
    path, _, read.query = target.partition(b"?")
    text = path.decode("ascii")
    read.path = unquote(text) if "%" in text else text


def _read_framing(read: RequestHead) -> None:
    """How long the body is. Two ways of telling it in one request are how requests are smuggled past a proxy, so there is never more than one."""
    index = read.index
    length, coding = index.get(b"content-length"), index.get(b"transfer-encoding")
    if coding is not None:
        if length is not None:
            raise malformed("Both content-length and transfer-encoding say how long the body is.")
        if read.old:
            raise malformed("HTTP/1.0 knows no transfer-encoding.")
        if coding.lower() != b"chunked":
            raise Refused(501, "transfer_coding_unknown", "The only transfer-encoding that is understood is chunked.")
        read.length = CHUNKED
    elif length is not None:
        if not length.isdigit() or len(length) > LENGTH_DIGITS_MAX:
            raise malformed("The header content-length is not a number of bytes.")
        read.length = int(length)
    expected = index.get(b"expect")
    if expected is not None and not read.old:
        if expected.lower() != b"100-continue":
            raise Refused(417, "expectation_failed", "The only expectation that is understood is 100-continue.")
        read.expects_continue = read.length != 0

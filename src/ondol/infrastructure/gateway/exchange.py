"""One request and its answer on the native server: bounded reading, headers on every answer, and word at once when the caller leaves."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Protocol

from ondol.core.ids import new_id
from ondol.infrastructure.gateway.answer_head import header_lines, status_line
from ondol.infrastructure.gateway.errors import BodyTooLarge, CallerLeft, ErrorAnswer, answer_to
from ondol.infrastructure.gateway.request_head import CHUNKED, RequestHead

CLEAN_UP_S = 5.0
"""How long an upstream may tidy up after its last event, or after it was cancelled."""

_STREAM_HEADERS = (
    b"content-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-store\r\n"
    # Keeps nginx from holding events back.
    b"x-accel-buffering: no\r\n"
)
_CLOSE = b"connection: close\r\n"
_KEEP_ALIVE = b"connection: keep-alive\r\n"
_NO_BODY = frozenset((204, 304))
_UNTIL_CLOSE = -2

_logger = logging.getLogger(__name__)


class Link(Protocol):
    """What an exchange needs of its connection.

    Attributes:
        keep_alive: whether another request may follow.
        congested: the caller takes less than we send.
        date_line: the header ``date`` of this second.
    """

    keep_alive: bool
    congested: bool

    @property
    def date_line(self) -> bytes:
        """The header ``date`` of this second."""

    def send(self, data: bytes) -> None:
        """Hand bytes to the socket."""

    def want_body(self) -> None:
        """Somebody waits for more of the body now."""

    def got_body(self) -> None:
        """Nobody waits for it any more."""

    async def drained(self) -> None:
        """Wait until the caller has taken most of what was sent; raises `CallerLeft`."""

    def finish(self, status: int) -> None:
        """The last byte of the answer was handed over."""

    def abort(self) -> None:
        """Cut the connection, so that a half answer is not taken for a whole one."""


class Exchange:
    """One request and its answer.

    Attributes:
        id: UUIDv7, sent as ``x-request-id``; `id_text` is its text.
        method, path, query, target: path has its escapes undone, query and target are as they were sent.
        client: the peer's address, or the one that a trusted proxy forwards; empty when unknown.
        scheme: ``http`` or ``https``, as the caller speaks it.
        raw_headers: names in lower case, in the order of arrival.
        old: the request is HTTP/1.0.
        begun: the head of the answer has gone out.
        streaming: it was the head of an event stream.
        ended: the last byte has gone out.
        left: the caller left before that.
        started_ns: `time.perf_counter_ns` at the first byte of the request.
        error_shape: how errors are told.
        awaits_continue: the caller sends the body only after a 100, which goes out when somebody asks for the body.
        superseded: another worker answers this request: of this answer nothing is kept but what it used, under an id of its own.
        task: what runs the handler; cancelled when the caller leaves, unless `stays_when_left`.
        caller: in whose name it is asked, where another handler of this process has told; None when the request's own headers say.
        always: header lines of whatever is answered.
    """

    __slots__ = (
        "_body_error", "_callbacks", "_head", "_length", "_link", "_reader", "_received", "_status", "_wanted", "_whole",
        "always", "awaits_continue", "begun", "caller", "client", "ended", "error_shape", "id", "id_text", "left", "method", "path", "query",
        "raw_headers", "scheme", "started_ns", "stays_when_left", "streaming", "superseded", "task",
    )  # fmt: skip

    def __init__(self, link: Link, head: RequestHead, client: str, scheme: str, started_ns: int) -> None:
        self.id = new_id()
        self.id_text = str(self.id).encode("ascii")
        self.method = head.method
        self.path = head.path
        self.query = head.query
        self.client = client
        self.scheme = scheme
        self.raw_headers = head.headers
        self.started_ns = started_ns
        self.begun = self.streaming = self.ended = self.left = self.stays_when_left = self.awaits_continue = self.superseded = False
        self.error_shape: Callable[[Exception, uuid.UUID], ErrorAnswer] = answer_to
        self.task: asyncio.Task[None] | None = None
        self.caller: object | None = None
        self.always = b""
        self._link = link
        self._head = head
        self._received: bytes | bytearray = b""
        self._whole = head.length == 0
        self._body_error: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._wanted = 0
        self._length = 0
        self._status = 0
        self._callbacks: list[Callable[[], None]] | None = None

    @property
    def duration_us(self) -> int:
        """Microseconds since the request began."""
        return (time.perf_counter_ns() - self.started_ns) // 1_000

    @property
    def target(self) -> bytes:
        """Path and query as they were sent."""
        return self._head.target

    @property
    def old(self) -> bool:
        """Whether the request is HTTP/1.0."""
        return self._head.old

    def header(self, name: bytes) -> bytes:
        """The value of a header by its name in lower case; empty when it is absent, joined with ``, `` when it is repeated."""
        return self._head.index.get(name, b"")

    def headers(self) -> Mapping[str, str]:
        """All headers: names in lower case, repeated ones joined with a comma (so that two credentials are never one valid one)."""
        return {name.decode("ascii"): value.decode("latin-1") for name, value in self._head.index.items()}

    # The request's body

    async def body(self, bytes_max: int) -> bytes:
        """The whole body. Does not suspend when it has arrived already.

        Raises:
            BodyTooLarge: as soon as that is known; the rest stays unread.
            BodyTooSlow: when it does not arrive in time.
            Refused: when it is not framed as it should be.
            CallerLeft: when it never arrives.
        """
        if self._head.length > bytes_max:
            raise _too_large(bytes_max)
        if not self._whole:
            await self._wait(bytes_max)
        received = self._received
        if len(received) > bytes_max:
            raise _too_large(bytes_max)
        return received if isinstance(received, bytes) else bytes(received)

    async def body_chunks(self, bytes_max: int) -> AsyncIterator[bytes]:
        """The body as it arrives, read no faster than it is taken. Raises as `body` does."""
        if self._head.length > bytes_max:
            raise _too_large(bytes_max)
        size = 0
        while True:
            if not self._received:
                if self._whole:
                    return
                await self._wait(0)
                continue
            piece = bytes(self._received)
            self._received = b""
            size += len(piece)
            if size > bytes_max:
                raise _too_large(bytes_max)
            yield piece

    async def _wait(self, more_than: int) -> None:
        """Wait until more than so many bytes are here, or all."""
        if self.left:
            raise CallerLeft
        if self._body_error is not None:
            raise self._body_error
        if self.ended:
            raise RuntimeError("What is left of a body after the answer is thrown away.")
        if len(self._received) > more_than:
            return
        self._wanted = more_than
        self._reader = asyncio.get_running_loop().create_future()
        self._link.want_body()
        try:
            await self._reader
        finally:
            self._reader = None
            self._link.got_body()
        if self._body_error is not None:
            raise self._body_error

    @property
    def body_whole(self) -> bool:
        """Whether all of the body has arrived."""
        return self._whole

    @property
    def body_waiting(self) -> int:
        """Bytes of the body that have arrived and that nobody waits for; 0 while somebody waits."""
        return 0 if self._reader is not None else len(self._received)

    def feed(self, data: bytes) -> None:
        """More of the body has arrived: the connection says so."""
        if not self._received:
            self._received = data
        elif isinstance(self._received, bytearray):
            self._received += data
        else:
            self._received = bytearray(self._received)
            self._received += data
        if self._reader is not None and len(self._received) > self._wanted:
            self._wake()

    def feed_end(self) -> None:
        """All of the body has arrived."""
        self._whole = True
        self._wake()

    def feed_error(self, error: Exception) -> None:
        """No more of the body will arrive."""
        self._body_error = error
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def lend(self, caller: object, path: str, body: bytes) -> None:
        """Let another handler answer as if somebody had sent this body to that path: in whose name is known, and the own body was read.

        Raises:
            RuntimeError: there is an answer already, or not all of the body is here.
        """
        if self.begun or not self._whole:
            raise RuntimeError("What is answered already, or not read yet, cannot be lent.")
        self.caller, self.path, self._received = caller, path, body

    # The answer

    def also(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Headers of whatever is answered, an error too. Raises `ValueError` as `answer` does."""
        self.always, _ = header_lines(headers)

    def answer(self, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]] = (), content_type: bytes = b"application/json") -> None:
        """A whole answer in one piece. HEAD gets its head only.

        Raises:
            CallerLeft: when nobody is there to take it.
            ValueError: a header holds what would end its line; nothing has gone out.
            RuntimeError: there is an answer already.
        """
        own = header_lines(headers) if headers else (b"", False)
        start = b"content-type: %b\r\ncontent-length: %d\r\n" % (content_type, len(body)) if status not in _NO_BODY else b""
        head = self._begin(status, start, own)
        self._link.send(head if self.method == "HEAD" or status in _NO_BODY else head + body)
        self.ended = True
        self._link.finish(status)

    def open_stream(self, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        """Send the head of an event stream. Raises as `answer` does."""
        self._open(200, _STREAM_HEADERS, None, header_lines(headers))
        self.streaming = True

    def open(self, status: int, headers: Sequence[tuple[bytes, bytes]], length: int | None) -> None:
        """Send the head of an answer whose body follows in pieces. Raises as `answer` does.

        Args:
            length: bytes of the body; None when that is not known yet.
        """
        self._open(status, b"" if length is None or status in _NO_BODY else b"content-length: %d\r\n" % length, length, header_lines(headers))

    def _open(self, status: int, start: bytes, length: int | None, own: tuple[bytes, bool]) -> None:
        if self.method == "HEAD" or status in _NO_BODY:
            self._length = 0
        elif length is not None:
            self._length = length
        elif self._head.old:
            self._length = _UNTIL_CLOSE
            self._link.keep_alive = False
        else:
            self._length = CHUNKED
            start += b"transfer-encoding: chunked\r\n"
        self._link.send(self._begin(status, start, own))

    def _begin(self, status: int, start: bytes, own: tuple[bytes, bool]) -> bytes:
        """The head's bytes."""
        if self.left:
            raise CallerLeft
        if self.begun:
            raise RuntimeError("The answer has begun already.")
        if not 200 <= status <= 999:
            raise ValueError(f"{status} is no status of an answer.")
        link = self._link
        if own[1] or not self._whole:
            link.keep_alive = False
        connection = b"" if link.keep_alive and not self._head.old else _KEEP_ALIVE if link.keep_alive else _CLOSE
        tenths = (time.perf_counter_ns() - self.started_ns) // 100_000
        self.begun = True
        self._status = status
        return b"%b%bx-request-id: %b\r\nx-ondol-duration-ms: %d.%d\r\n%b%b%b%b\r\n" % (
            status_line(status), start, self.id_text, tenths // 10, tenths % 10, link.date_line, connection, own[0], self.always,
        )  # fmt: skip

    async def write(self, data: bytes) -> None:
        """Send more of a stream; suspends only when the caller takes less than we send.

        Raises:
            CallerLeft: when the caller takes nothing any more.
        """
        self.put(data)
        if self._link.congested:
            await self._link.drained()

    def put(self, data: bytes) -> None:
        """Send a little more of a stream without waiting, such as a comment that keeps it alive.

        Raises:
            CallerLeft: when nobody is there to take it.
        """
        if self.left:
            raise CallerLeft
        if self.ended or not self.begun:
            raise RuntimeError("There is no answer to add to.")
        if not data:
            return
        if self._length == CHUNKED:
            self._link.send(b"%x\r\n%b\r\n" % (len(data), data))
        elif self._length == _UNTIL_CLOSE:
            self._link.send(data)
        elif self.method != "HEAD" and self._status not in _NO_BODY:
            if len(data) > self._length:
                self._cut()
                raise RuntimeError("The answer is longer than it was said to be.")
            self._length -= len(data)
            self._link.send(data)

    def end(self) -> None:
        """Send the end of a stream. An answer that is shorter than it was said to be is cut, so that nobody takes it for whole.

        Raises:
            CallerLeft: when nobody is there to take it.
        """
        if self.left:
            raise CallerLeft
        if self.ended or not self.begun:
            raise RuntimeError("There is no answer to end.")
        if self._length > 0:
            self._cut()
            raise RuntimeError("The answer is shorter than it was said to be.")
        if self._length == CHUNKED:
            self._link.send(b"0\r\n\r\n")
        self.ended = True
        self._link.finish(self._status)

    async def closing(self, last: bytes) -> None:
        """The stream will end with these bytes, once its record is kept. Nothing here: an exchange that outlives its caller keeps them first."""

    def fail(self, error: Exception) -> None:
        """Tell the caller what failed: an answer, or the last event of a stream that has begun, without ``[DONE]``. Nothing when it has ended."""
        if self.ended or self.left:
            return
        answer = self.error_shape(error, self.id)
        if self.streaming:
            self.put(answer.event or b"data: " + answer.body + b"\n\n")
            self.end()
        elif self.begun:
            self._cut()
        else:
            self.answer(answer.status, answer.body, answer.headers)

    def _cut(self) -> None:
        self.ended = True
        self._link.abort()

    # The caller leaving

    def when_left(self, callback: Callable[[], Any]) -> None:
        """Call it once when the caller leaves before the answer has ended; at once when that has happened already."""
        if self.left:
            callback()
        elif self._callbacks is None:
            self._callbacks = [callback]
        else:
            self._callbacks.append(callback)

    def lose(self) -> None:
        """The caller is gone: the connection says so."""
        if self.left or self.ended:
            return
        self.left = True
        callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            try:
                callback()
            except Exception:
                _logger.exception("word of the caller's leaving failed", extra={"request_id": str(self.id)})
        if self.stays_when_left:
            self.feed_error(CallerLeft())
        elif self.task is not None:
            self.task.cancel()


def _too_large(bytes_max: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request's body is larger than {bytes_max} bytes.", "Send less text.")


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait a bounded time for them to tidy up. What they raise while they do is not of interest."""
    for task in tasks:
        task.cancel()
    done, _ = await asyncio.wait(tasks, timeout=CLEAN_UP_S)
    for task in done:
        if not task.cancelled():
            task.exception()

"""One connection to an upstream: HTTP/1.1, one request at a time. Everything here runs on callbacks; the only thing a caller awaits is one future.

The parser is llhttp in its strict mode: conflicting or repeated lengths, both kinds of framing, bad chunk sizes, bare line feeds and folded headers
are errors, and any error closes the connection.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Protocol, cast

import httptools

from ondol.infrastructure.serving.errors import cut_off, garbage, timed_out
from ondol.infrastructure.serving.http.answer import HttpAnswer
from ondol.infrastructure.serving.http.watch import HORIZON_S, NEVER, Watch

if TYPE_CHECKING:
    from ondol.infrastructure.serving.types import Timeouts

HEADERS_MAX = 128
HEAD_BYTES_MAX = 64 << 10
INTERIM_ANSWERS_MAX = 8
"""Answers with status 1xx before the real one."""
READ_AHEAD_BYTES_MAX = 256 << 10
"""Of a body that nobody takes; then reading stops until somebody does."""
DRAIN_S = 1.0
DRAIN_BYTES_MAX = 64 << 10
"""How long and how much the rest of a body may be after its reader was done, so that the connection can be used again."""
AGE_S_MAX = 300.0
"""A connection that was never idle is closed after this all the same, so that a change of addresses behind a name arrives."""
ONE_WRITE_BYTES_MAX = 64 << 10
"""A head and a body up to this size are joined; a larger body is written after its head, without a copy."""

HEAD, PIECE, WHOLE = range(3)
"""What the caller waits for."""


class StaleConnection(Exception):
    """A connection that was used before died before any byte of an answer: the request may be sent again."""


class Owner(Protocol):
    """The pool of a connection."""

    watch: Watch

    def release(self, connection: Connection) -> None:
        """The connection can take another request."""

    def forget(self, connection: Connection) -> None:
        """The connection is gone."""


class Connection(asyncio.Protocol):
    """Made by a pool. `ask` sends a request; `deadline` and `look_tick` are the watch's, `is_held` and `share` the pool's."""

    __slots__ = (
        "_answer",
        "_between_s",
        "_body_began",
        "_born_at",
        "_bytes_came",
        "_bytes_max",
        "_ended",
        "_framed",
        "_head_bytes",
        "_head_done",
        "_headers",
        "_interim",
        "_keep_alive",
        "_owner",
        "_parser",
        "_paused",
        "_transport",
        "_unwanted",
        "_used",
        "_waiter",
        "_wants",
        "_whole_at",
        "_wrong",
        "deadline",
        "is_held",
        "look_tick",
        "share",
    )

    def __init__(self, owner: Owner) -> None:
        self.deadline = NEVER
        self.look_tick = -1
        self.is_held = False
        self.share: uuid.UUID | None = None
        self._owner = owner
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._used = False
        self._born_at = owner.watch.now()
        self._paused = False
        self._answer: HttpAnswer | None = None
        self._waiter: asyncio.Future[HttpAnswer] | None = None
        self._bytes_max = 0
        self._whole_at = self._between_s = 0.0
        self._begin()

    def _begin(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._interim = 0
        self._wants = HEAD
        self._unwanted = -1
        self._wrong = ""
        self._bytes_came = self._head_done = self._ended = self._body_began = self._framed = self._keep_alive = False

    # ---- What the pool and the client call ----

    @property
    def usable(self) -> bool:
        """Whether it is open."""
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, head: bytes, body: bytes, timeouts: Timeouts, whole_at: float) -> asyncio.Future[HttpAnswer]:
        """Send a request; resolved with the answer when its head is here.

        The future raises:
            StaleConnection: see there.
            UpstreamError: for everything that an upstream may do wrong before the end of its head.
        """
        transport, watch = self._transport, self._owner.watch
        waiter: asyncio.Future[HttpAnswer] = watch.loop.create_future()
        if transport is None or transport.is_closing():
            waiter.set_exception(StaleConnection())
            return waiter
        if self._used:
            self._begin()
        self._answer = HttpAnswer(0, self._headers, self)
        self._waiter = waiter
        self._between_s = timeouts.between_s
        self._whole_at = whole_at
        now = watch.now()
        deadline = min(now + timeouts.first_byte_s, whole_at)
        self.deadline = deadline
        # A connection in the watch is looked at within the horizon anyway.
        if self.look_tick < 0 or deadline < now + HORIZON_S:
            watch.set(self, deadline)
        if len(body) <= ONE_WRITE_BYTES_MAX:
            transport.write(head + body)
        else:
            transport.writelines((head, body))
        return waiter

    def rest(self, until: float) -> None:
        """Nothing to do until this time: then close."""
        self._used = True
        self.deadline = until
        if self.look_tick < 0:
            self._owner.watch.set(self, until)

    # ---- What an answer calls ----

    def wait(self, *, whole: bool, bytes_max: int) -> asyncio.Future[HttpAnswer]:
        """See `answer.Link`."""
        answer = self._answer
        waiter: asyncio.Future[HttpAnswer] = self._owner.watch.loop.create_future()
        self._waiter = waiter
        self._wants = WHOLE if whole else PIECE
        self._bytes_max = bytes_max
        if whole and self._paused:
            self.resume()
        if self._body_began and answer is not None and not answer.paced:
            self.extend(self._between_s)
        return waiter

    def extend(self, seconds: float) -> None:
        """See `answer.Link`."""
        watch = self._owner.watch
        self.deadline = deadline = min(watch.now() + seconds, self._whole_at)
        if seconds < HORIZON_S or deadline == self._whole_at:
            watch.set(self, deadline)

    def resume(self) -> None:
        """See `answer.Link`."""
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def drain(self) -> None:
        """See `answer.Link`."""
        self._unwanted = 0
        self.resume()
        self._whole_at = min(self._whole_at, self._owner.watch.now() + DRAIN_S)
        self._owner.watch.set(self, self._whole_at)

    def abort(self) -> None:
        """See `answer.Link`. The pool forgets it before the loop comes round to `connection_lost`."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.end(cut_off())
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(cut_off())
        self.deadline = NEVER
        if self._transport is not None:
            self._transport.abort()
        self._owner.forget(self)

    # ---- What the watch calls ----

    def expire(self, now: float) -> None:
        """A time-out has passed. One between pieces does not count while nobody waits: then the reader is slow, not the upstream."""
        waiting = self._waiter is not None and not self._waiter.done()
        if self._answer is None or self._unwanted >= 0:
            self.abort()
        elif now < self._whole_at and not waiting:
            self.deadline = min(now + self._between_s, self._whole_at)
        else:
            self._fail(timed_out("did not go on with its answer" if self._body_began else "did not begin to answer"))

    # ---- What the loop calls ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands, with TLS when it has that."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes of an answer; or bytes that nobody asked for, after which nothing on this connection can be believed."""
        answer, parser = self._answer, self._parser
        if answer is None or parser is None:
            self.abort()
            return
        self._bytes_came = True
        if not self._head_done:
            self._head_bytes += len(data)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(garbage("it changes the protocol"))
            return
        except httptools.HttpParserError:
            self._fail(garbage("it sent more than it announced" if self._ended else "it is not HTTP"))
            return
        if not self._head_done and self._head_bytes > HEAD_BYTES_MAX:
            self._wrong = "its head is too large"
        if self._wrong:
            self._fail(garbage(self._wrong))
        elif self._unwanted >= 0:
            self._discard(answer)
        elif self._ended:
            self._finish(answer)
        elif self._wants == WHOLE:
            self._gather(answer)
        else:
            if answer.size > READ_AHEAD_BYTES_MAX and not self._paused and self._transport is not None:
                self._paused = True
                self._transport.pause_reading()
            if answer.size or (self._head_done and self._wants == HEAD):
                self._wake(answer)

    def eof_received(self) -> None:
        """The upstream will send no more: close."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The end of the connection is the end of an answer only where nothing else could end it."""
        self._transport = None
        self._parser = None  # It holds our methods: the circle would wait for the collector.
        self._owner.forget(self)
        answer = self._answer
        if answer is None:
            return
        if not self._bytes_came and self._used:
            self._fail(StaleConnection())
        elif self._head_done and not self._framed and exc is None:
            self._finish(answer)
        else:
            self._fail(cut_off())

    # ---- What the parser calls ----

    def on_message_begin(self) -> None:
        """A head begins: ours, one after an interim answer, or one that nobody asked for."""
        if self._ended:
            self._wrong = "it sent more than it announced"

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header of a head; those behind a chunked body are passed over."""
        if not self._head_done:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The end of a head."""
        parser, answer = self._parser, self._answer
        if parser is None or answer is None:
            return
        status = parser.get_status_code()
        if status < 200:
            self._interim += 1
            if self._interim > INTERIM_ANSWERS_MAX or status == 101:
                self._wrong = "it sends no answer but interim ones"
            return
        headers = self._headers
        if len(headers) > HEADERS_MAX:
            self._wrong = "it has too many headers"
        self._head_done = True
        self._keep_alive = parser.should_keep_alive()
        answer.status = status
        for name, value in headers:
            if name == b"content-encoding" and status < 400 and value.lower() != b"identity":
                self._wrong = "it is compressed, which was not asked for"
            elif name == b"content-length":
                self._framed = True
            elif name == b"transfer-encoding":
                self._framed = True
                if value.lower() != b"chunked":
                    self._wrong = "it is encoded for its transfer in a way that was not asked for"

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body_began = True
        answer = self._answer
        if answer is not None:
            answer.add(body)

    def on_message_complete(self) -> None:
        """The end of an answer, or of an interim one."""
        if self._head_done:
            self._ended = True
        else:
            self._headers.clear()

    # ---- Inside ----

    def _wake(self, answer: HttpAnswer) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(answer)

    def _gather(self, answer: HttpAnswer) -> None:
        """The whole body is wanted, and this is not yet the end of it."""
        if answer.size > self._bytes_max:
            self._fail(garbage("it is too large"))
        elif not answer.paced:
            self.extend(self._between_s)

    def _discard(self, answer: HttpAnswer) -> None:
        """The reader was done before the end: read a little on, for the connection's sake."""
        self._unwanted += answer.size
        answer.take()
        if self._ended:
            self._finish(answer)
        elif self._unwanted > DRAIN_BYTES_MAX:
            self.abort()

    def _finish(self, answer: HttpAnswer) -> None:
        """The answer is whole. The connection is kept when both sides are through with it."""
        self._answer = None
        answer.end()
        self._wake(answer)
        transport = self._transport
        if transport is None:
            return
        self.resume()
        young = self._owner.watch.now() < self._born_at + AGE_S_MAX
        if self._keep_alive and young and not transport.is_closing() and not transport.get_write_buffer_size():
            self._owner.release(self)
        else:
            self.abort()

    def _fail(self, error: Exception) -> None:
        """No more of the answer will come."""
        answer, self._answer = self._answer, None
        waiter, self._waiter = self._waiter, None
        if answer is not None:
            answer.end(error)
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        self.abort()

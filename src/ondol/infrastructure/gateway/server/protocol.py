"""One connection: requests one after another, answers in their order, and a deadline for whatever is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import time
from typing import cast

from ondol.core.errors import RequestError
from ondol.infrastructure.gateway.errors import BodyTooSlow, CallerLeft, Refused, Stopping
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.request_head import (
    CHUNKED,
    HEAD_BYTES_MAX,
    METHOD_BYTES_MAX,
    TOKEN_BYTES,
    URI_BYTES_MAX,
    RequestHead,
    headers_too_large,
    malformed,
    read_head,
    uri_too_long,
)
from ondol.infrastructure.gateway.server.chunks import ChunkReader
from ondol.infrastructure.gateway.server.forwarded import forwarded_scheme
from ondol.infrastructure.gateway.server.types import ServerState

PIPELINE_BYTES_MAX = 65_536
"""Bytes that may wait behind the request that is being answered; then the socket is not read."""
BODY_AHEAD_BYTES_MAX = 65_536
"""Bytes of a body that may wait for somebody to ask for them."""
HANDLERS_BEHIND_MAX = 8
"""Handlers of one connection that may still tidy up after their answers while the next request is taken."""
LINGER_BYTES_MAX = 16 << 20
CONNECTIONS_REFUSED_MAX = 64
"""Connections above the limit that are told so; further ones are cut."""

_NEVER = float("inf")
_HEAD, _BODY, _ANSWER, _BROKEN, _DISCARD, _CLOSED = range(6)
_TLS_HANDSHAKE = 0x16
_CR = 0x0D
_RESET = struct.pack("ii", 1, 0)
"""Closes with a reset: to a caller of HTTP/1.0 the usual end of a connection is the end of an answer."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_REQUEST_LINE_BYTES_MAX = METHOD_BYTES_MAX + URI_BYTES_MAX + len(" ") + len(" HTTP/1.1")

_logger = logging.getLogger(__name__)


class Connection(asyncio.Protocol):
    """An HTTP/1.1 connection. It is in one of these stages: a head is awaited or read, a body is read, an answer is awaited, the rest of a broken
    request is thrown away until its answer has ended, or everything is until the peer closes.

    Attributes:
        keep_alive: whether another request may follow the present one.
        congested: the peer takes less than we send.
        deadline: when what is waited for must have come, on the loop's clock.
        send_deadline: when the peer must have taken something.
    """

    __slots__ = (
        "_asked_at", "_buffer", "_chunks", "_discarded", "_drainers", "_exchange", "_left_in_buffer", "_line_skipped", "_loop", "_patience_s",
        "_paused", "_peer", "_place", "_refusing", "_remaining", "_running", "_scanned", "_scheme", "_stage", "_started_ns", "_state",
        "_transport", "_trusted", "_waits_for_handlers", "congested", "deadline", "keep_alive", "send_deadline",
    )  # fmt: skip

    def __init__(self, state: ServerState) -> None:
        self.keep_alive = True
        self.congested = False
        self._state = state
        self._loop = state.loop
        self._stage = _HEAD
        self._buffer = b""
        self._place = 0
        self._scanned = 0
        self._started_ns = 0
        self._exchange: Exchange | None = None
        self._remaining = 0
        self._chunks: ChunkReader | None = None
        self._line_skipped = self._paused = self._refusing = self._trusted = self._waits_for_handlers = False
        self._running = 0
        self._discarded = 0
        self._patience_s = self._asked_at = 0.0
        self.deadline = self.send_deadline = _NEVER
        self._left_in_buffer = 0
        self._drainers: list[asyncio.Future[None]] = []

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A peer has connected, and TLS has been agreed on."""
        state = self._state
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if isinstance(peer, tuple) else ""
        self.judge_peer()
        self._scheme = "https" if transport.get_extra_info("ssl_object") is not None else "http"
        state.counters.connections += 1
        state.open.add(self)
        above = len(state.open) - state.limits.connections_max
        if above > 0:
            state.counters.connections_refused += 1
            self._refusing = True
        if above > CONNECTIONS_REFUSED_MAX or state.draining:
            self._transport.abort()
        self.deadline = self._loop.time() + (state.limits.linger_s if self._refusing else state.limits.idle_timeout_s)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        stage = self._stage
        if stage == _HEAD:
            self._read_head(self._buffer[self._place :] + data if self._buffer else data, 0)
        elif stage == _BODY:
            self._read_body(data, 0)
        elif stage == _ANSWER:
            self._buffer = self._buffer[self._place :] + data
            self._place = 0
            if len(self._buffer) > PIPELINE_BYTES_MAX:
                self._pause()
        else:
            self._discarded += len(data)
            if self._discarded > LINGER_BYTES_MAX:
                self._transport.abort()

    def eof_received(self) -> None:
        """The peer sends no more. It may only have closed its half, but nobody can tell that from leaving: so it counts as leaving, as with nginx."""
        if self._exchange is not None:
            self._exchange.lose()
        self._close()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self._stage = _CLOSED
        self.deadline = self.send_deadline = _NEVER
        self._state.open.discard(self)
        if self._state.draining and not self._state.open:
            self._state.closed.set()
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.lose()
        self._buffer = b""
        self._release(CallerLeft())

    def pause_writing(self) -> None:
        """The peer takes less than we send."""
        self.congested = True
        self._left_in_buffer = self._transport.get_write_buffer_size()
        self.send_deadline = self._loop.time() + self._state.limits.send_timeout_s

    def resume_writing(self) -> None:
        """It has taken most of it."""
        self.congested = False
        self.send_deadline = _NEVER
        self._release(None)

    # What the server calls

    def check_deadline(self, now: float) -> None:
        """Do what is due when a time-out has passed."""
        if now >= self.send_deadline:
            left = self._transport.get_write_buffer_size()
            if left >= self._left_in_buffer:
                self._give_up()
                return
            self._left_in_buffer = left
            self.send_deadline = now + self._state.limits.send_timeout_s
        if now < self.deadline:
            return
        if self._stage == _BODY and self._exchange is not None:
            self._state.counters.timed_out += 1
            self._break(BodyTooSlow(f"The request's body did not arrive within {self._state.limits.body_timeout_s:.0f} seconds."))
        elif self._stage == _HEAD and self._started_ns:
            self._state.counters.timed_out += 1
            self._refuse(Refused(408, "request_timeout", "The request did not arrive in time."))
        elif self.congested:
            # A long answer is still being taken: how long that may last, the other deadline says.
            self.deadline = self.send_deadline
        elif self._stage == _CLOSED:
            self._transport.abort()
        else:
            self._state.counters.timed_out += self._stage == _HEAD
            self._close()

    def drain(self) -> None:
        """Take no further request; a request whose bytes are arriving is still answered."""
        self.keep_alive = False
        if self._exchange is None and self._stage == _HEAD and not self._started_ns:
            self._close()

    def judge_peer(self) -> None:
        """See whether the peer is a trusted proxy, whose word about where requests come from counts."""
        self._trusted = self._state.proxies.trusts(self._peer)

    def abort(self) -> None:
        """Cut the connection: what went out of an answer must not be taken for the whole."""
        self._state.counters.cut += 1
        self._stage = _CLOSED
        exchange, self._exchange = self._exchange, None
        if exchange is not None and exchange.old:
            with contextlib.suppress(OSError):  # it may be closed already
                self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    # What an exchange calls

    @property
    def date_line(self) -> bytes:
        """The header ``date`` of this second."""
        return self._state.date_line

    def send(self, data: bytes) -> None:
        """Hand bytes to the socket."""
        if self._stage != _CLOSED:
            self._transport.write(data)

    def want_body(self) -> None:
        """Somebody waits for more of the body: ask for it, read it, and count the time."""
        exchange = self._exchange
        if exchange is None or self._stage != _BODY:
            return
        if exchange.awaits_continue:
            exchange.awaits_continue = False
            self._transport.write(_CONTINUE)
        self._asked_at = self._loop.time()
        self.deadline = self._asked_at + self._patience_s
        self._resume()

    def got_body(self) -> None:
        """Nobody waits for it any more: the time of the handler is not the caller's."""
        if self._stage == _BODY:
            self._patience_s = max(0.0, self.deadline - self._loop.time())
            self.deadline = _NEVER

    async def drained(self) -> None:
        """Wait until the peer has taken most of what was sent.

        Raises:
            CallerLeft: it went away, or took nothing for too long.
        """
        if self.congested:
            drainer = self._loop.create_future()
            self._drainers.append(drainer)
            await drainer

    def finish(self, status: int) -> None:
        """The answer has ended: go on with the next request, or end the connection."""
        state = self._state
        state.counters.answered[status // 100] += 1
        self._exchange = None
        if self._stage == _ANSWER and self.keep_alive:
            self._stage = _HEAD
            self._started_ns = 0
            self.deadline = self._loop.time() + state.limits.idle_timeout_s
            if self._running > HANDLERS_BEHIND_MAX:
                self._stage, self.deadline = _ANSWER, _NEVER
                self._waits_for_handlers = True
            elif self._buffer or self._paused:
                self._go_on()
        elif self._stage == _ANSWER and not self._buffer:
            self._close()
        elif self._stage != _CLOSED:
            self._linger()

    # Reading

    def _go_on(self) -> None:
        """With the request whose bytes have come already."""
        self._resume()
        if self._buffer:
            self._read_head(self._buffer, self._place)

    def _read_head(self, data: bytes, place: int) -> None:
        """Take a request if its head is whole.

        Args:
            data: what has come; pipelined requests are read where they stand, for copying the rest each time would cost the square of their number.
            place: where the request begins.
        """
        if self._started_ns == 0:
            if not self._line_skipped and data.startswith(b"\r\n", place):
                place += 2  # some clients end a body with an empty line that is not part of it
                self._line_skipped = True
            if place == len(data) or (data[place] == _CR and len(data) - place == 1):
                self._keep(data, place)
                return
            self._started_ns = time.perf_counter_ns()
            self._scanned = 0
        try:
            if self._refusing:
                raise Refused(503, "connections_limit", "This server has as many connections as it can serve.", "Try again shortly.")
            end = data.find(b"\r\n\r\n", place + self._scanned)
            if end < 0 or end - place > HEAD_BYTES_MAX:
                self._wait_for_head(data[place:] if place else data)
                return
            head = read_head(data[place:end])
        except Refused as error:
            self._refuse(error)
            return
        self._line_skipped = False
        self._begin(head, data, end + 4)

    def _keep(self, data: bytes, place: int) -> None:
        """What has come behind a request, for when its turn comes."""
        self._buffer, self._place = (b"", 0) if place == len(data) else (data, place)

    def _wait_for_head(self, data: bytes) -> None:
        """For the rest of a head; what cannot become one is refused at once.

        Raises:
            Refused: 400, 414 or 431.
        """
        if data[0] == _TLS_HANDSHAKE:
            raise malformed("This port speaks HTTP, not HTTPS.")
        if data[0] not in TOKEN_BYTES:
            raise malformed("This is no request of HTTP/1.1.")
        if len(data) > _REQUEST_LINE_BYTES_MAX and data.find(b"\r\n", 0, _REQUEST_LINE_BYTES_MAX + 2) < 0:
            raise uri_too_long()
        if len(data) > HEAD_BYTES_MAX:
            raise headers_too_large()
        if data.count(b"\n", self._scanned) != data.count(b"\r\n", max(0, self._scanned - 1)):
            raise malformed("A line of the request's head does not end in CR LF.")
        if self._scanned == 0:
            self.deadline = self._loop.time() + self._state.limits.header_timeout_s
        self._scanned = max(1, len(data) - 3)
        self._buffer, self._place = data, 0

    def _begin(self, head: RequestHead, data: bytes, place: int) -> None:
        """Start the handler of a request."""
        state = self._state
        client, scheme = self._peer, self._scheme
        if self._trusted:
            client = state.proxies.client(client, head.index.get(b"x-forwarded-for", b""))
            scheme = forwarded_scheme(head.index.get(b"x-forwarded-proto", b""), scheme)
        exchange = self._exchange = Exchange(self, head, client, scheme, self._started_ns)
        self.keep_alive = head.keep_alive and not state.draining
        self.deadline = _NEVER
        if head.length == 0:
            self._stage = _ANSWER
            self._keep(data, place)
        else:
            self._stage = _BODY
            self._remaining = head.length
            self._chunks = ChunkReader() if head.length == CHUNKED else None
            self._patience_s = state.limits.body_timeout_s
            self._buffer, self._place = b"", 0
            exchange.awaits_continue = head.expects_continue and place == len(data)
            if place < len(data):
                self._read_body(data, place)
        state.counters.requests += 1
        state.counters.in_flight += 1
        self._running += 1
        state.running.add(exchange)
        exchange.task = self._loop.create_task(self._run(exchange))

    def _read_body(self, data: bytes, place: int) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        if self._chunks is not None:
            try:
                content, place = self._chunks.feed(data, place)
            except Refused as error:
                self._break(error)
                return
            whole = self._chunks.whole
        else:
            content = data if place == 0 and len(data) <= self._remaining else data[place : place + self._remaining]
            self._remaining -= len(content)
            place += len(content)
            whole = self._remaining == 0
        if content:
            exchange.feed(content)
        if whole:
            self._stage = _ANSWER
            self.deadline = _NEVER
            self._keep(data, place)
            self._chunks = None
            exchange.feed_end()
        else:
            self.deadline += len(content) / self._state.limits.body_bytes_per_s_min
            if exchange.body_waiting > BODY_AHEAD_BYTES_MAX:
                self._pause()

    def _break(self, error: Exception) -> None:
        """No more of this body can be read: whoever waits for it is told."""
        self._stage = _BROKEN
        self.deadline = _NEVER
        self._discarded = 0
        self.keep_alive = False
        if self._exchange is not None:
            self._exchange.feed_error(error)

    def _refuse(self, error: RequestError) -> None:
        """Answer what is no request that a handler could see, and end the connection."""
        self._state.counters.refused += 1
        self._stage = _BROKEN
        self.deadline = _NEVER
        self._buffer = b""
        self.keep_alive = False
        exchange = self._exchange = Exchange(self, RequestHead("GET", False, [], {}), self._peer, self._scheme, self._started_ns)
        exchange.fail(error)

    # The handler

    async def _run(self, exchange: Exchange) -> None:
        state = self._state
        try:
            await state.handler(exchange)
            if not exchange.ended and not exchange.left:
                raise RuntimeError("the handler returned before its answer had ended")
        except CallerLeft:
            if not exchange.left and not exchange.ended:
                self.abort()
        except asyncio.CancelledError:
            # Cancelled by the caller's leaving, or because the server stops: the task is ours, so this ends here.
            if not exchange.left and not exchange.ended:
                self._failed(exchange, Stopping())
        except Exception as error:
            self._failed(exchange, error)
        finally:
            if exchange.left:
                state.counters.left += 1
            exchange.task = None
            self._running -= 1
            state.counters.in_flight -= 1
            state.running.discard(exchange)
            if state.draining and not state.running:
                state.quiet.set()
            if self._waits_for_handlers and self._running <= HANDLERS_BEHIND_MAX:
                self._waits_for_handlers = False
                if self._stage == _ANSWER:
                    self._stage = _HEAD
                    self.deadline = self._loop.time() + state.limits.idle_timeout_s
                    self._go_on()

    def _failed(self, exchange: Exchange, error: Exception) -> None:
        if exchange.ended or exchange.left:
            _logger.error("handler failed after its answer", exc_info=error, extra={"request_id": str(exchange.id)})
            return
        try:
            exchange.fail(error)
        except Exception:
            _logger.exception("error cannot be told", extra={"request_id": str(exchange.id)})
            self.abort()

    # The socket

    def _pause(self) -> None:
        if not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def _linger(self) -> None:
        """End the connection after an answer whose request was not read to its end: tell the peer, and let what it still sends run out."""
        self._stage = _DISCARD
        self._buffer = b""
        self._discarded = 0
        self.deadline = self._loop.time() + self._state.limits.linger_s
        if not self._transport.is_closing():
            self._resume()
            if self._transport.can_write_eof():
                self._transport.write_eof()

    def _close(self) -> None:
        """Close when everything has been sent; cut it when that takes too long."""
        self._stage = _CLOSED
        self.deadline = self._loop.time() + self._state.limits.send_timeout_s
        self._transport.close()

    def _give_up(self) -> None:
        self._state.counters.timed_out += 1
        if self._exchange is not None:
            self._exchange.lose()
        self._release(CallerLeft())
        self._transport.abort()

    def _release(self, error: Exception | None) -> None:
        """Wake those who wait until the peer takes more."""
        drainers, self._drainers = self._drainers, []
        for drainer in drainers:
            if drainer.done():
                continue
            if error is None:
                drainer.set_result(None)
            else:
                drainer.set_exception(error)

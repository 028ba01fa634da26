"""The listening server: opens, keeps the time of its connections, and stops without dropping what is being answered."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Sequence

from ondol.infrastructure.gateway.errors import Stopping
from ondol.infrastructure.gateway.exchange import CLEAN_UP_S
from ondol.infrastructure.gateway.server.forwarded import TrustedProxies
from ondol.infrastructure.gateway.server.protocol import Connection
from ondol.infrastructure.gateway.server.tls import Certificates
from ondol.infrastructure.gateway.server.types import Counters, Handler, Limits, ServerState

BACKLOG = 1_024
YIELD_S = 0.0005
YIELD_S_MAX = 0.010
"""For each open connection a process waits so long before it takes another, at most the second: others with fewer are faster."""
ACCEPTED_LATE_MAX = 16
"""What it takes after that wait."""
ACCEPT_AGAIN_S = 0.1
"""How long connections wait in the backlog when a process can open no more."""

_logger = logging.getLogger(__name__)

_logger = logging.getLogger(__name__)


class Server:
    """An HTTP/1.1 server in the running event loop.

    Args:
        handler: answers each request.
        listeners: bound sockets; the server closes them.
        limits: what callers are granted.
        tls: the certificate, to speak TLS on all of them.
        proxies: whose forwarding headers count.
        shares: other processes listen on the same sockets.
    """

    def __init__(
        self,
        handler: Handler,
        listeners: Sequence[socket.socket],
        limits: Limits | None = None,
        tls: Certificates | None = None,
        proxies: TrustedProxies | None = None,
        *,
        shares: bool = False,
    ) -> None:
        self._handler = handler
        self._listeners = listeners
        self._limits = limits or Limits()
        self._tls = tls
        self._proxies = proxies or TrustedProxies()
        self._shares = shares
        self._opening: set[asyncio.Task[object]] = set()
        self._state: ServerState | None = None
        self._ticking: asyncio.TimerHandle | None = None

    @property
    def counters(self) -> Counters:
        """What it has done since `start`."""
        return self._started().counters

    @property
    def connections_open(self) -> int:
        """Connections that are open now."""
        return len(self._started().open)

    @property
    def port(self) -> int:
        """The port of the first listener."""
        return int(self._listeners[0].getsockname()[1])

    def grant(self, limits: Limits, proxies: TrustedProxies) -> None:
        """Hold callers to these limits, and trust these proxies, from now on; on open connections from their next wait and request."""
        state = self._started()
        self._limits = state.limits = limits
        self._proxies = state.proxies = proxies
        for connection in state.open:
            connection.judge_peer()

    async def start(self) -> None:
        """Begin to accept connections."""
        loop = asyncio.get_running_loop()
        self._state = ServerState(self._handler, self._limits, self._proxies, loop)
        for listener in self._listeners:
            listener.setblocking(False)
            listener.listen(BACKLOG)
            loop.add_reader(listener.fileno(), self._readable, listener)
        self._ticking = loop.call_later(self._limits.tick_s, self._tick)

    async def drain(self, seconds: float) -> None:
        """Stop: no new connection and no further request; what is being answered gets so many seconds.

        Afterwards streams get an error event and end, other requests are answered 503, and their handlers are cancelled.
        """
        state = self._started()
        state.draining = True
        for listener in self._listeners:
            state.loop.remove_reader(listener.fileno())
            listener.close()
        for connection in tuple(state.open):
            connection.drain()
        await self._until_quiet(seconds)
        for exchange in tuple(state.running):
            task = exchange.task
            with contextlib.suppress(Exception):
                exchange.fail(Stopping())
            if task is not None:
                task.cancel()
        await self._until_quiet(CLEAN_UP_S)
        await self._until_closed()
        if self._ticking is not None:
            self._ticking.cancel()
        for connection in tuple(state.open):
            connection.abort()
        await asyncio.sleep(0)

    def _readable(self, listener: socket.socket) -> None:
        """Somebody connects. Where several processes listen on one socket, whoever has more connections leaves the others a moment to take it first.

        An event loop's own server takes all that wait at once, so that one process would get every connection of a burst.
        """
        state = self._started()
        wait_s = min((len(state.open) + len(self._opening)) * YIELD_S, YIELD_S_MAX) if self._shares else 0.0
        if not wait_s:
            self._accept(listener, 1)
            return
        state.loop.remove_reader(listener.fileno())
        state.loop.call_later(wait_s, self._accept_late, listener)

    def _accept_late(self, listener: socket.socket) -> None:
        state = self._started()
        if not state.draining and self._accept(listener, ACCEPTED_LATE_MAX):
            state.loop.add_reader(listener.fileno(), self._readable, listener)

    def _accept(self, listener: socket.socket, most: int) -> bool:
        """Take connections that wait. False when none can be taken for now; it is tried again then."""
        state = self._started()
        for _ in range(most):
            try:
                connected, _address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return True
            except OSError as error:
                # No descriptor is free, or no memory: those who wait stay in the backlog until one is.
                _logger.error("connection not accepted", extra={"reason": error.strerror})
                state.loop.remove_reader(listener.fileno())
                state.loop.call_later(ACCEPT_AGAIN_S, self._accept_late, listener)
                return False
            task = state.loop.create_task(self._open(connected))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        return True

    async def _open(self, connected: socket.socket) -> None:
        """Give a connection its protocol, after TLS where that is spoken; one whose handshake fails is gone."""
        state = self._started()
        tls = self._tls
        try:
            await state.loop.connect_accepted_socket(
                lambda: Connection(state),
                connected,
                ssl=tls.context if tls else None,
                ssl_handshake_timeout=self._limits.handshake_timeout_s if tls else None,
                ssl_shutdown_timeout=self._limits.linger_s if tls else None,
            )
        except (OSError, ssl.SSLError, TimeoutError) as error:
            _logger.debug("connection not opened", extra={"reason": type(error).__name__})
            connected.close()

    async def _until_quiet(self, seconds: float) -> None:
        """Until no handler runs."""
        state = self._started()
        if state.running:
            await _within(seconds, state.quiet)

    async def _until_closed(self) -> None:
        """Let what was written reach its reader."""
        state = self._started()
        if state.open:
            await _within(self._limits.linger_s, state.closed)

    def _tick(self) -> None:
        """A look at all deadlines and at the certificate's files. One timer for all is cheaper than one for each."""
        state = self._started()
        state.tell_date()
        now = state.loop.time()
        self._ticking = state.loop.call_later(self._limits.tick_s, self._tick)
        for connection in tuple(state.open):
            if now < connection.deadline and now < connection.send_deadline:
                continue
            try:
                connection.check_deadline(now)
            except Exception:
                _logger.exception("connection cannot be ended")
                connection.abort()
        if self._tls is not None:
            self._tls.refresh()

    def _started(self) -> ServerState:
        if self._state is None:
            raise RuntimeError("The server has not been started.")
        return self._state


async def _within(seconds: float, event: asyncio.Event) -> None:
    event.clear()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()

"""The listening server: opens, keeps the time of its connections, and stops without dropping what is being answered."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Sequence

from ondol.infrastructure.gateway.errors import Stopping
from ondol.infrastructure.gateway.exchange import CLEAN_UP_S
from ondol.infrastructure.gateway.server.forwarded import TrustedProxies
from ondol.infrastructure.gateway.server.protocol import Connection
from ondol.infrastructure.gateway.server.tls import Certificates
from ondol.infrastructure.gateway.server.types import Counters, Handler, Limits, ServerState

BACKLOG = 1_024

_logger = logging.getLogger(__name__)


class Server:
    """An HTTP/1.1 server in the running event loop.

    Args:
        handler: answers each request.
        listeners: bound sockets; the server closes them.
        limits: what callers are granted.
        tls: the certificate, to speak TLS on all of them.
        proxies: whose forwarding headers count.
    """

    def __init__(
        self,
        handler: Handler,
        listeners: Sequence[socket.socket],
        limits: Limits | None = None,
        tls: Certificates | None = None,
        proxies: TrustedProxies | None = None,
    ) -> None:
        self._handler = handler
        self._listeners = listeners
        self._limits = limits or Limits()
        self._tls = tls
        self._proxies = proxies or TrustedProxies()
        self._servers: list[asyncio.Server] = []
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

    async def start(self) -> None:
        """Begin to accept connections."""
        loop = asyncio.get_running_loop()
        state = self._state = ServerState(self._handler, self._limits, self._proxies, loop)
        for listener in self._listeners:
            self._servers.append(
                await loop.create_server(
                    lambda: Connection(state),
                    sock=listener,
                    backlog=BACKLOG,
                    ssl=self._tls.context if self._tls else None,
                    ssl_handshake_timeout=self._limits.handshake_timeout_s if self._tls else None,
                    ssl_shutdown_timeout=self._limits.linger_s if self._tls else None,
                )
            )
        self._ticking = loop.call_later(self._limits.tick_s, self._tick)

    async def drain(self, seconds: float) -> None:
        """Stop: no new connection and no further request; what is being answered gets so many seconds.

        Afterwards streams get an error event and end, other requests are answered 503, and their handlers are cancelled.
        """
        state = self._started()
        state.draining = True
        for server in self._servers:
            server.close()
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

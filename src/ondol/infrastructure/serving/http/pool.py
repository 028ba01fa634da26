"""The connections to one origin under one set of egress rules: kept alive, bounded, handed out last in, first out."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from ondol.infrastructure.serving.errors import busy
from ondol.infrastructure.serving.http.connection import Connection
from ondol.infrastructure.serving.http.watch import Watch

CONNECTIONS_PER_ORIGIN_MAX = 1024
IDLE_PER_ORIGIN_MAX = 256
IDLE_S = 4.0
"""Shorter than the 5 s after which uvicorn-based servers close an idle connection: longer would meet half-closed ones."""
WAITERS_MAX = 4096
"""Requests that wait for a free connection; further ones are refused at once."""


class Pool:
    """One origin's connections.

    Args:
        connect: makes a transport for a connection, within its own time-out.
    """

    def __init__(
        self,
        watch: Watch,
        connect: Callable[[Connection, float], Awaitable[None]],
        *,
        connections_max: int = CONNECTIONS_PER_ORIGIN_MAX,
        emptied: Callable[[], None] = lambda: None,
    ) -> None:
        self.watch = watch
        self._connect = connect
        self.connections_max = connections_max
        self._emptied = emptied
        self._idle: dict[Connection, None] = {}
        self._all: set[Connection] = set()
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()

    @property
    def size(self) -> int:
        """Connections that stand or are being made."""
        return len(self._all)

    @property
    def idle(self) -> int:
        """Connections that wait for a request."""
        return len(self._idle)

    def take(self) -> Connection | None:
        """A connection that is free now."""
        return self._idle.popitem()[0] if self._idle else None

    async def open(self, connect_s: float) -> Connection:
        """A fresh connection; when the origin has as many as it may have, the next one that is free.

        Raises:
            UpstreamError: ``upstream_busy``, ``upstream_unreachable``, ``upstream_not_allowed`` or ``upstream_untrusted``.
        """
        while len(self._all) >= self.connections_max:
            connection = await self._wait(connect_s)
            if connection is not None:
                return connection
        connection = Connection(self)
        self._all.add(connection)
        try:
            await self._connect(connection, connect_s)
        except BaseException:
            connection.abort()
            raise
        return connection

    def release(self, connection: Connection) -> None:
        """Called by a connection that can take another request: those who wait come first."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                connection.rest(self.watch.now() + IDLE_S)
                waiter.set_result(connection)
                return
        if len(self._idle) >= IDLE_PER_ORIGIN_MAX:
            connection.abort()
            return
        self._idle[connection] = None
        connection.rest(self.watch.now() + IDLE_S)

    def forget(self, connection: Connection) -> None:
        """Called by a connection that is gone, maybe twice."""
        if connection not in self._all:
            return
        self._all.discard(connection)
        self._idle.pop(connection, None)
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                break
        if not self._all and not self._waiters:
            self._emptied()

    def close(self) -> None:
        """Close every connection at once."""
        for connection in tuple(self._all):
            connection.abort()

    async def _wait(self, seconds: float) -> Connection | None:
        """A connection that became free, or None when there is room for a new one."""
        if len(self._waiters) >= WAITERS_MAX:
            raise busy()
        waiter: asyncio.Future[Connection | None] = self.watch.loop.create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(seconds):
                return await waiter
        except TimeoutError:
            raise busy() from None
        finally:
            self._tidy(waiter)

    def _tidy(self, waiter: asyncio.Future[Connection | None]) -> None:
        """Who left while a connection was being handed over gives it back."""
        task = asyncio.current_task()
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        if waiter.done() and not waiter.cancelled() and task is not None and task.cancelling():
            connection = waiter.result()
            if connection is not None and connection.usable:
                self.release(connection)

"""The connections to one origin under one set of egress rules: kept alive, bounded, handed out last in, first out.

They are shared by tenants. Each may hold no more than `SHARE_OF_FREE` times what is free at that moment: alone it gets eight ninths, n of them get
8 / (8 n + 1) each, and something is always free for whoever comes next, however long the answers hang that others wait for (the dynamic thresholds
of Choudhury and Hahne, IEEE/ACM Transactions on Networking 6(2), 1998). What is free to a tenant is known from counters; nothing is set aside.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from ondol.infrastructure.serving.errors import busy
from ondol.infrastructure.serving.http.connection import Connection
from ondol.infrastructure.serving.http.watch import Watch

CONNECTIONS_PER_ORIGIN_MAX = 1024
IDLE_PER_ORIGIN_MAX = 256
IDLE_S = 4.0
"""Shorter than the 5 s after which uvicorn-based servers close an idle connection: longer would meet half-closed ones."""
WAITERS_MAX = 4096
"""Requests that wait for a free connection; further ones are refused at once."""
WAITERS_PER_SHARE_MAX = WAITERS_MAX // 4
"""Of one tenant."""
SHARE_OF_FREE = 8
Share: TypeAlias = uuid.UUID | None
"""Whose share a connection is taken from: a tenant's; None for the platform's own."""


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
        self._held: dict[Share, int] = {}
        self._waiting: dict[Share, int] = {}
        self._waiters: deque[tuple[asyncio.Future[Connection | None], Share]] = deque()

    @property
    def size(self) -> int:
        """Connections that stand or are being made."""
        return len(self._all)

    @property
    def idle(self) -> int:
        """Connections that wait for a request."""
        return len(self._idle)

    def may(self, share: Share) -> bool:
        """Whether a share allows one more connection now."""
        return self._held.get(share, 0) < SHARE_OF_FREE * (self.connections_max - len(self._all) + len(self._idle))

    def take(self, share: Share = None) -> Connection | None:
        """A connection that is free now."""
        return self._given(self._idle.popitem()[0], share) if self._idle and self.may(share) else None

    async def open(self, connect_s: float, share: Share = None) -> Connection:
        """A fresh connection; when the origin has as many as it may have, or the share is used up, the next one that is free.

        Raises:
            UpstreamError: ``upstream_busy``, ``upstream_unreachable``, ``upstream_not_allowed`` or ``upstream_untrusted``.
        """
        while len(self._all) >= self.connections_max or not self.may(share):
            connection = self.take(share) or await self._wait(connect_s, share)
            if connection is not None:
                return connection
        connection = Connection(self)
        self._all.add(connection)
        self._given(connection, share)
        try:
            await self._connect(connection, connect_s)
        except BaseException:
            connection.abort()
            raise
        return connection

    def release(self, connection: Connection) -> None:
        """Called by a connection that can take another request: those who wait come first."""
        self._returned(connection)
        self._idle[connection] = None
        connection.rest(self.watch.now() + IDLE_S)
        self._serve()
        if len(self._idle) > IDLE_PER_ORIGIN_MAX and connection in self._idle:
            del self._idle[connection]
            connection.abort()

    def forget(self, connection: Connection) -> None:
        """Called by a connection that is gone, maybe twice."""
        if connection not in self._all:
            return
        self._returned(connection)
        self._all.discard(connection)
        self._idle.pop(connection, None)
        self._serve()
        if not self._all and not self._waiters:
            self._emptied()

    def _given(self, connection: Connection, share: Share) -> Connection:
        connection.share = share
        connection.is_held = True
        self._held[share] = self._held.get(share, 0) + 1
        return connection

    def _returned(self, connection: Connection) -> None:
        if not connection.is_held:
            return
        connection.is_held = False
        left = self._held[connection.share] - 1
        if left:
            self._held[connection.share] = left
        else:
            del self._held[connection.share]

    def _serve(self) -> None:
        """Hand what is free to those who wait, in their order, as far as the share of each goes."""
        room = self.connections_max - len(self._all)
        full: set[Share] = set()
        for waiter, share in tuple(self._waiters):
            if not self._idle and room <= 0:
                return
            if waiter.done() or share in full:
                continue
            if not self.may(share):
                full.add(share)
            elif self._idle:
                waiter.set_result(self._given(self._idle.popitem()[0], share))
            else:
                room -= 1
                waiter.set_result(None)

    def close(self) -> None:
        """Close every connection at once."""
        for connection in tuple(self._all):
            connection.abort()

    async def _wait(self, seconds: float, share: Share) -> Connection | None:
        """A connection that became free, or None when there is room for a new one."""
        waiting = self._waiting.get(share, 0)
        if len(self._waiters) >= WAITERS_MAX or waiting >= WAITERS_PER_SHARE_MAX:
            raise busy()
        waiter: asyncio.Future[Connection | None] = self.watch.loop.create_future()
        entry = waiter, share
        self._waiters.append(entry)
        self._waiting[share] = waiting + 1
        try:
            async with asyncio.timeout(seconds):
                return await waiter
        except TimeoutError:
            raise busy() from None
        finally:
            self._waiters.remove(entry)
            self._tidy(waiter, share)

    def _tidy(self, waiter: asyncio.Future[Connection | None], share: Share) -> None:
        """Who left while a connection was being handed over gives it back."""
        left = self._waiting[share] - 1
        if left:
            self._waiting[share] = left
        else:
            del self._waiting[share]
        task = asyncio.current_task()
        if waiter.done() and not waiter.cancelled() and task is not None and task.cancelling():
            connection = waiter.result()
            if connection is not None and connection.usable:
                self.release(connection)

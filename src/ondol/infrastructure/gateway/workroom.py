"""Threads in which long texts are looked at: few, and shared fairly, so that no tenant's long answers hold up another's.

The threads are the guard's own: what writes to disk and seals has others. A tenant has at most all of them but one, waits in a queue of its own, and
the queues are served in turn. Work that nobody waits for any more goes on to its end, and its thread counts as taken until then.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from ondol.infrastructure.gateway.errors import GuardBusy

THREADS_MAX = 8
WAITING_MAX = 64
"""Of one tenant. Whoever comes next is told so: nothing goes on unread."""

T = TypeVar("T")


def threads_for(cores: int) -> int:
    """How many threads there are: one for each core, and one more than a single tenant may have."""
    return max(2, min(THREADS_MAX, cores))


class Workroom:
    """Runs work for tenants in threads. Made and used in one event loop.

    Args:
        threads: two at least.
        waiting_max: of one tenant.
    """

    def __init__(self, threads: int = 0, waiting_max: int = WAITING_MAX) -> None:
        self._threads = threads or threads_for(os.cpu_count() or 1)
        self._waiting_max = waiting_max
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="guard")
        self._running: dict[uuid.UUID, int] = {}
        self._free = self._threads
        self._queues: OrderedDict[uuid.UUID, deque[asyncio.Future[None]]] = OrderedDict()

    async def run(self, tenant_id: uuid.UUID, work: Callable[..., T], *args: Any) -> T:
        """Do something in a thread, once it is the tenant's turn.

        Raises:
            GuardBusy: when too much of the tenant waits already.
        """
        await self._enter(tenant_id)
        loop = asyncio.get_running_loop()
        try:
            running: Future[T] = self._pool.submit(contextvars.copy_context().run, partial(work, *args))
        except BaseException:
            self._leave(tenant_id)
            raise
        # Not when the waiting ends: a thread cannot be ended, and is taken until its work is.
        running.add_done_callback(lambda _: _in_loop(loop, partial(self._leave, tenant_id)))
        return await asyncio.wrap_future(running)

    def _may_begin(self, tenant_id: uuid.UUID) -> bool:
        return self._free > 0 and self._running.get(tenant_id, 0) < self._threads - 1

    async def _enter(self, tenant_id: uuid.UUID) -> None:
        if self._may_begin(tenant_id) and tenant_id not in self._queues:
            self._begin(tenant_id)
            return
        queue = self._queues.setdefault(tenant_id, deque())
        if len(queue) >= self._waiting_max:
            raise GuardBusy
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # the turn came and nobody takes it
                self._leave(tenant_id)
            elif turn in queue:
                queue.remove(turn)
                self._forget(tenant_id)
            raise

    def _begin(self, tenant_id: uuid.UUID) -> None:
        self._free -= 1
        self._running[tenant_id] = self._running.get(tenant_id, 0) + 1

    def _leave(self, tenant_id: uuid.UUID) -> None:
        self._free += 1
        self._running[tenant_id] -= 1
        if not self._running[tenant_id]:
            del self._running[tenant_id]
        for waiting in list(self._queues):
            if self._free and self._may_begin(waiting):
                self._next_of(waiting)

    def _next_of(self, tenant_id: uuid.UUID) -> None:
        """Let the first of a tenant's queue begin, and put the tenant behind the others."""
        queue = self._queues[tenant_id]
        while queue:
            turn = queue.popleft()
            if not turn.done():
                self._begin(tenant_id)
                turn.set_result(None)
                break
        self._queues.move_to_end(tenant_id)
        self._forget(tenant_id)

    def _forget(self, tenant_id: uuid.UUID) -> None:
        if not self._queues.get(tenant_id):
            self._queues.pop(tenant_id, None)


def _in_loop(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)

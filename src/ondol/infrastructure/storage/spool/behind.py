"""Rows on their way to Postgres: off the request's path, in batches, kept in memory while Postgres is away."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from ondol.infrastructure.storage.postgres import Connection, Database
from ondol.infrastructure.storage.spool.rounds import ROUND_EVERY_S, Rounds, away, write_out

BATCH_MAX = 200

_logger = logging.getLogger(__name__)


class Waiting(Protocol):
    """What can wait to be written."""

    @property
    def tenant_id(self) -> uuid.UUID:
        """Whose it is."""
        ...  # pragma: no cover


Item = TypeVar("Item", bound=Waiting)
Write = Callable[[Connection, uuid.UUID, Sequence[Item]], Awaitable[None]]
"""Writes rows of one tenant in its open transaction. It may be asked again with rows that have been written already."""


class WriteBehind(Generic[Item]):
    """Keeps rows and writes them about once a second, a transaction for each tenant and batch. Use it as an async context manager.

    What waits is lost with the process: for records that must not be there is the `Spool`.

    Args:
        name: of what is kept, for logs.
        write: writes a batch.
        weight: characters that a row holds in memory.
        waiting_max: most rows in memory.
        weight_max: most characters in memory.

    Attributes:
        dropped: rows lost because memory was full or Postgres refused them.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        write: Write[Item],
        weight: Callable[[Item], int],
        *,
        waiting_max: int,
        weight_max: int,
        write_every_s: float = ROUND_EVERY_S,
    ) -> None:
        self.dropped = 0
        self._database = database
        self._name = name
        self._write = write
        self._weigh = weight
        self._waiting_max = waiting_max
        self._weight_max = weight_max
        self._waiting: deque[Item] = deque()
        self._weight = 0
        self._dropped_told = 0
        self._flushing = asyncio.Lock()
        self._rounds = Rounds(f"write-behind-{name}", self._round, write_every_s)

    @property
    def waiting(self) -> int:
        """Rows in memory."""
        return len(self._waiting)

    def add(self, item: Item) -> None:
        """Keep a row. Never blocks, never raises."""
        weight = self._weigh(item)
        if len(self._waiting) >= self._waiting_max or self._weight + weight > self._weight_max:
            self.dropped += 1
            return
        self._waiting.append(item)
        self._weight += weight

    async def flush(self) -> bool:
        """Write everything that waits now. False when Postgres is away: the rows stay."""
        async with self._flushing:
            taken = list(self._waiting)
            done: set[int] = set()
            try:
                failed = await self._write_all(taken, done)
            finally:
                # Taken out only now, so that a cancelled round loses nothing and the bound on memory holds during it.
                left = [item for place, item in enumerate(taken) if place not in done]
                for _ in taken:
                    self._weight -= self._weigh(self._waiting.popleft())
                self._waiting.extendleft(reversed(left))
                self._weight += sum(map(self._weigh, left))
        if failed is not None:
            _logger.warning("rows cannot be written", extra={"what": self._name, "reason": type(failed).__name__, "waiting": self.waiting})
        return failed is None

    async def close(self) -> None:
        """Write what is left, within the time that `Rounds` has, and stop. What cannot be written is counted as dropped and logged."""
        await self._rounds.close()
        self.dropped += len(self._waiting)
        self._waiting.clear()
        self._weight = 0
        self._tell_dropped()

    async def __aenter__(self) -> WriteBehind[Item]:
        await self._rounds.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def _round(self) -> None:
        try:
            await self.flush()
        finally:
            self._tell_dropped()

    async def _write_all(self, items: Sequence[Item], done: set[int]) -> Exception | None:
        """Write tenant by tenant until Postgres is away, and collect the places of the rows that are dealt with."""
        by_tenant: dict[uuid.UUID, list[int]] = {}
        for place, item in enumerate(items):
            by_tenant.setdefault(item.tenant_id, []).append(place)
        for tenant_id, places in by_tenant.items():
            for begin in range(0, len(places), BATCH_MAX):
                failed = await self._try(tenant_id, items, places[begin : begin + BATCH_MAX], done)
                if failed is not None:
                    return failed
        return None

    async def _try(self, tenant_id: uuid.UUID, items: Sequence[Item], places: Sequence[int], done: set[int]) -> Exception | None:
        async def write(some: Sequence[int]) -> None:
            async with self._database.tenant_tx(tenant_id) as connection:
                await self._write(connection, tenant_id, [items[place] for place in some])
            done.update(some)

        def refuse(place: int, error: Exception) -> None:
            self.dropped += 1
            done.add(place)
            _logger.error("row refused", extra={"what": self._name, "reason": type(error).__name__})

        try:
            await write_out(places, write, refuse)
        except Exception as error:
            if not away(error):
                raise
            return error
        return None

    def _tell_dropped(self) -> None:
        if self.dropped > self._dropped_told:
            lost = self.dropped - self._dropped_told
            _logger.error("rows dropped", extra={"what": self._name, "dropped": lost, "dropped_in_all": self.dropped})
            self._dropped_told = self.dropped

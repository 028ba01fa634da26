"""What all writing behind requests shares: rounds about once a second, one last round at the end, and what to do about each failure of a write.

A write fails in one of three ways. Postgres is away (or slow, or full): everything is kept and tried again. A month has no partition: the same, until
somebody makes it. A row is refused, and would be each time: it is found by halving, so that it takes no other with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import TypeVar

import psycopg
from psycopg import errors

from ondol.core.errors import KeyDestroyed, OndolError, SealBroken

ROUND_EVERY_S = 1.0
CLOSE_S = 10.0

Item = TypeVar("Item")

_logger = logging.getLogger(__name__)


class Rounds:
    """Runs a round again and again, and once more when it ends. Use it as an async context manager.

    Args:
        name: of what is written, for logs and the task.
        run_round: writes what waits; what it raises is logged, and the next round comes all the same.
        every_s: seconds between two rounds.
    """

    def __init__(self, name: str, run_round: Callable[[], Awaitable[object]], every_s: float = ROUND_EVERY_S) -> None:
        self._name = name
        self._run_round = run_round
        self._every_s = every_s
        self._closing = asyncio.Event()
        self._working: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._closing.clear()
        self._working = asyncio.create_task(self._work(), name=self._name)

    async def close(self) -> None:
        """Run the last round, within `CLOSE_S`, and stop."""
        self._closing.set()
        if self._working is not None:
            await asyncio.wait({self._working}, timeout=CLOSE_S)
            self._working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._working
            self._working = None

    async def __aenter__(self) -> Rounds:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def _work(self) -> None:
        last_round = False
        while not last_round:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._closing.wait()
            last_round = self._closing.is_set()
            try:
                await self._run_round()
            except Exception:
                # The boundary of a job: what waits is kept, and the next round may succeed.
                _logger.exception("records cannot be written", extra={"what": self._name})


async def write_out(items: Sequence[Item], write: Callable[[Sequence[Item]], Awaitable[None]], refuse: Callable[[Item, Exception], None]) -> None:
    """Write items together, and where Postgres refuses one of them all others.

    Args:
        write: writes items in one transaction; it may be asked again with items that it has written.
        refuse: is told of an item that cannot be written, ever.

    Raises:
        Exception: what `away` and `lacks_partition` know, and whatever else `write` raises: the items that were not written yet stay the caller's.
    """
    try:
        await write(items)
    except Exception as error:
        if not refused(error) or lacks_partition(error):
            raise
        if len(items) == 1:
            refuse(items[0], error)
            return
        half = len(items) // 2
        await write_out(items[:half], write, refuse)
        await write_out(items[half:], write, refuse)


def refused(error: Exception) -> bool:
    """Whether a write failed for what it would write, so that it would fail again."""
    return isinstance(error, psycopg.DataError | psycopg.IntegrityError | KeyDestroyed | SealBroken)


def away(error: Exception) -> bool:
    """Whether a write failed for a reason that passes."""
    return lacks_partition(error) or (not refused(error) and isinstance(error, psycopg.Error | OSError | OndolError))


def lacks_partition(error: Exception) -> bool:
    """Whether only a month's partition is missing: Postgres reports it as a check without a name."""
    return isinstance(error, errors.CheckViolation) and error.diag.constraint_name is None

"""Request records on their way to Postgres: off the request's path, in batches, kept in memory while Postgres is away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from types import TracebackType

import psycopg
from psycopg import errors

from ondol.infrastructure.gateway.types import RequestRecord
from ondol.infrastructure.storage.postgres import Database, DatabaseAway, load_queries

RECORDS_WAITING_MAX = 50_000
"""About 50 MB, an outage of eight minutes at a hundred requests each second."""
BATCH_MAX = 500
WRITE_EVERY_S = 1.0
CLOSE_S = 10.0

_SQL = load_queries("ondol.infrastructure.gateway")
_logger = logging.getLogger(__name__)


class RequestRecorder:
    """Keeps records and writes them about once a second, a transaction for each tenant. Use it as an async context manager.

    Args:
        database: the doors to Postgres.
        waiting_max: most records in memory; further ones are dropped, counted and logged.
        write_every_s: seconds between two rounds.

    Attributes:
        dropped: records lost because memory was full or Postgres refused them.
    """

    def __init__(self, database: Database, *, waiting_max: int = RECORDS_WAITING_MAX, write_every_s: float = WRITE_EVERY_S) -> None:
        self.dropped = 0
        self._database = database
        self._waiting_max = waiting_max
        self._write_every_s = write_every_s
        self._waiting: deque[RequestRecord] = deque()
        self._dropped_told = 0
        self._closing = asyncio.Event()
        self._flushing = asyncio.Lock()
        self._working: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Records in memory."""
        return len(self._waiting)

    def record(self, record: RequestRecord) -> None:
        """Keep a record. Never blocks, never raises."""
        if len(self._waiting) >= self._waiting_max:
            self.dropped += 1
        else:
            self._waiting.append(record)

    async def start(self) -> None:
        """Begin to write."""
        self._closing.clear()
        self._working = asyncio.create_task(self._work(), name="request-recorder")

    async def close(self) -> None:
        """Write what is left, within `CLOSE_S`, and stop. What cannot be written is counted as dropped and logged."""
        self._closing.set()
        if self._working is not None:
            await asyncio.wait({self._working}, timeout=CLOSE_S)
            self._working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._working
            self._working = None
        self.dropped += len(self._waiting)
        self._waiting.clear()
        self._tell_dropped()

    async def flush(self) -> bool:
        """Write everything that waits now. False when Postgres is away: the records stay."""
        async with self._flushing:
            taken = list(self._waiting)
            written: set[uuid.UUID] = set()
            try:
                away = await self._write_all(taken, written)
            finally:
                # Taken out only now, so that a cancelled round loses nothing and the bound on memory holds during it.
                for _ in taken:
                    self._waiting.popleft()
                self._waiting.extendleft(record for record in reversed(taken) if record.id not in written)
        if away is not None:
            _logger.warning("request records cannot be written", extra={"reason": type(away).__name__, "waiting": len(self._waiting)})
        return away is None

    async def _work(self) -> None:
        last_round = False
        while not last_round:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._write_every_s):
                    await self._closing.wait()
            last_round = self._closing.is_set()
            try:
                await self.flush()
            except Exception:
                _logger.exception("request records cannot be written")
            self._tell_dropped()

    async def _write_all(self, records: Sequence[RequestRecord], written: set[uuid.UUID]) -> Exception | None:
        """Write tenant by tenant until Postgres is away, and collect the ids that are dealt with."""
        by_tenant: dict[uuid.UUID, list[RequestRecord]] = {}
        for record in records:
            by_tenant.setdefault(record.tenant_id, []).append(record)
        for tenant_id, its_records in by_tenant.items():
            for place in range(0, len(its_records), BATCH_MAX):
                batch = its_records[place : place + BATCH_MAX]
                if (away := await self._write(tenant_id, batch, written)) is not None:
                    return away
        return None

    async def _write(self, tenant_id: uuid.UUID, batch: Sequence[RequestRecord], written: set[uuid.UUID]) -> Exception | None:
        """Write a batch and note its ids; or tell why Postgres cannot take it now."""
        try:
            await self._insert(tenant_id, batch)
        except (psycopg.DataError, psycopg.IntegrityError):
            return await self._write_singly(tenant_id, batch, written)
        except (psycopg.Error, DatabaseAway, OSError) as error:
            return error
        written.update(record.id for record in batch)
        return None

    async def _write_singly(self, tenant_id: uuid.UUID, batch: Sequence[RequestRecord], written: set[uuid.UUID]) -> Exception | None:
        """One row of the batch is refused and took the others with it: write each alone and drop those that never can be written."""
        away: Exception | None = None
        for record in batch:
            try:
                await self._insert(tenant_id, [record])
            except (psycopg.DataError, psycopg.IntegrityError) as error:
                if _no_partition(error):
                    away = error
                    continue
                self.dropped += 1
                _logger.error("request record refused", extra={"request_id": str(record.id), "sqlstate": error.sqlstate})
            except (psycopg.Error, DatabaseAway, OSError) as error:
                return error
            written.add(record.id)
        return away

    async def _insert(self, tenant_id: uuid.UUID, batch: Sequence[RequestRecord]) -> None:
        async with self._database.tenant_tx(tenant_id) as connection, connection.cursor() as cursor:
            await cursor.executemany(_SQL["insert_request"], [_row(record) for record in batch])

    def _tell_dropped(self) -> None:
        if self.dropped > self._dropped_told:
            _logger.error("request records dropped", extra={"dropped": self.dropped - self._dropped_told, "dropped_in_all": self.dropped})
            self._dropped_told = self.dropped

    async def __aenter__(self) -> RequestRecorder:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()


def _row(record: RequestRecord) -> dict[str, object]:
    """A record's values by column. An array is a list to the driver, and no rules are none at all."""
    return {**asdict(record), "guard_rules": list(record.guard_rules) or None}


def _no_partition(error: psycopg.Error) -> bool:
    """Whether only the month's partition is missing, which an operator mends: Postgres reports it as a check without a name."""
    return isinstance(error, errors.CheckViolation) and error.diag.constraint_name is None

"""From the spool to Postgres: whole segments, thousands of rows in one transaction, each record once, however often it is tried.

A segment is removed after its rows are committed. Where the process ends between the two, the next one that drains it finds the rows there and
adds nothing: a row, its place in a batch, the batch's event in the ledger and what the limits settle for it come in one transaction or not at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Protocol

from ondol.core.clock import Clock
from ondol.core.ids import unix_ms_of
from ondol.infrastructure.access.limits.bank import close_replica, settle_records
from ondol.infrastructure.gateway.records.audit import make_batches, record_batches
from ondol.infrastructure.gateway.records.lines import settlement_of
from ondol.infrastructure.gateway.records.replicas import dead_replicas
from ondol.infrastructure.storage.postgres import Connection, Database, load_queries, rows
from ondol.infrastructure.storage.postgres.queries import parse_queries
from ondol.infrastructure.storage.spool import (
    ROUND_EVERY_S,
    Rounds,
    Segment,
    away,
    claim,
    keep_aside,
    lacks_partition,
    read_records,
    write_out,
)

BATCH_MAX = 5_000
SEGMENTS_BYTES_MAX = 8 << 20
"""Read at once; bounds the memory of a drain."""
COPY_BYTES = 128 << 10
"""Handed to the driver at once, so that requests are served in between."""
READ_BYTES = 128 << 10
"""Read into records at once, for the same reason."""
MONTHS_MAX = 120
"""Months whose partition one batch may ask for; further ones wait for an operator."""

Settle = Callable[[Connection], Awaitable[None]]
"""Settles what the staged requests were charged, in the transaction that keeps them: so it happens once for each."""

_SQL = load_queries("ondol.infrastructure.gateway.records")
_STAGING = {
    name: query.sql
    for name, query in parse_queries((resources.files("ondol.infrastructure.gateway.records") / "staging.sql").read_text("utf-8")).items()
}
_IDS = re.compile(rb"[0-9a-f]{32}\t[0-9a-f]{32}\t")
_logger = logging.getLogger(__name__)


class Held(Protocol):
    """Who keeps records in memory while the disk takes none."""

    def take_held(self, most: int) -> list[bytes]:
        """Some of them."""
        ...  # pragma: no cover

    def give_back(self, lines: list[bytes]) -> None:
        """Those that could not be written."""
        ...  # pragma: no cover


class RecordDrain:
    """Writes the spool's records to Postgres about once a second. Use it as an async context manager, around the recorder's.

    Any process may drain: it takes the segments that nobody writes or drains, so those of dead workers too.

    Args:
        folder: the spool's.
        held: the recorder of this process.
        batch_max: most rows of one transaction.

    Attributes:
        written: rows kept.
        repeated: records that were kept before: a drain ended between its commit and the removal of the segment.
        unowned: records whose tenant is gone; they are dropped.
        unreadable: damaged lines; they lie beside the segments.
        refused: records that Postgres would never take; they lie there too.
    """

    def __init__(
        self,
        database: Database,
        folder: Path,
        clock: Clock,
        *,
        held: Held | None = None,
        batch_max: int = BATCH_MAX,
        round_every_s: float = ROUND_EVERY_S,
    ) -> None:
        self.written = 0
        self.repeated = 0
        self.unowned = 0
        self.unreadable = 0
        self.refused = 0
        self._database = database
        self._folder = folder
        self._clock = clock
        self._held = held
        self._settle: Settle = _settle_staged
        self._batch_max = batch_max
        self._flushing = asyncio.Lock()
        self._rounds = Rounds("record-drain", self.flush, round_every_s)

    async def flush(self) -> bool:
        """Write everything that may be drained now. False when Postgres is away: the records stay."""
        async with self._flushing:
            try:
                await self._drain_segments()
                await self._drain_held()
                await self._close_replicas()
            except Exception as error:
                if not away(error):
                    raise
                _logger.warning("request records cannot be written", extra={"reason": type(error).__name__})
                return False
        return True

    async def __aenter__(self) -> RecordDrain:
        await self._rounds.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Write what is left. What cannot be written stays in the spool."""
        await self._rounds.close()

    async def _drain_segments(self) -> None:
        while segments := claim(self._folder, SEGMENTS_BYTES_MAX):
            dealt_with = False
            try:
                lines = await self._read(segments)
                await self._write_all(lines)
                dealt_with = True
            finally:
                for segment in segments:
                    if dealt_with:
                        segment.remove()
                    else:
                        segment.release()

    async def _drain_held(self) -> None:
        while self._held is not None and (lines := self._held.take_held(self._batch_max)):
            try:
                await self._write_all(lines)
            except BaseException:
                self._held.give_back(lines)
                raise

    async def _close_replicas(self) -> None:
        """Close the lost replicas of dead workers whose records are all settled."""
        dead = dead_replicas(self._folder)
        try:
            if dead:
                async with self._database.system_tx() as connection:
                    values: dict[str, object] = {"ids": [mark.replica_id for mark in dead]}
                    states = {row["id"]: row["state"] for row in await rows(connection, _SQL["open_replicas"], values)}
                    for mark in dead:
                        if states.get(mark.replica_id) == "lost" and mark.settled:
                            await close_replica(connection, mark.replica_id)
                for mark in dead:
                    if mark.replica_id not in states or (states[mark.replica_id] == "lost" and mark.settled):
                        mark.forget()
        finally:
            for mark in dead:
                mark.release()

    async def _read(self, segments: Sequence[Segment]) -> list[bytes]:
        """The segments' records. Damaged lines are put aside; where the same segment is read again they may be there twice."""
        lines: list[bytes] = []
        damaged: list[bytes] = []
        for segment in segments:
            data = await asyncio.to_thread(segment.read)
            begin = 0
            while begin < len(data):
                end = data.find(b"\n", begin + READ_BYTES) + 1 or len(data)
                found, broken = read_records(data[begin:end])
                damaged += broken
                if not all(map(_IDS.match, found)):
                    damaged += [line for line in found if not _IDS.match(line)]
                    found = [line for line in found if _IDS.match(line)]
                lines += found
                begin = end
                await asyncio.sleep(0)
        if damaged:
            self.unreadable += len(damaged)
            kept = keep_aside(self._folder, damaged)
            _logger.error("request records unreadable", extra={"lines": len(damaged), "kept_aside": kept})
        return lines

    async def _write_all(self, lines: Sequence[bytes]) -> None:
        for begin in range(0, len(lines), self._batch_max):
            await write_out(lines[begin : begin + self._batch_max], self._write, self._refuse)

    async def _write(self, lines: Sequence[bytes]) -> None:
        try:
            await self._write_new(lines)
        except Exception as error:
            if not lacks_partition(error) or not await self._make_months(lines):
                raise
            await self._write_new(lines)

    async def _write_new(self, lines: Sequence[bytes]) -> None:
        """Write lines that are most likely all new; where some are not, find out which."""
        try:
            await self._insert(lines)
        except _NotAllNew:
            fresh = await self._new_among(lines)
            if fresh:
                await self._insert(fresh)

    async def _insert(self, lines: Sequence[bytes]) -> None:
        """One transaction: rows, their batches' events, the sums of their hours, and what is settled for them.

        Raises:
            _NotAllNew: when a row is kept already or its tenant is gone; nothing was written.
        """
        batches, data = await make_batches(lines)
        async with self._database.system_tx() as connection:
            await connection.execute(_STAGING["make_stage"])
            async with connection.cursor() as cursor, cursor.copy(_STAGING["fill_stage"]) as copying:
                for piece in data:
                    await copying.write(piece)
            kept = await connection.execute(_STAGING["keep_staged"])
            if kept.rowcount != len(lines):
                raise _NotAllNew
            await connection.execute(_STAGING["add_hours"])
            await connection.execute(_STAGING["add_model_hours"])
            await connection.execute(_STAGING["add_speeds"])
            await record_batches(connection, batches, self._clock())
            await self._settle(connection)
        self.written += len(lines)

    async def _new_among(self, lines: Sequence[bytes]) -> list[bytes]:
        """The lines that are not kept yet and whose tenant is there, each id once."""
        by_id = {line[:65]: line for line in reversed(lines)}
        keys = [_key(line) for line in by_id.values()]
        async with self._database.system_tx() as connection:
            values: dict[str, object] = {"tenant_ids": [tenant_id for tenant_id, _ in keys], "ids": [identifier for _, identifier in keys]}
            settled = {(row["tenant_id"], row["id"]): row["is_gone"] for row in await rows(connection, _SQL["settled_requests"], values)}
        fresh = [line for line, key in zip(by_id.values(), keys, strict=True) if key not in settled]
        gone = sum(settled.values())
        self.unowned += gone
        self.repeated += len(lines) - len(fresh) - gone
        if gone:
            _logger.warning("request records of removed tenants dropped", extra={"records": gone})
        return fresh

    async def _make_months(self, lines: Sequence[bytes]) -> bool:
        """Make the partitions that the lines need: after a pause of months, or where the clock was wrong. False when that cannot be."""
        months: set[date] = set()
        for line in lines:
            with contextlib.suppress(OverflowError, ValueError, OSError):
                months.add(datetime.fromtimestamp(unix_ms_of(_key(line)[1]) / 1000, UTC).date().replace(day=1))
        if not 0 < len(months) <= MONTHS_MAX:
            return False
        async with self._database.system_tx() as connection:
            for day in sorted(months):
                await connection.execute(_SQL["make_month"], {"day": day})
        return True

    def _refuse(self, line: bytes, error: Exception) -> None:
        self.refused += 1
        kept = keep_aside(self._folder, [line])
        _logger.error("request record refused", extra={"reason": type(error).__name__, "kept_aside": kept})


class _NotAllNew(Exception):
    """Fewer rows were kept than there are lines."""


async def _settle_staged(connection: Connection) -> None:
    """Give the limits what workers have not told them yet: a worker that ended cannot."""
    found = await rows(connection, _STAGING["staged_settlements"], {})
    for replica_id, of_replica in itertools.groupby(found, lambda row: row["replica_id"]):
        settled = [(row["id"], settlement) for row in of_replica if (settlement := settlement_of(row)) is not None]
        await settle_records(connection, replica_id, settled)


def _key(line: bytes) -> tuple[uuid.UUID, uuid.UUID]:
    """The tenant's and the request's id of a line."""
    return uuid.UUID(line[:32].decode()), uuid.UUID(line[33:65].decode())

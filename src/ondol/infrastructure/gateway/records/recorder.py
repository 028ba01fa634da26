"""What the gateway tells of each request: a line in the spool before the caller has the last byte."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from types import TracebackType

from ondol.infrastructure.gateway.records.lines import line_of
from ondol.infrastructure.gateway.records.replicas import ReplicaMarks
from ondol.infrastructure.gateway.records.types import RequestRecord
from ondol.infrastructure.storage.spool import ROUND_EVERY_S, Rounds, Spool, SpoolFull, segment_files

HELD_BYTES_MAX = 16 << 20
"""Records in memory while the disk takes none: about thirty thousand."""
SMALL_SEGMENTS_MAX = 64
"""So many segments wait for Postgres: the one that is written goes on to its full size, instead of one small file each second."""

_logger = logging.getLogger(__name__)


class RequestRecorder:
    """Puts records into the spool. Use it as an async context manager.

    What a record costs in the worst case: while the disk takes records the end of the process loses none whose `record` returned. While it takes none
    (`full`), up to `HELD_BYTES_MAX` wait in memory and are lost if the process ends before the disk or Postgres takes them; beyond that
    they are dropped and counted.

    Args:
        spool: where records go; closed with the recorder.
        rotate_every_s: seconds after which a segment may be drained.
        held_bytes_max: most bytes in memory while the disk takes none.

    Attributes:
        full: the disk takes no records. The gateway then refuses new requests of tenants that have not said otherwise.
        dropped: records lost because neither disk nor memory took them, or because they were none.
    """

    def __init__(self, spool: Spool, *, rotate_every_s: float = ROUND_EVERY_S, held_bytes_max: int = HELD_BYTES_MAX) -> None:
        self.full = False
        self.dropped = 0
        self._spool = spool
        self._append = spool.append
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        self._held_bytes_max = held_bytes_max
        self._dropped_told = 0
        self._replica_id: uuid.UUID | None = None
        self._marks = ReplicaMarks(spool.folder, spool.worker)
        self._rounds = Rounds("request-recorder", self._round, rotate_every_s)

    @property
    def held(self) -> int:
        """Records in memory, which the disk did not take."""
        return len(self._held)

    def record(self, record: RequestRecord) -> None:
        """Keep a record. Never blocks for longer than a write to a file, and never raises."""
        try:
            line = line_of(record)
        except Exception as error:
            # The boundary of a record: a request must not fail for how it is told.
            self.dropped += 1
            _logger.error("request record refused", extra={"reason": type(error).__name__})
            return
        if record.settlement is not None and record.settlement.replica_id is not self._replica_id:
            self.mark_replica(record.settlement.replica_id)
        try:
            self._append(line)
        except (OSError, SpoolFull) as error:
            self._hold(line, error)

    def mark_replica(self, replica_id: uuid.UUID) -> None:
        """Say which replica of the limits this worker is, as soon as it is one: should it die, its leases are freed when its records are settled."""
        self._replica_id = replica_id
        try:
            self._marks.mark(replica_id)
        except OSError as error:
            _logger.error("the spool takes no mark of a replica", extra={"reason": error.strerror})

    async def rotate(self) -> None:
        """End the segment that is written, and wait until it may be drained."""
        await asyncio.wrap_future(self._spool.rotate())

    def take_held(self, most: int) -> list[bytes]:
        """Records that the disk did not take, for whoever can write them to Postgres; `give_back` those that it could not."""
        taken = [self._held.popleft() for _ in range(min(most, len(self._held)))]
        self._held_bytes -= sum(map(len, taken))
        return taken

    def give_back(self, lines: list[bytes]) -> None:
        """Keep records again that were taken."""
        self._held.extendleft(reversed(lines))
        self._held_bytes += sum(map(len, lines))

    async def __aenter__(self) -> RequestRecorder:
        await self._rounds.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave all records in segments that may be drained. What only memory holds stays with the drain, which ends after the recorder."""
        await self._rounds.close()
        await asyncio.to_thread(self._spool.close)
        self._marks.close()

    async def _round(self) -> None:
        self._move_held()
        if self._spool.open_bytes and len(segment_files(self._spool.folder)) <= SMALL_SEGMENTS_MAX:
            self._spool.rotate()
        if self.dropped > self._dropped_told:
            _logger.error("request records dropped", extra={"dropped": self.dropped - self._dropped_told, "dropped_in_all": self.dropped})
            self._dropped_told = self.dropped

    def _hold(self, line: bytes, error: Exception) -> None:
        if not self.full:
            self.full = True
            _logger.error("the spool takes no request records", extra={"reason": str(error)})
        if self._held_bytes + len(line) > self._held_bytes_max:
            self.dropped += 1
            return
        self._held.append(line)
        self._held_bytes += len(line)

    def _move_held(self) -> None:
        """Put what waits in memory onto the disk, as far as it takes it. `full` ends when nothing waits and the disk takes bytes again."""
        while self._held:
            line = self._held[0]
            try:
                self._append(line)
            except (OSError, SpoolFull):
                return
            self._held.popleft()
            self._held_bytes -= len(line)
        self.full = False

"""A spool of its own, with the recorder that fills it and the drain that empties it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ondol.core.clock import utc_now
from ondol.infrastructure.gateway.records.drain import RecordDrain
from ondol.infrastructure.gateway.records.recorder import RequestRecorder
from ondol.infrastructure.storage.postgres import Database
from ondol.infrastructure.storage.spool import Spool


@dataclass
class Ground:
    """What a worker has."""

    folder: Path
    recorder: RequestRecorder
    drain: RecordDrain

    async def flush(self) -> bool:
        """Write all that was recorded."""
        await self.recorder.rotate()
        return await self.drain.flush()


@pytest.fixture
async def ground(database: Database, tmp_path: Path) -> AsyncIterator[Ground]:
    folder = tmp_path / "spool"
    spool = Spool(folder)
    recorder = RequestRecorder(spool)
    yield Ground(folder, recorder, RecordDrain(database, folder, utc_now, held=recorder))
    spool.close()

"""A worker process of these tests: it answers each line (an id) with the same line, and records it before."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

from ondol.core.clock import utc_now
from ondol.infrastructure.gateway.records.drain import RecordDrain
from ondol.infrastructure.gateway.records.recorder import RequestRecorder
from ondol.infrastructure.storage.postgres import Database, DatabaseAddresses
from ondol.infrastructure.storage.spool import Spool
from tests.infrastructure.gateway.records.making import make_record


def serve(socket: str, folder: str, addresses: DatabaseAddresses, tenant_id: uuid.UUID) -> None:
    """Serve until killed, and drain all the while."""

    async def work() -> None:
        recorder = RequestRecorder(Spool(Path(folder), segment_bytes_max=20_000), rotate_every_s=0.02)
        database = Database(addresses, pool_max=1)

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                recorder.record(make_record(tenant_id, id=uuid.UUID(line.decode().strip())))
                writer.write(line)
                await writer.drain()

        async with RecordDrain(database, Path(folder), utc_now, held=recorder, round_every_s=0.01, batch_max=100), recorder:
            server = await asyncio.start_unix_server(answer, socket)
            await server.serve_forever()

    asyncio.run(work())

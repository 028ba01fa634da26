"""The spool's part in erasing a person: records on their way name them by id. They are written where accounts belong, and nothing stays behind."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

from ondol.core.clock import Clock
from ondol.core.errors import Conflict
from ondol.infrastructure.gateway.records.drain import RecordDrain
from ondol.infrastructure.ledger.erasure import Eraser, Erasure
from ondol.infrastructure.storage.postgres import Connection, Database
from ondol.infrastructure.storage.spool.segments import ASIDE_NAME, read_records, segment_files

DRAIN_SECONDS_MAX = 15.0
DRAIN_STEP_S = 0.25
"""A worker ends its segment about once a second; then anybody may drain it."""


def spool_eraser(database: Database, folder: Path, clock: Clock) -> Eraser:
    """Has the records of a person drained, and takes them out of what could not be read.

    Args:
        folder: of the spool's segments.
    """

    async def find(_connection: Connection, erasure: Erasure) -> int:
        return await asyncio.to_thread(_records_of, folder, erasure.target_id)

    async def erase(erasure: Erasure) -> None:
        drain = RecordDrain(database, folder, clock)
        for _ in range(int(DRAIN_SECONDS_MAX / DRAIN_STEP_S)):
            if not await asyncio.to_thread(_records_of, folder, erasure.target_id):
                break
            await drain.flush()
            await asyncio.sleep(DRAIN_STEP_S)
        else:
            raise Conflict("Records of the person wait in the spool.", "The job worker goes on when they are written.", code="spool_waits")
        await asyncio.to_thread(_clean_aside, folder / ASIDE_NAME, erasure.target_id)

    async def probe(erasure: Erasure) -> int:
        return await asyncio.to_thread(_lines_naming, folder, erasure.target_id)

    return Eraser(name="spool", store="spool", method="drained", kinds=frozenset({"subject"}), find=find, erase=erase, probe=probe)


def _records_of(folder: Path, person_id: uuid.UUID) -> int:
    """Sound records that name the person, in the segments."""
    found = 0
    for path, _ in segment_files(folder):
        try:
            records, _broken = read_records(path.read_bytes())
        except FileNotFoundError:
            continue
        found += sum(person_id.hex.encode() in record.split(b"\t")[:4] for record in records)
    return found


def _lines_naming(folder: Path, person_id: uuid.UUID) -> int:
    """Lines of any file of the spool that hold the person's id in one of its two spellings, sound or not."""
    spellings = person_id.hex.encode(), str(person_id).encode()
    found = 0
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        try:
            lines = path.read_bytes().split(b"\n") if path.is_file() else ()
        except FileNotFoundError:
            continue
        found += sum(any(spelling in line for spelling in spellings) for line in lines)
    return found


def _clean_aside(path: Path, person_id: uuid.UUID) -> None:
    """Take the lines that name the person out of what could not be read."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    kept = [line for line in lines if person_id.hex.encode() not in line]
    if len(kept) < len(lines):
        fresh = path.with_name(f"{ASIDE_NAME}.new")
        fresh.write_bytes(b"\n".join(kept))
        fresh.chmod(0o600)
        fresh.replace(path)

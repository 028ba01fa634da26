"""Sealed blobs and data keys of documents that no row names: a writer was killed after it had sealed them and before it committed.

Ids carry their time, so what is younger than a grace period is left to the writer that may still be at work; ingest commits nothing that it
sealed longer than `COMMIT_SECONDS_MAX` ago, which is less than the shortest grace. What is older and has no row will never have one. After a
restore as much time must pass first: a backup does not name what came after it, and whoever restored the wrong one has a day to notice.
"""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ondol.application.knowledge import store
from ondol.application.knowledge.content import documents_prefix
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.errors import RequestError
from ondol.core.ids import unix_ms_of
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.blobs import KeyOwner
from ondol.infrastructure.storage.postgres.care import rights_given_at

GRACE = timedelta(hours=24)
GRACE_MIN = timedelta(hours=1)
CHUNK_OBJECTS = 1000
REMOVED_MAX = 10_000
"""A run removes at most so many blobs and so many keys of a tenant, and leaves the rest to the next one."""
EXAMINED_MAX = 5_000_000
"""A run looks at most at so many blobs and so many keys of a tenant."""


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What a run removed from a tenant.

    Attributes:
        is_whole: whether it came to the end before one of its limits.
        waits_until: the database was restored or changed lately; nothing is removed before this time.
    """

    blobs: int = 0
    keys: int = 0
    is_whole: bool = True
    waits_until: datetime | None = None


async def sweep_unnamed(room: Knowledge, tenant_id: uuid.UUID, grace: timedelta = GRACE) -> SweepReport:
    """Remove the blobs and keys of a tenant's documents that are older than the grace period and that no row names.

    The ledger is told the counts of each step before it is done, so nothing goes that it does not tell of. Safe beside ingests and other sweeps.

    Raises:
        RequestError: when the grace period is shorter than `GRACE_MIN`, within which an ingest may still name what it sealed.
        DataFolderError: when a store cannot be listed or written.
    """
    if grace < GRACE_MIN:
        raise RequestError(
            f"The grace period is {grace}.",
            f"It must be at least {GRACE_MIN}: a running ingest has sealed what it has not named yet.",
            code="bad_grace",
        )
    now = room.clock()
    begins = await rights_given_at(room.database) + grace
    if now < begins:
        return SweepReport(waits_until=begins)
    before_ms = int((now - grace).timestamp() * 1000)
    blobs, blobs_whole = await _sweep(room, tenant_id, "version", _old_blobs(room, tenant_id, before_ms))
    keys, keys_whole = await _sweep(room, tenant_id, "document", _old_keys(room, tenant_id, before_ms))
    return SweepReport(blobs, keys, blobs_whole and keys_whole)


Thing = tuple[uuid.UUID, str]
"""The id whose row would name it, and the blob's path; the path is empty for a key."""


def _old_blobs(room: Knowledge, tenant_id: uuid.UUID, before_ms: int) -> Iterator[Thing | None]:
    """Blobs of document versions; None for one that is too young, or is nothing that ingest wrote."""
    prefix = documents_prefix(tenant_id)
    for path in room.blobs.list(prefix):
        parts = path.removeprefix(prefix + "/").split("/")
        version_id = _old_id(parts[1], before_ms) if len(parts) == 3 else None
        yield (version_id, path) if version_id is not None else None


def _old_keys(room: Knowledge, tenant_id: uuid.UUID, before_ms: int) -> Iterator[Thing | None]:
    """Keys of documents; None for another owner's or one that is too young. Keys of people and tenants are not for a sweep."""
    for owner in room.keyring.list_owners(tenant_id):
        document_id = _old_id(str(owner.id), before_ms) if owner.kind == "document" else None
        yield (document_id, "") if document_id is not None else None


def _old_id(text: str, before_ms: int) -> uuid.UUID | None:
    try:
        found = uuid.UUID(text)
    except ValueError:
        return None
    return found if found.version == 7 and unix_ms_of(found) < before_ms else None


async def _sweep(room: Knowledge, tenant_id: uuid.UUID, named_by: Literal["version", "document"], things: Iterator[Thing | None]) -> tuple[int, bool]:
    """Remove what has no row, step by step; how many went, and whether that was all."""
    removed = examined = 0
    async for chunk in _chunks(things):
        examined += len(chunk)
        old = [thing for thing in chunk if thing is not None]
        unnamed = await _unnamed(room, tenant_id, named_by, old, REMOVED_MAX - removed)
        await asyncio.to_thread(_remove, room, tenant_id, unnamed)
        removed += len(unnamed)
        if removed >= REMOVED_MAX or examined >= EXAMINED_MAX:
            return removed, False
    return removed, True


async def _chunks(things: Iterator[Thing | None]) -> AsyncIterator[list[Thing | None]]:
    while chunk := await asyncio.to_thread(lambda: list(itertools.islice(things, CHUNK_OBJECTS))):
        yield chunk


async def _unnamed(
    room: Knowledge, tenant_id: uuid.UUID, named_by: Literal["version", "document"], old: list[Thing], removed_max: int
) -> list[Thing]:
    """Those that no row of the tenant names, told to the ledger."""
    if not old:
        return []
    async with room.database.tenant_tx(tenant_id) as connection:
        ids = {identifier for identifier, _ in old}
        known = await (store.known_versions(connection, ids) if named_by == "version" else store.known_documents(connection, ids))
        unnamed = [thing for thing in old if thing[0] not in known][:removed_max]
        if unnamed:
            body = {"what": "blobs" if named_by == "version" else "keys", "count": len(unnamed)}
            await record(connection, tenant_id, kind="knowledge.swept", actor_id=None, body=body, now=room.clock())
    return unnamed


def _remove(room: Knowledge, tenant_id: uuid.UUID, unnamed: list[Thing]) -> None:
    for identifier, path in unnamed:
        if path:
            room.blobs.delete(path)
        else:
            room.keyring.destroy(KeyOwner(tenant_id, "document", identifier))

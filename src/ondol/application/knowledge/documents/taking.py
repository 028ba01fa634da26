"""The job worker takes uploads in: woken by a notice, and by the clock where one was lost.

Files are parsed here and not where requests are answered, since a hostile one may cost seconds, or the process. One that was begun three times and
never ended is given up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from ondol.application.knowledge.documents.change import Changed
from ondol.application.knowledge.documents.put import put_file
from ondol.application.knowledge.documents.store import QUERIES
from ondol.application.knowledge.documents.uploads import discard, read_upload, seal_detail
from ondol.application.knowledge.parsing import INPUT_BYTES_MAX
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.segments import merge_small
from ondol.core.canonical import Json
from ondol.core.errors import KeyDestroyed, OndolError, RequestError, SealBroken, UnreadableDocument
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.postgres import Connection, Database, one, rows
from ondol.infrastructure.storage.postgres.following import follow

CHANNEL = "ondol_uploads"
AT_ONCE = 2
QUEUED_MAX = 100
ATTEMPTS_MAX = 3
END_S = 10.0
"""When the worker stops, files that are being taken in get so long."""

PASSING = frozenset(
    {"base_busy", "batch_too_slow", "base_changing", "index_outdated", "index_building", "document_changed", "idempotency_key_in_use"}
)
"""Reasons that will be gone: the file waits on."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Taking:
    """Files of one kind that wait for a job worker.

    Attributes:
        channel: of the notices that one has come.
        name: of the kind, for the log.
        waiting: a named query for the system role that tells tenant and id of those that wait.
        take: works on one of them; whether it has ended.
    """

    channel: str
    name: str
    waiting: Any
    take: Callable[[uuid.UUID, uuid.UUID], Awaitable[bool]]


def documents_of(room: Knowledge) -> Taking:
    """What is uploaded to become documents."""
    return Taking(CHANNEL, "uploads", QUERIES["uploads_waiting"], partial(take_in, room))


async def run_takers(database: Database, taking: Taking, stop: asyncio.Event) -> None:
    """Take in what comes until `stop` is set."""
    takers = _Takers(taking)
    following = asyncio.create_task(follow(database, taking.channel, takers.read, name=taking.name, log=_log))
    working = [asyncio.create_task(takers.work()) for _ in range(AT_ONCE)]
    await stop.wait()
    following.cancel()
    takers.stopping = True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(END_S):
            await takers.idle.wait()
    for task in working:
        task.cancel()
    await asyncio.gather(following, *working, return_exceptions=True)


class _Takers:
    """What waits and is known of here, and those who work on it.

    Attributes:
        idle: nothing is being taken in.
    """

    def __init__(self, taking: Taking) -> None:
        self._taking = taking
        self._queue: asyncio.Queue[tuple[uuid.UUID, uuid.UUID]] = asyncio.Queue(QUEUED_MAX)
        self._known: set[tuple[uuid.UUID, uuid.UUID]] = set()
        self._busy = 0
        self.idle = asyncio.Event()
        self.idle.set()
        self.stopping = False

    async def read(self, connection: Connection) -> None:
        """See what waits."""
        for row in await rows(connection, self._taking.waiting, {"limit": QUEUED_MAX}):
            upload = row["tenant_id"], row["id"]
            if upload not in self._known and not self._queue.full():
                self._known.add(upload)
                self._queue.put_nowait(upload)

    async def work(self) -> None:
        """Take in one after the other."""
        while True:
            upload = await self._queue.get()
            if self.stopping:
                continue
            self._busy += 1
            self.idle.clear()
            try:
                await self._taking.take(*upload)
            except Exception:
                # The boundary of this job: the file waits on, and is given up when that has happened too often.
                _log.exception("%s: one not taken in", self._taking.name, extra={"upload": str(upload[1])})
            finally:
                self._known.discard(upload)
                self._busy -= 1
                if not self._busy:
                    self.idle.set()


@dataclass(frozen=True, slots=True)
class _Begun:
    """An upload that somebody takes in."""

    id: uuid.UUID
    base_id: uuid.UUID
    person_id: uuid.UUID
    told_sealed: bytes
    attempts: int


async def take_in(room: Knowledge, tenant_id: uuid.UUID, upload_id: uuid.UUID) -> bool:
    """Take one upload in, unless another process does; whether it has ended, as a document or as a failure."""
    async with room.database.writer_lock(upload_id) as free:
        if not free:
            return False
        async with room.database.tenant_tx(tenant_id) as connection:
            row = await one(connection, QUERIES["upload_begin"], {"id": upload_id})
        if row is None:
            return False
        begun = _Begun(**row)
        if begun.attempts > ATTEMPTS_MAX:
            await _fail(room, tenant_id, begun, "gave_up", "Taking it in was begun again and again and never ended.")
        elif not await _try(room, tenant_id, begun):
            return False
        await asyncio.to_thread(discard, room, tenant_id, upload_id)
    await _tidy(room, tenant_id, begun.base_id)
    return True


async def _try(room: Knowledge, tenant_id: uuid.UUID, begun: _Begun) -> bool:
    """Take a file in, or note why that cannot be; False when it may be possible later."""
    try:
        await _put(room, tenant_id, begun)
    except UnreadableDocument as error:
        await _fail(room, tenant_id, begun, "unreadable", f"{error.message} {error.hint}".strip())
    except (KeyDestroyed, SealBroken):
        await _fail(room, tenant_id, begun, "lost", "What was received cannot be read any more.")
    except RequestError as error:
        if error.code in PASSING:
            return await _put_off(room, tenant_id, begun, error)
        await _fail(room, tenant_id, begun, error.code, f"{error.message} {error.hint}".strip())
    except OndolError as error:
        return await _put_off(room, tenant_id, begun, error)
    return True


async def _put(room: Knowledge, tenant_id: uuid.UUID, begun: _Begun) -> None:
    try:
        told, data = await asyncio.to_thread(read_upload, room, tenant_id, begun.id, bytes(begun.told_sealed), INPUT_BYTES_MAX)
    except RequestError as error:
        if error.code == "blob_too_large":
            raise UnreadableDocument(f"It is larger than {INPUT_BYTES_MAX // 2**20} MiB.", "Split it.") from error
        raise

    async def ended(connection: Connection, changed: Changed, now: datetime) -> None:
        values = {"id": begun.id, "document_id": changed.document_id, "version_id": changed.version_id, "now": now}
        await connection.execute(QUERIES["upload_taken_in"], values)

    await put_file(room, tenant_id, begun.base_id, told, data, person_id=begun.person_id, also=ended)


async def _put_off(room: Knowledge, tenant_id: uuid.UUID, begun: _Begun, error: OndolError) -> bool:
    _log.warning("upload put off", extra={"upload": str(begun.id), "reason": error.message})
    async with room.database.tenant_tx(tenant_id) as connection:
        await connection.execute(QUERIES["upload_put_off"], {"id": begun.id})
    return False


async def _fail(room: Knowledge, tenant_id: uuid.UUID, begun: _Begun, failure: str, detail: str) -> None:
    now = room.clock()
    sealed = seal_detail(room, tenant_id, begun.id, detail)
    async with room.database.tenant_tx(tenant_id) as connection:
        await connection.execute(QUERIES["upload_failed"], {"id": begun.id, "failure": failure, "detail_sealed": sealed, "now": now})
        body: dict[str, Json] = {"base": begun.base_id, "upload": begun.id, "failure": failure}
        await record(connection, tenant_id, kind="document.refused", actor_id=begun.person_id, body=body, now=now)


async def _tidy(room: Knowledge, tenant_id: uuid.UUID, base_id: uuid.UUID) -> None:
    """Merge what has become many small segments; that it fails does not matter to the file."""
    try:
        await merge_small(room, tenant_id, base_id)
    except OndolError as error:
        _log.warning("segments not merged", extra={"reason": error.message})

"""Receiving files for a conversation, and letting them go again with all that was sealed of them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from ondol.application.knowledge.attachments.store import FILES_HIGHEST, QUERIES, attachment_absent, files_in_hand, files_of_thread, seal_details
from ondol.application.knowledge.attachments.terms import terms_path
from ondol.application.knowledge.content import original_path, text_path
from ondol.application.knowledge.documents.put import Told, check_told
from ondol.application.knowledge.documents.uploads import Reception
from ondol.application.knowledge.parsing import INPUT_BYTES_MAX, media_type_of
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.canonical import Json
from ondol.core.errors import RequestError, TooManyRequests
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.blobs import BlobInfo, KeyOwner
from ondol.infrastructure.storage.postgres import Connection, one, rows

KEPT_IN_HAND = timedelta(hours=24)
"""So long a file waits for the first question."""
FORGET_MAX = 1_000
"""Files that go in one transaction."""
WAITING_MAX = 200
"""So many files of a tenant may wait to be read."""
SETTING = "attachments.bytes_max"


@dataclass(frozen=True, slots=True)
class AttachmentLimits:
    """How much may be brought to one conversation.

    Attributes:
        bytes_max: of one file.
        passages_max: of all files together.
    """

    files_max: int
    bytes_max: int
    passages_max: int

    @property
    def file_bytes_max(self) -> int:
        """What of one file is received: none above what is read."""
        return min(self.bytes_max, INPUT_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class AttachmentDesk:
    """Where one process receives attachments.

    Attributes:
        limits: those in force now.
    """

    room: Knowledge
    reception: Reception
    limits: Callable[[], AttachmentLimits]

    async def receive(
        self, tenant_id: uuid.UUID, person_id: uuid.UUID, thread_id: uuid.UUID | None, name: str, chunks: AsyncIterator[bytes]
    ) -> uuid.UUID:
        """Receive a file as it comes; its id. A worker reads it within seconds.

        Args:
            thread_id: a thread of the person; None where the first question is still to come.

        Raises:
            RequestError: the name cannot be used, the file is of a kind that is not read, or there are too many.
            DocumentTooLarge: as soon as that is known.
            TooManyRequests: too many files are received, or wait to be read.
        """
        check_told(Told(name))
        limits = self.limits()
        async with self.room.database.tenant_tx(tenant_id) as connection:
            await self._check(connection, tenant_id, person_id, thread_id, limits)

        async def keep(attachment_id: uuid.UUID, info: BlobInfo, _digest: bytes) -> None:
            now = self.room.clock()
            values: dict[str, object] = {
                "tenant_id": tenant_id,
                "id": attachment_id,
                "person_id": person_id,
                "thread_id": thread_id,
                "bytes": info.plain_bytes,
                "media_type": media_type_of(name),
                "content_address": info.content_address,
                "details_sealed": seal_details(self.room, tenant_id, person_id, attachment_id, name, name),
                "now": now,
            }
            async with self.room.database.tenant_tx(tenant_id) as connection:
                await connection.execute(QUERIES["attachments_lock"], {"place": str(thread_id or person_id)})
                await self._check(connection, tenant_id, person_id, thread_id, limits)
                await connection.execute(QUERIES["attachment_add"], values)
                body: dict[str, Json] = {"attachment": attachment_id, "thread": thread_id, "bytes": info.plain_bytes, "address": info.content_address}
                await record(connection, tenant_id, kind="attachment.received", actor_id=person_id, body=body, now=now)

        return await self.reception.hold(tenant_id, chunks, limits.file_bytes_max, SETTING, keep)

    async def _check(
        self, connection: Connection, tenant_id: uuid.UUID, person_id: uuid.UUID, thread_id: uuid.UUID | None, limits: AttachmentLimits
    ) -> None:
        load = await one(connection, QUERIES["attachments_load"], {})
        if load is not None and load["counted"] >= WAITING_MAX:
            raise TooManyRequests("Too many files wait to be read.", "Send it again later.", code="attachments_wait")
        where = (connection, self.room.keyring, tenant_id)
        there = await (files_of_thread(*where, thread_id) if thread_id is not None else files_in_hand(*where, person_id))
        most = min(limits.files_max, FILES_HIGHEST)
        if len(there) >= most:
            hint = "Remove one, or have `attachments.files_max` raised."
            raise RequestError(f"A conversation has at most {most} files.", hint, code="too_many_attachments", param="file")


async def remove_file(room: Knowledge, tenant_id: uuid.UUID, person_id: uuid.UUID, attachment_id: uuid.UUID) -> None:
    """Remove a file of a person, with all that was sealed of it. Answers that rest on it are withheld from then on.

    Raises:
        NotFound: when the person has no such file.
    """
    now = room.clock()
    async with room.database.tenant_tx(tenant_id) as connection:
        gone = await one(connection, QUERIES["attachment_delete"], {"id": attachment_id, "person_id": person_id})
        if gone is None:
            raise attachment_absent()
        body: dict[str, Json] = {"attachment": attachment_id, "thread": gone["thread_id"]}
        await record(connection, tenant_id, kind="attachment.deleted", actor_id=person_id, body=body, now=now)
    await discard_files(room, tenant_id, [attachment_id])


async def discard_files(room: Knowledge, tenant_id: uuid.UUID, ids: Collection[uuid.UUID]) -> None:
    """Destroy the keys of files and delete what they sealed. What a killed process leaves of them, the nightly sweep removes."""

    def discard() -> None:
        for attachment_id in ids:
            room.keyring.destroy(KeyOwner(tenant_id, "document", attachment_id))
            for path in (original_path, text_path, terms_path):
                room.blobs.delete(path(tenant_id, attachment_id, attachment_id))

    await asyncio.to_thread(discard)
    room.texts.forget(frozenset(ids))


async def forget_files(room: Knowledge, tenant_id: uuid.UUID, now: datetime) -> int:
    """Remove what nobody has asked about for a day, and what was in a thread that has gone; how many files."""
    forgotten = 0
    while True:
        async with room.database.tenant_tx(tenant_id) as connection:
            found = await rows(connection, QUERIES["attachments_forget"], {"before": now - KEPT_IN_HAND, "limit": FORGET_MAX})
        await discard_files(room, tenant_id, [row["id"] for row in found])
        forgotten += len(found)
        if len(found) < FORGET_MAX:
            return forgotten

"""The job worker reads attachments, as it takes documents in: where a hostile one costs no answer its time."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ondol.application.knowledge.attachments.keep import AttachmentLimits, discard_files
from ondol.application.knowledge.attachments.store import QUERIES, Attachment, attachment_of, seal_details, seal_failure
from ondol.application.knowledge.attachments.terms import CUT, count_terms, write_terms
from ondol.application.knowledge.content import original_path, write_text
from ondol.application.knowledge.contents import ReadFile, read_file
from ondol.application.knowledge.documents.taking import ATTEMPTS_MAX, Taking
from ondol.application.knowledge.parsing import INPUT_BYTES_MAX
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.canonical import Json
from ondol.core.errors import Conflict, KeyDestroyed, NotFound, OndolError, SealBroken, UnreadableDocument
from ondol.infrastructure.ledger import Link, NewArtefact, add_artefacts, add_links, record
from ondol.infrastructure.storage.blobs import KeyOwner
from ondol.infrastructure.storage.postgres import Connection, one

CHANNEL = "ondol_attachments"

_log = logging.getLogger(__name__)


def reading_of(room: Knowledge, limits: Callable[[], AttachmentLimits]) -> Taking:
    """What a job worker reads of attachments, and how."""
    return Taking(CHANNEL, "attachments", QUERIES["attachments_waiting"], partial(read_attachment, room, limits))


async def read_attachment(room: Knowledge, limits: Callable[[], AttachmentLimits], tenant_id: uuid.UUID, attachment_id: uuid.UUID) -> bool:
    """Read one file, unless another process does; whether that has ended, well or not."""
    async with room.database.writer_lock(attachment_id) as free:
        if not free:
            return False
        async with room.database.tenant_tx(tenant_id) as connection:
            row = await one(connection, QUERIES["attachment_begin"], {"id": attachment_id})
        if row is None:
            return False
        try:
            found = attachment_of(room.keyring, tenant_id, row)
        except KeyDestroyed:
            return True  # its person was erased, and it goes with them
        if row["attempts"] > ATTEMPTS_MAX:
            await _fail(room, tenant_id, found, "gave_up", "Reading it was begun again and again and never ended.")
            return True
        return await _try(room, tenant_id, found, limits().passages_max)


async def _try(room: Knowledge, tenant_id: uuid.UUID, found: Attachment, passages_max: int) -> bool:
    try:
        await _read(room, tenant_id, found, passages_max)
    except UnreadableDocument as error:
        await _fail(room, tenant_id, found, "unreadable", f"{error.message} {error.hint}".strip())
    except Conflict as error:
        await _fail(room, tenant_id, found, error.code, f"{error.message} {error.hint}".strip())
    except (KeyDestroyed, NotFound, SealBroken):
        await _fail(room, tenant_id, found, "lost", "What was received cannot be read any more.")
    except OndolError as error:
        _log.warning("attachment put off", extra={"attachment": str(found.id), "reason": error.message})
        async with room.database.tenant_tx(tenant_id) as connection:
            await connection.execute(QUERIES["attachment_put_off"], {"id": found.id})
        return False
    return True


async def _read(room: Knowledge, tenant_id: uuid.UUID, found: Attachment, passages_max: int) -> None:
    """Parse, cut, analyse and seal a file.

    Raises:
        UnreadableDocument: it cannot be read, or holds no text.
        Conflict: with it the conversation has too many passages.
    """
    place = (tenant_id, found.id, found.id)
    owner = KeyOwner(tenant_id, "document", found.id)
    data = await asyncio.to_thread(room.blobs.read, owner, original_path(*place), max_bytes=INPUT_BYTES_MAX)
    read = await asyncio.to_thread(read_file, found.name, data, b"", (CUT,))
    cut = read.content.cut_by(CUT)
    if not cut.passages:
        raise UnreadableDocument("No text was found in it.", "A scanned page has none: send a file with text.")
    async with room.database.tenant_tx(tenant_id) as connection:
        _check_passages(len(cut.passages), passages_max, await one(connection, QUERIES["attachment_passages"], _place(found)))
    await asyncio.to_thread(write_text, room.blobs, *place, read.content.text(), cut.passages, CUT.cut)
    await asyncio.to_thread(lambda: write_terms(room, tenant_id, found.id, count_terms(cut.terms, room.tenant_key(tenant_id, "terms"))))
    async with room.database.tenant_tx(tenant_id) as connection:
        await connection.execute(QUERIES["attachments_lock"], {"place": str(found.thread_id or found.person_id)})
        _check_passages(len(cut.passages), passages_max, await one(connection, QUERIES["attachment_passages"], _place(found)))
        is_there = await _note(room, connection, tenant_id, found, read, len(cut.passages))
    if not is_there:  # somebody removed it meanwhile
        await discard_files(room, tenant_id, [found.id])


async def _note(room: Knowledge, connection: Connection, tenant_id: uuid.UUID, found: Attachment, read: ReadFile, passages: int) -> bool:
    """Note that a file was read, with where it came from; whether it is still there."""
    now = room.clock()
    sealed = seal_details(room, tenant_id, found.person_id, found.id, found.name, read.title)
    values: dict[str, object] = {"id": found.id, "details_sealed": sealed, "language": read.language, "passages": passages, "now": now}
    if await one(connection, QUERIES["attachment_ready"], values) is None:
        return False
    artefacts = [NewArtefact(id=found.id, kind="original", address=found.content_address), NewArtefact(id=found.person_id, kind="subject")]
    await add_artefacts(connection, tenant_id, artefacts, now)
    await add_links(connection, tenant_id, [Link(found.id, found.person_id, "about")], now)
    return True


async def _fail(room: Knowledge, tenant_id: uuid.UUID, found: Attachment, failure: str, detail: str) -> None:
    """Note why a file was not read. Its content goes, its name stays to be told."""
    now = room.clock()
    sealed = seal_failure(room, tenant_id, found.person_id, found.id, detail)
    async with room.database.tenant_tx(tenant_id) as connection:
        await connection.execute(QUERIES["attachment_failed"], {"id": found.id, "failure": failure, "detail_sealed": sealed, "now": now})
        body: dict[str, Json] = {"attachment": found.id, "failure": failure}
        await record(connection, tenant_id, kind="attachment.refused", actor_id=found.person_id, body=body, now=now)
    await discard_files(room, tenant_id, [found.id])


def _check_passages(passages: int, passages_max: int, there: Mapping[str, Any] | None) -> None:
    others = int(there["counted"]) if there is not None else 0
    if passages + others > passages_max:
        raise Conflict(
            f"It has {passages:,} passages, and the files of a conversation at most {passages_max:,} together.",
            "Send the part that matters, or remove another file.",
            code="too_many_passages",
        )


def _place(found: Attachment) -> dict[str, object]:
    return {"id": found.id, "thread_id": found.thread_id, "person_id": found.person_id}

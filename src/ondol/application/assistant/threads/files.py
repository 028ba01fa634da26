"""The files of a thread: which of them a question is asked about, and how they are told."""

from __future__ import annotations

import uuid
from typing import Any

from ondol.application.knowledge.attachments.store import Attachment, attachment_absent, files_in_hand, files_of_thread
from ondol.application.knowledge.attachments.terms import CUT
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.errors import Conflict, KeyDestroyed, NotFound, RequestError
from ondol.infrastructure.serving.types import ThreadPlace
from ondol.infrastructure.storage.postgres import Connection


async def files_asked_about(
    room: Knowledge, connection: Connection, tenant_id: uuid.UUID, person_id: uuid.UUID, place: ThreadPlace
) -> tuple[Attachment, ...]:
    """The files that a question is asked about: those of its thread, which is the person's own, or those that a new one begins with.

    What could not be read is left out of a thread's files.

    Raises:
        NotFound: when a file is named that the person does not have in hand.
        Conflict: when one is not read yet, or one that is named could not be read.
        RequestError: when the answer is to rest on files alone, and there are none.
    """
    where = (connection, room.keyring, tenant_id)
    if place.thread_id is not None:
        files = [file for file in await files_of_thread(*where, place.thread_id) if file.state != "failed"]
    else:
        in_hand = {file.id: file for file in await files_in_hand(*where, person_id)} if place.attachments else {}
        files = [_named(in_hand.get(named)) for named in place.attachments]
    for file in files:
        if file.state == "received":
            message, hint = f"{file.name} is not read yet.", "Ask again in a few seconds."
            raise Conflict(message, hint, code="attachment_not_ready", param="ondol.attachments")
    if place.alone and not files:
        hint = "Add one, or leave `ondol.alone` out."
        raise RequestError("The conversation has no file to rest on.", hint, code="no_attachments", param="ondol.alone")
    return tuple(files)


def _named(file: Attachment | None) -> Attachment:
    if file is None:
        raise attachment_absent()
    if file.state == "failed":
        raise Conflict(f"{file.name} could not be read: {file.detail}", "Remove it.", code="attachment_failed", param="ondol.attachments")
    return file


def file_told(room: Knowledge, tenant_id: uuid.UUID, file: Attachment) -> dict[str, Any]:
    """A file as an export tells it: with its text, and where the original is."""
    try:
        text = room.texts.get(tenant_id, file.id, file.id, CUT.cut).text if file.state == "ready" else None
    except (KeyDestroyed, NotFound):
        text = None
    return {
        "id": file.id,
        "name": file.name,
        "title": file.title,
        "state": file.state,
        "media_type": file.media_type,
        "bytes": file.size_bytes,
        "digest": file.content_address.hex(),
        "created_at": file.created_at.isoformat(),
        "text": text,
        "original": f"/api/v1/attachments/{file.id}/original",
    }

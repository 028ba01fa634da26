"""An answer's record for whoever may see it: its asker, and those who may look at what others were told. To all others it does not exist."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ondol.application.assistant.record import AnswerRecord, parse_record
from ondol.application.assistant.store import answer_row, open_answer
from ondol.application.knowledge import store as documents
from ondol.application.knowledge.attachments.store import files_told
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.canonical import digest
from ondol.core.errors import KeyDestroyed, NotFound
from ondol.infrastructure.storage.blobs import KeyOwner


@dataclass(frozen=True, slots=True)
class AnswerView:
    """An answer as one reader sees it now.

    Attributes:
        record: as it is stored, and as its digest was taken.
        titles: of the document versions that this reader may read at this moment, by version.
        question, text: what was asked and shown, for its asker alone; None for others, and after an erasure of the asker or of a document
            that it was shown.
    """

    record: AnswerRecord
    stored: Mapping[str, Any]
    digest: bytes
    titles: Mapping[uuid.UUID, str]
    question: str | None
    text: str | None


async def view_answer(room: Knowledge, tenant_id: uuid.UUID, reader_id: uuid.UUID, answer_id: uuid.UUID, *, sees_all: bool) -> AnswerView:
    """The record of an answer.

    Args:
        sees_all: the reader may look at the records of others. Titles are those that the reader may see, in any case.

    Raises:
        NotFound: there is none that the reader may see; the two cases look the same.
        Conflict: it was given by a version whose records had another form.
    """
    async with room.database.tenant_tx(tenant_id) as connection:
        row = await answer_row(connection, answer_id)
        is_own = row["person_id"] == reader_id
        if not is_own and not sees_all:
            raise NotFound("There is no such answer.", code="answer_not_found")
        kept = parse_record(row["provenance"])
        visible = await room.visible.of(connection, tenant_id, reader_id)
        versions = {item.version for item in kept.evidence}
        readable = await documents.readable_versions(connection, room.keyring, tenant_id, versions, visible.audience_ids, room.clock())
        readable |= await files_told(connection, room.keyring, tenant_id, versions, person_id=reader_id)
    titles = {version_id: version.details.title for version_id, version in readable.items()}
    question, text = await asyncio.to_thread(_opened, room, tenant_id, row) if is_own else (None, None)
    return AnswerView(kept, row["provenance"], digest(row["provenance"]), titles, question, text)


def _opened(room: Knowledge, tenant_id: uuid.UUID, row: Mapping[str, Any]) -> tuple[str | None, str | None]:
    try:
        return open_answer(room.keyring.get(KeyOwner(tenant_id, "subject", row["person_id"])), row)
    except KeyDestroyed:
        return None, None

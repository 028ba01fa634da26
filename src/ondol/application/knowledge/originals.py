"""The original file of a document version, for whoever may read it now."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from ondol.application.knowledge import store
from ondol.application.knowledge.content import original_path
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.errors import NotFound
from ondol.infrastructure.storage.blobs import KeyOwner


@dataclass(frozen=True, slots=True)
class Original:
    """A file as it was taken in; `chunks` is read once."""

    media_type: str
    file_name: str
    chunks: AsyncIterator[bytes]


async def open_original(room: Knowledge, tenant_id: uuid.UUID, person_id: uuid.UUID, version_id: uuid.UUID) -> Original:
    """Open a version's original.

    Raises:
        NotFound: when there is none that this person may read now; the two cases look the same.
    """
    now = room.clock()
    async with room.database.tenant_tx(tenant_id) as connection:
        visible = await room.visible.of(connection, tenant_id, person_id)
        readable = await store.readable_versions(connection, room.keyring, tenant_id, [version_id], visible.audience_ids, now)
    version = readable.get(version_id)
    if version is None:
        raise NotFound("There is no such document.", code="document_not_found")
    return await original_of(room, (tenant_id, version.document_id, version_id), version.media_type, version.details)


async def original_of(room: Knowledge, place: tuple[uuid.UUID, uuid.UUID, uuid.UUID], media_type: str, details: store.Details) -> Original:
    """The original of a version that somebody was just found to be allowed to read.

    Args:
        place: tenant, document and version.
    """
    pieces = await asyncio.to_thread(room.blobs.stream, KeyOwner(place[0], "document", place[1]), original_path(*place))

    async def chunks() -> AsyncIterator[bytes]:
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece

    return Original(media_type, PurePosixPath(details.path).name, chunks())

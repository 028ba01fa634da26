"""The original file of a document version, for whoever may read it now."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote

from ondol.application.knowledge import store
from ondol.application.knowledge.content import original_path
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.errors import NotFound
from ondol.infrastructure.storage.blobs import KeyOwner

DOWNLOADABLE_AS_THEMSELVES = frozenset(
    {
        "application/pdf",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "image/jpeg",
        "image/png",
        "text/csv",
        "text/markdown",
        "text/plain",
    }
)
"""All other originals, HTML and SVG first of all, are named ``application/octet-stream`` so that no browser runs them."""


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


def download_headers(media_type: str, file_name: str) -> dict[str, str]:
    """Headers with which an original goes to a browser: it is kept, and not run."""
    plain = media_type.partition(";")[0].strip().lower()
    safe = plain if plain in DOWNLOADABLE_AS_THEMSELVES else "application/octet-stream"
    return {"Content-Disposition": _attachment(file_name), "Content-Type": safe}


def _attachment(file_name: str) -> str:
    """Content-Disposition for a download (RFC 6266): an ASCII name for old readers, the true one in UTF-8."""
    name = "".join(character for character in file_name.replace("\\", "/").rsplit("/", 1)[-1] if character.isprintable()) or "document"
    plain = "".join(character if character.isascii() and (character.isalnum() or character in "-_. ") else "_" for character in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"

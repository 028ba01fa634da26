"""Finding the document that is to be erased, and hiding it at once."""

from __future__ import annotations

import contextlib
import uuid
from datetime import datetime
from pathlib import PurePosixPath

from ondol.application.knowledge import store
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.canonical import keyed_digest
from ondol.core.errors import NotFound
from ondol.infrastructure.storage.postgres import Connection, load_queries, one, rows

QUERIES = load_queries("ondol.application.knowledge.erasure")
NAME_CHARACTERS_MAX = 1000


async def find_document(room: Knowledge, connection: Connection, tenant_id: uuid.UUID, base_id: uuid.UUID, name: str) -> uuid.UUID:
    """The document of a base by its id, its key, or the path of its file. One that was erased is known by its id only.

    Raises:
        NotFound: when there is none.
    """
    with contextlib.suppress(ValueError):
        if await one(connection, QUERIES["document_by_id"], {"base_id": base_id, "id": uuid.UUID(name)}) is not None:
            return uuid.UUID(name)
    key = room.tenant_key(tenant_id, "knowledge")
    for text in (name, PurePosixPath(name).with_suffix("").as_posix() if PurePosixPath(name).name else name):
        hashes = {"key_hash": keyed_digest(key, "document", text.encode()), "source_hash": keyed_digest(key, "source", name.encode())}
        found = await one(connection, QUERIES["document_by_key"], {"base_id": base_id, **hashes})
        if found is not None:
            return uuid.UUID(str(found["id"]))
    raise NotFound(
        "The base has no such document.",
        "Name it by its key (the id of its front matter, or its path without the suffix) or by its id.",
        code="document_not_found",
    )


async def hide_document(connection: Connection, base_id: uuid.UUID, document_id: uuid.UUID, now: datetime) -> None:
    """Take every version of a document out of all searches, in the caller's transaction."""
    await store.lock_base(connection, base_id)
    await connection.execute(QUERIES["document_hide"], {"document_id": document_id})
    all_versions = [row["id"] for row in await rows(connection, QUERIES["document_versions_all"], {"document_id": document_id})]
    await store.retire(connection, all_versions, now)
    await store.touch_base(connection, base_id)

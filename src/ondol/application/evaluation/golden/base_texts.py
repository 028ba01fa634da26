"""The texts of a knowledge base's documents, for looking whether questions stand in them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from ondol.application.evaluation.golden.store import QUERIES
from ondol.application.knowledge.content import read_text
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.errors import KeyDestroyed, NotFound
from ondol.infrastructure.storage.postgres import Connection, rows

DOCUMENTS_MAX = 100_000


async def current_versions(connection: Connection, base_id: uuid.UUID) -> list[tuple[uuid.UUID, uuid.UUID]]:
    """Document and version of everything that a base holds now."""
    found = await rows(connection, QUERIES["base_versions"], {"base_id": base_id, "limit": DOCUMENTS_MAX})
    return [(row["document_id"], row["id"]) for row in found]


def texts_of(room: Knowledge, tenant_id: uuid.UUID, versions: list[tuple[uuid.UUID, uuid.UUID]]) -> Iterator[tuple[str, str]]:
    """The texts by the ids of their documents, opened one at a time. What was erased meanwhile is passed over. Call it in a thread."""
    for document_id, version_id in versions:
        try:
            yield str(document_id), read_text(room.blobs, tenant_id, document_id, version_id).text
        except (KeyDestroyed, NotFound):
            continue

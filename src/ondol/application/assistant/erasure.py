"""The assistants' part in erasing: an answer that cites or was shown a document repeats its words, and is sealed under its asker's key, not under
the document's. Its content goes; that it was given, and on which ids it rests, stays.
"""

from __future__ import annotations

import uuid
from functools import partial

from ondol.application.assistant.store import QUERIES
from ondol.infrastructure.ledger.erasure import EVERY_KIND, Eraser, Erasure, items_of, row_eraser
from ondol.infrastructure.storage.postgres import Connection, Database, one
from ondol.infrastructure.storage.postgres.probing import count_as_owner

PAGE_ANSWERS = 20_000


def answer_erasers(database: Database) -> list[Eraser]:
    """Empty the answers that were shown a document, or given to a person, and the notes with which access was asked for after them."""
    answers = Eraser(
        name="answers",
        store="postgres",
        method="emptied",
        kinds=EVERY_KIND,
        tables=frozenset({"answers"}),
        find=_find,
        erase=partial(_erase, database),
        probe=partial(_probe, database),
    )
    count = QUERIES["access_notes_count"]
    return [answers, row_eraser(database, "access_notes", method="emptied", tables=["access_requests"], count=count, erase=_empty_notes)]


async def _empty_notes(connection: Connection, erasure: Erasure) -> None:
    person_id = erasure.target_id if erasure.kind == "subject" else None
    await connection.execute(QUERIES["access_notes_empty"], {"person_id": person_id, "erasure_id": erasure.id})


async def _find(connection: Connection, erasure: Erasure) -> int:
    """Note every answer that was shown the document, page by page, or that the person was given."""
    values: dict[str, object] = {"tenant_id": erasure.tenant_id, "erasure_id": erasure.id}
    if erasure.kind == "subject":
        found = await one(connection, QUERIES["answers_of_person"], {**values, "person_id": erasure.target_id})
        return int(found["found"]) if found is not None else 0
    patterns = [f"%{version_id}%" for version_id in await items_of(connection, erasure, "version")]
    after: uuid.UUID | None = uuid.UUID(int=0)
    total = 0
    while after is not None:
        page = await one(connection, QUERIES["answers_shown"], {**values, "after": after, "limit": PAGE_ANSWERS, "patterns": patterns})
        after, total = (page["last"], total + page["found"]) if page is not None else (None, total)
    return total


async def _erase(database: Database, erasure: Erasure) -> None:
    async with database.tenant_tx(erasure.tenant_id) as connection:
        await connection.execute(QUERIES["answers_empty"], {"erasure_id": erasure.id})


async def _probe(database: Database, erasure: Erasure) -> int:
    if erasure.kind == "subject":
        values: dict[str, object] = {"tenant_id": erasure.tenant_id, "person_id": erasure.target_id}
        return await count_as_owner(database, QUERIES["answers_of_person_count"], values)
    async with database.tenant_tx(erasure.tenant_id) as connection:
        versions = [str(version_id) for version_id in await items_of(connection, erasure, "version")]
    return await count_as_owner(database, QUERIES["answers_shown_count"], {"tenant_id": erasure.tenant_id, "version_ids": versions})

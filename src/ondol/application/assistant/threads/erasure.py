"""The threads' part in erasing: turns that may hold words of a document, and all that an assistant remembers of a person."""

from __future__ import annotations

from ondol.application.assistant.threads.store import QUERIES, erase_person, erase_resting_on
from ondol.infrastructure.ledger.erasure import Eraser, Erasure, ErasureKind, items_of, row_eraser
from ondol.infrastructure.storage.postgres import Connection, Database


def thread_erasers(database: Database) -> list[Eraser]:
    """Remove the turns and summaries that rest on a document, or a person's threads and what is kept in mind of them."""

    async def erase_turns(connection: Connection, erasure: Erasure) -> None:
        await erase_resting_on(connection, await items_of(connection, erasure, "version"))

    async def erase_memory(connection: Connection, erasure: Erasure) -> None:
        await erase_person(connection, erasure.target_id)

    documents: frozenset[ErasureKind] = frozenset({"document"})
    subjects: frozenset[ErasureKind] = frozenset({"subject"})
    resting, memory = QUERIES["turns_resting_count"], QUERIES["memory_count"]
    tables = ["threads", "turns", "memory_slots", "thread_shares"]
    return [
        row_eraser(database, "turns", method="deleted", tables=["turns"], kinds=documents, count=resting, erase=erase_turns),
        row_eraser(database, "memory", method="deleted", tables=tables, kinds=subjects, count=memory, erase=erase_memory),
    ]

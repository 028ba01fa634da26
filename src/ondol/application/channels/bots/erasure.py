"""Bots' part in erasing a person: the chat's name for them."""

from __future__ import annotations

from ondol.application.channels.bots.store import QUERIES
from ondol.infrastructure.ledger.erasure import Eraser, Erasure, row_eraser
from ondol.infrastructure.storage.postgres import Connection, Database


def bot_eraser(database: Database) -> Eraser:
    """Removes a person from the bots that know them."""

    async def erase(connection: Connection, erasure: Erasure) -> None:
        await connection.execute(QUERIES["bot_of_person_remove"], {"person_id": erasure.target_id})

    kinds, count = frozenset({"subject"}), QUERIES["bot_of_person_count"]
    return row_eraser(database, "bots", method="deleted", tables=("bot_people",), kinds=kinds, count=count, erase=erase)  # type: ignore[arg-type]

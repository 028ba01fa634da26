"""The golden sets' part in erasing: what an item says goes, that there was one stays, as an id and an address that nobody can turn back."""

from __future__ import annotations

from ondol.application.evaluation.golden.store import QUERIES
from ondol.infrastructure.ledger.erasure import Eraser, Erasure, row_eraser
from ondol.infrastructure.ledger.erasure.rows import values_of
from ondol.infrastructure.storage.postgres import Connection, Database


def golden_erasers(database: Database) -> list[Eraser]:
    """Empty the items that were written from a document, or that a person asked, and remove what was proposed of it."""

    async def erase_items(connection: Connection, erasure: Erasure) -> None:
        await connection.execute(QUERIES["items_erase"], values_of(erasure))

    async def erase_proposals(connection: Connection, erasure: Erasure) -> None:
        await connection.execute(QUERIES["proposals_erase"], values_of(erasure))

    items, proposals = QUERIES["items_erase_count"], QUERIES["proposals_erase_count"]
    return [
        row_eraser(database, "golden_items", method="emptied", tables=["golden_items"], count=items, erase=erase_items),
        row_eraser(database, "golden_proposals", method="deleted", tables=["golden_proposals"], count=proposals, erase=erase_proposals),
    ]

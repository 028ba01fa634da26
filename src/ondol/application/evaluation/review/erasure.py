"""The reviews' part in erasing: what a person asked goes with all that was thought of it; of who judged, the words and the place in queues go."""

from __future__ import annotations

from ondol.application.evaluation.review.store import QUERIES
from ondol.infrastructure.ledger.erasure import Eraser, Erasure, ErasureKind, row_eraser
from ondol.infrastructure.ledger.erasure.rows import values_of
from ondol.infrastructure.storage.postgres import Connection, Database


def review_erasers(database: Database) -> list[Eraser]:
    """Remove items of a person or of answers that a document reached, and what a rater wrote. Points stay, under an id that names nobody."""

    async def erase_items(connection: Connection, erasure: Erasure) -> None:
        await connection.execute(QUERIES["review_items_erase"], values_of(erasure))

    async def erase_rater(connection: Connection, erasure: Erasure) -> None:
        for query in ("rater_erase", "rater_leases_erase", "rater_notes_erase"):
            await connection.execute(QUERIES[query], {"person_id": erasure.target_id})

    subjects: frozenset[ErasureKind] = frozenset({"subject"})
    items, rater = QUERIES["review_items_count"], QUERIES["rater_count"]
    tables = ["review_raters", "review_leases", "review_ratings"]
    return [
        row_eraser(database, "review_items", method="deleted", tables=["review_items"], count=items, erase=erase_items),
        row_eraser(database, "review_raters", method="deleted_or_emptied", tables=tables, kinds=subjects, count=rater, erase=erase_rater),
    ]

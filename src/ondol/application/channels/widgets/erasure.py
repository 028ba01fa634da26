"""Widgets' part in erasing a customer: that they asked through one, and their visits."""

from __future__ import annotations

from ondol.application.channels.widgets.store import QUERIES
from ondol.infrastructure.ledger.erasure import Eraser, Erasure, row_eraser
from ondol.infrastructure.storage.postgres import Connection, Database


def widget_eraser(database: Database) -> Eraser:
    """Removes a customer from the widgets that they asked through."""

    async def erase(connection: Connection, erasure: Erasure) -> None:
        await connection.execute(QUERIES["widget_person_remove"], {"person_id": erasure.target_id})

    tables, kinds = ("widget_customers", "widget_visits"), frozenset({"subject"})
    count = QUERIES["widget_person_count"]
    return row_eraser(database, "widgets", method="deleted", tables=tables, kinds=kinds, count=count, erase=erase)  # type: ignore[arg-type]

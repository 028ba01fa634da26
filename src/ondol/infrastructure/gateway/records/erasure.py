"""The records' part in erasing: what was said goes, that somebody asked stays, as an id and figures."""

from __future__ import annotations

import uuid

from ondol.infrastructure.gateway.records.content import QUERIES, erase_contents
from ondol.infrastructure.gateway.records.feedback import empty_feedback, erase_feedback
from ondol.infrastructure.ledger.erasure import Eraser, Erasure, row_eraser
from ondol.infrastructure.storage.postgres import Connection, Database


def record_erasers(database: Database) -> list[Eraser]:
    """What was said in the requests of a person, or in those whose answers were shown a document, and what people wrote about these answers.

    Records of requests stay: they are the accounts of the tenant, and hold of the person an id that names nobody once the person is gone. What
    waits to be written holds contents for about a second; it is dropped when its person or its answer is erased by then.
    """
    return [
        row_eraser(
            database, "request_contents", method="deleted", tables=["request_contents"], count=QUERIES["contents_count"], erase=_erase_contents
        ),
        row_eraser(database, "feedback", method="deleted_or_emptied", tables=["feedback"], count=QUERIES["feedback_count"], erase=_erase_feedback),
    ]


async def erase_person(connection: Connection, person_id: uuid.UUID) -> dict[str, int]:
    """Remove what one person left in the records, in the caller's tenant transaction; how many rows of each kind that were."""
    return {"contents": await erase_contents(connection, person_id), "feedback": await erase_feedback(connection, person_id)}


async def _erase_contents(connection: Connection, erasure: Erasure) -> None:
    await erase_contents(connection, erasure.target_id if erasure.kind == "subject" else None, erasure.id)


async def _erase_feedback(connection: Connection, erasure: Erasure) -> None:
    if erasure.kind == "subject":
        await erase_feedback(connection, erasure.target_id)
    await empty_feedback(connection, erasure.id)

"""The records' part in erasing a person: what they said goes, that they asked stays, as an id and figures."""

from __future__ import annotations

import uuid

from ondol.infrastructure.gateway.records.content import erase_contents
from ondol.infrastructure.gateway.records.feedback import erase_feedback
from ondol.infrastructure.storage.postgres import Connection


async def erase_person(connection: Connection, person_id: uuid.UUID) -> dict[str, int]:
    """Remove what one person left in the records, in the caller's tenant transaction; how many rows of each kind that were.

    Records of requests stay: they are the accounts of the tenant, and hold of the person an id that names nobody once the person is gone. What
    waits to be written holds contents for about a second; it is dropped when its person is gone or has a tombstone by then.
    """
    return {"contents": await erase_contents(connection, person_id), "feedback": await erase_feedback(connection, person_id)}

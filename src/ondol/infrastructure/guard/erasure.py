"""The guard's part in erasing a person. Destroying the person's data key makes what they left unreadable; this removes the rows as well."""

from __future__ import annotations

import uuid

from ondol.infrastructure.guard.approvals import erase_approvals
from ondol.infrastructure.guard.incidents import erase_samples
from ondol.infrastructure.guard.texts import forget_registrar
from ondol.infrastructure.guard.traffic import erase_traffic
from ondol.infrastructure.guard.vault import erase_tokens
from ondol.infrastructure.storage.postgres import Connection


async def erase_person(connection: Connection, person_id: uuid.UUID) -> dict[str, int]:
    """Remove what one person left in the guard, in the caller's tenant transaction; how many rows of each kind that were.

    Incidents and approvals stay, with their rules, counts and who decided; samples and arguments are emptied.
    """
    return {
        "tokens": await erase_tokens(connection, person_id),
        "texts": await erase_traffic(connection, person_id),
        "samples": await erase_samples(connection, person_id),
        "approvals": await erase_approvals(connection, person_id),
        "registered_texts": await forget_registrar(connection, person_id),
    }

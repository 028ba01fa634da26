"""Access's part in erasing a person: shut out at once, then removed with everything that names them."""

from __future__ import annotations

from datetime import datetime

from ondol.infrastructure.access.people import QUERIES, set_disabled
from ondol.infrastructure.access.types import Person
from ondol.infrastructure.ledger.erasure import Eraser, Erasure, row_eraser
from ondol.infrastructure.storage.postgres import Connection, Database

TABLES = ("people", "person_roles", "api_keys", "sessions", "one_time_codes", "group_people", "audience_people", "person_attributes")


async def hide_person(connection: Connection, person: Person, now: datetime) -> None:
    """Make a person's keys and sessions stop working, in the caller's transaction."""
    await set_disabled(connection, person, disabled=True, now=now)


def person_eraser(database: Database) -> Eraser:
    """Removes a person and all that hangs on them: roles, keys, sessions, codes, memberships, and being named by an audience."""

    async def erase(connection: Connection, erasure: Erasure) -> None:
        await connection.execute(QUERIES["person_remove"], {"person_id": erasure.target_id})

    return row_eraser(database, "person", method="deleted", tables=TABLES, kinds=frozenset({"subject"}), count=QUERIES["person_count"], erase=erase)

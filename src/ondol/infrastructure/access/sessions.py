"""Where a person is signed in, ending that, and changing one's own password."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import DictRow

from ondol.core.canonical import Json
from ondol.core.errors import NotFound, RequestError
from ondol.infrastructure.access import secrets
from ondol.infrastructure.access.devices import Device
from ondol.infrastructure.access.people import QUERIES
from ondol.infrastructure.access.sign_in import SignIn, count_attempt, forgive_attempts
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.postgres import Connection, one, rows

SESSIONS_MAX = 200


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody's sign-in that is in force.

    Attributes:
        last_used_at: to some minutes; None where it was not used yet.
    """

    id: uuid.UUID
    person_id: uuid.UUID
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    device: Device


async def list_sessions(connection: Connection, person_id: uuid.UUID, now: datetime) -> list[Session]:
    """A person's sign-ins that are in force, the newest first."""
    found = await rows(connection, QUERIES["sessions_of_person"], {"person_id": person_id, "now": now, "limit": SESSIONS_MAX})
    return [_session(row) for row in found]


async def end_session(
    connection: Connection, tenant_id: uuid.UUID, person_id: uuid.UUID, session_id: uuid.UUID, now: datetime, *, actor_id: uuid.UUID
) -> None:
    """End one sign-in of a person: it is refused from now on.

    Raises:
        NotFound: when the person has none of that id in force.
    """
    ended = await one(connection, QUERIES["session_end"], {"id": session_id, "person_id": person_id, "now": now})
    if ended is None:
        raise NotFound("There is no such sign-in.", "It may have ended already.", code="session_not_found")
    body: dict[str, Json] = {"person": person_id, "session": session_id}
    await record(connection, tenant_id, kind="session.ended", actor_id=actor_id, body=body, now=now)


async def end_sessions(
    connection: Connection, tenant_id: uuid.UUID, person_id: uuid.UUID, now: datetime, *, but: uuid.UUID | None = None, actor_id: uuid.UUID
) -> int:
    """End all sign-ins of a person, or all but one. How many there were."""
    ended = len(await rows(connection, QUERIES["sessions_end"], {"person_id": person_id, "but": but, "now": now}))
    if ended:
        body: dict[str, Json] = {"person": person_id, "sessions": ended}
        await record(connection, tenant_id, kind="session.all_ended", actor_id=actor_id, body=body, now=now)
    return ended


async def change_password(room: SignIn, who: Principal, current: str, new: str) -> None:
    """Change one's own password, which ends one's other sign-ins. Wrong guesses count as they do when signing in.

    Raises:
        RequestError: when the present password is wrong, or the new one is too short or too long.
        TooManyRequests: after too many wrong guesses.
    """
    now = room.clock()
    account = f"{who.tenant_id}\x00{who.person_id}"
    attempt = await count_attempt(room, account, f"person\x00{who.person_id}", now)
    async with room.database.tenant_tx(who.tenant_id) as connection:
        known = await one(connection, QUERIES["own_password_hash"], {"id": who.person_id})
    async with room.hashing:
        right = await asyncio.to_thread(secrets.password_matches, known["password_hash"] if known else None, current)
    if not right:
        raise RequestError("The present password is wrong.", "Type the one that you signed in with.", code="wrong_password", param="current")
    await forgive_attempts(room, attempt, account, now)
    try:
        async with room.hashing:
            password_hash = await asyncio.to_thread(secrets.hash_password, new)
    except RequestError as error:
        raise RequestError(error.message, error.hint, code=error.code, param="new") from error
    async with room.database.tenant_tx(who.tenant_id) as connection:
        await connection.execute(QUERIES["person_set_password"], {"id": who.person_id, "password_hash": password_hash})
        await end_sessions(connection, who.tenant_id, who.person_id, now, but=who.session_id, actor_id=who.person_id)
        await record(connection, who.tenant_id, kind="password.set", actor_id=who.person_id, body={"person": who.person_id}, now=now)


def _session(row: DictRow) -> Session:
    return Session(
        row["id"], row["person_id"], row["created_at"], row["expires_at"], row["last_used_at"], Device(row["browser"], row["system"], row["network"])
    )

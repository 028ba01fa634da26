"""Requests for access to documents that an answer did not find. They are taken whatever there is: who asks learns nothing by it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias, get_args

from ondol.application.assistant.store import QUERIES, answer_row, open_answer
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.errors import Conflict, Forbidden, KeyDestroyed, NotFound, RequestError, TooManyRequests
from ondol.core.ids import new_id
from ondol.infrastructure.access.audiences import group_ids
from ondol.infrastructure.access.people import get_person, logins_of, set_groups
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing, open_bytes, seal_bytes
from ondol.infrastructure.storage.postgres import Connection, one, rows

AccessState: TypeAlias = Literal["open", "granted", "refused"]
STATES: tuple[AccessState, ...] = get_args(AccessState)
NOTE_CHARACTERS_MAX = 2_000
OPEN_PERSON_MAX = 20
"""Requests of one person that wait for a decision."""
PERSON_DAY_MAX = 50
"""Requests of one person within a day."""
OPEN_MAX = 5_000
"""Requests of one tenant that wait."""
PAGE_MAX = 200
GROUPS_MAX = 20
_LAST = uuid.UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """A request for access, as those see it who decide.

    Attributes:
        login: of who asks; empty, as question and note are, once they were erased.
        question: that was answered, or refused.
    """

    id: uuid.UUID
    answer_id: uuid.UUID
    person_id: uuid.UUID
    login: str
    question: str
    note: str
    state: AccessState
    decided_by: uuid.UUID | None
    decided_at: datetime | None
    created_at: datetime


async def request_access(room: Knowledge, tenant_id: uuid.UUID, person_id: uuid.UUID, answer_id: uuid.UUID, note: str) -> uuid.UUID:
    """Ask for access to what an answer of one's own did not find. Asked again for the same answer it is the same request.

    Returns:
        The request's id.

    Raises:
        NotFound: the person was given no such answer.
        RequestError: the note is too long.
        TooManyRequests: too many requests of theirs, or of the tenant, wait already.
    """
    if len(note) > NOTE_CHARACTERS_MAX:
        raise RequestError(f"A note has at most {NOTE_CHARACTERS_MAX:,} characters.", "Say less.", code="note_too_long", param="note")
    now = room.clock()
    key = await asyncio.to_thread(room.keyring.get, KeyOwner(tenant_id, "subject", person_id))
    request_id = new_id()
    async with room.database.tenant_tx(tenant_id) as connection:
        if (await answer_row(connection, answer_id))["person_id"] != person_id:
            raise NotFound("There is no such answer.", code="answer_not_found")
        known = await one(connection, QUERIES["access_request_of_answer"], {"answer_id": answer_id})
        if known is not None:
            return uuid.UUID(str(known["id"]))
        await _refuse_too_many(connection, person_id, now)
        values: dict[str, object] = {
            "tenant_id": tenant_id,
            "id": request_id,
            "answer_id": answer_id,
            "person_id": person_id,
            "note_sealed": seal_bytes(key, note.encode("utf-8", "surrogatepass"), _context(request_id)) if note else None,
            "now": now,
        }
        if await one(connection, QUERIES["access_request_add"], values) is None:  # another request of theirs was first
            known = await one(connection, QUERIES["access_request_of_answer"], {"answer_id": answer_id})
            return uuid.UUID(str(known["id"])) if known is not None else request_id
        body = {"request": request_id, "answer": answer_id}
        await record(connection, tenant_id, kind="access.requested", actor_id=person_id, body=body, now=now)
    return request_id


async def list_access_requests(
    room: Knowledge,
    tenant_id: uuid.UUID,
    reader_id: uuid.UUID | None,
    *,
    state: AccessState | None = "open",
    before: uuid.UUID | None = None,
    limit: int = 50,
) -> list[AccessRequest]:
    """Requests, the newest first; the next page begins before the last one's id. Who reads them is told to the ledger.

    Args:
        reader_id: who reads; None for whoever runs the installation.

    Raises:
        RequestError: when the limit is not between 1 and `PAGE_MAX`.
    """
    if not 1 <= limit <= PAGE_MAX:
        raise RequestError(f"A page has 1 to {PAGE_MAX} requests.", "Ask for the next page with `before`.", code="bad_limit", param="limit")
    async with room.database.tenant_tx(tenant_id) as connection:
        page = await rows(connection, QUERIES["access_requests_page"], {"state": state, "before": before or _LAST, "limit": limit})
        answers = {row["id"]: row for row in await rows(connection, QUERIES["answers_by_ids"], {"ids": [row["answer_id"] for row in page]})}
        logins = await logins_of(connection, room.keyring, tenant_id, {row["person_id"] for row in page})
        if page:
            await record(connection, tenant_id, kind="access.requests_read", actor_id=reader_id, body={"requests": len(page)}, now=room.clock())
    return await asyncio.to_thread(_opened, room.keyring, tenant_id, page, answers, logins)


async def grant_access(room: Knowledge, tenant_id: uuid.UUID, request_id: uuid.UUID, groups: Collection[str] = (), *, by: uuid.UUID | None) -> None:
    """Grant a request: its asker becomes a member of these groups beside those they are in.

    Raises:
        NotFound: there is no such request, or whoever asked is gone.
        RequestError: a group is unknown.
        Forbidden: nobody grants their own.
        Conflict: it was decided already.
    """
    now = room.clock()
    async with room.database.tenant_tx(tenant_id) as connection:
        row = await _decide(connection, request_id, "granted", by, now)
        if row["person_id"] == by:
            raise Forbidden("Nobody grants themselves access.", "Another owner or admin must decide.", code="own_request")
        given = await group_ids(connection, groups)
        if groups:
            person = await get_person(connection, room.keyring, tenant_id, row["person_id"])
            await set_groups(connection, tenant_id, person.id, {*person.groups, *groups})
        body = {"request": request_id, "person": row["person_id"], "groups": sorted(given.values())}
        await record(connection, tenant_id, kind="access.granted", actor_id=by, body=body, now=now)


async def refuse_access(room: Knowledge, tenant_id: uuid.UUID, request_id: uuid.UUID, *, by: uuid.UUID | None) -> None:
    """Refuse a request. Its asker is not told.

    Raises:
        NotFound: there is no such request.
        Conflict: it was decided already.
    """
    now = room.clock()
    async with room.database.tenant_tx(tenant_id) as connection:
        row = await _decide(connection, request_id, "refused", by, now)
        body = {"request": request_id, "person": row["person_id"]}
        await record(connection, tenant_id, kind="access.refused", actor_id=by, body=body, now=now)


async def _decide(connection: Connection, request_id: uuid.UUID, state: AccessState, by: uuid.UUID | None, now: datetime) -> dict[str, Any]:
    row = await one(connection, QUERIES["access_request_decide"], {"id": request_id, "state": state, "by": by, "now": now})
    if row is not None:
        return row
    found = await one(connection, QUERIES["access_request_by_id"], {"id": request_id})
    if found is None:
        raise NotFound("There is no such request for access.", "`ondol access-request list` shows those that wait.", code="access_request_not_found")
    raise Conflict(f"The request was {found['state']} already.", "A decision stays as it is.", code="access_request_decided")


async def _refuse_too_many(connection: Connection, person_id: uuid.UUID, now: datetime) -> None:
    counted = await one(connection, QUERIES["access_requests_counted"], {"person_id": person_id, "since": now - timedelta(days=1)})
    if counted is not None and (counted["theirs"] >= OPEN_PERSON_MAX or counted["today"] >= PERSON_DAY_MAX or counted["waiting"] >= OPEN_MAX):
        raise TooManyRequests("Too many requests for access wait for a decision.", "Wait until some were decided.", code="too_many_access_requests")


def _opened(
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    page: Sequence[Mapping[str, Any]],
    answers: Mapping[uuid.UUID, Mapping[str, Any]],
    logins: Mapping[uuid.UUID, str],
) -> list[AccessRequest]:
    found = []
    for row in page:
        kept = {name: value for name, value in row.items() if name != "note_sealed"}
        question = note = ""
        try:
            key = keyring.get(KeyOwner(tenant_id, "subject", row["person_id"]))
            if row["note_sealed"] is not None:
                note = open_bytes(key, bytes(row["note_sealed"]), _context(row["id"])).decode("utf-8", "surrogatepass")
            if row["answer_id"] in answers:
                question, _ = open_answer(key, answers[row["answer_id"]])
        except KeyDestroyed:
            pass
        found.append(AccessRequest(**kept, login=logins.get(row["person_id"], ""), question=question, note=note))
    return found


def _context(request_id: uuid.UUID) -> bytes:
    return b"access-request" + request_id.bytes

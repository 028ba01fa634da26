"""Sharing a thread inside the tenant: people and groups who may read it, and nothing else.

A reader is shown the thread under its owner's key, and of it what they may read themselves: an answer that rests on what is closed to them is
withheld.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ondol.application.assistant.threads import store
from ondol.application.assistant.threads.store import QUERIES
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.canonical import Json
from ondol.core.errors import NotFound, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.access.audiences import group_ids
from ondol.infrastructure.access.people import find_person, logins_of
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.postgres import Connection, rows

SHARES_MAX = 50
"""People and groups together, of one thread."""


@dataclass(frozen=True, slots=True)
class Shares:
    """With whom a thread is shared: logins of people, and names of groups."""

    people: Sequence[str] = ()
    groups: Sequence[str] = ()


async def shares_of(room: Knowledge, connection: Connection, tenant_id: uuid.UUID, person_id: uuid.UUID, thread_id: uuid.UUID) -> Shares:
    """With whom a person shares one of their threads.

    Raises:
        NotFound: when the person has no such thread.
    """
    await store.find_thread(connection, room.keyring, tenant_id, person_id, thread_id)
    found = await rows(connection, QUERIES["shares_of_thread"], {"thread_id": thread_id, "limit": SHARES_MAX})
    logins = await logins_of(connection, room.keyring, tenant_id, {row["person_id"] for row in found if row["person_id"]})
    return Shares(sorted(login for login in logins.values() if login), sorted(row["group_name"] for row in found if row["group_name"]))


async def share_thread(
    room: Knowledge, connection: Connection, tenant_id: uuid.UUID, person_id: uuid.UUID, thread_id: uuid.UUID, wanted: Shares
) -> None:
    """Share a thread with exactly these people and groups. The ledger is told with whom it begins and with whom it ends.

    Raises:
        NotFound: when the person has no such thread.
        RequestError: when somebody or a group is not there, or there are too many.
    """
    await store.find_thread(connection, room.keyring, tenant_id, person_id, thread_id)
    if len(wanted.people) + len(wanted.groups) > SHARES_MAX:
        raise RequestError(
            f"A thread is shared with at most {SHARES_MAX} people and groups.", "Share it with a group.", code="too_many_shares", param="people"
        )
    people = [await _person_id(room, connection, tenant_id, login) for login in wanted.people]
    groups = await _group_ids(connection, wanted.groups)
    known = await rows(connection, QUERIES["shares_of_thread"], {"thread_id": thread_id, "limit": SHARES_MAX})
    before = {(row["person_id"], row["group_id"]) for row in known}
    after: set[tuple[uuid.UUID | None, uuid.UUID | None]] = {(one, None) for one in people if one != person_id} | {(None, one) for one in groups}
    now = room.clock()
    for reader, group in sorted(after - before, key=str):
        values = {"tenant_id": tenant_id, "id": new_id(), "thread_id": thread_id, "person_id": reader, "group_id": group, "now": now}
        await connection.execute(QUERIES["share_add"], values)
    ended = [row["id"] for row in known if (row["person_id"], row["group_id"]) not in after]
    await connection.execute(QUERIES["shares_end"], {"thread_id": thread_id, "ids": ended})
    for kind, changed in (("thread.shared", after - before), ("thread.unshared", before - after)):
        if changed:
            body: dict[str, Json] = {"thread": thread_id, "people": _ids(one for one, _ in changed), "groups": _ids(one for _, one in changed)}
            await record(connection, tenant_id, kind=kind, actor_id=person_id, body=body, now=now)


async def _person_id(room: Knowledge, connection: Connection, tenant_id: uuid.UUID, login: str) -> uuid.UUID:
    try:
        return (await find_person(connection, room.keyring, tenant_id, login)).id
    except NotFound as error:
        raise RequestError(f"There is nobody with the login {login}.", "Ask them for it.", code="unknown_person", param="people") from error


async def _group_ids(connection: Connection, names: Iterable[str]) -> Sequence[uuid.UUID]:
    try:
        return list((await group_ids(connection, names)).values())
    except RequestError as error:
        raise RequestError(error.message, error.hint, code="unknown_group", param="groups") from error


def _ids(found: Iterable[uuid.UUID | None]) -> list[Json]:
    return [str(one) for one in sorted(one for one in found if one is not None)]

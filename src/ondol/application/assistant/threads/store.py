"""What threads keep in Postgres: everything that was said is sealed under the key of the person whose thread it is."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ondol.application.assistant.threads.types import Slot, Thread, Turn
from ondol.application.knowledge.attachments.store import release_files
from ondol.core.errors import KeyDestroyed, NotFound, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.storage.blobs import DataKey, KeyOwner, KeyRing, open_bytes, seal_bytes
from ondol.infrastructure.storage.postgres import Connection, Database, load_queries, one, rows

TITLE_CHARACTERS_MAX = 120
TURNS_MAX = 1_000
"""Of one thread, all branches together."""
SLOTS_MAX = 20
SLOT_CHARACTERS_MAX = 200
BROUGHT_BACK_FOR = timedelta(minutes=10)
"""So long after it was deleted a thread can be brought back; then it goes."""
FORGET_MAX = 1_000
"""Threads that go in one transaction."""
QUERIES = load_queries("ondol.application.assistant.threads")


async def add_thread(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    person_id: uuid.UUID,
    assistant_id: uuid.UUID,
    *,
    thread_id: uuid.UUID,
    turn: Turn,
    title: str,
    now: datetime,
) -> None:
    """Begin a thread with its first turn."""
    sealed = _sealed_title(keyring, tenant_id, person_id, thread_id, title)
    values = {"tenant_id": tenant_id, "id": thread_id, "assistant_id": assistant_id, "person_id": person_id, "title_sealed": sealed}
    await connection.execute(QUERIES["thread_add"], {**values, "head_id": turn.id, "now": now})
    await _add_turn(connection, keyring, tenant_id, person_id, thread_id, turn)


async def grow_thread(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, person_id: uuid.UUID, thread_id: uuid.UUID, turn: Turn, now: datetime
) -> bool:
    """Add a turn to a thread; False when the thread was deleted, or filled up, meanwhile."""
    values = {"id": thread_id, "person_id": person_id, "head_id": turn.id, "turns_max": TURNS_MAX, "now": now}
    if await one(connection, QUERIES["thread_grow"], values) is None:
        return False
    await _add_turn(connection, keyring, tenant_id, person_id, thread_id, turn)
    return True


async def find_thread(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, person_id: uuid.UUID, thread_id: uuid.UUID) -> Thread:
    """A thread of a person.

    Raises:
        NotFound: when they have no such thread; somebody else's is none of theirs.
    """
    found = await one(connection, QUERIES["thread_by_id"], {"id": thread_id, "person_id": person_id})
    if found is None:
        raise thread_not_found()
    return _thread(keyring, tenant_id, found)


async def list_threads(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    person_id: uuid.UUID,
    *,
    before: uuid.UUID | None = None,
    only_shared: bool = False,
    limit: int,
) -> list[Thread]:
    """A person's threads, those that were spoken in last first.

    Args:
        before: go on behind this one.
        only_shared: those that they share with others.
    """
    values: dict[str, object] = {"person_id": person_id, "before": before, "only_shared": only_shared, "limit": limit}
    return [_thread(keyring, tenant_id, row) for row in await rows(connection, QUERIES["threads_of_person"], values)]


async def find_readable_thread(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, reader_id: uuid.UUID, group_ids: Iterable[uuid.UUID], thread_id: uuid.UUID
) -> Thread:
    """A thread of a person, or one that is shared with them or with a group of theirs.

    Raises:
        NotFound: when there is none; one that is not shared with them is none of theirs.
    """
    values = {"id": thread_id, "person_id": reader_id, "group_ids": list(group_ids)}
    found = await one(connection, QUERIES["thread_for_reader"], values)
    if found is None:
        raise thread_not_found()
    return _thread(keyring, tenant_id, found)


async def list_shared_threads(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    reader_id: uuid.UUID,
    group_ids: Iterable[uuid.UUID],
    *,
    before: uuid.UUID | None = None,
    limit: int,
) -> list[Thread]:
    """The threads of others that are shared with a person or a group of theirs; `before` as in `list_threads`."""
    values: dict[str, object] = {"person_id": reader_id, "group_ids": list(group_ids), "before": before, "limit": limit}
    found = await rows(connection, QUERIES["threads_shared_with"], values)
    return [thread for row in found if (thread := _thread_or_none(keyring, tenant_id, row)) is not None]


async def rename_thread(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, person_id: uuid.UUID, thread_id: uuid.UUID, title: str
) -> None:
    """Give a thread another title.

    Raises:
        NotFound: when the person has no such thread.
        RequestError: when the title is empty or too long.
    """
    plain = " ".join(title.split())
    if not 0 < len(plain) <= TITLE_CHARACTERS_MAX:
        raise RequestError(f"A title has 1 to {TITLE_CHARACTERS_MAX} characters.", code="bad_title", param="title")
    sealed = _sealed_title(keyring, tenant_id, person_id, thread_id, plain)
    if await one(connection, QUERIES["thread_rename"], {"id": thread_id, "person_id": person_id, "title_sealed": sealed}) is None:
        raise thread_not_found()


async def delete_thread(connection: Connection, person_id: uuid.UUID, thread_id: uuid.UUID, now: datetime) -> int:
    """Hide a thread with all that was said in it from everybody, until it goes; how many turns it has.

    Raises:
        NotFound: when the person has no such thread.
    """
    found = await one(connection, QUERIES["thread_delete"], {"id": thread_id, "person_id": person_id, "now": now})
    if found is None:
        raise thread_not_found()
    return int(found["turns"])


async def restore_thread(connection: Connection, person_id: uuid.UUID, thread_id: uuid.UUID, now: datetime) -> int:
    """Bring a thread back that was deleted less than `BROUGHT_BACK_FOR` ago; how many turns it has.

    Raises:
        NotFound: when the person has deleted no such thread, or it has gone.
    """
    found = await one(connection, QUERIES["thread_restore"], {"id": thread_id, "person_id": person_id, "after": now - BROUGHT_BACK_FOR})
    if found is None:
        raise NotFound("There is no such thread to bring back.", "It goes for good some minutes after it was deleted.", code="thread_gone")
    return int(found["turns"])


async def forget_deleted(database: Database, now: datetime) -> int:
    """Remove the threads of all tenants that can no longer be brought back; how many."""
    forgotten = 0
    while True:
        async with database.system_tx() as connection:
            went = (await connection.execute(QUERIES["threads_forget"], {"until": now - BROUGHT_BACK_FOR, "limit": FORGET_MAX})).rowcount
        forgotten += went
        if went < FORGET_MAX:
            return forgotten


async def withdraw_turn(connection: Connection, person_id: uuid.UUID, turn_id: uuid.UUID) -> bool:
    """Take back a turn whose answer nobody has seen to its end, and a thread that was begun with it; whether there was one.

    A turn that something was said after stays.
    """
    found = await one(connection, QUERIES["turn_withdraw"], {"id": turn_id, "person_id": person_id})
    if found is None:
        return False
    values = {"id": found["thread_id"], "person_id": person_id, "turn_id": turn_id}
    if found["parent_id"] is None:
        await release_files(connection, person_id, found["thread_id"], turn_id)
        await connection.execute(QUERIES["thread_withdraw"], values)
    await connection.execute(QUERIES["thread_shrink"], {**values, "parent_id": found["parent_id"]})
    return True


async def path_to(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    person_id: uuid.UUID,
    thread_id: uuid.UUID,
    turn_id: uuid.UUID,
    limit: int,
) -> list[Turn]:
    """A turn and those before it on its branch, the latest first; none when the thread has no such turn."""
    values = {"id": turn_id, "thread_id": thread_id, "person_id": person_id, "limit": limit}
    return [_turn(keyring, tenant_id, person_id, row) for row in await rows(connection, QUERIES["turn_path"], values)]


async def turns_of(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    person_id: uuid.UUID,
    thread_id: uuid.UUID,
    *,
    after: uuid.UUID | None = None,
    limit: int,
) -> list[Turn]:
    """The turns of a thread in the order in which they were said.

    Args:
        after: go on behind this one.
    """
    values: dict[str, object] = {"thread_id": thread_id, "person_id": person_id, "after": after, "limit": limit}
    return [_turn(keyring, tenant_id, person_id, row) for row in await rows(connection, QUERIES["turns_of_thread"], values)]


async def turns_of_threads(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, person_id: uuid.UUID, thread_ids: Iterable[uuid.UUID], limit: int
) -> dict[uuid.UUID, list[Turn]]:
    """The turns of some threads, by thread, each in the order in which they were said."""
    values = {"thread_ids": list(thread_ids), "person_id": person_id, "limit": limit}
    read = await rows(connection, QUERIES["turns_of_threads"], values)

    def opened() -> dict[uuid.UUID, list[Turn]]:
        found: dict[uuid.UUID, list[Turn]] = {}
        for row in read:
            found.setdefault(row["thread_id"], []).append(_turn(keyring, tenant_id, person_id, row))
        return found

    return await asyncio.to_thread(opened)


async def turn_tree(connection: Connection, person_id: uuid.UUID, thread_id: uuid.UUID) -> dict[uuid.UUID, uuid.UUID | None]:
    """The turns of a thread in the order in which they were said, each with the one that it follows."""
    values = {"thread_id": thread_id, "person_id": person_id, "limit": TURNS_MAX}
    return {row["id"]: row["parent_id"] for row in await rows(connection, QUERIES["turn_tree"], values)}


async def turns_by_id(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, person_id: uuid.UUID, thread_id: uuid.UUID, ids: Iterable[uuid.UUID]
) -> list[Turn]:
    """Some turns of a thread, in the order in which they were said."""
    values = {"ids": list(ids), "thread_id": thread_id, "person_id": person_id}
    return [_turn(keyring, tenant_id, person_id, row) for row in await rows(connection, QUERIES["turns_by_id"], values)]


async def put_summary(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    person_id: uuid.UUID,
    turn_id: uuid.UUID,
    summary: str,
    rests_on: Iterable[uuid.UUID],
) -> None:
    """Keep what was said up to a turn, in short."""
    sealed = seal_bytes(_key(keyring, tenant_id, person_id), summary.encode(), b"summary" + turn_id.bytes)
    values = {"id": turn_id, "person_id": person_id, "summary_sealed": sealed, "rests_on": sorted(rests_on)}
    await connection.execute(QUERIES["turn_summary_put"], values)


async def put_slot(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    person_id: uuid.UUID,
    assistant_id: uuid.UUID,
    name: str,
    value: str,
    now: datetime,
) -> None:
    """Have an assistant keep something in mind of a person.

    Raises:
        RequestError: when the value is empty or too long, or there are `SLOTS_MAX` others.
    """
    plain = " ".join(value.split())
    if not 0 < len(plain) <= SLOT_CHARACTERS_MAX:
        raise RequestError(f"What is kept in mind has 1 to {SLOT_CHARACTERS_MAX} characters.", code="bad_memory", param="value")
    known = await slots_of(connection, keyring, tenant_id, person_id, assistant_id)
    if len(known) >= SLOTS_MAX and name not in {slot.name for slot in known}:
        raise RequestError(f"An assistant keeps at most {SLOTS_MAX} things in mind of a person.", "Remove one first.", code="memory_full")
    sealed = seal_bytes(_key(keyring, tenant_id, person_id), plain.encode(), _slot_context(assistant_id, name))
    values = {"tenant_id": tenant_id, "id": new_id(), "assistant_id": assistant_id, "person_id": person_id, "name": name}
    await connection.execute(QUERIES["slot_put"], {**values, "value_sealed": sealed, "now": now})


async def slots_of(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, person_id: uuid.UUID, assistant_id: uuid.UUID) -> list[Slot]:
    """What an assistant keeps in mind of a person, by name."""
    found = await rows(connection, QUERIES["slots_of_person"], {"assistant_id": assistant_id, "person_id": person_id, "limit": SLOTS_MAX})
    if not found:
        return []
    key = _known_key(keyring, tenant_id, person_id)
    return [
        Slot(row["name"], open_bytes(key, bytes(row["value_sealed"]), _slot_context(assistant_id, row["name"])).decode(), row["changed_at"])
        for row in found
    ]


async def remove_slot(connection: Connection, person_id: uuid.UUID, assistant_id: uuid.UUID, name: str) -> None:
    """Have an assistant keep something no longer in mind.

    Raises:
        NotFound: when it does not.
    """
    if await one(connection, QUERIES["slot_delete"], {"assistant_id": assistant_id, "person_id": person_id, "name": name}) is None:
        raise NotFound(f"Nothing is kept in mind under {name}.", code="memory_not_found")


async def erase_person(connection: Connection, person_id: uuid.UUID) -> dict[str, int]:
    """Remove what a person said in threads, what is kept in mind of them, and what others share with them; how many of each."""
    threads = await rows(connection, QUERIES["threads_erase_person"], {"person_id": person_id})
    slots = await rows(connection, QUERIES["slots_erase_person"], {"person_id": person_id})
    shares = await rows(connection, QUERIES["shares_erase_person"], {"person_id": person_id})
    return {"threads": len(threads), "memory_slots": len(slots), "thread_shares": len(shares)}


async def erase_resting_on(connection: Connection, version_ids: Iterable[uuid.UUID]) -> int:
    """Remove the turns of anybody that may hold words of one of these document versions; how many."""
    return len(await rows(connection, QUERIES["turns_erase_resting"], {"version_ids": list(version_ids)}))


def thread_not_found() -> NotFound:
    """There is no such thread of this person."""
    return NotFound("There is no such thread.", "GET /api/v1/threads lists yours.", code="thread_not_found", param="ondol.thread")


async def _add_turn(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, person_id: uuid.UUID, thread_id: uuid.UUID, turn: Turn) -> None:
    said = json.dumps({"question": turn.question, "asked": turn.asked, "answer": turn.answer}, ensure_ascii=False).encode()
    values = {
        "tenant_id": tenant_id,
        "id": turn.id,
        "thread_id": thread_id,
        "parent_id": turn.parent_id,
        "person_id": person_id,
        "refused": turn.refused,
        "said_sealed": seal_bytes(_key(keyring, tenant_id, person_id), said, b"turn" + turn.id.bytes),
        "rests_on": sorted(turn.rests_on),
        "now": turn.created_at,
    }
    await connection.execute(QUERIES["turn_add"], values)


def _thread(keyring: KeyRing, tenant_id: uuid.UUID, row: Mapping[str, Any]) -> Thread:
    title = open_bytes(_known_key(keyring, tenant_id, row["person_id"]), bytes(row["title_sealed"]), b"thread" + row["id"].bytes).decode()
    return Thread(**{name: value for name, value in row.items() if name != "title_sealed"}, title=title)


def _thread_or_none(keyring: KeyRing, tenant_id: uuid.UUID, row: Mapping[str, Any]) -> Thread | None:
    """A thread of somebody else; None where they are being erased."""
    try:
        return _thread(keyring, tenant_id, row)
    except KeyDestroyed:
        return None


def _turn(keyring: KeyRing, tenant_id: uuid.UUID, person_id: uuid.UUID, row: Mapping[str, Any]) -> Turn:
    key = _known_key(keyring, tenant_id, person_id)
    said = json.loads(open_bytes(key, bytes(row["said_sealed"]), b"turn" + row["id"].bytes))
    sealed = row["summary_sealed"]
    return Turn(
        id=row["id"],
        parent_id=row["parent_id"],
        refused=row["refused"],
        rests_on=frozenset(row["rests_on"]),
        created_at=row["created_at"],
        summary=open_bytes(key, bytes(sealed), b"summary" + row["id"].bytes).decode() if sealed is not None else "",
        summary_rests_on=frozenset(row["summary_rests_on"] or ()),
        **said,
    )


def _sealed_title(keyring: KeyRing, tenant_id: uuid.UUID, person_id: uuid.UUID, thread_id: uuid.UUID, title: str) -> bytes:
    return seal_bytes(_key(keyring, tenant_id, person_id), title.encode(), b"thread" + thread_id.bytes)


def _slot_context(assistant_id: uuid.UUID, name: str) -> bytes:
    return b"slot" + assistant_id.bytes + name.encode()


def _key(keyring: KeyRing, tenant_id: uuid.UUID, person_id: uuid.UUID) -> DataKey:
    return keyring.get_or_create(KeyOwner(tenant_id, "subject", person_id))


def _known_key(keyring: KeyRing, tenant_id: uuid.UUID, person_id: uuid.UUID) -> DataKey:
    """The key of what is there already: none is made for somebody who was erased."""
    return keyring.get(KeyOwner(tenant_id, "subject", person_id))

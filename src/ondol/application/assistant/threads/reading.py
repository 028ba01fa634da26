"""Threads as somebody reads them again: what was said, less the answers that rest on what they may no longer read."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from ondol.application.assistant.threads import store
from ondol.application.assistant.threads.files import file_told
from ondol.application.assistant.threads.types import Thread, Turn
from ondol.application.knowledge.attachments.store import files_of_thread, standing_ids
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.store import seen_ids
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.postgres import Connection

PAGE_MAX = 100
"""Threads, or turns, that are read at once."""
EXPORT_VERSION = 1


@dataclass(frozen=True, slots=True)
class ReadTurn:
    """A turn as it is read again.

    Attributes:
        withheld: it rests on something that the person may no longer read, so of the answer nothing is shown.
    """

    turn: Turn
    withheld: bool

    @property
    def answer(self) -> str | None:
        """As it was shown; None when it is withheld."""
        return None if self.withheld else self.turn.answer

    @property
    def asked(self) -> str | None:
        """The question as it was understood, which may hold words of earlier answers; None when it is withheld."""
        return None if self.withheld else self.turn.asked


async def read_turns(
    room: Knowledge, connection: Connection, tenant_id: uuid.UUID, reader_id: uuid.UUID, thread: Thread, *, after: uuid.UUID | None, limit: int
) -> list[ReadTurn]:
    """Turns of a thread in the order in which they were said.

    Args:
        reader_id: who reads: the thread's person, or somebody with whom it is shared.
        after: go on behind this one.
    """
    turns = await store.turns_of(connection, room.keyring, tenant_id, thread.person_id, thread.id, after=after, limit=limit)
    return await as_read(room, connection, tenant_id, reader_id, turns)


async def as_read(room: Knowledge, connection: Connection, tenant_id: uuid.UUID, reader_id: uuid.UUID, turns: Sequence[Turn]) -> list[ReadTurn]:
    """Turns, of threads that somebody may read, as they may read them at this moment. A file of a thread is read by whoever reads the thread."""
    visible = await room.visible.of(connection, tenant_id, reader_id)
    grounds = {version for turn in turns for version in turn.rests_on}
    seen = await seen_ids(connection, grounds, visible.audience_ids) | await standing_ids(connection, grounds)
    return [ReadTurn(turn, not turn.rests_on <= seen) for turn in turns]


async def delete_thread(room: Knowledge, connection: Connection, tenant_id: uuid.UUID, person_id: uuid.UUID, thread_id: uuid.UUID) -> int:
    """Delete a thread with all that was said in it, and tell the ledger; how many turns that were.

    Raises:
        NotFound: when the person has no such thread.
    """
    now = room.clock()
    turns = await store.delete_thread(connection, person_id, thread_id, now)
    await record(connection, tenant_id, kind="thread.deleted", actor_id=person_id, body={"thread": thread_id, "turns": turns}, now=now)
    return turns


async def restore_thread(room: Knowledge, connection: Connection, tenant_id: uuid.UUID, person_id: uuid.UUID, thread_id: uuid.UUID) -> int:
    """Bring a deleted thread back, and tell the ledger; how many turns it has.

    Raises:
        NotFound: when the person has deleted no such thread, or it has gone.
    """
    now = room.clock()
    turns = await store.restore_thread(connection, person_id, thread_id, now)
    await record(connection, tenant_id, kind="thread.restored", actor_id=person_id, body={"thread": thread_id, "turns": turns}, now=now)
    return turns


async def export_threads(room: Knowledge, tenant_id: uuid.UUID, person_id: uuid.UUID, thread_id: uuid.UUID | None = None) -> AsyncIterator[str]:
    """All threads of a person, or one, as the pieces of one JSON object: ``{"version": 1, "threads": [...]}``.

    Raises:
        NotFound: when the person has no such thread; before the first piece.
    """
    before: uuid.UUID | None = None
    threads = await _page(room, tenant_id, person_id, thread_id, before)
    yield f'{{"version":{EXPORT_VERSION},"threads":['
    mark = ""
    while threads:
        for thread in threads:
            yield f'{mark}{_json(_thread_told(thread))[:-1]},"attachments":['
            async for piece in _files_told(room, tenant_id, thread):
                yield piece
            yield '],"turns":['
            async for piece in _turns_told(room, tenant_id, person_id, thread):
                yield piece
            yield "]}"
            mark = ","
        before = threads[-1].id
        threads = await _page(room, tenant_id, person_id, None, before) if thread_id is None else []
    yield "]}"


async def _page(
    room: Knowledge, tenant_id: uuid.UUID, person_id: uuid.UUID, thread_id: uuid.UUID | None, before: uuid.UUID | None
) -> Sequence[Thread]:
    async with room.database.tenant_tx(tenant_id) as connection:
        if thread_id is not None:
            return [await store.find_thread(connection, room.keyring, tenant_id, person_id, thread_id)]
        return await store.list_threads(connection, room.keyring, tenant_id, person_id, before=before, limit=PAGE_MAX)


async def _files_told(room: Knowledge, tenant_id: uuid.UUID, thread: Thread) -> AsyncIterator[str]:
    async with room.database.tenant_tx(tenant_id) as connection:
        files = await files_of_thread(connection, room.keyring, tenant_id, thread.id)
    for place, file in enumerate(files):
        yield ("," if place else "") + _json(await asyncio.to_thread(file_told, room, tenant_id, file))


async def _turns_told(room: Knowledge, tenant_id: uuid.UUID, person_id: uuid.UUID, thread: Thread) -> AsyncIterator[str]:
    after: uuid.UUID | None = None
    while True:
        async with room.database.tenant_tx(tenant_id) as connection:
            turns = await read_turns(room, connection, tenant_id, person_id, thread, after=after, limit=PAGE_MAX)
        for one in turns:
            yield ("," if after is not None else "") + _json(turn_told(one))
            after = one.turn.id
        if len(turns) < PAGE_MAX:
            return


def turn_told(one: ReadTurn) -> dict[str, Any]:
    """A turn as it is told outside."""
    turn = one.turn
    return {
        "id": turn.id,
        "parent": turn.parent_id,
        "question": turn.question,
        "asked": one.asked,
        "answer": one.answer,
        "withheld": one.withheld,
        "refused": turn.refused,
        "created_at": turn.created_at.isoformat(),
    }


def _thread_told(thread: Thread) -> dict[str, Any]:
    return {
        "id": thread.id,
        "assistant": thread.assistant,
        "title": thread.title,
        "created_at": thread.created_at.isoformat(),
        "changed_at": thread.changed_at.isoformat(),
    }


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)

"""Keeping a turn: after it was answered, so that an answer that broke off leaves none."""

from __future__ import annotations

import uuid
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from ondol.application.assistant.threads import store
from ondol.application.assistant.threads.memory import Memory
from ondol.application.assistant.threads.types import Turn
from ondol.application.knowledge.attachments.store import bind_files
from ondol.application.knowledge.rooms import Knowledge

TITLE_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Said:
    """What was said in a turn.

    Attributes:
        answer_id: of the answer, and of the turn.
        asked: the question as it was understood.
        answer: as it was shown.
        rests_on: the document versions that this answer may hold words of.
    """

    answer_id: uuid.UUID
    question: str
    asked: str
    answer: str
    refused: bool
    rests_on: AbstractSet[uuid.UUID]


async def remember(
    room: Knowledge, tenant_id: uuid.UUID, person_id: uuid.UUID, assistant_id: uuid.UUID, memory: Memory, said: Said
) -> dict[str, Any]:
    """Keep what was said as a turn of its thread; how the answer's `ondol` field tells it. Nothing where no thread is kept, or it is gone."""
    if memory.thread_id is None:
        return {}
    now = room.clock()
    rests_on = memory.rests_on | said.rests_on
    turn = Turn(said.answer_id, memory.parent_id, said.question, said.asked, said.answer, said.refused, rests_on, now)
    async with room.database.tenant_tx(tenant_id) as connection:
        if memory.is_new:
            title = " ".join(said.question.split())[:TITLE_CHARACTERS]
            await store.add_thread(
                connection, room.keyring, tenant_id, person_id, assistant_id, thread_id=memory.thread_id, turn=turn, title=title, now=now
            )
            await bind_files(connection, person_id, memory.thread_id, [file.id for file in memory.files], now)
        elif not await store.grow_thread(connection, room.keyring, tenant_id, person_id, memory.thread_id, turn, now):
            return {}
    told = {"id": str(memory.thread_id), "turn": str(turn.id), "parent": str(turn.parent_id) if turn.parent_id else None}
    return {"thread": {**told, "asked": said.asked, "remembered": len(memory.turns)}}

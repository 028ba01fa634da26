"""What may be remembered for a question: the turns before it on its branch, each confirmed anew against what the person may read at this moment."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from ondol.application.assistant.threads import store
from ondol.application.assistant.threads.files import files_asked_about
from ondol.application.assistant.threads.memory import ANSWER_CHARACTERS_REMEMBERED, NO_MEMORY, Memory, MemorySettings, fitting
from ondol.application.assistant.threads.types import Turn
from ondol.application.knowledge.attachments.store import standing_ids
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.store import readable_ids
from ondol.core.errors import Conflict, NotFound, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.serving.types import ThreadPlace
from ondol.infrastructure.storage.postgres import Connection

TURNS_LOOKED_BACK_MAX = 24
RESTS_ON_MAX = 4_000
"""Document versions that one memory may rest on; turns with which there would be more are not remembered."""

Screen: TypeAlias = Callable[[Sequence[str]], Sequence[str]]
"""The guard's look at what is remembered: each text as it may go on, empty where it may not."""


async def recall(
    room: Knowledge,
    tenant_id: uuid.UUID,
    person_id: uuid.UUID,
    assistant_id: uuid.UUID,
    place: ThreadPlace | None,
    settings: MemorySettings,
    screen: Screen = tuple,
) -> Memory:
    """What is remembered of a thread for the question that comes next.

    Raises:
        NotFound: when the person has no such thread or file, or the thread no such turn.
        RequestError: when it is a thread with another assistant, or there is no file where the answer is to rest on files alone.
        Conflict: when the thread is full, or one of its files is not read yet.
    """
    if place is None:
        return NO_MEMORY
    async with room.database.tenant_tx(tenant_id) as connection:
        slots = {slot.name: slot.value for slot in await store.slots_of(connection, room.keyring, tenant_id, person_id, assistant_id)}
        if place.thread_id is None:
            files = await files_asked_about(room, connection, tenant_id, person_id, place)
            return await _screened(Memory(new_id(), is_new=True, slots=slots, files=files, alone=place.alone), settings, screen)
        thread = await store.find_thread(connection, room.keyring, tenant_id, person_id, place.thread_id)
        if thread.assistant_id != assistant_id:
            raise RequestError(f"This is a thread with {thread.assistant}.", "Ask that assistant.", code="other_assistant", param="ondol.thread")
        if thread.turns >= store.TURNS_MAX:
            raise Conflict(f"A thread holds at most {store.TURNS_MAX:,} turns.", "Begin a new one.", code="thread_full")
        parent_id = None if place.from_start else place.parent_id or thread.head_id
        path = await _path(room, connection, tenant_id, person_id, thread.id, parent_id) if parent_id is not None else []
        if not path and place.parent_id is not None:
            raise NotFound("This thread has no such turn.", "Name one that an answer told, or `start`.", code="turn_not_found", param="ondol.parent")
        files = await files_asked_about(room, connection, tenant_id, person_id, place)
        visible = await room.visible.of(connection, tenant_id, person_id)
        grounds = {version for turn in path for version in (*turn.rests_on, *turn.summary_rests_on)}
        readable = await readable_ids(connection, grounds, visible.audience_ids, room.clock()) | await standing_ids(connection, grounds)
    memory = replace(_remembered(thread.id, parent_id, path, readable, slots, settings), files=files, alone=place.alone)
    return await _screened(memory, settings, screen)


async def _path(
    room: Knowledge, connection: Connection, tenant_id: uuid.UUID, person_id: uuid.UUID, thread_id: uuid.UUID, turn_id: uuid.UUID
) -> list[Turn]:
    return await store.path_to(connection, room.keyring, tenant_id, person_id, thread_id, turn_id, TURNS_LOOKED_BACK_MAX)


def _remembered(
    thread_id: uuid.UUID,
    parent_id: uuid.UUID | None,
    path: Sequence[Turn],
    readable: frozenset[uuid.UUID],
    slots: Mapping[str, str],
    settings: MemorySettings,
) -> Memory:
    """Of a branch, latest first, what rests on nothing else than what may be read now."""
    latest: list[Turn] = []
    older: list[Turn] = []
    rests_on: frozenset[uuid.UUID] = frozenset()
    summary = ""
    for turn in path if settings.turns else ():
        if len(latest) >= settings.turns and turn.summary and turn.summary_rests_on <= readable:
            summary, rests_on = turn.summary, rests_on | turn.summary_rests_on
            break
        if not turn.rests_on <= readable or len(rests_on | turn.rests_on) > RESTS_ON_MAX:
            continue
        rests_on |= turn.rests_on
        (latest if len(latest) < settings.turns else older).append(turn)
    return Memory(thread_id, False, parent_id, latest, summary, slots, rests_on, tuple(reversed(older)))


async def _screened(memory: Memory, settings: MemorySettings, screen: Screen) -> Memory:
    """What of it the guard lets go on, within the budget, oldest turn first."""
    texts = [*memory.slots.values(), memory.summary, *(text for turn in (*memory.turns, *memory.unsummed) for text in _texts(turn))]
    passed = iter(await asyncio.to_thread(screen, texts) if any(texts) else texts)
    slots = {name: value for name in memory.slots if (value := next(passed))}
    summary = next(passed)
    turns = [_said(turn, next(passed), next(passed), next(passed)) for turn in (*memory.turns, *memory.unsummed)]
    latest, unsummed = turns[: len(memory.turns)], turns[len(memory.turns) :]
    slots, summary, latest = fitting(slots, summary, [turn for turn in latest if turn.question], settings.tokens)
    return replace(memory, turns=tuple(reversed(latest)), summary=summary, slots=slots, unsummed=[turn for turn in unsummed if turn.question])


def _texts(turn: Turn) -> tuple[str, str, str]:
    return turn.question, turn.asked, turn.answer[:ANSWER_CHARACTERS_REMEMBERED]


def _said(turn: Turn, question: str, asked: str, answer: str) -> Turn:
    return replace(turn, question=question, asked=asked or question, answer=answer)

"""Threads in the admin API: everybody's own, and nobody else's, whatever their role. And what an assistant keeps in mind of who asks."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from ondol.application.assistant.again import facts_of
from ondol.application.assistant.store import find_assistant
from ondol.application.assistant.threads import store
from ondol.application.assistant.threads.branch import read_branch
from ondol.application.assistant.threads.reading import PAGE_MAX, ReadTurn, delete_thread, export_threads, read_turns, restore_thread
from ondol.application.assistant.threads.search import SEARCH_CHARACTERS_MAX, Match, search_threads
from ondol.application.assistant.threads.shares_api import shares_router
from ondol.application.assistant.threads.types import Thread
from ondol.application.knowledge.api import KnowledgeServices
from ondol.application.knowledge.rooms import Knowledge
from ondol.infrastructure.access.people import groups_of_person, logins_of
from ondol.infrastructure.access.route_roles import ASK, Body
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.storage.postgres import Connection

PAGE = 50
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
Search = Annotated[str | None, Query(max_length=SEARCH_CHARACTERS_MAX)]
AssistantName = Annotated[str, Path(pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}$", max_length=63)]
SlotName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,31}$", max_length=32)]


class FoundShown(BaseModel):
    """Where a thread says what was searched for. `turn` is null where its title does."""

    turn: uuid.UUID | None
    excerpt: str


class ThreadShown(BaseModel):
    """A thread. `turns` counts those of all branches; `head` is the one that was said last; `found` is told where words were searched for.

    `shared_by` is the login of whoever shares it with you; null for your own.
    """

    id: uuid.UUID
    assistant: str
    title: str
    head: uuid.UUID
    turns: int
    created_at: datetime
    changed_at: datetime
    found: FoundShown | None = None
    shared_by: str | None = None


class ThreadPage(BaseModel):
    """Threads, those that were spoken in last first. `next` is what to give as `before` for the next page."""

    threads: list[ThreadShown]
    next: uuid.UUID | None


class TurnShown(BaseModel):
    """A question and its answer. Of what rests on documents that you may no longer read, only the question is told (`withheld`)."""

    id: uuid.UUID
    parent: uuid.UUID | None
    question: str
    asked: str | None
    answer: str | None
    withheld: bool
    refused: bool
    created_at: datetime


class ThreadRead(BaseModel):
    """A thread with its turns in the order in which they were said. `next` is what to give as `after` for the next page."""

    thread: ThreadShown
    turns: list[TurnShown]
    next: uuid.UUID | None


class BranchTurn(TurnShown):
    """A turn of a branch. `siblings` are itself and what else follows the same turn, the oldest first.

    `facts` has `language`, `sources`, `verification` and `searched` as the answer's `ondol` field told them; null where they are not known any more.
    """

    siblings: list[uuid.UUID]
    facts: dict[str, Any] | None


class BranchRead(BaseModel):
    """A branch of a thread. `earlier` is what to give as `before` for what stands before it."""

    thread: ThreadShown
    turns: list[BranchTurn]
    earlier: uuid.UUID | None


class TitleBody(Body):
    """Another title."""

    title: str = Field(min_length=1, max_length=store.TITLE_CHARACTERS_MAX)


class SlotBody(Body):
    """What is to be kept in mind."""

    value: str = Field(min_length=1, max_length=store.SLOT_CHARACTERS_MAX)


class SlotShown(BaseModel):
    """Something that is kept in mind."""

    name: str
    value: str
    changed_at: datetime


class Memory(BaseModel):
    """What an assistant keeps in mind of you."""

    memory: list[SlotShown]


class Changed(BaseModel):
    """It is done."""

    changed: bool = True


class Deleted(Changed):
    """It is deleted. Until then it can be brought back."""

    restorable_until: datetime


def thread_router(services: KnowledgeServices) -> APIRouter:
    """The routes below ``/threads`` and ``/assistants/{name}/memory``."""
    router = APIRouter(tags=["threads"])
    _thread_routes(router, services)
    _export_routes(router, services)
    _memory_routes(router, services)
    router.include_router(shares_router(services))
    return router


def _thread_routes(router: APIRouter, services: KnowledgeServices) -> None:
    room = services.knowledge

    @router.get("/threads", openapi_extra=ASK)
    async def list_threads(
        search: Search = None,
        shared: Literal["with_me", "by_me"] | None = None,
        before: uuid.UUID | None = None,
        limit: Limit = PAGE,
        who: Principal = services.asks,
    ) -> ThreadPage:
        """Your threads; with `search`, those in whose title or in one of whose turns every word of it stands.

        `shared` tells instead those of others that are shared with you, or yours that you share.

        Threads are sealed, so a search opens and reads them, the latest first, 2,000 turns at a time: `next` is told as long as there are others.
        """
        if search is not None and search.strip():
            looked = await search_threads(room, who.tenant_id, who.person_id, search, before=before, limit=limit)
            return ThreadPage(threads=[_matched(match) for match in looked.found], next=looked.next)
        async with room.database.tenant_tx(who.tenant_id) as connection:
            where = (connection, room.keyring, who.tenant_id, who.person_id)
            if shared == "with_me":
                found = await store.list_shared_threads(*where, await groups_of_person(connection, who.person_id), before=before, limit=limit + 1)
            else:
                found = await store.list_threads(*where, before=before, only_shared=shared == "by_me", limit=limit + 1)
            owners = await _owners(room, connection, who, found)
        return ThreadPage(threads=[_shown(thread, owners) for thread in found[:limit]], next=found[limit - 1].id if len(found) > limit else None)

    @router.get("/threads/{thread}", openapi_extra=ASK)
    async def read_thread(thread: uuid.UUID, after: uuid.UUID | None = None, limit: Limit = PAGE, who: Principal = services.asks) -> ThreadRead:
        """One of your threads, or one that is shared with you, with what was said in it."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await _readable(room, connection, who, thread)
            turns = await read_turns(room, connection, who.tenant_id, who.person_id, found, after=after, limit=limit + 1)
            owners = await _owners(room, connection, who, [found])
        following = turns[limit - 1].turn.id if len(turns) > limit else None
        return ThreadRead(thread=_shown(found, owners), turns=[_turn(one) for one in turns[:limit]], next=following)

    @router.get("/threads/{thread}/branch", openapi_extra=ASK)
    async def read_thread_branch(
        thread: uuid.UUID,
        turn: uuid.UUID | None = None,
        before: uuid.UUID | None = None,
        limit: Limit = PAGE,
        who: Principal = services.asks,
    ) -> BranchRead:
        """The branch of a thread on which a turn lies, to its latest; without one, that of what was said last."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await _readable(room, connection, who, thread)
            owners = await _owners(room, connection, who, [found])
            branch = await read_branch(room, connection, who.person_id, found, who.tenant_id, through=turn, before=before, limit=limit)
            texts = {one.turn.id: one.answer for one in branch.turns if one.answer is not None and not one.turn.refused}
            facts = await facts_of(room, connection, who.tenant_id, who.person_id, found.id, texts)
        turns = [
            BranchTurn(**_turn(one).model_dump(), siblings=list(branch.siblings[one.turn.id]), facts=facts.get(one.turn.id)) for one in branch.turns
        ]
        return BranchRead(thread=_shown(found, owners), turns=turns, earlier=branch.earlier)

    @router.patch("/threads/{thread}", openapi_extra=ASK)
    async def rename_thread(thread: uuid.UUID, body: TitleBody, who: Principal = services.asks) -> Changed:
        """Give one of your threads another title."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            await store.rename_thread(connection, room.keyring, who.tenant_id, who.person_id, thread, body.title)
        return Changed()

    @router.delete("/threads/{thread}", openapi_extra=ASK)
    async def remove_thread(thread: uuid.UUID, who: Principal = services.asks) -> Deleted:
        """Delete one of your threads with all that was said in it: nobody sees it from now on, and some minutes later it is gone."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            await delete_thread(room, connection, who.tenant_id, who.person_id, thread)
        return Deleted(restorable_until=room.clock() + store.BROUGHT_BACK_FOR)

    @router.post("/threads/{thread}/restore", openapi_extra=ASK)
    async def bring_thread_back(thread: uuid.UUID, who: Principal = services.asks) -> Changed:
        """Bring one of your threads back that you deleted, until it is gone."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            await restore_thread(room, connection, who.tenant_id, who.person_id, thread)
        return Changed()


def _export_routes(router: APIRouter, services: KnowledgeServices) -> None:
    room = services.knowledge

    @router.get("/threads-export", openapi_extra=ASK)
    async def export_all(who: Principal = services.asks) -> StreamingResponse:
        """All your threads with what was said in them, as one JSON object that comes as it is read."""
        return await _streamed(export_threads(room, who.tenant_id, who.person_id))

    @router.get("/threads/{thread}/export", openapi_extra=ASK)
    async def export_one(thread: uuid.UUID, who: Principal = services.asks) -> StreamingResponse:
        """One of your threads, in the same form."""
        return await _streamed(export_threads(room, who.tenant_id, who.person_id, thread))


def _memory_routes(router: APIRouter, services: KnowledgeServices) -> None:
    room = services.knowledge

    @router.get("/assistants/{name}/memory", openapi_extra=ASK)
    async def read_memory(name: AssistantName, who: Principal = services.asks) -> Memory:
        """What an assistant keeps in mind of you."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            assistant = await find_assistant(connection, name)
            slots = await store.slots_of(connection, room.keyring, who.tenant_id, who.person_id, assistant.id)
        return Memory(memory=[SlotShown(name=slot.name, value=slot.value, changed_at=slot.changed_at) for slot in slots])

    @router.put("/assistants/{name}/memory/{slot}", openapi_extra=ASK)
    async def keep_in_mind(name: AssistantName, slot: SlotName, body: SlotBody, who: Principal = services.asks) -> Changed:
        """Have an assistant keep something in mind of you, in the threads that you have with it."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            assistant = await find_assistant(connection, name)
            now = room.clock()
            await store.put_slot(connection, room.keyring, who.tenant_id, who.person_id, assistant.id, slot, body.value, now)
        return Changed()

    @router.delete("/assistants/{name}/memory/{slot}", openapi_extra=ASK)
    async def forget(name: AssistantName, slot: SlotName, who: Principal = services.asks) -> Changed:
        """Have it keep something no longer in mind."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            assistant = await find_assistant(connection, name)
            await store.remove_slot(connection, who.person_id, assistant.id, slot)
        return Changed()


async def _streamed(pieces: AsyncIterator[str]) -> StreamingResponse:
    """The pieces as they come; what cannot be read is told before the first."""
    first = await anext(pieces)

    async def all_of_it() -> AsyncIterator[str]:
        async with aclosing(cast(Any, pieces)):
            yield first
            async for piece in pieces:
                yield piece

    return StreamingResponse(all_of_it(), media_type="application/json")


async def _readable(room: Knowledge, connection: Connection, who: Principal, thread_id: uuid.UUID) -> Thread:
    """A thread of whoever asks, or one that is shared with them."""
    groups = await groups_of_person(connection, who.person_id)
    return await store.find_readable_thread(connection, room.keyring, who.tenant_id, who.person_id, groups, thread_id)


async def _owners(room: Knowledge, connection: Connection, who: Principal, threads: Iterable[Thread]) -> Mapping[uuid.UUID, str]:
    """The logins of others whose threads these are."""
    others = {thread.person_id for thread in threads} - {who.person_id}
    return await logins_of(connection, room.keyring, who.tenant_id, others) if others else {}


def _shown(thread: Thread, owners: Mapping[uuid.UUID, str]) -> ThreadShown:
    return ThreadShown(
        id=thread.id,
        assistant=thread.assistant,
        title=thread.title,
        head=thread.head_id,
        turns=thread.turns,
        created_at=thread.created_at,
        changed_at=thread.changed_at,
        shared_by=owners.get(thread.person_id),
    )


def _matched(match: Match) -> ThreadShown:
    return _shown(match.thread, {}).model_copy(update={"found": FoundShown(turn=match.turn_id, excerpt=match.excerpt)})


def _turn(one: ReadTurn) -> TurnShown:
    turn = one.turn
    return TurnShown(
        id=turn.id,
        parent=turn.parent_id,
        question=turn.question,
        asked=one.asked,
        answer=one.answer,
        withheld=one.withheld,
        refused=turn.refused,
        created_at=turn.created_at,
    )

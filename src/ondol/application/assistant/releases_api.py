"""Releases of assistants in the admin API."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from ondol.application.assistant.release import create_release, let_live, wish_of
from ondol.application.assistant.release_diff import release_diff
from ondol.application.assistant.rewriting import QUERIES_DEFAULT, QUERIES_MAX, QUERIES_MIN, Rewrite
from ondol.application.assistant.store import find_assistant
from ondol.application.assistant.types import Assistant
from ondol.application.knowledge.api import KnowledgeServices
from ondol.infrastructure.access.route_roles import READ, WRITE, Body
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.releases import Listed, Reason, Release, State, Why, find_release, list_moves, list_releases, propose, roll_back
from ondol.infrastructure.releases.moves import NOTE_CHARACTERS_MAX
from ondol.infrastructure.releases.store import NUMBER_END
from ondol.infrastructure.releases.types import Gate, Kind, open_gate

PAGE_MAX = 500
PAGE = 100
AssistantName = Annotated[str, Path(pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}$", max_length=63)]
ReleaseName = Annotated[str, Path(pattern=r"^([0-9]{1,9}|live|previous|candidate)$", description="A number, `live`, `previous` or `candidate`.")]
Which = Annotated[str, Query(pattern=r"^([0-9]{1,9}|live|previous|candidate)$", description="A number, `live`, `previous` or `candidate`.")]
Showing = Literal["show", "strike", "remove"]


def _no_gate(_tenant_id: uuid.UUID) -> Gate:
    return open_gate


@dataclass(frozen=True, slots=True)
class ReleaseServices(KnowledgeServices):
    """What the routes work with.

    Attributes:
        gate_of: the gate of a tenant, asked before a release goes live.
    """

    gate_of: Callable[[uuid.UUID], Gate] = _no_gate

    async def assistant(self, who: Principal, name: str) -> Assistant:
        """The caller's assistant of a name. Raises `NotFound`."""
        async with self.knowledge.database.tenant_tx(who.tenant_id) as connection:
            return await find_assistant(connection, name)

    async def release(self, who: Principal, assistant: str, name: str) -> Release:
        """A release of the caller's assistant. Raises `NotFound`."""
        async with self.knowledge.database.tenant_tx(who.tenant_id) as connection:
            return await find_release(connection, (await find_assistant(connection, assistant)).id, name)


class RetrievalBody(Body):
    """Whether the model words a question in other ways before it is searched for, and how many questions are searched for at most. And how the base
    is searched: what is absent of that is as the base says now.
    """

    rewrite: Rewrite = "off"
    queries_max: int = Field(default=QUERIES_DEFAULT, ge=QUERIES_MIN, le=QUERIES_MAX)
    fusion: Literal["ranks", "scores"] | None = None
    rank_constant: int | None = Field(default=None, ge=1, le=1000)
    vector_weight: float | None = Field(default=None, ge=0, le=1)
    depth: int | None = Field(default=None, ge=10, le=1000)
    diversity: float | None = Field(default=None, ge=0, le=1)
    reranker: str | None = Field(
        default=None, max_length=200, description="A model of the tenant that scores the best passages anew; empty for none."
    )
    rerank_depth: int | None = Field(default=None, ge=1, le=100)


class VerificationBody(Body):
    """What becomes of sentences that their sources do not bear out."""

    unsupported: Showing = "remove"
    partial: Showing = "show"


class ReleaseBody(Body):
    """What the release is to be made of; what is absent is as the assistant's settings say. `index` is a version of the base's index by its number or
    a tag, `active` for the one that serves now, or `follow` for whichever the base serves.
    """

    prompt: str | None = Field(default=None, max_length=130)
    prompt_values: dict[str, str | int] | None = None
    model: str | None = Field(default=None, max_length=200)
    extractive: bool | None = None
    index: str = Field(default="active", pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}$", max_length=63)
    evidence_turn: Literal["tool", "user"] | None = None
    passages_max: int | None = Field(default=None, ge=1, le=100)
    context_tokens_max: int | None = Field(default=None, ge=1, le=10_000_000)
    turns_max: int | None = Field(default=None, ge=0, le=100)
    retrieval: RetrievalBody | None = None
    verification: VerificationBody | None = None
    refuse_below: float | None = Field(default=None, ge=0, le=1, description="Where no model answers: the probability below which it refuses.")
    guard: Literal["pin", "follow"] | None = Field(
        default=None, description="`pin`, the default, holds the guard policy's version of now; `follow` has whichever is bound guard."
    )


class WhyBody(Body):
    """Why: a reason that the ledger tells, and a note in your own words, which is sealed."""

    reason: Reason = "improvement"
    note: str = Field(default="", max_length=NOTE_CHARACTERS_MAX)


class ReleaseRow(BaseModel):
    """A release. Only one of an assistant is live. An implicit one was made of the assistant's declaration."""

    number: int
    id: uuid.UUID
    digest: str
    state: State
    implicit: bool
    previous: bool
    created_by: uuid.UUID | None
    created_at: datetime


class ReleaseShown(ReleaseRow):
    """A release with its manifest."""

    manifest: dict[str, Any]


class ReleaseList(BaseModel):
    """Releases, newest first. `next` is what to give as `before` for the next page."""

    releases: list[ReleaseRow]
    next: int | None


class MoveShown(BaseModel):
    """A move of what serves, from one release's number to another's."""

    id: uuid.UUID
    kind: Kind
    from_number: int | None
    to_number: int
    reason: Reason
    note: str
    by: uuid.UUID | None
    at: datetime


class History(BaseModel):
    """Moves, newest first. `next` is what to give as `before` for the next page."""

    moves: list[MoveShown]
    next: uuid.UUID | None


class Difference(BaseModel):
    """What differs, by the path of each field; and the prompts' own difference as a unified diff."""

    fields: dict[str, list[Any]]
    prompt: str


def releases_router(services: ReleaseServices) -> APIRouter:
    """The routes below ``/assistants/{assistant}/releases``."""
    router = APIRouter(prefix="/assistants/{assistant}/releases", tags=["releases"])
    _reading_routes(router, services)
    _moving_routes(router, services)
    return router


def _reading_routes(router: APIRouter, services: ReleaseServices) -> None:
    room = services.knowledge

    @router.get("", openapi_extra=READ)
    async def list_all_releases(
        assistant: AssistantName,
        before: int = Query(NUMBER_END, ge=1, le=NUMBER_END),
        limit: int = Query(PAGE, ge=1, le=PAGE_MAX),
        who: Principal = services.reads,
    ) -> ReleaseList:
        """The releases of an assistant."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            asked = await find_assistant(connection, assistant)
            found = await list_releases(connection, asked.id, before=before, limit=limit + 1)
        more = found[limit - 1].number if len(found) > limit else None
        return ReleaseList(releases=[ReleaseRow(**_row(item)) for item in found[:limit]], next=more)

    @router.get("/history", openapi_extra=READ)
    async def release_history(
        assistant: AssistantName, before: uuid.UUID | None = None, limit: int = Query(PAGE, ge=1, le=PAGE_MAX), who: Principal = services.reads
    ) -> History:
        """What served when, who let it, and why."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            asked = await find_assistant(connection, assistant)
            found = await list_moves(connection, room.keyring, who.tenant_id, asked.id, before=before, limit=limit + 1)
        shown = [
            MoveShown(
                id=move.id,
                kind=move.kind,
                from_number=move.from_number,
                to_number=move.to_number,
                reason=move.reason,
                note=move.note,
                by=move.actor_id,
                at=move.created_at,
            )
            for move in found[:limit]
        ]
        return History(moves=shown, next=found[limit - 1].id if len(found) > limit else None)

    @router.get("/diff", openapi_extra=READ)
    async def diff_releases(assistant: AssistantName, first: Which, second: Which, who: Principal = services.reads) -> Difference:
        """What differs between two releases of an assistant."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            asked = await find_assistant(connection, assistant)
            pair = await find_release(connection, asked.id, first), await find_release(connection, asked.id, second)
            told = await release_diff(connection, room.keyring, who.tenant_id, *pair)
        return Difference(fields={path: list(values) for path, values in told.fields.items()}, prompt=told.prompt)

    @router.get("/{release}", openapi_extra=READ)
    async def show_release(assistant: AssistantName, release: ReleaseName, who: Principal = services.reads) -> ReleaseShown:
        """A release with its manifest, checked against its digest."""
        return _shown(await services.release(who, assistant, release))


def _moving_routes(router: APIRouter, services: ReleaseServices) -> None:
    room = services.knowledge

    @router.post("", openapi_extra=WRITE)
    async def make_release(assistant: AssistantName, body: ReleaseBody, who: Principal = services.writes) -> ReleaseShown:
        """Make a release. It is a draft: nothing that is live changes by it."""
        asked = await services.assistant(who, assistant)
        wish = wish_of(asked.settings, **body.model_dump(exclude={"index"}))
        return _shown(await create_release(room, who.tenant_id, asked, wish, body.index, actor_id=who.person_id))

    @router.post("/rollback", openapi_extra=WRITE)
    async def roll_release_back(assistant: AssistantName, body: WhyBody, who: Principal = services.writes) -> ReleaseShown:
        """Let the release serve that served before; once more goes back further."""
        asked = await services.assistant(who, assistant)
        async with room.database.tenant_tx(who.tenant_id) as connection:
            return _shown(await roll_back(connection, room.keyring, who.tenant_id, asked.id, _why(body, who), room.clock()))

    @router.post("/{release}/propose", openapi_extra=WRITE)
    async def propose_release(assistant: AssistantName, release: ReleaseName, who: Principal = services.writes) -> ReleaseShown:
        """Make a release the candidate: what it names is kept until it is live or another one is the candidate."""
        found = await services.release(who, assistant, release)
        async with room.database.tenant_tx(who.tenant_id) as connection:
            return _shown(await propose(connection, who.tenant_id, found.id, room.clock(), actor_id=who.person_id))

    @router.post("/{release}/activate", openapi_extra=WRITE)
    async def activate_release(assistant: AssistantName, release: ReleaseName, body: WhyBody, who: Principal = services.writes) -> ReleaseShown:
        """Let a release serve, after what it names was found whole, and a verdict where the assistant requires one. Answers that have begun are not
        touched."""
        found = await services.release(who, assistant, release)
        return _shown(await let_live(room, who.tenant_id, found.id, _why(body, who), gate=services.gate_of(who.tenant_id)))


def _why(body: WhyBody, who: Principal) -> Why:
    return Why(body.reason, body.note, who.person_id)


def _row(item: Listed) -> dict[str, Any]:
    return {
        "number": item.number,
        "id": item.id,
        "digest": item.digest.hex(),
        "state": item.state,
        "implicit": item.is_implicit,
        "previous": item.is_previous,
        "created_by": item.created_by,
        "created_at": item.created_at,
    }


def _shown(release: Release) -> ReleaseShown:
    return ReleaseShown(**_row(release), manifest=msgspec.to_builtins(release.manifest))

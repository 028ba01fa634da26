"""Searching a base as somebody, stage by stage, and the passages that a document was cut into: for whoever looks after documents and rights."""

from __future__ import annotations

import asyncio
import uuid
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from ondol.application.knowledge import store
from ondol.application.knowledge.api import BaseName, KnowledgeServices
from ondol.application.knowledge.content import FIRST_CUT
from ondol.application.knowledge.documents.store import Document, document_absent, get_document
from ondol.application.knowledge.index_versions.store import get_version
from ondol.application.knowledge.search import Evidence, Found, IndexStates, search
from ondol.core.errors import Forbidden, KeyDestroyed, NotFound
from ondol.infrastructure.access.people import LOGIN_CHARACTERS_MAX, find_person
from ondol.infrastructure.access.route_roles import EDITORS, READERS, told_roles
from ondol.infrastructure.access.types import Principal

SEES_SEARCHES = EDITORS | READERS
HITS_MAX = 50
PASSAGES_PAGE = 100
STAGE_SHOWN = 20
"""So many places of each stage are told."""


class HitShown(BaseModel):
    """A passage that was found, at its place. `score` is BM25 over what the asker may read."""

    place: int
    document: uuid.UUID
    document_version: uuid.UUID
    title: str
    key: str
    passage: int
    headings: list[str]
    security_class: str = Field(serialization_alias="class")
    score: float
    coverage: float = Field(description="The share of the question's terms, by weight, that it holds.")
    text: str


class PlaceShown(BaseModel):
    """A place in a stage: a passage that stands among the hits, by its place there."""

    place: int
    hit: int | None = Field(description="Its place among the hits; null where it is not among them.")
    score: float


class StageShown(BaseModel):
    """What one stage ranked first. `degraded` is why it did not do its work; empty when it did."""

    name: str
    ranked: list[PlaceShown]
    degraded: str


class SearchShown(BaseModel):
    """What somebody finds. `withheld` of their hits are not shown, since whoever looks may not read them."""

    base: str
    asked_as: str
    index_version: uuid.UUID | None
    hits: list[HitShown]
    withheld: int
    stages: list[StageShown]
    terms: dict[str, float] = Field(description="The terms that were looked for, with their weights.")


class PassageShown(BaseModel):
    """A passage as it was cut. `start` and `end` count characters of the document's text."""

    ordinal: int
    headings: list[str]
    page: int | None
    start: int
    end: int
    text: str


class PassagePage(BaseModel):
    """Passages in their order. `next` is what to give as `after` for the next page."""

    document: uuid.UUID
    cut: Literal["active"] = "active"
    passages: list[PassageShown]
    next: int | None


def _looks(services: KnowledgeServices) -> Any:
    """Who may look at searches and passages; asked before anything else of the request is read."""

    def caller(request: Request) -> Principal:
        return services.caller(request, SEES_SEARCHES)

    return Depends(caller)


def search_router(services: KnowledgeServices) -> APIRouter:
    """The routes ``/bases/{base}/search`` and ``/bases/{base}/documents/{document}/passages``."""
    router = APIRouter(tags=["documents"])
    _search_route(router, services)
    _passages_route(router, services)
    return router


def _search_route(router: APIRouter, services: KnowledgeServices) -> None:
    room, looks = services.knowledge, _looks(services)
    states = IndexStates()

    @router.get("/bases/{base}/search", openapi_extra=told_roles(SEES_SEARCHES))
    async def search_base(
        base: BaseName,
        question: Annotated[str, Query(min_length=1, max_length=2_000)],
        asker: Annotated[str | None, Query(alias="as", max_length=LOGIN_CHARACTERS_MAX, description="A person's login; oneself if absent.")] = None,
        limit: Annotated[int, Query(ge=1, le=HITS_MAX)] = 10,
        who: Principal = looks,
    ) -> SearchShown:
        """What somebody finds in a base, with the ranks of each stage.

        In another person's name it takes a role that reads what concerns the tenant. Of their hits those are told that the caller may read too.
        """
        person_id, login = await _as_whom(services, who, asker)
        base_id = await services.base_id(who, base)
        found = await search(room, states, who.tenant_id, person_id, base_id, question, limit=limit)
        readable = await _readable_to(services, who, found) if person_id != who.person_id else None
        return _told(base, login, found, readable)


def _passages_route(router: APIRouter, services: KnowledgeServices) -> None:
    room, looks = services.knowledge, _looks(services)

    @router.get("/bases/{base}/documents/{document}/passages", openapi_extra=told_roles(SEES_SEARCHES))
    async def list_passages(
        base: BaseName,
        document: uuid.UUID,
        after: Annotated[int, Query(ge=-1, le=1_000_000)] = -1,
        limit: Annotated[int, Query(ge=1, le=PASSAGES_PAGE)] = 50,
        who: Principal = looks,
    ) -> PassagePage:
        """The passages of a document's current version, as the index that serves has them."""
        base_id = await services.base_id(who, base)
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await get_document(room, connection, who.tenant_id, base_id, document, who.person_id)
            active = (await store.get_base(connection, base_id)).active_index_id
            cut = FIRST_CUT if active is None else (await get_version(connection, active)).settings.cut
        shown = await asyncio.to_thread(_passages_of, services, who, found, cut)
        page = shown[after + 1 : after + 1 + limit]
        return PassagePage(document=document, passages=page, next=page[-1].ordinal if page and page[-1].ordinal + 1 < len(shown) else None)


async def _as_whom(services: KnowledgeServices, who: Principal, asker: str | None) -> tuple[uuid.UUID, str]:
    room = services.knowledge
    if asker is None:
        return who.person_id, ""
    if not who.roles & READERS:
        raise Forbidden("In another person's name it takes the role of an auditor or administrator.", "Leave `as` out.", code="role_required")
    async with room.database.tenant_tx(who.tenant_id) as connection:
        return (await find_person(connection, room.keyring, who.tenant_id, asker)).id, asker


async def _readable_to(services: KnowledgeServices, who: Principal, found: Found) -> frozenset[uuid.UUID]:
    room = services.knowledge
    async with room.database.tenant_tx(who.tenant_id) as connection:
        visible = await room.visible.of(connection, who.tenant_id, who.person_id)
        ids = {evidence.version.id for evidence in found.evidence}
        return await store.readable_ids(connection, ids, visible.audience_ids, room.clock())


def _told(base: str, login: str, found: Found, readable: frozenset[uuid.UUID] | None) -> SearchShown:
    shown = [evidence for evidence in found.evidence if readable is None or evidence.version.id in readable]
    places = {(evidence.version.id, evidence.hit.passage_ordinal): place for place, evidence in enumerate(shown, 1)}
    stages = [
        StageShown(
            name=stage.name,
            ranked=[
                PlaceShown(place=place, hit=places.get((one.document_version_id, one.passage_ordinal)), score=round(one.score, 4))
                for place, one in enumerate(stage.ranked[:STAGE_SHOWN], 1)
            ],
            degraded=stage.degraded,
        )
        for stage in found.stages
    ]
    return SearchShown(
        base=base,
        asked_as=login,
        index_version=found.index_version_id,
        hits=[_hit(place, evidence) for place, evidence in enumerate(shown, 1)],
        withheld=len(found.evidence) - len(shown),
        stages=stages if readable is None else [],
        terms={term: round(weight, 4) for term, weight in found.term_weights.items()},
    )


def _hit(place: int, evidence: Evidence) -> HitShown:
    hit, version = evidence.hit, evidence.version
    return HitShown(
        place=place,
        document=version.document_id,
        document_version=version.id,
        title=version.details.title,
        key=version.details.key,
        passage=hit.passage_ordinal,
        headings=list(evidence.headings),
        security_class=version.security_class,
        score=round(hit.score, 4),
        coverage=round(hit.coverage, 4),
        text=evidence.text,
    )


def _passages_of(services: KnowledgeServices, who: Principal, document: Document, cut: str) -> list[PassageShown]:
    try:
        content = services.knowledge.texts.get(who.tenant_id, document.id, document.version_id, cut)
    except (KeyDestroyed, NotFound):
        raise document_absent() from None
    return [
        PassageShown(
            ordinal=ordinal,
            headings=list(passage.heading_path),
            page=passage.page,
            start=passage.start,
            end=passage.end,
            text=content.text[passage.start : passage.end],
        )
        for ordinal, passage in enumerate(content.passages)
    ]

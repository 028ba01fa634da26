"""Answers in the admin API: what each rests on, for its asker and for those who look after it."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, WithJsonSchema

from ondol.application.assistant import access_requests as requests
from ondol.application.assistant.levels import answer_levels
from ondol.application.assistant.reading import AnswerView, view_answer
from ondol.application.assistant.record import AnswerRecord
from ondol.application.knowledge.api import KnowledgeServices
from ondol.infrastructure.access.route_roles import ASK, READ, READERS, WRITE, Body
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.admin_api.base import Moment, schema_of

PERIOD = timedelta(days=1)


class DocumentNamed(BaseModel):
    """A document version that the answer was made from. `title` is null where the caller may not read it now."""

    version: uuid.UUID
    document: uuid.UUID
    declared_version: int
    title: str | None
    cited: bool


class AnswerShown(BaseModel):
    """What an answer rests on. `digest` is SHA-256 of the record's canonical JSON, which the ledger's event of the same id names.

    `question` and `answer` are told to the asker alone.
    """

    id: uuid.UUID
    digest: str
    record: Annotated[dict[str, Any], WithJsonSchema(schema_of(AnswerRecord))]
    documents: list[DocumentNamed]
    question: str | None
    answer: str | None


class LevelsShown(BaseModel):
    """Answers of a period. `grounded` is the share of checked sentences that their sources support, null without one."""

    answers: int
    answered: int
    refused: int
    failed: int
    sentences: int
    supported: int
    grounded: float | None


class AccessBody(Body):
    """Why access is asked for; it may be empty."""

    note: str = Field(default="", max_length=requests.NOTE_CHARACTERS_MAX)


class AccessAsked(BaseModel):
    """The request was taken. It says the same whatever there is."""

    id: uuid.UUID
    asked: bool = True


class AccessShown(BaseModel):
    """A request for access. `login`, `question` and `note` are empty once their person was erased."""

    id: uuid.UUID
    answer: uuid.UUID
    person: uuid.UUID
    login: str
    question: str
    note: str
    state: requests.AccessState
    decided_by: uuid.UUID | None
    decided_at: datetime | None
    created_at: datetime


class AccessPage(BaseModel):
    """Requests, the newest first. `next` is what to give as `before` for the next page."""

    requests: list[AccessShown]
    next: uuid.UUID | None


class GrantBody(Body):
    """The groups that the asker becomes a member of; none where access was given in another way."""

    groups: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(default=[], max_length=requests.GROUPS_MAX)


class Decided(BaseModel):
    """It is done."""

    decided: bool = True


def answers_router(services: KnowledgeServices) -> APIRouter:
    """The routes below ``/answers``."""
    router = APIRouter(prefix="/answers", tags=["answers"])

    @router.get("/levels", openapi_extra=READ)
    async def get_answer_levels(since: Moment | None = None, until: Moment | None = None, who: Principal = services.reads) -> LevelsShown:
        """How the answers of a period came out, the last 24 hours when nothing is said."""
        end = until or services.knowledge.clock()
        async with services.knowledge.database.tenant_tx(who.tenant_id) as connection:
            found = await answer_levels(connection, since or end - PERIOD, end)
        return LevelsShown(**asdict(found), grounded=found.grounded)

    @router.get("/{answer_id}", openapi_extra=ASK)
    async def get_answer(answer_id: uuid.UUID, who: Principal = services.asks) -> AnswerShown:
        """The record of an answer: of one's own, or of anybody's for those whose role lets them read."""
        sees_all = bool(who.roles & READERS)
        return shown_answer(await view_answer(services.knowledge, who.tenant_id, who.person_id, answer_id, sees_all=sees_all))

    @router.post("/{answer_id}/access-request", openapi_extra=ASK)
    async def ask_for_access(answer_id: uuid.UUID, body: AccessBody, who: Principal = services.asks) -> AccessAsked:
        """Ask for access to what an answer of one's own did not find. Whether there is anything is not told."""
        made = await requests.request_access(services.knowledge, who.tenant_id, who.person_id, answer_id, body.note)
        return AccessAsked(id=made)

    return router


def access_router(services: KnowledgeServices) -> APIRouter:
    """The routes below ``/access-requests``."""
    router = APIRouter(prefix="/access-requests", tags=["answers"])
    room = services.knowledge

    @router.get("", openapi_extra=WRITE)
    async def list_access_requests(
        state: requests.AccessState | None = None,
        before: uuid.UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=requests.PAGE_MAX - 1)] = 50,
        who: Principal = services.writes,
    ) -> AccessPage:
        """Requests for access. The reading is an event of the ledger, since people's own words are among it."""
        found = await requests.list_access_requests(room, who.tenant_id, who.person_id, state=state, before=before, limit=limit + 1)
        return AccessPage(requests=[_shown_request(item) for item in found[:limit]], next=found[limit - 1].id if len(found) > limit else None)

    @router.post("/{request_id}/grant", openapi_extra=WRITE)
    async def grant_access(request_id: uuid.UUID, body: GrantBody, who: Principal = services.writes) -> Decided:
        """Grant a request; its asker is put into groups as well, if some are named."""
        await requests.grant_access(room, who.tenant_id, request_id, body.groups, by=who.person_id)
        return Decided()

    @router.post("/{request_id}/refuse", openapi_extra=WRITE)
    async def refuse_access(request_id: uuid.UUID, who: Principal = services.writes) -> Decided:
        """Refuse a request."""
        await requests.refuse_access(room, who.tenant_id, request_id, by=who.person_id)
        return Decided()

    return router


def _shown_request(item: requests.AccessRequest) -> AccessShown:
    return AccessShown(
        id=item.id,
        answer=item.answer_id,
        person=item.person_id,
        login=item.login,
        question=item.question,
        note=item.note,
        state=item.state,
        decided_by=item.decided_by,
        decided_at=item.decided_at,
        created_at=item.created_at,
    )


def shown_answer(view: AnswerView) -> AnswerShown:
    """An answer's record as it is shown."""
    versions = {item.version: item for item in view.record.evidence}
    cited = view.record.cited
    named = [
        DocumentNamed(
            version=version,
            document=item.document,
            declared_version=item.declared_version,
            title=view.titles.get(version),
            cited=version in cited,
        )
        for version, item in sorted(versions.items(), key=lambda pair: (pair[0] not in cited, pair[0]))
    ]
    return AnswerShown(
        id=view.record.answer, digest=view.digest.hex(), record=dict(view.stored), documents=named, question=view.question, answer=view.text
    )

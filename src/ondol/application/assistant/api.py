"""Answers in the admin API: what each rests on, for its asker and for those who look after it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, WithJsonSchema

from ondol.application.assistant.reading import AnswerView, view_answer
from ondol.application.assistant.record import AnswerRecord
from ondol.application.knowledge.rooms import Knowledge
from ondol.infrastructure.access.route_roles import ASK, READERS, RoleGate
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.admin_api.base import schema_of


@dataclass(frozen=True, slots=True)
class AssistantServices(RoleGate):
    """What the routes work with.

    Attributes:
        principal: who sends a request, roles included; it was authenticated before.
    """

    knowledge: Knowledge
    principal: Callable[[Request], Principal]


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


def answers_router(services: AssistantServices) -> APIRouter:
    """The routes below ``/answers``."""
    router = APIRouter(prefix="/answers", tags=["answers"])

    @router.get("/{answer_id}", openapi_extra=ASK)
    async def get_answer(answer_id: uuid.UUID, who: Principal = services.asks) -> AnswerShown:
        """The record of an answer: of one's own, or of anybody's for those whose role lets them read."""
        sees_all = bool(who.roles & READERS)
        return shown_answer(await view_answer(services.knowledge, who.tenant_id, who.person_id, answer_id, sees_all=sees_all))

    return router


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

"""Scoring a kept answer again, in the admin API."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ondol.application.evaluation.kept_answers import SCORERS, Look, rescore_answer
from ondol.application.evaluation.types import Status
from ondol.application.knowledge.api import KnowledgeServices
from ondol.infrastructure.access.route_roles import ASK, READERS, Body
from ondol.infrastructure.access.types import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswerServices(KnowledgeServices):
    """What the route works with.

    Attributes:
        look: the way to the guard's findings.
    """

    look: Look


class EvaluateBody(Body):
    """Which scorers; all that need no right answer when the list is empty."""

    scorers: list[Annotated[str, Field(min_length=1, max_length=50)]] = Field(default=[], max_length=len(SCORERS))


class ScoreShown(BaseModel):
    """What a scorer found. `reason` and `details` are told to the asker alone, since they may hold words of the answer."""

    value: float | None
    status: Status
    reason: str | None
    details: dict[str, Any] | None


class AnswerScores(BaseModel):
    """The scores of an answer, by scorer."""

    answer: uuid.UUID
    scores: dict[str, ScoreShown]


def kept_answers_router(services: KeptAnswerServices) -> APIRouter:
    """The route below ``/answers``."""
    router = APIRouter(prefix="/answers", tags=["answers"])

    @router.post("/{answer_id}/evaluate", openapi_extra=ASK)
    async def evaluate_answer(answer_id: uuid.UUID, body: EvaluateBody, who: Principal = services.asks) -> AnswerScores:
        """Score an answer again, by rules that need no right answer: of one's own, or of anybody's for those whose role lets them read."""
        sees_all = bool(who.roles & READERS)
        found = await rescore_answer(services.knowledge, who.tenant_id, who.person_id, answer_id, body.scorers, services.look, sees_all=sees_all)
        shown = {
            name: ScoreShown(
                value=score.value,
                status=score.status,
                reason=score.reason if found.is_own else None,
                details=dict(score.details) if found.is_own else None,
            )
            for name, score in found.scores.items()
        }
        return AnswerScores(answer=answer_id, scores=shown)

    return router

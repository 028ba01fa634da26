"""Comparing two versions of an index, in the admin API."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ondol.application.evaluation.index_compare import ITEMS_MAX, IndexComparison, compare_versions
from ondol.application.evaluation.prompt_preview import some_cases
from ondol.application.knowledge.api import BaseName, KnowledgeServices
from ondol.infrastructure.access.route_roles import READ, Body
from ondol.infrastructure.access.types import Principal

Name = Annotated[str, Field(pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}$", max_length=63)]


class CompareBody(Body):
    """Two versions by number, tag, `active` or `previous`, and the golden set whose questions both are asked, from the place `start` on."""

    first: Name = "active"
    second: Name
    golden: Name
    start: int = Field(default=0, ge=0, le=2**31 - 2)
    items: int = Field(default=ITEMS_MAX, ge=1, le=ITEMS_MAX)


class MetricShown(BaseModel):
    """A metric over the first ten places. The difference is that of the second version from the first: the true one is between `low` and `high` in 95
    of 100 cases. All are null where there is nothing to tell of.
    """

    metric: str
    first: float | None
    second: float | None
    difference: float | None
    low: float | None
    high: float | None


class QuestionShown(BaseModel):
    """A question that went otherwise: at which place, from 1, each version found the first document that answers it."""

    id: str
    question: str
    first: int | None
    second: int | None


class IndexComparisonShown(BaseModel):
    """Both versions before `asked` questions, as you may read them. Of `left_out` more it is not known which documents answer them. `next` is what to
    give as `start` for the rest of the set.
    """

    first: int
    second: int
    asked: int
    left_out: int
    metrics: list[MetricShown]
    changed: list[QuestionShown]
    next: int | None


def index_compare_router(services: KnowledgeServices) -> APIRouter:
    """The route ``/bases/{base}/index/compare``."""
    router = APIRouter(prefix="/bases/{base}/index", tags=["index"])
    room = services.knowledge

    @router.post("/compare", openapi_extra=READ)
    async def compare_index_versions(base: BaseName, body: CompareBody, who: Principal = services.reads) -> IndexComparisonShown:
        """Ask two versions of an index the questions of a golden set. Nothing that serves changes by this."""
        first, second = await services.version(who, base, body.first), await services.version(who, base, body.second)
        async with room.database.tenant_tx(who.tenant_id) as connection:
            page = await some_cases(connection, room.keyring, who, body.golden, first=body.start, count=body.items, clock=room.clock)
        told = await compare_versions(room, who.tenant_id, who.person_id, (first, second), page.cases)
        return IndexComparisonShown(
            first=first.number, second=second.number, asked=len(told.asked), left_out=told.left_out, metrics=_metrics(told), changed=_changed(told),
            next=page.next,
        )  # fmt: skip

    return router


def _metrics(told: IndexComparison) -> list[MetricShown]:
    return [
        MetricShown(metric=one.metric, first=one.baseline, second=one.candidate, difference=one.difference, low=one.low, high=one.high)
        for one in told.metrics
    ]


def _changed(told: IndexComparison) -> list[QuestionShown]:
    return [
        QuestionShown(id=one.case.id, question=one.case.question, first=one.first, second=one.second) for one in told.asked if one.first != one.second
    ]

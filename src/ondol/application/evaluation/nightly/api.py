"""The nightly evaluation in the admin API."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from ondol.application.assistant.store import find_assistant, list_assistants
from ondol.application.evaluation.nightly.schedule import minute_of, time_text
from ondol.application.evaluation.nightly.store import LAST_ID, PAGE_MAX, drop_plan, list_looks, list_plans
from ondol.application.evaluation.nightly.types import Look, LookOutcome, Plan, Policy
from ondol.application.knowledge.api import KnowledgeServices
from ondol.infrastructure.access.route_roles import READ, WRITE, Body
from ondol.infrastructure.access.types import Principal

SUITE_CHARACTERS_MAX = 200_000
AssistantName = Annotated[str, Path(pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}$", max_length=63)]

PutPlan = Callable[[Principal, str, str, str, int, Policy], Awaitable[Plan]]
"""Lets an assistant be evaluated each night: who asks, the assistant, the suite, in whose name, at which minute, and what becomes of a regression."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NightlyServices(KnowledgeServices):
    """What the routes work with."""

    put: PutPlan


class PlanBody(Body):
    """A suite as YAML, whose cases are a golden set; in whose name cases are asked that name nobody; when, by the tenant's clock."""

    suite: str = Field(min_length=1, max_length=SUITE_CHARACTERS_MAX)
    login: str = Field(min_length=1, max_length=200)
    at: str = Field(default="03:00", pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", max_length=5)
    policy: Policy = "alarm"


class PlanShown(BaseModel):
    """An assistant that is evaluated each night. `next` is when, in UTC."""

    assistant: str
    suite: str
    at: str
    policy: Policy
    next: datetime


class PlanList(BaseModel):
    """Every assistant that is evaluated each night."""

    plans: list[PlanShown]


class NightShown(BaseModel):
    """What a night found. `figures` are by metric: mean, baseline, difference, and the upper limit of it that holds over all nights."""

    id: uuid.UUID
    at: datetime
    outcome: LookOutcome
    cases: int
    stale: int
    release: uuid.UUID | None
    run: uuid.UUID | None
    baseline_run: uuid.UUID | None
    rolled_back_to: uuid.UUID | None
    reason: str
    figures: dict[str, Any]


class NightList(BaseModel):
    """Nights, the newest first. `next` is what to give as `before` for the next page."""

    nights: list[NightShown]
    next: uuid.UUID | None


class Dropped(BaseModel):
    """It is done."""

    dropped: bool = True


def nightly_router(services: NightlyServices) -> APIRouter:
    """The routes below ``/evaluation/nightly``."""
    router = APIRouter(prefix="/evaluation/nightly", tags=["evaluation"])
    room = services.knowledge

    @router.get("", openapi_extra=READ)
    async def list_all_plans(who: Principal = services.reads) -> PlanList:
        """Which assistants are evaluated each night."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            names = {each.id: each.name for each in await list_assistants(connection)}
            plans = await list_plans(connection, room.keyring, who.tenant_id)
        return PlanList(plans=[_plan(plan, names[plan.assistant_id]) for plan in plans])

    @router.get("/{assistant}", openapi_extra=READ)
    async def list_nights(
        assistant: AssistantName,
        before: uuid.UUID = LAST_ID,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX - 1)] = 50,
        who: Principal = services.reads,
    ) -> NightList:
        """What the nights of an assistant found."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await list_looks(connection, (await find_assistant(connection, assistant)).id, before=before, limit=limit + 1)
        return NightList(nights=[_night(look) for look in found[:limit]], next=found[limit - 1].id if len(found) > limit else None)

    @router.put("/{assistant}", openapi_extra=WRITE)
    async def set_plan(assistant: AssistantName, body: PlanBody, who: Principal = services.writes) -> PlanShown:
        """Evaluate an assistant each night by a suite whose cases are a golden set."""
        return _plan(await services.put(who, assistant, body.suite, body.login, minute_of(body.at), body.policy), assistant)

    @router.delete("/{assistant}", openapi_extra=WRITE)
    async def drop(assistant: AssistantName, who: Principal = services.writes) -> Dropped:
        """Evaluate an assistant no more; what was found stays."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await find_assistant(connection, assistant)
            await drop_plan(connection, who.tenant_id, found.id, room.clock(), by=who.person_id)
        return Dropped()

    return router


def _plan(plan: Plan, assistant: str) -> PlanShown:
    return PlanShown(assistant=assistant, suite=plan.suite, at=time_text(plan.at_minute), policy=plan.policy, next=plan.next_at)


def _night(look: Look) -> NightShown:
    return NightShown(
        id=look.id,
        at=look.created_at,
        outcome=look.outcome,
        cases=look.cases,
        stale=look.stale,
        release=look.release_id,
        run=look.run_id,
        baseline_run=look.baseline_run_id,
        rolled_back_to=look.rolled_back_to,
        reason=look.reason,
        figures=dict(look.figures),
    )

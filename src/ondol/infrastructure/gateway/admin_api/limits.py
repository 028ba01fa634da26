"""Limits: what all requests of a subject may be together in a minute, and what one of them may be."""

from __future__ import annotations

import uuid
from dataclasses import asdict

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ondol.infrastructure.access.limits import store
from ondol.infrastructure.access.limits.subjects import subject_names, subject_of
from ondol.infrastructure.access.limits.types import Bounds, Limit, Rates, Scope
from ondol.infrastructure.access.route_roles import READ, WRITE, Body
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.admin_api.base import PAGE, PAGE_MAX, Changed, GatewayServices

FIGURE_MAX = 10**12


class FiguresBody(Body):
    """What is limited; what is absent is not limited here, and at least one figure is given."""

    requests_per_minute: int | None = Field(default=None, ge=1, le=10**9)
    tokens_per_minute: int | None = Field(default=None, ge=1, le=FIGURE_MAX)
    concurrent_max: int | None = Field(default=None, ge=1, le=10**6)
    body_bytes_max: int | None = Field(default=None, ge=1, le=FIGURE_MAX)
    prompt_tokens_max: int | None = Field(default=None, ge=1, le=FIGURE_MAX)
    output_tokens_max: int | None = Field(default=None, ge=1, le=FIGURE_MAX)
    deadline_s: int | None = Field(default=None, ge=1, le=86_400)


class LimitBody(FiguresBody):
    """A limit to be made.

    `subject` is empty for the tenant, a model's alias, or the id of a group, person or key, or what people call it (a group's name, a login, a
    key's public id); `*` is each one of the scope that has no limit of its own.
    """

    scope: Scope = "tenant"
    subject: str = Field(default="", max_length=200)


class LimitShown(BaseModel):
    """A limit. `subject_name` is what people call the subject."""

    id: uuid.UUID
    scope: Scope
    subject: str
    subject_name: str
    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrent_max: int | None
    body_bytes_max: int | None
    prompt_tokens_max: int | None
    output_tokens_max: int | None
    deadline_s: int | None


class LimitPage(BaseModel):
    """Limits, oldest first. `next` is what to give as `after` for the next page."""

    limits: list[LimitShown]
    next: uuid.UUID | None


def limits_router(services: GatewayServices) -> APIRouter:
    """The routes below ``/limits``."""
    router = APIRouter(prefix="/limits", tags=["limits"])

    @router.get("", openapi_extra=READ)
    async def list_limits(after: uuid.UUID | None = None, limit: int = Query(PAGE, ge=1, le=PAGE_MAX), who: Principal = services.reads) -> LimitPage:
        """The tenant's limits."""
        async with services.within(who) as connection:
            found = await store.list_limits(connection, after=after, limit=limit + 1)
            names = await subject_names(connection, services.keyring, who.tenant_id, found[:limit])
        return LimitPage(limits=[_shown(item, names) for item in found[:limit]], next=found[limit - 1].id if len(found) > limit else None)

    @router.post("", openapi_extra=WRITE)
    async def create_limit(body: LimitBody, who: Principal = services.writes) -> LimitShown:
        """Make a limit. It holds within a second."""
        async with services.within(who) as connection:
            subject = await subject_of(connection, services.keyring, who.tenant_id, body.scope, body.subject)
            rates, bounds = _figures(body)
            made = await store.create_limit(connection, who.tenant_id, body.scope, subject, rates, bounds, services.clock(), actor_id=who.person_id)
            return _shown(made, await subject_names(connection, services.keyring, who.tenant_id, [made]))

    @router.get("/{limit_id}", openapi_extra=READ)
    async def get_limit(limit_id: uuid.UUID, who: Principal = services.reads) -> LimitShown:
        """One limit."""
        async with services.within(who) as connection:
            found = await store.find_limit(connection, limit_id)
            return _shown(found, await subject_names(connection, services.keyring, who.tenant_id, [found]))

    @router.put("/{limit_id}", openapi_extra=WRITE)
    async def change_limit(limit_id: uuid.UUID, body: FiguresBody, who: Principal = services.writes) -> LimitShown:
        """Give a limit other figures, all of them. They hold within a second."""
        async with services.within(who) as connection:
            rates, bounds = _figures(body)
            changed = await store.change_limit(connection, limit_id, rates, bounds, services.clock(), actor_id=who.person_id)
            return _shown(changed, await subject_names(connection, services.keyring, who.tenant_id, [changed]))

    @router.delete("/{limit_id}", openapi_extra=WRITE)
    async def remove_limit(limit_id: uuid.UUID, who: Principal = services.writes) -> Changed:
        """Remove a limit."""
        async with services.within(who) as connection:
            await store.remove_limit(connection, who.tenant_id, limit_id, services.clock(), actor_id=who.person_id)
        return Changed()

    return router


def _figures(body: FiguresBody) -> tuple[Rates, Bounds]:
    rates = Rates(body.requests_per_minute, body.tokens_per_minute, body.concurrent_max)
    return rates, Bounds(body.body_bytes_max, body.prompt_tokens_max, body.output_tokens_max, body.deadline_s)


def _shown(limit: Limit, names: dict[str, str]) -> LimitShown:
    figures = {**asdict(limit.rates), **asdict(limit.bounds)}
    return LimitShown(id=limit.id, scope=limit.scope, subject=limit.subject, subject_name=names.get(limit.subject, limit.subject), **figures)

"""Models: the names that callers use, and what answers them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, WithJsonSchema

from ondol.infrastructure.access.route_roles import ASK, READ, WRITE, Body
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.admin_api.base import PAGE, PAGE_MAX, Alias, Changed, GatewayServices, plain, schema_of
from ondol.infrastructure.serving import store
from ondol.infrastructure.serving.offered import offered_to
from ondol.infrastructure.serving.settings import ModelSettings, settings_from

Settings = Annotated[dict[str, Any], WithJsonSchema(schema_of(ModelSettings))]


class TargetBody(Body):
    """One place that answers: lower priorities are asked first, equal ones by weight; weight 0 takes it out."""

    provider: str = Field(max_length=100)
    name: str = Field(min_length=1, max_length=300, description="The provider's own name of the model.")
    priority: int = Field(default=0, ge=0, le=100)
    weight: int = Field(default=1, ge=0, le=1_000_000)


class ModelBody(Body):
    """A model, whole: a setting that is absent has its default. Without `prompt` the pinned one stays; an empty one takes it away."""

    targets: list[TargetBody] = Field(min_length=1, max_length=store.TARGETS_MAX)
    settings: Settings = Field(default_factory=dict)
    prompt: str | None = Field(default=None, max_length=store.PROMPT_CHARACTERS_MAX)
    shared: bool = False
    disabled: bool = False


class TargetShown(BaseModel):
    """One place that answers."""

    provider: str
    name: str
    priority: int
    weight: int


class ModelShown(BaseModel):
    """A model. Its pinned prompt is not shown."""

    id: uuid.UUID
    alias: str
    targets: list[TargetShown]
    settings: Settings
    has_prompt: bool
    shared: bool
    disabled_at: datetime | None
    created_at: datetime


class ModelPage(BaseModel):
    """Models, oldest first. `next` is what to give as `after` for the next page."""

    models: list[ModelShown]
    next: uuid.UUID | None


class OfferedShown(BaseModel):
    """One name that the tenant's keys may call, and whether a provider in use stands behind it."""

    name: str
    source: Literal["own", "shared", "assistant"]
    answerable: bool
    created_at: datetime


class OfferedList(BaseModel):
    """All of them, by name."""

    models: list[OfferedShown]


def models_router(services: GatewayServices) -> APIRouter:
    """The routes below ``/models``, and ``/gateway/models``."""
    router = APIRouter(tags=["models"])

    @router.get("/gateway/models", openapi_extra=ASK)
    async def list_offered(who: Principal = services.asks) -> OfferedList:
        """All that the tenant's keys may call: its own models, those shared by the operator, its assistants. A key may allow fewer."""
        found = await offered_to(services.database, who.tenant_id)
        shown = [OfferedShown(name=item.name, source=item.source, answerable=item.answerable, created_at=item.created_at) for item in found]
        return OfferedList(models=shown)

    @router.get("/models", openapi_extra=READ)
    async def list_models(after: uuid.UUID | None = None, limit: int = Query(PAGE, ge=1, le=PAGE_MAX), who: Principal = services.reads) -> ModelPage:
        """The tenant's own models."""
        async with services.within(who) as connection:
            found = await store.list_models(connection, after=after, limit=limit + 1)
        return ModelPage(models=[_shown(item) for item in found[:limit]], next=found[limit - 1].id if len(found) > limit else None)

    @router.get("/models/{alias:path}", openapi_extra=READ)
    async def get_model(alias: Alias, who: Principal = services.reads) -> ModelShown:
        """One model."""
        async with services.within(who) as connection:
            return _shown(await store.get_model(connection, alias))

    @router.put("/models/{alias:path}", openapi_extra=WRITE)
    async def put_model(alias: Alias, body: ModelBody, who: Principal = services.writes) -> ModelShown:
        """Add a model, or change the one of that name. Requests follow within about a second."""
        targets = [store.Target(item.provider, item.name, item.priority, item.weight) for item in body.targets]
        async with services.within(who) as connection:
            await store.put_model(
                connection,
                services.keyring,
                who.tenant_id,
                alias=alias,
                targets=targets,
                settings=settings_from(ModelSettings, body.settings),
                prompt=body.prompt,
                shared=body.shared,
                disabled=body.disabled,
                actor_id=who.person_id,
                now=services.clock(),
            )
            return _shown(await store.get_model(connection, alias))

    @router.delete("/models/{alias:path}", openapi_extra=WRITE)
    async def delete_model(alias: Alias, who: Principal = services.writes) -> Changed:
        """Delete a model."""
        async with services.within(who) as connection:
            await store.delete_model(connection, who.tenant_id, alias, actor_id=who.person_id, now=services.clock())
        return Changed()

    return router


def _shown(model: store.Model) -> ModelShown:
    return ModelShown(
        id=model.id,
        alias=model.alias,
        targets=[TargetShown(provider=item.provider, name=item.name, priority=item.priority, weight=item.weight) for item in model.targets],
        settings=plain(model.settings),
        has_prompt=model.has_prompt,
        shared=model.shared,
        disabled_at=model.disabled_at,
        created_at=model.created_at,
    )

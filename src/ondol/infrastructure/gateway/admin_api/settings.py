"""How the gateway treats the tenant: content logging, notice and mark, what happens while Postgres is away, a pinned prompt."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field, WithJsonSchema

from ondol.infrastructure.access.route_roles import READ, WRITE, Body
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.admin_api.base import GatewayServices, plain, schema_of
from ondol.infrastructure.serving import store
from ondol.infrastructure.serving.settings import TenantSettings, settings_from

Settings = Annotated[dict[str, Any], WithJsonSchema(schema_of(TenantSettings))]


class SettingsBody(Body):
    """The settings, whole: one that is absent has its default. Without `prompt` the pinned one stays; an empty one takes it away."""

    settings: Settings
    prompt: str | None = Field(default=None, max_length=store.PROMPT_CHARACTERS_MAX)


class SettingsShown(BaseModel):
    """The settings. The pinned prompt is not shown."""

    settings: Settings
    has_prompt: bool


def settings_router(services: GatewayServices) -> APIRouter:
    """The routes of ``/gateway/settings``."""
    router = APIRouter(prefix="/gateway", tags=["gateway"])

    @router.get("/settings", openapi_extra=READ)
    async def get_settings(who: Principal = services.reads) -> SettingsShown:
        """The gateway's settings of the tenant."""
        async with services.within(who) as connection:
            settings, has_prompt = await store.get_tenant_settings(connection)
        return SettingsShown(settings=plain(settings), has_prompt=has_prompt)

    @router.put("/settings", openapi_extra=WRITE)
    async def put_settings(body: SettingsBody, who: Principal = services.writes) -> SettingsShown:
        """Change them. Requests follow within about a second."""
        async with services.within(who) as connection:
            await store.put_tenant_settings(
                connection,
                services.keyring,
                who.tenant_id,
                settings_from(TenantSettings, body.settings),
                prompt=body.prompt,
                actor_id=who.person_id,
                now=services.clock(),
            )
            settings, has_prompt = await store.get_tenant_settings(connection)
        return SettingsShown(settings=plain(settings), has_prompt=has_prompt)

    return router

"""API keys: made and shown once, listed without their secrets, revoked for good."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ondol.core.errors import Forbidden
from ondol.infrastructure.access import keys
from ondol.infrastructure.access.people import LOGIN_CHARACTERS_MAX, find_person, logins_of
from ondol.infrastructure.access.route_roles import READ, WRITE, Body
from ondol.infrastructure.access.types import ApiKey, Principal
from ondol.infrastructure.gateway.admin_api.base import PAGE, PAGE_MAX, Changed, GatewayServices, Moment

ModelName = Annotated[str, Field(min_length=1, max_length=keys.NAME_CHARACTERS_MAX)]


class KeyBody(Body):
    """A key to be made: it acts as a person or a service. With models it may call those and do nothing else; without, call all."""

    login: str = Field(min_length=1, max_length=LOGIN_CHARACTERS_MAX)
    name: str = Field(default="key", min_length=1, max_length=keys.NAME_CHARACTERS_MAX)
    models: list[ModelName] | None = Field(default=None, max_length=keys.MODELS_MAX)
    expires_at: Moment | None = None


class KeyShown(BaseModel):
    """A key as it is listed."""

    id: uuid.UUID
    public_id: str
    name: str
    person_id: uuid.UUID
    login: str
    models: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class KeyMade(KeyShown):
    """A new key with its text, which is shown this time only."""

    key: str


class KeyPage(BaseModel):
    """Keys, oldest first. `next` is what to give as `after` for the next page."""

    keys: list[KeyShown]
    next: uuid.UUID | None


def keys_router(services: GatewayServices) -> APIRouter:
    """The routes below ``/keys``."""
    router = APIRouter(prefix="/keys", tags=["keys"])

    @router.get("", openapi_extra=READ)
    async def list_keys(after: uuid.UUID | None = None, limit: int = Query(PAGE, ge=1, le=PAGE_MAX), who: Principal = services.reads) -> KeyPage:
        """The tenant's keys, revoked ones too."""
        async with services.within(who) as connection:
            found = await keys.list_keys(connection, who.tenant_id, after=after, limit=limit + 1)
            logins = await logins_of(connection, services.keyring, who.tenant_id, {key.person_id for key in found[:limit]})
        shown = [KeyShown(**_plain(key, logins.get(key.person_id, ""))) for key in found[:limit]]
        return KeyPage(keys=shown, next=found[limit - 1].id if len(found) > limit else None)

    @router.post("", openapi_extra=WRITE)
    async def create_key(body: KeyBody, who: Principal = services.writes) -> KeyMade:
        """Make a key. Only an owner makes one that acts as an owner."""
        async with services.within(who) as connection:
            person = await find_person(connection, services.keyring, who.tenant_id, body.login)
            if "owner" in person.roles and "owner" not in who.roles:
                raise Forbidden("Only an owner makes a key that acts as an owner.", "Ask one, or make it for a service.", code="role_required")
            key, minted = await keys.create_key(
                connection,
                who.tenant_id,
                person.id,
                body.name,
                services.clock(),
                expires_at=body.expires_at,
                models=body.models,
                actor_id=who.person_id,
            )
        return KeyMade(**_plain(key, person.login), key=minted.text)

    @router.post("/{public_id}/revoke", openapi_extra=WRITE)
    async def revoke_key(public_id: str, who: Principal = services.writes) -> Changed:
        """Revoke a key for good. It is refused within a second or two, and its streams end."""
        async with services.within(who) as connection:
            await keys.revoke_key(connection, who.tenant_id, public_id, services.clock(), actor_id=who.person_id)
        return Changed()

    return router


def _plain(key: ApiKey, login: str) -> dict[str, Any]:
    return {
        "id": key.id,
        "public_id": key.public_id,
        "name": key.name,
        "person_id": key.person_id,
        "login": login,
        "models": None if key.models is None else list(key.models),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    }

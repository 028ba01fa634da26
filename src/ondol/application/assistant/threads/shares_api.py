"""Sharing threads in the admin API: by their own person alone, with people and groups of the tenant, for reading."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ondol.application.assistant.threads.sharing import SHARES_MAX, Shares, share_thread, shares_of
from ondol.application.knowledge.api import KnowledgeServices
from ondol.infrastructure.access.route_roles import ASK, Body
from ondol.infrastructure.access.types import Principal

Name = Annotated[str, Field(min_length=1, max_length=200)]


class SharesBody(Body):
    """With whom a thread is to be shared: people by their logins, groups by their names. Whom it does not name reads no longer."""

    people: list[Name] = Field(default=[], max_length=SHARES_MAX)
    groups: list[Name] = Field(default=[], max_length=SHARES_MAX)


class SharesShown(BaseModel):
    """With whom a thread is shared."""

    people: list[str]
    groups: list[str]


def shares_router(services: KnowledgeServices) -> APIRouter:
    """The routes below ``/threads/{thread}/shares``."""
    router = APIRouter(prefix="/threads/{thread}/shares", tags=["threads"])
    room = services.knowledge

    async def put(who: Principal, thread: uuid.UUID, wanted: Shares) -> SharesShown:
        async with room.database.tenant_tx(who.tenant_id) as connection:
            await share_thread(room, connection, who.tenant_id, who.person_id, thread, wanted)
            return _shown(await shares_of(room, connection, who.tenant_id, who.person_id, thread))

    @router.get("", openapi_extra=ASK)
    async def list_shares(thread: uuid.UUID, who: Principal = services.asks) -> SharesShown:
        """With whom you share one of your threads."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            return _shown(await shares_of(room, connection, who.tenant_id, who.person_id, thread))

    @router.put("", openapi_extra=ASK)
    async def put_shares(thread: uuid.UUID, body: SharesBody, who: Principal = services.asks) -> SharesShown:
        """Share one of your threads with exactly these people and groups. They may read it, as far as they may read what its answers rest on."""
        return await put(who, thread, Shares(body.people, body.groups))

    @router.delete("", openapi_extra=ASK)
    async def end_shares(thread: uuid.UUID, who: Principal = services.asks) -> SharesShown:
        """Share one of your threads with nobody any more."""
        return await put(who, thread, Shares())

    return router


def _shown(shares: Shares) -> SharesShown:
    return SharesShown(people=list(shares.people), groups=list(shares.groups))

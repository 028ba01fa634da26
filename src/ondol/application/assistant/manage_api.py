"""Assistants in the admin API: made, changed and listed. What they serve is a matter of their releases."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ondol.application.assistant.release import declare_release, wish_of
from ondol.application.assistant.releases_api import AssistantName, ReleaseServices
from ondol.application.assistant.store import find_assistant, list_assistants, put_assistant
from ondol.application.assistant.types import Assistant
from ondol.application.knowledge.store import find_base
from ondol.core.errors import NotFound
from ondol.core.ids import new_id
from ondol.infrastructure.access.route_roles import ASK, READERS, WRITE, Body
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.releases import Release, get_release

SETTINGS_MAX = 50


class AssistantBody(Body):
    """What an assistant is made of: the base that it answers from, and settings as in a declaration, such as `title`, `model` or `prompt`."""

    base: str = Field(max_length=63)
    settings: dict[str, Any] = Field(default_factory=dict, max_length=SETTINGS_MAX)


class AssistantShown(BaseModel):
    """An assistant. `settings` are told to nobody who may not change or read what concerns the tenant. `release` is the number of what it serves."""

    id: uuid.UUID
    name: str
    model: str = Field(description="What applications call it by.")
    base: str
    title: dict[str, str]
    settings: dict[str, Any] | None
    release: int | None
    created_at: datetime


class AssistantList(BaseModel):
    """Assistants, the oldest first."""

    assistants: list[AssistantShown]


class AssistantPut(AssistantShown):
    """An assistant as it is now. `waiting` is the number of a release that waits for a verdict before it serves."""

    created: bool
    waiting: int | None


def assistants_router(services: ReleaseServices) -> APIRouter:
    """The routes of ``/assistants``."""
    router = APIRouter(prefix="/assistants", tags=["assistants"])
    room = services.knowledge

    @router.get("", openapi_extra=ASK)
    async def list_all_assistants(who: Principal = services.asks) -> AssistantList:
        """The tenant's assistants."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await list_assistants(connection)
            served = {item.release_id: (await get_release(connection, item.release_id)).number for item in found if item.release_id is not None}
        return AssistantList(
            assistants=[AssistantShown(**_plain(item, served[item.release_id] if item.release_id is not None else None, who)) for item in found]
        )

    @router.get("/{assistant}", openapi_extra=ASK)
    async def show_assistant(assistant: AssistantName, who: Principal = services.asks) -> AssistantShown:
        """One of them."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await find_assistant(connection, assistant)
            number = None if found.release_id is None else (await get_release(connection, found.release_id)).number
        return AssistantShown(**_plain(found, number, who))

    @router.put("/{assistant}", openapi_extra=WRITE)
    async def put_one(assistant: AssistantName, body: AssistantBody, who: Principal = services.writes) -> AssistantPut:
        """Make an assistant, or give the one of this name another base and settings.

        Where it serves a release that somebody made, that stays; else it serves this from the next question on, after a verdict where it
        requires one.
        """
        wish_of(body.settings)
        async with room.database.tenant_tx(who.tenant_id) as connection:
            base = await find_base(connection, body.base)
            is_new = not await _is_there(services, who, assistant)
            await put_assistant(connection, who.tenant_id, new_id(), assistant, base.id, body.settings, room.clock())
            put = await find_assistant(connection, assistant)
            gate = services.gate_of(who.tenant_id)
            made = await declare_release(room.database, room.keyring, connection, who.tenant_id, put, room.clock, gate=gate)
            now = await find_assistant(connection, assistant)
            number = None if now.release_id is None else (await get_release(connection, now.release_id)).number
        return AssistantPut(**_plain(now, number, who), created=is_new, waiting=_waiting(made))

    return router


async def _is_there(services: ReleaseServices, who: Principal, name: str) -> bool:
    try:
        await services.assistant(who, name)
    except NotFound:
        return False
    return True


def _waiting(made: Release | None) -> int | None:
    return made.number if made is not None and made.state == "candidate" else None


def _plain(found: Assistant, number: int | None, who: Principal) -> dict[str, Any]:
    return {
        "id": found.id,
        "name": found.name,
        "model": found.model,
        "base": found.base,
        "title": _title(found.settings),
        "settings": dict(found.settings) if who.roles & READERS else None,
        "release": number,
        "created_at": found.created_at,
    }


def _title(settings: Mapping[str, Any]) -> dict[str, str]:
    told = settings.get("title")
    return {str(language): str(text) for language, text in told.items()} if isinstance(told, dict) else {}

"""The admin API's routes about registered texts. Which text is a work that no answer may repeat is for people to say."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from ondol.infrastructure.access.route_roles import READ, READERS, WRITE, WRITERS
from ondol.infrastructure.guard import texts
from ondol.infrastructure.guard.api import GuardServices


class TextBody(BaseModel):
    """A text that no answer may repeat. It is read and not kept. Bodies have a bound of their own: larger files go in by the command line."""

    model_config = ConfigDict(extra="forbid")

    name: str
    note: str = ""
    text: str = Field(max_length=texts.TEXT_BYTES_MAX)


def texts_router(services: GuardServices) -> APIRouter:
    """The routes below ``/guard/texts``."""
    router = APIRouter(prefix="/guard/texts", tags=["guard"])

    @router.get("", openapi_extra=READ)
    async def list_texts(request: Request, before: uuid.UUID | None = None, limit: int = Query(50, ge=1, le=texts.PAGE_MAX - 1)) -> dict[str, Any]:
        """Registered texts, the newest first, without their words. `next` is what to give as `before` for the next page."""
        who = services.caller(request, READERS)
        async with services.within(who) as connection:
            found = await texts.list_texts(connection, services.keyring, who.tenant_id, before=before, limit=limit + 1)
        return {"texts": [asdict(item) for item in found[:limit]], "next": found[limit - 1].id if len(found) > limit else None}

    @router.post("", openapi_extra=WRITE)
    async def add_text(request: Request, body: TextBody) -> dict[str, Any]:
        """Register a text."""
        who = services.caller(request, WRITERS)
        prepared = await asyncio.to_thread(texts.prepare_text, services.keyring, who.tenant_id, body.name, body.note, body.text)
        async with services.within(who) as connection:
            added = await texts.add_text(connection, services.keyring, who.tenant_id, prepared, by=who.person_id, now=services.clock())
        return asdict(added)

    @router.delete("/{text_id}", openapi_extra=WRITE)
    async def remove_text(request: Request, text_id: uuid.UUID) -> dict[str, Any]:
        """Let a text be repeated again. Its hashes are gone at once."""
        who = services.caller(request, WRITERS)
        async with services.within(who) as connection:
            await texts.remove_text(connection, who.tenant_id, text_id, by=who.person_id, now=services.clock())
        return {"changed": True}

    return router

"""Drafts of prompts before an assistant: asked through the gateway, limited, guarded, counted and recorded like any other request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ondol.application.assistant.drafts import Draft, Trial
from ondol.infrastructure.access.people import groups_of_person
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.application import Gateway
from ondol.infrastructure.gateway.door import Caller
from ondol.infrastructure.gateway.inside import InsideAnswer, ask_inside
from ondol.wiring.platform import Platform

CHAT = "/v1/chat/completions"


def draft_asker(
    platform: Platform, gateway_for: Callable[[Trial], Gateway]
) -> Callable[[Principal, Draft | None, Mapping[str, Any]], Awaitable[InsideAnswer]]:
    """Asks an assistant in somebody's name, by a draft or as it serves; nothing of the answer is kept.

    Args:
        gateway_for: a gateway of this process whose assistants answer so.
    """

    async def ask(who: Principal, draft: Draft | None, body: Mapping[str, Any]) -> InsideAnswer:
        async with platform.database.tenant_tx(who.tenant_id) as connection:
            groups = await groups_of_person(connection, who.person_id)
        return await ask_inside(gateway_for(Trial(draft)), Caller(who.tenant_id, who.person_id, None, None, groups), CHAT, body)

    return ask

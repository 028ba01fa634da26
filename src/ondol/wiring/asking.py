"""A question of a command, asked as one person through the gateway's own door: with their limits and budgets, the guard, a price and a record."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from ondol.core.errors import RequestError
from ondol.infrastructure.access.people import groups_of_person
from ondol.infrastructure.gateway.door import Caller
from ondol.infrastructure.gateway.inside import ask_inside
from ondol.wiring.inside import open_inside
from ondol.wiring.platform import Platform

CHAT = "/v1/chat/completions"


async def ask_as(platform: Platform, tenant_id: uuid.UUID, person_id: uuid.UUID, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The whole answer of a chat; when this returns, what was spent is told and what was recorded is written.

    Raises:
        RequestError: with the message and the code that a caller over HTTP would get.
    """
    async with platform.database.tenant_tx(tenant_id) as connection:
        groups = await groups_of_person(connection, person_id)
    async with open_inside(platform) as inside:
        answer = await ask_inside(inside.gateway(), Caller(tenant_id, person_id, None, None, groups), CHAT, body)
    if answer.status != 200:
        error = answer.body["error"]
        raise RequestError(error["message"], code=str(error.get("code") or "failed"))
    return answer.body

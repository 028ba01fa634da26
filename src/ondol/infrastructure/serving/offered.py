"""What a tenant may call, read from Postgres: for people; requests look it up in the `directory`."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ondol.infrastructure.serving.directory import ASSISTANT_PREFIX
from ondol.infrastructure.serving.store import QUERIES
from ondol.infrastructure.storage.postgres import Connection, Database, one, rows

OFFERED_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Offered:
    """One name that the tenant's keys may call.

    Attributes:
        source: a model of its own, one that the installation's operator shares, or an assistant.
        answerable: a provider in use stands behind it.
    """

    name: str
    source: Literal["own", "shared", "assistant"]
    answerable: bool
    created_at: datetime


async def offered_to(database: Database, tenant_id: uuid.UUID) -> list[Offered]:
    """All that a tenant may call, by name. Its own model stands before a shared one of the same name."""
    limit: dict[str, object] = {"limit": OFFERED_MAX}
    async with database.system_tx() as connection:
        shared = await rows(connection, QUERIES["models_shared"], limit)
    async with database.tenant_tx(tenant_id) as connection:
        own = await rows(connection, QUERIES["models_offered"], limit)
        assistants = await rows(connection, QUERIES["assistants_offered"], limit)
    found = {row["alias"]: Offered(row["alias"], "shared", row["answerable"], row["created_at"]) for row in shared if row["tenant_id"] != tenant_id}
    found |= {row["alias"]: Offered(row["alias"], "own", row["answerable"], row["created_at"]) for row in own}
    for row in assistants:
        name = ASSISTANT_PREFIX + row["name"]
        found[name] = Offered(name, "assistant", True, row["created_at"])
    return [found[name] for name in sorted(found)]


async def offers(database: Database, connection: Connection, alias: str) -> bool:
    """Whether a tenant may call a model of that name, its own or a shared one.

    Args:
        connection: a transaction of the tenant.
    """
    if await one(connection, QUERIES["model_offered"], {"alias": alias}) is not None:
        return True
    async with database.system_tx() as system:
        return await one(system, QUERIES["model_shared"], {"alias": alias}) is not None

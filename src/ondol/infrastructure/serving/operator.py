"""The tenant that runs this installation: its models may be shared with every other one."""

from __future__ import annotations

from datetime import datetime

from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.ledger import record
from ondol.infrastructure.serving.store import QUERIES
from ondol.infrastructure.storage.postgres import Database, one


async def find_operator(database: Database) -> Tenant | None:
    """The tenant that runs this installation; None while none does."""
    async with database.system_tx() as connection:
        found = await one(connection, QUERIES["operator"], {})
    return None if found is None else Tenant(**found)


async def set_operator(database: Database, tenant: Tenant, now: datetime) -> bool:
    """Let a tenant run this installation; what the one before it shared is shared no longer. Whether that is a change."""
    before = await find_operator(database)
    if before is not None and before.id == tenant.id:
        return False
    if before is not None:
        async with database.tenant_tx(before.id) as connection:
            await connection.execute(QUERIES["models_unshare"])
            await record(connection, before.id, kind="tenant.operator", actor_id=None, body={"operates": False}, now=now)
    async with database.system_tx() as connection:
        await connection.execute(QUERIES["operator_leave"])
        await connection.execute(QUERIES["operator_set"], {"id": tenant.id})
    async with database.tenant_tx(tenant.id) as connection:
        await record(connection, tenant.id, kind="tenant.operator", actor_id=None, body={"operates": True}, now=now)
    return True

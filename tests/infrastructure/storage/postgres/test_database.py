from __future__ import annotations

import pytest

from ondol.core.ids import new_id
from ondol.infrastructure.storage.postgres import Database

pytestmark = pytest.mark.anyio


async def test_the_app_role_sees_one_tenant_only(database: Database) -> None:
    first, second = new_id(), new_id()
    async with database.system_tx() as connection:
        for tenant_id, slug in ((first, "first"), (second, "second")):
            await connection.execute("insert into tenants (id, slug, name, created_at) values (%s, %s, %s, now())", (tenant_id, slug, slug))
    async with database.tenant_tx(first) as connection:
        seen = await (await connection.execute("select slug from tenants")).fetchall()
    assert seen == [{"slug": "first"}]

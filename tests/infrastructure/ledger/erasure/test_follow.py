"""What a worker is told to forget."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ondol.core.errors import NotFound
from ondol.core.ids import new_id
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.ledger.erasure import ErasureFollower, Gone, find_erasure, list_erasures, note_items, open_erasure, reopen
from ondol.infrastructure.ledger.erasure.store import set_state
from ondol.infrastructure.storage.blobs import KeyOwner
from ondol.infrastructure.storage.postgres import Database

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


async def test_a_worker_is_told_when_something_is_hidden_and_when_it_goes_on(database: Database, tenant: Tenant) -> None:
    told: list[Gone] = []
    woken: list[int] = []
    follower = ErasureFollower(database, told.append, lambda: woken.append(1))
    target, version, segment = new_id(), new_id(), new_id()
    owner = KeyOwner(tenant.id, "document", target)

    async def look() -> None:
        async with database.system_tx() as connection:
            await follower.look(connection)

    await look()
    assert (told, len(woken)) == ([], 1)
    async with database.tenant_tx(tenant.id) as connection:
        options = {"base_id": new_id(), "with_documents": False, "asked_by": None, "reason": "request", "now": NOW}
        erasure = await open_erasure(connection, tenant.id, "document", target, **options)  # type: ignore[arg-type]
    await look()
    assert (told, len(woken)) == ([Gone(owner)], 2)
    async with database.tenant_tx(tenant.id) as connection:
        await note_items(connection, erasure, "version", [version])
        await note_items(connection, erasure, "segment", [segment])
        await set_state(connection, erasure, "running")
    await look()
    await look()
    assert told[1:] == [Gone(owner, frozenset([version]), frozenset([segment]))]
    assert len(woken) == 3


async def test_what_is_asked_twice_is_one_erasure_and_another_tenant_sees_nothing_of_it(database: Database, tenant: Tenant) -> None:
    target = new_id()
    async with database.tenant_tx(tenant.id) as connection:
        options = {"base_id": new_id(), "with_documents": False, "asked_by": None, "reason": "request", "now": NOW}
        first = await open_erasure(connection, tenant.id, "document", target, **options)  # type: ignore[arg-type]
        assert await open_erasure(connection, tenant.id, "document", target, **options) == first  # type: ignore[arg-type]
        assert await list_erasures(connection) == [first]
        assert await reopen(connection, "document", [target]) == 0, "it is not proved yet"
    async with database.tenant_tx(new_id()) as connection:
        assert await list_erasures(connection) == []
        with pytest.raises(NotFound):
            await find_erasure(connection, "document", target)

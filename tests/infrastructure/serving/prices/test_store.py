"""Price lists, and which of them holds when."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ondol.core.errors import Conflict, NotFound, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.access.limits.governor import Governor
from ondol.infrastructure.access.limits.store import NewBudget, create_budget
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.serving.prices import Price, PriceDirectory, create_price, list_prices, remove_price
from ondol.infrastructure.storage.postgres import Database

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 3, 4, tzinfo=UTC)


def price_of(tenant_id: uuid.UUID, **fields: object) -> Price:
    return replace(Price(new_id(), tenant_id, "local", "tiny", "USD", NOW, input=5, output=7), **fields)  # type: ignore[arg-type]


async def test_each_moment_has_the_price_of_its_day(database: Database, tenant: Tenant) -> None:
    directory = PriceDirectory()
    governor = Governor(database, followers=[directory.read])
    assert await governor.beat()
    assert directory.find(tenant.id, "local", "tiny", NOW) is None
    first, later = price_of(tenant.id), price_of(tenant.id, from_at=NOW + timedelta(days=30), input=9)
    async with database.tenant_tx(tenant.id) as connection:
        await create_price(connection, first, NOW)
        await create_price(connection, later, NOW)
        assert await list_prices(connection) == sorted((first, later), key=lambda price: price.id)
        with pytest.raises(Conflict):
            await create_price(connection, price_of(tenant.id), NOW)
    assert await governor.beat(), "a change is read with the next beat"
    moments = [NOW - timedelta(seconds=1), NOW, NOW + timedelta(days=29), NOW + timedelta(days=30)]
    assert [directory.find(tenant.id, "local", "tiny", moment) for moment in moments] == [None, first, first, later]
    assert directory.find(new_id(), "local", "tiny", NOW) is None
    assert directory.find(tenant.id, "local", "other", NOW) is None
    async with database.tenant_tx(tenant.id) as connection:
        await remove_price(connection, tenant.id, later.id, NOW)
        with pytest.raises(NotFound):
            await remove_price(connection, tenant.id, later.id, NOW)
    await governor.beat()
    assert directory.find(tenant.id, "local", "tiny", NOW + timedelta(days=31)) == first


async def test_currencies_are_not_mixed(database: Database, tenant: Tenant) -> None:
    won = NewBudget("all", "tenant", "", "money", "month", 1000, "KRW")
    async with database.tenant_tx(tenant.id) as connection:
        price = price_of(tenant.id)
        await create_price(connection, price, NOW)
        with pytest.raises(Conflict, match="is in USD; a budget in KRW cannot be held against it") as caught:
            await create_budget(connection, tenant.id, won, NOW)
        assert caught.value.code == "currency_mismatch"
        await remove_price(connection, tenant.id, price.id, NOW)
        await create_budget(connection, tenant.id, won, NOW)
        with pytest.raises(Conflict, match="is in KRW, and a price in USD"):
            await create_price(connection, price_of(tenant.id), NOW)
        await create_price(connection, price_of(tenant.id, currency="KRW"), NOW)


@pytest.mark.parametrize("fields", [{"input": None, "output": None}, {"input": -1}, {"output": 2**63}])
async def test_a_price_that_is_none_is_refused(database: Database, tenant: Tenant, fields: dict[str, object]) -> None:
    async with database.tenant_tx(tenant.id) as connection:
        with pytest.raises(RequestError):
            await create_price(connection, price_of(tenant.id, **fields), NOW)

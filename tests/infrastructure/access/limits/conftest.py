"""A tenant, workers that share its limits, a clock that stands still, and a database whose clock can be set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from ondol.core.errors import TooManyRequests
from ondol.core.money import Money
from ondol.infrastructure.access.limits.governor import RECALL_WAIT_S, Governor
from ondol.infrastructure.access.limits.pools import Admission
from ondol.infrastructure.access.limits.store import NewBudget, create_budget, create_limit
from ondol.infrastructure.access.limits.types import Bounds, Budget, Limit, Need, Rates, Scope, Who
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.storage.postgres import Database, DatabaseAddresses

NOW = datetime(2026, 3, 4, tzinfo=UTC)
MODEL = "small"


def usd(amount: float) -> Money:
    return Money(round(amount * 1_000_000_000), "USD")


@dataclass
class Ticks:
    """Seconds that pass when they are told to."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Bench:
    """What the tests work with."""

    database: Database
    addresses: DatabaseAddresses
    tenant: Tenant
    ticks: Any = field(default_factory=Ticks)

    @property
    def who(self) -> Who:
        return Who(self.tenant.id)

    async def worker(self, **options: Any) -> Governor:
        governor = Governor(self.database, monotonic=self.ticks, **options)
        assert await governor.beat()
        return governor

    async def budget(self, amount: int | Money, period: Any = "total", scope: Scope = "tenant", subject: str = "", **options: Any) -> Budget:
        unit, currency, nano = ("money", amount.currency, amount.nano) if isinstance(amount, Money) else ("tokens", None, amount)
        new = NewBudget(options.pop("name", f"{period} {unit} {scope}"), scope, subject, unit, period, nano, currency, **options)  # type: ignore[arg-type]
        async with self.database.tenant_tx(self.tenant.id) as connection:
            return await create_budget(connection, self.tenant.id, new, NOW)

    async def limit(self, scope: Scope = "tenant", subject: str = "", bounds: Bounds | None = None, **rates: int) -> Limit:
        async with self.database.tenant_tx(self.tenant.id) as connection:
            return await create_limit(connection, self.tenant.id, scope, subject, Rates(**rates), bounds or Bounds(), NOW)

    def sql(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """One statement as the owner."""
        with psycopg.connect(self.addresses.owner, autocommit=True, row_factory=dict_row, options="-c search_path=ondol") as owner:
            done = owner.execute(statement, values)
            return done.fetchall() if done.description else []

    def pool(self) -> dict[str, Any]:
        [row] = self.sql("select kind, amount, spent, leased, level from limit_pools")
        return row

    def pool_of(self, kind: str) -> dict[str, Any]:
        [row] = self.sql("select kind, amount, spent, leased, level from limit_pools where kind = %s", kind)
        return row

    def set_clock(self, seconds: float) -> None:
        """Set the database's clock to now and so many seconds, by the one function that says what it is."""
        self.sql(
            "create or replace function ondol.limits_now() returns timestamptz language sql stable parallel safe"
            f" return now() + make_interval(secs => {seconds:f})"
        )

    def lose(self, governor: Governor) -> None:
        """The worker has not been heard of for too long."""
        self.sql("update limit_replicas set expires_at = limits_now() - interval '1 second' where id = %s", governor.replica_id)


@pytest.fixture
async def bench(database: Database, addresses: DatabaseAddresses, tenant: Tenant) -> AsyncIterator[Bench]:
    yield Bench(database, addresses, tenant)


async def ask(bench: Bench, worker: Governor, need: Need, who: Who | None = None, others: tuple[Governor, ...] = ()) -> Admission:
    """Admit, with the beats that `run` would give, and no real waiting."""
    asking = asyncio.ensure_future(worker.admit_waiting(who or bench.who, MODEL, need))
    for _ in range(50):
        await asyncio.sleep(0)
        if asking.done():
            return asking.result()
        for one in (worker, *others):
            # Looked for in each beat, since no notice is heard here.
            one._looked_at = float("-inf")
            await one.beat()
        bench.ticks.seconds += RECALL_WAIT_S / 3
    raise AssertionError("it waits without end")


async def refused(bench: Bench, worker: Governor, need: Need, who: Who | None = None, others: tuple[Governor, ...] = ()) -> TooManyRequests:
    try:
        await ask(bench, worker, need, who, others)
    except TooManyRequests as error:
        return error
    raise AssertionError("it was admitted")


@asynccontextmanager
async def running(*workers: Governor) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

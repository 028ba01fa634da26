"""Ondol as it is measured: `ondol up` in a data folder of its own, with tenants that are governed in every way."""

from __future__ import annotations

import contextlib
import os
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from benchmarks.gateway.stand import Side, free_ports, running, wait_for, workers_of
from ondol.core.config import load_settings
from ondol.core.ids import new_id
from ondol.core.money import NANO_PER_UNIT
from ondol.infrastructure.access.keys import create_key
from ondol.infrastructure.access.limits.store import NewBudget, create_budget, create_limit, list_budgets, list_windows
from ondol.infrastructure.access.limits.types import Bounds, Rates
from ondol.infrastructure.access.people import NewPerson, add_person, create_tenant
from ondol.infrastructure.serving.prices import Price, create_price
from ondol.infrastructure.serving.settings import ModelSettings, ProviderSettings, TenantSettings
from ondol.infrastructure.serving.store import Target, put_model, put_provider, put_tenant_settings
from ondol.wiring.platform import Platform, open_platform

CONNECTIONS_MAX = 30_000
REQUESTS_PER_MINUTE = 100_000_000
TOKENS_PER_MINUTE = 10**12
CONCURRENT_MAX = 25_000
BUDGET_UNITS = 1_000_000
PRICE_INPUT, PRICE_OUTPUT = NANO_PER_UNIT // 2, 2 * NANO_PER_UNIT
"""0.50 and 2.00 USD for a million tokens."""


@dataclass(frozen=True, slots=True)
class TenantPlan:
    """A tenant to be made: a key, limits on requests, tokens and concurrency, a budget in money, prices; the guard's built-in policy looks on.

    Attributes:
        content: what is kept of requests and answers.
        models: aliases, each with the port of its upstream and the model's name there.
        budget_nano: for all time if `is_total`, else each month.
        price_input, price_output: for a million tokens, in nano-dollars.
    """

    slug: str
    models: dict[str, tuple[int, str]]
    content: Literal["off", "masked", "full"] = "off"
    budget_nano: int = BUDGET_UNITS * NANO_PER_UNIT
    is_total: bool = False
    price_input: int = PRICE_INPUT
    price_output: int = PRICE_OUTPUT


@dataclass(slots=True)
class Governed:
    """A data folder with its tenants.

    Attributes:
        keys: by tenant's slug.
        tenants: ids by slug.
    """

    folder: Path
    keys: dict[str, str] = field(default_factory=dict)
    tenants: dict[str, uuid.UUID] = field(default_factory=dict)

    @contextlib.contextmanager
    def up(self, workers: int) -> Iterator[tuple[int, int]]:
        """`ondol up` with so many workers, until all of them can answer: the port, and the id of its first process.

        Raises:
            NotStarted: when it does not.
        """
        port = free_ports(1)[0]
        environment = {
            "ONDOL_DATA_DIR": self.folder.as_posix(), "ONDOL_HTTP_PORT": str(port), "ONDOL_HTTP_CONNECTIONS_MAX": str(CONNECTIONS_MAX),
            "ONDOL_LOG_LEVEL": "warning", "PYTHONUNBUFFERED": "1",
        }  # fmt: skip
        log = self.folder.with_name(f"{self.folder.name}-{workers}.log")
        command = [sys.executable, "-m", "ondol.cli.main", "up", "--no-demo", "--workers", str(workers)]
        with running(command, log, environment) as process:
            wait_for(lambda: "Ready in" in log.read_text("utf-8", "replace"), process, "Ondol", log)
            yield port, process.pid

    def side(self, name: str, slug: str, model: str, port: int, process_id: int) -> Side:
        """A tenant's way in."""
        return Side(name, port, {"authorization": f"Bearer {self.keys[slug]}"}, model, lambda: workers_of(process_id))

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Platform]:
        """The stores of the running platform."""
        settings = load_settings(environment={**os.environ, "ONDOL_DATA_DIR": self.folder.as_posix()})
        async with open_platform(settings) as platform:
            yield platform

    async def make(self, plans: list[TenantPlan]) -> None:
        """Make tenants while the platform runs; its workers know them a second or two later."""
        async with self.opened() as platform:
            for plan in plans:
                await self._make(platform, plan)

    async def _make(self, platform: Platform, plan: TenantPlan) -> None:
        now = platform.clock()
        tenant = await create_tenant(platform.database, platform.keyring, slug=plan.slug, name=plan.slug, currency="USD", now=now)
        self.tenants[plan.slug] = tenant.id
        async with platform.database.tenant_tx(tenant.id) as connection:
            person = await add_person(connection, platform.keyring, tenant.id, NewPerson("load", "Load"), now)
            _, minted = await create_key(connection, tenant.id, person.id, "load", now)
            self.keys[plan.slug] = minted.text
            await put_tenant_settings(
                connection, platform.keyring, tenant.id, TenantSettings(content=plan.content), prompt=None, actor_id=None, now=now
            )
            for alias, (port, name) in plan.models.items():
                await _add_model(connection, platform, tenant.id, plan, alias, port, name)
            rates = Rates(REQUESTS_PER_MINUTE, TOKENS_PER_MINUTE, CONCURRENT_MAX)
            await create_limit(connection, tenant.id, "tenant", "", rates, Bounds(output_tokens_max=100_000), now)
            period: Literal["total", "month"] = "total" if plan.is_total else "month"
            await create_budget(connection, tenant.id, NewBudget("budget", "tenant", "", "money", period, plan.budget_nano, "USD"), now)

    async def spent_nano(self, slug: str) -> int:
        """What Postgres counts of a tenant's budget as spent."""
        async with self.opened() as platform, platform.database.tenant_tx(self.tenants[slug]) as connection:
            budgets = await list_budgets(connection)
            windows = await list_windows(connection, budgets[0].id)
            return sum(window.spent for window in windows)

    async def stages(self, slug: str) -> dict[str, float]:
        """How long a tenant's answered requests spent in each stage by their own records: medians, in microseconds."""
        async with self.opened() as platform, platform.database.tenant_tx(self.tenants[slug]) as connection:
            found = await (await connection.execute(_STAGES)).fetchone()
        assert found is not None
        return {name: float(value or 0) for name, value in found.items()}


_STAGES = """
select count(*) as requests, percentile_disc(0.5) within group (order by queue_us) as queue_us,
       percentile_disc(0.5) within group (order by guard_us) as guard_us, percentile_disc(0.5) within group (order by upstream_us) as upstream_us,
       percentile_disc(0.5) within group (order by duration_us - queue_us - guard_us - upstream_us) as rest_us,
       percentile_disc(0.5) within group (order by duration_us) as duration_us
  from requests where outcome = 'answered'
"""


async def _add_model(connection: Any, platform: Platform, tenant_id: uuid.UUID, plan: TenantPlan, alias: str, port: int, name: str) -> None:
    now = platform.clock()
    provider = f"stub-{alias}"
    await put_provider(
        connection, platform.keyring, tenant_id, name=provider, kind="openai", base_url=f"http://127.0.0.1:{port}/v1",
        credential="sk-of-the-stub-0123456789abcdef", settings=ProviderSettings(private_network=True, between_s=600.0), actor_id=None, now=now,
    )  # fmt: skip
    await put_model(
        connection, platform.keyring, tenant_id, alias=alias, targets=[Target(provider, name)], settings=ModelSettings(), prompt=None, actor_id=None,
        now=now,
    )  # fmt: skip
    price = Price(new_id(), tenant_id, provider, name, "USD", now - timedelta(days=1), input=plan.price_input, output=plan.price_output)
    await create_price(connection, price, now)

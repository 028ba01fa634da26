"""Who asks and what answers in a generated history: the demo tenant with more people, keys, models, prices and a budget."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ondol.application.assistant.store import list_assistants
from ondol.application.assistant.types import Assistant
from ondol.core.ids import new_id
from ondol.core.money import NANO_PER_UNIT
from ondol.demo.make import ADMINISTRATOR, TENANT, demo_is_wanted, make_demo
from ondol.infrastructure.access.keys import create_key, list_keys
from ondol.infrastructure.access.limits.store import NewBudget, create_budget
from ondol.infrastructure.access.people import NewPerson, add_person, find_person, find_tenant, groups_of_person
from ondol.infrastructure.access.types import Role
from ondol.infrastructure.serving.prices import Price, create_price, list_prices
from ondol.infrastructure.serving.settings import ModelSettings, ProviderSettings
from ondol.infrastructure.serving.store import Target, put_model, put_provider
from ondol.wiring.platform import Platform

CALLERS: Final = 40
GROUPS: Final = ("support-staff", "billing-team", "security-team", "operations")
MODELS: Final = (("quick", 300, 1_200), ("steady", 1_500, 6_000), ("deep", 6_000, 24_000), ("embed", 40, 0), ("unpriced", None, None))
"""Names, and prices of a million tokens in KRW, of input and output; None: nobody has said what it costs."""
STAFF: Final[dict[str, Role]] = {"history-admin": "admin", "history-auditor": "auditor", "history-editor": "editor"}
PROVIDER: Final = "history"
KEY: Final = "history"
BUDGET_KRW: Final = 10_000_000
BEFORE: Final = timedelta(days=120)
"""Prices hold from before the history begins."""
NEVER_ASKED: Final = "http://127.0.0.1:9/v1"
"""Nobody listens there: the history is of models that answered, and none is asked now."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, by which key, and the groups that limits were looked up for."""

    person_id: uuid.UUID
    key_id: uuid.UUID
    group_ids: tuple[uuid.UUID, ...]


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody of the history.

    Attributes:
        prices: by model; None where no price is known.
    """

    tenant_id: uuid.UUID
    owner_id: uuid.UUID
    callers: tuple[Caller, ...]
    prices: dict[str, Price | None]
    assistant: Assistant


async def open_cast(platform: Platform) -> Cast:
    """The demo tenant with everybody of the history, made where they are not there yet."""
    if await demo_is_wanted(platform):
        await make_demo(platform, lambda done, total: None)
    tenant = await find_tenant(platform.database, TENANT)
    async with platform.database.tenant_tx(tenant.id) as connection:
        if not await list_prices(connection):
            await _make_callers(connection, platform, tenant.id)
            await _make_models(connection, platform, tenant.id)
            budget = NewBudget("history", "tenant", "", "money", "month", BUDGET_KRW * NANO_PER_UNIT, "KRW")
            await create_budget(connection, tenant.id, budget, platform.clock())
    async with platform.database.tenant_tx(tenant.id) as connection:
        owner = await find_person(connection, platform.keyring, tenant.id, ADMINISTRATOR)
        keys = [key for key in await list_keys(connection, tenant.id) if key.name.startswith(KEY)]
        callers = tuple([Caller(key.person_id, key.id, await groups_of_person(connection, key.person_id)) for key in keys])
        prices = {price.model: price for price in await list_prices(connection)}
        [assistant, *_] = await list_assistants(connection)
    return Cast(tenant.id, owner.id, callers, {name: prices.get(name) for name, *_ in MODELS}, assistant)


async def _make_callers(connection: Any, platform: Platform, tenant_id: uuid.UUID) -> None:
    now = platform.clock()
    for login, role in STAFF.items():
        await add_person(connection, platform.keyring, tenant_id, NewPerson(login, login, roles=frozenset({role})), now)
    for number in range(CALLERS):
        groups = (GROUPS[number % len(GROUPS)],) if number % 3 else ()
        person = await add_person(connection, platform.keyring, tenant_id, NewPerson(f"history-{number:02}", f"History {number}", groups=groups), now)
        await create_key(connection, tenant_id, person.id, f"{KEY} {number}", now)


async def _make_models(connection: Any, platform: Platform, tenant_id: uuid.UUID) -> None:
    now: datetime = platform.clock()
    settings = ProviderSettings(private_network=True)
    await put_provider(
        connection, platform.keyring, tenant_id, name=PROVIDER, kind="openai", base_url=NEVER_ASKED, credential="", settings=settings,
        actor_id=None, now=now,
    )  # fmt: skip
    for name, asked, answered in MODELS:
        await put_model(
            connection, platform.keyring, tenant_id, alias=name, targets=[Target(PROVIDER, name)], settings=ModelSettings(), prompt=None,
            actor_id=None, now=now,
        )  # fmt: skip
        if asked is not None and answered is not None:
            price = Price(
                new_id(), tenant_id, PROVIDER, name, "KRW", now - BEFORE, input=asked * NANO_PER_UNIT, output=answered * NANO_PER_UNIT
            )  # fmt: skip
            await create_price(connection, price, now)

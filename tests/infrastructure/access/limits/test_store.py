"""Limits and budgets as they are managed."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest

from ondol.core.errors import Conflict, NotFound, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.access.limits.store import (
    NewBudget,
    Window,
    add_credit,
    change_budget,
    change_limit,
    create_budget,
    create_limit,
    find_budget,
    list_budgets,
    list_limits,
    list_windows,
    remove_budget,
    remove_limit,
)
from ondol.infrastructure.access.limits.types import EACH, Bounds, Need, Rates
from tests.infrastructure.access.limits.conftest import MODEL, NOW, Bench, usd

pytestmark = pytest.mark.anyio

GOOD = NewBudget("team", "tenant", "", "money", "month", 1000, "USD", (80, 50, 80))


def events(bench: Bench) -> list[str]:
    return [row["kind"] for row in bench.sql("select kind from ledger_events where kind like 'limit%%' or kind like 'budget%%' order by id")]


async def test_limits_are_made_changed_listed_and_removed_and_the_ledger_knows(bench: Bench) -> None:
    async with bench.database.tenant_tx(bench.tenant.id) as connection:
        one = await create_limit(connection, bench.tenant.id, "tenant", "", Rates(60), Bounds(), NOW)
        each = await create_limit(connection, bench.tenant.id, "key", EACH, Rates(), Bounds(deadline_s=5), NOW)
        with pytest.raises(Conflict):
            await create_limit(connection, bench.tenant.id, "tenant", "", Rates(70), Bounds(), NOW)
        changed = await change_limit(connection, one.id, Rates(10, 20, 30), Bounds(output_tokens_max=5), NOW)
        assert changed == replace(one, rates=Rates(10, 20, 30), bounds=Bounds(output_tokens_max=5))
        assert await list_limits(connection) == [changed, each]
        assert await list_limits(connection, after=one.id) == [each]
        await remove_limit(connection, bench.tenant.id, one.id, NOW)
        for gone in (remove_limit(connection, bench.tenant.id, one.id, NOW), change_limit(connection, one.id, Rates(1), Bounds(), NOW)):
            with pytest.raises(NotFound):
                await gone
    assert events(bench) == ["limit.created", "limit.created", "limit.changed", "limit.removed"]


async def test_budgets_are_made_changed_credited_listed_and_removed_and_the_ledger_knows(bench: Bench) -> None:
    async with bench.database.tenant_tx(bench.tenant.id) as connection:
        month = await create_budget(connection, bench.tenant.id, GOOD, NOW)
        assert month.alarm_percents == (50, 80)
        with pytest.raises(Conflict):
            await create_budget(connection, bench.tenant.id, GOOD, NOW)
        total = await create_budget(connection, bench.tenant.id, replace(GOOD, name="prepaid", period="total"), NOW)
        changed = await change_budget(connection, month.id, NOW, amount=5)
        assert changed == replace(month, amount=5)
        assert await change_budget(connection, month.id, NOW, alarm_percents=[90]) == replace(changed, alarm_percents=(90,))
        assert (await add_credit(connection, bench.tenant.id, total.id, 7, NOW)).credited == 7
        with pytest.raises(Conflict):
            await add_credit(connection, bench.tenant.id, month.id, 7, NOW)
        assert [one.id for one in await list_budgets(connection)] == [month.id, total.id]
        assert (await find_budget(connection, total.id)).credited == 7
        await remove_budget(connection, bench.tenant.id, month.id, NOW)
        for gone in (
            remove_budget(connection, bench.tenant.id, month.id, NOW),
            change_budget(connection, month.id, NOW, amount=1),
            find_budget(connection, month.id),
            add_credit(connection, bench.tenant.id, month.id, 1, NOW),
        ):
            with pytest.raises(NotFound):
                await gone
    made = ["budget.created", "budget.created", "budget.changed", "budget.changed", "budget.credited", "budget.removed"]
    assert events(bench) == made


async def test_windows_show_what_is_spent_and_what_workers_hold(bench: Bench) -> None:
    budget = await bench.budget(usd(1), "month")
    worker = await bench.worker()
    async with bench.database.tenant_tx(bench.tenant.id) as connection:
        assert await list_windows(connection, budget.id) == []
    worker._purse.want(worker._plan(bench.who, MODEL), Need(1, usd(0.1)), bench.ticks())
    await worker.beat()
    async with bench.database.tenant_tx(bench.tenant.id) as connection:
        [window] = await list_windows(connection, budget.id)
    assert isinstance(window, Window)
    assert (window.subject, window.amount, window.spent) == ("", usd(1).nano, 0)
    assert window.leased >= usd(0.1).nano
    assert window.ends_at is not None


async def test_another_tenant_sees_and_changes_nothing(bench: Bench) -> None:
    budget = await bench.budget(usd(1))
    stranger = new_id()
    async with bench.database.tenant_tx(stranger) as connection:
        assert await list_budgets(connection) == []
        with pytest.raises(NotFound):
            await change_budget(connection, budget.id, NOW, amount=5)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "x" * 201},
        {"amount": -1},
        {"amount": 2**63},
        {"currency": None},
        {"unit": "tokens"},
        {"subject": "x"},
        {"scope": "key", "subject": "not-an-id"},
        {"scope": "model", "subject": "two words"},
        {"scope": "planet"},
        {"alarm_percents": (0,)},
        {"alarm_percents": (101,)},
        {"alarm_percents": tuple(range(1, 12))},
    ],
)
async def test_a_budget_that_cannot_be_is_refused(bench: Bench, fields: dict[str, Any]) -> None:
    async with bench.database.tenant_tx(bench.tenant.id) as connection:
        with pytest.raises(RequestError):
            await create_budget(connection, bench.tenant.id, replace(GOOD, **fields), NOW)


@pytest.mark.parametrize("rates", [Rates(), Rates(0), Rates(-5), Rates(10**10), Rates(None, None, 10**7)])
async def test_a_limit_that_cannot_be_is_refused(bench: Bench, rates: Rates) -> None:
    async with bench.database.tenant_tx(bench.tenant.id) as connection:
        with pytest.raises(RequestError):
            await create_limit(connection, bench.tenant.id, "person", str(uuid.uuid4()), rates, Bounds(), NOW)

"""Budgets in money and tokens, what is spent of them, and what is paid into prepaid ones. Amounts are decimal text, exact."""

from __future__ import annotations

import uuid
from datetime import datetime

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ondol.core.errors import RequestError
from ondol.core.money import Currency
from ondol.infrastructure.access.limits import store
from ondol.infrastructure.access.limits.amounts import amount_of, amount_text
from ondol.infrastructure.access.limits.subjects import subject_names, subject_of
from ondol.infrastructure.access.limits.types import Budget, Period, Scope, Unit
from ondol.infrastructure.access.route_roles import READ, WRITE, Body
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.admin_api.base import PAGE, PAGE_MAX, AmountText, Changed, GatewayServices
from ondol.infrastructure.storage.postgres import Connection


class BudgetBody(Body):
    """A budget to be made. `subject` is as in a limit. A budget in money has a currency, one in tokens has none."""

    name: str = Field(min_length=1, max_length=store.NAME_CHARACTERS_MAX)
    scope: Scope = "tenant"
    subject: str = Field(default="", max_length=200)
    unit: Unit = "money"
    currency: Currency | None = None
    period: Period
    amount: AmountText
    alarm_percents: list[int] = Field(default=[80, 100], max_length=store.ALARMS_MAX)


class BudgetChange(Body):
    """What becomes different; what is absent stays."""

    amount: AmountText | None = None
    alarm_percents: list[int] | None = Field(default=None, max_length=store.ALARMS_MAX)


class CreditBody(Body):
    """What is paid in. With an id of the caller's choice (a UUIDv7) the same payment twice counts once."""

    amount: AmountText
    id: uuid.UUID | None = None


class BudgetShown(BaseModel):
    """A budget. `credited` is what was paid in since it was made."""

    id: uuid.UUID
    name: str
    scope: Scope
    subject: str
    subject_name: str
    unit: Unit
    currency: Currency | None
    period: Period
    amount: str
    credited: str
    alarm_percents: list[int]


class BudgetPage(BaseModel):
    """Budgets, oldest first. `next` is what to give as `after` for the next page."""

    budgets: list[BudgetShown]
    next: uuid.UUID | None


class WindowShown(BaseModel):
    """One window of a budget for one subject; `leased` is what running workers hold of it. At most a second behind."""

    subject: str
    starts_at: datetime
    ends_at: datetime | None
    amount: str
    spent: str
    leased: str
    remaining: str


class WindowList(BaseModel):
    """Windows, the newest first."""

    windows: list[WindowShown]


class CreditShown(BaseModel):
    """One payment."""

    id: uuid.UUID
    amount: str
    created_by: uuid.UUID | None
    created_at: datetime


class CreditList(BaseModel):
    """Payments, the newest first."""

    credits: list[CreditShown]


def budgets_router(services: GatewayServices) -> APIRouter:
    """The routes below ``/budgets``."""
    router = APIRouter(prefix="/budgets", tags=["budgets"])
    _budget_routes(router, services)
    _spending_routes(router, services)
    return router


def _budget_routes(router: APIRouter, services: GatewayServices) -> None:
    @router.get("", openapi_extra=READ)
    async def list_budgets(
        after: uuid.UUID | None = None, limit: int = Query(PAGE, ge=1, le=PAGE_MAX), who: Principal = services.reads
    ) -> BudgetPage:
        """The tenant's budgets."""
        async with services.within(who) as connection:
            found = await store.list_budgets(connection, after=after, limit=limit + 1)
            names = await subject_names(connection, services.keyring, who.tenant_id, found[:limit])
        return BudgetPage(budgets=[_shown(item, names) for item in found[:limit]], next=found[limit - 1].id if len(found) > limit else None)

    @router.post("", openapi_extra=WRITE)
    async def create_budget(body: BudgetBody, who: Principal = services.writes) -> BudgetShown:
        """Make a budget. It holds within a second."""
        amount = amount_of(body.amount, body.unit, body.currency)
        async with services.within(who) as connection:
            subject = await subject_of(connection, services.keyring, who.tenant_id, body.scope, body.subject)
            new = store.NewBudget(body.name, body.scope, subject, body.unit, body.period, amount, body.currency, tuple(body.alarm_percents))
            made = await store.create_budget(connection, who.tenant_id, new, services.clock(), actor_id=who.person_id)
            return await _one(services, connection, who, made)

    @router.get("/{budget_id}", openapi_extra=READ)
    async def get_budget(budget_id: uuid.UUID, who: Principal = services.reads) -> BudgetShown:
        """One budget."""
        async with services.within(who) as connection:
            return await _one(services, connection, who, await store.find_budget(connection, budget_id))

    @router.patch("/{budget_id}", openapi_extra=WRITE)
    async def change_budget(budget_id: uuid.UUID, body: BudgetChange, who: Principal = services.writes) -> BudgetShown:
        """Give it another amount or other alarms, within a second. Below what is spent nothing is admitted any more."""
        if body.amount is None and body.alarm_percents is None:
            raise RequestError("Nothing is to change.", "Give `amount` or `alarm_percents`.", code="nothing_to_change")
        async with services.within(who) as connection:
            known = await store.find_budget(connection, budget_id)
            amount = None if body.amount is None else amount_of(body.amount, known.unit, known.currency)
            changed = await store.change_budget(
                connection, budget_id, services.clock(), amount=amount, alarm_percents=body.alarm_percents, actor_id=who.person_id
            )
            return await _one(services, connection, who, changed)

    @router.delete("/{budget_id}", openapi_extra=WRITE)
    async def remove_budget(budget_id: uuid.UUID, who: Principal = services.writes) -> Changed:
        """Remove a budget: nothing holds requests back by it any more."""
        async with services.within(who) as connection:
            await store.remove_budget(connection, who.tenant_id, budget_id, services.clock(), actor_id=who.person_id)
        return Changed()


def _spending_routes(router: APIRouter, services: GatewayServices) -> None:
    @router.get("/{budget_id}/windows", openapi_extra=READ)
    async def list_windows(budget_id: uuid.UUID, limit: int = Query(PAGE, ge=1, le=PAGE_MAX), who: Principal = services.reads) -> WindowList:
        """What is spent, window by window. A budget that nobody has used has none."""
        async with services.within(who) as connection:
            budget = await store.find_budget(connection, budget_id)
            found = await store.list_windows(connection, budget_id, limit=limit)
        return WindowList(windows=[window_shown(item, budget.currency) for item in found])

    @router.get("/{budget_id}/credits", openapi_extra=READ)
    async def list_credits(budget_id: uuid.UUID, limit: int = Query(PAGE, ge=1, le=PAGE_MAX), who: Principal = services.reads) -> CreditList:
        """What was paid into a prepaid balance."""
        async with services.within(who) as connection:
            budget = await store.find_budget(connection, budget_id)
            found = await store.list_credits(connection, budget_id, limit=limit)
        shown = [
            CreditShown(id=item.id, amount=amount_text(item.amount, budget.currency), created_by=item.created_by, created_at=item.created_at)
            for item in found
        ]
        return CreditList(credits=shown)

    @router.post("/{budget_id}/credits", openapi_extra=WRITE)
    async def add_credit(budget_id: uuid.UUID, body: CreditBody, who: Principal = services.writes) -> BudgetShown:
        """Pay into a prepaid balance: a budget whose period is the total."""
        if body.id is not None and body.id.version != 7:
            raise RequestError("The id of a payment is a UUIDv7.", "Leave it out for one of ours.", code="bad_id", param="id")
        async with services.within(who) as connection:
            known = await store.find_budget(connection, budget_id)
            amount = amount_of(body.amount, known.unit, known.currency)
            paid = await store.add_credit(connection, who.tenant_id, budget_id, amount, services.clock(), credit_id=body.id, actor_id=who.person_id)
            return await _one(services, connection, who, paid)


def window_shown(window: store.Window, currency: Currency | None) -> WindowShown:
    """A window with what is left of it."""
    return WindowShown(
        subject=window.subject,
        starts_at=window.starts_at,
        ends_at=window.ends_at,
        amount=amount_text(window.amount, currency),
        spent=amount_text(window.spent, currency),
        leased=amount_text(window.leased, currency),
        remaining=amount_text(max(0, window.amount - window.spent), currency),
    )


async def _one(services: GatewayServices, connection: Connection, who: Principal, budget: Budget) -> BudgetShown:
    return _shown(budget, await subject_names(connection, services.keyring, who.tenant_id, [budget]))


def _shown(budget: Budget, names: dict[str, str]) -> BudgetShown:
    return BudgetShown(
        id=budget.id,
        name=budget.name,
        scope=budget.scope,
        subject=budget.subject,
        subject_name=names.get(budget.subject, budget.subject),
        unit=budget.unit,
        currency=budget.currency,
        period=budget.period,
        amount=amount_text(budget.amount, budget.currency),
        credited=amount_text(budget.credited, budget.currency),
        alarm_percents=list(budget.alarm_percents),
    )

"""Limits, budgets and credits as administrators manage them. Every change is an event of the ledger and reaches all workers within a second."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from ondol.core.errors import Conflict, NotFound, RequestError
from ondol.core.ids import new_id
from ondol.core.money import INT64_MAX, Currency
from ondol.infrastructure.access.limits.bank import QUERIES
from ondol.infrastructure.access.limits.directory import budget_of, limit_of
from ondol.infrastructure.access.limits.types import EACH, SCOPES, Bounds, Budget, Limit, Period, Rates, Scope, Unit
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.postgres import Connection, one, rows

PAGE_MAX = 1000
WINDOWS_MAX = 1000
NAME_CHARACTERS_MAX = 200
ALARMS_MAX = 10
_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,199}")


@dataclass(frozen=True, slots=True)
class NewBudget:
    """A budget to be made.

    Attributes:
        amount: nano-units of the currency, or tokens, for each window.
        currency: for a budget in money.
        alarm_percents: 1 to 100, shares that somebody is told of.
    """

    name: str
    scope: Scope
    subject: str
    unit: Unit
    period: Period
    amount: int
    currency: Currency | None = None
    alarm_percents: tuple[int, ...] = (80, 100)


@dataclass(frozen=True, slots=True)
class Window:
    """One window of a budget for one subject.

    Attributes:
        ends_at: None for a total.
        spent: what finished requests have used.
        leased: what workers hold to spend, or what a worker held that is lost and whose records are not settled yet.
    """

    subject: str
    starts_at: datetime
    ends_at: datetime | None
    amount: int
    spent: int
    leased: int


@dataclass(frozen=True, slots=True)
class Credit:
    """What was paid into a prepaid balance once: nano-units or tokens."""

    id: uuid.UUID
    amount: int
    created_by: uuid.UUID | None
    created_at: datetime


# ---- Limits


async def create_limit(
    connection: Connection,
    tenant_id: uuid.UUID,
    scope: Scope,
    subject: str,
    rates: Rates,
    bounds: Bounds,
    now: datetime,
    *,
    actor_id: uuid.UUID | None = None,
) -> Limit:
    """A limit for a subject: empty for the tenant, the id of a group, person or key, a model's alias, or `EACH`.

    Raises:
        Conflict: when the subject has one.
        RequestError: when the subject does not fit the scope, or a figure is not positive, or nothing is limited.
    """
    subject = _subject(scope, subject)
    _check_figures(rates, bounds)
    limit = Limit(tenant_id, new_id(), scope, subject, rates, bounds)
    values = {"tenant_id": tenant_id, "id": limit.id, "scope": scope, "subject": subject, "now": now, **asdict(rates), **asdict(bounds)}
    if await one(connection, QUERIES["limit_add"], values) is None:
        raise Conflict("There is a limit for this subject already.", "Change that one.", code="limit_exists")
    await record(connection, tenant_id, kind="limit.created", actor_id=actor_id, body=_limit_body(limit), now=now)
    return limit


async def change_limit(
    connection: Connection, limit_id: uuid.UUID, rates: Rates, bounds: Bounds, now: datetime, *, actor_id: uuid.UUID | None = None
) -> Limit:
    """Other figures for a limit.

    Raises:
        NotFound: when there is none.
        RequestError: when a figure is not positive, or nothing is limited.
    """
    _check_figures(rates, bounds)
    found = await one(connection, QUERIES["limit_change"], {"id": limit_id, "now": now, **asdict(rates), **asdict(bounds)})
    if found is None:
        raise _no_limit()
    await _change_pools(connection, "limit_pools_change", limit_id)
    limit = limit_of(found)
    await record(connection, limit.tenant_id, kind="limit.changed", actor_id=actor_id, body=_limit_body(limit), now=now)
    return limit


async def remove_limit(
    connection: Connection, tenant_id: uuid.UUID, limit_id: uuid.UUID, now: datetime, *, actor_id: uuid.UUID | None = None
) -> None:
    """Remove a limit.

    Raises:
        NotFound: when there is none.
    """
    if await one(connection, QUERIES["limit_remove"], {"id": limit_id}) is None:
        raise _no_limit()
    await record(connection, tenant_id, kind="limit.removed", actor_id=actor_id, body={"limit": limit_id}, now=now)


async def list_limits(connection: Connection, *, after: uuid.UUID | None = None, limit: int = PAGE_MAX) -> list[Limit]:
    """The tenant's limits, oldest first, from the one after `after`."""
    found = await rows(connection, QUERIES["limits_page"], {"after": after or uuid.UUID(int=0), "limit": min(limit, PAGE_MAX)})
    return [limit_of(row) for row in found]


async def find_limit(connection: Connection, limit_id: uuid.UUID) -> Limit:
    """One limit.

    Raises:
        NotFound: when there is none.
    """
    found = await one(connection, QUERIES["limit_by_id"], {"id": limit_id})
    if found is None:
        raise _no_limit()
    return limit_of(found)


# ---- Budgets


async def create_budget(connection: Connection, tenant_id: uuid.UUID, new: NewBudget, now: datetime, *, actor_id: uuid.UUID | None = None) -> Budget:
    """A budget.

    Raises:
        Conflict: when the name is taken, or the tenant has prices in another currency than the budget's: amounts are never converted.
        RequestError: when a field is out of range.
    """
    budget = _checked(tenant_id, new)
    if budget.currency is not None:
        other = await one(connection, QUERIES["prices_other_currency"], {"currency": budget.currency})
        if other is not None:
            target = f"{other['provider']}/{other['model']}"
            raise Conflict(
                f"The price of {target} is in {other['currency']}; a budget in {budget.currency} cannot be held against it.",
                f"Make the budget in {other['currency']}, or give all prices in {budget.currency}; amounts are never converted.",
                code="currency_mismatch",
            )
    values = {
        **asdict(new),
        "subject": budget.subject,
        "tenant_id": tenant_id,
        "id": budget.id,
        "alarm_percents": list(budget.alarm_percents),
        "now": now,
    }
    if await one(connection, QUERIES["budget_add"], values) is None:
        raise Conflict(f"There is a budget called {new.name!r} already.", "Choose another name.", code="budget_exists")
    await record(connection, tenant_id, kind="budget.created", actor_id=actor_id, body=_budget_body(budget), now=now)
    return budget


async def change_budget(
    connection: Connection,
    budget_id: uuid.UUID,
    now: datetime,
    *,
    amount: int | None = None,
    alarm_percents: Sequence[int] | None = None,
    actor_id: uuid.UUID | None = None,
) -> Budget:
    """Another amount, or other alarms. Below what is spent nothing is admitted any more; requests in flight go on and are charged.

    Raises:
        NotFound: when there is none.
        RequestError: when a value is out of range.
    """
    if amount is not None:
        _check_amount(amount)
    percents = None if alarm_percents is None else list(_percents(alarm_percents))
    found = await one(connection, QUERIES["budget_change"], {"id": budget_id, "amount": amount, "alarm_percents": percents, "now": now})
    if found is None:
        raise _no_budget()
    await _change_pools(connection, "budget_pools_change", budget_id)
    budget = budget_of(found)
    await record(connection, budget.tenant_id, kind="budget.changed", actor_id=actor_id, body=_budget_body(budget), now=now)
    return budget


async def add_credit(
    connection: Connection,
    tenant_id: uuid.UUID,
    budget_id: uuid.UUID,
    amount: int,
    now: datetime,
    *,
    credit_id: uuid.UUID | None = None,
    actor_id: uuid.UUID | None = None,
) -> Budget:
    """Pay into a prepaid balance: a budget whose period is the total.

    Args:
        amount: nano-units or tokens, above 0.
        credit_id: a UUIDv7 chosen by the caller; the same one a second time changes nothing.

    Raises:
        NotFound: when there is no such budget.
        Conflict: when it is not a total.
        RequestError: when the amount is out of range.
    """
    budget = await find_budget(connection, budget_id)
    if budget.period != "total":
        raise Conflict("Only a budget for the total is a prepaid balance.", "Change the amount of this one instead.", code="not_prepaid")
    _check_amount(amount, least=1, room=budget.amount + budget.credited)
    entry = {"tenant_id": tenant_id, "id": credit_id or new_id(), "budget_id": budget_id, "amount": amount, "created_by": actor_id, "now": now}
    if await one(connection, QUERIES["credit_add"], entry) is None:
        return budget
    found = await one(connection, QUERIES["budget_credit"], {"id": budget_id, "amount": amount, "now": now})
    if found is None:
        raise _no_budget()
    await _change_pools(connection, "budget_pools_change", budget_id)
    body: dict[str, Any] = {"budget": budget_id, "credit": entry["id"], "amount": amount}
    await record(connection, tenant_id, kind="budget.credited", actor_id=actor_id, body=body, now=now)
    return budget_of(found)


async def remove_budget(
    connection: Connection, tenant_id: uuid.UUID, budget_id: uuid.UUID, now: datetime, *, actor_id: uuid.UUID | None = None
) -> None:
    """Remove a budget: nothing holds it back any more.

    Raises:
        NotFound: when there is none.
    """
    if await one(connection, QUERIES["budget_remove"], {"id": budget_id}) is None:
        raise _no_budget()
    await record(connection, tenant_id, kind="budget.removed", actor_id=actor_id, body={"budget": budget_id}, now=now)


async def list_budgets(connection: Connection, *, after: uuid.UUID | None = None, limit: int = PAGE_MAX) -> list[Budget]:
    """The tenant's budgets, oldest first, from the one after `after`."""
    found = await rows(connection, QUERIES["budgets_page"], {"after": after or uuid.UUID(int=0), "limit": min(limit, PAGE_MAX)})
    return [budget_of(row) for row in found]


async def find_budget(connection: Connection, budget_id: uuid.UUID) -> Budget:
    """One budget.

    Raises:
        NotFound: when there is none.
    """
    found = await one(connection, QUERIES["budget_by_id"], {"id": budget_id})
    if found is None:
        raise _no_budget()
    return budget_of(found)


async def list_windows(connection: Connection, budget_id: uuid.UUID, *, limit: int = WINDOWS_MAX) -> list[Window]:
    """The windows of a budget, newest first: at most a second behind what workers have spent."""
    found = await rows(connection, QUERIES["budget_windows"], {"id": budget_id, "limit": min(limit, WINDOWS_MAX)})
    return [Window(**row) for row in found]


async def list_credits(connection: Connection, budget_id: uuid.UUID, *, limit: int = PAGE_MAX) -> list[Credit]:
    """What was paid into a prepaid balance, the newest first."""
    found = await rows(connection, QUERIES["credits_of_budget"], {"id": budget_id, "limit": min(limit, PAGE_MAX)})
    return [Credit(**row) for row in found]


async def _change_pools(connection: Connection, query: str, rule_id: uuid.UUID) -> None:
    await connection.execute(QUERIES["rule_pools_hold"], {"id": rule_id})
    await connection.execute(QUERIES[query], {"id": rule_id})


# ---- Checks


def _subject(scope: Scope, subject: str) -> str:
    if scope not in SCOPES:
        raise RequestError(f"There is no scope {str(scope)[:20]!r}.", f"It is one of {', '.join(SCOPES)}.", code="bad_scope", param="scope")
    if scope == "tenant":
        if subject:
            raise RequestError("A rule for the tenant has no subject.", "Leave it empty.", code="bad_subject", param="subject")
        return ""
    if subject == EACH:
        return EACH
    if scope == "model":
        if _ALIAS.fullmatch(subject):
            return subject
        raise RequestError("A rule for a model names its alias.", f"Give the alias, or {EACH} for each model.", code="bad_subject", param="subject")
    try:
        return str(uuid.UUID(subject))
    except ValueError:
        raise RequestError(
            f"A rule for a {scope} names its id.", f"Give the id, or {EACH} for each {scope}.", code="bad_subject", param="subject"
        ) from None


def _check_figures(rates: Rates, bounds: Bounds) -> None:
    figures: dict[str, Any] = {**asdict(rates), **asdict(bounds)}
    given = {name: value for name, value in figures.items() if value is not None}
    if not given:
        raise RequestError("The limit limits nothing.", "Give at least one figure.", code="bad_limit")
    most = {"requests_per_minute": 10**9, "tokens_per_minute": 10**12, "concurrent_max": 10**6, "deadline_s": 86_400}
    for name, value in given.items():
        if not 1 <= value <= most.get(name, 10**12):
            raise RequestError(f"{name} is between 1 and {most.get(name, 10**12)}.", "Leave it out to set no limit.", code="bad_limit", param=name)


def _checked(tenant_id: uuid.UUID, new: NewBudget) -> Budget:
    if not 1 <= len(new.name) <= NAME_CHARACTERS_MAX:
        raise RequestError(f"A budget's name has 1 to {NAME_CHARACTERS_MAX} characters.", "Name what it is for.", code="bad_name", param="name")
    if (new.unit == "money") != (new.currency is not None):
        raise RequestError(
            "A budget in money has a currency, one in tokens has none.", "Give USD or KRW with money.", code="bad_currency", param="currency"
        )
    _check_amount(new.amount)
    subject = _subject(new.scope, new.subject)
    percents = _percents(new.alarm_percents)
    return Budget(tenant_id, new_id(), new.name, new.scope, subject, new.unit, new.currency, new.period, new.amount, 0, percents)


def _check_amount(amount: int, *, least: int = 0, room: int = 0) -> None:
    if not least <= amount <= INT64_MAX - room:
        raise RequestError("The amount is out of range.", "It is a whole number of nano-units or tokens.", code="bad_amount", param="amount")


def _percents(percents: Sequence[int]) -> tuple[int, ...]:
    chosen = tuple(sorted(set(percents)))
    if len(chosen) > ALARMS_MAX or not all(1 <= percent <= 100 for percent in chosen):
        raise RequestError(f"At most {ALARMS_MAX} alarms, each at 1 to 100 percent.", "", code="bad_alarms", param="alarm_percents")
    return chosen


def _limit_body(limit: Limit) -> dict[str, Any]:
    figures = {name: value for name, value in {**asdict(limit.rates), **asdict(limit.bounds)}.items() if value is not None}
    return {"limit": limit.id, "scope": limit.scope, **_named(limit), **figures}


def _budget_body(budget: Budget) -> dict[str, Any]:
    body: dict[str, Any] = {"budget": budget.id, "scope": budget.scope, **_named(budget), "unit": budget.unit, "period": budget.period}
    return {**body, "currency": budget.currency or "", "amount": budget.amount, "credited": budget.credited, "alarms": list(budget.alarm_percents)}


def _named(rule: Limit | Budget) -> Mapping[str, str]:
    # The ledger takes no free text; aliases are made of its characters, but for the sign for each one.
    return {"subject": "each" if rule.subject == EACH else rule.subject}


def _no_limit() -> NotFound:
    return NotFound("There is no such limit.", "List them to see their ids.", code="limit_not_found")


def _no_budget() -> NotFound:
    return NotFound("There is no such budget.", "List them to see their ids.", code="budget_not_found")

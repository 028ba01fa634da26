"""Limits and budgets of all tenants in memory, by revision, and what of them holds for one caller and model."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from zoneinfo import ZoneInfo

from ondol.core.errors import RequestError
from ondol.infrastructure.access.limits.bank import QUERIES
from ondol.infrastructure.access.limits.calendar import zone_of
from ondol.infrastructure.access.limits.types import EACH, Bounds, Budget, Limit, PoolKind, Rates, Scope, Who
from ondol.infrastructure.storage.postgres import Connection, one, rows

NO_BOUNDS = Bounds()
_FIGURES: tuple[tuple[PoolKind, str], ...] = (("requests", "requests_per_minute"), ("tokens", "tokens_per_minute"), ("concurrent", "concurrent_max"))


@dataclass(slots=True)
class TenantRules:
    """The rules of one tenant by scope and subject."""

    limits: dict[tuple[Scope, str], Limit] = field(default_factory=dict)
    budgets: dict[tuple[Scope, str], list[Budget]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules at one revision.

    Attributes:
        zones: the time zone of each tenant that has a budget.
        amounts: every figure there is, by its rule and kind.
    """

    revision: int = -1
    tenants: Mapping[uuid.UUID, TenantRules] = field(default_factory=dict)
    zones: Mapping[uuid.UUID, ZoneInfo] = field(default_factory=dict)
    amounts: Mapping[tuple[uuid.UUID, PoolKind], int] = field(default_factory=dict)


async def read_rules(connection: Connection, known: Rules) -> Rules:
    """The rules as they stand; the known ones when nothing has changed."""
    found = await one(connection, QUERIES["revision"], {})
    revision = found["revision"] if found else 0
    if revision == known.revision:
        return known
    limits = [limit_of(row) for row in await rows(connection, QUERIES["limits_in_force"], {})]
    budgets = [budget_of(row) for row in await rows(connection, QUERIES["budgets_in_force"], {})]
    zones = {row["id"]: _zone(row["time_zone"]) for row in await rows(connection, QUERIES["time_zones"], {})}
    tenants: dict[uuid.UUID, TenantRules] = {}
    amounts: dict[tuple[uuid.UUID, PoolKind], int] = {}
    for limit in limits:
        tenants.setdefault(limit.tenant_id, TenantRules()).limits[(limit.scope, limit.subject)] = limit
        amounts.update({(limit.id, kind): amount for kind, amount in figures(limit)})
    for budget in budgets:
        tenants.setdefault(budget.tenant_id, TenantRules()).budgets.setdefault((budget.scope, budget.subject), []).append(budget)
        amounts[(budget.id, budget.kind)] = budget.amount + budget.credited
    return Rules(revision, tenants, zones, amounts)


def rules_for(rules: Rules, who: Who, model: str, via: str = "") -> tuple[list[tuple[Limit, str]], list[tuple[Budget, str]]]:
    """The limits and budgets that hold for a caller and a model, each with the subject it is counted for.

    An empty model stands for what no model answers; `via` is the model that an assistant asks in turn. A subject's own rule stands
    in the place of the rule for each one of its scope. A group's rules hold for each of its people together.
    """
    tenant = rules.tenants.get(who.tenant_id)
    if tenant is None:
        return [], []
    limits: list[tuple[Limit, str]] = []
    budgets: list[tuple[Budget, str]] = []
    for scope, subject in _subjects(who, model, via):
        limit = tenant.limits.get((scope, subject)) or tenant.limits.get((scope, EACH))
        if limit is not None:
            limits.append((limit, subject))
        budgets += [(budget, subject) for budget in tenant.budgets.get((scope, subject)) or tenant.budgets.get((scope, EACH), [])]
    return limits, budgets


def figures(limit: Limit) -> list[tuple[PoolKind, int]]:
    """What a limit counts: the kinds of its pools with their amounts."""
    named = ((kind, getattr(limit.rates, name)) for kind, name in _FIGURES)
    return [(kind, amount) for kind, amount in named if amount is not None]


def strictest(bounds: Iterable[Bounds]) -> Bounds:
    """The least of each bound."""
    given = list(bounds)
    if not given:
        return NO_BOUNDS
    least = {}
    for name in (bound.name for bound in fields(Bounds)):
        values = [value for one_of in given if (value := getattr(one_of, name)) is not None]
        least[name] = min(values, default=None)
    return Bounds(**least)


def limit_of(row: Mapping[str, Any]) -> Limit:
    """A limit from its row."""
    rates = Rates(*(row[name] for name in (part.name for part in fields(Rates))))
    bounds = Bounds(*(row[name] for name in (part.name for part in fields(Bounds))))
    return Limit(row["tenant_id"], row["id"], row["scope"], row["subject"], rates, bounds)


def budget_of(row: Mapping[str, Any]) -> Budget:
    """A budget from its row."""
    return Budget(**{**row, "alarm_percents": tuple(row["alarm_percents"])})


def _subjects(who: Who, model: str, via: str) -> Iterable[tuple[Scope, str]]:
    yield "tenant", ""
    for group_id in who.group_ids:
        yield "group", str(group_id)
    if who.person_id is not None:
        yield "person", str(who.person_id)
    if who.key_id is not None:
        yield "key", str(who.key_id)
    if model:
        yield "model", model
    if via:
        yield "model", via


def _zone(name: str) -> ZoneInfo:
    try:
        return zone_of(name)
    except RequestError:
        # A name that an older tzdata took: days are then counted in UTC, rather than not at all.
        return ZoneInfo("UTC")

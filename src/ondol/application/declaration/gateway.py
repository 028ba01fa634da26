"""The gateway's part of a declaration: providers, models, prices, limits, budgets and settings of one tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from ondol.application.declaration.schema import (
    Amount,
    BudgetEntry,
    GatewayEntry,
    LimitEntry,
    ModelEntry,
    PriceEntry,
    ProviderEntry,
    TargetEntry,
    TenantEntry,
)
from ondol.core.errors import RequestError
from ondol.core.ids import new_id
from ondol.core.money import decimal_text
from ondol.infrastructure.access.limits import store as rules
from ondol.infrastructure.access.limits.amounts import amount_of, amount_text, nano_of
from ondol.infrastructure.access.limits.subjects import subject_names, subject_of
from ondol.infrastructure.access.limits.types import EACH, Bounds, Budget, Limit, Rates
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.serving import store as serving
from ondol.infrastructure.serving.prices import Price, create_price, list_prices
from ondol.infrastructure.serving.prices.cost import AMOUNTS
from ondol.infrastructure.serving.rows import shown_settings
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection

What = Literal["provider", "model", "price", "limit", "budget", "gateway"]
Did = Literal["created", "changed"]
Done = tuple[What, str, Did]
"""What it was, its name, and what was done."""


@dataclass(frozen=True, slots=True)
class GatewayPlace:
    """Where it is applied: one tenant's transaction.

    Attributes:
        environment: variables in which credentials stand.
    """

    connection: Connection
    keyring: KeyRing
    tenant: Tenant
    now: datetime
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


async def apply_gateway(place: GatewayPlace, entry: TenantEntry) -> list[Done]:
    """Bring a tenant's providers, models, prices, limits, budgets and settings to what is said; what is not mentioned is left alone.

    Raises:
        RequestError: when something of it cannot be, or a credential's variable is not set.
    """
    done: list[Done] = []
    for provider in entry.providers:
        done += await _provider(place, provider)
    prompts = await serving.get_prompts(place.connection, place.keyring, place.tenant.id)
    for model in entry.models:
        done += await _model(place, model, prompts.get(model.alias, ""))
    if entry.prices:
        done += await _prices(place, entry.prices)
    if entry.limits:
        done += await _limits(place, entry.limits)
    if entry.budgets:
        done += await _budgets(place, entry.budgets)
    if entry.gateway is not None:
        done += await _settings(place, entry.gateway, prompts.get("", ""))
    return done


async def export_gateway(place: GatewayPlace) -> dict[str, Any]:
    """The same parts of a tenant's entry as they stand, without credentials, and without rules about single keys: those are not declared."""
    connection = place.connection
    prompts = await serving.get_prompts(connection, place.keyring, place.tenant.id)
    settings, _ = await serving.get_tenant_settings(connection)
    gateway = GatewayEntry(settings, prompts.get("", ""))
    limits = [item for item in await _all(rules.list_limits, connection) if item.scope != "key" or item.subject == EACH]
    budgets = [item for item in await _all(rules.list_budgets, connection) if item.scope != "key" or item.subject == EACH]
    names = await subject_names(connection, place.keyring, place.tenant.id, [*limits, *budgets])
    return {
        "providers": [_provider_entry(item) for item in await _all(serving.list_providers, connection)],
        "models": [_model_entry(item, prompts.get(item.alias, "")) for item in await _all(serving.list_models, connection)],
        "prices": [_price_entry(item) for item in await _all(list_prices, connection)],
        "limits": [_limit_entry(item, names) for item in limits],
        "budgets": [_budget_entry(item, names) for item in budgets],
        "gateway": None if gateway == GatewayEntry() else gateway,
    }


async def _all(page_of: Any, connection: Connection) -> list[Any]:
    found: list[Any] = []
    while page := await page_of(connection, after=found[-1].id if found else None):
        found += page
    return found


# ---- Providers and models


async def _provider(place: GatewayPlace, entry: ProviderEntry) -> list[Done]:
    credential = _credential(place, entry)
    known = {item.name: item for item in await _all(serving.list_providers, place.connection)}.get(entry.name)
    same = known is not None and (
        (known.kind, shown_settings(known.settings)) == (entry.kind, shown_settings(entry.settings))
        and (not entry.base_url or known.base_url == entry.base_url)
        and (known.settings.proxy_url == entry.settings.proxy_url or shown_settings(entry.settings) == entry.settings)
    )
    if same and credential is not None:
        row = await serving.get_provider_row(place.connection, place.keyring, place.tenant.id, entry.name)
        same = row.credential.reveal() == credential
    tenant_id = place.tenant.id
    if not same:
        await serving.put_provider(
            place.connection, place.keyring, tenant_id, name=entry.name, kind=entry.kind, base_url=entry.base_url, credential=credential,
            settings=entry.settings, actor_id=None, now=place.now,
        )  # fmt: skip
    moved = entry.disabled != (known is not None and known.disabled_at is not None)
    if moved:
        await serving.set_provider_disabled(place.connection, tenant_id, entry.name, disabled=entry.disabled, actor_id=None, now=place.now)
    return [] if same and not moved else [("provider", entry.name, "created" if known is None else "changed")]


def _credential(place: GatewayPlace, entry: ProviderEntry) -> str | None:
    if not entry.credential_env:
        return None
    value = place.environment.get(entry.credential_env, "").strip()
    if not value:
        name = entry.credential_env[:100]
        raise RequestError(
            f"The credential of {entry.name} is to stand in {name}, which is not set.", f"export {name}=...", code="credential_missing"
        )
    return value


async def _model(place: GatewayPlace, entry: ModelEntry, prompt: str) -> list[Done]:
    known = {item.alias: item for item in await _all(serving.list_models, place.connection)}.get(entry.alias)
    if known is not None and _model_entry(known, prompt) == _sorted_targets(entry):
        return []
    await serving.put_model(
        place.connection,
        place.keyring,
        place.tenant.id,
        alias=entry.alias,
        targets=[serving.Target(item.provider, item.name, item.priority, item.weight) for item in entry.targets],
        settings=entry.settings,
        prompt=entry.prompt,
        shared=entry.shared,
        disabled=entry.disabled,
        actor_id=None,
        now=place.now,
    )
    return [("model", entry.alias, "created" if known is None else "changed")]


def _sorted_targets(entry: ModelEntry) -> ModelEntry:
    ordered = sorted(entry.targets, key=lambda item: item.priority)
    return ModelEntry(entry.alias, ordered, entry.settings, entry.prompt, entry.shared, entry.disabled)


def _provider_entry(item: serving.Provider) -> ProviderEntry:
    disabled = item.disabled_at is not None
    return ProviderEntry(item.name, "anthropic" if item.kind == "anthropic" else "openai", item.base_url, "",
                         shown_settings(item.settings), disabled)  # fmt: skip


def _model_entry(item: serving.Model, prompt: str) -> ModelEntry:
    targets = [TargetEntry(target.provider, target.name, target.priority, target.weight) for target in item.targets]
    return ModelEntry(item.alias, targets, item.settings, prompt, item.shared, item.disabled_at is not None)


# ---- Prices


async def _prices(place: GatewayPlace, entries: list[PriceEntry]) -> list[Done]:
    known = {(item.provider, item.model, item.from_at): item for item in await _all(list_prices, place.connection)}
    done: list[Done] = []
    for entry in entries:
        amounts = {name: nano_of(_text(amount), entry.currency, name) for name in AMOUNTS if (amount := getattr(entry, name)) is not None}
        price = Price(new_id(), place.tenant.id, entry.provider, entry.model, entry.currency, entry.from_at, **amounts)
        there = known.get((entry.provider, entry.model, entry.from_at))
        name = f"{entry.provider}:{entry.model}"
        if there is None:
            await create_price(place.connection, price, place.now)
            done.append(("price", name, "created"))
        elif _price_entry(there) != _price_entry(price):
            hint = "Give the new prices another from_at, or take the old ones away with `ondol price remove`."
            raise RequestError(f"{name} has other prices from that moment on, and prices are never changed.", hint, code="price_differs")
    return done


def _price_entry(item: Price) -> PriceEntry:
    amounts = {name: decimal_text(nano) for name in AMOUNTS if (nano := getattr(item, name)) is not None}
    return PriceEntry(item.provider, item.model, item.currency, item.from_at, **amounts)


def _text(amount: Amount) -> str:
    """As it was written: the shortest text of a float is the one that was read."""
    return amount if isinstance(amount, str) else repr(amount)


# ---- Limits and budgets


async def _limits(place: GatewayPlace, entries: list[LimitEntry]) -> list[Done]:
    known: dict[tuple[str, str], Limit] = {(item.scope, item.subject): item for item in await _all(rules.list_limits, place.connection)}
    done: list[Done] = []
    for entry in entries:
        subject = await _subject(place, entry)
        rates = Rates(entry.requests_per_minute, entry.tokens_per_minute, entry.concurrent_max)
        bounds = Bounds(entry.body_bytes_max, entry.prompt_tokens_max, entry.output_tokens_max, entry.deadline_s)
        there = known.get((entry.scope, subject))
        name = f"{entry.scope} {entry.subject}".strip()
        if there is None:
            await rules.create_limit(place.connection, place.tenant.id, entry.scope, subject, rates, bounds, place.now)
            done.append(("limit", name, "created"))
        elif (there.rates, there.bounds) != (rates, bounds):
            await rules.change_limit(place.connection, there.id, rates, bounds, place.now)
            done.append(("limit", name, "changed"))
    return done


async def _budgets(place: GatewayPlace, entries: list[BudgetEntry]) -> list[Done]:
    known: dict[str, Budget] = {item.name: item for item in await _all(rules.list_budgets, place.connection)}
    done: list[Done] = []
    for entry in entries:
        subject = await _subject(place, entry)
        unit: Literal["money", "tokens"] = "tokens" if entry.currency is None else "money"
        amount = amount_of(_text(entry.amount), unit, entry.currency)
        percents = tuple(sorted(set(entry.alarm_percents)))
        there = known.get(entry.name)
        if there is None:
            new = rules.NewBudget(entry.name, entry.scope, subject, unit, entry.period, amount, entry.currency, percents)
            await rules.create_budget(place.connection, place.tenant.id, new, place.now)
            done.append(("budget", entry.name, "created"))
            continue
        if (there.scope, there.subject, there.currency, there.period) != (entry.scope, subject, entry.currency, entry.period):
            hint = "Give it another name, or take the old one away with `ondol budget remove`."
            raise RequestError(f"The budget {entry.name} is about something else, which cannot be changed.", hint, code="budget_differs")
        if (there.amount, there.alarm_percents) != (amount, percents):
            await rules.change_budget(place.connection, there.id, place.now, amount=amount, alarm_percents=percents)
            done.append(("budget", entry.name, "changed"))
    return done


async def _subject(place: GatewayPlace, entry: LimitEntry | BudgetEntry) -> str:
    return await subject_of(place.connection, place.keyring, place.tenant.id, entry.scope, entry.subject)


def _limit_entry(item: Limit, names: Mapping[str, str]) -> LimitEntry:
    return LimitEntry(item.scope, names.get(item.subject, item.subject), **asdict(item.rates), **asdict(item.bounds))


def _budget_entry(item: Budget, names: Mapping[str, str]) -> BudgetEntry:
    subject = names.get(item.subject, item.subject)
    amount = amount_text(item.amount, item.currency)
    return BudgetEntry(item.name, amount, item.currency, item.period, item.scope, subject, list(item.alarm_percents))


# ---- Settings


async def _settings(place: GatewayPlace, entry: GatewayEntry, prompt: str) -> list[Done]:
    known, _ = await serving.get_tenant_settings(place.connection)
    if (known, prompt) == (entry.settings, entry.prompt):
        return []
    await serving.put_tenant_settings(
        place.connection, place.keyring, place.tenant.id, entry.settings, prompt=entry.prompt, actor_id=None, now=place.now
    )
    return [("gateway", "settings", "changed")]

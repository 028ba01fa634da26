"""`ondol price`."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from ondol.cli.guard_policies import json_option, tenant_option, within_tenant
from ondol.cli.output import print_json, print_page, say

if TYPE_CHECKING:
    from ondol.infrastructure.access.types import Tenant
    from ondol.infrastructure.serving.prices import Price
    from ondol.infrastructure.storage.postgres import Connection
    from ondol.wiring.platform import Platform

_TOKENS = ("input", "output", "cached-input", "cache-write", "reasoning")
_OTHERS = {"request": "each request", "image": "each image made", "second": "a second of sound", "character": "a character spoken"}


@click.group("price")
def command() -> None:
    """Add, list and remove what providers' models cost."""


def _amounts(function: Any) -> Any:
    """The options of all prices."""
    for name, what in reversed([*((name, f"a million {name.replace('-', ' ')} tokens") for name in _TOKENS), *_OTHERS.items()]):
        function = click.option(f"--{name}", metavar="AMOUNT", help=f"Price of {what}, such as 0.15.")(function)
    return function


@command.command("add")
@click.argument("provider")
@click.argument("model")
@click.option("--currency", type=click.Choice(["USD", "KRW"]), help="The tenant's own when absent.")
@click.option("--from", "from_at", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="From when on, in UTC; now when absent.")
@_amounts
@tenant_option
@json_option
@click.pass_context
def add(
    context: click.Context, /, provider: str, model: str, currency: Any, from_at: datetime | None, tenant: str, as_json: bool, **amounts: Any
) -> None:
    """Add the prices of MODEL (its name there) at PROVIDER. A price list is never changed: another one begins later."""
    from ondol.core.ids import new_id
    from ondol.infrastructure.access.limits.amounts import nano_of
    from ondol.infrastructure.serving.prices import Price, create_price

    async def work(platform: Platform, where: Tenant, connection: Connection) -> Price:
        now = platform.clock()
        unit: Any = currency or where.currency
        nano = {name: nano_of(text, unit, name) for name, text in amounts.items() if text is not None}
        begins = now if from_at is None else from_at.replace(tzinfo=UTC)
        price = Price(new_id(), where.id, provider, model, unit, begins, **nano)
        await create_price(connection, price, now)
        return price

    made = within_tenant(context, tenant, work)
    if as_json:
        print_json(_row(made))
    else:
        say(f"{provider}:{model} has these prices from {made.from_at:%Y-%m-%d %H:%M} UTC on.")


@command.command("list")
@click.option("--after", type=click.UUID, metavar="ID", help="Go on after this price list.")
@click.option("--limit", type=click.IntRange(1, 999), default=100, show_default=True, help="How many at most.")
@tenant_option
@json_option
@click.pass_context
def list_all(context: click.Context, after: uuid.UUID | None, limit: int, tenant: str, as_json: bool) -> None:
    """List the price lists of a tenant, oldest first; tokens are priced by the million."""
    from ondol.infrastructure.serving.prices import list_prices

    async def work(_platform: Platform, _where: Tenant, connection: Connection) -> list[Price]:
        return await list_prices(connection, after=after, limit=limit + 1)

    found = within_tenant(context, tenant, work)
    rows = [_row(item) for item in found[:limit]]
    if not as_json:
        used = [name for name in (rows[0] if rows else {}) if any(row[name] is not None for row in rows)]
        rows = [{name: row[name] for name in used} for row in rows]
    next_after = found[limit - 1].id if len(found) > limit else None
    empty = f"No price yet: ondol price add PROVIDER MODEL --input AMOUNT --output AMOUNT --tenant {tenant}"
    print_page("prices", rows, next_after=next_after, as_json=as_json, empty=empty)


@command.command("remove")
@click.argument("price_id", type=click.UUID)
@tenant_option
@click.pass_context
def remove(context: click.Context, price_id: uuid.UUID, tenant: str) -> None:
    """Remove a price list. What was charged by it stays."""
    from ondol.infrastructure.serving.prices import remove_price

    async def work(platform: Platform, where: Tenant, connection: Connection) -> None:
        await remove_price(connection, where.id, price_id, platform.clock())

    within_tenant(context, tenant, work)
    say(f"Price list {price_id} is gone.")


def _row(price: Price) -> dict[str, Any]:
    from ondol.core.money import decimal_text
    from ondol.infrastructure.serving.prices.cost import AMOUNTS

    amounts = {name: None if (nano := getattr(price, name)) is None else decimal_text(nano) for name in AMOUNTS}
    named = {"provider": price.provider, "model": price.model, "currency": price.currency, "from_at": price.from_at}
    return {**named, **amounts, "id": price.id}

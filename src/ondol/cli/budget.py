"""`ondol budget`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ondol.cli.guard_policies import json_option, tenant_option, within_tenant
from ondol.cli.limit import SCOPE
from ondol.cli.output import print_json, print_table, say
from ondol.core.errors import UserError

if TYPE_CHECKING:
    from ondol.infrastructure.access.limits.store import Window
    from ondol.infrastructure.access.limits.types import Budget
    from ondol.infrastructure.access.types import Tenant
    from ondol.infrastructure.storage.postgres import Connection
    from ondol.wiring.platform import Platform


@click.group("budget")
def command() -> None:
    """Make, change and list budgets, see what is spent, pay into prepaid ones."""


@command.command("add")
@click.argument("name")
@click.argument("amount")
@click.option("--period", type=click.Choice(["day", "month", "total"]), default="month", show_default=True, help="A total is a prepaid balance.")
@click.option("--scope", type=SCOPE, default="tenant", show_default=True, help="Whose budget it is.")
@click.option("--subject", default="", help="A group's name, a login, a key's public id, a model, or * for each one.")
@click.option("--tokens", is_flag=True, help="The amount is tokens, not money.")
@click.option("--currency", type=click.Choice(["USD", "KRW"]), help="The tenant's own when absent.")
@click.option("--alarm", "alarms", multiple=True, type=click.IntRange(1, 100), help="Tell somebody at this percent; 80 and 100 when absent.")
@tenant_option
@json_option
@click.pass_context
def add(context: click.Context, /, name: str, amount: str, scope: Any, subject: str, tenant: str, as_json: bool, **options: Any) -> None:
    """Make the budget NAME of AMOUNT for each period, such as `team 100 --period month`."""
    from ondol.infrastructure.access.limits.amounts import amount_of
    from ondol.infrastructure.access.limits.store import NewBudget, create_budget
    from ondol.infrastructure.access.limits.subjects import subject_of

    if options["tokens"] and options["currency"]:
        raise UserError("A budget in tokens has no currency.", "Leave --currency or --tokens out.")

    async def work(platform: Platform, where: Tenant, connection: Connection) -> Budget:
        unit: Any = "tokens" if options["tokens"] else "money"
        currency: Any = None if options["tokens"] else options["currency"] or where.currency
        about = await subject_of(connection, platform.keyring, where.id, scope, subject)
        alarms = options["alarms"] or (80, 100)
        new = NewBudget(name, scope, about, unit, options["period"], amount_of(amount, unit, currency), currency, alarms)
        return await create_budget(connection, where.id, new, platform.clock())

    made = within_tenant(context, tenant, work)
    _tell(made, as_json, f"Budget {name} is there. Running platforms hold it within a second or two.")


@command.command("change")
@click.argument("name")
@click.argument("amount")
@tenant_option
@json_option
@click.pass_context
def change(context: click.Context, name: str, amount: str, tenant: str, as_json: bool) -> None:
    """Give the budget NAME another AMOUNT."""
    from ondol.infrastructure.access.limits.amounts import amount_of
    from ondol.infrastructure.access.limits.store import change_budget

    async def work(platform: Platform, _where: Tenant, connection: Connection) -> Budget:
        known = await _called(connection, name)
        return await change_budget(connection, known.id, platform.clock(), amount=amount_of(amount, known.unit, known.currency))

    _tell(within_tenant(context, tenant, work), as_json, f"Budget {name} has another amount.")


@command.command("credit")
@click.argument("name")
@click.argument("amount")
@tenant_option
@json_option
@click.pass_context
def credit(context: click.Context, name: str, amount: str, tenant: str, as_json: bool) -> None:
    """Pay AMOUNT into the prepaid balance NAME: a budget whose period is the total."""
    from ondol.infrastructure.access.limits.amounts import amount_of
    from ondol.infrastructure.access.limits.store import add_credit

    async def work(platform: Platform, where: Tenant, connection: Connection) -> Budget:
        known = await _called(connection, name)
        return await add_credit(connection, where.id, known.id, amount_of(amount, known.unit, known.currency), platform.clock())

    _tell(within_tenant(context, tenant, work), as_json, f"{amount} is paid into {name}.")


@command.command("list")
@tenant_option
@json_option
@click.pass_context
def list_all(context: click.Context, tenant: str, as_json: bool) -> None:
    """List the budgets of a tenant, oldest first, with what the newest window has spent."""
    from ondol.infrastructure.access.limits.amounts import amount_text
    from ondol.infrastructure.access.limits.store import list_budgets, list_windows
    from ondol.infrastructure.access.limits.subjects import subject_names

    async def work(platform: Platform, where: Tenant, connection: Connection) -> list[dict[str, Any]]:
        found = await list_budgets(connection)
        names = await subject_names(connection, platform.keyring, where.id, found)
        rows = []
        for item in found:
            newest = await list_windows(connection, item.id, limit=1)
            spent = amount_text(newest[0].spent, item.currency) if newest else "0"
            rows.append({**_row(item, names), "spent": spent})
        return rows

    rows = within_tenant(context, tenant, work)
    if as_json:
        print_json(rows)
    else:
        print_table(rows, f"No budget yet: ondol budget add NAME AMOUNT --tenant {tenant}")


@command.command("show")
@click.argument("name")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many windows at most.")
@tenant_option
@json_option
@click.pass_context
def show(context: click.Context, name: str, limit: int, tenant: str, as_json: bool) -> None:
    """Show the windows of the budget NAME, the newest first: what is spent, and what running workers hold."""
    from ondol.infrastructure.access.limits.amounts import amount_text
    from ondol.infrastructure.access.limits.store import list_windows

    async def work(_platform: Platform, _where: Tenant, connection: Connection) -> tuple[Budget, list[Window]]:
        known = await _called(connection, name)
        return known, await list_windows(connection, known.id, limit=limit)

    budget, windows = within_tenant(context, tenant, work)
    rows = [
        {
            "starts_at": item.starts_at,
            "ends_at": item.ends_at,
            "subject": item.subject,
            **{what: amount_text(getattr(item, what), budget.currency) for what in ("amount", "spent", "leased")},
        }
        for item in windows
    ]
    if as_json:
        print_json({**_row(budget, {}), "windows": rows})
    else:
        print_table(rows, f"Nothing of {name} was used yet.")


@command.command("remove")
@click.argument("name")
@tenant_option
@click.pass_context
def remove(context: click.Context, name: str, tenant: str) -> None:
    """Remove the budget NAME: nothing holds requests back by it any more."""
    from ondol.infrastructure.access.limits.store import remove_budget

    async def work(platform: Platform, where: Tenant, connection: Connection) -> None:
        await remove_budget(connection, where.id, (await _called(connection, name)).id, platform.clock())

    within_tenant(context, tenant, work)
    say(f"Budget {name} is gone.")


async def _called(connection: Connection, name: str) -> Budget:
    from ondol.infrastructure.access.limits.store import list_budgets

    for item in await list_budgets(connection):
        if item.name == name:
            return item
    raise UserError(f"There is no budget called {name[:100]}.", "`ondol budget list` shows all.")


def _tell(budget: Budget, as_json: bool, sentence: str) -> None:
    if as_json:
        print_json(_row(budget, {}))
    else:
        say(sentence)


def _row(budget: Budget, names: dict[str, str]) -> dict[str, Any]:
    from ondol.infrastructure.access.limits.amounts import amount_text

    return {
        "name": budget.name,
        "for": f"{budget.scope} {names.get(budget.subject, budget.subject)}".strip(),
        "period": budget.period,
        "amount": amount_text(budget.amount, budget.currency),
        "credited": amount_text(budget.credited, budget.currency),
        "unit": budget.currency or "tokens",
        "alarms": list(budget.alarm_percents),
    }

"""`ondol limit`."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ondol.cli.guard_policies import json_option, tenant_option, within_tenant
from ondol.cli.output import print_json, print_page, say

if TYPE_CHECKING:
    from ondol.infrastructure.access.limits.types import Limit
    from ondol.infrastructure.access.types import Tenant
    from ondol.infrastructure.storage.postgres import Connection
    from ondol.wiring.platform import Platform

SCOPE = click.Choice(["tenant", "group", "person", "key", "model"])
SUBJECT_HELP = "A group's name, a login, a key's public id, a model, or * for each one; none for the tenant."
_FIGURES = {
    "requests-per-minute": "Requests that may begin in a minute.",
    "tokens-per-minute": "Tokens that may be used in a minute.",
    "concurrent-max": "Requests at one time.",
    "body-bytes-max": "Size of one request's body.",
    "prompt-tokens-max": "Tokens of one prompt.",
    "output-tokens-max": "Tokens of one answer.",
    "deadline-s": "Seconds of one request.",
}


@click.group("limit")
def command() -> None:
    """Set, change, list and remove limits of requests and tokens."""


def _figures(function: Any) -> Any:
    """The options of all figures."""
    for name, what in reversed(_FIGURES.items()):
        function = click.option(f"--{name}", type=click.IntRange(1), help=what)(function)
    return function


@command.command("set")
@click.argument("scope", type=SCOPE)
@click.argument("subject", default="")
@_figures
@tenant_option
@json_option
@click.pass_context
def put(context: click.Context, /, scope: Any, subject: str, tenant: str, as_json: bool, **figures: Any) -> None:
    """Limit SCOPE and SUBJECT, such as `tenant`, `group leads` or `key "*"`. What was limited for it before is replaced."""
    from ondol.infrastructure.access.limits.store import change_limit, create_limit, list_limits
    from ondol.infrastructure.access.limits.subjects import subject_of
    from ondol.infrastructure.access.limits.types import Bounds, Rates

    rates = Rates(figures["requests_per_minute"], figures["tokens_per_minute"], figures["concurrent_max"])
    bounds = Bounds(figures["body_bytes_max"], figures["prompt_tokens_max"], figures["output_tokens_max"], figures["deadline_s"])

    async def work(platform: Platform, where: Tenant, connection: Connection) -> Limit:
        about = await subject_of(connection, platform.keyring, where.id, scope, subject)
        known = next((item for item in await list_limits(connection) if (item.scope, item.subject) == (scope, about)), None)
        if known is not None:
            return await change_limit(connection, known.id, rates, bounds, platform.clock())
        return await create_limit(connection, where.id, scope, about, rates, bounds, platform.clock())

    made = within_tenant(context, tenant, work)
    if as_json:
        print_json(_row(made, {made.subject: subject}))
    else:
        say(f"{scope} {subject}".strip() + " is limited. Running platforms follow within a second or two.")


@command.command("list")
@click.option("--after", type=click.UUID, metavar="ID", help="Go on after this limit.")
@click.option("--limit", "most", type=click.IntRange(1, 999), default=100, show_default=True, help="How many at most.")
@tenant_option
@json_option
@click.pass_context
def list_all(context: click.Context, after: uuid.UUID | None, most: int, tenant: str, as_json: bool) -> None:
    """List the limits of a tenant, oldest first."""
    from ondol.infrastructure.access.limits.store import list_limits
    from ondol.infrastructure.access.limits.subjects import subject_names

    async def work(platform: Platform, where: Tenant, connection: Connection) -> tuple[list[Limit], dict[str, str]]:
        found = await list_limits(connection, after=after, limit=most + 1)
        return found, await subject_names(connection, platform.keyring, where.id, found)

    found, names = within_tenant(context, tenant, work)
    rows = [_row(item, names) for item in found[:most]]
    if not as_json:
        used = [name for name in (rows[0] if rows else {}) if any(row[name] is not None for row in rows)]
        rows = [{name: row[name] for name in used} for row in rows]
    next_after = found[most - 1].id if len(found) > most else None
    print_page("limits", rows, next_after=next_after, as_json=as_json, empty=f"No limit yet: ondol limit set SCOPE SUBJECT --tenant {tenant}")


@command.command("remove")
@click.argument("limit_id", type=click.UUID)
@tenant_option
@click.pass_context
def remove(context: click.Context, limit_id: uuid.UUID, tenant: str) -> None:
    """Remove a limit."""
    from ondol.infrastructure.access.limits.store import remove_limit

    async def work(platform: Platform, where: Tenant, connection: Connection) -> None:
        await remove_limit(connection, where.id, limit_id, platform.clock())

    within_tenant(context, tenant, work)
    say(f"Limit {limit_id} is gone.")


def _row(limit: Limit, names: dict[str, str]) -> dict[str, Any]:
    about = {"scope": limit.scope, "subject": names.get(limit.subject, limit.subject)}
    return {**about, **asdict(limit.rates), **asdict(limit.bounds), "id": limit.id}

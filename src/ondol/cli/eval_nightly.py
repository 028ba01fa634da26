"""`ondol eval nightly`."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ondol.cli.guard_policies import json_option, tenant_option, within_tenant
from ondol.cli.main import settings_of
from ondol.cli.output import print_json, print_table, say
from ondol.cli.running import with_platform
from ondol.core.errors import UserError

if TYPE_CHECKING:
    from ondol.application.assistant.types import Assistant
    from ondol.application.evaluation.nightly import Look, Plan, Policy
    from ondol.infrastructure.access.types import Tenant
    from ondol.infrastructure.storage.postgres import Connection
    from ondol.wiring.platform import Platform

T = TypeVar("T")
REGRESSION_STATUS, FAILED_STATUS = 100, 101
"""As of the gate: something is worse, or nobody can tell."""
LOOKS_SHOWN = 20


@click.group("nightly")
def nightly() -> None:
    """Evaluate what assistants serve each night, tell people of regressions, and roll back where that is the plan."""


@nightly.command("set")
@click.argument("assistant")
@click.argument("suite", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--at", default="03:00", show_default=True, help="When, in the tenant's time zone.")
@click.option("--policy", type=click.Choice(("alarm", "rollback")), default="alarm", show_default=True, help="What becomes of a regression.")
@click.option("--as", "login", default="website", show_default=True, help="In whose name cases are asked that name nobody.")
@tenant_option
@click.pass_context
def set_plan(context: click.Context, assistant: str, suite: Path, at: str, policy: Policy, login: str, tenant: str) -> None:
    """Evaluate ASSISTANT each night by SUITE, a YAML file whose cases are a golden set and whose gate names what decides."""
    from ondol.application.evaluation.nightly.schedule import minute_of, time_text
    from ondol.infrastructure.access.people import find_tenant
    from ondol.wiring.nightly import plan_nights

    text = _read(suite)

    async def work(platform: Platform) -> Plan:
        where = await find_tenant(platform.database, tenant)
        return await plan_nights(platform, where, assistant, text, login, minute_of(at), policy)

    made = with_platform(settings_of(context), work)
    say(f"{assistant} is evaluated by {made.suite} each night at {time_text(made.at_minute)}, next at {made.next_at:%Y-%m-%d %H:%M} UTC ({policy}).")


@nightly.command("drop")
@click.argument("assistant")
@tenant_option
@click.pass_context
def drop(context: click.Context, assistant: str, tenant: str) -> None:
    """Evaluate ASSISTANT no more; what was found stays."""
    from ondol.application.assistant.store import find_assistant
    from ondol.application.evaluation.nightly import drop_plan

    async def work(platform: Platform, where: Tenant, connection: Connection) -> None:
        await drop_plan(connection, where.id, (await find_assistant(connection, assistant)).id, platform.clock())

    within_tenant(context, tenant, work)
    say(f"{assistant} is not evaluated each night any more.")


@nightly.command("status")
@click.argument("assistant", required=False)
@click.option("--limit", type=click.IntRange(1, 500), default=LOOKS_SHOWN, show_default=True, help="So many nights at most.")
@tenant_option
@json_option
@click.pass_context
def status(context: click.Context, assistant: str | None, limit: int, tenant: str, as_json: bool) -> None:
    """Show which assistants are evaluated each night, or what the nights of ASSISTANT found, the newest first."""
    if assistant is None:
        _print_plans(context, tenant, as_json)
        return
    from ondol.application.evaluation.nightly import list_looks

    async def work(_platform: Platform, _where: Tenant, connection: Connection, found: Assistant) -> list[Look]:
        return await list_looks(connection, found.id, limit=limit)

    rows = [look_row(each) for each in _with_assistant(context, tenant, assistant, work)]
    if as_json:
        print_json(rows)
    else:
        shown = ("at", "outcome", "cases", "stale", "rolled_back_to", "reason")
        print_table([{name: row[name] for name in shown} for row in rows], "No night has passed yet: `ondol eval nightly run` makes one.")


@nightly.command("run")
@click.argument("assistant")
@tenant_option
@json_option
@click.pass_context
def run_now(context: click.Context, assistant: str, tenant: str, as_json: bool) -> None:
    """Evaluate ASSISTANT now, as it would be tonight; a regression is rolled back if that is the plan.

    Exit status: 0 steady, 100 regression, 101 nothing could be told.
    """
    from ondol.application.assistant.store import find_assistant
    from ondol.infrastructure.access.people import find_tenant
    from ondol.wiring.nightly import run_night

    async def work(platform: Platform) -> Look:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            found = await find_assistant(connection, assistant)
        return await run_night(platform, where, found.id)

    made = with_platform(settings_of(context), work)
    if as_json:
        print_json(look_row(made))
    else:
        print_table([{"metric": name, **figures} for name, figures in made.figures.items()], "Nothing was measured.")
        say(f"{made.outcome}: {made.cases:,} cases compared, {made.stale:,} stale. {made.reason}".rstrip())
    raise SystemExit({"regression": REGRESSION_STATUS, "failed": FAILED_STATUS}.get(made.outcome, 0))


def look_row(look: Look) -> dict[str, Any]:
    """A night as programs read it."""
    return {
        "id": look.id,
        "at": look.created_at,
        "outcome": look.outcome,
        "cases": look.cases,
        "stale": look.stale,
        "release": look.release_id,
        "run": look.run_id,
        "baseline_run": look.baseline_run_id,
        "rolled_back_to": look.rolled_back_to,
        "reason": look.reason,
        "figures": look.figures,
    }


def _print_plans(context: click.Context, tenant: str, as_json: bool) -> None:
    from ondol.application.assistant.store import list_assistants
    from ondol.application.evaluation.nightly import list_looks, list_plans
    from ondol.application.evaluation.nightly.schedule import time_text

    async def work(platform: Platform, where: Tenant, connection: Connection) -> list[dict[str, Any]]:
        names = {each.id: each.name for each in await list_assistants(connection)}
        rows = []
        for plan in await list_plans(connection, platform.keyring, where.id):
            last = await list_looks(connection, plan.assistant_id, limit=1)
            rows.append(
                {
                    "assistant": names[plan.assistant_id],
                    "suite": plan.suite,
                    "at": time_text(plan.at_minute),
                    "policy": plan.policy,
                    "next": plan.next_at,
                    "last": last[0].created_at if last else None,
                    "outcome": last[0].outcome if last else None,
                    "stale": last[0].stale if last else None,
                }
            )
        return rows

    rows = within_tenant(context, tenant, work)
    if as_json:
        print_json(rows)
    else:
        print_table(rows, "No assistant is evaluated each night: `ondol eval nightly set ASSISTANT SUITE` begins it.")


def _with_assistant(
    context: click.Context, tenant: str, assistant: str, work: Callable[[Platform, Tenant, Connection, Assistant], Awaitable[T]]
) -> T:
    from ondol.application.assistant.store import find_assistant

    async def run(platform: Platform, where: Tenant, connection: Connection) -> T:
        return await work(platform, where, connection, await find_assistant(connection, assistant))

    return within_tenant(context, tenant, run)


def _read(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {error}.", "Give a YAML file in UTF-8.") from error

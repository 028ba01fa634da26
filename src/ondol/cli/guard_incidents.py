"""`ondol guard incidents`."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ondol.cli.guard_policies import json_option, read_policy, run_dry, span_of, tenant_option, within_tenant
from ondol.cli.output import print_json, print_page, say
from ondol.core.errors import UserError

if TYPE_CHECKING:
    from ondol.infrastructure.access.types import Tenant
    from ondol.infrastructure.guard.incidents import Incident
    from ondol.infrastructure.storage.postgres import Connection
    from ondol.wiring.platform import Platform


@click.group("incidents")
def incidents() -> None:
    """List incidents, propose what to change, measure it, and close them."""


_as = click.option("--as", "login", required=True, help="Login of the person in whose name this is done.")


@incidents.command("list")
@click.option("--state", type=click.Choice(["open", "proposed", "closed"]), help="Only these.")
@click.option("--kind", type=click.Choice(["blocked", "leaked", "canary", "approval"]), help="Only these.")
@click.option("--after", type=click.UUID, metavar="ID", help="Go on after this incident.")
@click.option("--limit", type=click.IntRange(1, 199), default=50, show_default=True, help="How many at most.")
@tenant_option
@json_option
@click.pass_context
def list_all(context: click.Context, state: Any, kind: Any, after: uuid.UUID | None, limit: int, tenant: str, as_json: bool) -> None:
    """List a tenant's incidents, the newest first."""
    from ondol.infrastructure.guard.incidents import list_incidents

    async def work(platform: Platform, where: Tenant, connection: Connection) -> list[Incident]:
        return await list_incidents(connection, platform.keyring, where.id, state=state, kind=kind, before=after, limit=limit + 1)

    found = within_tenant(context, tenant, work)
    rows = [
        {
            "id": item.id,
            "kind": item.kind,
            "state": item.state,
            "stage": item.stage,
            "rules": item.rules,
            "count": item.count,
            "last_at": item.last_at,
        }
        for item in found[:limit]
    ]
    next_after = rows[-1]["id"] if len(found) > limit else None
    print_page("incidents", rows, next_after=next_after, as_json=as_json, empty="No incident.")


@incidents.command("show")
@click.argument("incident_id", type=click.UUID)
@tenant_option
@json_option
@click.pass_context
def show(context: click.Context, incident_id: uuid.UUID, tenant: str, as_json: bool) -> None:
    """Show one incident with its masked sample."""
    from dataclasses import asdict

    from ondol.infrastructure.guard.incidents import get_incident

    async def work(platform: Platform, where: Tenant, connection: Connection) -> Incident:
        return await get_incident(connection, platform.keyring, where.id, incident_id)

    found = asdict(within_tenant(context, tenant, work))
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        if value not in (None, "", ()):
            shown = value.hex() if isinstance(value, bytes) else ", ".join(value) if isinstance(value, tuple) else value
            say(f"{name.replace('_', ' ').ljust(14)} {shown}")


@incidents.command("propose")
@click.argument("incident_id", type=click.UUID)
@click.option("--policy", "file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), help="A changed policy's YAML.")
@click.option("--note", default="", help="What to change, in words; a change of a prompt for example.")
@_as
@tenant_option
@click.pass_context
def propose(context: click.Context, incident_id: uuid.UUID, file: Path | None, note: str, login: str, tenant: str) -> None:
    """Propose a change because of an incident."""
    from ondol.infrastructure.access.people import find_person
    from ondol.infrastructure.guard.incidents import propose as put_proposal

    if file is None and not note:
        raise UserError("A proposal is a policy, a note, or both.", "Give --policy FILE or --note TEXT.")
    proposal: dict[str, Any] = {"note": note}
    if file is not None:
        proposal["policy"] = msgspec.to_builtins(read_policy(file))

    async def work(platform: Platform, where: Tenant, connection: Connection) -> None:
        person = await find_person(connection, platform.keyring, where.id, login)
        await put_proposal(connection, where.id, incident_id, proposal, by=person.id, now=platform.clock())

    within_tenant(context, tenant, work)
    say(f"Proposed. Measure it with: ondol guard incidents measure {incident_id} --tenant {tenant}" if file else "Proposed.")


@incidents.command("measure")
@click.argument("incident_id", type=click.UUID)
@click.option("--since", default="1d", show_default=True, help="How far back: 90m, 12h, 1d.")
@tenant_option
@json_option
@click.pass_context
def measure(context: click.Context, incident_id: uuid.UUID, since: str, tenant: str, as_json: bool) -> None:
    """Measure what the proposed policy would have changed, on masked texts, and keep the result with the incident."""
    from ondol.infrastructure.guard.incidents import get_incident
    from ondol.infrastructure.guard.incidents import measure as put_effect
    from ondol.infrastructure.guard.policy import policy_from
    from ondol.infrastructure.guard.registry import KNOWN

    span = span_of(since)

    async def work(platform: Platform, where: Tenant, connection: Connection) -> dict[str, Any]:
        found = await get_incident(connection, platform.keyring, where.id, incident_id)
        if not found.proposal or "policy" not in found.proposal:
            raise UserError("No policy is proposed for this incident.", f"ondol guard incidents propose {incident_id} --policy FILE")
        effect = await run_dry(platform, where, connection, policy_from(found.proposal["policy"], KNOWN), span)
        await put_effect(connection, where.id, incident_id, effect, by=None, now=platform.clock())
        return effect

    effect = within_tenant(context, tenant, work)
    if as_json:
        print_json(effect)
    else:
        say(f"{effect['changed']:,} of {effect['texts']:,} decisions would change.")


@incidents.command("close")
@click.argument("incident_id", type=click.UUID)
@click.option("--note", required=True, help="What was done.")
@_as
@tenant_option
@click.pass_context
def close(context: click.Context, incident_id: uuid.UUID, note: str, login: str, tenant: str) -> None:
    """Close an incident in a person's name."""
    from ondol.infrastructure.access.people import find_person
    from ondol.infrastructure.guard.incidents import close_incident

    async def work(platform: Platform, where: Tenant, connection: Connection) -> None:
        person = await find_person(connection, platform.keyring, where.id, login)
        await close_incident(connection, platform.keyring, where.id, incident_id, note, by=person.id, now=platform.clock())

    within_tenant(context, tenant, work)
    say(f"Incident {incident_id} is closed.")

"""`ondol guard tool` and `ondol guard approvals`."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ondol.cli.guard_policies import json_option, read_policy, tenant_option, within_tenant
from ondol.cli.output import print_json, print_page, say
from ondol.core.errors import UserError

if TYPE_CHECKING:
    from ondol.infrastructure.access.types import Tenant
    from ondol.infrastructure.guard.approvals import KeptApproval
    from ondol.infrastructure.storage.postgres import Connection
    from ondol.wiring.platform import Platform

FILE_BYTES_MAX = 20_000_000
_COLOURS = {"allow": "green", "ask": "yellow", "block": "red"}


@click.command("tool")
@click.argument("name")
@click.option("--arguments", default="{}", show_default=True, help="The call's arguments as JSON, or @FILE.")
@click.option("--policy", "policy_file", type=click.Path(path_type=Path, dir_okay=False), help="A policy's YAML; the built-in one when absent.")
@click.option("--untrusted", multiple=True, type=click.Path(path_type=Path, dir_okay=False), help="A document or tool result that the model saw.")
@click.option("--own", multiple=True, help="What the person wrote: it is trusted wherever else it stands.")
@click.option("--tenant", default="demo", show_default=True, help="The tenant as it stands in the tables that SQL reads.")
@json_option
def tool(name: str, arguments: str, policy_file: Path | None, untrusted: tuple[Path, ...], own: tuple[str, ...], tenant: str, as_json: bool) -> None:
    """Decide whether a call of the tool NAME may run, by a policy. Needs no platform and no data folder; nothing is asked for or kept."""
    from ondol.infrastructure.guard.defaults import default_policy
    from ondol.infrastructure.guard.trial import guards_of, try_call

    guards = guards_of(read_policy(policy_file) if policy_file else default_policy())
    written = _read(Path(arguments[1:])) if arguments.startswith("@") else arguments
    plain = try_call(guards, name, written, tenant=tenant, own=own, untrusted=[_read(path) for path in untrusted])
    if as_json:
        say(json.dumps(plain, ensure_ascii=False))
        return
    needed = plain["approval_needed"]
    asks = f"  {needed['role']} must approve: {', '.join(needed['reasons'])}" if needed else ""
    told = plain["decision"] + (f" (would {plain['would']})" if plain["decision"] == "allow" and plain["would"] not in ("allow", "mask") else "")
    say(f"{click.style(told, fg=_COLOURS[plain['decision']], bold=True)}  {name}{asks}")
    for finding in plain["findings"]:
        place = f"  {finding['entity']}" if finding["entity"] else ""
        say(f"    {finding['action'].ljust(8)} {finding['rule']}{place}  {finding['reason']}")
    if plain["failed"]:
        say(click.style(f"    failed: {', '.join(plain['failed'])}", fg="red"))
    if plain["arguments"] is not None:
        say(f"    {'runs' if plain['decision'] == 'allow' else 'would run'} with {plain['arguments']}")
    if not plain["restricted"]:
        say("    The policy does not say which tools may be called: add `tools`.")


@click.group("approvals")
def approvals() -> None:
    """List approvals of tool calls that somebody asked for, and say yes or no."""


_as = click.option("--as", "login", required=True, help="Login of the person in whose name this is done.")


@approvals.command("list")
@click.option("--state", type=click.Choice(["pending", "approved", "denied", "used", "expired"]), help="Only these.")
@click.option("--after", type=click.UUID, metavar="ID", help="Go on after this approval.")
@click.option("--limit", type=click.IntRange(1, 199), default=50, show_default=True, help="How many at most.")
@tenant_option
@json_option
@click.pass_context
def list_all(context: click.Context, state: Any, after: uuid.UUID | None, limit: int, tenant: str, as_json: bool) -> None:
    """List a tenant's approvals, the newest first."""
    from ondol.infrastructure.guard.approvals import Viewer, list_approvals

    async def work(platform: Platform, where: Tenant, connection: Connection) -> list[KeptApproval]:
        everything = Viewer(uuid.UUID(int=0), frozenset(), sees_all=True)
        return await list_approvals(connection, platform.keyring, where.id, everything, platform.clock(), state=state, before=after, limit=limit + 1)

    found = within_tenant(context, tenant, work)
    rows = [
        {"id": item.id, "state": item.state, "tool": item.tool, "role": item.role, "reasons": item.reasons, "expires_at": item.expires_at}
        for item in found[:limit]
    ]
    next_after = rows[-1]["id"] if len(found) > limit else None
    print_page("approvals", rows, next_after=next_after, as_json=as_json, empty="No approval was asked for.")


@approvals.command("show")
@click.argument("approval_id", type=click.UUID)
@click.option("--as", "login", default="", help="Login of somebody in the role, or of who asked: shows the arguments too.")
@tenant_option
@json_option
@click.pass_context
def show(context: click.Context, approval_id: uuid.UUID, login: str, tenant: str, as_json: bool) -> None:
    """Show one approval; its arguments only to those who may approve it and to who asked."""
    from dataclasses import asdict, replace

    from ondol.infrastructure.access.people import find_person
    from ondol.infrastructure.guard.approvals import Viewer, get_approval, roles_of

    async def work(platform: Platform, where: Tenant, connection: Connection) -> KeptApproval:
        found = await get_approval(connection, platform.keyring, where.id, approval_id, platform.clock())
        person = await find_person(connection, platform.keyring, where.id, login) if login else None
        may_read = person is not None and Viewer(person.id, roles_of(person)).may_read(found)
        return found if may_read else replace(found, arguments="")

    found = asdict(within_tenant(context, tenant, work))
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        if value not in (None, "", ()):
            shown = value.hex() if isinstance(value, bytes) else ", ".join(value) if isinstance(value, tuple) else value
            say(f"{name.replace('_', ' ').ljust(14)} {shown}")


@approvals.command("approve")
@click.argument("approval_id", type=click.UUID)
@click.option("--note", default="", help="Why.")
@_as
@tenant_option
@click.pass_context
def approve(context: click.Context, approval_id: uuid.UUID, note: str, login: str, tenant: str) -> None:
    """Let the call run once, in a person's name who has the role and did not ask."""
    _answer(context, approval_id, note, login, tenant, approved=True)
    say(f"Approval {approval_id} is given: the call may run once until it ends.")


@approvals.command("deny")
@click.argument("approval_id", type=click.UUID)
@click.option("--note", default="", help="Why.")
@_as
@tenant_option
@click.pass_context
def deny(context: click.Context, approval_id: uuid.UUID, note: str, login: str, tenant: str) -> None:
    """Say no, in the name of a person who has the role."""
    _answer(context, approval_id, note, login, tenant, approved=False)
    say(f"Approval {approval_id} is denied.")


def _answer(context: click.Context, approval_id: uuid.UUID, note: str, login: str, tenant: str, *, approved: bool) -> None:
    from ondol.infrastructure.access.people import find_person
    from ondol.infrastructure.guard.approvals import answer, roles_of

    async def work(platform: Platform, where: Tenant, connection: Connection) -> None:
        person = await find_person(connection, platform.keyring, where.id, login)
        await answer(
            connection,
            platform.keyring,
            where.id,
            approval_id,
            approved=approved,
            note=note,
            by=person.id,
            roles=roles_of(person),
            now=platform.clock(),
        )

    within_tenant(context, tenant, work)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(FILE_BYTES_MAX + 1)[:FILE_BYTES_MAX].decode("utf-8", "surrogateescape")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Give a text file.") from error

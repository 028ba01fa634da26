"""`ondol user`."""

from __future__ import annotations

import uuid
from typing import get_args

import click

from ondol.cli.main import settings_of
from ondol.cli.output import print_json, print_page, say
from ondol.cli.running import with_platform
from ondol.infrastructure.access.types import ROLES, SECURITY_CLASSES, Person, PersonKind, Role, SecurityClass
from ondol.wiring.platform import Platform
from ondol.wiring.stores import base_url


@click.group("user")
def command() -> None:
    """Add, invite, change and list people."""


_tenant = click.option("--tenant", default="demo", show_default=True, help="Tenant's slug.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@command.command("add")
@click.argument("login")
@click.option("--name", help="Full name; otherwise the login.")
@click.option("--kind", type=click.Choice(get_args(PersonKind)), default="person", show_default=True, help="A service has keys but never signs in.")
@click.option("--role", "roles", multiple=True, type=click.Choice(ROLES), help="May be given several times; member when absent.")
@click.option("--group", "groups", multiple=True, help="Group to join; may be given several times.")
@click.option("--clearance", type=click.Choice(SECURITY_CLASSES), default="public", show_default=True, help="Highest class that may be read.")
@_tenant
@_json
@click.pass_context
def add(
    context: click.Context,
    login: str,
    name: str | None,
    kind: PersonKind,
    roles: tuple[Role, ...],
    groups: tuple[str, ...],
    clearance: SecurityClass,
    tenant: str,
    as_json: bool,
) -> None:
    """Add a person and print a one-time sign-in for them."""
    from ondol.infrastructure.access.people import NewPerson, add_person, find_tenant
    from ondol.infrastructure.access.sign_in import issue_one_time

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        new = NewPerson(login, name or login, kind, clearance, frozenset(roles or ("member",)), groups)
        async with platform.database.tenant_tx(where.id) as connection:
            person = await add_person(connection, platform.keyring, where.id, new, platform.clock())
            code = None
            if kind == "person":
                code = await issue_one_time(connection, platform.settings.sign_in, where.id, person.id, platform.clock())
        _show_invitation(platform, person, code, as_json)

    with_platform(settings_of(context), work)


@command.command("invite")
@click.argument("login")
@_tenant
@_json
@click.pass_context
def invite(context: click.Context, login: str, tenant: str, as_json: bool) -> None:
    """Print a new one-time sign-in, for somebody new or who forgot the password."""
    from ondol.infrastructure.access.people import find_person, find_tenant
    from ondol.infrastructure.access.sign_in import issue_one_time

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            person = await find_person(connection, platform.keyring, where.id, login)
            code = await issue_one_time(connection, platform.settings.sign_in, where.id, person.id, platform.clock())
        _show_invitation(platform, person, code, as_json)

    with_platform(settings_of(context), work)


@command.command("list")
@_tenant
@click.option("--after", type=click.UUID, metavar="ID", help="Go on after this person.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="How many at most.")
@_json
@click.pass_context
def list_all(context: click.Context, tenant: str, after: uuid.UUID | None, limit: int, as_json: bool) -> None:
    """List the people of a tenant, oldest first."""
    from ondol.infrastructure.access.people import find_tenant, list_people

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            found = await list_people(connection, platform.keyring, where.id, after=after, limit=limit + 1)
        people = found[:limit]
        shown = [
            {
                "login": p.login,
                "name": p.name,
                "kind": p.kind,
                "clearance": p.clearance,
                "roles": sorted(p.roles),
                "groups": list(p.groups),
                "id": p.id,
            }
            for p in people
        ]
        next_after = people[-1].id if len(found) > limit else None
        print_page("people", shown, next_after=next_after, as_json=as_json, empty=f"Nobody yet: ondol user add LOGIN --tenant {tenant}")

    with_platform(settings_of(context), work)


@command.command("disable")
@click.argument("login")
@_tenant
@click.pass_context
def disable(context: click.Context, login: str, tenant: str) -> None:
    """Shut a person or service out: sessions and keys stop working. `ondol user enable` lets them in again."""
    _set_disabled(context, login, tenant, disabled=True)


@command.command("enable")
@click.argument("login")
@_tenant
@click.pass_context
def enable(context: click.Context, login: str, tenant: str) -> None:
    """Let a person or service in again."""
    _set_disabled(context, login, tenant, disabled=False)


def _set_disabled(context: click.Context, login: str, tenant: str, *, disabled: bool) -> None:
    from ondol.infrastructure.access.people import find_person, find_tenant, set_disabled

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            person = await find_person(connection, platform.keyring, where.id, login)
            await set_disabled(connection, person, disabled=disabled, now=platform.clock())
        say(f"{login} is {'shut out' if disabled else 'let in'}.")

    with_platform(settings_of(context), work)


def _show_invitation(platform: Platform, person: Person, code: str | None, as_json: bool) -> None:
    link = None if code is None else f"{base_url(platform.settings)}/welcome?code={code}"
    if as_json:
        print_json({"id": person.id, "login": person.login, "sign_in_once": link})
        return
    say(f"{person.login} is {'a service' if person.kind == 'service' else 'a person'} of this tenant.")
    if link is not None:
        say(f"Sign in once, within {platform.settings.sign_in.one_time_hours} hours:\n  {link}")

"""`ondol user`."""

from __future__ import annotations

import uuid
from typing import get_args

import click

from ondol.cli.main import settings_of
from ondol.cli.output import print_json, print_page, say
from ondol.cli.running import with_platform
from ondol.core.errors import UserError
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
@click.option("--attribute", "attributes", multiple=True, metavar="NAME=VALUE", help="What access rules may ask for; may be given several times.")
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
    attributes: tuple[str, ...],
    clearance: SecurityClass,
    tenant: str,
    as_json: bool,
) -> None:
    """Add a person and print a one-time sign-in for them."""
    from ondol.infrastructure.access.people import NewPerson, add_person, find_tenant
    from ondol.infrastructure.access.sign_in import issue_one_time

    has = _attributes(attributes)

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        new = NewPerson(login, name or login, kind, clearance, frozenset(roles or ("member",)), groups, has)
        async with platform.database.tenant_tx(where.id) as connection:
            person = await add_person(connection, platform.keyring, where.id, new, platform.clock())
            code = None
            if kind == "person":
                code = await issue_one_time(connection, platform.settings.sign_in, where.id, person.id, platform.clock())
        _show_invitation(platform, person, code, as_json)

    with_platform(settings_of(context), work)


@command.command("set")
@click.argument("login")
@click.option("--name", help="Full name.")
@click.option("--role", "roles", multiple=True, type=click.Choice(ROLES), help="All their roles; may be given several times.")
@click.option("--group", "groups", multiple=True, help="All their groups; may be given several times.")
@click.option(
    "--attribute", "attributes", multiple=True, metavar="NAME=VALUE", help="All their values of this name; may be given several times. Others stay."
)
@click.option("--without", multiple=True, metavar="NAME", help="Take away all their values of this attribute; may be given several times.")
@click.option("--clearance", type=click.Choice(SECURITY_CLASSES), help="Highest class that may be read.")
@_tenant
@_json
@click.pass_context
def set_person(
    context: click.Context,
    login: str,
    name: str | None,
    roles: tuple[Role, ...],
    groups: tuple[str, ...],
    attributes: tuple[str, ...],
    without: tuple[str, ...],
    clearance: SecurityClass | None,
    tenant: str,
    as_json: bool,
) -> None:
    """Change what a person or service is and may read. What is not said stays; the next search knows of it."""
    from ondol.infrastructure.access.people import NewPerson, change_person, find_person, find_tenant

    given = _attributes(attributes)
    replaced = {attribute for attribute, _ in given} | set(without)

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            known = await find_person(connection, platform.keyring, where.id, login)
            kept = tuple((attribute, value) for attribute, value in known.attributes if attribute not in replaced)
            new = NewPerson(
                known.login,
                name or known.name,
                known.kind,
                clearance or known.clearance,
                frozenset(roles) or known.roles,
                tuple(sorted(set(groups))) or known.groups,
                (*kept, *given),
            )
            person = await change_person(connection, platform.keyring, known, new, platform.clock())
        if as_json:
            print_json(_shown(person))
        else:
            has = ", ".join(f"{attribute}={value}" for attribute, value in person.attributes)
            say(f"{person.login}: clearance {person.clearance}; groups {', '.join(person.groups) or 'none'}; attributes {has or 'none'}.")

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
        shown = [_shown(person) for person in people]
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


def _attributes(said: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The names and values of `--attribute`, each once.

    Raises:
        UserError: when one is not NAME=VALUE.
    """
    from ondol.infrastructure.access.rules import check_name, check_value

    found = []
    for text in said:
        name, sign, value = text.partition("=")
        if not sign:
            raise UserError(f"--attribute {text} says no value.", "Write it as --attribute department=sales.")
        found.append((check_name(name.strip()), check_value(value)))
    return tuple(sorted(set(found)))


def _shown(person: Person) -> dict[str, object]:
    return {
        "login": person.login,
        "name": person.name,
        "kind": person.kind,
        "clearance": person.clearance,
        "roles": sorted(person.roles),
        "groups": list(person.groups),
        "attributes": [f"{name}={value}" for name, value in person.attributes],
        "id": person.id,
    }


def _show_invitation(platform: Platform, person: Person, code: str | None, as_json: bool) -> None:
    link = None if code is None else f"{base_url(platform.settings)}/welcome?code={code}"
    if as_json:
        print_json({"id": person.id, "login": person.login, "sign_in_once": link})
        return
    say(f"{person.login} is {'a service' if person.kind == 'service' else 'a person'} of this tenant.")
    if link is not None:
        say(f"Sign in once, within {platform.settings.sign_in.one_time_hours} hours:\n  {link}")

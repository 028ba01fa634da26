"""`ondol key`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from ondol.cli.main import settings_of
from ondol.cli.output import print_json, print_page, say
from ondol.cli.running import with_platform
from ondol.core.errors import UserError
from ondol.wiring.platform import Platform


@click.group("key")
def command() -> None:
    """Create, list and revoke API keys."""


_tenant = click.option("--tenant", default="demo", show_default=True, help="Tenant's slug.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@command.command("create")
@click.argument("login")
@click.option("--name", default="key", show_default=True, help="What the key is for.")
@click.option("--days", type=click.IntRange(1, 3650), help="Expire after so many days; never when absent.")
@click.option("--expires", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="Or expire at this moment, in UTC.")
@click.option(
    "--model", "models", multiple=True, help="May call this model, and do nothing else; may be given several times. All models when absent."
)
@_tenant
@_json
@click.pass_context
def create(
    context: click.Context, login: str, name: str, days: int | None, expires: datetime | None, models: tuple[str, ...], tenant: str, as_json: bool
) -> None:
    """Create a key that acts as LOGIN. It is shown once."""
    from ondol.infrastructure.access.keys import create_key
    from ondol.infrastructure.access.people import find_person, find_tenant

    if days is not None and expires is not None:
        raise UserError("A key expires once.", "Give --days or --expires.")

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        now = platform.clock()
        expires_at = None if expires is None else expires.replace(tzinfo=UTC)
        expires_at = expires_at if days is None else now + timedelta(days=days)
        async with platform.database.tenant_tx(where.id) as connection:
            person = await find_person(connection, platform.keyring, where.id, login)
            key, minted = await create_key(connection, where.id, person.id, name, now, expires_at=expires_at, models=models or None)
        if as_json:
            print_json({"id": key.id, "public_id": key.public_id, "key": minted.text, "expires_at": key.expires_at, "models": key.models})
        else:
            say(f"{minted.text}\n\nThis is the only time that it is shown. Revoke it with: ondol key revoke {key.public_id} --tenant {tenant}")

    with_platform(settings_of(context), work)


@command.command("list")
@_tenant
@click.option("--after", metavar="PUBLIC_ID", help="Go on after this key.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="How many at most.")
@_json
@click.pass_context
def list_all(context: click.Context, tenant: str, after: str | None, limit: int, as_json: bool) -> None:
    """List the keys of a tenant, oldest first, without their secrets."""
    from ondol.infrastructure.access.keys import find_key, list_keys
    from ondol.infrastructure.access.people import find_tenant, logins_of

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            before = (await find_key(connection, where.id, after)).id if after else None
            found = await list_keys(connection, where.id, after=before, limit=limit + 1)
            keys = found[:limit]
            logins = await logins_of(connection, platform.keyring, where.id, {key.person_id for key in keys})
        shown = [
            {
                "public_id": key.public_id,
                "acts_as": logins.get(key.person_id, str(key.person_id)),
                "name": key.name,
                "models": "all" if key.models is None else list(key.models),
                "created_at": key.created_at,
                "expires_at": key.expires_at,
                "revoked_at": key.revoked_at,
            }
            for key in keys
        ]
        next_after = keys[-1].public_id if len(found) > limit else None
        print_page("keys", shown, next_after=next_after, as_json=as_json, empty=f"No key yet: ondol key create LOGIN --tenant {tenant}")

    with_platform(settings_of(context), work)


@command.command("revoke")
@click.argument("public_id")
@_tenant
@click.pass_context
def revoke(context: click.Context, public_id: str, tenant: str) -> None:
    """Revoke a key for good, by its public id (the middle part of the key)."""
    from ondol.infrastructure.access.keys import revoke_key
    from ondol.infrastructure.access.people import find_tenant

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            await revoke_key(connection, where.id, public_id, platform.clock())
        say(f"Key {public_id} is revoked. Running platforms refuse it within a second or two.")

    with_platform(settings_of(context), work)

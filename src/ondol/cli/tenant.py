"""`ondol tenant`."""

from __future__ import annotations

import click

from ondol.cli.main import settings_of
from ondol.cli.output import print_json, print_table, say
from ondol.cli.running import with_platform
from ondol.wiring.platform import Platform


@click.group("tenant")
def command() -> None:
    """Create and list tenants, and say which one runs this installation."""


@command.command("create")
@click.argument("slug")
@click.option("--name", help="How people call it; otherwise the slug.")
@click.option("--time-zone", default="Asia/Seoul", show_default=True, help="Zone of its budget days.")
@click.option("--currency", type=click.Choice(["KRW", "USD"]), default="KRW", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def create(context: click.Context, slug: str, name: str | None, time_zone: str, currency: str, as_json: bool) -> None:
    """Create a tenant called SLUG (lower-case letters, digits, hyphens)."""
    from ondol.infrastructure.access.people import create_tenant

    async def work(platform: Platform) -> None:
        tenant = await create_tenant(
            platform.database, platform.keyring, slug=slug, name=name or slug, time_zone=time_zone, currency=currency, now=platform.clock()
        )
        if as_json:
            print_json({"id": tenant.id, "slug": tenant.slug, "name": tenant.name})
        else:
            say(f"Tenant {tenant.slug} is there. Add its first person: ondol user add LOGIN --tenant {tenant.slug} --role owner")

    with_platform(settings_of(context), work)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def list_all(context: click.Context, as_json: bool) -> None:
    """List all tenants."""
    from ondol.infrastructure.access.people import list_tenants

    async def work(platform: Platform) -> None:
        found = [
            {"slug": tenant.slug, "name": tenant.name, "time_zone": tenant.time_zone, "currency": tenant.currency, "id": tenant.id}
            for tenant in await list_tenants(platform.database)
        ]
        if as_json:
            print_json(found)
        else:
            print_table(found, "No tenant yet: ondol tenant create SLUG")

    with_platform(settings_of(context), work)


@command.command("operator")
@click.argument("slug", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def operator(context: click.Context, slug: str | None, as_json: bool) -> None:
    """Let the tenant SLUG run this installation, or show which one does.

    Its models may be shared with every tenant, and its administrators may register providers with private addresses.
    """
    from ondol.infrastructure.access.people import find_tenant
    from ondol.infrastructure.serving.operator import find_operator, set_operator

    async def work(platform: Platform) -> None:
        if slug is not None:
            await set_operator(platform.database, await find_tenant(platform.database, slug), platform.clock())
        found = await find_operator(platform.database)
        if as_json:
            print_json({"operator": found.slug if found else None})
        else:
            say(f"{found.slug} runs this installation." if found else "No tenant runs this installation: ondol tenant operator SLUG")

    with_platform(settings_of(context), work)

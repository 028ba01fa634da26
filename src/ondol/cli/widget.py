"""`ondol widget`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from ondol.cli.main import settings_of
from ondol.cli.output import print_json, print_table, say
from ondol.cli.running import with_platform
from ondol.wiring.platform import Platform


@click.group("widget")
def command() -> None:
    """Put an assistant on a customer's site: make, change, list and revoke widgets."""


_tenant = click.option("--tenant", default="demo", show_default=True, help="Tenant's slug.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_key = click.option(
    "--public-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The site signs with Ed25519, and this PEM file has its public key. Otherwise a secret is made.",
)


@command.command("create")
@click.argument("name")
@click.option("--assistant", required=True, help="Which assistant answers.")
@click.option("--origin", "origins", multiple=True, required=True, help="A site, such as https://shop.example; may be given several times.")
@click.option("--group", "groups", multiple=True, help="Customers may read what this group may; may be given several times.")
@click.option("--visitors", is_flag=True, help="Let people ask whom the site does not name.")
@click.option("--open-documents", is_flag=True, help="Let customers read what is open to everybody of the tenant.")
@_key
@_tenant
@_json
@click.pass_context
def create(
    context: click.Context,
    name: str,
    assistant: str,
    origins: tuple[str, ...],
    groups: tuple[str, ...],
    visitors: bool,
    open_documents: bool,
    public_key: Path | None,
    tenant: str,
    as_json: bool,
) -> None:
    """Make a widget called NAME. Its secret is shown once."""
    from ondol.application.channels.widgets.front import PREFIX
    from ondol.application.channels.widgets.manage import create_widget
    from ondol.application.channels.widgets.script import FILE, element_script
    from ondol.application.channels.widgets.types import NewWidget
    from ondol.infrastructure.access.people import find_tenant

    pem = public_key.read_text("utf-8") if public_key is not None else ""
    new = NewWidget(name, assistant, origins, groups, visitors, open_documents, public_key=pem)

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        made, secret = await create_widget(platform.knowledge, where.id, new)
        script, integrity = f"{PREFIX}{made.public_id}/{FILE}", element_script().integrity
        if as_json:
            print_json({"name": made.name, "public_id": made.public_id, "secret": secret, "script": script, "integrity": integrity})
            return
        say(f"Widget {made.name}, public id {made.public_id}.")
        if secret:
            say(f"\n{secret}\n\nThis is the only time that the secret is shown. The site's server signs with it who is asking.")
        say(f"\nThe site's page loads {script} from this installation's address, with integrity {integrity}.")

    with_platform(settings_of(context), work)


@command.command("list")
@_tenant
@_json
@click.pass_context
def list_all(context: click.Context, tenant: str, as_json: bool) -> None:
    """List the widgets of a tenant, revoked ones too."""
    from ondol.application.channels.widgets.store import list_widgets
    from ondol.infrastructure.access.people import find_tenant

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            found = await list_widgets(connection, where.id)
        names = ("name", "public_id", "assistant", "origins", "groups", "visitors", "revoked_at")
        shown = [{name: asdict(one)[name] for name in names} for one in found]
        if as_json:
            print_json({"widgets": shown})
        else:
            print_table(shown, f"No widget yet: ondol widget create NAME --assistant help --origin https://... --tenant {tenant}")

    with_platform(settings_of(context), work)


@command.command("change")
@click.argument("name")
@click.option("--origin", "origins", multiple=True, help="The sites from now on; may be given several times.")
@click.option("--group", "groups", multiple=True, help="The groups from now on; may be given several times.")
@click.option("--visitors/--no-visitors", default=None, help="Whether people may ask whom the site does not name.")
@click.option("--open-documents/--no-open-documents", default=None, help="Whether customers read what is open to everybody of the tenant.")
@_tenant
@click.pass_context
def change(
    context: click.Context,
    name: str,
    origins: tuple[str, ...],
    groups: tuple[str, ...],
    visitors: bool | None,
    open_documents: bool | None,
    tenant: str,
) -> None:
    """Change a widget. What is not given stays."""
    from ondol.application.channels.widgets.manage import change_widget
    from ondol.infrastructure.access.people import find_tenant

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        sites, read_as = origins or None, groups or None
        room = platform.knowledge
        await change_widget(room, where.id, name, origins=sites, groups=read_as, visitors=visitors, open_documents=open_documents)
        say(f"Widget {name} is changed. It holds at once, also for those who are asking.")

    with_platform(settings_of(context), work)


@command.command("rotate")
@click.argument("name")
@click.option("--grace-minutes", type=click.IntRange(0, 7 * 24 * 60), default=0, show_default=True, help="How long the secret before still counts.")
@_key
@_tenant
@click.pass_context
def rotate(context: click.Context, name: str, grace_minutes: int, public_key: Path | None, tenant: str) -> None:
    """Give a widget another secret, which is shown once; or another public key."""
    from ondol.application.channels.widgets.manage import rotate_secret
    from ondol.infrastructure.access.people import find_tenant

    pem = public_key.read_text("utf-8") if public_key is not None else ""

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        secret = await rotate_secret(platform.knowledge, where.id, name, public_key=pem, grace_minutes=grace_minutes)
        say(f"{secret}\n\nThis is the only time that it is shown." if secret else f"Widget {name} has the new public key.")

    with_platform(settings_of(context), work)


@command.command("revoke")
@click.argument("name")
@_tenant
@click.pass_context
def revoke(context: click.Context, name: str, tenant: str) -> None:
    """Close a widget for good: nobody asks through it any more, and what is being answered ends."""
    from ondol.application.channels.widgets.manage import revoke_widget
    from ondol.infrastructure.access.people import find_tenant

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        await revoke_widget(platform.knowledge, where.id, name)
        say(f"Widget {name} is closed. Running platforms refuse it within a second or two.")

    with_platform(settings_of(context), work)


@command.command("erase")
@click.argument("name")
@click.option("--customer", default="", help="The site's own name for the customer; all who asked without a name when absent.")
@click.option("--reason", default="request", show_default=True, help="A fixed word; it stays in the ledger.")
@_tenant
@click.pass_context
def erase(context: click.Context, name: str, customer: str, reason: str, tenant: str) -> None:
    """Have a customer of a widget erased, with their questions and answers."""
    from ondol.application.channels.widgets.store import find_widget
    from ondol.application.channels.widgets.visits import login_of
    from ondol.application.erasure.ask import erase_subject
    from ondol.infrastructure.access.people import find_tenant

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            widget = await find_widget(connection, where.id, name)
        erasure = await erase_subject(platform.knowledge, where.id, login_of(platform.knowledge, where.id, widget.id, customer), reason=reason)
        say(f"Hidden at once; a running platform erases it: ondol erasure show {erasure.id} --tenant {tenant}")

    with_platform(settings_of(context), work)

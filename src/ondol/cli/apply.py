"""`ondol apply`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ondol.cli.main import settings_of
from ondol.cli.output import print_json, say
from ondol.cli.running import with_platform
from ondol.core.errors import UserError
from ondol.wiring.platform import Platform
from ondol.wiring.stores import base_url


@click.command("apply")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--export", is_flag=True, help="Print what is there instead, in the form that FILE has.")
@click.option("--tenant", "tenants", multiple=True, help="With --export: only this tenant; may be given several times.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(context: click.Context, file: Path | None, export: bool, tenants: tuple[str, ...], as_json: bool) -> None:
    """Apply FILE: tenants, groups, people, bases, assistants, guard policies, providers, models, prices, limits, budgets and the gateway's settings,
    as YAML (- reads standard input). Credentials stand in environment variables that the file names; none is ever exported.

    Applying twice changes nothing, and whoever the file does not mention is left alone. An entry says all of its thing: a field that is
    absent has its default. New people get a one-time sign-in, which is printed.
    """
    if export == (file is not None):
        raise UserError("Give either a FILE or --export.", "ondol apply --export > all.yaml")
    settings = settings_of(context)
    if export:
        with_platform(settings, lambda platform: _export(platform, tenants))
        return
    text = sys.stdin.read() if str(file) == "-" else _read(file)

    async def work(platform: Platform) -> None:
        from ondol.application.declaration import apply_declaration, parse_declaration

        changes = await apply_declaration(platform.declaration_room, parse_declaration(text), invite=True)
        links = {change: f"{base_url(settings)}/welcome?code={change.code}" for change in changes if change.code}
        if as_json:
            print_json(
                [
                    {
                        "tenant": change.tenant,
                        "what": change.what,
                        "name": change.name,
                        "did": change.did,
                        "sign_in_once": links.get(change),
                        "note": change.note,
                    }
                    for change in changes
                ]
            )
            return
        for change in changes:
            say(f"{change.did}  {change.tenant}  {change.what} {change.name}")
            if change in links:
                say(f"         sign in once: {links[change]}")
            if change.note:
                say(f"         {change.note}")
        if not changes:
            say("Nothing to change.")

    with_platform(settings, work)


async def _export(platform: Platform, slugs: tuple[str, ...]) -> None:
    from ondol.application.declaration import export_declaration, to_yaml
    from ondol.infrastructure.access.people import find_tenant, list_tenants

    chosen = [await find_tenant(platform.database, slug) for slug in slugs] if slugs else await list_tenants(platform.database)
    say(to_yaml(await export_declaration(platform.declaration_room, chosen)).rstrip())


def _read(file: Path | None) -> str:
    try:
        return file.read_text("utf-8") if file is not None else ""
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {error}.", "Give a YAML file in UTF-8.") from error

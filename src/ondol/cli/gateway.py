"""`ondol gateway`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ondol.cli.guard_policies import json_option, tenant_option, within_tenant
from ondol.cli.output import print_json, say
from ondol.core.errors import UserError

if TYPE_CHECKING:
    from ondol.infrastructure.access.types import Tenant
    from ondol.infrastructure.serving.settings import TenantSettings
    from ondol.infrastructure.storage.postgres import Connection
    from ondol.wiring.platform import Platform


@click.group("gateway")
def command() -> None:
    """Show and change how the gateway treats a tenant."""


@command.command("settings")
@click.option("--content", type=click.Choice(["off", "masked", "full"]), help="What is kept of requests and answers, sealed.")
@click.option("--content-days", type=click.IntRange(1, 3650), help="For how long.")
@click.option("--mark/--no-mark", default=None, help="Answers carry the notice and a mark that a machine wrote them.")
@click.option("--notice-ko", help="The notice in Korean; empty for the built-in one.")
@click.option("--notice-en", help="The notice in English; empty for the built-in one.")
@click.option("--when-away", type=click.Choice(["closed", "open"]), help="With Postgres away and leases used up: refuse, or go on with an alarm.")
@click.option("--prompt", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="File of a system prompt to pin to every model.")
@click.option("--no-prompt", is_flag=True, help="Take the pinned prompt away.")
@tenant_option
@json_option
@click.pass_context
def settings(context: click.Context, /, prompt: Path | None, no_prompt: bool, tenant: str, as_json: bool, **options: Any) -> None:
    """Show the gateway's settings of a tenant, or change those that are given."""
    import msgspec

    from ondol.infrastructure.serving.settings import TenantSettings, settings_from
    from ondol.infrastructure.serving.store import get_tenant_settings, put_tenant_settings

    pinned = _prompt(prompt, no_prompt)

    async def work(platform: Platform, where: Tenant, connection: Connection) -> tuple[TenantSettings, bool]:
        known, has_prompt = await get_tenant_settings(connection)
        told = msgspec.to_builtins(known)
        told |= {name: options[name] for name in ("content", "content_days", "mark", "when_away") if options[name] is not None}
        given = {language: options[f"notice_{language}"] for language in ("ko", "en") if options[f"notice_{language}"] is not None}
        told["notice"] = {language: text for language, text in (told["notice"] | given).items() if text}
        new = settings_from(TenantSettings, told)
        if new == known and pinned is None:
            return known, has_prompt
        await put_tenant_settings(connection, platform.keyring, where.id, new, prompt=pinned, actor_id=None, now=platform.clock())
        return await get_tenant_settings(connection)

    found, has_prompt = within_tenant(context, tenant, work)
    row = {**msgspec.to_builtins(found), "pinned_prompt": has_prompt}
    if as_json:
        print_json(row)
        return
    for name, value in row.items():
        say(f"{name.replace('_', ' '):14} {value if value not in ({}, '') else '-'}")


def _prompt(file: Path | None, taken_away: bool) -> str | None:
    if file is None:
        return "" if taken_away else None
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {error}.", "Give a text in UTF-8.") from error

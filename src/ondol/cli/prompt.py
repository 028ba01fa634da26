"""`ondol prompt`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ondol.cli.guard_policies import json_option, tenant_option, within_tenant
from ondol.cli.output import print_json, print_table, say
from ondol.core.errors import UserError

if TYPE_CHECKING:
    from ondol.application.prompts import Prompt, PromptBody
    from ondol.application.prompts.store import PromptVersion
    from ondol.infrastructure.access.types import Tenant
    from ondol.infrastructure.storage.postgres import Connection
    from ondol.wiring.platform import Platform


@click.group("prompt")
def command() -> None:
    """Keep, show and compare the prompts that assistants are given.

    A prompt is named by NAME (its newest version), NAME@VERSION, NAME@LABEL, or NAME@builtin for what comes with Ondol.
    """


@command.command("list")
@click.argument("name", required=False)
@tenant_option
@json_option
@click.pass_context
def list_all(context: click.Context, name: str | None, tenant: str, as_json: bool) -> None:
    """List the versions of all prompts, or of the one called NAME, newest first."""
    from ondol.application.prompts import built_in_names
    from ondol.application.prompts.store import list_prompts

    async def work(_platform: Platform, _tenant: Tenant, connection: Connection) -> list[PromptVersion]:
        return await list_prompts(connection, name)

    found = [
        {
            "name": item.name,
            "version": item.version,
            "labels": item.labels,
            "built_in": item.is_built_in,
            "created_at": item.created_at,
            "digest": item.digest.hex(),
        }
        for item in within_tenant(context, tenant, work)
    ]
    if as_json:
        print_json(found)
    else:
        names = ", ".join(f"{known}@builtin" for known in sorted(built_in_names()))
        print_table([{**row, "digest": str(row["digest"])[:12]} for row in found], f"No prompt yet; with Ondol come: {names}.")


@command.command("show")
@click.argument("prompt")
@tenant_option
@click.pass_context
def show(context: click.Context, prompt: str, tenant: str) -> None:
    """Print PROMPT as YAML, in the form that `ondol prompt set` takes."""
    from ondol.application.prompts import prompt_yaml

    found = _found(context, tenant, prompt)[0]
    say(f"# {found.name}@{found.version or 'builtin'} {found.digest.hex()}\n{prompt_yaml(found.body)}".rstrip())


@command.command("set")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--label", help="Also call this version by a label.")
@tenant_option
@click.pass_context
def set_prompt(context: click.Context, name: str, file: Path, label: str | None, tenant: str) -> None:
    """Keep the prompt in FILE (YAML, or - for standard input) under NAME: a new version, unless the newest one says the same."""
    from ondol.application.prompts.store import put_label, put_prompt

    body = _read(file)

    async def work(platform: Platform, where: Tenant, connection: Connection) -> tuple[Prompt, bool]:
        kept, new = await put_prompt(connection, platform.keyring, where.id, name, body, by=None, now=platform.clock())
        if label is not None:
            await put_label(connection, platform.keyring, where.id, f"{name}@{kept.version}", label, by=None, now=platform.clock())
        return kept, new

    kept, new = within_tenant(context, tenant, work)
    say(f"{name} has version {kept.version}: a release can name it." if new else f"{name} is version {kept.version} already.")


@command.command("diff")
@click.argument("first")
@click.argument("second")
@tenant_option
@click.pass_context
def diff(context: click.Context, first: str, second: str, tenant: str) -> None:
    """Print what differs between the prompts FIRST and SECOND."""
    from ondol.application.prompts import prompt_diff

    one, other = _found(context, tenant, first, second)
    say(prompt_diff(one, other).rstrip() or "Nothing differs.")


@command.command("label")
@click.argument("prompt")
@click.argument("label")
@tenant_option
@click.pass_context
def label_prompt(context: click.Context, prompt: str, label: str, tenant: str) -> None:
    """Call the version PROMPT by LABEL; a label that was another version's moves."""
    from ondol.application.prompts.store import put_label

    async def work(platform: Platform, where: Tenant, connection: Connection) -> tuple[Prompt, bool]:
        return await put_label(connection, platform.keyring, where.id, prompt, label, by=None, now=platform.clock())

    named, moved = within_tenant(context, tenant, work)
    say(f"{named.name}@{label} is version {named.version}." if moved else "Nothing to change.")


def _found(context: click.Context, tenant: str, *references: str) -> list[Prompt]:
    from ondol.application.prompts.store import find_prompt

    async def work(platform: Platform, where: Tenant, connection: Connection) -> list[Prompt]:
        return [await find_prompt(connection, platform.keyring, where.id, reference) for reference in references]

    return within_tenant(context, tenant, work)


def _read(file: Path) -> PromptBody:
    from ondol.application.prompts import parse_prompt

    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {error}.", "Give a YAML file in UTF-8.") from error
    return parse_prompt(text)

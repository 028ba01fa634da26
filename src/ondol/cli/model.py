"""`ondol model`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ondol.cli.guard_policies import json_option, tenant_option, within_tenant
from ondol.cli.main import settings_of
from ondol.cli.output import print_json, print_table, say
from ondol.core.errors import UserError

if TYPE_CHECKING:
    from ondol.infrastructure.access.types import Tenant
    from ondol.infrastructure.serving.offered import Offered
    from ondol.infrastructure.serving.store import Model, Target
    from ondol.infrastructure.storage.postgres import Connection
    from ondol.wiring.platform import Platform


@click.group("model")
def command() -> None:
    """Add, show and list the models that keys may call."""


@command.command("add")
@click.argument("alias")
@click.option(
    "--target", "targets", multiple=True, required=True, metavar="PROVIDER:NAME[:PRIORITY[:WEIGHT]]", help="Who answers; may be given several times."
)
@click.option("--prompt", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="File of a system prompt to pin.")
@click.option("--no-prompt", is_flag=True, help="Take the pinned prompt away.")
@click.option("--output-tokens-max", type=click.IntRange(1), help="The most that an answer may take.")
@click.option("--context-tokens", type=click.IntRange(1), help="What prompt and answer may take together.")
@click.option("--deadline", type=click.FloatRange(0, min_open=True), help="The longest whole request, in seconds.")
@click.option("--retries", type=click.IntRange(0, 10), help="Further tries before the first byte of an answer.")
@click.option("--reasons/--no-reasons", default=None, help="It bills reasoning that no answer shows. Told from its name and answers when absent.")
@click.option("--shared", is_flag=True, help="Every tenant may call it; for the operator's tenant.")
@click.option("--disabled", is_flag=True, help="Nobody may call it.")
@tenant_option
@json_option
@click.pass_context
def add(context: click.Context, /, alias: str, targets: tuple[str, ...], tenant: str, as_json: bool, **options: Any) -> None:
    """Add the model ALIAS, or change the one of that name. Lower priorities are asked first, equal ones by weight."""
    from ondol.infrastructure.serving.settings import ModelSettings, settings_from
    from ondol.infrastructure.serving.store import get_model, put_model

    named = {name: name for name in ("output_tokens_max", "context_tokens", "reasons")} | {"deadline": "deadline_s", "retries": "retries_max"}
    settings = settings_from(ModelSettings, {named[name]: options[name] for name in named if options[name] is not None})
    prompt = _prompt(options["prompt"], options["no_prompt"])
    chosen = [_target(text) for text in targets]

    async def work(platform: Platform, where: Tenant, connection: Connection) -> Model:
        await put_model(
            connection, platform.keyring, where.id, alias=alias, targets=chosen, settings=settings, prompt=prompt, shared=options["shared"],
            disabled=options["disabled"], actor_id=None, now=platform.clock(),
        )  # fmt: skip
        return await get_model(connection, alias)

    made = within_tenant(context, tenant, work)
    if as_json:
        print_json(_row(made))
    else:
        say(f"Model {made.alias} is there. A key that may call it: ondol key create LOGIN --model {made.alias} --tenant {tenant}")


@command.command("list")
@tenant_option
@json_option
@click.pass_context
def list_all(context: click.Context, tenant: str, as_json: bool) -> None:
    """List all that the keys of a tenant may call: its own models, shared ones, its assistants."""
    from ondol.cli.running import with_platform
    from ondol.infrastructure.access.people import find_tenant
    from ondol.infrastructure.serving.offered import offered_to

    async def work(platform: Platform) -> list[Offered]:
        where = await find_tenant(platform.database, tenant)
        return await offered_to(platform.database, where.id)

    rows = [{"name": item.name, "source": item.source, "answerable": item.answerable, "created_at": item.created_at}
            for item in with_platform(settings_of(context), work)]  # fmt: skip
    if as_json:
        print_json(rows)
    else:
        print_table(rows, f"No model yet: ondol model add ALIAS --target PROVIDER:NAME --tenant {tenant}")


@command.command("show")
@click.argument("alias")
@tenant_option
@json_option
@click.pass_context
def show(context: click.Context, alias: str, tenant: str, as_json: bool) -> None:
    """Show the tenant's own model ALIAS with its targets and settings, without its pinned prompt."""
    from ondol.infrastructure.serving.store import get_model

    async def work(_platform: Platform, _where: Tenant, connection: Connection) -> Model:
        return await get_model(connection, alias)

    row = _row(within_tenant(context, tenant, work))
    if as_json:
        print_json(row)
        return
    for key, value in {**row, **row["settings"]}.items():
        if key not in ("settings", "targets"):
            say(f"{key.replace('_', ' '):24} {value if value not in (None, '', {}) else '-'}")
    say()
    print_table(row["targets"], "")


@command.command("remove")
@click.argument("alias")
@tenant_option
@click.pass_context
def remove(context: click.Context, alias: str, tenant: str) -> None:
    """Remove the tenant's own model ALIAS."""
    from ondol.infrastructure.serving.store import delete_model

    async def work(platform: Platform, where: Tenant, connection: Connection) -> None:
        await delete_model(connection, where.id, alias, actor_id=None, now=platform.clock())

    within_tenant(context, tenant, work)
    say(f"Model {alias} is gone.")


def _target(text: str) -> Target:
    """A target as people write it. Names of models hold colons too (``llama3:8b``): only whole numbers at the end are priority and weight."""
    from ondol.infrastructure.serving.store import Target

    provider, colon, rest = text.partition(":")
    words = rest.split(":")
    numbers: list[int] = []
    while len(words) > 1 and len(numbers) < 2 and words[-1].isascii() and words[-1].isdigit():
        numbers.insert(0, int(words.pop()))
    name = ":".join(words)
    if not colon or not provider or not name:
        raise UserError(f"{text[:100]!r} is no target.", "Write it like openai:gpt-4o-mini, or openai:gpt-4o-mini:1:50.")
    return Target(provider, name, *numbers)


def _prompt(file: Path | None, taken_away: bool) -> str | None:
    if file is None:
        return "" if taken_away else None
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {error}.", "Give a text in UTF-8.") from error


def _row(model: Model) -> dict[str, Any]:
    import msgspec

    return {
        "alias": model.alias,
        "in_use": model.disabled_at is None,
        "shared": model.shared,
        "pinned_prompt": model.has_prompt,
        "created_at": model.created_at,
        "id": model.id,
        "targets": [{"provider": item.provider, "name": item.name, "priority": item.priority, "weight": item.weight} for item in model.targets],
        "settings": msgspec.to_builtins(model.settings),
    }

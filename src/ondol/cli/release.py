"""`ondol release`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from ondol.cli.guard_policies import json_option, tenant_option
from ondol.cli.main import settings_of
from ondol.cli.output import print_json, print_table, say
from ondol.cli.running import with_platform
from ondol.cli.search_options import given_search, search_options
from ondol.core.errors import UserError
from ondol.infrastructure.releases.types import Reason

if TYPE_CHECKING:
    from ondol.application.assistant.release_diff import ReleaseDifference
    from ondol.application.assistant.types import Assistant
    from ondol.infrastructure.access.types import Tenant
    from ondol.infrastructure.releases import Listed, Move, Release
    from ondol.wiring.platform import Platform

T = TypeVar("T")

reason_option = click.option(
    "--reason", type=click.Choice(get_args(Reason)), default="improvement", show_default=True, help="Why, as the ledger tells it."
)
note_option = click.option("--note", default="", help="Why, in your own words; they are sealed.")


@click.group("release")
def command() -> None:
    """Make, compare and choose what an assistant serves: prompt, model, index, retrieval, verification and guard policy as one.

    A release is named by its number, `live`, `previous` or `candidate`.
    """


@command.command("list")
@click.argument("assistant")
@tenant_option
@json_option
@click.pass_context
def list_all(context: click.Context, assistant: str, tenant: str, as_json: bool) -> None:
    """List the releases of ASSISTANT, newest first."""
    from ondol.infrastructure.releases import list_releases

    async def work(platform: Platform, where: Tenant, found: Assistant) -> list[Listed]:
        async with platform.database.tenant_tx(where.id) as connection:
            return await list_releases(connection, found.id)

    rows = [_row(item) for item in _with_assistant(context, tenant, assistant, work)]
    if as_json:
        print_json(rows)
    else:
        shown = ("number", "state", "implicit", "previous", "created_at", "digest")
        print_table([{name: row[name] for name in shown} | {"digest": row["digest"][:12]} for row in rows], "The assistant has no release yet.")


@command.command("create")
@click.argument("assistant")
@click.option("--prompt", help="A prompt, such as support@3; that of the assistant's settings when absent.")
@click.option("--value", "values", multiple=True, metavar="NAME=VALUE", help="Of a variable of the prompt; may be given several times.")
@click.option("--model", help="A model of the tenant by its alias; that of the settings when absent.")
@click.option("--extractive", is_flag=True, help="No model answers: sentences are quoted.")
@click.option("--index", default="active", show_default=True, help="An index version by number or tag, `active`, or `follow` for whichever serves.")
@click.option("--evidence-turn", type=click.Choice(("tool", "user")), help="Whose turn the passages are in; `user` for models without tools.")
@click.option("--passages-max", type=click.IntRange(1, 100), help="Passages that a model is shown at most.")
@click.option("--context-tokens-max", type=click.IntRange(1, 10_000_000), help="What prompt and answer take together.")
@click.option("--turns-max", type=click.IntRange(0, 100), help="Turns of the conversation that are told again.")
@click.option("--rewrite", type=click.Choice(("off", "rewrite", "multi")), help="Whether the model words a question in other ways to search for.")
@click.option("--queries-max", type=click.IntRange(2, 6), help="Of multi: so many questions are searched for, the one that was asked among them.")
@search_options
@click.option("--guard", type=click.Choice(("pin", "follow")), help="Hold the guard policy's version of now (the default), or follow what is bound.")
@click.option("--unsupported", type=click.Choice(("show", "strike", "remove")), help="What becomes of sentences that nothing bears out.")
@click.option("--partial", type=click.Choice(("show", "strike", "remove")), help="What becomes of those that are borne out in part.")
@click.option("--refuse-below", type=click.FloatRange(0, 1), help="Where no model answers: the probability below which it refuses.")
@tenant_option
@json_option
@click.pass_context
def create(
    context: click.Context,
    /,
    assistant: str,
    values: tuple[str, ...],
    extractive: bool,
    index: str,
    rewrite: str | None,
    queries_max: int | None,
    unsupported: str | None,
    partial: str | None,
    tenant: str,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Make a release of ASSISTANT: a draft, by which nothing changes that is live. What is not given is as the assistant's settings say."""
    from ondol.application.assistant.release import create_release, wish_of

    searched = given_search(chosen)
    chosen |= {"prompt_values": _values(values), "extractive": extractive or None}

    async def work(platform: Platform, where: Tenant, found: Assistant) -> Release:
        shown = {name: value for name, value in (("unsupported", unsupported), ("partial", partial)) if value is not None}
        verification = {**(found.settings.get("verification") or {}), **shown} if shown else None
        asked = {name: value for name, value in (("rewrite", rewrite), ("queries_max", queries_max)) if value is not None} | searched
        retrieval = {**(found.settings.get("retrieval") or {}), **asked} if asked else None
        wish = wish_of(found.settings, **chosen, retrieval=retrieval, verification=verification)
        return await create_release(platform.knowledge, where.id, found, wish, index)

    made = _with_assistant(context, tenant, assistant, work)
    if as_json:
        print_json(_whole(made))
    elif made.state == "draft":
        say(f"Release {made.number} of {assistant} is a draft: `ondol release activate {assistant} {made.number}` lets it serve.")
    else:
        say(f"Release {made.number} of {assistant} says the same; it is {made.state}.")


@command.command("show")
@click.argument("assistant")
@click.argument("release", default="live")
@tenant_option
@click.pass_context
def show(context: click.Context, assistant: str, release: str, tenant: str) -> None:
    """Print RELEASE of ASSISTANT, the one that is live when absent, with its manifest as JSON."""
    print_json(_whole(_with_release(context, tenant, assistant, release, _same)))


@command.command("diff")
@click.argument("assistant")
@click.argument("first")
@click.argument("second")
@tenant_option
@json_option
@click.pass_context
def diff(context: click.Context, assistant: str, first: str, second: str, tenant: str, as_json: bool) -> None:
    """Print what differs between the releases FIRST and SECOND of ASSISTANT."""
    from ondol.application.assistant.release_diff import release_diff
    from ondol.infrastructure.releases import find_release

    async def work(platform: Platform, where: Tenant, found: Assistant) -> ReleaseDifference:
        async with platform.database.tenant_tx(where.id) as connection:
            pair = await find_release(connection, found.id, first), await find_release(connection, found.id, second)
            return await release_diff(connection, platform.keyring, where.id, *pair)

    told = _with_assistant(context, tenant, assistant, work)
    if as_json:
        print_json({"fields": told.fields, "prompt": told.prompt})
        return
    print_table([{"field": path, first: one, f"{second} ": other} for path, (one, other) in told.fields.items()], "Nothing differs.")
    if told.prompt:
        say(f"\n{told.prompt.rstrip()}")


@command.command("propose")
@click.argument("assistant")
@click.argument("release")
@tenant_option
@click.pass_context
def propose_release(context: click.Context, assistant: str, release: str, tenant: str) -> None:
    """Make RELEASE the candidate of ASSISTANT: what it names is kept."""
    from ondol.infrastructure.releases import propose

    async def work(platform: Platform, where: Tenant, found: Release) -> Release:
        async with platform.database.tenant_tx(where.id) as connection:
            return await propose(connection, where.id, found.id, platform.clock())

    done = _with_release(context, tenant, assistant, release, work)
    say(f"Release {done.number} of {assistant} is {done.state}.")


@command.command("activate")
@click.argument("assistant")
@click.argument("release")
@reason_option
@note_option
@tenant_option
@click.pass_context
def activate(context: click.Context, assistant: str, release: str, reason: Reason, note: str, tenant: str) -> None:
    """Let RELEASE of ASSISTANT serve, after all that it names was found, and a passing verdict where the assistant requires one."""
    from ondol.application.assistant.release import let_live
    from ondol.infrastructure.releases import Why
    from ondol.wiring.verdicts import gate_of

    async def work(platform: Platform, where: Tenant, found: Release) -> Release:
        return await let_live(platform.knowledge, where.id, found.id, Why(reason, note), gate=gate_of(platform.folder, platform.clock, where.id))

    done = _with_release(context, tenant, assistant, release, work)
    say(f"Release {done.number} of {assistant} serves.")


@command.command("rollback")
@click.argument("assistant")
@click.option("--reason", type=click.Choice(get_args(Reason)), default="incident", show_default=True, help="Why, as the ledger tells it.")
@note_option
@tenant_option
@click.pass_context
def rollback(context: click.Context, assistant: str, reason: Reason, note: str, tenant: str) -> None:
    """Let the release of ASSISTANT serve that served before; once more goes back further. No verdict is asked for on the way back."""
    from ondol.infrastructure.releases import Why, roll_back

    async def work(platform: Platform, where: Tenant, found: Assistant) -> Release:
        async with platform.database.tenant_tx(where.id) as connection:
            return await roll_back(connection, platform.keyring, where.id, found.id, Why(reason, note), platform.clock())

    done = _with_assistant(context, tenant, assistant, work)
    say(f"Release {done.number} of {assistant} serves again.")


@command.command("history")
@click.argument("assistant")
@tenant_option
@json_option
@click.pass_context
def history(context: click.Context, assistant: str, tenant: str, as_json: bool) -> None:
    """List what ASSISTANT served when, who let it and why, newest first."""
    from ondol.infrastructure.releases import list_moves

    async def work(platform: Platform, where: Tenant, found: Assistant) -> list[Move]:
        async with platform.database.tenant_tx(where.id) as connection:
            return await list_moves(connection, platform.keyring, where.id, found.id)

    rows = [
        {
            "at": move.created_at,
            "did": move.kind,
            "from": move.from_number,
            "to": move.to_number,
            "reason": move.reason,
            "note": move.note,
            "by": move.actor_id,
        }
        for move in _with_assistant(context, tenant, assistant, work)
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, "The assistant has served no release yet.")


async def _same(_platform: Platform, _where: Tenant, found: Release) -> Release:
    return found


def _values(given: tuple[str, ...]) -> dict[str, str | int] | None:
    values: dict[str, str | int] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals:
            raise UserError(f"{item!r} is no value of a variable.", "For example: --value opening_days=5")
        values[name] = int(value) if value.isascii() and value.isdecimal() and len(value) < 16 else value
    return values or None


def _row(item: Listed) -> dict[str, Any]:
    return {
        "number": item.number,
        "id": item.id,
        "state": item.state,
        "implicit": item.is_implicit,
        "previous": item.is_previous,
        "created_by": item.created_by,
        "created_at": item.created_at,
        "digest": item.digest.hex(),
    }


def _whole(release: Release) -> dict[str, Any]:
    import msgspec

    return {**_row(release), "manifest": msgspec.to_builtins(release.manifest)}


def _with_assistant(context: click.Context, tenant: str, assistant: str, work: Callable[[Platform, Tenant, Assistant], Awaitable[T]]) -> T:
    """Do work on an assistant of a tenant."""
    from ondol.application.assistant.store import find_assistant
    from ondol.infrastructure.access.people import find_tenant

    async def run(platform: Platform) -> T:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            found = await find_assistant(connection, assistant)
        return await work(platform, where, found)

    return with_platform(settings_of(context), run)


def _with_release(context: click.Context, tenant: str, assistant: str, release: str, work: Callable[[Platform, Tenant, Release], Awaitable[T]]) -> T:
    """Do work on a release of an assistant."""
    from ondol.infrastructure.releases import find_release

    async def run(platform: Platform, where: Tenant, found: Assistant) -> T:
        async with platform.database.tenant_tx(where.id) as connection:
            named = await find_release(connection, found.id, release)
        return await work(platform, where, named)

    return _with_assistant(context, tenant, assistant, run)

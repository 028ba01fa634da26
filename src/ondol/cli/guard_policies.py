"""`ondol guard policy`, `ondol guard dry-run` and `ondol guard canary`."""

from __future__ import annotations

import re
import sys
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ondol.cli.main import settings_of
from ondol.cli.output import print_json, print_table, say
from ondol.core.errors import UserError

if TYPE_CHECKING:
    from ondol.infrastructure.access.types import Tenant
    from ondol.infrastructure.guard.policy import Policy
    from ondol.infrastructure.storage.postgres import Connection
    from ondol.wiring.platform import Platform

TEXTS_MAX = 100_000
"""Masked texts that one dry run looks at."""
_SPAN = re.compile(r"(\d{1,4})([hdm])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
T = TypeVar("T")

tenant_option = click.option("--tenant", default="demo", show_default=True, help="Tenant's slug.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def within_tenant(context: click.Context, tenant: str, work: Callable[[Platform, Tenant, Connection], Awaitable[T]]) -> T:
    """Do work in one transaction of a tenant."""
    from ondol.cli.running import with_platform
    from ondol.infrastructure.access.people import find_tenant

    async def run(platform: Platform) -> T:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            return await work(platform, where, connection)

    return with_platform(settings_of(context), run)


def read_policy(file: Path) -> Policy:
    """A policy of a file, or of standard input, checked against the checks that there are.

    Raises:
        UserError: when it cannot be read or is not a policy.
    """
    import msgspec

    from ondol.infrastructure.guard.policy import parse_policy, policy_from
    from ondol.infrastructure.guard.registry import KNOWN

    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {error}.", "Give a YAML file in UTF-8.") from error
    return policy_from(msgspec.to_builtins(parse_policy(text)), KNOWN)


def span_of(text: str) -> timedelta:
    """A length of time such as 90m, 12h or 1d.

    Raises:
        UserError: when it is none.
    """
    match = _SPAN.fullmatch(text)
    if match is None:
        raise UserError(f"{text!r} is no length of time.", "For example: 90m, 12h, 1d.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


@click.group("policy", invoke_without_command=True)
@click.option("--default", "show_default_policy", is_flag=True, help="Print the built-in policy.")
@click.pass_context
def policy(context: click.Context, show_default_policy: bool) -> None:
    """Show, check, put and bind guard policies."""
    if show_default_policy:
        from ondol.infrastructure.guard.defaults import default_policy_text

        say(default_policy_text().rstrip())
    elif context.invoked_subcommand is None:
        say(context.get_help())


@policy.command("validate")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
def validate(file: Path) -> None:
    """Check the policy in FILE, its checks' settings included, without a platform."""
    from ondol.infrastructure.guard.trial import guards_of

    read = read_policy(file)
    guards_of(read)
    say(f"{read.name} is valid: {read.digest.hex()}")


@policy.command("show")
@click.argument("name", required=False)
@click.option("--version", type=click.IntRange(1), help="A version other than the newest.")
@click.option("--model", default="", help="Without NAME: what guards a request to this model.")
@click.option("--assistant", default="", help="The same for an assistant.")
@click.option("--base", default="", help="The same for a knowledge base.")
@click.option("--key", default="", help="The same for a key, by its id.")
@tenant_option
@click.pass_context
def show(context: click.Context, /, name: str | None, version: int | None, tenant: str, **places: str) -> None:
    """Print the policy called NAME, or without one the policies that guard a request, the chosen one first, then its floors."""
    from ondol.infrastructure.guard.defaults import default_policy
    from ondol.infrastructure.guard.policies import applying_names
    from ondol.infrastructure.guard.policy import to_yaml
    from ondol.infrastructure.guard.store import BUILT_IN, get_policy, list_bindings, list_policies

    async def work(_platform: Platform, _tenant: Tenant, connection: Connection) -> list[Policy]:
        if name is not None:
            return [default_policy() if name == BUILT_IN else (await get_policy(connection, name, version)).policy]
        known = {stored.policy.name: stored.policy for stored in await list_policies(connection)} | {BUILT_IN: default_policy()}
        floors = [each for each, item in known.items() if item.floor]
        return [known[each] for each in applying_names(await list_bindings(connection), floors, places)]

    say("---\n".join(f"# {item.digest.hex()}\n{to_yaml(item)}" for item in within_tenant(context, tenant, work)).rstrip())


@policy.command("list")
@tenant_option
@json_option
@click.pass_context
def list_all(context: click.Context, tenant: str, as_json: bool) -> None:
    """List the policies of a tenant and where each holds."""
    from ondol.infrastructure.guard.store import list_bindings, list_policies

    async def work(_platform: Platform, _tenant: Tenant, connection: Connection) -> list[dict[str, object]]:
        places: dict[str, list[str]] = {}
        for binding in await list_bindings(connection):
            places.setdefault(binding.policy, []).append(f"{binding.scope} {binding.target}".strip())
        stored = await list_policies(connection)
        rows: list[dict[str, object]] = [
            {
                "name": item.version.name,
                "version": item.version.version,
                "mode": item.policy.mode,
                "floor": item.policy.floor,
                "holds_for": places.pop(item.version.name, []),
                "created_at": item.version.created_at,
                "digest": item.version.digest.hex(),
            }
            for item in stored
        ]
        built_in = {"version": None, "mode": "enforce", "floor": False, "created_at": None, "digest": None}
        return rows + [{"name": name, **built_in, "holds_for": held} for name, held in places.items()]

    rows = within_tenant(context, tenant, work)
    if as_json:
        print_json(rows)
    else:
        shown = [
            {**{key: row[key] for key in ("name", "version", "mode", "floor", "holds_for")}, "digest": str(row["digest"] or "")[:12]} for row in rows
        ]
        print_table(shown, "No policy yet: the built-in one guards everything. ondol guard policy --default shows it.")


@policy.command("versions")
@click.argument("name")
@tenant_option
@json_option
@click.pass_context
def versions(context: click.Context, name: str, tenant: str, as_json: bool) -> None:
    """List the versions of the policy called NAME, the newest first."""
    from ondol.infrastructure.guard.store import PolicyVersion, list_versions

    async def work(_platform: Platform, _tenant: Tenant, connection: Connection) -> list[PolicyVersion]:
        return await list_versions(connection, name)

    rows = [
        {"version": item.version, "created_at": item.created_at, "created_by": item.created_by, "digest": item.digest.hex()}
        for item in within_tenant(context, tenant, work)
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, f"There is no policy called {name}.")


@policy.command("put")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@tenant_option
@click.pass_context
def put(context: click.Context, file: Path, tenant: str) -> None:
    """Keep the policy in FILE: a new version, unless the newest one says the same."""
    from ondol.infrastructure.guard.registry import KNOWN
    from ondol.infrastructure.guard.store import StoredPolicy, put_policy
    from ondol.infrastructure.guard.trial import guards_of

    read = read_policy(file)
    guards_of(read)

    async def work(platform: Platform, where: Tenant, connection: Connection) -> tuple[StoredPolicy, bool]:
        return await put_policy(connection, where.id, read, by=None, now=platform.clock(), known=KNOWN)

    stored, new = within_tenant(context, tenant, work)
    say(f"{read.name} has version {stored.version.version}." if new else f"{read.name} is version {stored.version.version} already.")


@policy.command("bind")
@click.argument("name")
@click.argument("place", nargs=-1)
@tenant_option
@click.pass_context
def bind(context: click.Context, name: str, place: tuple[str, ...], tenant: str) -> None:
    """Let the policy called NAME hold for PLACE: `tenant`, `base NAME`, `assistant NAME`, `model NAME` or `key ID`."""
    from ondol.infrastructure.guard.store import Binding, put_binding

    scope, target = _place(place)

    async def work(platform: Platform, where: Tenant, connection: Connection) -> bool:
        return await put_binding(connection, where.id, Binding(scope, target, name), by=None, now=platform.clock())

    changed = within_tenant(context, tenant, work)
    say(f"{name} holds for {' '.join(place)}." if changed else "Nothing to change.")


@policy.command("unbind")
@click.argument("place", nargs=-1)
@tenant_option
@click.pass_context
def unbind(context: click.Context, place: tuple[str, ...], tenant: str) -> None:
    """Take the policy of PLACE away."""
    from ondol.infrastructure.guard.store import remove_binding

    scope, target = _place(place)

    async def work(platform: Platform, where: Tenant, connection: Connection) -> None:
        await remove_binding(connection, where.id, scope, target, by=None, now=platform.clock())

    within_tenant(context, tenant, work)
    say(f"No policy of its own holds for {' '.join(place)} any more.")


@click.command("dry-run")
@click.option("--policy", "file", required=True, type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), help="The policy's YAML.")
@click.option("--since", default="1d", show_default=True, help="How far back: 90m, 12h, 1d.")
@tenant_option
@json_option
@click.pass_context
def dry_run(context: click.Context, file: Path, since: str, tenant: str, as_json: bool) -> None:
    """Decide again, by another policy, about the masked texts that passed lately. Prints rules and counts, never texts."""
    read = read_policy(file)
    span = span_of(since)

    async def work(platform: Platform, where: Tenant, connection: Connection) -> dict[str, Any]:
        return await run_dry(platform, where, connection, read, span)

    result = within_tenant(context, tenant, work)
    if as_json:
        print_json(result)
        return
    say(f"{result['changed']:,} of {result['texts']:,} decisions would change.")
    if result["changes"]:
        rows = [{**change, "examples": ", ".join(change["examples"][:2])} for change in result["changes"]]
        print_table(rows, "")


async def run_dry(platform: Platform, where: Tenant, connection: Connection, read: Policy, span: timedelta) -> dict[str, Any]:
    """The result of a dry run on a tenant's masked texts of a span, as plain data."""
    from ondol.infrastructure.guard.dry_run import dry_run as run_again
    from ondol.infrastructure.guard.traffic import kept_since
    from ondol.infrastructure.guard.trial import guards_of

    now = platform.clock()
    kept = await kept_since(connection, platform.keyring, where.id, now - span, now, TEXTS_MAX)
    return run_again(guards_of(read), kept).plain()


@click.group("canary")
def canary() -> None:
    """Add, list and retire canaries: words that must never come out of a model."""


@canary.command("add")
@click.argument("purpose")
@tenant_option
@json_option
@click.pass_context
def canary_add(context: click.Context, purpose: str, tenant: str, as_json: bool) -> None:
    """Make a canary for PURPOSE, such as "system prompt of help". Put its value there."""
    from ondol.infrastructure.guard.canaries import Canary, add_canary

    async def work(platform: Platform, where: Tenant, connection: Connection) -> Canary:
        return await add_canary(connection, platform.keyring, where.id, purpose, by=None, now=platform.clock())

    added = within_tenant(context, tenant, work)
    if as_json:
        print_json({"id": added.id, "purpose": added.purpose, "value": added.value})
    else:
        say(f"{added.value}\n\nPut this word where it must never come out of. Retire it with: ondol guard canary retire {added.id} --tenant {tenant}")


@canary.command("list")
@tenant_option
@json_option
@click.pass_context
def canary_list(context: click.Context, tenant: str, as_json: bool) -> None:
    """List the canaries of a tenant with their values."""
    from ondol.infrastructure.guard.canaries import Canary, list_canaries

    async def work(platform: Platform, where: Tenant, connection: Connection) -> list[Canary]:
        return await list_canaries(connection, platform.keyring, where.id)

    rows = [
        {"id": item.id, "purpose": item.purpose, "value": item.value, "created_at": item.created_at, "retired_at": item.retired_at}
        for item in within_tenant(context, tenant, work)
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, f"No canary yet: ondol guard canary add PURPOSE --tenant {tenant}")


@canary.command("retire")
@click.argument("canary_id", type=click.UUID)
@tenant_option
@click.pass_context
def canary_retire(context: click.Context, canary_id: uuid.UUID, tenant: str) -> None:
    """Look for a canary no longer."""
    from ondol.infrastructure.guard.canaries import retire_canary

    async def work(platform: Platform, where: Tenant, connection: Connection) -> None:
        await retire_canary(connection, where.id, canary_id, by=None, now=platform.clock())

    within_tenant(context, tenant, work)
    say(f"Canary {canary_id} is retired.")


def _place(words: tuple[str, ...]) -> tuple[Any, str]:
    if len(words) not in (1, 2):
        raise UserError("A place has one or two words.", "`tenant`, `base NAME`, `assistant NAME`, `model NAME` or `key ID`.")
    return words[0], words[1] if len(words) == 2 else ""

"""`ondol provider`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ondol.cli.guard_policies import json_option, tenant_option, within_tenant
from ondol.cli.output import print_json, print_page, say
from ondol.core.errors import UserError

if TYPE_CHECKING:
    import uuid

    from ondol.infrastructure.access.types import Tenant
    from ondol.infrastructure.serving.probe import Probe
    from ondol.infrastructure.serving.store import Provider
    from ondol.infrastructure.storage.postgres import Connection
    from ondol.wiring.platform import Platform


@click.group("provider")
def command() -> None:
    """Add, test, rotate and list the providers that answer models."""


_secret = click.option(
    "--credential-env", metavar="NAME", help="The environment variable that holds the credential; without it standard input is read."
)


@command.command("add")
@click.argument("name")
@click.option("--kind", type=click.Choice(["openai", "anthropic"]), default="openai", show_default=True, help="The family that it speaks.")
@click.option("--url", default="", help="Its address, such as https://api.example.com/v1; otherwise the kind's own service.")
@_secret
@click.option("--no-credential", is_flag=True, help="It needs none.")
@click.option("--private-network", is_flag=True, help="Its address may be private or on this machine.")
@click.option("--header", "headers", multiple=True, metavar="NAME=VALUE", help="Sent with each request; may be given several times.")
@click.option("--ca", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Certificates of its own authority, as PEM.")
@click.option("--proxy", default="", help="Outbound proxy, such as http://proxy.example:3128.")
@click.option(
    "--hosted-tool",
    "hosted_tools",
    multiple=True,
    metavar="KIND[:CALLS:TOKENS]",
    help="A tool of its own that callers may use.",
)
@click.option(
    "--service-tier", "service_tiers", multiple=True, metavar="NAME=PERCENT", help="A tier that callers may ask for, in percent of the price list."
)
@click.option("--keeps-state", is_flag=True, help="Callers of this tenant may name files and other things that are kept at it.")
@click.option("--fetches-urls/--no-fetches-urls", default=None, help="It may be told to fetch public addresses. Well-known public services may.")
@tenant_option
@json_option
@click.pass_context
def add(context: click.Context, /, name: str, kind: str, url: str, tenant: str, as_json: bool, **options: Any) -> None:
    """Add the provider NAME, or change the one of that name. Its credential is read from standard input or an environment variable."""
    from ondol.infrastructure.serving.settings import ProviderSettings, settings_from
    from ondol.infrastructure.serving.store import get_provider, put_provider

    settings = settings_from(ProviderSettings, _settings(options))
    credential = "" if options["no_credential"] else read_credential(options["credential_env"])

    async def work(platform: Platform, where: Tenant, connection: Connection) -> Provider:
        await put_provider(
            connection, platform.keyring, where.id, name=name, kind=kind, base_url=url, credential=credential, settings=settings,
            actor_id=None, now=platform.clock(),
        )  # fmt: skip
        return await get_provider(connection, name)

    made = within_tenant(context, tenant, work)
    if as_json:
        print_json(_row(made))
    else:
        say(f"Provider {made.name} is there: {made.base_url}. Does it answer? ondol provider test {made.name} --tenant {tenant}")


@command.command("list")
@click.option("--after", metavar="NAME", help="Go on after this provider.")
@click.option("--limit", type=click.IntRange(1, 999), default=100, show_default=True, help="How many at most.")
@tenant_option
@json_option
@click.pass_context
def list_all(context: click.Context, after: str | None, limit: int, tenant: str, as_json: bool) -> None:
    """List the providers of a tenant, oldest first, without their credentials."""
    from ondol.infrastructure.serving.store import get_provider, list_providers

    async def work(_platform: Platform, _where: Tenant, connection: Connection) -> list[Provider]:
        before: uuid.UUID | None = (await get_provider(connection, after)).id if after else None
        return await list_providers(connection, after=before, limit=limit + 1)

    found = within_tenant(context, tenant, work)
    rows = [{name: value for name, value in _row(item).items() if name not in ("id", "settings")} for item in found[:limit]]
    next_after = found[limit - 1].name if len(found) > limit else None
    print_page("providers", rows, next_after=next_after, as_json=as_json, empty=f"No provider yet: ondol provider add NAME --tenant {tenant}")


@command.command("show")
@click.argument("name")
@tenant_option
@json_option
@click.pass_context
def show(context: click.Context, name: str, tenant: str, as_json: bool) -> None:
    """Show the provider NAME with its settings, without its credential."""
    from ondol.infrastructure.serving.store import get_provider

    async def work(_platform: Platform, _where: Tenant, connection: Connection) -> Provider:
        return await get_provider(connection, name)

    row = _row(within_tenant(context, tenant, work))
    if as_json:
        print_json(row)
        return
    for key, value in {**row, **row["settings"]}.items():
        if key != "settings":
            say(f"{key.replace('_', ' '):18} {value if value not in (None, '', {}) else '-'}")


@command.command("rotate")
@click.argument("name")
@_secret
@tenant_option
@click.pass_context
def rotate(context: click.Context, name: str, credential_env: str | None, tenant: str) -> None:
    """Put another credential in the place of the one of NAME, read from standard input or an environment variable."""
    from ondol.infrastructure.serving.store import rotate_credential

    credential = read_credential(credential_env)

    async def work(platform: Platform, where: Tenant, connection: Connection) -> None:
        await rotate_credential(connection, platform.keyring, where.id, name, credential, actor_id=None, now=platform.clock())

    within_tenant(context, tenant, work)
    say(f"Provider {name} has another credential. Running platforms use it within a second or two.")


@command.command("disable")
@click.argument("name")
@tenant_option
@click.pass_context
def disable(context: click.Context, name: str, tenant: str) -> None:
    """Take the provider NAME out of use."""
    _set_disabled(context, name, tenant, disabled=True)


@command.command("enable")
@click.argument("name")
@tenant_option
@click.pass_context
def enable(context: click.Context, name: str, tenant: str) -> None:
    """Take it into use again."""
    _set_disabled(context, name, tenant, disabled=False)


@command.command("remove")
@click.argument("name")
@tenant_option
@click.pass_context
def remove(context: click.Context, name: str, tenant: str) -> None:
    """Remove the provider NAME, which no model uses any more."""
    from ondol.infrastructure.serving.store import delete_provider

    async def work(platform: Platform, where: Tenant, connection: Connection) -> None:
        await delete_provider(connection, where.id, name, actor_id=None, now=platform.clock())

    within_tenant(context, tenant, work)
    say(f"Provider {name} is gone.")


@command.command("test")
@click.argument("name")
@tenant_option
@json_option
@click.pass_context
def test(context: click.Context, name: str, tenant: str, as_json: bool) -> None:
    """Ask the provider NAME for its models, and say what fails."""
    from ondol.infrastructure.serving.probe import probe_provider
    from ondol.infrastructure.serving.store import get_provider_row, targets_at

    async def work(platform: Platform, where: Tenant, connection: Connection) -> tuple[Probe, set[str]]:
        row = await get_provider_row(connection, platform.keyring, where.id, name)
        return await probe_provider(row), await targets_at(connection, name)

    probe, wanted = within_tenant(context, tenant, work)
    missing = sorted(wanted - set(probe.models)) if probe.ok else []
    if as_json:
        failed = None if probe.ok else {"code": probe.code, "message": probe.message, "hint": probe.hint}
        print_json({"ok": probe.ok, "models": probe.models, "missing": missing, "error": failed, "duration_ms": probe.duration_ms})
    elif probe.ok:
        say(f"{name} answers in {probe.duration_ms} ms and lists {len(probe.models):,} models.")
        for model in missing:
            say(f"It does not list {model}, which a model of this tenant asks for.")
    if not probe.ok:
        raise UserError(f"{name}: {probe.message}", probe.hint)


def read_credential(variable: str | None) -> str:
    """A credential from the environment variable of a name, or else from standard input: never an argument, which others on the machine see.

    Raises:
        UserError: when the variable is not set, or nothing came.
    """
    if variable is not None:
        value = os.environ.get(variable, "").strip()
        if not value:
            raise UserError(f"The environment variable {variable[:100]} is not set.", f"export {variable[:100]}=...")
        return value
    value = str(click.prompt("Credential", hide_input=True, err=True)) if sys.stdin.isatty() else sys.stdin.readline()
    if not value.strip():
        raise UserError("No credential came.", "Give it on standard input, name a variable with --credential-env, or say --no-credential.")
    return value.strip()


def _settings(options: dict[str, Any]) -> dict[str, Any]:
    headers = {}
    for header in options["headers"]:
        name, equals, value = header.partition("=")
        if not equals:
            raise UserError(f"{name[:100]!r} is no header.", "Write it like x-team=blue.")
        headers[name.strip()] = value.strip()
    try:
        ca_pem = options["ca"].read_text("ascii") if options["ca"] else ""
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{options['ca']} cannot be read: {error}.", "Give certificates as PEM.") from error
    return {
        "headers": headers,
        "private_network": options["private_network"],
        "ca_pem": ca_pem,
        "proxy_url": options["proxy"],
        "keeps_state": options["keeps_state"],
        "hosted_tools": dict(_hosted_tool(told) for told in options["hosted_tools"]),
        "service_tier_percents": dict(_service_tier(told) for told in options["service_tiers"]),
        "fetches_urls": options["fetches_urls"],
    }


def _hosted_tool(told: str) -> tuple[str, dict[str, int]]:
    kind, *numbers = told.split(":")
    if len(numbers) not in (0, 2) or not all(number.isdecimal() for number in numbers):
        raise UserError(f"{told[:100]!r} is no tool.", "Write it like web_search, or web_search:4:20000.")
    return kind, dict(zip(("calls_max", "call_tokens"), map(int, numbers), strict=False))


def _service_tier(told: str) -> tuple[str, int]:
    name, _, percent = told.partition("=")
    if not percent.isdecimal():
        raise UserError(f"{told[:100]!r} is no tier of service.", "Write it like priority=200: twice the price list.")
    return name, int(percent)


def _set_disabled(context: click.Context, name: str, tenant: str, *, disabled: bool) -> None:
    from ondol.infrastructure.serving.store import set_provider_disabled

    async def work(platform: Platform, where: Tenant, connection: Connection) -> None:
        await set_provider_disabled(connection, where.id, name, disabled=disabled, actor_id=None, now=platform.clock())

    within_tenant(context, tenant, work)
    say(f"Provider {name} is {'out of use' if disabled else 'in use'}.")


def _row(provider: Provider) -> dict[str, Any]:
    import msgspec

    from ondol.infrastructure.serving.rows import shown_settings

    return {
        "name": provider.name,
        "kind": provider.kind,
        "base_url": provider.base_url,
        "credential": f"...{provider.credential_hint}" if len(provider.credential_hint) == 4 else provider.credential_hint or None,
        "in_use": provider.disabled_at is None,
        "created_at": provider.created_at,
        "id": provider.id,
        "settings": msgspec.to_builtins(shown_settings(provider.settings)),
    }

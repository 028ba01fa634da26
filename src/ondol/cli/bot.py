"""`ondol bot`."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, cast

import click

from ondol.cli.main import settings_of
from ondol.cli.output import print_json, print_table, say
from ondol.cli.running import with_platform
from ondol.core.errors import UserError
from ondol.infrastructure.access.types import SECURITY_CLASSES, SecurityClass
from ondol.wiring.platform import Platform

if TYPE_CHECKING:
    from ondol.application.channels.bots.types import Bot


@click.group("bot")
def command() -> None:
    """Put an assistant into a chat such as Slack: make, change, show and revoke bots, say who is who."""


_tenant = click.option("--tenant", default="demo", show_default=True, help="Tenant's slug.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_signing = click.option("--signing-secret-env", metavar="NAME", help="The environment variable that holds what the chat signs with.")
_token = click.option("--token-env", metavar="NAME", help="The environment variable that holds what the chat is called with.")


@command.command("create")
@click.argument("name")
@click.option("--assistant", required=True, help="Which assistant answers.")
@click.option("--base-url", help="Below which the chat's methods are; Slack's when absent.")
@click.option("--private-network", is_flag=True, help="The chat may have a private address.")
@click.option("--by-email", is_flag=True, help="Know people by the e-mail address that the chat has confirmed.")
@_signing
@_token
@_tenant
@_json
@click.pass_context
def create(
    context: click.Context,
    name: str,
    assistant: str,
    base_url: str | None,
    private_network: bool,
    by_email: bool,
    signing_secret_env: str | None,
    token_env: str | None,
    tenant: str,
    as_json: bool,
) -> None:
    """Make a bot called NAME. Its signing secret and its token are read from environment variables, or as two lines of standard input."""
    from ondol.application.channels.bots.manage import create_bot
    from ondol.application.channels.bots.types import SLACK_URL, NewBot
    from ondol.infrastructure.access.people import find_tenant

    secret, token = _read("Signing secret", signing_secret_env), _read("Token", token_env)
    new = NewBot(name, assistant, secret, token, base_url or SLACK_URL, private_network, by_email)

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        shown = _shown(platform, await create_bot(platform.knowledge, where.id, new))
        if as_json:
            print_json(shown)
            return
        say(f"Bot {name}. The chat sends its events to {shown['events']}")
        say("Say who reads along in a room with `ondol bot open`; whoever writes to it directly reads what they may.")

    with_platform(settings_of(context), work)


@command.command("list")
@_tenant
@_json
@click.pass_context
def list_all(context: click.Context, tenant: str, as_json: bool) -> None:
    """List the bots of a tenant, revoked ones too."""
    from ondol.application.channels.bots.store import list_bots
    from ondol.infrastructure.access.people import find_tenant

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            found = await list_bots(connection, where.id)
        shown = [_shown(platform, one) for one in found]
        if as_json:
            print_json({"bots": shown})
        else:
            print_table(shown, f"No bot yet: ondol bot create NAME --assistant help --tenant {tenant}")

    with_platform(settings_of(context), work)


@command.command("show")
@click.argument("name")
@_tenant
@_json
@click.pass_context
def show(context: click.Context, name: str, tenant: str, as_json: bool) -> None:
    """Show the bot NAME: whom it knows by the chat's name, and in which rooms it answers."""
    from ondol.application.channels.bots.store import find_bot, list_chat_people, list_chat_rooms
    from ondol.infrastructure.access.people import find_tenant

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            bot = await find_bot(connection, where.id, name)
            people = [asdict(one) for one in await list_chat_people(platform.knowledge, connection, bot)]
            rooms = [asdict(one) for one in await list_chat_rooms(connection, bot)]
        if as_json:
            print_json({**_shown(platform, bot), "people": people, "rooms": rooms})
            return
        print_table([_shown(platform, bot)], "")
        say()
        print_table(people, f"Nobody is known by the chat's name: ondol bot connect {name} CHAT_USER LOGIN --tenant {tenant}")
        say()
        print_table(rooms, f"No shared room is answered: ondol bot open {name} CHAT_ROOM --tenant {tenant}")

    with_platform(settings_of(context), work)


@command.command("change")
@click.argument("name")
@click.option("--by-email/--no-by-email", default=None, help="Whether people are known by the e-mail address that the chat has confirmed.")
@_signing
@_token
@_tenant
@click.pass_context
def change(context: click.Context, name: str, by_email: bool | None, signing_secret_env: str | None, token_env: str | None, tenant: str) -> None:
    """Change the bot NAME. What is not given stays."""
    from ondol.application.channels.bots.manage import change_bot
    from ondol.infrastructure.access.people import find_tenant

    secret = _read("Signing secret", signing_secret_env) if signing_secret_env else None
    token = _read("Token", token_env) if token_env else None

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        await change_bot(platform.knowledge, where.id, name, by_email=by_email, signing_secret=secret, token=token)
        say(f"Bot {name} is changed. It holds at once.")

    with_platform(settings_of(context), work)


@command.command("connect")
@click.argument("name")
@click.argument("chat_user")
@click.argument("login")
@_tenant
@click.pass_context
def connect(context: click.Context, name: str, chat_user: str, login: str, tenant: str) -> None:
    """Say that CHAT_USER, the chat's name for somebody such as U0123ABCD, is the person LOGIN."""
    from ondol.application.channels.bots.manage import put_person
    from ondol.infrastructure.access.people import find_tenant

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        await put_person(platform.knowledge, where.id, name, chat_user, login)
        say(f"{chat_user} is {login}: they read what they may.")

    with_platform(settings_of(context), work)


@command.command("disconnect")
@click.argument("name")
@click.argument("chat_user")
@_tenant
@click.pass_context
def disconnect(context: click.Context, name: str, chat_user: str, tenant: str) -> None:
    """Say no longer who CHAT_USER is."""
    from ondol.application.channels.bots.manage import remove_person
    from ondol.infrastructure.access.people import find_tenant

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        await remove_person(platform.knowledge, where.id, name, chat_user)
        say(f"{chat_user} is nobody that {name} knows.")

    with_platform(settings_of(context), work)


@command.command("open")
@click.argument("name")
@click.argument("chat_room")
@click.option("--group", "groups", multiple=True, help="Who reads along; what is told, each of the groups may read. May be given several times.")
@click.option("--clearance", type=click.Choice(SECURITY_CLASSES), default="public", show_default=True, help="The highest class that is told.")
@click.option(
    "--open-documents/--no-open-documents", default=True, show_default=True, help="Whether what is open to everybody of the tenant is told."
)
@_tenant
@click.pass_context
def open_room(context: click.Context, name: str, chat_room: str, groups: tuple[str, ...], clearance: str, open_documents: bool, tenant: str) -> None:
    """Answer in the shared room CHAT_ROOM, such as C0123ABCD, or say anew who reads along there."""
    from ondol.application.channels.bots.manage import put_room
    from ondol.application.channels.bots.types import ChatRoom
    from ondol.infrastructure.access.people import find_tenant

    put = ChatRoom(chat_room, groups, cast(SecurityClass, clearance), open_documents)

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        await put_room(platform.knowledge, where.id, name, put)
        say(f"Bot {name} answers in {chat_room}.")

    with_platform(settings_of(context), work)


@command.command("shut")
@click.argument("name")
@click.argument("chat_room")
@_tenant
@click.pass_context
def shut_room(context: click.Context, name: str, chat_room: str, tenant: str) -> None:
    """Answer in the shared room CHAT_ROOM no longer."""
    from ondol.application.channels.bots.manage import remove_room
    from ondol.infrastructure.access.people import find_tenant

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        await remove_room(platform.knowledge, where.id, name, chat_room)
        say(f"Bot {name} answers in {chat_room} no longer.")

    with_platform(settings_of(context), work)


@command.command("revoke")
@click.argument("name")
@_tenant
@click.pass_context
def revoke(context: click.Context, name: str, tenant: str) -> None:
    """Close a bot for good: it answers nobody any more, and what is being answered ends."""
    from ondol.application.channels.bots.manage import revoke_bot
    from ondol.infrastructure.access.people import find_tenant

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        await revoke_bot(platform.knowledge, where.id, name)
        say(f"Bot {name} is closed. Running platforms refuse its chat within a second or two.")

    with_platform(settings_of(context), work)


def _shown(platform: Platform, bot: Bot) -> dict[str, object]:
    from ondol.application.channels.bots.front import events_path
    from ondol.wiring.stores import base_url

    events = base_url(platform.settings) + events_path(bot.public_id)
    told = {name: getattr(bot, name) for name in ("name", "assistant", "base_url", "by_email", "revoked_at")}
    return {**told, "events": events}


def _read(what: str, variable: str | None) -> str:
    """A secret from the environment variable of a name, or else from a line of standard input: never an argument, which others on the machine see."""
    if variable is not None:
        value = os.environ.get(variable, "").strip()
        if not value:
            raise UserError(f"The environment variable {variable[:100]} is not set.", f"export {variable[:100]}=...")
        return value
    value = str(click.prompt(what, hide_input=True, err=True)) if sys.stdin.isatty() else sys.stdin.readline()
    if not value.strip():
        raise UserError(f"No {what.lower()} came.", "Give it on standard input, or name a variable that holds it.")
    return value.strip()

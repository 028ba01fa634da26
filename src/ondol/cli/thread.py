"""`ondol thread`."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ondol.cli.guard_policies import json_option, tenant_option, within_tenant
from ondol.cli.output import print_json, print_page, say

if TYPE_CHECKING:
    from ondol.application.assistant.threads.reading import ReadTurn
    from ondol.application.assistant.threads.types import Thread
    from ondol.infrastructure.access.types import Person, Tenant
    from ondol.infrastructure.storage.postgres import Connection
    from ondol.wiring.platform import Platform

T = TypeVar("T")
as_option = click.option("--as", "login", required=True, help="Whose threads: login of the person or service.")


@click.group("thread")
def command() -> None:
    """List, show, rename, export and delete what people and assistants have said to each other.

    A thread is one person's. It begins with `ondol ask --thread new`, or with `"ondol": {"thread": "new"}` in a request.
    """


@command.command("list")
@click.option("--after", type=click.UUID, metavar="ID", help="Go on after this thread.")
@click.option("--limit", type=click.IntRange(1, 99), default=50, show_default=True, help="How many at most.")
@as_option
@tenant_option
@json_option
@click.pass_context
def list_all(context: click.Context, after: uuid.UUID | None, limit: int, login: str, tenant: str, as_json: bool) -> None:
    """List a person's threads, those that were spoken in last first."""
    from ondol.application.assistant.threads import store

    async def work(platform: Platform, where: Tenant, connection: Connection, person: Person) -> list[Thread]:
        return await store.list_threads(connection, platform.keyring, where.id, person.id, before=after, limit=limit + 1)

    found = _as_person(context, tenant, login, work)
    rows = [{"changed_at": item.changed_at, "assistant": item.assistant, "turns": item.turns, "title": item.title, "id": item.id} for item in found]
    next_after = found[limit - 1].id if len(found) > limit else None
    print_page("threads", rows[:limit], next_after=next_after, as_json=as_json, empty="No thread.")


@command.command("show")
@click.argument("thread_id", type=click.UUID)
@as_option
@tenant_option
@json_option
@click.pass_context
def show(context: click.Context, thread_id: uuid.UUID, login: str, tenant: str, as_json: bool) -> None:
    """Show what was said in a thread, all its branches, in the order in which it was said."""
    from ondol.application.assistant.threads import store
    from ondol.application.assistant.threads.reading import read_turns, turn_told

    async def work(platform: Platform, where: Tenant, connection: Connection, person: Person) -> tuple[Thread, list[ReadTurn]]:
        thread = await store.find_thread(connection, platform.keyring, where.id, person.id, thread_id)
        room, most = platform.knowledge, store.TURNS_MAX
        return thread, await read_turns(room, connection, where.id, person.id, thread, after=None, limit=most)

    thread, turns = _as_person(context, tenant, login, work)
    if as_json:
        print_json({"id": thread.id, "assistant": thread.assistant, "title": thread.title, "turns": [turn_told(one) for one in turns]})
        return
    say(f"{thread.title}  ({thread.assistant}, {thread.turns} turns)")
    before: uuid.UUID | None = None
    for one in turns:
        behind = "" if one.turn.parent_id == before else f"  behind {one.turn.parent_id or 'the beginning'}"
        say(f"\n{one.turn.id}{behind}\n> {one.turn.question}\n{one.answer if one.answer is not None else '(rests on what may no longer be read)'}")
        before = one.turn.id


@command.command("rename")
@click.argument("thread_id", type=click.UUID)
@click.argument("title")
@as_option
@tenant_option
@click.pass_context
def rename(context: click.Context, thread_id: uuid.UUID, title: str, login: str, tenant: str) -> None:
    """Give a thread another TITLE."""
    from ondol.application.assistant.threads import store

    async def work(platform: Platform, where: Tenant, connection: Connection, person: Person) -> None:
        await store.rename_thread(connection, platform.keyring, where.id, person.id, thread_id, title)

    _as_person(context, tenant, login, work)
    say("Renamed.")


@command.command("export")
@click.argument("thread_id", type=click.UUID, required=False)
@as_option
@tenant_option
@click.pass_context
def export(context: click.Context, thread_id: uuid.UUID | None, login: str, tenant: str) -> None:
    """Print a thread, or all of a person's, as one JSON object."""
    from ondol.application.assistant.threads.reading import export_threads
    from ondol.cli.main import settings_of
    from ondol.cli.running import with_platform
    from ondol.infrastructure.access.people import find_person, find_tenant

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            person = await find_person(connection, platform.keyring, where.id, login)
        async for piece in export_threads(platform.knowledge, where.id, person.id, thread_id):
            click.echo(piece, nl=False)
        click.echo()

    with_platform(settings_of(context), work)


@command.command("delete")
@click.argument("thread_id", type=click.UUID)
@as_option
@tenant_option
@click.pass_context
def delete(context: click.Context, thread_id: uuid.UUID, login: str, tenant: str) -> None:
    """Delete a thread with all that was said in it. The records of its answers stay, without the thread.

    For some minutes `ondol thread restore` brings it back.
    """
    from ondol.application.assistant.threads.reading import delete_thread

    async def work(platform: Platform, where: Tenant, connection: Connection, person: Person) -> int:
        return await delete_thread(platform.knowledge, connection, where.id, person.id, thread_id)

    turns = _as_person(context, tenant, login, work)
    say(f"Deleted, with {turns} {'turn' if turns == 1 else 'turns'}.")


@command.command("restore")
@click.argument("thread_id", type=click.UUID)
@as_option
@tenant_option
@click.pass_context
def restore(context: click.Context, thread_id: uuid.UUID, login: str, tenant: str) -> None:
    """Bring a thread back that was deleted some minutes ago."""
    from ondol.application.assistant.threads.reading import restore_thread

    async def work(platform: Platform, where: Tenant, connection: Connection, person: Person) -> int:
        return await restore_thread(platform.knowledge, connection, where.id, person.id, thread_id)

    turns = _as_person(context, tenant, login, work)
    say(f"It is there again, with {turns} {'turn' if turns == 1 else 'turns'}.")


def _as_person(context: click.Context, tenant: str, login: str, work: Callable[[Platform, Tenant, Connection, Person], Awaitable[T]]) -> T:
    """Do work in one transaction of a tenant, in a person's name."""

    async def run(platform: Platform, where: Tenant, connection: Connection) -> Any:
        from ondol.infrastructure.access.people import find_person

        return await work(platform, where, connection, await find_person(connection, platform.keyring, where.id, login))

    found: T = within_tenant(context, tenant, run)
    return found

"""`ondol access-request`."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ondol.cli.guard_policies import json_option, tenant_option
from ondol.cli.main import settings_of
from ondol.cli.output import print_page, say
from ondol.cli.running import with_platform
from ondol.core.errors import UserError

if TYPE_CHECKING:
    from ondol.application.assistant.access_requests import AccessRequest, AccessState
    from ondol.infrastructure.access.types import Person
    from ondol.wiring.platform import Platform

T = TypeVar("T")
_as = click.option("--as", "login", required=True, help="Login of the owner or admin in whose name this is done.")


@click.group("access-request")
def command() -> None:
    """List, grant and refuse requests for access to documents.

    Whoever was given an answer may ask for access to what it did not find.
    """


@command.command("list")
@click.option("--state", type=click.Choice(["open", "granted", "refused", "all"]), default="open", show_default=True, help="Which of them.")
@click.option("--after", type=click.UUID, metavar="ID", help="Go on after this request.")
@click.option("--limit", type=click.IntRange(1, 199), default=50, show_default=True, help="How many at most.")
@_as
@tenant_option
@json_option
@click.pass_context
def list_all(context: click.Context, state: str, after: uuid.UUID | None, limit: int, login: str, tenant: str, as_json: bool) -> None:
    """List requests, the newest first. The ledger is told who read them."""
    from ondol.application.assistant.access_requests import list_access_requests

    wanted: AccessState | None = None if state == "all" else state  # type: ignore[assignment]  # click lets nothing else through

    async def work(platform: Platform, who: Person) -> list[AccessRequest]:
        return await list_access_requests(platform.knowledge, who.tenant_id, who.id, state=wanted, before=after, limit=limit + 1)

    found = _as_decider(context, tenant, login, work)
    rows = [_row(item) for item in found[:limit]]
    next_after = found[limit - 1].id if len(found) > limit else None
    print_page("requests", rows, next_after=next_after, as_json=as_json, empty="No request.")


@command.command("grant")
@click.argument("request_id", metavar="ID", type=click.UUID)
@click.option("--group", "groups", multiple=True, help="Put who asked into this group as well; may be given again.")
@_as
@tenant_option
@click.pass_context
def grant(context: click.Context, request_id: uuid.UUID, groups: tuple[str, ...], login: str, tenant: str) -> None:
    """Grant the request ID."""
    from ondol.application.assistant.access_requests import grant_access

    async def work(platform: Platform, who: Person) -> None:
        await grant_access(platform.knowledge, who.tenant_id, request_id, groups, by=who.id)

    _as_decider(context, tenant, login, work)
    say(f"Granted{': ' + ', '.join(groups) if groups else ''}.")


@command.command("refuse")
@click.argument("request_id", metavar="ID", type=click.UUID)
@_as
@tenant_option
@click.pass_context
def refuse(context: click.Context, request_id: uuid.UUID, login: str, tenant: str) -> None:
    """Refuse the request ID. Who asked is not told."""
    from ondol.application.assistant.access_requests import refuse_access

    async def work(platform: Platform, who: Person) -> None:
        await refuse_access(platform.knowledge, who.tenant_id, request_id, by=who.id)

    _as_decider(context, tenant, login, work)
    say("Refused.")


def _as_decider(context: click.Context, tenant: str, login: str, work: Callable[[Platform, Person], Awaitable[T]]) -> T:
    """Do work in the name of somebody who may decide."""
    from ondol.infrastructure.access.people import find_person, find_tenant
    from ondol.infrastructure.access.route_roles import WRITERS

    async def run(platform: Platform) -> T:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            person = await find_person(connection, platform.keyring, where.id, login)
        if not person.roles & WRITERS:
            raise UserError(f"{login} may not decide about access.", "It takes the role owner or admin.")
        return await work(platform, person)

    return with_platform(settings_of(context), run)


def _row(item: AccessRequest) -> dict[str, Any]:
    return {
        "created_at": item.created_at,
        "who": item.login or item.person_id,
        "question": item.question,
        "note": item.note,
        "state": item.state,
        "answer": item.answer_id,
        "id": item.id,
    }

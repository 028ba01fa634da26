"""`ondol requests`."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import click

from ondol.cli.guard_policies import json_option, span_of, tenant_option, within_tenant
from ondol.cli.output import print_json, print_page, say
from ondol.core.errors import UserError

if TYPE_CHECKING:
    from ondol.infrastructure.access.types import Tenant
    from ondol.infrastructure.gateway.records import RequestRecord
    from ondol.infrastructure.gateway.records.content import Content
    from ondol.infrastructure.storage.postgres import Connection
    from ondol.wiring.platform import Platform


@click.group("requests", invoke_without_command=True)
@click.option("--since", help="Only the last 90m, 12h, 1d.")
@click.option("--login", help="Only of this person or service.")
@click.option("--key", "public_id", help="Only of this key, by its public id.")
@click.option("--model", help="Only of this model.")
@click.option("--outcome", help="Only with this outcome, such as answered, or the code of an error.")
@click.option("--after", type=click.UUID, metavar="ID", help="Go on after this request.")
@click.option("--limit", type=click.IntRange(1, 999), default=50, show_default=True, help="How many at most.")
@tenant_option
@json_option
@click.pass_context
def command(context: click.Context, /, tenant: str, as_json: bool, limit: int, **only: Any) -> None:
    """Show the log of requests, the newest first; `show ID` tells all of one."""
    if context.invoked_subcommand is not None:
        return
    from ondol.infrastructure.access.limits.subjects import names_of
    from ondol.infrastructure.gateway.records.usage import list_requests

    span = span_of(only["since"]) if only["since"] else None

    async def work(platform: Platform, where: Tenant, connection: Connection) -> tuple[list[RequestRecord], dict[str, str]]:
        from ondol.infrastructure.access.keys import find_key
        from ondol.infrastructure.access.people import find_person

        person = await find_person(connection, platform.keyring, where.id, only["login"]) if only["login"] else None
        key = await find_key(connection, where.id, only["public_id"]) if only["public_id"] else None
        found = await list_requests(
            connection,
            since=None if span is None else platform.clock() - span,
            before=only["after"],
            person_id=person.id if person else None,
            api_key_id=key.id if key else None,
            model=only["model"],
            outcome=only["outcome"],
            limit=limit + 1,
        )
        return found, await names_of(connection, platform.keyring, where.id, {item.person_id for item in found})

    found, names = within_tenant(context, tenant, work)
    rows = [_brief(item, names) for item in found[:limit]]
    next_after = found[limit - 1].id if len(found) > limit else None
    print_page("requests", rows, next_after=next_after, as_json=as_json, empty="No request.")


@command.command("show")
@click.argument("request_id", type=click.UUID)
@click.option("--content", "with_content", is_flag=True, help="Also what was said, where it is kept. The ledger is told who read it.")
@click.option("--as", "login", help="Login of the person in whose name the content is read.")
@tenant_option
@json_option
@click.pass_context
def show(context: click.Context, request_id: uuid.UUID, with_content: bool, login: str | None, tenant: str, as_json: bool) -> None:
    """Show all that is recorded of one request."""
    from ondol.infrastructure.gateway.records.usage import get_request

    if with_content and not login:
        raise UserError("Content is read in a person's name.", "Say whose with --as LOGIN.")

    async def work(platform: Platform, where: Tenant, connection: Connection) -> tuple[RequestRecord, Content | None]:
        found = await get_request(connection, request_id)
        return found, await _content(platform, where, connection, request_id, str(login)) if with_content else None

    found, content = within_tenant(context, tenant, work)
    row = _whole(found)
    if content is not None:
        row |= {"content": content.mode, "prompt": content.prompt, "answer": content.answer}
    if as_json:
        print_json(row)
        return
    for name, value in row.items():
        say(f"{name.replace('_', ' '):20} {value if value not in (None, '', []) else '-'}")
    if with_content and content is None:
        say("What was said is not kept.")


async def _content(platform: Platform, where: Tenant, connection: Connection, request_id: uuid.UUID, login: str) -> Content | None:
    from ondol.infrastructure.access.people import find_person
    from ondol.infrastructure.gateway.records.content import content_of
    from ondol.infrastructure.ledger import record

    person = await find_person(connection, platform.keyring, where.id, login)
    if not person.roles & {"owner", "admin", "auditor"}:
        raise UserError(f"{login} may not read what was said.", "It takes the role owner, admin or auditor.")
    now = platform.clock()
    found = await content_of(connection, platform.keyring, where.id, request_id, now)
    if found is not None:
        body = {"request": request_id, "mode": found.mode}
        await record(connection, where.id, kind="content.read", actor_id=person.id, body=body, now=now)
    return found


def _brief(item: RequestRecord, names: dict[str, str]) -> dict[str, Any]:
    return {
        "created_at": item.created_at,
        "who": names.get(str(item.person_id), str(item.person_id)),
        "model": item.model,
        "outcome": item.outcome,
        "status": item.status,
        "tokens_in": item.input_tokens,
        "tokens_out": item.output_tokens,
        "cost": _cost(item),
        "ms": round(item.duration_us / 1000),
        "id": item.id,
    }


def _whole(item: RequestRecord) -> dict[str, Any]:
    names = [name for name in type(item).__struct_fields__ if name not in ("cost_nano", "settlement", "guard_policy", "group_ids", "guard_rules")]
    told = {name: getattr(item, name) for name in names}
    policy = item.guard_policy.hex() if item.guard_policy else None
    return {**told, "cost": _cost(item), "guard_policy": policy, "guard_rules": list(item.guard_rules)}


def _cost(item: RequestRecord) -> str | None:
    from ondol.core.money import decimal_text

    return None if item.cost_nano is None else f"{decimal_text(item.cost_nano)} {item.currency}"

"""`ondol eval golden sample`, `proposals`, `reword`, `approve` and `reject`: from production into a golden set, by two people."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ondol.cli.eval_golden import golden, incomplete_option, read_items
from ondol.cli.guard_policies import json_option, tenant_option, within_tenant
from ondol.cli.output import print_json, print_table, say
from ondol.core.errors import UserError

if TYPE_CHECKING:
    from ondol.application.evaluation.golden.proposals import Proposal, Proposed
    from ondol.application.evaluation.golden.types import GoldenSet, GoldenVersion
    from ondol.infrastructure.access.types import Tenant
    from ondol.infrastructure.storage.postgres import Connection
    from ondol.wiring.platform import Platform

__all__ = ["golden"]

person_option = click.option("--as", "login", required=True, help="The login of the person who does it; who proposes does not approve.")
ids_argument = click.argument("ids", nargs=-1, type=click.UUID, required=True, metavar="ID...")


@golden.command("sample")
@click.argument("name")
@click.option("--way", type=click.Choice(["random", "risk"]), default="random", show_default=True, help="At random, or what had a problem first.")
@click.option("--count", type=click.IntRange(1), default=20, show_default=True, help="So many answers.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed takes the same answers.")
@click.option("--days", type=click.IntRange(1, 3650), default=30, show_default=True, help="Of the last so many days.")
@person_option
@tenant_option
@click.pass_context
def sample(context: click.Context, name: str, way: Any, count: int, seed: int, days: int, login: str, tenant: str) -> None:
    """Put answers that were given in production up for NAME, with everything private masked."""
    from ondol.application.evaluation.golden.proposals import propose_sample
    from ondol.wiring.guard import open_guard

    async def work(platform: Platform, where: Tenant, connection: Connection) -> Proposed:
        one, by = await _set_and_person(platform, where, connection, name, login)
        now = platform.clock()
        async with open_guard(platform) as guard:
            await guard.policies.refresh()
            return await propose_sample(
                connection, platform.keyring, where.id, one, guard.masked, way=way, count=count, seed=seed, since=now - timedelta(days=days),
                by=by, now=now,
            )  # fmt: skip

    made = within_tenant(context, tenant, work)
    say(f"{made.proposals} are put up for {name}; {made.left_out} asked nothing or could not be masked.")


@golden.command("proposals")
@click.argument("name")
@json_option
@tenant_option
@click.pass_context
def proposals(context: click.Context, name: str, as_json: bool, tenant: str) -> None:
    """List what is put up for NAME and not decided."""
    from ondol.application.evaluation.golden.plain import plain_item
    from ondol.application.evaluation.golden.proposals import PAGE_MAX, list_proposals
    from ondol.application.evaluation.golden.store import find_set

    async def work(platform: Platform, _where: Tenant, connection: Connection) -> list[Proposal]:
        return await list_proposals(connection, platform.keyring, await find_set(connection, name), limit=PAGE_MAX)

    found = within_tenant(context, tenant, work)
    if as_json:
        print_json([{"id": one.id, "reasons": one.reasons, "item": plain_item(one.item), "answer": one.answer} for one in found])
    else:
        rows = [{"id": str(one.id), "question": one.item.question[:60], "reasons": one.reasons, "expected": len(one.item.expected)} for one in found]
        print_table(rows, "Nothing waits.")


@golden.command("reword")
@click.argument("name")
@click.argument("proposal", type=click.UUID, metavar="ID")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@person_option
@tenant_option
@click.pass_context
def reword(context: click.Context, name: str, proposal: uuid.UUID, file: Path, login: str, tenant: str) -> None:
    """Give the proposal ID of NAME the wording of the one item in FILE, such as a right answer; somebody else must then approve it."""
    from ondol.application.evaluation.golden.proposals import reword as reword_proposal

    items = read_items(file)
    if len(items) != 1:
        raise UserError(f"{file} has {len(items)} items.", "Give the one item as a line of JSON.")

    async def work(platform: Platform, where: Tenant, connection: Connection) -> Proposal:
        one, by = await _set_and_person(platform, where, connection, name, login)
        return await reword_proposal(connection, platform.keyring, where.id, one, proposal, items[0], by=by)

    found = within_tenant(context, tenant, work)
    say(json.dumps({"id": str(found.id), "expected": list(found.item.expected)}, ensure_ascii=False))


@golden.command("approve")
@click.argument("name")
@ids_argument
@incomplete_option
@person_option
@tenant_option
@click.pass_context
def approve(context: click.Context, name: str, ids: tuple[uuid.UUID, ...], incomplete: bool, login: str, tenant: str) -> None:
    """Let the proposals into NAME: its next version has them. Whoever proposed one cannot."""
    from ondol.application.evaluation.golden.proposals import approve as approve_proposals

    async def work(platform: Platform, where: Tenant, connection: Connection) -> GoldenVersion:
        one, by = await _set_and_person(platform, where, connection, name, login)
        return await approve_proposals(connection, platform.keyring, where.id, one, ids, by=by, now=platform.clock(), may_miss=incomplete)

    version = within_tenant(context, tenant, work)
    say(f"{name}@{version.number} has {version.items} items.")


@golden.command("reject")
@click.argument("name")
@ids_argument
@person_option
@tenant_option
@click.pass_context
def reject(context: click.Context, name: str, ids: tuple[uuid.UUID, ...], login: str, tenant: str) -> None:
    """Turn proposals for NAME down; nothing is left of what they said."""
    from ondol.application.evaluation.golden.proposals import reject as reject_proposals

    async def work(platform: Platform, where: Tenant, connection: Connection) -> int:
        one, by = await _set_and_person(platform, where, connection, name, login)
        return await reject_proposals(connection, where.id, one, ids, by=by, now=platform.clock())

    say(f"{within_tenant(context, tenant, work)} are turned down.")


async def _set_and_person(platform: Platform, where: Tenant, connection: Connection, name: str, login: str) -> tuple[GoldenSet, uuid.UUID]:
    from ondol.application.evaluation.golden.store import find_set
    from ondol.infrastructure.access.people import find_person

    return await find_set(connection, name), (await find_person(connection, platform.keyring, where.id, login)).id

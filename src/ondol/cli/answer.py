"""`ondol answer`."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING

import click

from ondol.cli.guard_policies import json_option, tenant_option
from ondol.cli.main import settings_of
from ondol.cli.output import print_json, print_table, say
from ondol.cli.running import with_platform
from ondol.core.errors import Conflict

if TYPE_CHECKING:
    from ondol.application.assistant.api import AnswerShown
    from ondol.application.assistant.proof import Finding
    from ondol.wiring.platform import Platform

DIFFERS_STATUS = 1
GONE_STATUS = 2
SEALED_WITHIN_S = 5.0
ASKED_EVERY_S = 0.2


@click.group("answer")
def command() -> None:
    """Show what an answer rests on, and check it against the ledger, the documents and the rules."""


@command.command("show")
@click.argument("answer_id", metavar="ID", type=click.UUID)
@click.option("--as", "login", required=True, help="Who looks: the asker, or somebody whose role lets them read. Titles are those they may see.")
@tenant_option
@json_option
@click.pass_context
def show(context: click.Context, answer_id: uuid.UUID, login: str, tenant: str, as_json: bool) -> None:
    """Show the record of the answer ID."""
    from ondol.application.assistant.api import shown_answer
    from ondol.application.assistant.reading import view_answer
    from ondol.infrastructure.access.people import find_person, find_tenant
    from ondol.infrastructure.access.route_roles import READERS

    async def work(platform: Platform) -> AnswerShown:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            person = await find_person(connection, platform.keyring, where.id, login)
        view = await view_answer(platform.knowledge, where.id, person.id, answer_id, sees_all=bool(person.roles & READERS))
        return shown_answer(view)

    found = with_platform(settings_of(context), work)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _print_answer(found)


@command.command("verify")
@click.argument("answer_id", metavar="ID", type=click.UUID)
@tenant_option
@json_option
@click.pass_context
def verify(context: click.Context, answer_id: uuid.UUID, tenant: str, as_json: bool) -> None:
    """Check the answer ID: its record against the ledger's chain and signature, and all that can be taken again.

    Of each part it says holds, differs or gone. The exit status is 1 when a part differs, 2 when none does but one is gone.
    """
    from ondol.application.assistant.proof import verify_answer
    from ondol.infrastructure.access.people import find_tenant
    from ondol.infrastructure.ledger import public_keys_path, read_public_keys

    async def work(platform: Platform) -> list[Finding]:
        keys = read_public_keys(public_keys_path(platform.folder.ledger_key))
        where = await find_tenant(platform.database, tenant)
        until = time.monotonic() + SEALED_WITHIN_S
        while True:
            try:
                return await verify_answer(platform.knowledge, where.id, answer_id, keys)
            except Conflict as error:  # the sealer comes about once a second
                if error.code != "not_sealed" or time.monotonic() > until:
                    raise
            await asyncio.sleep(ASKED_EVERY_S)

    found = with_platform(settings_of(context), work)
    rows = [{"part": item.part, "standing": item.standing, "why": item.why} for item in found]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, "")
    standings = {item.standing for item in found}
    context.exit(DIFFERS_STATUS if "differs" in standings else GONE_STATUS if "gone" in standings else 0)


def _print_answer(found: AnswerShown) -> None:
    record = found.record
    if found.question is not None:
        say(f"{found.question}\n\n{found.answer}\n")
    prompt, guard, cost = record["prompt"], record["guard"], record["cost"]
    lines = {
        "answer": found.id,
        "digest": found.digest,
        "given": f"{record['created_at']}  {record['outcome']}",
        "asked by": record["person"],
        "assistant": record["assistant"],
        "release": record["release"],
        "thread": record["thread"],
        "model": f"{record['model']}  ({record['provider'] or '-'})",
        "prompt": f"{prompt['name']} {prompt['version'] or ''}  {prompt['digest'][:16]}" if prompt else None,
        "index": record["index"]["version"],
        "analyser": record["index"]["analyser"],
        "verifier": record["verifier"],
        "guard": f"{guard['decision']}  {guard['policy'][:16]}" if guard else None,
        "passages": len(record["evidence"]),
        "time": f"search {record['search_us'] / 1000:.0f} ms, answer {record['write_us'] / 1000:.0f} ms, in all {record['total_us'] / 1000:.0f} ms",
        "cost": f"{cost['nano']} nano {cost['currency']}" if cost else None,
    }
    for name, value in lines.items():
        say(f"{name:10} {value if value is not None else '-'}")
    verdicts = [item for item in record["sentences"] if item["state"] == "shown"]
    say(f"{'sentences':10} {sum(item['verdict'] == 'supported' for item in verdicts)} of {len(verdicts)} supported\n")
    rows = [
        {"cited": "yes" if item.cited else "", "title": item.title, "version": item.declared_version, "id": item.version} for item in found.documents
    ]
    print_table(rows, "It rests on no document.")

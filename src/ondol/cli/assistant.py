"""`ondol assistant`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ondol.cli.guard_policies import json_option, tenant_option, within_tenant
from ondol.cli.output import print_json, print_table, say
from ondol.core.errors import UserError

if TYPE_CHECKING:
    from ondol.application.evaluation.verdicts import Requirement
    from ondol.infrastructure.access.types import Tenant
    from ondol.infrastructure.storage.postgres import Connection
    from ondol.wiring.platform import Platform


@click.group("assistant")
def command() -> None:
    """List assistants, and say what each requires before a release of it goes live. `ondol apply` makes them."""


@command.command("list")
@tenant_option
@json_option
@click.pass_context
def list_all(context: click.Context, tenant: str, as_json: bool) -> None:
    """List the assistants of a tenant."""
    from ondol.application.assistant.store import list_assistants
    from ondol.application.evaluation.verdicts import list_requirements

    async def work(_platform: Platform, _where: Tenant, connection: Connection) -> list[dict[str, Any]]:
        required = await list_requirements(connection)
        return [
            {"name": item.name, "base": item.base, "serves": item.release_id is not None, **_told(required.get(item.id))}
            for item in await list_assistants(connection)
        ]

    found = within_tenant(context, tenant, work)
    if as_json:
        print_json(found)
    else:
        print_table([{**row, "suite_digest": (row["suite_digest"] or "")[:12]} for row in found], "The tenant has no assistant yet.")


@command.command("set")
@click.argument("assistant")
@click.option("--require-verdict", "suite", metavar="SUITE", help="A suite's file, or NAME:DIGEST as `ondol eval check --json` tells them.")
@click.option("--valid-for", default="30d", show_default=True, help="How old a verdict may be when a release goes live: 90m, 12h, 30d.")
@click.option("--require-no-verdict", "drop", is_flag=True, help="Releases go live without one.")
@tenant_option
@click.pass_context
def set_assistant(context: click.Context, assistant: str, suite: str | None, valid_for: str, drop: bool, tenant: str) -> None:
    """Let ASSISTANT require a passing verdict of SUITE over a release before that goes live. What is live stays.

    The verdict has to be about exactly that release and compared with what serves, and of the suite as it is written now: another case or
    threshold is another suite. Going back (`ondol release rollback`) asks for none.
    """
    from ondol.application.assistant.store import find_assistant
    from ondol.application.evaluation.verdicts import put_requirement

    if drop == (suite is not None):
        raise UserError("Give either --require-verdict SUITE or --require-no-verdict.", "ondol assistant set support --require-verdict suite.yaml")

    async def work(platform: Platform, where: Tenant, connection: Connection) -> tuple[Requirement | None, bool]:
        found = await find_assistant(connection, assistant)
        wanted = await _requirement(platform, connection, suite, valid_for) if suite is not None else None
        return wanted, await put_requirement(connection, where.id, found.id, wanted, platform.clock())

    wanted, changed = within_tenant(context, tenant, work)
    if not changed:
        say("Nothing to change.")
    elif wanted is None:
        say(f"{assistant} requires no verdict any more.")
    else:
        say(f"{assistant} requires a passing verdict of {wanted.suite} ({wanted.suite_digest.hex()[:12]}), not older than {valid_for}.")


async def _requirement(platform: Platform, connection: Connection, suite: str, valid_for: str) -> Requirement:
    from ondol.application.evaluation.verdicts import Requirement
    from ondol.application.evaluation.verdicts.requirements import span_of_days

    span = span_of_days(valid_for, "--valid-for")
    name, _, digest = suite.rpartition(":")
    if name and len(digest) == 64:
        try:
            return Requirement(name, bytes.fromhex(digest), span)
        except ValueError:
            raise UserError(f"{digest} is no digest.", "It has 64 hexadecimal digits.") from None
    from ondol.application.evaluation.suites import read_suite
    from ondol.wiring.evaluation import digest_of_suite

    read = read_suite(Path(suite))
    return Requirement(read.card.name, await digest_of_suite(platform, connection, read), span)


def _told(required: Requirement | None) -> dict[str, Any]:
    from ondol.application.evaluation.verdicts.requirements import span_text

    if required is None:
        return {"requires": None, "suite_digest": None, "valid_for": None}
    return {"requires": required.suite, "suite_digest": required.suite_digest.hex(), "valid_for": span_text(required.valid_for)}

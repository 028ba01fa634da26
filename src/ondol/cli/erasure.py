"""`ondol erasure`."""

from __future__ import annotations

import uuid
from typing import Any

import click

from ondol.cli.guard_policies import json_option, tenant_option, within_tenant
from ondol.cli.main import settings_of
from ondol.cli.output import print_json, print_table, say
from ondol.cli.running import with_platform
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.ledger.erasure import Erasure, ReceiptCheck, Step
from ondol.infrastructure.storage.postgres import Connection
from ondol.wiring.platform import Platform


@click.group("erasure")
def command() -> None:
    """List, show and verify erasures; `ondol erase` begins one."""


@command.command("list")
@tenant_option
@json_option
@click.pass_context
def list_all(context: click.Context, tenant: str, as_json: bool) -> None:
    """List the erasures of a tenant, the newest first."""
    from ondol.infrastructure.ledger.erasure import list_erasures

    async def work(_platform: Platform, _where: Tenant, connection: Connection) -> list[Erasure]:
        return await list_erasures(connection)

    found = within_tenant(context, tenant, work)
    if as_json:
        print_json([erasure_json(erasure) for erasure in found])
        return
    table = [
        {"id": each.id, "kind": each.kind, "target": each.target_id, "state": each.state, "reason": each.reason, "hidden_at": each.hidden_at}
        for each in found
    ]
    print_table(table, "Nothing was erased.")


@command.command("show")
@click.argument("erasure", type=click.UUID)
@tenant_option
@json_option
@click.pass_context
def show(context: click.Context, erasure: uuid.UUID, tenant: str, as_json: bool) -> None:
    """Show an ERASURE: what each store held before and after, and its receipt."""
    from ondol.infrastructure.ledger.erasure import get_erasure, steps_of

    async def work(_platform: Platform, _where: Tenant, connection: Connection) -> tuple[Erasure, list[Step]]:
        return await get_erasure(connection, erasure), await steps_of(connection, erasure)

    found, steps = within_tenant(context, tenant, work)
    table = [{"store": step.name, "found": step.found, "before": step.before, "after": step.after} for step in steps]
    if as_json:
        print_json({**erasure_json(found), "steps": table})
        return
    say(told(found))
    print_table(table, "It has not begun to look.")


@command.command("verify")
@click.argument("erasure", type=click.UUID)
@tenant_option
@json_option
@click.pass_context
def verify(context: click.Context, erasure: uuid.UUID, tenant: str, as_json: bool) -> None:
    """Check the receipt of an ERASURE, its event in the ledger, and every store again. The exit status is 1 when anything does not hold."""
    from ondol.infrastructure.access.people import find_tenant
    from ondol.infrastructure.ledger.erasure import get_erasure
    from ondol.wiring.erasure import verify_receipt

    async def work(platform: Platform) -> ReceiptCheck:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            found = await get_erasure(connection, erasure)
        return await verify_receipt(platform, found)

    check = with_platform(settings_of(context), work)
    again = {name: count for name, count in check.found_again.items() if count}
    if as_json:
        print_json({"holds": check.holds, "signature": check.signature, "event": check.event, "found_again": again})
    elif check.holds:
        say(f"The receipt holds: signed, in the ledger, and {len(check.found_again)} probes find nothing.")
    else:
        faults = [] if check.signature else ["its signature does not hold"]
        faults += [] if check.event else ["the ledger does not name it"]
        faults += [f"{name} holds {count:,} again" for name, count in again.items()]
        say(f"The receipt does not hold: {'; '.join(faults)}.")
    if not check.holds:
        raise SystemExit(1)


def told(erasure: Erasure) -> str:
    """How an erasure stands, in a sentence or two."""
    name = f"{erasure.kind} {erasure.target_id}"
    match erasure.state:
        case "proved":
            stores = len((erasure.receipt or {}).get("stores", ()))
            signed = f"Receipt {erasure.receipt_digest.hex()[:16] if erasure.receipt_digest else ''}… is signed and in the ledger."
            return f"{name} is gone: {stores} probes find nothing. {signed}\n`ondol erasure show {erasure.id}` shows it."
        case "failed":
            return f"{name} is hidden, but its erasure is not proved: {erasure.failure}.\n`ondol erasure show {erasure.id}` tells what is left."
        case _:
            return f"{name} is hidden. The job worker removes it: `ondol erasure show {erasure.id}`."


def erasure_json(erasure: Erasure) -> dict[str, Any]:
    """An erasure as programs read it."""
    return {
        "id": str(erasure.id),
        "kind": erasure.kind,
        "target": str(erasure.target_id),
        "state": erasure.state,
        "reason": erasure.reason,
        "replayed": erasure.replayed,
        "failure": erasure.failure,
        "hidden_at": erasure.hidden_at.isoformat(),
        "proved_at": erasure.proved_at.isoformat() if erasure.proved_at else None,
        "receipt": erasure.receipt,
        "digest": erasure.receipt_digest.hex() if erasure.receipt_digest else None,
        "signature": erasure.signature.hex() if erasure.signature else None,
        "signer": erasure.signer,
    }

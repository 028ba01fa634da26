"""`ondol ledger`."""

from __future__ import annotations

import uuid

import click

from ondol.cli.main import settings_of
from ondol.cli.output import print_json, print_table, say
from ondol.cli.running import with_platform
from ondol.core.errors import UserError
from ondol.wiring.platform import Platform


@click.group("ledger")
def command() -> None:
    """Verify the ledger and walk where things came from."""


_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@command.command("verify")
@click.option("--head", help="NUMBER:DIGEST of a batch seen before, which must still be there.")
@_json
@click.pass_context
def verify_all(context: click.Context, head: str | None, as_json: bool) -> None:
    """Check every event, root, chain link and signature, and every request's record. The exit status is 1 when anything does not hold."""
    from ondol.infrastructure.gateway.records.verify import verify_records
    from ondol.infrastructure.ledger import public_keys_path, read_public_keys, verify

    expected = _head(head)

    async def work(platform: Platform) -> None:
        keys = read_public_keys(public_keys_path(platform.folder.ledger_key))
        found = await verify(platform.database, keys, expected_head=expected)
        records = await verify_records(platform.database)
        shown_head = f"{found.head[0]}:{found.head[1].hex()}" if found.head else None
        if as_json:
            figures = {"batches": found.batches, "events": found.events, "unsealed": found.unsealed.count, "records": records.records}
            print_json({**figures, "head": shown_head, "holds": True})
            return
        say(f"The ledger holds: {found.events:,} events in {found.batches:,} batches; {found.unsealed.count:,} wait to be sealed.")
        say(f"The records hold: {records.records:,} requests in {records.batches:,} batches.")
        if shown_head:
            say(f"Head: {shown_head}\nKeep it elsewhere: `ondol ledger verify --head {shown_head[:18]}…` then also finds a cut-off end.")

    with_platform(settings_of(context), work)


@command.command("walk")
@click.argument("artefact", type=click.UUID)
@click.option("--tenant", default="demo", show_default=True, help="Tenant's slug.")
@click.option("--forward", is_flag=True, help="What came from it, instead of what it came from.")
@_json
@click.pass_context
def walk(context: click.Context, artefact: uuid.UUID, tenant: str, forward: bool, as_json: bool) -> None:
    """Walk from an ARTEFACT (an answer, a document, a document version, a segment) to what it came from."""
    from ondol.infrastructure.access.people import find_tenant
    from ondol.infrastructure.ledger import ancestors, descendants

    walk_on = descendants if forward else ancestors

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            found = await walk_on(connection, where.id, artefact)
        rows = [{"depth": item.depth, "relation": item.relation, "kind": item.kind, "id": item.id} for item in found.reached]
        if as_json:
            print_json(rows)
        else:
            print_table(rows, "Nothing is linked to it.")

    with_platform(settings_of(context), work)


@command.command("keys")
@_json
@click.pass_context
def keys(context: click.Context, as_json: bool) -> None:
    """List the keys that the ledger and verdicts were ever signed with."""
    from ondol.infrastructure.storage.folder import DataFolder
    from ondol.wiring.verdicts import verdict_keys

    found = verdict_keys(DataFolder(settings_of(context).data_dir))
    rows = [{"key": key_id, "revoked": key_id in found.revoked, "public": public.hex()} for key_id, public in found.public.items()]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, "Nothing was signed yet.")


@command.command("revoke-key")
@click.argument("key_id", metavar="KEY")
@_json
@click.pass_context
def revoke_key(context: click.Context, key_id: str, as_json: bool) -> None:
    """Trust the signing key KEY no more: no verdict by it holds from now on, whoever signed it and when.

    A key that is in use is replaced by a fresh one first. The chain of the ledger stays what it is: its batches are held by one another.
    """
    from ondol.wiring.verdicts import revoke_signing_key

    async def work(platform: Platform) -> bool:
        return await revoke_signing_key(platform.database, platform.folder, platform.clock, key_id)

    changed = with_platform(settings_of(context), work)
    if as_json:
        print_json({"key": key_id, "changed": changed})
    else:
        say(f"Key {key_id} is revoked: verdicts by it are refused." if changed else f"Key {key_id} was revoked before.")


def _head(text: str | None) -> tuple[int, bytes] | None:
    if text is None:
        return None
    number, _, digest = text.partition(":")
    try:
        return int(number), bytes.fromhex(digest)
    except ValueError:
        raise UserError(f"{text!r} is not NUMBER:DIGEST.", "Copy the head that `ondol ledger verify` printed.") from None

"""`ondol guard texts`, and the line that makes a document a decoy."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ondol.cli.guard_policies import canary, json_option, tenant_option, within_tenant
from ondol.cli.output import print_json, print_page, say
from ondol.core.errors import Conflict, UserError

if TYPE_CHECKING:
    from ondol.infrastructure.access.types import Tenant
    from ondol.infrastructure.guard.checks.shingles import CorpusIndex
    from ondol.infrastructure.guard.texts import RegisteredText
    from ondol.infrastructure.storage.postgres import Connection
    from ondol.wiring.platform import Platform


@click.group("texts")
def texts() -> None:
    """Register texts that no answer may repeat, such as copyrighted works; list and remove them."""


@texts.command("add")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--name", help="The work's title; the file's name when absent. For one FILE only.")
@click.option("--note", default="", help="Whose it is, and under which licence.")
@tenant_option
@json_option
@click.pass_context
def add(context: click.Context, files: tuple[Path, ...], name: str | None, note: str, tenant: str, as_json: bool) -> None:
    """Register the text of each of FILES (UTF-8). Kept are keyed hashes, never the words. What is registered already is passed over."""
    import asyncio

    from ondol.infrastructure.guard.texts import add_text, prepare_text

    if name is not None and len(files) > 1:
        raise UserError("--name is for one file.", "Leave it out: each file's name is taken.")
    read = [(name or file.name, read_text(file)) for file in files]

    async def work(platform: Platform, where: Tenant, connection: Connection) -> list[RegisteredText]:
        added = []
        for title, text in read:
            prepared = await asyncio.to_thread(prepare_text, platform.keyring, where.id, title, note, text)
            try:
                added.append(await add_text(connection, platform.keyring, where.id, prepared, by=None, now=platform.clock()))
            except Conflict:
                say(f"{title} is registered already.") if not as_json else None
        return added

    added = within_tenant(context, tenant, work)
    if as_json:
        print_json([{"id": item.id, "name": item.name, "words": item.words} for item in added])
        return
    for item in added:
        say(f"{item.name}: {item.words:,} words, {item.id}")
    say("A policy with a rule such as {find: overlap, do: block} for the output looks for them.")


@texts.command("list")
@click.option("--after", type=click.UUID, metavar="ID", help="Go on after this text.")
@click.option("--limit", type=click.IntRange(1, 199), default=50, show_default=True, help="How many at most.")
@tenant_option
@json_option
@click.pass_context
def list_all(context: click.Context, after: uuid.UUID | None, limit: int, tenant: str, as_json: bool) -> None:
    """List a tenant's registered texts, the newest first."""
    from ondol.infrastructure.guard.texts import list_texts

    async def work(platform: Platform, where: Tenant, connection: Connection) -> list[RegisteredText]:
        return await list_texts(connection, platform.keyring, where.id, before=after, limit=limit + 1)

    found = within_tenant(context, tenant, work)
    rows = [{"id": item.id, "name": item.name, "words": item.words, "note": item.note, "created_at": item.created_at} for item in found[:limit]]
    empty = f"No text yet: ondol guard texts add FILE --tenant {tenant}"
    print_page("texts", rows, next_after=rows[-1]["id"] if len(found) > limit else None, as_json=as_json, empty=empty)


@texts.command("remove")
@click.argument("text_id", type=click.UUID)
@tenant_option
@click.pass_context
def remove(context: click.Context, text_id: uuid.UUID, tenant: str) -> None:
    """Let a text be repeated again. Its hashes are gone at once."""
    from ondol.infrastructure.guard.texts import remove_text

    async def work(platform: Platform, where: Tenant, connection: Connection) -> None:
        await remove_text(connection, where.id, text_id, by=None, now=platform.clock())

    within_tenant(context, tenant, work)
    say(f"Text {text_id} is removed.")


@canary.command("document")
@click.argument("name")
@tenant_option
@json_option
@click.pass_context
def canary_document(context: click.Context, name: str, tenant: str, as_json: bool) -> None:
    """Print the line to put into the decoy document called NAME. The same NAME gets the same line until its canary retires."""
    from ondol.infrastructure.guard.canaries import DOCUMENT_PURPOSE, Canary, document_line, ensure_canary

    async def work(platform: Platform, where: Tenant, connection: Connection) -> Canary:
        return await ensure_canary(connection, platform.keyring, where.id, f"{DOCUMENT_PURPOSE}{name}", by=None, now=platform.clock())

    found = within_tenant(context, tenant, work)
    if as_json:
        print_json({"id": found.id, "purpose": found.purpose, "value": found.value, "line": document_line(found.value)})
    else:
        say(document_line(found.value))


def protected_corpus(files: Sequence[Path]) -> CorpusIndex:
    """What the texts of some files are recognised by, under a key of this call."""
    import os

    from ondol.infrastructure.guard.checks.shingles import CorpusIndex
    from ondol.infrastructure.guard.texts import index_text

    key = os.urandom(32)
    return CorpusIndex.joined([index_text(read_text(file), key)[0].save() for file in files], key=key)


def read_text(file: Path) -> str:
    """The text of a file.

    Raises:
        UserError: when it cannot be read, is not UTF-8, or is too large.
    """
    from ondol.infrastructure.guard.texts import TEXT_BYTES_MAX

    try:
        if file.stat().st_size > TEXT_BYTES_MAX:
            raise UserError(f"{file} is larger than {TEXT_BYTES_MAX // 1_000_000} MB.", "Register its parts one by one.")
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {error}.", "Give a text file in UTF-8.") from error

"""`ondol eval golden`: sets of questions whose right answers are known."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ondol.cli.guard_policies import json_option, tenant_option, within_tenant
from ondol.cli.output import print_json, print_table, say
from ondol.core.errors import UserError

if TYPE_CHECKING:
    from ondol.application.evaluation.golden.types import GoldenItem, GoldenSet, GoldenVersion, KeptItem
    from ondol.infrastructure.access.types import Tenant
    from ondol.infrastructure.storage.postgres import Connection
    from ondol.wiring.platform import Platform

as_option = click.option("--as", "login", help="The login of the person who does it; the ledger names them.")
incomplete_option = click.option("--incomplete", is_flag=True, help="Make the version even if it does not reach the set's floors; it is marked.")
floor_option = click.option(
    "--floor", "floors", type=(str, click.IntRange(1)), multiple=True, help="How many items a slice must have: language=ko 20."
)
day = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])


@click.group("golden")
def golden() -> None:
    """Keep golden sets: questions whose right answers are known, in versions that never change.

    A set is named by NAME (its newest version) or NAME@VERSION.
    """


@golden.command("create")
@click.argument("name")
@click.option("--owner", required=True, help="The login of the person who answers for the set.")
@click.option("--split", type=click.Choice(["dev", "test", "hidden"]), default="test", show_default=True, help="What the set is for.")
@click.option("--base", help="The knowledge base that its items' documents are in; with it, items whose documents change are told.")
@floor_option
@click.option("--expires", type=day, help="Nothing is measured on it from this day (UTC) on.")
@tenant_option
@click.pass_context
def create(
    context: click.Context, name: str, owner: str, split: Any, base: str | None, floors: tuple[tuple[str, int], ...], expires: datetime | None,
    tenant: str,
) -> None:  # fmt: skip
    """Make a golden set called NAME, without a version yet."""
    from ondol.application.evaluation.golden.store import add_set
    from ondol.application.knowledge.store import find_base

    async def work(platform: Platform, where: Tenant, connection: Connection) -> None:
        owner_id = await _person(platform, where, connection, owner)
        base_id = (await find_base(connection, base)).id if base else None
        await add_set(
            connection, where.id, name, split=split, owner_id=owner_id, base_id=base_id, floors=dict(floors), expires_at=_utc(expires), by=None,
            now=platform.clock(),
        )  # fmt: skip

    within_tenant(context, tenant, work)
    say(f"{name} is made: `ondol eval golden import {name} FILE` gives it items.")


@golden.command("add")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), required=False)
@click.option("--remove", multiple=True, metavar="ID", help="An item that goes.")
@incomplete_option
@as_option
@tenant_option
@click.pass_context
def add(context: click.Context, name: str, file: Path | None, remove: tuple[str, ...], incomplete: bool, login: str | None, tenant: str) -> None:
    """Add the items in FILE (JSON Lines or CSV, or - for standard input) to NAME; one with an id that is there takes its place."""
    items = read_items(file) if file is not None else []
    _put(context, tenant, name, items, keeps=True, removed=frozenset(remove), incomplete=incomplete, login=login)


@golden.command("import")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@incomplete_option
@as_option
@tenant_option
@click.pass_context
def import_items(context: click.Context, name: str, file: Path, incomplete: bool, login: str | None, tenant: str) -> None:
    """Make the items in FILE (JSON Lines or CSV, or - for standard input) all that NAME has."""
    _put(context, tenant, name, read_items(file), keeps=False, removed=frozenset(), incomplete=incomplete, login=login)


@golden.command("list")
@tenant_option
@json_option
@click.pass_context
def list_all(context: click.Context, tenant: str, as_json: bool) -> None:
    """List the golden sets with their newest versions."""
    from ondol.application.evaluation.golden.store import list_sets

    async def work(_platform: Platform, _tenant: Tenant, connection: Connection) -> list[tuple[GoldenSet, Mapping[str, Any]]]:
        return await list_sets(connection)

    found = [
        {
            "name": one.name,
            "split": one.split,
            "version": newest["number"],
            "items": newest["items"],
            "missing": sorted(newest["missing"] or {}),
            "expires_at": one.expires_at,
        }
        for one, newest in within_tenant(context, tenant, work)
    ]
    if as_json:
        print_json(found)
    else:
        print_table(found, "No golden set yet.")


@golden.command("show")
@click.argument("name")
@json_option
@tenant_option
@click.pass_context
def show(context: click.Context, name: str, as_json: bool, tenant: str) -> None:
    """Show the version NAME: what it holds by slice, which floors it misses, which items must be looked at again."""
    from ondol.application.evaluation.golden.store import find_version, stale_items

    async def work(_platform: Platform, _tenant: Tenant, connection: Connection) -> tuple[GoldenSet, GoldenVersion, dict[str, str]]:
        one, version = await find_version(connection, *_reference(name))
        return one, version, await stale_items(connection, version)

    one, version, stale = within_tenant(context, tenant, work)
    told = {"name": one.name, "version": version.number, "split": one.split, "items": version.items, "root": version.root.hex()}
    if as_json:
        print_json({**told, "slices": version.slices, "missing": version.missing, "stale": stale, "expires_at": one.expires_at})
        return
    print_table([told], "")
    say()
    print_table([{"slice": key, "items": count, "floor": one.floors.get(key)} for key, count in version.slices.items()], "No slices.")
    for key, count in version.missing.items():
        say(f"The floor {key} is not reached: {count} of {one.floors.get(key, '?')}.")
    for item, state in stale.items():
        say(f"{item}: {STALE[state]}")


STALE = {
    "changed": "a document that it was written from holds something else now.",
    "gone": "a document that it was written from is there no more.",
    "erased": "it was erased.",
}


@golden.command("stale")
@click.argument("name")
@json_option
@tenant_option
@click.pass_context
def stale(context: click.Context, name: str, as_json: bool, tenant: str) -> None:
    """List the items of NAME that must be looked at again, because their documents changed or went.

    Adding an item again takes note of what its documents hold now.
    """
    from ondol.application.evaluation.golden.store import find_version, stale_items

    async def work(_platform: Platform, _tenant: Tenant, connection: Connection) -> dict[str, str]:
        return await stale_items(connection, (await find_version(connection, *_reference(name)))[1])

    found = within_tenant(context, tenant, work)
    if as_json:
        print_json(found)
    else:
        print_table([{"item": item, "why": STALE[state]} for item, state in found.items()], "Every item stands on what its documents hold now.")


@golden.command("diff")
@click.argument("first")
@click.argument("second")
@tenant_option
@click.pass_context
def diff(context: click.Context, first: str, second: str, tenant: str) -> None:
    """Say what the version SECOND has otherwise than the version FIRST."""
    from ondol.application.evaluation.golden.compare import difference

    found = difference(_kept(context, tenant, first), _kept(context, tenant, second))
    lines = [*(f"+ {name}" for name in found.added), *(f"- {name}" for name in found.removed)]
    lines += [f"~ {name}: {', '.join(fields)}" for name, fields in found.changed.items()]
    say("\n".join(lines) or "Nothing differs.")


@golden.command("export")
@click.argument("name")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="A file; otherwise standard output.")
@tenant_option
@click.pass_context
def export(context: click.Context, name: str, output: Path | None, tenant: str) -> None:
    """Print the items of NAME as JSON Lines, in the form that `import` takes. What was erased is left out."""
    from ondol.application.evaluation.golden.plain import plain_item

    lines = [json.dumps(plain_item(kept.item), ensure_ascii=False) for kept in _kept(context, tenant, name) if kept.item is not None]
    if output is None:
        say("\n".join(lines))
    else:
        output.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        say(f"{len(lines)} items are in {output}.")


@golden.command("expire")
@click.argument("name")
@click.option("--until", type=day, help="The day (UTC) from which on nothing is measured on it; at once where none is given.")
@floor_option
@as_option
@tenant_option
@click.pass_context
def expire(context: click.Context, name: str, until: datetime | None, floors: tuple[tuple[str, int], ...], login: str | None, tenant: str) -> None:
    """Say until when the items of NAME hold; nothing is measured on a set that has expired. `--floor` gives it other floors too."""
    from ondol.application.evaluation.golden.store import change_set, find_set

    async def work(platform: Platform, where: Tenant, connection: Connection) -> GoldenSet:
        by, now = await _by(platform, where, connection, login), platform.clock()
        one = await find_set(connection, name)
        return await change_set(connection, where.id, one, floors=dict(floors) or None, expires_at=_utc(until) or now, by=by, now=now)

    changed = within_tenant(context, tenant, work)
    say(f"{name} holds until {changed.expires_at:%Y-%m-%d %H:%M} UTC.")


@golden.command("contamination")
@click.argument("name")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--base", help="A knowledge base whose documents are looked into.")
@json_option
@tenant_option
@click.pass_context
def contamination(context: click.Context, name: str, files: tuple[Path, ...], base: str | None, as_json: bool, tenant: str) -> None:
    """Look whether the questions of NAME stand in FILES (data sets as JSON Lines) or in the documents of a base.

    Exit status: 0 when none does, 100 when one does, 1 for an error.
    """
    from ondol.application.evaluation.golden.base_texts import current_versions, texts_of
    from ondol.application.evaluation.golden.contamination import Contamination, look_for, texts_of_jsonl
    from ondol.application.evaluation.golden.store import find_version, items_of
    from ondol.application.knowledge.store import find_base

    if not files and not base:
        raise UserError("There is nothing to look into.", "Name data sets, or a base with --base.")

    async def work(platform: Platform, where: Tenant, connection: Connection) -> Contamination:
        _, version = await find_version(connection, *_reference(name))
        items = [kept.item async for kept in items_of(connection, platform.keyring, version) if kept.item is not None]
        versions = await current_versions(connection, (await find_base(connection, base)).id) if base else []
        documents = texts_of(platform.knowledge, where.id, versions)
        return look_for(items, (pair for texts in (documents, texts_of_jsonl(files)) for pair in texts))

    found = within_tenant(context, tenant, work)
    overlaps = [{"item": one.item_id, "part": one.part, "share": f"{one.share:.0%}", "stands_in": ", ".join(one.places)} for one in found.overlaps]
    if as_json:
        print_json({"items": found.items, "texts": found.texts, "contaminated": found.contaminated, "overlaps": overlaps, "short": found.short})
    else:
        print_table(overlaps, "No question stands there.")
        say(f"{len(found.contaminated)} of {found.items} questions stand in {found.texts:,} texts; {len(found.short)} are too short to tell.")
    if found.contaminated:
        context.exit(100)


def _put(
    context: click.Context, tenant: str, name: str, items: list[GoldenItem], *, keeps: bool, removed: frozenset[str], incomplete: bool,
    login: str | None,
) -> None:  # fmt: skip
    from ondol.application.evaluation.golden.change import Change, put_version
    from ondol.application.evaluation.golden.store import find_set

    async def work(platform: Platform, where: Tenant, connection: Connection) -> tuple[GoldenVersion, bool]:
        change = Change(items=items, keeps=keeps, removed=removed, may_miss=incomplete)
        by = await _by(platform, where, connection, login)
        return await put_version(connection, platform.keyring, where.id, await find_set(connection, name), change, by=by, now=platform.clock())

    version, new = within_tenant(context, tenant, work)
    say(f"{name}@{version.number} has {version.items} items: {version.root.hex()[:16]}." if new else f"{name}@{version.number} holds this already.")
    if version.missing:
        say(f"It is marked as incomplete: {', '.join(version.missing)}.")


def _kept(context: click.Context, tenant: str, name: str) -> list[KeptItem]:
    from ondol.application.evaluation.golden.store import find_version, items_of

    async def work(platform: Platform, _tenant: Tenant, connection: Connection) -> list[KeptItem]:
        _, version = await find_version(connection, *_reference(name))
        return [item async for item in items_of(connection, platform.keyring, version)]

    return within_tenant(context, tenant, work)


def read_items(file: Path) -> list[GoldenItem]:
    """The items of a file, or of standard input.

    Raises:
        UserError, RequestError: when it cannot be read, or an item is none.
    """
    from ondol.application.evaluation.golden.plain import FILE_BYTES_MAX, ITEMS_MAX, items_of_csv, items_of_jsonl

    try:
        if str(file) == "-":
            data = sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
        else:
            with file.open("rb") as opened:
                data = opened.read(FILE_BYTES_MAX + 1)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {error}.", "Give JSON Lines or CSV in UTF-8.") from error
    if len(data) > FILE_BYTES_MAX:
        raise UserError(f"{file} has more than {FILE_BYTES_MAX:,} bytes.", f"A version has at most {ITEMS_MAX:,} items.")
    return list(items_of_csv(text) if file.suffix.lower() == ".csv" else items_of_jsonl(text))


def _reference(name: str) -> tuple[str, int | None]:
    """The name and the number of ``NAME`` or ``NAME@VERSION``."""
    bare, at, number = name.partition("@")
    if at and not (number.isascii() and number.isdecimal() and 0 < int(number[:10]) < 2**31):
        raise UserError(f"{name!r} names no version.", "For example: support@3.")
    return bare, int(number) if at else None


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None else None


async def _person(platform: Platform, where: Tenant, connection: Connection, login: str) -> uuid.UUID:
    from ondol.infrastructure.access.people import find_person

    return (await find_person(connection, platform.keyring, where.id, login)).id


async def _by(platform: Platform, where: Tenant, connection: Connection, login: str | None) -> uuid.UUID | None:
    return await _person(platform, where, connection, login) if login is not None else None

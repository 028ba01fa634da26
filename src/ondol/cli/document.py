"""`ondol document`."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ondol.cli.guard_policies import json_option, tenant_option
from ondol.cli.main import settings_of
from ondol.cli.output import print_json, print_page, say
from ondol.cli.running import with_platform
from ondol.core.errors import NotFound, OndolError, UserError
from ondol.infrastructure.access.types import SECURITY_CLASSES, SecurityClass

if TYPE_CHECKING:
    from ondol.application.knowledge.documents import Access, Changed, Document, Told
    from ondol.infrastructure.access.types import Tenant
    from ondol.wiring.platform import Platform

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
Work = Callable[["Platform", "Tenant", uuid.UUID], Awaitable[T]]
DAY = click.DateTime(["%Y-%m-%d"])
STATES = ("current", "scheduled", "expired", "removed")

as_option = click.option("--as", "login", help="See only what this person may read. All, when absent.")
access_option = click.option("--access", metavar="RULE", help="Access rule: `department in (sales, support) and class <= internal`.")
_SAID = (
    click.option("--class", "security_class", type=click.Choice(SECURITY_CLASSES), help="Security class, where the file states none."),
    click.option("--group", "groups", multiple=True, help="Readers, where the file names none; may be given several times."),
    access_option,
    click.option("--valid-from", type=DAY, help="First day (UTC), where the file states none."),
    click.option("--valid-until", type=DAY, help="First day (UTC) on which it is no longer valid."),
)


def said_options(function: F) -> F:
    """Give a command what may be said of a file where it does not say so itself. `_told` reads it."""
    for option in reversed(_SAID):
        function = option(function)
    return function


@click.group("document")
def command() -> None:
    """Add, replace, move, restrict, delete, list and download single documents.

    DOCUMENT is a document's key, such as en/refund-policy, or its id. Each change is found by the next search.
    """


@command.command("add")
@click.argument("base")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--key", help="What the document is called; as the file says, or the file's name without its ending, when absent.")
@click.option("--replace", "replaces", is_flag=True, help="Make it a new version where there is a document of this key.")
@said_options
@tenant_option
@json_option
@click.pass_context
def add(
    context: click.Context,
    /,
    base: str,
    file: Path,
    key: str | None,
    replaces: bool,
    tenant: str,
    as_json: bool,
    **said: Any,
) -> None:
    """Add FILE to BASE, which is made if absent."""
    from ondol.application.knowledge.documents import put_file
    from ondol.application.knowledge.store import ensure_base
    from ondol.core.ids import new_id

    told = _told(file, key, None, replaces=replaces, **said)
    data = _read(file)

    async def make(platform: Platform, where: Tenant) -> uuid.UUID:
        async with platform.database.tenant_tx(where.id) as connection:
            return (await ensure_base(connection, where.id, base, new_id(), platform.clock())).id

    async def work(platform: Platform, where: Tenant, base_id: uuid.UUID) -> Changed:
        return await put_file(platform.knowledge, where.id, base_id, told, data, person_id=None)

    _tell(_with_base(context, tenant, make, work), f"{file.name} is in {base}.", f"{base} holds this file already.", as_json)


@command.command("replace")
@click.argument("base")
@click.argument("document")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@said_options
@tenant_option
@json_option
@click.pass_context
def replace(context: click.Context, /, base: str, document: str, file: Path, tenant: str, as_json: bool, **said: Any) -> None:
    """Make FILE the current version of DOCUMENT in BASE. Its readers stay, unless the file or an option says otherwise."""
    from ondol.application.knowledge.documents import put_file

    data = _read(file)

    async def work(platform: Platform, where: Tenant, found: Document) -> Changed:
        told = _told(file, None, found.id, replaces=True, **said)
        return await put_file(platform.knowledge, where.id, found.base_id, told, data, person_id=None)

    _tell(_with_document(context, tenant, base, document, work), f"{document} is {file.name} now.", f"{document} is this file already.", as_json)


@command.command("move")
@click.argument("base")
@click.argument("document")
@click.option("--key", help="What it is called from now on.")
@click.option("--to", "to_base", help="The base that it moves to.")
@tenant_option
@json_option
@click.pass_context
def move(context: click.Context, base: str, document: str, key: str | None, to_base: str | None, tenant: str, as_json: bool) -> None:
    """Call DOCUMENT of BASE by another key, or move it to another base. Its readers stay."""
    from ondol.application.knowledge.documents import move_document, rename_document
    from ondol.application.knowledge.store import find_base

    if key is None and to_base is None:
        raise UserError("Nothing says where to.", "Give --key, --to, or both.")

    async def work(platform: Platform, where: Tenant, found: Document) -> Changed:
        if to_base is None:
            return await rename_document(platform.knowledge, where.id, found.base_id, found.id, str(key), person_id=None)
        async with platform.database.tenant_tx(where.id) as connection:
            to = await find_base(connection, to_base)
        return await move_document(platform.knowledge, where.id, found.base_id, found.id, to.id, key=key, person_id=None)

    told = f"{document} is {key or document} in {to_base or base} now."
    _tell(_with_document(context, tenant, base, document, work), told, f"{document} is called so already.", as_json)


@command.command("restrict")
@click.argument("base")
@click.argument("document")
@click.option("--class", "security_class", type=click.Choice(SECURITY_CLASSES), help="Security class. [public]")
@click.option("--group", "groups", multiple=True, help="Readers; may be given several times. Everybody up to their clearance when absent.")
@click.option("--person", "logins", multiple=True, help="A reader's login; may be given several times.")
@access_option
@tenant_option
@json_option
@click.pass_context
def restrict(
    context: click.Context,
    base: str,
    document: str,
    security_class: SecurityClass | None,
    groups: tuple[str, ...],
    logins: tuple[str, ...],
    access: str | None,
    tenant: str,
    as_json: bool,
) -> None:
    """Set who may read DOCUMENT of BASE: this version and later ones, whatever their files say."""
    from ondol.application.knowledge.documents import Readers, restrict_document, rule_of

    readers = Readers(security_class, groups, logins, access)

    async def work(platform: Platform, where: Tenant, found: Document) -> Changed:
        async with platform.database.tenant_tx(where.id) as connection:
            rule = await rule_of(platform.knowledge, connection, where.id, readers)
        return await restrict_document(platform.knowledge, where.id, found.base_id, found.id, rule, person_id=None)

    told = f"{document} is for whom you said; `ondol document show` tells it."
    _tell(_with_document(context, tenant, base, document, work), told, f"{document} is so already.", as_json)


@command.command("delete")
@click.argument("base")
@click.argument("document")
@tenant_option
@json_option
@click.pass_context
def delete(context: click.Context, base: str, document: str, tenant: str, as_json: bool) -> None:
    """Take DOCUMENT out of BASE, with its earlier versions. A file that has not changed does not bring it back."""
    from ondol.application.knowledge.documents import delete_document

    async def work(platform: Platform, where: Tenant, found: Document) -> Changed:
        return await delete_document(platform.knowledge, where.id, found.base_id, found.id, person_id=None)

    _tell(_with_document(context, tenant, base, document, work), f"{document} is gone from {base}.", "", as_json)


@command.command("list")
@click.argument("base")
@click.option("--state", type=click.Choice(STATES), default="current", show_default=True, help="Found now, not yet, no longer, or taken out.")
@click.option("--after", type=click.UUID, help="Id of the last document of the page before.")
@click.option("--limit", type=click.IntRange(1, 500), default=100, show_default=True, help="Documents of a page.")
@as_option
@tenant_option
@json_option
@click.pass_context
def list_all(
    context: click.Context, base: str, state: Any, after: uuid.UUID | None, limit: int, login: str | None, tenant: str, as_json: bool
) -> None:
    """List the documents of BASE, oldest first."""
    from ondol.application.knowledge.documents import access_of, page_of_documents

    async def work(platform: Platform, where: Tenant, base_id: uuid.UUID) -> tuple[list[dict[str, object]], uuid.UUID | None]:
        async with platform.database.tenant_tx(where.id) as connection:
            person_id = await _person(platform, connection, where, login)
            found, following = await page_of_documents(
                platform.knowledge, connection, where.id, base_id, person_id, state=state, after=after, limit=limit
            )
            access = await access_of(connection, [document.audience_id for document in found])
        return [_row(document, access[document.audience_id]) for document in found], following

    found, following = _with_base(context, tenant, _named(base), work)
    shown = found if as_json else [{name: row[name] for name in SHOWN} for row in found]
    print_page("documents", shown, next_after=following, as_json=as_json, empty="There is no such document.")


@command.command("show")
@click.argument("base")
@click.argument("document")
@as_option
@tenant_option
@json_option
@click.pass_context
def show(context: click.Context, base: str, document: str, login: str | None, tenant: str, as_json: bool) -> None:
    """Show what is known of DOCUMENT of BASE."""
    from ondol.application.knowledge.documents import access_of

    async def work(platform: Platform, where: Tenant, found: Document) -> dict[str, object]:
        async with platform.database.tenant_tx(where.id) as connection:
            access = await access_of(connection, [found.audience_id])
        return {**_row(found, access[found.audience_id]), "state": found.state_at(platform.clock())}

    told = _with_document(context, tenant, base, document, work, login)
    if as_json:
        print_json(told)
        return
    for name, value in told.items():
        say(f"{name.replace('_', ' '):<14} {_plain(value)}")


@command.command("download")
@click.argument("base")
@click.argument("document")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write it; its own name in this folder when absent.")
@as_option
@tenant_option
@click.pass_context
def download(context: click.Context, base: str, document: str, output: Path | None, login: str | None, tenant: str) -> None:
    """Write the file that DOCUMENT of BASE was made of. A file that is there is not written over."""
    from ondol.application.knowledge.originals import original_of

    async def work(platform: Platform, where: Tenant, found: Document) -> tuple[Path, int]:
        original = await original_of(platform.knowledge, (where.id, found.id, found.version_id), found.media_type, found.details)
        target = output or Path(original.file_name)
        try:
            with target.open("xb") as file:
                return target, sum([file.write(piece) async for piece in original.chunks])
        except FileExistsError:
            raise UserError(f"{target} is there already.", "Give another name with --output.") from None
        except OndolError:
            target.unlink()
            raise

    target, written = _with_document(context, tenant, base, document, work, login)
    say(f"{target}: {written:,} bytes.")


SHOWN = ("key", "title", "class", "groups", "version", "language", "bytes", "created_at")


def _row(document: Document, access: Access) -> dict[str, object]:
    return {
        "id": str(document.id),
        "key": document.details.key,
        "title": document.details.title,
        "file": document.details.path,
        "class": access.security_class,
        "groups": list(access.groups),
        "access": access.rule,
        "people": [str(person_id) for person_id in access.people],
        "set_by_hand": document.set_audience_id is not None,
        "version": document.declared_version or None,
        "version_id": str(document.version_id),
        "language": document.language,
        "media_type": document.media_type,
        "bytes": document.original_bytes,
        "passages": document.passage_count,
        "origin": document.origin,
        "valid_from": document.valid_from and document.valid_from.isoformat(),
        "valid_until": document.valid_until and document.valid_until.isoformat(),
        "created_at": document.created_at.isoformat(timespec="seconds"),
    }


def _plain(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value) or "-"
    return "-" if value in (None, "") else value


def _tell(changed: Changed, told: str, same: str, as_json: bool) -> None:
    if as_json:
        print_json({"document": changed.document_id, "version": changed.version_id, "base": changed.base_id, "changed": changed.changed})
    else:
        say(told if changed.changed else same)


def _told(
    file: Path,
    key: str | None,
    document_id: uuid.UUID | None,
    *,
    replaces: bool,
    security_class: SecurityClass | None,
    groups: tuple[str, ...],
    access: str | None,
    valid_from: datetime | None,
    valid_until: datetime | None,
) -> Told:
    from ondol.application.knowledge.documents import Told

    return Told(file.name, key, document_id, replaces, security_class, groups or None, access, _utc(valid_from), _utc(valid_until))


def _read(file: Path) -> bytes:
    from ondol.application.knowledge.parsing import INPUT_BYTES_MAX

    if file.stat().st_size > INPUT_BYTES_MAX:
        raise UserError(f"{file} is larger than {INPUT_BYTES_MAX // 2**20} MiB.", "Split it.")
    return file.read_bytes()


def _named(base: str) -> Callable[[Platform, Tenant], Awaitable[uuid.UUID]]:
    from ondol.application.knowledge.store import find_base

    async def find(platform: Platform, where: Tenant) -> uuid.UUID:
        async with platform.database.tenant_tx(where.id) as connection:
            return (await find_base(connection, base)).id

    return find


async def _person(platform: Platform, connection: Any, where: Tenant, login: str | None) -> uuid.UUID | None:
    from ondol.infrastructure.access.people import find_person

    return None if login is None else (await find_person(connection, platform.keyring, where.id, login)).id


def _with_base(context: click.Context, tenant: str, find: Callable[[Platform, Tenant], Awaitable[uuid.UUID]], work: Work[T]) -> T:
    """Do work on a base of a tenant."""
    from ondol.infrastructure.access.people import find_tenant

    async def run(platform: Platform) -> T:
        where = await find_tenant(platform.database, tenant)
        return await work(platform, where, await find(platform, where))

    return with_platform(settings_of(context), run)


def _with_document(
    context: click.Context,
    tenant: str,
    base: str,
    name: str,
    work: Callable[[Platform, Tenant, Document], Awaitable[T]],
    login: str | None = None,
) -> T:
    """Do work on a document, which is named by its key or its id."""
    from ondol.application.knowledge.documents import find_document
    from ondol.application.knowledge.frontmatter import document_key_hash

    async def run(platform: Platform, where: Tenant, base_id: uuid.UUID) -> T:
        room = platform.knowledge
        key_hash = document_key_hash(room.tenant_key(where.id, "knowledge"), name)
        async with platform.database.tenant_tx(where.id) as connection:
            person_id = await _person(platform, connection, where, login)
            found = await find_document(room, connection, where.id, base_id, person_id, key_hash=key_hash)
            for document_id in _ids(name) if found is None else ():
                found = await find_document(room, connection, where.id, base_id, person_id, document_id=document_id)
        if found is None:
            raise NotFound(f"There is no document called {name} in {base}.", f"`ondol document list {base}` shows all.", code="document_not_found")
        return await work(platform, where, found)

    return _with_base(context, tenant, _named(base), run)


def _ids(name: str) -> Sequence[uuid.UUID]:
    try:
        return [uuid.UUID(name)]
    except ValueError:
        return []


def _utc(day: datetime | None) -> datetime | None:
    return None if day is None else day.replace(tzinfo=UTC)

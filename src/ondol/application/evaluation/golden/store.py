"""What Postgres keeps of golden sets: versions that are only added, with items sealed under the key of whoever they could tell of."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from ondol.application.evaluation.golden.coverage import check_floors
from ondol.application.evaluation.golden.plain import item_of
from ondol.application.evaluation.golden.types import SPLITS, GoldenSet, GoldenVersion, KeptItem, Split, case_of
from ondol.application.evaluation.types import Case
from ondol.core.canonical import Json
from ondol.core.errors import Conflict, Forbidden, KeyDestroyed, NotFound, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing, open_bytes
from ondol.infrastructure.storage.postgres import Connection, load_queries, one, rows

SETS_MAX = 1_000
"""Of one tenant."""
PAGE_ITEMS = 200
VERSIONS_SHOWN_MAX = 1_000
NAME = re.compile(r"[a-z0-9](-?[a-z0-9]){0,62}")

QUERIES = load_queries("ondol.application.evaluation.golden")


async def add_set(
    connection: Connection,
    tenant_id: uuid.UUID,
    name: str,
    *,
    split: Split,
    owner_id: uuid.UUID,
    base_id: uuid.UUID | None = None,
    floors: Mapping[str, int] | None = None,
    expires_at: datetime | None = None,
    by: uuid.UUID | None,
    now: datetime,
) -> GoldenSet:
    """Make a set, without a version yet.

    Args:
        base_id: the knowledge base that its items' documents are in.
        by: who makes it; None for whoever works at the command line.

    Raises:
        RequestError: when the name, the split, a floor or the end is wrong, or the tenant has too many.
        Conflict: when there is one of this name.
    """
    if not NAME.fullmatch(name) or len(name) > 63:
        hint = "A name is made of a-z, 0-9 and single hyphens, at most 63."
        raise RequestError(f"{name[:100]!r} is no name of a golden set.", hint, code="bad_name", param="name")
    if split not in SPLITS:
        raise RequestError(f"{str(split)[:50]!r} is no split.", f"It is one of: {', '.join(SPLITS)}.", code="bad_split", param="split")
    counted = await one(connection, QUERIES["sets_counted"], {})
    if counted is not None and counted["counted"] >= SETS_MAX:
        raise RequestError(f"A tenant keeps at most {SETS_MAX:,} golden sets.", code="too_many_sets", param="name")
    made = GoldenSet(new_id(), name, split, base_id, check_floors(floors or {}), owner_id, _checked_end(expires_at, now), now)
    try:
        async with connection.transaction():
            await connection.execute(QUERIES["set_add"], {**_values(made), "tenant_id": tenant_id, "now": now})
    except psycopg.errors.UniqueViolation:
        raise Conflict(f"There is a golden set called {name}.", "Add to it, or choose another name.", code="golden_exists") from None
    body: dict[str, Json] = {"set": made.id, "name": name, "split": split}
    await record(connection, tenant_id, kind="golden.created", actor_id=by, body=body, now=now)
    return made


async def change_set(
    connection: Connection,
    tenant_id: uuid.UUID,
    golden: GoldenSet,
    *,
    floors: Mapping[str, int] | None = None,
    owner_id: uuid.UUID | None = None,
    expires_at: datetime | None = None,
    by: uuid.UUID | None,
    now: datetime,
) -> GoldenSet:
    """Give a set other floors, another owner or another end; what is None stays. The floors hold for the versions that come.

    Raises:
        RequestError: when a floor is wrong.
    """
    changed = GoldenSet(
        golden.id,
        golden.name,
        golden.split,
        golden.base_id,
        golden.floors if floors is None else check_floors(floors),
        owner_id or golden.owner_id,
        expires_at or golden.expires_at,
        golden.created_at,
    )
    await connection.execute(QUERIES["set_change"], _values(changed))
    body: dict[str, Json] = {"set": golden.id, "owner": changed.owner_id, "expires_at": changed.expires_at}
    await record(connection, tenant_id, kind="golden.changed", actor_id=by, body=body, now=now)
    return changed


async def find_set(connection: Connection, name: str) -> GoldenSet:
    """A set by its name.

    Raises:
        NotFound: when there is none.
    """
    found = await one(connection, QUERIES["set_by_name"], {"name": name})
    if found is None:
        raise NotFound(
            f"There is no golden set called {name[:100]}.", "`ondol eval golden list` shows them.", code="golden_not_found", param="golden"
        )
    return GoldenSet(**found)


async def list_sets(connection: Connection) -> list[tuple[GoldenSet, Mapping[str, Any]]]:
    """All sets by name, each with `number`, `items`, `root` and `missing` of its newest version, which are None where it has none."""
    found: list[tuple[GoldenSet, Mapping[str, Any]]] = []
    for row in await rows(connection, QUERIES["sets_all"], {"limit": SETS_MAX}):
        newest = {name: row.pop(name) for name in ("number", "items", "root", "missing")}
        found.append((GoldenSet(**row), newest))
    return found


async def find_version(connection: Connection, name: str, number: int | None = None) -> tuple[GoldenSet, GoldenVersion]:
    """A version of a set; the newest where no number is given.

    Raises:
        NotFound: when there is no such set, or no such version of it.
    """
    golden = await find_set(connection, name)
    if number is None:
        found = await one(connection, QUERIES["version_newest"], {"set_id": golden.id})
    else:
        found = await one(connection, QUERIES["version_by_number"], {"set_id": golden.id, "number": number}) if number < 2**31 else None
    if found is None:
        what = "no version yet" if number is None else f"no version {number}"
        raise NotFound(f"The golden set {name} has {what}.", f"`ondol eval golden show {name}` shows them.", code="golden_not_found", param="golden")
    return golden, version_of(found)


async def list_versions(connection: Connection, golden: GoldenSet) -> list[GoldenVersion]:
    """The versions of a set, the newest first."""
    return [version_of(row) for row in await rows(connection, QUERIES["versions_of_set"], {"set_id": golden.id, "limit": VERSIONS_SHOWN_MAX})]


async def cases_of(
    connection: Connection, keyring: KeyRing, name: str, version: int | None = None, *, now: datetime, after: int = -1
) -> AsyncIterator[Case]:
    """The cases of a golden set in their order, some at a time. Items that were erased are left out: the version's own count still names them.

    Args:
        connection: an open transaction of the tenant, kept open while the cases are read.
        version: the newest where none is given.
        after: go on behind this place.

    Raises:
        NotFound: when there is no such set or version.
        Conflict: when the set has expired.
    """
    golden, found = await find_version(connection, name, version)
    refuse_expired(golden, now)
    async for kept in items_of(connection, keyring, found, after=after):
        if kept.item is not None:
            yield case_of(kept.item)


async def items_of(connection: Connection, keyring: KeyRing, version: GoldenVersion, *, after: int = -1) -> AsyncIterator[KeptItem]:
    """The items of a version in their order, the erased ones without their content."""
    place = after
    while True:
        page = await rows(connection, QUERIES["entries_of_version"], {"version_id": version.id, "after": place, "limit": PAGE_ITEMS})
        for row in page:
            yield opened_item(keyring, row)
        if len(page) < PAGE_ITEMS:
            return
        place = page[-1]["place"]


async def stale_items(connection: Connection, version: GoldenVersion, *, limit: int = 10_000) -> dict[str, str]:
    """The items of a version that must be looked at again, by their ids: `changed` where a document that they were written from holds something
    else now, `gone` where it is there no more, `erased` where the item itself was erased.
    """
    values: dict[str, object] = {"version_id": version.id, "limit": limit}
    found = {row["name"]: "gone" if row["is_gone"] else "changed" for row in await rows(connection, QUERIES["stale_items"], values)}
    return found | {row["name"]: "erased" for row in await rows(connection, QUERIES["erased_items"], values)}


def refuse_hidden(golden: GoldenSet, person_id: uuid.UUID) -> None:
    """What a hidden set asks is shown to its owner alone.

    Raises:
        Forbidden: to anybody else.
    """
    if golden.split == "hidden" and golden.owner_id != person_id:
        raise Forbidden("What a hidden set asks is shown to its owner only.", "Ask its owner, or use a set of another split.", code="golden_hidden")


def refuse_expired(golden: GoldenSet, now: datetime) -> None:
    """Nothing is measured on a set whose time is over.

    Raises:
        Conflict: naming the way out.
    """
    if golden.expires_at is not None and golden.expires_at <= now:
        hint = f"Look at its items, and say until when they hold: `ondol eval golden expire {golden.name} --until DATE`."
        raise Conflict(f"The golden set {golden.name} has expired.", hint, code="golden_expired")


def opened_item(keyring: KeyRing, row: Mapping[str, Any]) -> KeptItem:
    """An item of its row."""
    item = None
    if row["content_sealed"]:
        owner = KeyOwner(row["tenant_id"], row["owner_kind"], row["owner_id"])
        try:
            content = open_bytes(keyring.get(owner), bytes(row["content_sealed"]), sealed_for(row["id"]))
            item = item_of(msgspec.json.decode(content))
        except KeyDestroyed:
            # It is being erased at this moment: the row is emptied a moment later.
            item = None
    return KeptItem(row["id"], row["name"], bytes(row["address"]), item)


def sealed_for(item_id: uuid.UUID) -> bytes:
    """To what an item's content is bound under its seal."""
    return b"golden" + item_id.bytes


def version_of(row: Mapping[str, Any]) -> GoldenVersion:
    """A version of its row."""
    return GoldenVersion(**{**row, "root": bytes(row["root"])})


def _values(golden: GoldenSet) -> dict[str, object]:
    return {
        "id": golden.id,
        "name": golden.name,
        "split": golden.split,
        "base_id": golden.base_id,
        "floors": Jsonb(dict(golden.floors)),
        "owner_id": golden.owner_id,
        "expires_at": golden.expires_at,
    }


def _checked_end(expires_at: datetime | None, now: datetime) -> datetime | None:
    if expires_at is not None and expires_at <= now:
        raise RequestError("The set would have expired already.", "Give a day that is to come.", code="bad_expiry", param="expires")
    return expires_at


def drop_items(items: Sequence[KeptItem], names: frozenset[str]) -> list[KeptItem]:
    """The items without those of some names.

    Raises:
        NotFound: when one of the names is none of theirs.
    """
    unknown = names - {item.name for item in items}
    if unknown:
        raise NotFound(f"The set has no item called {min(unknown)[:100]}.", code="item_not_found", param="remove")
    return [item for item in items if item.name not in names]

"""The next version of a golden set: items that come, items that stay, and what of it goes into the ledger."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.types.json import Jsonb

from ondol.application.evaluation.golden.coverage import missing_of, slices_of
from ondol.application.evaluation.golden.plain import ITEMS_MAX, canonical_item
from ondol.application.evaluation.golden.store import QUERIES, drop_items, items_of, sealed_for, version_of
from ondol.application.evaluation.golden.types import FromAnswer, GoldenItem, GoldenSet, GoldenVersion, KeptItem
from ondol.core.canonical import Json, keyed_digest
from ondol.core.errors import KeyDestroyed, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.ledger import Link, add_artefact, add_links, record
from ondol.infrastructure.ledger.merkle import merkle_root
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing, seal_bytes
from ondol.infrastructure.storage.postgres import Connection, one, rows

LINKS_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What the next version has otherwise than the newest one.

    Attributes:
        items: those that come, or take the place of the ones with their ids.
        keeps: whether what the newest version has stays; otherwise the items are all there is.
        removed: the ids of items that go.
        from_answers: of items that were taken from production, by their ids.
        may_miss: whether a version that does not reach the floors is made, marked as such; otherwise it is refused.
    """

    items: Sequence[GoldenItem] = ()
    keeps: bool = True
    removed: frozenset[str] = frozenset()
    from_answers: Mapping[str, FromAnswer] | None = None
    may_miss: bool = False


@dataclass(frozen=True, slots=True)
class _Ground:
    """A document as it is now."""

    document_id: uuid.UUID
    version_id: uuid.UUID
    content_address: bytes


@dataclass(frozen=True, slots=True)
class _New:
    """An item on its way into the set."""

    id: uuid.UUID
    item: GoldenItem
    owner: KeyOwner
    request_id: uuid.UUID | None
    grounds: tuple[_Ground, ...]
    address: bytes
    sealed: bytes


async def put_version(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, golden: GoldenSet, change: Change, *, by: uuid.UUID | None, now: datetime
) -> tuple[GoldenVersion, bool]:
    """Make the next version of a set, unless the newest one holds the same.

    Returns:
        The version, and whether it is new.

    Raises:
        RequestError: when an id occurs twice, nothing is left, there is too much, a floor is not reached, or a document is not in the set's base.
        NotFound: when an item that is to go is not there.
    """
    _check_ids(change.items)
    await one(connection, QUERIES["set_lock"], {"id": golden.id})
    found = await one(connection, QUERIES["version_newest"], {"set_id": golden.id})
    newest = version_of(found) if found is not None else None
    before = [item async for item in items_of(connection, keyring, newest)] if newest is not None and change.keeps else []
    new = await _prepared(connection, keyring, tenant_id, golden, change)
    entries = _joined(drop_items(before, change.removed), await _written(connection, tenant_id, golden, new, now))
    if not 0 < len(entries) <= ITEMS_MAX:
        raise RequestError(f"A version has 1 to {ITEMS_MAX:,} items; this one would have {len(entries):,}.", code="bad_items", param="items")
    root = merkle_root([entry.address for entry in entries])
    if newest is not None and newest.root == root:
        return newest, False
    slices = slices_of(entry.item for entry in entries if entry.item is not None)
    missing = missing_of(slices, golden.floors)
    if missing and not change.may_miss:
        told = ", ".join(f"{name} has {count} of {golden.floors[name]}" for name, count in missing.items())
        hint = "Add items, lower the floor, or have the version marked as incomplete."
        raise RequestError(f"The version would not reach its floors: {told[:500]}.", hint, code="below_floor", param="floors")
    number = 1 if newest is None else newest.number + 1
    version = GoldenVersion(new_id(), golden.id, number, root, len(entries), slices, missing, by, now)
    await _add_version(connection, tenant_id, golden, version, entries)
    return version, True


async def _prepared(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, golden: GoldenSet, change: Change) -> list[_New]:
    """The items with their grounds, sealed."""
    grounds = await _grounds(connection, keyring, tenant_id, golden, {name for item in change.items for name in item.documents})
    answers = change.from_answers or {}

    def sealed() -> list[_New]:
        new = []
        for item in change.items:
            rests_on = tuple(grounds[name] for name in dict.fromkeys(item.documents) if name in grounds)
            new.append(_sealed(keyring, tenant_id, item, answers.get(item.id), rests_on))
        return new

    return await asyncio.to_thread(sealed)


def _sealed(keyring: KeyRing, tenant_id: uuid.UUID, item: GoldenItem, source: FromAnswer | None, grounds: tuple[_Ground, ...]) -> _New:
    """An item under the key of who asked it, or else of the first document that it rests on, or else of the tenant: with that key it is gone."""
    if source is not None:
        owner = KeyOwner(tenant_id, "subject", source.person_id)
    elif grounds:
        owner = KeyOwner(tenant_id, "document", grounds[0].document_id)
    else:
        owner = KeyOwner.tenant(tenant_id)
    try:
        key = keyring.get(owner)
    except KeyDestroyed:
        raise RequestError(f"What the item {item.id} was taken from was erased.", code="item_erased", param="items") from None
    item_id, content = new_id(), canonical_item(item)
    held = b"".join(ground.content_address for ground in grounds)
    address = keyed_digest(key.derive("golden"), "item", content + b"\x00" + held)
    return _New(item_id, item, owner, source.request_id if source else None, grounds, address, seal_bytes(key, content, sealed_for(item_id)))


async def _grounds(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, golden: GoldenSet, names: set[str]) -> dict[str, _Ground]:
    """The documents of these keys as they are now; none for a set without a base, where they are names only."""
    if golden.base_id is None or not names:
        return {}
    key = keyring.get(KeyOwner.tenant(tenant_id)).derive("knowledge")
    by_hash = {keyed_digest(key, "document", name.encode()): name for name in names}
    found = {}
    for row in await rows(connection, QUERIES["documents_now"], {"base_id": golden.base_id, "key_hashes": list(by_hash)}):
        found[by_hash[bytes(row["key_hash"])]] = _Ground(row["id"], row["version_id"], bytes(row["content_address"]))
    unknown = sorted(names - set(found))
    if unknown:
        hint = "A document is named by its key: the id of its front matter, or its path without the suffix."
        raise RequestError(f"The set's base has no document called {unknown[0][:200]}.", hint, code="document_not_found", param="documents")
    return found


async def _written(connection: Connection, tenant_id: uuid.UUID, golden: GoldenSet, new: Sequence[_New], now: datetime) -> list[KeptItem]:
    """Write the wordings that the set does not have yet; all of them as they are kept."""
    values = {
        "tenant_id": tenant_id,
        "set_id": golden.id,
        "ids": [one.id for one in new],
        "names": [one.item.id for one in new],
        "addresses": [one.address for one in new],
        "owner_kinds": [one.owner.kind for one in new],
        "owner_ids": [one.owner.id for one in new],
        "request_ids": [one.request_id for one in new],
        "contents": [one.sealed for one in new],
        "now": now,
    }
    await connection.execute(QUERIES["items_add"], values)
    known = {bytes(row["address"]): row for row in await rows(connection, QUERIES["items_by_address"], values)}
    for each in new:
        if known[each.address]["is_erased"]:
            raise RequestError(f"The item {each.item.id} was erased.", "Word it anew, without what was erased.", code="item_erased", param="items")
    grounds = [(known[each.address]["id"], ground) for each in new for ground in each.grounds]
    await connection.execute(
        QUERIES["grounds_add"],
        {
            "tenant_id": tenant_id,
            "item_ids": [item_id for item_id, _ in grounds],
            "document_ids": [ground.document_id for _, ground in grounds],
            "version_ids": [ground.version_id for _, ground in grounds],
        },
    )
    return [KeptItem(known[each.address]["id"], each.item.id, each.address, each.item) for each in new]


def _joined(before: Sequence[KeptItem], new: Sequence[KeptItem]) -> list[KeptItem]:
    """What stays with what comes: an item of the same id takes its place, others stand behind."""
    by_name = {item.name: item for item in before}
    by_name.update((item.name, item) for item in new)
    return list(by_name.values())


async def _add_version(connection: Connection, tenant_id: uuid.UUID, golden: GoldenSet, version: GoldenVersion, entries: Sequence[KeptItem]) -> None:
    """Write a version with its entries, its place in the lineage and its event."""
    now = version.created_at
    values = {
        "tenant_id": tenant_id,
        "id": version.id,
        "set_id": golden.id,
        "number": version.number,
        "root": version.root,
        "items": version.items,
        "slices": Jsonb(dict(version.slices)),
        "missing": Jsonb(dict(version.missing)),
        "by": version.created_by,
        "now": now,
    }
    await connection.execute(QUERIES["version_add"], values)
    ids = [entry.id for entry in entries]
    await connection.execute(QUERIES["entries_add"], {"tenant_id": tenant_id, "version_id": version.id, "item_ids": ids})
    await add_artefact(connection, tenant_id, "dataset", artefact_id=version.id, address=version.root, now=now)
    grounds = [row["version_id"] for row in await rows(connection, QUERIES["grounds_of_version"], {"version_id": version.id})]
    for start in range(0, len(grounds), LINKS_AT_ONCE):
        links = [Link(version.id, ground, "derived_from") for ground in grounds[start : start + LINKS_AT_ONCE]]
        await add_links(connection, tenant_id, links, now)
    body: dict[str, Json] = {
        "set": golden.id,
        "version": version.number,
        "root": version.root,
        "items": version.items,
        "complete": not version.missing,
    }
    await record(connection, tenant_id, kind="golden.version", actor_id=version.created_by, body=body, now=now)


def _check_ids(items: Sequence[GoldenItem]) -> None:
    if len(items) > ITEMS_MAX:
        raise RequestError(f"A version has at most {ITEMS_MAX:,} items.", code="bad_items", param="items")
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise RequestError(f"Two items are called {item.id}.", "Give each an id of its own.", code="bad_item", param="id")
        seen.add(item.id)

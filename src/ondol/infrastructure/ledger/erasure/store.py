"""What Postgres holds of erasures."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from ondol.core.errors import NotFound
from ondol.core.ids import new_id
from ondol.infrastructure.ledger.erasure.types import Erasure, ErasureKind, ItemKind, Step
from ondol.infrastructure.ledger.events import record
from ondol.infrastructure.storage.postgres import Connection, Database, load_queries, one, rows

QUERIES = load_queries("ondol.infrastructure.ledger.erasure")

PAGE_MAX = 200
OPEN_MAX = 1000
_LAST_ID = uuid.UUID(int=2**128 - 1)


async def open_erasure(
    connection: Connection,
    tenant_id: uuid.UUID,
    kind: ErasureKind,
    target_id: uuid.UUID,
    *,
    base_id: uuid.UUID | None,
    with_documents: bool,
    asked_by: uuid.UUID | None,
    reason: str,
    now: datetime,
    replayed: bool = False,
) -> Erasure:
    """Write down that a target is erased from now on, with its tombstone and its event, in the transaction that hides it.

    One that failed begins again; one that goes on or is proved stays as it is.
    """
    erasure_id = new_id()
    values: dict[str, object] = {
        "tenant_id": tenant_id,
        "id": erasure_id,
        "kind": kind,
        "target_id": target_id,
        "base_id": base_id,
        "with_documents": with_documents,
        "asked_by": asked_by,
        "reason": reason,
        "replayed": replayed,
        "now": now,
    }
    is_new = (await connection.execute(QUERIES["erasure_add"], values)).rowcount == 1
    await connection.execute(QUERIES["tombstone_add"], {"tenant_id": tenant_id, "id": target_id, "kind": kind, "now": now})
    erasure = await find_erasure(connection, kind, target_id)
    begins_again = not is_new and (replayed or erasure.state == "failed")
    if begins_again:
        await set_state(connection, erasure, "hidden", replayed=replayed)
    if is_new or begins_again:
        body = {"erasure": erasure.id, "kind": kind, "target": target_id, "reason": reason, "replayed": replayed}
        await record(connection, tenant_id, kind="erasure.begun", actor_id=asked_by, body=body, now=now)
    return await get_erasure(connection, erasure.id)


async def reopen(connection: Connection, kind: ErasureKind, target_ids: Collection[uuid.UUID]) -> int:
    """Have what was erased looked for again: something of it came in after all, such as an answer that was being written; how many erasures."""
    return (await connection.execute(QUERIES["erasures_reopen"], {"kind": kind, "target_ids": list(target_ids)})).rowcount


async def get_erasure(connection: Connection, erasure_id: uuid.UUID) -> Erasure:
    """The erasure of an id.

    Raises:
        NotFound: when the tenant has none.
    """
    found = await one(connection, QUERIES["erasure_by_id"], {"id": erasure_id})
    if found is None:
        raise NotFound("There is no such erasure.", "`ondol erasure list` shows all.", code="erasure_not_found")
    return _erasure(found)


async def find_erasure(connection: Connection, kind: ErasureKind, target_id: uuid.UUID) -> Erasure:
    """The erasure of a target.

    Raises:
        NotFound: when it is not erased.
    """
    found = await one(connection, QUERIES["erasure_by_target"], {"kind": kind, "target_id": target_id})
    if found is None:
        raise NotFound("Nobody asked to erase this.", "`ondol erasure list` shows all.", code="erasure_not_found")
    return _erasure(found)


async def list_erasures(connection: Connection, *, before: uuid.UUID | None = None, limit: int = PAGE_MAX) -> list[Erasure]:
    """Erasures, the newest first. The next page begins before the last one's id."""
    return [_erasure(row) for row in await rows(connection, QUERIES["erasures_page"], {"before": before or _LAST_ID, "limit": limit})]


async def steps_of(connection: Connection, erasure_id: uuid.UUID) -> list[Step]:
    """The steps of an erasure in their order."""
    return [Step(**row) for row in await rows(connection, QUERIES["steps_of"], {"erasure_id": erasure_id})]


async def set_state(connection: Connection, erasure: Erasure, state: str, *, failure: str | None = None, replayed: bool = False) -> None:
    """Move an erasure on; what it has of a receipt is no longer true."""
    await connection.execute(QUERIES["erasure_state"], {"id": erasure.id, "state": state, "failure": failure, "replayed": replayed})


async def note_items(connection: Connection, erasure: Erasure, kind: ItemKind, ids: Collection[uuid.UUID]) -> None:
    """Note things that an erasure reaches, for the erasers after this one."""
    values = {"tenant_id": erasure.tenant_id, "erasure_id": erasure.id, "kind": kind, "ids": list(ids)}
    await connection.execute(QUERIES["items_add"], values)


async def items_of(connection: Connection, erasure: Erasure, kind: ItemKind) -> list[uuid.UUID]:
    """The things of one kind that an erasure reaches."""
    found = await rows(connection, QUERIES["items_of"], {"erasure_id": erasure.id, "kind": kind})
    return [row["item_id"] for row in found]


async def unknown_tombstones(database: Database, ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of some tombstones of the key ring that the database does not hold: it was restored from a backup that is older."""
    async with database.system_tx() as connection:
        known = {row["id"] for row in await rows(connection, QUERIES["tombstones_known"], {"ids": list(ids)})}
    return set(ids) - known


def as_jsonb(value: dict[str, Any]) -> Jsonb:
    """A receipt as a parameter."""
    return Jsonb(value)


def _erasure(row: dict[str, object]) -> Erasure:
    kept = {name: bytes(value) if isinstance(value, memoryview) else value for name, value in row.items()}
    return Erasure(**{**kept, "failure": row["failure"] or ""})  # type: ignore[arg-type]  # the columns are the fields

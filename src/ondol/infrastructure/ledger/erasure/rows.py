"""Erasers of rows in Postgres: found as the role that a tenant is bound to, probed as the owner, who sees all tenants and partitions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from ondol.infrastructure.ledger.erasure.types import EVERY_KIND, Eraser, Erasure, ErasureKind
from ondol.infrastructure.storage.postgres import Connection, Database, one
from ondol.infrastructure.storage.postgres.probing import count_as_owner


def row_eraser(
    database: Database,
    name: str,
    *,
    method: str,
    tables: Iterable[str],
    count: Any,
    erase: Callable[[Connection, Erasure], Awaitable[object]],
    kinds: frozenset[ErasureKind] = EVERY_KIND,
) -> Eraser:
    """An eraser of rows that one query counts.

    Args:
        count: a named query that gives one number called ``counted``; see `values_of` for its parameters.
        erase: removes or empties the rows, in a transaction of the tenant.
    """

    async def find(connection: Connection, erasure: Erasure) -> int:
        found = await one(connection, count, values_of(erasure))
        return int(found["counted"]) if found is not None else 0

    async def erase_all(erasure: Erasure) -> None:
        async with database.tenant_tx(erasure.tenant_id) as connection:
            await erase(connection, erasure)

    async def probe(erasure: Erasure) -> int:
        return await count_as_owner(database, count, values_of(erasure))

    return Eraser(name=name, store="postgres", method=method, kinds=kinds, tables=frozenset(tables), find=find, erase=erase_all, probe=probe)


def values_of(erasure: Erasure) -> dict[str, object]:
    """What a query may ask of an erasure; the document or the person is null where the other one is erased."""
    return {
        "tenant_id": erasure.tenant_id,
        "erasure_id": erasure.id,
        "document_id": erasure.target_id if erasure.kind == "document" else None,
        "person_id": erasure.target_id if erasure.kind == "subject" else None,
    }

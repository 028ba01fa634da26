"""Lineage: what came from what. Walk back from an answer to the bytes it rests on, or forward from a document to all that it reached."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

import psycopg

from ondol.core.errors import Conflict, NotFound
from ondol.core.ids import new_id
from ondol.infrastructure.ledger.types import ArtefactKind, Link, NewArtefact, Reached, Relation, Store, Walk
from ondol.infrastructure.storage.postgres import Connection, load_queries, one, rows

WALK_DEPTH_MAX = 64
WALK_ARTEFACTS_MAX = 10_000
WALK_ARTEFACTS_HIGHEST = 100_000
WALK_VISITS_MAX = 1_000_000
BATCH_ROWS_MAX = 10_000

ERASURE_STORES: Mapping[ArtefactKind, tuple[Store, ...]] = MappingProxyType(
    {
        "original": ("blob",),
        "document": ("postgres",),
        "document_version": ("postgres", "blob"),
        "index_segment": ("lance",),
        "index_version": ("lance",),
        "cache_entry": ("blob",),
        "prompt": ("postgres",),
        "policy": ("postgres",),
        "model": ("blob", "external"),
        "dataset": ("postgres", "blob"),
        "checkpoint": ("blob",),
        "evaluation": ("postgres", "blob"),
        "release": ("postgres",),
        "answer": ("postgres",),
        "export": ("external",),
        "backup": ("external",),
        "subject": ("postgres",),
    }
)
"""In which stores the bytes of an artefact lie: where its eraser deletes and probes. Rows that hold only ids do not count."""

_SQL = load_queries("ondol.infrastructure.ledger")


async def add_artefact(
    connection: Connection,
    tenant_id: uuid.UUID,
    kind: ArtefactKind,
    *,
    artefact_id: uuid.UUID | None = None,
    address: bytes | None = None,
    now: datetime,
) -> uuid.UUID:
    """Add one node and return its id. A node that is there already stays as it is, so a step that resumes may add it again.

    Args:
        connection: an open transaction of that tenant.
        artefact_id: the id under which the thing itself is stored; a fresh one when absent.
        address: its keyed content address, 32 bytes, if it has content of its own.

    Raises:
        Conflict: when the id is known with another kind or address.
    """
    chosen = artefact_id or new_id()
    await add_artefacts(connection, tenant_id, [NewArtefact(id=chosen, kind=kind, address=address)], now)
    return chosen


async def add_artefacts(connection: Connection, tenant_id: uuid.UUID, artefacts: Sequence[NewArtefact], now: datetime) -> int:
    """Add many nodes in one statement and return how many were new; see `add_artefact`.

    Raises:
        Conflict: when an id is known, or occurs twice here, with another kind or address.
        ValueError: for more than `BATCH_ROWS_MAX` of them.
    """
    _check_batch_size(artefacts)
    parameters: dict[str, object] = {
        "tenant_id": tenant_id,
        "ids": [artefact.id for artefact in artefacts],
        "kinds": [artefact.kind for artefact in artefacts],
        "addresses": [artefact.address for artefact in artefacts],
    }
    written = (await connection.execute(_SQL["insert_artefacts"], {**parameters, "now": now})).rowcount
    if written < len(artefacts):
        other = await one(connection, _SQL["artefact_that_differs"], parameters)
        if other is not None:
            raise Conflict(f"The artefact {other['id']} is known as {other['kind']}, and differs from the {other['given_kind']} given for it.")
    return written


async def link(connection: Connection, tenant_id: uuid.UUID, child_id: uuid.UUID, parent_id: uuid.UUID, relation: Relation, now: datetime) -> None:
    """Say that `child_id` came from `parent_id`. Saying it again changes nothing.

    Raises:
        NotFound: when one of them was never added.
        ValueError: when both are the same.
    """
    await add_links(connection, tenant_id, [Link(child_id, parent_id, relation)], now)


async def add_links(connection: Connection, tenant_id: uuid.UUID, links: Sequence[Link], now: datetime) -> int:
    """Add many links in one statement and return how many were new; see `link`.

    Raises:
        NotFound: when an end of one was never added. The transaction can only be rolled back then.
        ValueError: when a link leads to itself, or for more than `BATCH_ROWS_MAX` of them.
    """
    _check_batch_size(links)
    if any(each.child_id == each.parent_id for each in links):
        raise ValueError("an artefact cannot come from itself")
    try:
        written = await connection.execute(
            _SQL["insert_links"],
            {
                "tenant_id": tenant_id,
                "child_ids": [each.child_id for each in links],
                "parent_ids": [each.parent_id for each in links],
                "relations": [each.relation for each in links],
                "now": now,
            },
        )
    except psycopg.errors.ForeignKeyViolation as error:
        raise NotFound("A link names an artefact that was never added.", "Add both ends before the link.") from error
    return written.rowcount


async def ancestors(
    connection: Connection, tenant_id: uuid.UUID, artefact_id: uuid.UUID, *, depth_max: int = WALK_DEPTH_MAX, limit: int = WALK_ARTEFACTS_MAX
) -> Walk:
    """What an artefact came from, nearest first. Circles are walked once.

    Args:
        depth_max: longest way, in links, at most `WALK_DEPTH_MAX`.
        limit: most artefacts, at most `WALK_ARTEFACTS_HIGHEST`.

    Returns:
        The walk, which says itself when one of the limits cut it off.

    Raises:
        NotFound: when the tenant has no such artefact.
        ValueError: for a limit out of range.
    """
    return await _walk(connection, "ancestors", tenant_id, artefact_id, depth_max=depth_max, limit=limit)


async def descendants(
    connection: Connection, tenant_id: uuid.UUID, artefact_id: uuid.UUID, *, depth_max: int = WALK_DEPTH_MAX, limit: int = WALK_ARTEFACTS_MAX
) -> Walk:
    """What came from an artefact, nearest first: what an erasure has to visit. See `ancestors`.

    Raises:
        NotFound: when the tenant has no such artefact.
        ValueError: for a limit out of range.
    """
    return await _walk(connection, "descendants", tenant_id, artefact_id, depth_max=depth_max, limit=limit)


async def _walk(connection: Connection, query: str, tenant_id: uuid.UUID, artefact_id: uuid.UUID, *, depth_max: int, limit: int) -> Walk:
    if not 1 <= depth_max <= WALK_DEPTH_MAX or not 1 <= limit <= WALK_ARTEFACTS_HIGHEST:
        raise ValueError(f"a walk is 1 to {WALK_DEPTH_MAX} links deep and finds 1 to {WALK_ARTEFACTS_HIGHEST:,} artefacts")
    if await one(connection, _SQL["artefact_by_id"], {"tenant_id": tenant_id, "id": artefact_id}) is None:
        raise NotFound("There is no such artefact in the lineage.", param="artefact_id")
    # One artefact and one level more than asked are fetched: finding them is how a walk knows that it was cut off.
    found = await rows(
        connection,
        _SQL[query],
        {"tenant_id": tenant_id, "id": artefact_id, "depth_max": depth_max, "visits_max": WALK_VISITS_MAX, "limit": limit + 1},
    )
    within = [row for row in found if row["depth"] <= depth_max]
    return Walk(
        reached=tuple(Reached(id=row["id"], kind=row["kind"], relation=row["relation"], depth=row["depth"]) for row in within[:limit]),
        complete=len(within) == len(found) <= limit and all(row["visits"] < WALK_VISITS_MAX for row in found),
    )


def _check_batch_size(given: Sequence[object]) -> None:
    if len(given) > BATCH_ROWS_MAX:
        raise ValueError(f"{len(given):,} rows at once; at most {BATCH_ROWS_MAX:,}")

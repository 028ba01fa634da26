"""Which index version serves: one pointer, moved in one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime

from ondol.application.knowledge import store
from ondol.application.knowledge.index import ANALYSER_ID
from ondol.application.knowledge.index_versions import store as versions
from ondol.application.knowledge.index_versions.store import IndexVersion
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.canonical import Json
from ondol.core.errors import Conflict
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.postgres import Connection, one


async def activate(
    room: Knowledge, tenant_id: uuid.UUID, version_id: uuid.UUID, *, actor_id: uuid.UUID | None = None, without: Collection[uuid.UUID] = ()
) -> IndexVersion:
    """Let a version serve. Searches that begin after this ask it; the one that served before is kept for a way back.

    Args:
        without: document versions that it need not hold, since nobody can read them.

    Raises:
        Conflict: when it is not ready, was made by an analyser that we do not have, or lacks documents.
        NotFound: when there is no such version.
    """
    async with room.database.tenant_tx(tenant_id) as connection:
        base = await store.lock_base(connection, (await versions.get_version(connection, version_id)).base_id)
        version = await versions.get_version(connection, version_id)
        if version.is_active:
            return version
        await _check(connection, base, version, without)
        await move_pointer(connection, tenant_id, version, room.clock(), actor_id=actor_id, kind="index.activated")
        return await versions.get_version(connection, version_id)


async def roll_back(room: Knowledge, tenant_id: uuid.UUID, base_id: uuid.UUID, *, actor_id: uuid.UUID | None = None) -> IndexVersion:
    """Let the version serve that served before; it was written to all the while, so nothing is built.

    Raises:
        Conflict: when there is none, or it cannot serve.
    """
    async with room.database.tenant_tx(tenant_id) as connection:
        base = await store.lock_base(connection, base_id)
        previous = await one(connection, versions.QUERIES["version_previous"], {"base_id": base_id})
        if previous is None:
            raise Conflict("No index version served before.", "`ondol index list BASE` shows what there is.", code="no_previous_version")
        version = await versions.get_version(connection, previous["id"])
        await _check(connection, base, version, ())
        await move_pointer(connection, tenant_id, version, room.clock(), actor_id=actor_id, kind="index.rolled_back")
        return await versions.get_version(connection, version.id)


async def move_pointer(
    connection: Connection, tenant_id: uuid.UUID, version: IndexVersion, now: datetime, *, actor_id: uuid.UUID | None, kind: str
) -> None:
    """Point the base, which the caller holds, at a version, and tell the ledger."""
    base = await store.get_base(connection, version.base_id)
    await versions.serve(connection, version, base.active_index_id, now)
    body: dict[str, Json] = {"base": base.id, "from": base.active_index_id, "to": version.id, "number": version.number}
    await record(connection, tenant_id, kind=kind, actor_id=actor_id, body=body, now=now)


def check_analyser(version: IndexVersion) -> None:
    """Whether a version can be asked and written to by this installation.

    Raises:
        Conflict: when it was made by another analyser than ours.
    """
    if version.analyser_id != ANALYSER_ID:
        raise Conflict(
            f"Index version {version.number} was made by another version of the text analysis, which this installation does not have.",
            "Build a new one: `ondol index build BASE --activate`.",
            code="index_outdated",
        )


async def _check(connection: Connection, base: store.Base, version: IndexVersion, without: Collection[uuid.UUID]) -> None:
    if version.state not in ("ready", "retired"):
        hint = "Only one that is ready, or served before, can serve."
        raise Conflict(f"Index version {version.number} is {version.state}.", hint, code="index_not_ready")
    check_analyser(version)
    if missing := await versions.count_missing(connection, version, without):
        raise Conflict(
            f"Index version {version.number} lacks {missing:,} documents that came since it served.",
            f"Bring it up to date: `ondol index activate {base.name} {version.number}`.",
            code="index_behind",
        )

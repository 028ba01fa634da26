"""Which index versions stay: so many of a base, for so many days, and those that have a tag."""

from __future__ import annotations

import re
import uuid

from ondol.application.knowledge.index_versions import store as versions
from ondol.application.knowledge.index_versions.store import IndexVersion
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.canonical import Json
from ondol.core.errors import Conflict, NotFound, RequestError
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.postgres import Connection, one, rows

VERSIONS_KEPT_MAX = 20
DAYS_KEPT_MAX = 3650
TAG = re.compile(r"[a-z](-?[a-z0-9]){0,62}")
RESERVED_TAGS = frozenset({"active", "previous"})


async def drop_version(room: Knowledge, tenant_id: uuid.UUID, version_id: uuid.UUID, *, actor_id: uuid.UUID | None = None) -> IndexVersion:
    """Give a version up. Its folders go with the next care; its row stays.

    Raises:
        Conflict: when it serves, or a release names it that does, did before, or is the next to.
        NotFound: when there is none.
    """
    now = room.clock()
    async with room.database.tenant_tx(tenant_id) as connection:
        version = await versions.get_version(connection, version_id)
        if version.is_active:
            raise Conflict(f"Index version {version.number} serves.", "Let another one serve first.", code="index_serves")
        if await versions.is_released(connection, version.id):
            hint = "`ondol release list ASSISTANT` shows which; let another release serve."
            raise Conflict(f"A release of an assistant names index version {version.number}.", hint, code="index_released")
        await versions.drop(connection, [version.id], now)
        body: dict[str, Json] = {"base": version.base_id, "version": version.id, "number": version.number}
        await record(connection, tenant_id, kind="index.dropped", actor_id=actor_id, body=body, now=now)
    return version


async def drop_old_versions(room: Knowledge, tenant_id: uuid.UUID) -> int:
    """Give up what is beyond what its base keeps, or whose time is over; how many."""
    now = room.clock()
    async with room.database.tenant_tx(tenant_id) as connection:
        found = await rows(connection, versions.QUERIES["versions_to_drop"], {"now": now})
        await versions.drop(connection, [row["id"] for row in found], now)
        for row in found:
            body: dict[str, Json] = {"base": row["base_id"], "version": row["id"], "number": row["number"]}
            await record(connection, tenant_id, kind="index.expired", actor_id=None, body=body, now=now)
    return len(found)


async def keep_versions(
    room: Knowledge, tenant_id: uuid.UUID, base_id: uuid.UUID, count: int, days: int | None, *, actor_id: uuid.UUID | None = None
) -> None:
    """How many versions a base keeps, the one that serves included, and for how many days those that do not; None: without an end.

    Raises:
        RequestError: when a number is out of range.
    """
    if not 1 <= count <= VERSIONS_KEPT_MAX or not (days is None or 1 <= days <= DAYS_KEPT_MAX):
        raise RequestError(f"A base keeps 1 to {VERSIONS_KEPT_MAX} versions, for 1 to {DAYS_KEPT_MAX} days.", code="bad_keep")
    now = room.clock()
    async with room.database.tenant_tx(tenant_id) as connection:
        await connection.execute(versions.QUERIES["keep_put"], {"base_id": base_id, "versions": count, "days": days})
        body: dict[str, Json] = {"base": base_id, "versions": count, "days": days}
        await record(connection, tenant_id, kind="index.kept", actor_id=actor_id, body=body, now=now)


async def kept_versions(connection: Connection, base_id: uuid.UUID) -> tuple[int, int | None]:
    """How many versions a base keeps, and for how many days those that do not serve; None: without an end.

    Raises:
        NotFound: when there is no such base.
    """
    found = await one(connection, versions.QUERIES["keep_of_base"], {"base_id": base_id})
    if found is None:
        raise NotFound("There is no such base.", code="base_not_found")
    return found["versions"], found["days"]


async def put_tag(room: Knowledge, tenant_id: uuid.UUID, version_id: uuid.UUID, name: str, *, actor_id: uuid.UUID | None = None) -> None:
    """Call a version by a name; a name that was another's moves.

    Raises:
        RequestError: when the name is none.
        Conflict: when the version was given up.
    """
    if not TAG.fullmatch(name) or len(name) > 63 or name in RESERVED_TAGS:
        raise RequestError(
            f"{name[:100]!r} is no tag.", "A tag is a word of a-z, 0-9 and single hyphens, and neither active nor previous.", code="bad_tag"
        )
    now = room.clock()
    async with room.database.tenant_tx(tenant_id) as connection:
        version = await versions.get_version(connection, version_id)
        if version.state in ("dropped", "failed"):
            raise Conflict(f"Index version {version.number} is {version.state}.", "Tag another one.", code="index_dropped")
        values = {"tenant_id": tenant_id, "base_id": version.base_id, "name": name, "id": version.id, "now": now}
        await connection.execute(versions.QUERIES["tag_put"], values)
        body: dict[str, Json] = {"base": version.base_id, "version": version.id, "tag": name}
        await record(connection, tenant_id, kind="index.tagged", actor_id=actor_id, body=body, now=now)


async def remove_tag(room: Knowledge, tenant_id: uuid.UUID, base_id: uuid.UUID, name: str, *, actor_id: uuid.UUID | None = None) -> None:
    """Take a name away from whichever version of the base has it.

    Raises:
        NotFound: when none has.
    """
    now = room.clock()
    async with room.database.tenant_tx(tenant_id) as connection:
        done = await connection.execute(versions.QUERIES["tag_remove"], {"base_id": base_id, "name": name})
        if done.rowcount == 0:
            raise NotFound(f"No index version of the base is called {name[:100]}.", "`ondol index list BASE` shows the tags.", code="tag_not_found")
        await record(connection, tenant_id, kind="index.untagged", actor_id=actor_id, body={"base": base_id, "tag": name}, now=now)

"""What Postgres holds of index versions."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

from ondol.application.knowledge.store import SealedVersion
from ondol.application.knowledge.types import IndexSettings
from ondol.core.errors import NotFound
from ondol.infrastructure.storage.postgres import Connection, load_queries, one, rows

QUERIES = load_queries("ondol.application.knowledge.index_versions")

State = Literal["building", "ready", "active", "retired", "failed", "dropped"]


class Wanted(msgspec.Struct, frozen=True):
    """What is to be done with a version that is being built.

    `activate`: it is to serve when it is ready. `reuse`: postings may be copied from a version of the same settings. `replace`: once it serves,
    all versions from before are given up, since they are not known to be whole.
    """

    activate: bool = False
    reuse: bool = True
    replace: bool = False


@dataclass(frozen=True, slots=True)
class IndexVersion:
    """One version of a base's index.

    Attributes:
        number: counts from 1 within the base.
        is_active: whether it serves.
        keep_until: when it goes, if it does not serve and has no tag.
        failure: why it could not be built; empty unless it failed.
        segments, passages, vectors: what it holds; 0 unless it was listed.
    """

    id: uuid.UUID
    base_id: uuid.UUID
    number: int
    state: State
    analyser_id: str
    settings: IndexSettings
    wanted: Wanted
    created_at: datetime
    built_at: datetime | None
    activated_at: datetime | None
    retired_at: datetime | None
    keep_until: datetime | None
    failure: str
    is_active: bool
    segments: int = 0
    passages: int = 0
    vectors: int = 0
    tags: tuple[str, ...] = ()


async def add_version(
    connection: Connection,
    tenant_id: uuid.UUID,
    base_id: uuid.UUID,
    version_id: uuid.UUID,
    analyser_id: str,
    settings: IndexSettings,
    wanted: Wanted,
    now: datetime,
) -> None:
    """A new, empty version; the database numbers it."""
    values = {
        "tenant_id": tenant_id,
        "id": version_id,
        "base_id": base_id,
        "analyser_id": analyser_id,
        "settings": msgspec.json.encode(settings).decode(),
        "wanted": msgspec.json.encode(wanted).decode(),
        "now": now,
    }
    await connection.execute(QUERIES["version_add"], values)


async def get_version(connection: Connection, version_id: uuid.UUID) -> IndexVersion:
    """The version of an id.

    Raises:
        NotFound: when there is none.
    """
    found = await one(connection, QUERIES["version_by_id"], {"id": version_id})
    if found is None:
        raise _absent("of this id")
    return _version(found)


async def list_versions(connection: Connection, base_id: uuid.UUID, *, dropped: bool = False) -> list[IndexVersion]:
    """The versions of a base, newest first."""
    return [_version(row) for row in await rows(connection, QUERIES["versions_all"], {"base_id": base_id, "dropped": dropped})]


async def find_version(connection: Connection, base_id: uuid.UUID, name: str) -> IndexVersion:
    """A version by its number, a tag, `active` or `previous`.

    Raises:
        NotFound: when nothing is called so.
    """
    found = await list_versions(connection, base_id)
    if name == "previous":
        before = await previous_version(connection, base_id)
        found = [version for version in found if version.id == before]
    elif name == "active":
        found = [version for version in found if version.is_active]
    else:
        found = [version for version in found if str(version.number) == name or name in version.tags]
    if not found:
        raise _absent(f"called {name[:100]}")
    return found[0]


async def previous_version(connection: Connection, base_id: uuid.UUID) -> uuid.UUID | None:
    """The version that served before, to which a base is rolled back; None where none did."""
    found = await one(connection, QUERIES["version_previous"], {"base_id": base_id})
    return found["id"] if found is not None else None


async def written_versions(connection: Connection, base_id: uuid.UUID, analyser_id: str) -> dict[uuid.UUID, IndexSettings]:
    """The versions that a change of documents is written to, and how they cut it: those of this analyser that serve, could, or did before.

    Vectors come afterwards, so their embedders are not told.
    """
    found = await rows(connection, QUERIES["versions_written"], {"base_id": base_id, "analyser_id": analyser_id})
    return {row["id"]: msgspec.convert(row["settings"], IndexSettings).sizes for row in found}


async def is_released(connection: Connection, version_id: uuid.UUID) -> bool:
    """Whether a release names the version that is live, was live before, or is the next to be."""
    found = await one(connection, QUERIES["version_released"], {"id": version_id})
    return found is not None and bool(found["released"])


async def missing_documents(connection: Connection, version: IndexVersion, without: Collection[uuid.UUID], limit: int) -> list[SealedVersion]:
    """Document versions that the index version ought to hold and does not.

    Args:
        without: document versions that are passed over.
    """
    values = {"base_id": version.base_id, "index_id": version.id, "without": list(without), "limit": limit}
    found = await rows(connection, QUERIES["documents_missing"], values)
    return [SealedVersion(row["id"], row["document_id"], row["audience_id"], bytes(row["details_sealed"])) for row in found]


async def count_missing(connection: Connection, version: IndexVersion, without: Collection[uuid.UUID] = ()) -> int:
    """How many those are."""
    found = await one(connection, QUERIES["documents_missing_count"], {"base_id": version.base_id, "index_id": version.id, "without": list(without)})
    return int(found["missing"]) if found else 0


async def serve(connection: Connection, version: IndexVersion, instead_of: uuid.UUID | None, now: datetime) -> None:
    """Point the base at a version, whose predecessor retires."""
    if instead_of is not None:
        await connection.execute(QUERIES["version_retire"], {"id": instead_of, "now": now})
    await connection.execute(QUERIES["version_serve"], {"id": version.id, "now": now})
    await connection.execute(QUERIES["base_point"], {"id": version.id, "base_id": version.base_id})


async def drop(connection: Connection, version_ids: Collection[uuid.UUID], now: datetime) -> None:
    """Give versions up: their segments go with the next care, their tags at once."""
    values = {"ids": list(version_ids), "now": now}
    for name in ("version_drop", "version_segments_drop", "tags_drop"):
        await connection.execute(QUERIES[name], values)


def _version(row: Mapping[str, Any]) -> IndexVersion:
    values = {name: value for name, value in row.items() if name in IndexVersion.__slots__}
    values |= {"settings": msgspec.convert(row["settings"], IndexSettings), "wanted": msgspec.convert(row["wanted"], Wanted)}
    values |= {"failure": row["failure"] or "", "tags": tuple(row.get("tags") or ())}
    return IndexVersion(**values)


def _absent(how: str) -> NotFound:
    return NotFound(f"The base has no index version {how}.", "`ondol index list BASE` shows all.", code="index_version_not_found")

"""What knowledge keeps in Postgres: bases, documents and versions, index versions and segments. It writes what it is given."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

from ondol.application.knowledge.types import EmbedderRef, IndexSettings, Retrieval
from ondol.core.errors import Conflict, KeyDestroyed, NotFound, SealBroken
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing, open_bytes, seal_bytes
from ondol.infrastructure.storage.postgres import Connection, load_queries, one, rows

QUERIES = load_queries("ondol.application.knowledge")

VersionState = Literal["current", "superseded", "removed", "erased"]
Origin = Literal["folder", "upload"]


@dataclass(frozen=True, slots=True)
class Base:
    """A knowledge base.

    Attributes:
        revision: moves with every change that search must see.
        analyser_id, settings: what the index version that serves was built with.
        retrieval: how it is searched.
        index_number: of the index version that serves.
    """

    id: uuid.UUID
    name: str
    revision: int
    active_index_id: uuid.UUID | None
    analyser_id: str | None
    settings: IndexSettings = IndexSettings()  # noqa: RUF009 - it is frozen
    retrieval: Retrieval = Retrieval()  # noqa: RUF009 - it is frozen
    index_number: int | None = None


@dataclass(frozen=True, slots=True)
class BaseSummary:
    """A base as it is listed."""

    id: uuid.UUID
    name: str
    revision: int
    documents: int
    passages: int


@dataclass(frozen=True, slots=True)
class Details:
    """What is known of a document's content besides its text; sealed with the document's key."""

    key: str
    path: str
    title: str


@dataclass(frozen=True, slots=True)
class KnownSource:
    """What a source file held when it was last taken in.

    Attributes:
        is_indexed: whether the index version that serves holds its passages; true also for what need not be held there.
        is_deleted: somebody deleted the document: the file is taken in again only when it has changed.
    """

    version_id: uuid.UUID
    document_id: uuid.UUID
    fingerprint: bytes
    is_indexed: bool
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """A document of a base.

    Attributes:
        audience_id: who may read it, where that was set by hand; it then holds for every version.
    """

    id: uuid.UUID
    audience_id: uuid.UUID | None


@dataclass(frozen=True, slots=True)
class SealedVersion:
    """A document version that can be indexed from what was sealed of it."""

    id: uuid.UUID
    document_id: uuid.UUID
    audience_id: uuid.UUID
    details_sealed: bytes


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A document version as it is written.

    Attributes:
        identifiers: whom it speaks of; see `identifiers.identifiers_in`.
    """

    id: uuid.UUID
    document_id: uuid.UUID
    declared_version: int
    source_hash: bytes
    fingerprint: bytes
    content_address: bytes
    audience_id: uuid.UUID
    valid_from: datetime | None
    valid_until: datetime | None
    language: str
    media_type: str
    original_bytes: int
    passage_count: int
    details_sealed: bytes
    origin: Origin = "folder"
    identifiers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class ReadableVersion:
    """A version that its caller may read now."""

    id: uuid.UUID
    document_id: uuid.UUID
    declared_version: int
    language: str
    media_type: str
    valid_from: datetime | None
    valid_until: datetime | None
    security_class: str
    content_address: bytes
    details: Details


async def ensure_base(connection: Connection, tenant_id: uuid.UUID, name: str, base_id: uuid.UUID, now: datetime) -> Base:
    """The base of a name, made with this id if absent."""
    await connection.execute(QUERIES["base_add"], {"tenant_id": tenant_id, "id": base_id, "name": name, "now": now})
    return await find_base(connection, name)


async def find_base(connection: Connection, name: str) -> Base:
    """The base of a name.

    Raises:
        NotFound: when the tenant has none of that name.
    """
    found = await one(connection, QUERIES["base_by_name"], {"name": name})
    if found is None:
        raise NotFound(f"There is no knowledge base called {name}.", "Make it with `ondol ingest FOLDER --base NAME`.", code="base_not_found")
    return _base(found)


async def get_base(connection: Connection, base_id: uuid.UUID) -> Base:
    """The base of an id.

    Raises:
        NotFound: when there is none.
    """
    found = await one(connection, QUERIES["base_by_id"], {"id": base_id})
    if found is None:
        raise NotFound("The knowledge base is gone.", code="base_not_found")
    return _base(found)


async def lock_base(connection: Connection, base_id: uuid.UUID) -> Base:
    """The base, held until the transaction ends: nobody else publishes in it or moves its pointer meanwhile.

    Raises:
        NotFound: when there is none.
    """
    await connection.execute(QUERIES["base_lock"], {"id": base_id})
    return await get_base(connection, base_id)


async def list_bases(connection: Connection) -> list[BaseSummary]:
    """Every base of the tenant, by name."""
    return [
        BaseSummary(row["id"], row["name"], row["revision"], row["documents"], row["passages"])
        for row in await rows(connection, QUERIES["bases_all"], {})
    ]


async def known_sources(connection: Connection, base_id: uuid.UUID, source_hashes: Iterable[bytes] | None = None) -> dict[bytes, KnownSource]:
    """The latest version of each source file, by the file's keyed hash; of all files, or of these."""
    values: dict[str, object] = {"base_id": base_id, "source_hashes": None if source_hashes is None else list(source_hashes)}
    return {
        bytes(row["source_hash"]): KnownSource(row["id"], row["document_id"], bytes(row["fingerprint"]), row["is_indexed"], row["is_deleted"])
        for row in await rows(connection, QUERIES["sources_known"], values)
    }


async def uploaded_versions(connection: Connection, base_id: uuid.UUID) -> list[uuid.UUID]:
    """The versions of a base that were uploaded and not taken out since."""
    return [row["id"] for row in await rows(connection, QUERIES["versions_uploaded"], {"base_id": base_id})]


async def documents_of_keys(connection: Connection, base_id: uuid.UUID, key_hashes: Iterable[bytes]) -> dict[bytes, KnownDocument]:
    """The documents that are known by these keyed hashes."""
    found = await rows(connection, QUERIES["documents_by_key"], {"base_id": base_id, "key_hashes": list(key_hashes)})
    return {bytes(row["key_hash"]): KnownDocument(row["id"], row["audience_id"]) for row in found}


async def add_document(
    connection: Connection, tenant_id: uuid.UUID, base_id: uuid.UUID, document_id: uuid.UUID, key_hash: bytes, now: datetime
) -> None:
    """A document, unless its key is known already."""
    values = {"tenant_id": tenant_id, "id": document_id, "base_id": base_id, "key_hash": key_hash, "now": now}
    await connection.execute(QUERIES["document_add"], values)


async def add_version(connection: Connection, tenant_id: uuid.UUID, base_id: uuid.UUID, row: VersionRow, now: datetime) -> uuid.UUID | None:
    """Add a version; the highest declared version of a document is current, of equal ones the later.

    Returns:
        The version that is superseded by this, which may be this one itself; None when it is the document's only one.

    Raises:
        Conflict: when the document was erased.
    """
    if await one(connection, QUERIES["document_erased"], {"id": row.document_id}) is not None:
        raise _erased_meanwhile()
    current = await one(connection, QUERIES["current_version"], {"document_id": row.document_id})
    is_older = current is not None and current["declared_version"] > row.declared_version
    if current is not None and not is_older:
        await connection.execute(QUERIES["version_supersede"], {"id": current["id"]})
    state: VersionState = "superseded" if is_older else "current"
    values: dict[str, Any] = {name: getattr(row, name) for name in VersionRow.__slots__}
    await connection.execute(QUERIES["version_add"], {**values, "tenant_id": tenant_id, "base_id": base_id, "state": state, "now": now})
    if row.identifiers:
        entities, hashes = zip(*row.identifiers, strict=True)
        found = {"tenant_id": tenant_id, "version_id": row.id, "entities": list(entities), "hashes": list(hashes)}
        await connection.execute(QUERIES["identifiers_add"], found)
    if current is None:
        return None
    return row.id if is_older else current["id"]


async def remove_versions(connection: Connection, version_ids: Sequence[uuid.UUID]) -> None:
    """Take versions out: their files are gone, or hold something else now."""
    await connection.execute(QUERIES["version_remove"], {"ids": list(version_ids)})


async def retire(connection: Connection, version_ids: Sequence[uuid.UUID], now: datetime) -> None:
    """Mask versions in every segment that holds them."""
    await connection.execute(QUERIES["segment_documents_retire"], {"version_ids": list(version_ids), "now": now})


async def touch_base(connection: Connection, base_id: uuid.UUID) -> None:
    """Move a base's revision, so that readers look again."""
    await connection.execute(QUERIES["base_touch"], {"base_id": base_id})


async def publish_segment(
    connection: Connection,
    tenant_id: uuid.UUID,
    index_id: uuid.UUID,
    segment_id: uuid.UUID,
    passage_count: int,
    version_ids: Sequence[uuid.UUID],
    now: datetime,
) -> None:
    """Make a finished segment searchable. What has ceased to be current while the segment was written is masked in it.

    Raises:
        Conflict: when it holds a document that was erased while it was written.
    """
    values = {
        "tenant_id": tenant_id,
        "id": segment_id,
        "segment_id": segment_id,
        "index_id": index_id,
        "passage_count": passage_count,
        "version_ids": list(version_ids),
        "now": now,
    }
    await connection.execute(QUERIES["segment_add"], values)
    await connection.execute(QUERIES["segment_documents_add"], values)
    await connection.execute(QUERIES["segment_documents_check"], values)
    if await one(connection, QUERIES["segment_holds_erased"], {"id": segment_id}) is not None:
        raise _erased_meanwhile()


async def live_segments(connection: Connection, index_id: uuid.UUID) -> list[tuple[uuid.UUID, int]]:
    """The searchable segments of an index version and their passages."""
    return [(row["id"], row["passage_count"]) for row in await rows(connection, QUERIES["segments_live"], {"index_id": index_id})]


async def segment_vectors(connection: Connection, index_id: uuid.UUID) -> dict[uuid.UUID, uuid.UUID]:
    """The searchable segments of an index version that have vectors, and the ids of these."""
    return {row["id"]: row["vectors_id"] for row in await rows(connection, QUERIES["segments_vectors"], {"index_id": index_id})}


async def unembedded_segments(connection: Connection, index_id: uuid.UUID) -> list[tuple[uuid.UUID, uuid.UUID | None]]:
    """The searchable segments of an index version that lack vectors, with the id of those that they have."""
    return [(row["id"], row["vectors_id"]) for row in await rows(connection, QUERIES["segments_unembedded"], {"index_id": index_id})]


async def unembedded_versions(connection: Connection, base_id: uuid.UUID | None = None) -> list[uuid.UUID]:
    """The index versions in use that have an embedder and lack vectors: of a base, or of all."""
    return [row["id"] for row in await rows(connection, QUERIES["versions_unembedded"], {"base_id": base_id})]


async def vectors_alike(connection: Connection, base_id: uuid.UUID, embedder: EmbedderRef) -> list[tuple[uuid.UUID, uuid.UUID, uuid.UUID]]:
    """The vectors that a base has of an embedder: index version, segment, and the vectors' id."""
    values = {"base_id": base_id, "embedder": msgspec.json.encode(embedder).decode()}
    return [(row["index_id"], row["id"], row["vectors_id"]) for row in await rows(connection, QUERIES["vectors_alike"], values)]


async def put_vectors(connection: Connection, segment_id: uuid.UUID, vectors_id: uuid.UUID, count: int, instead_of: uuid.UUID | None = None) -> bool:
    """Give a segment vectors; whether it is still there and had those which they take the place of."""
    values = {"id": segment_id, "vectors_id": vectors_id, "count": count, "instead_of": instead_of}
    return await one(connection, QUERIES["segment_vectors_put"], values) is not None


async def sealed_versions(connection: Connection, version_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, SealedVersion]:
    """Those of some document versions that are current."""
    found = await rows(connection, QUERIES["versions_sealed"], {"ids": list(version_ids)})
    return {row["id"]: SealedVersion(row["id"], row["document_id"], row["audience_id"], bytes(row["details_sealed"])) for row in found}


async def put_retrieval(connection: Connection, base_id: uuid.UUID, retrieval: Retrieval) -> None:
    """Say how a base is searched, from the next search on."""
    await connection.execute(QUERIES["base_retrieval"], {"base_id": base_id, "retrieval": msgspec.json.encode(retrieval).decode()})


async def next_validity_change(connection: Connection, base_id: uuid.UUID, now: datetime) -> datetime | None:
    """When the next document of a base begins or ceases to be valid."""
    found = await one(connection, QUERIES["next_validity_change"], {"base_id": base_id, "now": now})
    return found["moment"] if found else None


async def masked_versions(connection: Connection, base_id: uuid.UUID, index_id: uuid.UUID, now: datetime) -> dict[uuid.UUID, frozenset[uuid.UUID]]:
    """By segment: the document versions that may not be found now."""
    return _by_segment(await rows(connection, QUERIES["masked"], {"base_id": base_id, "index_id": index_id, "now": now}))


async def retired_versions(connection: Connection, index_id: uuid.UUID) -> dict[uuid.UUID, frozenset[uuid.UUID]]:
    """By segment: the document versions that a merge leaves out for good."""
    return _by_segment(await rows(connection, QUERIES["retired"], {"index_id": index_id}))


async def readable_versions(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    version_ids: Iterable[uuid.UUID],
    audience_ids: Iterable[uuid.UUID],
    now: datetime,
) -> dict[uuid.UUID, ReadableVersion]:
    """Of these versions those that somebody with these audiences may read now. A document whose key is destroyed is not readable."""
    values = {"ids": list(version_ids), "audience_ids": list(audience_ids), "now": now}
    return _readable(keyring, tenant_id, await rows(connection, QUERIES["confirm"], values))


async def seen_versions(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, version_ids: Iterable[uuid.UUID], audience_ids: Iterable[uuid.UUID]
) -> dict[uuid.UUID, ReadableVersion]:
    """Of these versions, seen before, those of which somebody with these audiences may be reminded, as `seen_ids` has it."""
    return _readable(
        keyring, tenant_id, await rows(connection, QUERIES["seen_versions"], {"ids": list(version_ids), "audience_ids": list(audience_ids)})
    )


async def index_names(connection: Connection, index_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, tuple[str, int]]:
    """Of some index versions, the base and the number there."""
    return {row["id"]: (row["name"], row["number"]) for row in await rows(connection, QUERIES["index_names"], {"ids": list(index_ids)})}


async def readable_ids(
    connection: Connection, version_ids: Iterable[uuid.UUID], audience_ids: Iterable[uuid.UUID], now: datetime
) -> frozenset[uuid.UUID]:
    """Of these versions those that somebody with these audiences may read now."""
    values = {"ids": list(version_ids), "audience_ids": list(audience_ids), "now": now}
    return frozenset(row["id"] for row in await rows(connection, QUERIES["confirm_ids"], values)) if values["ids"] else frozenset()


async def seen_ids(connection: Connection, version_ids: Iterable[uuid.UUID], audience_ids: Iterable[uuid.UUID]) -> frozenset[uuid.UUID]:
    """Of these versions, seen before, those of which somebody with these audiences may be reminded.

    One that was replaced is among them as long as they may read what replaced it.
    """
    values: dict[str, object] = {"ids": list(version_ids), "audience_ids": list(audience_ids)}
    return frozenset(row["id"] for row in await rows(connection, QUERIES["confirm_seen"], values)) if values["ids"] else frozenset()


async def known_versions(connection: Connection, ids: Iterable[uuid.UUID]) -> set[uuid.UUID]:
    """Those of some document versions that have a row, whatever their state."""
    return {row["id"] for row in await rows(connection, QUERIES["versions_known"], {"ids": list(ids)})}


async def version_addresses(connection: Connection, ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, tuple[uuid.UUID, bytes, int]]:
    """Of versions that have a row, whatever their state: the document, the content address and the declared number."""
    found = await rows(connection, QUERIES["version_addresses"], {"ids": list(ids)})
    return {row["id"]: (row["document_id"], bytes(row["content_address"]), row["declared_version"]) for row in found}


async def version_titles(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, str]:
    """The titles of versions, whatever their state and whoever may read them: for the platform's own checks. Erased ones are left out."""
    titles: dict[uuid.UUID, str] = {}
    for row in await rows(connection, QUERIES["version_addresses"], {"ids": list(ids)}):
        try:
            titles[row["id"]] = open_details(keyring, tenant_id, row["document_id"], row["id"], row["details_sealed"]).title
        except (KeyDestroyed, SealBroken):
            continue
    return titles


async def known_documents(connection: Connection, ids: Iterable[uuid.UUID]) -> set[uuid.UUID]:
    """Those of some documents that have a row."""
    return {row["id"] for row in await rows(connection, QUERIES["documents_known"], {"ids": list(ids)})}


def seal_details(keyring: KeyRing, tenant_id: uuid.UUID, document_id: uuid.UUID, version_id: uuid.UUID, details: Details) -> bytes:
    """Seal a version's details with its document's key, bound to the version."""
    plain = json.dumps({"key": details.key, "path": details.path, "title": details.title}, ensure_ascii=False).encode()
    return seal_bytes(keyring.get(KeyOwner(tenant_id, "document", document_id)), plain, b"details" + version_id.bytes)


def open_details(keyring: KeyRing, tenant_id: uuid.UUID, document_id: uuid.UUID, version_id: uuid.UUID, sealed: bytes) -> Details:
    """Open a version's details.

    Raises:
        KeyDestroyed: when the document was erased.
    """
    key = keyring.get(KeyOwner(tenant_id, "document", document_id))
    return Details(**json.loads(open_bytes(key, bytes(sealed), b"details" + version_id.bytes)))


def _erased_meanwhile() -> Conflict:
    return Conflict("A document was erased while it was being taken in.", "Run it again.", code="document_erased")


def _readable(keyring: KeyRing, tenant_id: uuid.UUID, found: Iterable[Mapping[str, Any]]) -> dict[uuid.UUID, ReadableVersion]:
    readable: dict[uuid.UUID, ReadableVersion] = {}
    for row in found:
        try:
            details = open_details(keyring, tenant_id, row["document_id"], row["id"], row["details_sealed"])
        except KeyDestroyed:
            continue
        kept = {name: value for name, value in row.items() if name != "details_sealed"}
        readable[row["id"]] = ReadableVersion(**kept, details=details)
    return readable


def _base(row: Mapping[str, Any]) -> Base:
    settings = msgspec.convert(row["settings"] or {}, IndexSettings)
    retrieval = msgspec.convert(row["retrieval"], Retrieval)
    return Base(row["id"], row["name"], row["revision"], row["active_index_id"], row["analyser_id"], settings, retrieval, row["index_number"])


def _by_segment(found: Iterable[Mapping[str, Any]]) -> dict[uuid.UUID, frozenset[uuid.UUID]]:
    grouped: dict[uuid.UUID, set[uuid.UUID]] = {}
    for row in found:
        grouped.setdefault(row["segment_id"], set()).add(row["document_version_id"])
    return {segment_id: frozenset(ids) for segment_id, ids in grouped.items()}

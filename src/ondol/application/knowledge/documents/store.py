"""What Postgres holds of documents one at a time."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.store import Details, Origin, SealedVersion, open_details
from ondol.core.errors import KeyDestroyed, NotFound
from ondol.infrastructure.access.types import SecurityClass
from ondol.infrastructure.storage.postgres import Connection, load_queries, one, rows

QUERIES = load_queries("ondol.application.knowledge.documents")

ListedState = Literal["current", "scheduled", "expired", "removed"]
"""Of a document: it is found now, not yet, no longer, or not at all."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document with the version that stands for it: the current one, or the last of one that was removed.

    Attributes:
        id: of the document; it stays the same whatever its key and versions are.
        set_audience_id: who may read it, where that was set by hand.
    """

    id: uuid.UUID
    base_id: uuid.UUID
    key_hash: bytes
    set_audience_id: uuid.UUID | None
    version_id: uuid.UUID
    audience_id: uuid.UUID
    declared_version: int
    source_hash: bytes
    fingerprint: bytes
    origin: Origin
    valid_from: datetime | None
    valid_until: datetime | None
    language: str
    media_type: str
    original_bytes: int
    passage_count: int
    details_sealed: bytes
    state: str
    created_at: datetime
    details: Details

    @property
    def sealed(self) -> SealedVersion:
        """The version as what was sealed of it."""
        return SealedVersion(self.version_id, self.id, self.audience_id, self.details_sealed)

    def state_at(self, now: datetime) -> ListedState:
        """Whether it is found at a moment."""
        if self.state != "current":
            return "removed"
        if self.valid_from is not None and self.valid_from > now:
            return "scheduled"
        return "expired" if self.valid_until is not None and self.valid_until <= now else "current"


@dataclass(frozen=True, slots=True)
class Access:
    """What a rule says: a class, and the groups and people that it is for; everybody up to their clearance where there are none.

    Attributes:
        rule: what of attributes a reader must have, as it is written; empty for nothing.
    """

    security_class: SecurityClass
    groups: tuple[str, ...]
    people: tuple[uuid.UUID, ...]
    rule: str


async def audiences_of(room: Knowledge, connection: Connection, tenant_id: uuid.UUID, person_id: uuid.UUID | None) -> list[uuid.UUID] | None:
    """What a person may read now; None for whoever runs the installation, who stands above it."""
    return None if person_id is None else list((await room.visible.of(connection, tenant_id, person_id)).audience_ids)


async def find_document(
    room: Knowledge,
    connection: Connection,
    tenant_id: uuid.UUID,
    base_id: uuid.UUID,
    person_id: uuid.UUID | None,
    *,
    document_id: uuid.UUID | None = None,
    key_hash: bytes | None = None,
) -> Document | None:
    """The document of an id or a key's hash with its current version; None when there is none that the person may read."""
    audience_ids = await audiences_of(room, connection, tenant_id, person_id)
    values: dict[str, object] = {"base_id": base_id, "id": document_id, "key_hash": key_hash, "audience_ids": audience_ids}
    found = await one(connection, QUERIES["document_current"], values)
    return None if found is None else _document(room, tenant_id, found)


async def get_document(
    room: Knowledge, connection: Connection, tenant_id: uuid.UUID, base_id: uuid.UUID, document_id: uuid.UUID, person_id: uuid.UUID | None
) -> Document:
    """The document of an id with its current version.

    Raises:
        NotFound: when there is none that the person may read; the two cases look the same.
    """
    found = await find_document(room, connection, tenant_id, base_id, person_id, document_id=document_id)
    if found is None:
        raise document_absent()
    return found


async def is_taken(connection: Connection, base_id: uuid.UUID, key_hash: bytes) -> bool:
    """Whether a document is called so, whoever may read it."""
    found = await one(connection, QUERIES["key_taken"], {"base_id": base_id, "key_hash": key_hash})
    return bool(found and found["taken"])


async def page_of_documents(
    room: Knowledge,
    connection: Connection,
    tenant_id: uuid.UUID,
    base_id: uuid.UUID,
    person_id: uuid.UUID | None,
    *,
    state: ListedState,
    after: uuid.UUID | None,
    limit: int,
    key_hash: bytes | None = None,
) -> tuple[list[Document], uuid.UUID | None]:
    """A page of the documents that a person may read, oldest first, and what the next page begins after; None when this is the last.

    Args:
        key_hash: only the document that is called so.
    """
    values: dict[str, object] = {
        "base_id": base_id,
        "audience_ids": await audiences_of(room, connection, tenant_id, person_id),
        "state": state,
        "after": after,
        "now": room.clock(),
        "limit": limit + 1,
        "key_hash": key_hash,
    }
    found = await rows(connection, QUERIES["documents_removed_page" if state == "removed" else "documents_page"], values)
    documents = [document for row in found[:limit] if (document := _document(room, tenant_id, row)) is not None]
    return documents, found[limit - 1]["id"] if len(found) > limit else None


async def access_of(connection: Connection, audience_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Access]:
    """What the rules of audiences say."""
    found = await rows(connection, QUERIES["access_of_audiences"], {"ids": list(set(audience_ids))})
    return {row["id"]: Access(row["security_class"], tuple(row["groups"]), tuple(row["people"]), _written(row["clauses"])) for row in found}


def _written(clauses: Sequence[Sequence[str]]) -> str:
    """Clauses as rows of number, name and value, in their order, as a rule."""
    by_number: dict[str, dict[str, list[str]]] = {}
    for number, name, value in clauses:
        by_number.setdefault(number, {}).setdefault(name, []).append(f'"{value}"')
    return " and ".join(f"{name} in ({', '.join(values)})" for clause in by_number.values() for name, values in clause.items())


def document_absent() -> NotFound:
    """There is none, or the caller may not know that there is."""
    return NotFound("There is no such document.", "List what there is: GET /api/v1/bases/{base}/documents.", code="document_not_found")


def _document(room: Knowledge, tenant_id: uuid.UUID, row: Mapping[str, Any]) -> Document | None:
    """None for one whose key is destroyed."""
    try:
        details = open_details(room.keyring, tenant_id, row["id"], row["version_id"], row["details_sealed"])
    except KeyDestroyed:
        return None
    return Document(**row, details=details)

"""What Postgres holds of attachments: names and titles are sealed under the key of the person whose they are."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.store import Details, ReadableVersion
from ondol.core.errors import KeyDestroyed, NotFound, SealBroken
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing, open_bytes, seal_bytes
from ondol.infrastructure.storage.postgres import Connection, load_queries, one, rows

QUERIES = load_queries("ondol.application.knowledge.attachments")
ATTACHED_VERSION = 1
"""The number that an answer's record has for the only version of a file."""
FILES_HIGHEST = 100
"""A thread has at most so many files, whatever the settings say."""

AttachmentState = Literal["received", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that somebody brought to a conversation.

    Attributes:
        thread_id: None while it waits for the first question.
        title: as the file says, or its name without the ending; its name until it is read.
        language, passages: of what was read; empty and 0 before.
        failure: a word for why it could not be read; `detail` says it in a sentence.
    """

    id: uuid.UUID
    person_id: uuid.UUID
    thread_id: uuid.UUID | None
    state: AttachmentState
    size_bytes: int
    media_type: str
    content_address: bytes
    language: str
    passages: int
    failure: str | None
    created_at: datetime
    name: str
    title: str
    detail: str

    @property
    def version(self) -> ReadableVersion:
        """It as what an answer cites: a document of one version, of no class, whose only reader is its person."""
        details = Details(self.name, self.name, self.title)
        return ReadableVersion(self.id, self.id, ATTACHED_VERSION, self.language, self.media_type, None, None, "", self.content_address, details)


async def files_of_thread(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, thread_id: uuid.UUID) -> list[Attachment]:
    """The files of a thread, in the order in which they came. Who may see the thread is for the caller to know."""
    found = await rows(connection, QUERIES["attachments_of_thread"], {"thread_id": thread_id, "limit": FILES_HIGHEST})
    return [attachment_of(keyring, tenant_id, row) for row in found]


async def files_in_hand(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, person_id: uuid.UUID) -> list[Attachment]:
    """The files of a person that wait for the first question of a thread."""
    found = await rows(connection, QUERIES["attachments_in_hand"], {"person_id": person_id, "limit": FILES_HIGHEST})
    return [attachment_of(keyring, tenant_id, row) for row in found]


async def find_file(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, attachment_id: uuid.UUID) -> Attachment:
    """A file, whosesoever it is.

    Raises:
        NotFound: when there is none, or its person is being erased.
    """
    found = await one(connection, QUERIES["attachment_by_id"], {"id": attachment_id})
    if found is None:
        raise attachment_absent()
    try:
        return attachment_of(keyring, tenant_id, found)
    except KeyDestroyed as error:
        raise attachment_absent() from error


async def files_told(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    ids: Collection[uuid.UUID],
    *,
    thread_id: uuid.UUID | None = None,
    person_id: uuid.UUID | None = None,
) -> dict[uuid.UUID, ReadableVersion]:
    """Of some files those of a thread, or of a person, as answers tell of them."""
    if not ids:
        return {}
    values: dict[str, object] = {"ids": list(ids), "thread_id": thread_id, "person_id": person_id}
    found = await rows(connection, QUERIES["attachments_told"], values)
    return {row["id"]: attachment_of(keyring, tenant_id, row).version for row in found}


async def attached_titles(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, ids: Collection[uuid.UUID], person_id: uuid.UUID
) -> dict[uuid.UUID, str]:
    """The titles of a person's files, for the platform's own checks. Those of somebody who was erased are left out."""
    try:
        found = await files_told(connection, keyring, tenant_id, ids, person_id=person_id)
    except (KeyDestroyed, SealBroken):
        return {}
    return {version_id: version.details.title for version_id, version in found.items()}


async def standing_ids(connection: Connection, ids: Collection[uuid.UUID]) -> frozenset[uuid.UUID]:
    """Those of some files that are still in a thread."""
    return frozenset(row["id"] for row in await rows(connection, QUERIES["attachments_standing"], {"ids": list(ids)})) if ids else frozenset()


async def known_addresses(connection: Connection, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, bytes]:
    """The content addresses of those of some files that are there."""
    return {row["id"]: bytes(row["content_address"]) for row in await rows(connection, QUERIES["attachments_known"], {"ids": list(ids)})}


async def bind_files(connection: Connection, person_id: uuid.UUID, thread_id: uuid.UUID, ids: Collection[uuid.UUID], now: datetime) -> None:
    """Put files that waited into the thread that began with them."""
    if ids:
        values = {"ids": list(ids), "person_id": person_id, "thread_id": thread_id, "now": now}
        await connection.execute(QUERIES["attachments_bind"], values)


async def release_files(connection: Connection, person_id: uuid.UUID, thread_id: uuid.UUID, turn_id: uuid.UUID) -> None:
    """Let the files of a thread wait again whose only turn is taken back."""
    await connection.execute(QUERIES["attachments_unbind"], {"thread_id": thread_id, "person_id": person_id, "turn_id": turn_id})


def attachment_of(keyring: KeyRing, tenant_id: uuid.UUID, row: Mapping[str, Any]) -> Attachment:
    """A row, opened.

    Raises:
        KeyDestroyed: when its person was erased.
    """
    key = keyring.get(KeyOwner(tenant_id, "subject", row["person_id"]))
    details = json.loads(open_bytes(key, bytes(row["details_sealed"]), _context(row["id"])))
    sealed = row["detail_sealed"]
    detail = open_bytes(key, bytes(sealed), b"failure" + _context(row["id"])).decode() if sealed is not None else ""
    plain = {name: value for name, value in row.items() if name not in ("details_sealed", "detail_sealed", "attempts")}
    return Attachment(**{**plain, "content_address": bytes(row["content_address"]), "language": row["language"] or ""}, **details, detail=detail)


def seal_details(room: Knowledge, tenant_id: uuid.UUID, person_id: uuid.UUID, attachment_id: uuid.UUID, name: str, title: str) -> bytes:
    """The name and the title of a file, sealed."""
    key = room.keyring.get_or_create(KeyOwner(tenant_id, "subject", person_id))
    return seal_bytes(key, json.dumps({"name": name, "title": title}, ensure_ascii=False).encode("utf-8", "replace"), _context(attachment_id))


def seal_failure(room: Knowledge, tenant_id: uuid.UUID, person_id: uuid.UUID, attachment_id: uuid.UUID, detail: str) -> bytes:
    """Why a file could not be read, sealed: it may name what stands in the file."""
    key = room.keyring.get(KeyOwner(tenant_id, "subject", person_id))
    return seal_bytes(key, detail.encode("utf-8", "replace"), b"failure" + _context(attachment_id))


def attachment_absent() -> NotFound:
    """There is no such file of this person, or in a thread that they may read."""
    return NotFound("There is no such attachment.", "GET /api/v1/attachments lists yours.", code="attachment_not_found", param="ondol.attachments")


def _context(attachment_id: uuid.UUID) -> bytes:
    return b"attachment" + attachment_id.bytes

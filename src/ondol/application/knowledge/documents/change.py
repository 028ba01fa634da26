"""Documents are added, replaced, moved, restricted and deleted, one at a time.

Each change is one transaction, and the next search sees it. Whoever changes a document must be able to read it; for others it is not there. None
as a person is whoever runs the installation, who stands above rules.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, replace
from datetime import datetime

from ondol.application.knowledge import store
from ondol.application.knowledge.committing import Check, Committed, Item, Placed, Writer
from ondol.application.knowledge.contents import SealedContent
from ondol.application.knowledge.documents.store import QUERIES, Document, document_absent, get_document, is_taken
from ondol.application.knowledge.frontmatter import KEY_CHARS_MAX, document_key_hash, is_document_key
from ondol.application.knowledge.index_versions import ensure_version
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.canonical import Json
from ondol.core.errors import Conflict, RequestError
from ondol.infrastructure.access.audiences import audience_for
from ondol.infrastructure.access.types import AccessRule
from ondol.infrastructure.ledger import Link, add_links, record
from ondol.infrastructure.storage.postgres import Connection, rows

FREE_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change came to: the document, its current version, and whether anything is other than before."""

    document_id: uuid.UUID
    version_id: uuid.UUID
    base_id: uuid.UUID
    changed: bool = True


def check_key(key: str) -> str:
    """The key, if a document may be called so.

    Raises:
        RequestError: otherwise.
    """
    if not is_document_key(key):
        raise RequestError(
            "A document cannot be called so.", f"A key is a text on one line of at most {KEY_CHARS_MAX} characters.", code="bad_key", param="key"
        )
    return key


def unchanged_since(writer: Writer, document: Document) -> Check:
    """Refuse to commit what rests on a version that is current no more."""

    async def check(connection: Connection) -> None:
        current = await rows(connection, store.QUERIES["current_version"], {"document_id": document.id})
        if [row["id"] for row in current] != [document.version_id]:
            raise Conflict(f"The document changed meanwhile in {writer.base.name}.", "Look at it and try again.", code="document_changed")

    return check


async def delete_document(
    room: Knowledge, tenant_id: uuid.UUID, base_id: uuid.UUID, document_id: uuid.UUID, *, person_id: uuid.UUID | None
) -> Changed:
    """Take a document out, with its earlier versions: from the commit on no search finds it. It waits for no other writer.

    A file that has not changed does not bring it back. What was sealed of it stays until it is erased.

    Raises:
        NotFound: when there is none that the person may read.
    """
    now = room.clock()
    async with room.database.tenant_tx(tenant_id) as connection:
        await store.lock_base(connection, base_id)
        document = await get_document(room, connection, tenant_id, base_id, document_id, person_id)
        await _take_out(connection, document, now)
        body = {"base": base_id, "document": document.id, "version": document.version_id}
        await record(connection, tenant_id, kind="document.deleted", actor_id=person_id, body=body, now=now)
    return Changed(document.id, document.version_id, base_id)


async def restrict_document(
    room: Knowledge, tenant_id: uuid.UUID, base_id: uuid.UUID, document_id: uuid.UUID, rule: AccessRule, *, person_id: uuid.UUID | None
) -> Changed:
    """Set who may read a document, for this version and later ones, whatever their files say.

    The audience lies in the index with every passage, so this is a new version of the same content; the old one is gone from searches with the
    same commit.

    Raises:
        NotFound: when there is none that the person may read.
        Conflict: when it changed meanwhile, or no turn came to write.
    """
    writer, document = await _begin(room, tenant_id, base_id, document_id, person_id)
    async with room.database.tenant_tx(tenant_id) as connection:
        audience_id = await audience_for(connection, tenant_id, rule, room.clock())
    if audience_id == document.audience_id == document.set_audience_id:
        return Changed(document.id, document.version_id, base_id, changed=False)

    async def judge(_: Connection, __: datetime) -> list[Placed]:
        return [Placed(_item(writer, document, document.details.key), audience_id)]

    async def also(connection: Connection, committed: Committed, now: datetime) -> None:
        await connection.execute(QUERIES["access_put"], {"id": document.id, "audience_id": audience_id})
        body = {"base": base_id, "document": document.id, "from": document.audience_id, "to": audience_id, "version": committed.rows[0].id}
        await record(connection, tenant_id, kind="document.restricted", actor_id=person_id, body=body, now=now)

    committed = await writer.commit(judge, check=unchanged_since(writer, document), also=also)
    return Changed(document.id, committed.rows[0].id, base_id)


async def rename_document(
    room: Knowledge, tenant_id: uuid.UUID, base_id: uuid.UUID, document_id: uuid.UUID, key: str, *, person_id: uuid.UUID | None
) -> Changed:
    """Call a document by another key in its base. Its id, versions and readers stay.

    Raises:
        NotFound: when there is none that the person may read.
        RequestError: when a document cannot be called so.
        Conflict: when another one is called so, or no turn came to write.
    """
    check_key(key)
    writer, _ = await _begin(room, tenant_id, base_id, document_id, person_id)
    key_hash = document_key_hash(writer.key, key)
    async with writer.turn(), room.database.tenant_tx(tenant_id) as connection:
        now = room.clock()
        await store.lock_base(connection, base_id)
        document = await get_document(room, connection, tenant_id, base_id, document_id, person_id)
        if document.key_hash == key_hash:
            return Changed(document.id, document.version_id, base_id, changed=False)
        await free_key(connection, base_id, key_hash)
        await connection.execute(QUERIES["key_put"], {"id": document.id, "key_hash": key_hash})
        for row in await rows(connection, QUERIES["versions_of_document"], {"document_id": document.id}):
            details = store.open_details(room.keyring, tenant_id, document.id, row["id"], row["details_sealed"])
            sealed = store.seal_details(room.keyring, tenant_id, document.id, row["id"], store.Details(key, details.path, details.title))
            await connection.execute(QUERIES["details_put"], {"id": row["id"], "details_sealed": sealed})
        await store.touch_base(connection, base_id)
        body = {"base": base_id, "document": document.id, "version": document.version_id}
        await record(connection, tenant_id, kind="document.moved", actor_id=person_id, body=body, now=now)
    return Changed(document.id, document.version_id, base_id)


async def move_document(
    room: Knowledge,
    tenant_id: uuid.UUID,
    base_id: uuid.UUID,
    document_id: uuid.UUID,
    to_base_id: uuid.UUID,
    *,
    key: str | None,
    person_id: uuid.UUID | None,
) -> Changed:
    """Move a document to another base: it is added there and deleted here in one transaction. Its readers stay the same; it gets a new id.

    Args:
        key: what it is called there; the same as here when absent.

    Raises:
        NotFound: when there is none that the person may read.
        RequestError: when a document cannot be called so.
        Conflict: when one is called so there, it changed meanwhile, or no turn came to write.
    """
    if to_base_id == base_id:
        raise RequestError("The document is in this base already.", "Give another base, or a key only.", code="same_base")
    async with room.database.tenant_tx(tenant_id) as connection:
        document = await get_document(room, connection, tenant_id, base_id, document_id, person_id)
    writer = await open_writer(room, tenant_id, to_base_id, person_id)
    # No run over a folder of the other base may take it out.
    item = replace(_item(writer, document, check_key(key or document.details.key)), origin="upload")

    async def judge(connection: Connection, _: datetime) -> list[Placed]:
        await free_key(connection, to_base_id, item.key_hash)
        return [Placed(item, document.audience_id)]

    async def also(connection: Connection, committed: Committed, now: datetime) -> None:
        [row] = committed.rows
        await connection.execute(QUERIES["access_put"], {"id": row.document_id, "audience_id": document.set_audience_id})
        await _take_out(connection, document, now)
        await add_links(connection, tenant_id, [Link(row.id, document.version_id, "derived_from")], now)
        to: dict[str, Json] = {"base": to_base_id, "document": row.document_id}
        body: dict[str, Json] = {"base": base_id, "document": document.id, "version": document.version_id, "to": to}
        await record(connection, tenant_id, kind="document.moved", actor_id=person_id, body=body, now=now)

    committed = await writer.commit(judge, check=unchanged_since(writer, document), also=also, held=[base_id])
    return Changed(committed.rows[0].document_id, committed.rows[0].id, to_base_id)


async def open_writer(room: Knowledge, tenant_id: uuid.UUID, base_id: uuid.UUID, person_id: uuid.UUID | None) -> Writer:
    """A writer of a base whose index serves, in the name of a person.

    Raises:
        NotFound: when the base is gone.
        Conflict: when its index is being built elsewhere.
    """
    await ensure_version(room, tenant_id, base_id, None, actor_id=person_id)
    async with room.database.tenant_tx(tenant_id) as connection:
        writer = Writer(room, tenant_id, await store.get_base(connection, base_id), person_id)
        await writer.look(connection)
    return writer


async def free_key(connection: Connection, base_id: uuid.UUID, key_hash: bytes) -> None:
    """See that no document is called so; one that was taken out gives its key up. The caller has the base's turn.

    Raises:
        Conflict: when one that is there is called so.
    """
    if await is_taken(connection, base_id, key_hash):
        raise Conflict("There is a document of this key already.", "Replace it, or choose another key.", code="document_exists")
    free_hash = os.urandom(FREE_HASH_BYTES)
    await connection.execute(QUERIES["key_release"], {"base_id": base_id, "key_hash": key_hash, "free_hash": free_hash})


async def _begin(
    room: Knowledge, tenant_id: uuid.UUID, base_id: uuid.UUID, document_id: uuid.UUID, person_id: uuid.UUID | None
) -> tuple[Writer, Document]:
    """A writer, and the document that is to be changed.

    Raises:
        NotFound: when there is none that the person may read.
    """
    async with room.database.tenant_tx(tenant_id) as connection:
        await get_document(room, connection, tenant_id, base_id, document_id, person_id)
    writer = await open_writer(room, tenant_id, base_id, person_id)
    async with room.database.tenant_tx(tenant_id) as connection:
        return writer, await get_document(room, connection, tenant_id, base_id, document_id, person_id)


def _item(writer: Writer, document: Document, key: str) -> Item:
    """A further version of a document's content."""
    return Item(
        key=key,
        key_hash=document_key_hash(writer.key, key),
        name=document.details.path,
        title=document.details.title,
        source_hash=document.source_hash,
        fingerprint=document.fingerprint,
        origin=document.origin,
        declared_version=document.declared_version,
        valid_from=document.valid_from,
        valid_until=document.valid_until,
        language=document.language,
        media_type=document.media_type,
        content=SealedContent(writer.room, writer.tenant_id, document.sealed),
    )


async def _take_out(connection: Connection, document: Document, now: datetime) -> None:
    """Mask every version of a document, in every index version, and see that readers look again."""
    versions = [row["id"] for row in await rows(connection, QUERIES["versions_of_document"], {"document_id": document.id})]
    if document.version_id not in versions:
        raise document_absent()
    await connection.execute(QUERIES["versions_delete"], {"document_id": document.id})
    await store.retire(connection, versions, now)
    await store.touch_base(connection, document.base_id)

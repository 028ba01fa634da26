"""Document versions become searchable: sealed, written to every index version that wants them, and made visible in one transaction.

A batch is committed by whoever has the base's turn to write, and turns last a second or two, so that one document does not wait for a folder. A
process that is killed leaves blobs and a segment folder that nothing names; they are swept.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ondol.application.knowledge import store
from ondol.application.knowledge.content import write_passages
from ondol.application.knowledge.cuts import Cut
from ondol.application.knowledge.identifiers import identifiers_in
from ondol.application.knowledge.index import ANALYSER_ID, build_segments
from ondol.application.knowledge.index_versions.build import publish
from ondol.application.knowledge.index_versions.store import written_versions
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.segments import COMMIT_SECONDS_MAX
from ondol.application.knowledge.types import IndexSettings
from ondol.core.canonical import Json
from ondol.core.errors import Conflict
from ondol.infrastructure.ledger import Link, NewArtefact, add_artefacts, add_links, record
from ondol.infrastructure.storage.blobs import BlobInfo, KeyOwner
from ondol.infrastructure.storage.lance import IndexPlace, SegmentInfo
from ondol.infrastructure.storage.postgres import Connection

WAIT_SECONDS_MAX = 60.0
"""A writer waits so long for its turn; another one has it for a second or two."""

PUBLISH_ROUNDS_MAX = 8
"""So often a batch is written to index versions that came up while it was written to the others."""

VersionPlace = tuple[uuid.UUID, uuid.UUID, uuid.UUID]
"""Tenant, document and version: where the sealed blobs of a version lie."""


class Content(Protocol):
    """What a version holds, wherever it comes from. Its methods are synchronous and may take seconds."""

    def cut_by(self, settings: IndexSettings) -> Cut:
        """Its passages as an index version wants them."""

    def text(self) -> str:
        """The text that its passages are cut from."""

    def seal(self, room: Knowledge, place: VersionPlace, first: IndexSettings) -> BlobInfo:
        """Write the original, and the text with its passages by a first cut; what is known of the original. The document has a key."""


@dataclass(frozen=True, slots=True)
class Item:
    """A document version that is to be.

    Attributes:
        name: the file's path in its folder, or its name as it was uploaded.
        source_hash: a keyed digest of where it came from.
        fingerprint: a keyed digest of all that decides whether it must be taken in again.
    """

    key: str
    key_hash: bytes
    name: str
    title: str
    source_hash: bytes
    fingerprint: bytes
    origin: store.Origin
    declared_version: int
    valid_from: datetime | None
    valid_until: datetime | None
    language: str
    media_type: str
    content: Content


@dataclass(frozen=True, slots=True)
class Placed:
    """An item, who may read it, and the version that it takes the place of, whose content is gone: it is removed, not superseded."""

    item: Item
    audience_id: uuid.UUID
    replaces: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """What a batch became; counts are of documents.

    Attributes:
        rows: the versions, in the order of the batch.
    """

    rows: tuple[store.VersionRow, ...] = ()
    added: int = 0
    changed: int = 0
    superseded: int = 0
    passages: int = 0


Judge = Callable[[Connection, datetime], Awaitable[Sequence[Placed]]]
"""Says what is committed, once the base's turn is there: nobody else adds a version until it is. What it raises, `Writer.commit` raises."""

Check = Callable[[Connection], Awaitable[None]]
"""Asked in the transaction that commits, with the base held, before anything is written there; raises to have nothing committed."""

Also = Callable[[Connection, Committed, datetime], Awaitable[None]]
"""What else is written in the transaction that commits."""


async def _always(_: Connection) -> None:
    """Nothing stands against it."""


async def _nothing(_: Connection, __: Committed, ___: datetime) -> None:
    """Nothing else is written."""


@dataclass(slots=True)
class Writer:
    """Whoever adds versions to one base; others may write to it between two batches."""

    room: Knowledge
    tenant_id: uuid.UUID
    base: store.Base
    actor_id: uuid.UUID | None
    wait_s: float = WAIT_SECONDS_MAX
    settings: tuple[IndexSettings, ...] = ()

    @property
    def key(self) -> bytes:
        """The tenant's key for keyed digests of knowledge."""
        return self.room.tenant_key(self.tenant_id, "knowledge")

    async def look(self, connection: Connection) -> None:
        """See how documents are cut for the index versions that are written to; as the one that serves wants it, first."""
        self.base = await store.get_base(connection, self.base.id)
        written = await written_versions(connection, self.base.id, ANALYSER_ID)
        self.settings = tuple(dict.fromkeys((self.base.settings.sizes, *written.values())))

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """This writer's turn; those who wait for theirs are served in order.

        Raises:
            Conflict: when it did not come in time.
        """
        async with self.room.database.writer_lock(self.base.id, wait_s=self.wait_s) as free:
            if not free:
                raise Conflict(f"Others are writing to the base {self.base.name}.", "Try again when they have ended.", code="base_busy")
            yield

    async def commit(self, judge: Judge, *, check: Check = _always, also: Also = _nothing, held: Sequence[uuid.UUID] = ()) -> Committed:
        """Seal a batch, write its segments, and make all of it visible in one transaction.

        Args:
            held: other bases that the same transaction changes.

        Raises:
            Conflict: when no turn came, the index versions change too often, or the batch took too long.
        """
        async with self.turn():
            now = self.room.clock()
            async with self.room.database.tenant_tx(self.tenant_id) as connection:
                batch = await judge(connection, now)
                known = await store.documents_of_keys(connection, self.base.id, {placed.item.key_hash for placed in batch})
            if not batch:
                return Committed()
            ids = {key_hash: document.id for key_hash, document in known.items()}
            fresh = {placed.item.key_hash: self.room.make_id() for placed in batch if placed.item.key_hash not in ids}
            ids |= fresh
            rows = await asyncio.to_thread(lambda: [self._seal(placed, ids[placed.item.key_hash]) for placed in batch])
            return await self._publish(_Batch(batch, rows, fresh, now), check, also, held)

    async def _publish(self, batch: _Batch, check: Check, also: Also, held: Sequence[uuid.UUID]) -> Committed:
        """Write a batch to each index version that wants it, which are known for certain only once the base is held."""
        segments: dict[uuid.UUID, list[SegmentInfo]] = {}
        for _ in range(PUBLISH_ROUNDS_MAX):
            if (self.room.clock() - batch.now).total_seconds() > COMMIT_SECONDS_MAX:
                raise Conflict("Taking in a batch of documents took too long.", "Run it again.", code="batch_too_slow")
            async with self.room.database.tenant_tx(self.tenant_id) as connection:
                # In one order, so that two who move documents both ways do not wait for each other.
                for base_id in sorted({self.base.id, *held}):
                    await store.lock_base(connection, base_id)
                base = await store.get_base(connection, self.base.id)
                wanted = await written_versions(connection, base.id, ANALYSER_ID)
                if base.active_index_id not in wanted:
                    raise Conflict(
                        f"The index of {base.name} was replaced by one that this version cannot write.", "Run it again.", code="index_outdated"
                    )
                if wanted.keys() <= segments.keys():
                    await check(connection)
                    committed = await self._commit_rows(connection, batch, sum(segment.passage_count for segment in segments[base.active_index_id]))
                    for index_id in wanted:
                        for segment in segments[index_id]:
                            await publish(connection, self.tenant_id, index_id, segment, batch.now)
                    await also(connection, committed, batch.now)
                    return committed
            for index_id in wanted.keys() - segments.keys():
                segments[index_id] = await asyncio.to_thread(self._write_segments, index_id, wanted[index_id], batch)
        raise Conflict(f"The index versions of {self.base.name} change too often.", "Run it again.", code="base_changing")

    async def _commit_rows(self, connection: Connection, batch: _Batch, passages: int) -> Committed:
        for key_hash, document_id in batch.fresh.items():
            await store.add_document(connection, self.tenant_id, self.base.id, document_id, key_hash, batch.now)
        replaced = [placed.replaces for placed in batch.placed if placed.replaces is not None]
        await store.remove_versions(connection, replaced)
        superseded = []
        for row in batch.rows:
            older = await store.add_version(connection, self.tenant_id, self.base.id, row, batch.now)
            if older is not None:
                superseded.append(older)
        await store.retire(connection, [*replaced, *superseded], batch.now)
        await store.touch_base(connection, self.base.id)
        await self._write_lineage(connection, batch.rows, batch.now)
        return Committed(tuple(batch.rows), len(batch.rows) - len(replaced), len(replaced), len(superseded), passages)

    def _seal(self, placed: Placed, document_id: uuid.UUID) -> store.VersionRow:
        """Seal a document's original, text and details under the document's own key."""
        item, version_id, room = placed.item, self.room.make_id(), self.room
        place = self.tenant_id, document_id, version_id
        room.keyring.get_or_create(KeyOwner(self.tenant_id, "document", document_id))
        first, *others = self.settings
        original = item.content.seal(room, place, first)
        for settings in others:
            write_passages(room.blobs, *place, item.content.cut_by(settings).passages, settings.cut)
        details = store.Details(item.key, item.name, item.title)
        return store.VersionRow(
            id=version_id,
            document_id=document_id,
            declared_version=item.declared_version,
            source_hash=item.source_hash,
            fingerprint=item.fingerprint,
            content_address=original.content_address,
            audience_id=placed.audience_id,
            valid_from=item.valid_from,
            valid_until=item.valid_until,
            language=item.language,
            media_type=item.media_type,
            original_bytes=original.plain_bytes,
            passage_count=len(item.content.cut_by(first).passages),
            details_sealed=store.seal_details(room.keyring, self.tenant_id, document_id, version_id, details),
            origin=item.origin,
            identifiers=identifiers_in(item.content.text(), room.tenant_key(self.tenant_id, "identifiers")),
        )

    def _write_segments(self, index_id: uuid.UUID, settings: IndexSettings, batch: _Batch) -> list[SegmentInfo]:
        """Write the folders of the batch's segments in one index version; none when it holds no passage."""
        pairs = [(placed.item.content, row) for placed, row in zip(batch.placed, batch.rows, strict=True)]
        if settings not in self.settings:
            for content, row in pairs:
                write_passages(self.room.blobs, self.tenant_id, row.document_id, row.id, content.cut_by(settings).passages, settings.cut)
        documents = (content.cut_by(settings).indexed(row.id, row.audience_id) for content, row in pairs)
        place = IndexPlace(self.tenant_id, self.base.id, index_id)
        return list(build_segments(self.room.lance, place, documents, self.room.tenant_key(self.tenant_id, "terms")))

    async def _write_lineage(self, connection: Connection, rows: Sequence[store.VersionRow], now: datetime) -> None:
        """Record where each version came from, and that it happened."""
        documents = {row.document_id: NewArtefact(id=row.document_id, kind="document") for row in rows}
        versions = [NewArtefact(id=row.id, kind="document_version", address=row.content_address) for row in rows]
        await add_artefacts(connection, self.tenant_id, [*documents.values(), *versions], now)
        await add_links(connection, self.tenant_id, [Link(row.id, row.document_id, "derived_from") for row in rows], now)
        for row in rows:
            body: dict[str, Json] = {"base": self.base.id, "document": row.document_id, "version": row.id, "address": row.content_address}
            await record(connection, self.tenant_id, kind="document.ingested", actor_id=self.actor_id, body=body, now=now)


@dataclass(frozen=True, slots=True)
class _Batch:
    """What is committed together, sealed; `fresh` are the documents that are new, by the hashes of their keys."""

    placed: Sequence[Placed]
    rows: Sequence[store.VersionRow]
    fresh: Mapping[bytes, uuid.UUID]
    now: datetime

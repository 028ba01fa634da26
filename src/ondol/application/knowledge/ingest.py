"""A folder of files becomes searchable documents.

Each file is read, parsed, cut into passages and analysed; originals and texts are sealed; a batch of documents becomes one immutable segment,
and one transaction makes documents and segment visible together. A process that is killed leaves blobs and a segment folder that nothing
names: the next run drops the folder and takes the files in again. An unchanged file is recognised by its fingerprint and costs one read.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ondol.application.knowledge import store
from ondol.application.knowledge.content import original_path, write_text
from ondol.application.knowledge.frontmatter import parse_metadata, read_metadata
from ondol.application.knowledge.index import ANALYSER_ID, IndexedDocument, IndexedPassage, analyse, build_segments
from ondol.application.knowledge.parsing import SUPPORTED_SUFFIXES, media_type_of, parse
from ondol.application.knowledge.passages import cut_passages
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.segments import drop_leftovers, merge_if_many
from ondol.application.knowledge.types import DocumentMetadata, ParsedDocument, Passage
from ondol.core.canonical import Json, keyed_digest
from ondol.core.errors import Conflict, OndolError, RequestError, UnreadableDocument, UserError
from ondol.core.ids import new_id
from ondol.infrastructure.access.audiences import audience_for, group_ids
from ondol.infrastructure.access.types import AccessRule, SecurityClass
from ondol.infrastructure.ledger import Link, NewArtefact, add_artefacts, add_links, record
from ondol.infrastructure.storage.blobs import KeyOwner
from ondol.infrastructure.storage.lance import IndexPlace, SegmentInfo
from ondol.infrastructure.storage.postgres import Connection

PIPELINE_VERSION = 1
"""Part of each fingerprint: raised when parsing or cutting changes, so that files are taken in again."""

FILE_BYTES_MAX = 64 * 1024 * 1024
FILES_MAX = 1_000_000
BATCH_DOCUMENTS_MAX = 256
BATCH_CHARACTERS_MAX = 8_000_000
COMMIT_SECONDS_MAX = 1800
"""A batch that was sealed longer ago than this is not committed: a sweep may be taking its blobs for those of a killed writer."""

SIDECAR_SUFFIX = ".meta.yaml"
SIDECAR_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """What holds for files that do not say otherwise themselves.

    Attributes:
        security_class: class of files without one.
        groups: readers of files that name none; empty means everybody up to their clearance.
        prune: take out documents whose files are gone from the folder.
    """

    security_class: SecurityClass = "public"
    groups: tuple[str, ...] = ()
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    prune: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be taken in."""

    path: str
    reason: str
    hint: str = ""


@dataclass(slots=True)
class IngestReport:
    """What a run did, in documents."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    superseded: int = 0
    removed: int = 0
    passages: int = 0
    failed: list[Failure] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Source:
    """A file as found."""

    path: Path
    name: str
    source_hash: bytes


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A file as parsed, cut and analysed."""

    source: _Source
    fingerprint: bytes
    data: bytes
    document: ParsedDocument
    metadata: DocumentMetadata
    key: str
    key_hash: bytes
    title: str
    passages: tuple[Passage, ...]
    terms: tuple[list[str], ...]
    replaces: store.KnownSource | None


Progress = Callable[[int, int], None]


async def ingest_folder(
    room: Knowledge,
    tenant_id: uuid.UUID,
    base_name: str,
    folder: Path,
    options: IngestOptions,
    progress: Progress,
    *,
    actor_id: uuid.UUID | None = None,
) -> IngestReport:
    """Bring a base to what a folder holds.

    Args:
        progress: called with files done and files in all.

    Raises:
        UserError: when the folder is absent.
        Conflict: when somebody else is writing to the base now.
    """
    if not await asyncio.to_thread(folder.is_dir):
        raise UserError(f"{folder} is not a folder.", "Give the folder that holds the documents.")
    now = room.clock()
    async with room.database.tenant_tx(tenant_id) as connection:
        base = await store.ensure_base(connection, tenant_id, base_name, new_id(), now)
        await group_ids(connection, options.groups)
    async with room.database.writer_lock(base.id) as free:
        if not free:
            raise Conflict(f"Another process is writing to the base {base_name}.", "Wait for it to end.", code="base_busy")
        run = _Run(room, tenant_id, base, options, actor_id, IngestReport())
        await run.open_index()
        await run.take_in(await asyncio.to_thread(run.find_files, folder), progress)
        await merge_if_many(room, tenant_id, base.id)
    return run.report


@dataclass(slots=True)
class _Run:
    """One run over one base, by its one writer."""

    room: Knowledge
    tenant_id: uuid.UUID
    base: store.Base
    options: IngestOptions
    actor_id: uuid.UUID | None
    report: IngestReport
    index_id: uuid.UUID = field(default_factory=new_id)

    @property
    def _key(self) -> bytes:
        return self.room.tenant_key(self.tenant_id, "knowledge")

    async def open_index(self) -> None:
        """Continue the active index version, or begin one when there is none or the analyser has changed since."""
        now = self.room.clock()
        async with self.room.database.tenant_tx(self.tenant_id) as connection:
            self.base = await store.get_base(connection, self.base.id)
            if self.base.active_index_id is not None and self.base.analyser_id == ANALYSER_ID:
                self.index_id = self.base.active_index_id
            else:
                self.index_id = new_id()
                await store.start_index(connection, self.tenant_id, self.base.id, self.index_id, ANALYSER_ID, now)
        await drop_leftovers(self.room, self.tenant_id, self.base.id)

    def find_files(self, folder: Path) -> list[_Source]:
        """The files that can be read as documents, in the order of their names. Links that leave the folder are reported, not followed."""
        root = folder.resolve()
        found: list[_Source] = []
        for path in sorted(root.rglob("*")):
            name = path.relative_to(root).as_posix()
            if any(part.startswith(".") for part in Path(name).parts) or not path.is_file() or name.endswith(SIDECAR_SUFFIX):
                continue
            if path.suffix.lower() not in SUPPORTED_SUFFIXES:
                continue
            if not path.resolve().is_relative_to(root):
                self.report.failed.append(Failure(name, "It is a link that leaves the folder.", "Copy the file into the folder."))
                continue
            found.append(_Source(path, name, keyed_digest(self._key, "source", name.encode())))
            if len(found) > FILES_MAX:
                raise UserError(f"{folder} holds more than {FILES_MAX:,} documents.", "Take them in folder by folder.")
        return found

    async def take_in(self, sources: Sequence[_Source], progress: Progress) -> None:
        """Take in what is new or changed, batch by batch, and take out what is gone."""
        async with self.room.database.tenant_tx(self.tenant_id) as connection:
            known = await store.known_sources(connection, self.base.id)
        batch: list[_Prepared] = []
        characters = 0
        for done, source in enumerate(sources):
            progress(done, len(sources))
            prepared = await asyncio.to_thread(self._prepare, source, known.get(source.source_hash))
            if prepared is None:
                continue
            batch.append(prepared)
            characters += len(prepared.document.text)
            if len(batch) >= BATCH_DOCUMENTS_MAX or characters >= BATCH_CHARACTERS_MAX:
                await self._commit(batch)
                batch, characters = [], 0
        if batch:
            await self._commit(batch)
        progress(len(sources), len(sources))
        if self.options.prune:
            await self._prune(known, {source.source_hash for source in sources})

    def _prepare(self, source: _Source, known: store.KnownSource | None) -> _Prepared | None:
        """Read, parse, cut and analyse one file; None when it is unchanged or cannot be read."""
        try:
            data, sidecar = _read(source.path)
            fingerprint = self._fingerprint(data, sidecar)
            if known is not None and known.fingerprint == fingerprint:
                self.report.unchanged += 1
                return None
            document = parse(source.name, data)
            metadata = read_metadata({**document.metadata, **parse_metadata(sidecar.decode("utf-8", "replace"))})
            passages = cut_passages(document)
            title = metadata.title or document.title or source.path.stem
            key = metadata.key or Path(source.name).with_suffix("").as_posix()
            key_hash = keyed_digest(self._key, "document", key.encode())
            terms = tuple(analyse(_indexed_text(title, document, passage)) for passage in passages)
            return _Prepared(source, fingerprint, data, document, metadata, key, key_hash, title, passages, terms, known)
        except OndolError as error:
            self.report.failed.append(Failure(source.name, error.message, error.hint))
        except OSError as error:
            self.report.failed.append(Failure(source.name, f"It cannot be read: {error.strerror}.", "Check the file's permissions."))
        return None

    async def _commit(self, batch: Sequence[_Prepared]) -> None:
        """Seal a batch, write its segment, and make both visible in one transaction."""
        now = self.room.clock()
        async with self.room.database.tenant_tx(self.tenant_id) as connection:
            documents = await store.document_ids(connection, self.base.id, {item.key_hash for item in batch})
            audiences = await self._audiences(connection, batch, now)
        fresh = {item.key_hash: new_id() for item in batch if item.key_hash not in documents}
        documents |= fresh
        readable = [item for item in batch if item.source.name in audiences]
        rows = await asyncio.to_thread(lambda: [self._seal(item, documents[item.key_hash], audiences[item.source.name]) for item in readable])
        segments = await asyncio.to_thread(self._write_segments, readable, rows)
        if (self.room.clock() - now).total_seconds() > COMMIT_SECONDS_MAX:
            raise Conflict("Taking in a batch of documents took too long.", "Run it again.", code="batch_too_slow")
        async with self.room.database.tenant_tx(self.tenant_id) as connection:
            for key_hash, document_id in fresh.items():
                await store.add_document(connection, self.tenant_id, self.base.id, document_id, key_hash, now)
            retired = await self._add_versions(connection, readable, rows, now)
            for segment in segments:
                await store.publish_segment(
                    connection, self.tenant_id, self.index_id, segment.segment_id, segment.passage_count, segment.document_version_ids, now
                )
            await store.retire(connection, retired, now)
            await store.touch_base(connection, self.base.id)
            await self._write_lineage(connection, rows, segments, now)
        self.report.passages += sum(segment.passage_count for segment in segments)

    async def _audiences(self, connection: Connection, batch: Sequence[_Prepared], now: datetime) -> dict[str, uuid.UUID]:
        """The audience of each file; a file that names an unknown group is reported and left out, since guessing would open or close it."""
        found: dict[str, uuid.UUID] = {}
        for item in batch:
            names = self.options.groups if item.metadata.groups is None else item.metadata.groups
            try:
                groups = await group_ids(connection, names)
            except RequestError as error:
                self.report.failed.append(Failure(item.source.name, error.message, error.hint))
                continue
            rule = AccessRule(item.metadata.security_class or self.options.security_class, frozenset(groups.values()))
            found[item.source.name] = await audience_for(connection, self.tenant_id, rule, now)
        return found

    def _seal(self, item: _Prepared, document_id: uuid.UUID, audience_id: uuid.UUID) -> store.VersionRow:
        """Seal a document's original, text and details under the document's own key."""
        version_id = new_id()
        blobs = self.room.blobs
        owner = KeyOwner(self.tenant_id, "document", document_id)
        self.room.keyring.get_or_create(owner)
        original = blobs.put(owner, original_path(self.tenant_id, document_id, version_id), item.data)
        write_text(blobs, self.tenant_id, document_id, version_id, item.document.text, item.passages)
        details = store.Details(item.key, item.source.name, item.title)
        return store.VersionRow(
            id=version_id,
            document_id=document_id,
            declared_version=item.metadata.version or 0,
            source_hash=item.source.source_hash,
            fingerprint=item.fingerprint,
            content_address=original.content_address,
            audience_id=audience_id,
            valid_from=item.metadata.valid_from or self.options.valid_from,
            valid_until=item.metadata.valid_until or self.options.valid_until,
            language=item.metadata.language or item.document.language or "en",
            media_type=media_type_of(item.source.name),
            original_bytes=original.plain_bytes,
            passage_count=len(item.passages),
            details_sealed=store.seal_details(self.room.keyring, self.tenant_id, document_id, version_id, details),
        )

    def _write_segments(self, batch: Sequence[_Prepared], rows: Sequence[store.VersionRow]) -> list[SegmentInfo]:
        """Write the folders of the batch's segments; none when it holds no passage."""
        documents = [
            IndexedDocument(
                row.id,
                [
                    IndexedPassage(passage.ordinal, passage.start, passage.end, row.audience_id, terms)
                    for passage, terms in zip(item.passages, item.terms, strict=True)
                ],
            )
            for item, row in zip(batch, rows, strict=True)
        ]
        place = IndexPlace(self.tenant_id, self.base.id, self.index_id)
        return list(build_segments(self.room.lance, place, documents, self.room.tenant_key(self.tenant_id, "terms")))

    async def _add_versions(
        self, connection: Connection, batch: Sequence[_Prepared], rows: Sequence[store.VersionRow], now: datetime
    ) -> list[uuid.UUID]:
        """Add the batch's versions and return those that are no longer to be found."""
        replaced = [item.replaces.version_id for item in batch if item.replaces is not None]
        await store.remove_versions(connection, replaced)
        retired = list(replaced)
        for item, row in zip(batch, rows, strict=True):
            superseded = await store.add_version(connection, self.tenant_id, self.base.id, row, now)
            if superseded is not None:
                retired.append(superseded)
                self.report.superseded += 1
            if item.replaces is None:
                self.report.added += 1
            else:
                self.report.changed += 1
        return retired

    async def _write_lineage(self, connection: Connection, rows: Sequence[store.VersionRow], segments: Sequence[SegmentInfo], now: datetime) -> None:
        """Record where each version and segment came from, and that it happened."""
        documents = {row.document_id: NewArtefact(id=row.document_id, kind="document") for row in rows}
        versions = [NewArtefact(id=row.id, kind="document_version", address=row.content_address) for row in rows]
        built = [NewArtefact(id=segment.segment_id, kind="index_segment") for segment in segments]
        await add_artefacts(connection, self.tenant_id, [*documents.values(), *versions, *built], now)
        links = [Link(row.id, row.document_id, "derived_from") for row in rows]
        links += [Link(segment.segment_id, version_id, "derived_from") for segment in segments for version_id in segment.document_version_ids]
        await add_links(connection, self.tenant_id, links, now)
        for row in rows:
            body: dict[str, Json] = {"base": self.base.id, "document": row.document_id, "version": row.id, "address": row.content_address}
            await record(connection, self.tenant_id, kind="document.ingested", actor_id=self.actor_id, body=body, now=now)

    async def _prune(self, known: dict[bytes, store.KnownSource], seen: set[bytes]) -> None:
        gone = [source.version_id for source_hash, source in known.items() if source_hash not in seen]
        if not gone:
            return
        now = self.room.clock()
        async with self.room.database.tenant_tx(self.tenant_id) as connection:
            await store.remove_versions(connection, gone)
            await store.retire(connection, gone, now)
            await store.touch_base(connection, self.base.id)
            for version_id in gone:
                body = {"base": self.base.id, "version": version_id}
                await record(connection, self.tenant_id, kind="document.removed", actor_id=self.actor_id, body=body, now=now)
        self.report.removed = len(gone)

    def _fingerprint(self, data: bytes, sidecar: bytes) -> bytes:
        """What decides whether a file must be taken in again: its bytes, its sidecar, the options and the pipeline's version."""
        options = repr((PIPELINE_VERSION, self.options.security_class, self.options.groups, self.options.valid_from, self.options.valid_until))
        parts = [hashlib.sha256(part).digest() for part in (data, sidecar, options.encode())]
        return keyed_digest(self._key, "fingerprint", b"".join(parts))


def _read(path: Path) -> tuple[bytes, bytes]:
    if path.stat().st_size > FILE_BYTES_MAX:
        raise UnreadableDocument(f"It is larger than {FILE_BYTES_MAX // 2**20} MiB.", "Split it.")
    sidecar = path.with_name(path.name + SIDECAR_SUFFIX)
    if not sidecar.is_file():
        return path.read_bytes(), b""
    if sidecar.stat().st_size > SIDECAR_BYTES_MAX:
        raise UnreadableDocument(f"{sidecar.name} is larger than {SIDECAR_BYTES_MAX // 1024} KiB.", "It holds a few lines of metadata.")
    return path.read_bytes(), sidecar.read_bytes()


def _indexed_text(title: str, document: ParsedDocument, passage: Passage) -> str:
    """What a passage is found by: the title and the headings above it, then its own text."""
    above = [title, *(heading for heading in passage.heading_path if heading != title)]
    return "\n".join([*above, document.text[passage.start : passage.end]])

"""A folder of files becomes searchable documents.

Each file is read, parsed, cut into passages and analysed; originals and texts are sealed; a batch of documents becomes one immutable segment,
and one transaction makes documents and segment visible together. A process that is killed leaves blobs and a segment folder that nothing
names: the next run drops the folder and takes the files in again. An unchanged file is recognised by its fingerprint and costs one read.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from ondol.application.knowledge import store
from ondol.application.knowledge.content import original_path, write_passages, write_text
from ondol.application.knowledge.cuts import Cut, cut_document
from ondol.application.knowledge.frontmatter import parse_metadata, read_metadata
from ondol.application.knowledge.index import ANALYSER_ID, build_segments
from ondol.application.knowledge.index_versions import ensure_version
from ondol.application.knowledge.index_versions.build import publish
from ondol.application.knowledge.index_versions.store import written_versions
from ondol.application.knowledge.parsing import SUPPORTED_SUFFIXES, media_type_of, parse
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.segments import COMMIT_SECONDS_MAX, drop_leftovers, merge_small
from ondol.application.knowledge.types import DocumentMetadata, IndexSettings, ParsedDocument
from ondol.core.canonical import Json, keyed_digest
from ondol.core.errors import Conflict, OndolError, RequestError, UnreadableDocument, UserError
from ondol.core.ids import new_id
from ondol.infrastructure.access.attributes import clause_ids
from ondol.infrastructure.access.audiences import audience_for, group_ids
from ondol.infrastructure.access.rules import Clause
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
WAIT_SECONDS_MAX = 60.0
"""A run waits so long for its turn to write a batch; another run has it for a second or two."""

PUBLISH_ROUNDS_MAX = 8
"""So often a batch is written to index versions that came up while it was written to the others."""

SIDECAR_SUFFIX = ".meta.yaml"
SIDECAR_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """What holds for files that do not say otherwise themselves.

    Attributes:
        security_class: class of files without one.
        groups: readers of files that name none; empty means everybody up to their clearance.
        clauses: what readers must have of files without an access rule.
        prune: take out documents whose files are gone from the folder.
        index_settings: how a base is indexed that has no index yet; by default as the one that serves.
    """

    security_class: SecurityClass = "public"
    groups: tuple[str, ...] = ()
    clauses: tuple[Clause, ...] = ()
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    prune: bool = False
    index_settings: IndexSettings | None = None


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
    """A file as parsed, cut and analysed; `cuts` holds one for each way in which index versions cut."""

    source: _Source
    fingerprint: bytes
    data: bytes
    document: ParsedDocument
    metadata: DocumentMetadata
    key: str
    key_hash: bytes
    title: str
    cuts: Mapping[IndexSettings, Cut]
    replaces: store.KnownSource | None

    def cut_by(self, settings: IndexSettings) -> Cut:
        """Its passages as an index version wants them."""
        return self.cuts.get(settings) or cut_document(self.document, self.title, settings)


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
    wait_s: float = WAIT_SECONDS_MAX,
) -> IngestReport:
    """Bring a base to what a folder holds.

    Args:
        progress: called with files done and files in all.
        wait_s: how long to wait for a turn while others write to the base.

    Raises:
        UserError: when the folder is absent.
        Conflict: when no turn came, or the base's index has other settings.
        RequestError: when a group or an attribute of the options is unknown.
    """
    if not await asyncio.to_thread(folder.is_dir):
        raise UserError(f"{folder} is not a folder.", "Give the folder that holds the documents.")
    now = room.clock()
    async with room.database.tenant_tx(tenant_id) as connection:
        base = await store.ensure_base(connection, tenant_id, base_name, new_id(), now)
        await group_ids(connection, options.groups)
        await clause_ids(connection, options.clauses)
    await ensure_version(room, tenant_id, base.id, options.index_settings, actor_id=actor_id)
    await drop_leftovers(room, tenant_id, base.id)
    run = _Run(room, tenant_id, base, options, actor_id, IngestReport(), wait_s)
    await run.take_in(await asyncio.to_thread(run.find_files, folder), progress)
    await merge_small(room, tenant_id, base.id)
    return run.report


@dataclass(slots=True)
class _Run:
    """One run over one base; others may write to it between two batches."""

    room: Knowledge
    tenant_id: uuid.UUID
    base: store.Base
    options: IngestOptions
    actor_id: uuid.UUID | None
    report: IngestReport
    wait_s: float
    settings: tuple[IndexSettings, ...] = ()

    @property
    def _key(self) -> bytes:
        return self.room.tenant_key(self.tenant_id, "knowledge")

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """This run's turn to write; those who wait for theirs are served in order.

        Raises:
            Conflict: when it did not come in time.
        """
        async with self.room.database.writer_lock(self.base.id, wait_s=self.wait_s) as free:
            if not free:
                raise Conflict(f"Others are writing to the base {self.base.name}.", "Try again when they have ended.", code="base_busy")
            yield

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
            self.settings = await self._settings(connection)
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
            await self._prune({source.source_hash for source in sources})

    async def _settings(self, connection: Connection) -> tuple[IndexSettings, ...]:
        """How documents are cut for the index versions that are written to; as the one that serves wants it, first."""
        self.base = await store.get_base(connection, self.base.id)
        written = await written_versions(connection, self.base.id, ANALYSER_ID)
        return tuple(dict.fromkeys((self.base.settings, *written.values())))

    def _prepare(self, source: _Source, known: store.KnownSource | None) -> _Prepared | None:
        """Read, parse, cut and analyse one file; None when it is unchanged or cannot be read."""
        try:
            data, sidecar = _read(source.path)
            fingerprint = self._fingerprint(data, sidecar)
            if known is not None and known.is_indexed and known.fingerprint == fingerprint:
                self.report.unchanged += 1
                return None
            document = parse(source.name, data)
            metadata = read_metadata({**document.metadata, **parse_metadata(sidecar.decode("utf-8", "replace"))})
            title = metadata.title or document.title or source.path.stem
            key = metadata.key or Path(source.name).with_suffix("").as_posix()
            key_hash = keyed_digest(self._key, "document", key.encode())
            cuts = {settings: cut_document(document, title, settings) for settings in self.settings}
            return _Prepared(source, fingerprint, data, document, metadata, key, key_hash, title, cuts, known)
        except OndolError as error:
            self.report.failed.append(Failure(source.name, error.message, error.hint))
        except OSError as error:
            self.report.failed.append(Failure(source.name, f"It cannot be read: {error.strerror}.", "Check the file's permissions."))
        return None

    async def _commit(self, prepared: Sequence[_Prepared]) -> None:
        """Seal a batch, write its segments, and make all of it visible in one transaction."""
        async with self._turn():
            now = self.room.clock()
            async with self.room.database.tenant_tx(self.tenant_id) as connection:
                batch = await self._still_new(connection, prepared)
                documents = await store.document_ids(connection, self.base.id, {item.key_hash for item in batch})
                audiences = await self._audiences(connection, batch, now)
            fresh = {item.key_hash: new_id() for item in batch if item.key_hash not in documents}
            documents |= fresh
            readable = [item for item in batch if item.source.name in audiences]
            rows = await asyncio.to_thread(lambda: [self._seal(item, documents[item.key_hash], audiences[item.source.name]) for item in readable])
            await self._publish(readable, rows, fresh, now)

    async def _still_new(self, connection: Connection, prepared: Sequence[_Prepared]) -> list[_Prepared]:
        """The files of a batch that nobody has taken in since it was begun, with what they replace now."""
        known = await store.known_sources(connection, self.base.id, [item.source.source_hash for item in prepared])
        found: list[_Prepared] = []
        for item in prepared:
            now_there = known.get(item.source.source_hash)
            if now_there is not None and now_there.is_indexed and now_there.fingerprint == item.fingerprint:
                self.report.unchanged += 1
            else:
                found.append(replace(item, replaces=now_there))
        return found

    async def _publish(self, batch: Sequence[_Prepared], rows: Sequence[store.VersionRow], fresh: Mapping[bytes, uuid.UUID], now: datetime) -> None:
        """Write a batch to each index version that wants it, which are known for certain only once the base is held."""
        segments: dict[uuid.UUID, list[SegmentInfo]] = {}
        for _ in range(PUBLISH_ROUNDS_MAX):
            if (self.room.clock() - now).total_seconds() > COMMIT_SECONDS_MAX:
                raise Conflict("Taking in a batch of documents took too long.", "Run it again.", code="batch_too_slow")
            async with self.room.database.tenant_tx(self.tenant_id) as connection:
                base = await store.lock_base(connection, self.base.id)
                wanted = await written_versions(connection, base.id, ANALYSER_ID)
                if base.active_index_id not in wanted:
                    raise Conflict(
                        f"The index of {base.name} was replaced by one that this version cannot write.", "Run it again.", code="index_outdated"
                    )
                if wanted.keys() <= segments.keys():
                    await self._commit_rows(connection, batch, rows, fresh, now)
                    for index_id in wanted:
                        await self._publish_segments(connection, index_id, segments[index_id], now)
                    self.report.passages += sum(segment.passage_count for segment in segments[base.active_index_id])
                    return
            for index_id in wanted.keys() - segments.keys():
                segments[index_id] = await asyncio.to_thread(self._write_segments, index_id, wanted[index_id], batch, rows)
        raise Conflict(f"The index versions of {self.base.name} change too often.", "Run it again.", code="base_changing")

    async def _commit_rows(
        self, connection: Connection, batch: Sequence[_Prepared], rows: Sequence[store.VersionRow], fresh: Mapping[bytes, uuid.UUID], now: datetime
    ) -> None:
        for key_hash, document_id in fresh.items():
            await store.add_document(connection, self.tenant_id, self.base.id, document_id, key_hash, now)
        retired = await self._add_versions(connection, batch, rows, now)
        await store.retire(connection, retired, now)
        await store.touch_base(connection, self.base.id)
        await self._write_lineage(connection, rows, now)

    async def _publish_segments(self, connection: Connection, index_id: uuid.UUID, segments: Sequence[SegmentInfo], now: datetime) -> None:
        for segment in segments:
            await publish(connection, self.tenant_id, index_id, segment, now)

    async def _audiences(self, connection: Connection, batch: Sequence[_Prepared], now: datetime) -> dict[str, uuid.UUID]:
        """The audience of each file; a file with an unknown group or attribute is left out and told, since guessing would open or close it."""
        found: dict[str, uuid.UUID] = {}
        for item in batch:
            names = self.options.groups if item.metadata.groups is None else item.metadata.groups
            stated = self.options.clauses if item.metadata.clauses is None else item.metadata.clauses
            try:
                groups = await group_ids(connection, names)
                clauses = await clause_ids(connection, stated)
            except RequestError as error:
                self.report.failed.append(Failure(item.source.name, error.message, error.hint))
                continue
            security_class = item.metadata.security_class or self.options.security_class
            rule = AccessRule(security_class, frozenset(groups.values()), clauses=clauses)
            found[item.source.name] = await audience_for(connection, self.tenant_id, rule, now)
        return found

    def _seal(self, item: _Prepared, document_id: uuid.UUID, audience_id: uuid.UUID) -> store.VersionRow:
        """Seal a document's original, text and details under the document's own key."""
        version_id = new_id()
        blobs = self.room.blobs
        owner = KeyOwner(self.tenant_id, "document", document_id)
        self.room.keyring.get_or_create(owner)
        original = blobs.put(owner, original_path(self.tenant_id, document_id, version_id), item.data)
        first, *others = self.settings
        place = self.tenant_id, document_id, version_id
        write_text(blobs, *place, item.document.text, item.cut_by(first).passages, first.cut)
        for settings in others:
            write_passages(blobs, *place, item.cut_by(settings).passages, settings.cut)
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
            passage_count=len(item.cut_by(first).passages),
            details_sealed=store.seal_details(self.room.keyring, self.tenant_id, document_id, version_id, details),
        )

    def _write_segments(
        self, index_id: uuid.UUID, settings: IndexSettings, batch: Sequence[_Prepared], rows: Sequence[store.VersionRow]
    ) -> list[SegmentInfo]:
        """Write the folders of the batch's segments in one index version; none when it holds no passage."""
        if settings not in self.settings:
            for item, row in zip(batch, rows, strict=True):
                passages = item.cut_by(settings).passages
                write_passages(self.room.blobs, self.tenant_id, row.document_id, row.id, passages, settings.cut)
        documents = (item.cut_by(settings).indexed(row.id, row.audience_id) for item, row in zip(batch, rows, strict=True))
        place = IndexPlace(self.tenant_id, self.base.id, index_id)
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

    async def _write_lineage(self, connection: Connection, rows: Sequence[store.VersionRow], now: datetime) -> None:
        """Record where each version came from, and that it happened."""
        documents = {row.document_id: NewArtefact(id=row.document_id, kind="document") for row in rows}
        versions = [NewArtefact(id=row.id, kind="document_version", address=row.content_address) for row in rows]
        await add_artefacts(connection, self.tenant_id, [*documents.values(), *versions], now)
        await add_links(connection, self.tenant_id, [Link(row.id, row.document_id, "derived_from") for row in rows], now)
        for row in rows:
            body: dict[str, Json] = {"base": self.base.id, "document": row.document_id, "version": row.id, "address": row.content_address}
            await record(connection, self.tenant_id, kind="document.ingested", actor_id=self.actor_id, body=body, now=now)

    async def _prune(self, seen: set[bytes]) -> None:
        now = self.room.clock()
        async with self._turn(), self.room.database.tenant_tx(self.tenant_id) as connection:
            await store.lock_base(connection, self.base.id)
            known = await store.known_sources(connection, self.base.id)
            gone = [source.version_id for source_hash, source in known.items() if source_hash not in seen]
            if not gone:
                return
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
        clauses = repr(self.options.clauses) if self.options.clauses else ""
        parts = [hashlib.sha256(part).digest() for part in (data, sidecar, (options + clauses).encode())]
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

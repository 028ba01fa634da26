"""A folder of files becomes searchable documents.

Each file is read, parsed, cut into passages and analysed; originals and texts are sealed; a batch of documents becomes one immutable segment,
and one transaction makes documents and segment visible together. A process that is killed leaves blobs and a segment folder that nothing
names: the next run drops the folder and takes the files in again. An unchanged file is recognised by its fingerprint and costs one read.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ondol.application.knowledge import store
from ondol.application.knowledge.committing import WAIT_SECONDS_MAX, Item, Placed, Writer
from ondol.application.knowledge.contents import fingerprint_of, read_file
from ondol.application.knowledge.frontmatter import document_key_hash
from ondol.application.knowledge.index_versions import ensure_version
from ondol.application.knowledge.index_versions.embed import embed_missing
from ondol.application.knowledge.parsing import SUPPORTED_SUFFIXES, media_type_of
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.segments import drop_leftovers, merge_small
from ondol.application.knowledge.types import DocumentMetadata, IndexSettings
from ondol.core.canonical import keyed_digest
from ondol.core.errors import OndolError, RequestError, UnreadableDocument, UserError
from ondol.infrastructure.access.attributes import clause_ids
from ondol.infrastructure.access.audiences import audience_for, group_ids
from ondol.infrastructure.access.rules import Clause
from ondol.infrastructure.access.types import AccessRule, SecurityClass
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.postgres import Connection

FILE_BYTES_MAX = 64 * 1024 * 1024
FILES_MAX = 1_000_000
BATCH_DOCUMENTS_MAX = 256
BATCH_CHARACTERS_MAX = 8_000_000
SIDECAR_SUFFIX = ".meta.yaml"
SIDECAR_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """What holds for files that do not say otherwise themselves.

    Attributes:
        security_class: class of files without one.
        groups: readers of files that name none; empty means everybody up to their clearance.
        clauses: what readers must have of files without an access rule.
        prune: take out documents whose files are gone from the folder; what was uploaded stays.
        prune_uploaded: take out what was uploaded.
        index_settings: how a base is indexed that has no index yet; by default as the one that serves.
    """

    security_class: SecurityClass = "public"
    groups: tuple[str, ...] = ()
    clauses: tuple[Clause, ...] = ()
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    prune: bool = False
    prune_uploaded: bool = False
    index_settings: IndexSettings | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be taken in."""

    path: str
    reason: str
    hint: str = ""


@dataclass(slots=True)
class IngestReport:
    """What a run did, in documents; `deleted` are those that stay out since somebody deleted them and their files have not changed."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
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
    """A file as read, with what it says of its readers, and the length of its text in characters."""

    item: Item
    metadata: DocumentMetadata
    characters: int


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
        base = await store.ensure_base(connection, tenant_id, base_name, room.make_id(), now)
        await group_ids(connection, options.groups)
        await clause_ids(connection, options.clauses)
    await ensure_version(room, tenant_id, base.id, options.index_settings, actor_id=actor_id)
    await drop_leftovers(room, tenant_id, base.id)
    run = _Run(Writer(room, tenant_id, base, actor_id, wait_s), options, IngestReport())
    await run.take_in(await asyncio.to_thread(run.find_files, folder), progress)
    await merge_small(room, tenant_id, base.id)
    await embed_missing(room, tenant_id, base.id)
    return run.report


@dataclass(slots=True)
class _Run:
    """One run over one base; others may write to it between two batches."""

    writer: Writer
    options: IngestOptions
    report: IngestReport

    def find_files(self, folder: Path) -> list[_Source]:
        """The files that can be read as documents, in the order of their names. Links that leave the folder are reported, not followed."""
        root = folder.resolve()
        key = self.writer.key
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
            found.append(_Source(path, name, keyed_digest(key, "source", name.encode())))
            if len(found) > FILES_MAX:
                raise UserError(f"{folder} holds more than {FILES_MAX:,} documents.", "Take them in folder by folder.")
        return found

    async def take_in(self, sources: Sequence[_Source], progress: Progress) -> None:
        """Take in what is new or changed, batch by batch, and take out what is gone."""
        writer = self.writer
        async with writer.room.database.tenant_tx(writer.tenant_id) as connection:
            known = await store.known_sources(connection, writer.base.id)
            await writer.look(connection)
        batch: list[_Prepared] = []
        characters = 0
        for done, source in enumerate(sources):
            progress(done, len(sources))
            prepared = await asyncio.to_thread(self._prepare, source, known.get(source.source_hash))
            if prepared is None:
                continue
            batch.append(prepared)
            characters += prepared.characters
            if len(batch) >= BATCH_DOCUMENTS_MAX or characters >= BATCH_CHARACTERS_MAX:
                await self._commit(batch)
                batch, characters = [], 0
        if batch:
            await self._commit(batch)
        progress(len(sources), len(sources))
        if self.options.prune or self.options.prune_uploaded:
            await self._prune({source.source_hash for source in sources})

    def _prepare(self, source: _Source, known: store.KnownSource | None) -> _Prepared | None:
        """Read, parse, cut and analyse one file; None when it is unchanged or cannot be read."""
        options = self.options
        try:
            data, sidecar = _read(source.path)
            stated = (options.security_class, options.groups, options.valid_from, options.valid_until)
            fingerprint = fingerprint_of(self.writer.key, data, sidecar, stated, repr(options.clauses) if options.clauses else "")
            if _is_unchanged(known, fingerprint):
                self._count_unchanged(known)
                return None
            read = read_file(source.name, data, sidecar, self.writer.settings)
        except OndolError as error:
            self.report.failed.append(Failure(source.name, error.message, error.hint))
            return None
        except OSError as error:
            self.report.failed.append(Failure(source.name, f"It cannot be read: {error.strerror}.", "Check the file's permissions."))
            return None
        item = Item(
            key=read.key,
            key_hash=document_key_hash(self.writer.key, read.key),
            name=source.name,
            title=read.title,
            source_hash=source.source_hash,
            fingerprint=fingerprint,
            origin="folder",
            declared_version=read.metadata.version or 0,
            valid_from=read.metadata.valid_from or options.valid_from,
            valid_until=read.metadata.valid_until or options.valid_until,
            language=read.language,
            media_type=media_type_of(source.name),
            content=read.content,
        )
        return _Prepared(item, read.metadata, len(read.content.document.text))

    def _count_unchanged(self, known: store.KnownSource | None) -> None:
        if known is not None and known.is_deleted:
            self.report.deleted += 1
        else:
            self.report.unchanged += 1

    async def _commit(self, prepared: Sequence[_Prepared]) -> None:
        """Commit what of a batch nobody has taken in since it was begun."""

        async def judge(connection: Connection, now: datetime) -> list[Placed]:
            base_id = self.writer.base.id
            sources = await store.known_sources(connection, base_id, [item.item.source_hash for item in prepared])
            documents = await store.documents_of_keys(connection, base_id, {item.item.key_hash for item in prepared})
            placed: list[Placed] = []
            for one in prepared:
                there = sources.get(one.item.source_hash)
                if _is_unchanged(there, one.item.fingerprint):
                    self._count_unchanged(there)
                    continue
                audience_id = await self._audience(connection, one, documents.get(one.item.key_hash), now)
                if audience_id is not None:
                    placed.append(Placed(one.item, audience_id, there.version_id if there is not None and not there.is_deleted else None))
            return placed

        committed = await self.writer.commit(judge)
        for count in ("added", "changed", "superseded", "passages"):
            setattr(self.report, count, getattr(self.report, count) + getattr(committed, count))

    async def _audience(self, connection: Connection, one: _Prepared, document: store.KnownDocument | None, now: datetime) -> uuid.UUID | None:
        """Who may read a file: as was set by hand, else as the file or the options say.

        A file with an unknown group or attribute is reported and left out, since guessing would open or close it.
        """
        if document is not None and document.audience_id is not None:
            return document.audience_id
        names = self.options.groups if one.metadata.groups is None else one.metadata.groups
        stated = self.options.clauses if one.metadata.clauses is None else one.metadata.clauses
        try:
            groups = await group_ids(connection, names)
            clauses = await clause_ids(connection, stated)
        except RequestError as error:
            self.report.failed.append(Failure(one.item.name, error.message, error.hint))
            return None
        rule = AccessRule(one.metadata.security_class or self.options.security_class, frozenset(groups.values()), clauses=clauses)
        return await audience_for(connection, self.writer.tenant_id, rule, now)

    async def _prune(self, seen: set[bytes]) -> None:
        """Take out what came from files that are gone, and, if that is wanted, what was uploaded."""
        writer = self.writer
        now = writer.room.clock()
        async with writer.turn(), writer.room.database.tenant_tx(writer.tenant_id) as connection:
            await store.lock_base(connection, writer.base.id)
            known = await store.known_sources(connection, writer.base.id)
            gone = [source.version_id for source_hash, source in known.items() if source_hash not in seen and not source.is_deleted]
            gone = gone if self.options.prune else []
            if self.options.prune_uploaded:
                gone += await store.uploaded_versions(connection, writer.base.id)
            if not gone:
                return
            await store.remove_versions(connection, gone)
            await store.retire(connection, gone, now)
            await store.touch_base(connection, writer.base.id)
            for version_id in gone:
                body = {"base": writer.base.id, "version": version_id}
                await record(connection, writer.tenant_id, kind="document.removed", actor_id=writer.actor_id, body=body, now=now)
        self.report.removed = len(gone)


def _is_unchanged(known: store.KnownSource | None, fingerprint: bytes) -> bool:
    return known is not None and known.is_indexed and known.fingerprint == fingerprint


def _read(path: Path) -> tuple[bytes, bytes]:
    if path.stat().st_size > FILE_BYTES_MAX:
        raise UnreadableDocument(f"It is larger than {FILE_BYTES_MAX // 2**20} MiB.", "Split it.")
    sidecar = path.with_name(path.name + SIDECAR_SUFFIX)
    if not sidecar.is_file():
        return path.read_bytes(), b""
    if sidecar.stat().st_size > SIDECAR_BYTES_MAX:
        raise UnreadableDocument(f"{sidecar.name} is larger than {SIDECAR_BYTES_MAX // 1024} KiB.", "It holds a few lines of metadata.")
    return path.read_bytes(), sidecar.read_bytes()

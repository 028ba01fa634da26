"""Building an index version from what was sealed of the documents, beside the one that serves.

What a version lacks is asked of the segments that it has, so a build that died is simply run again. It takes no lock of the base: only in the
transaction that finds nothing missing, and calls the version ready, is the base held for a moment. From then on whoever changes documents
writes to this version too.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ondol.application.knowledge import store
from ondol.application.knowledge.cuts import cut_sealed
from ondol.application.knowledge.index import ANALYSER_ID, IndexedDocument, build_segments
from ondol.application.knowledge.index_versions import store as versions
from ondol.application.knowledge.index_versions.activate import activate, check_analyser, move_pointer
from ondol.application.knowledge.index_versions.embed import embed_version
from ondol.application.knowledge.index_versions.store import IndexVersion, Wanted
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.segments import merge_version, together
from ondol.application.knowledge.types import IndexSettings
from ondol.core.canonical import Json
from ondol.core.errors import Conflict, KeyDestroyed, NotFound
from ondol.core.ids import new_id
from ondol.infrastructure.ledger import Link, NewArtefact, add_artefacts, add_links, record
from ondol.infrastructure.storage.lance import IndexPlace, SegmentError, SegmentInfo, merge_segments, merge_vectors
from ondol.infrastructure.storage.postgres import Connection

BATCH_DOCUMENTS_MAX = 2048
BUILDING_MAX = 8
"""So many versions of a base may wait to be built."""

WAIT_SECONDS_MAX = 3600.0
"""Who needs a version that another process builds waits for it so long."""

ROUNDS_MAX = 10_000
"""A build gives up after so many batches: documents then change faster than they are indexed."""

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class BuildReport:
    """What a build did.

    Attributes:
        documents, passages: what was indexed now.
        copied: those of the passages whose postings were copied from another version.
        embedded: passages that got vectors which were not copied.
        unreadable: documents whose key or sealed text is gone; no index holds them and no search shows them.
    """

    documents: int = 0
    passages: int = 0
    copied: int = 0
    embedded: int = 0
    unreadable: set[uuid.UUID] = field(default_factory=set)


async def start_version(
    room: Knowledge, tenant_id: uuid.UUID, base_id: uuid.UUID, settings: IndexSettings, wanted: Wanted, *, actor_id: uuid.UUID | None = None
) -> IndexVersion:
    """Make a new version that waits to be built: by `build_version`, or by the job worker.

    Raises:
        Conflict: when too many wait already.
    """
    now = room.clock()
    version_id = new_id()
    async with room.database.tenant_tx(tenant_id) as connection:
        base = await store.lock_base(connection, base_id)
        waiting = sum(version.state == "building" for version in await versions.list_versions(connection, base_id))
        if waiting >= BUILDING_MAX:
            hint = f"Give one up: `ondol index drop {base.name} NUMBER`."
            raise Conflict(f"{waiting} index versions of {base.name} wait to be built.", hint, code="index_builds_wait")
        await versions.add_version(connection, tenant_id, base_id, version_id, ANALYSER_ID, settings, wanted, now)
        await add_artefacts(connection, tenant_id, [NewArtefact(id=version_id, kind="index_version")], now)
        made = await versions.get_version(connection, version_id)
        body: dict[str, Json] = {"base": base_id, "version": version_id, "number": made.number, "cut": settings.cut, "analyser": ANALYSER_ID}
        await record(connection, tenant_id, kind="index.started", actor_id=actor_id, body=body, now=now)
    return made


async def build_version(
    room: Knowledge,
    tenant_id: uuid.UUID,
    version_id: uuid.UUID,
    *,
    actor_id: uuid.UUID | None = None,
    progress: Progress = lambda done, total: None,
    wait_s: float = WAIT_SECONDS_MAX,
    embed_seconds_max: float | None = None,
) -> BuildReport:
    """Build a version until it is ready, and let it serve if that was wanted. What another process has built meanwhile is not built again.

    Args:
        wait_s: how long to wait for another process that builds it.
        embed_seconds_max: so long vectors are made at most; whoever builds it next goes on.

    Raises:
        Conflict: when somebody else builds it, it was given up, its analyser is another one than ours, none of its documents can be read, or there
            was no time for all vectors (code ``index_embedding``).
        OndolError: when the embedder is away; the version waits, and is built on by the job worker.
    """
    async with room.database.writer_lock(version_id, wait_s=wait_s) as free:
        if not free:
            raise Conflict("This index version is being built by another process.", "Wait for it to end.", code="index_building")
        async with room.database.tenant_tx(tenant_id) as connection:
            version = await versions.get_version(connection, version_id)
        if version.state in ("dropped", "failed"):
            raise Conflict(f"Index version {version.number} is {version.state}.", "Build a new one.", code="index_dropped")
        check_analyser(version)
        filling = _Filling(room, tenant_id, version, actor_id, progress, embed_seconds_max=embed_seconds_max)
        if version.state == "building" and version.wanted.reuse:
            await filling.copy()
        if version.state == "building" and not await filling.fill(until_ready=True):
            raise Conflict(
                "Of none of the base's documents the sealed text can be read.",
                "Put the blob store's files and the key ring back.",
                code="index_unreadable",
            )
    return filling.report


async def complete_version(room: Knowledge, tenant_id: uuid.UUID, version: IndexVersion) -> BuildReport:
    """Index what a version that was built lacks: it lay aside for a while, or was restored from a backup.

    Raises:
        Conflict: when somebody else does so, or its analyser is another one than ours.
    """
    check_analyser(version)
    async with room.database.writer_lock(version.id) as free:
        if not free:
            raise Conflict("This index version is being written by another process.", "Wait for it to end.", code="index_building")
        filling = _Filling(room, tenant_id, version, None, lambda done, total: None)
        await filling.fill(until_ready=False)
    return filling.report


async def activate_version(room: Knowledge, tenant_id: uuid.UUID, version_id: uuid.UUID, *, actor_id: uuid.UUID | None = None) -> IndexVersion:
    """Let a version serve, after what it lacks was indexed.

    Raises:
        Conflict, NotFound: as `complete_version` and `activate` do.
    """
    async with room.database.tenant_tx(tenant_id) as connection:
        version = await versions.get_version(connection, version_id)
        is_behind = version.state in ("ready", "retired") and await versions.count_missing(connection, version) > 0
    unreadable = (await complete_version(room, tenant_id, version)).unreadable if is_behind else set()
    return await activate(room, tenant_id, version_id, actor_id=actor_id, without=unreadable)


async def ensure_version(
    room: Knowledge, tenant_id: uuid.UUID, base_id: uuid.UUID, settings: IndexSettings | None, *, actor_id: uuid.UUID | None = None
) -> None:
    """See to it that a version of our analyser serves a base, whole. A new base gets an empty one.

    Args:
        settings: for a base without an index; those of the version that serves, or the defaults, when absent.

    Raises:
        Conflict: when the base has an index of other settings, or its index is being built elsewhere.
    """
    async with room.database.tenant_tx(tenant_id) as connection:
        base = await store.get_base(connection, base_id)
        there = await versions.list_versions(connection, base_id)
        serving = next((version for version in there if version.is_active), None)
        missing = await versions.count_missing(connection, serving) if serving else 0
    if serving is not None and settings is not None and settings.cut != serving.settings.cut:
        raise Conflict(
            f"The base {base.name} is cut into passages of {serving.settings.cut} characters, not {settings.cut}.",
            f"Build a version with other sizes: `ondol index build {base.name} --passage-chars … --activate`.",
            code="other_index_settings",
        )
    if serving is None or serving.analyser_id != ANALYSER_ID:
        begun = next((version for version in there if _is_coming(version)), None)
        made = begun or await start_version(room, tenant_id, base_id, settings or base.settings, Wanted(activate=True), actor_id=actor_id)
        await build_version(room, tenant_id, made.id, actor_id=actor_id)
    elif missing:
        await complete_version(room, tenant_id, serving)


def _is_coming(version: IndexVersion) -> bool:
    return version.state in ("building", "ready") and version.wanted.activate and version.analyser_id == ANALYSER_ID


async def rebuild(
    room: Knowledge, tenant_id: uuid.UUID, base_id: uuid.UUID, *, actor_id: uuid.UUID | None = None, progress: Progress = lambda done, total: None
) -> BuildReport:
    """Put a new version, built from the sealed texts alone, in the place of all that a base has.

    The one that serves goes on serving until the new one is whole. What is replaced is given up, since it is not known to be whole.

    Raises:
        Conflict: as `build_version` does.
    """
    async with room.database.tenant_tx(tenant_id) as connection:
        base = await store.get_base(connection, base_id)
    wanted = Wanted(activate=True, reuse=False, replace=True)
    made = await start_version(room, tenant_id, base_id, base.settings, wanted, actor_id=actor_id)
    return await build_version(room, tenant_id, made.id, actor_id=actor_id, progress=progress)


@dataclass(slots=True)
class _Filling:
    """Bringing one version to what its base holds, by whoever holds the version's lock."""

    room: Knowledge
    tenant_id: uuid.UUID
    version: IndexVersion
    actor_id: uuid.UUID | None
    progress: Progress
    report: BuildReport = field(default_factory=BuildReport)
    embed_seconds_max: float | None = None

    async def copy(self) -> None:
        """Copy what a version with the same cut and analyser holds, which would come out the same, with its vectors if they are of the same embedder.

        What cannot be copied is left to `fill`.
        """
        async with self.room.database.tenant_tx(self.tenant_id) as connection:
            there = await versions.list_versions(connection, self.version.base_id)
            source = next((other for other in sorted(there, key=self._unlike) if self._is_alike(other)), None)
            if source is None or await store.live_segments(connection, self.version.id):
                return
            segments = await store.live_segments(connection, source.id)
            retired = await store.retired_versions(connection, source.id)
            vectors = await store.segment_vectors(connection, source.id) if source.settings.embedder == self.version.settings.embedder else {}
        place = IndexPlace(self.tenant_id, source.base_id, source.id)
        into = IndexPlace(self.tenant_id, source.base_id, self.version.id)
        for ids in together(segments):
            try:
                copied = await asyncio.to_thread(merge_segments, self.room.lance, place, ids, retired, new_id(), into=into)
            except SegmentError:
                return
            if copied is not None:
                await self._publish_copy(
                    copied, ids, await self._copy_vectors(place, into, copied, {one: vectors[one] for one in ids if one in vectors})
                )

    def _is_alike(self, other: IndexVersion) -> bool:
        is_whole = other.state in ("active", "ready", "retired")
        return is_whole and other.id != self.version.id and _terms_of(other) == _terms_of(self.version)

    def _unlike(self, other: IndexVersion) -> tuple[bool, bool]:
        return other.settings.embedder != self.version.settings.embedder, not other.is_active

    async def _copy_vectors(
        self, place: IndexPlace, into: IndexPlace, copied: SegmentInfo, vectors: Mapping[uuid.UUID, uuid.UUID]
    ) -> tuple[uuid.UUID, int]:
        """The id and number of a copied segment's vectors; what cannot be copied is made anew."""
        vectors_id = new_id()
        try:
            count = await asyncio.to_thread(merge_vectors, self.room.lance, place, vectors, copied.segment_id, vectors_id, into=into)
        except SegmentError:
            count = 0
        return vectors_id, count

    async def _publish_copy(self, copied: SegmentInfo, sources: Sequence[uuid.UUID], vectors: tuple[uuid.UUID, int]) -> None:
        now = self.room.clock()
        documents = copied.document_version_ids
        async with self.room.database.tenant_tx(self.tenant_id) as connection:
            await self._hold(connection)
            await store.publish_segment(connection, self.tenant_id, self.version.id, copied.segment_id, copied.passage_count, documents, now)
            if vectors[1]:
                await store.put_vectors(connection, copied.segment_id, *vectors)
            await add_artefacts(connection, self.tenant_id, [NewArtefact(id=copied.segment_id, kind="index_segment")], now)
            await add_links(connection, self.tenant_id, [Link(copied.segment_id, source_id, "derived_from") for source_id in sources], now)
        self.report.documents += len(documents)
        self.report.passages += copied.passage_count
        self.report.copied += copied.passage_count

    async def _hold(self, connection: Connection) -> None:
        """Hold the base, and see that the version is still wanted.

        Raises:
            Conflict: when it was given up.
        """
        await store.lock_base(connection, self.version.base_id)
        version = await versions.get_version(connection, self.version.id)
        if version.state in ("dropped", "failed"):
            raise Conflict(f"Index version {version.number} was given up.", "Build a new one.", code="index_dropped")

    async def fill(self, *, until_ready: bool) -> bool:
        """Index batch by batch what is missing, until nothing is; whether the version can serve."""
        async with self.room.database.tenant_tx(self.tenant_id) as connection:
            total = await versions.count_missing(connection, self.version)
        for _ in range(ROUNDS_MAX):
            self.progress(min(self.report.documents, total), total)
            async with self.room.database.tenant_tx(self.tenant_id) as connection:
                await store.lock_base(connection, self.version.base_id)
                missing = await versions.missing_documents(connection, self.version, self.report.unreadable, BATCH_DOCUMENTS_MAX)
                lacks_vectors = until_ready and not missing and await self._lacks_vectors(connection)
                if not missing and not lacks_vectors:
                    self.progress(total, total)
                    return not until_ready or await self._end(connection)
            if lacks_vectors:
                await self._embed()
                continue
            await self._add(missing)
            await merge_version(self.room, self.tenant_id, self.version.base_id, self.version.id)
        raise Conflict("The documents change faster than they are indexed.", "Try again when less is taken in.", code="base_changing")

    async def _lacks_vectors(self, connection: Connection) -> bool:
        return self.version.settings.embedder is not None and bool(await store.unembedded_segments(connection, self.version.id))

    async def _embed(self) -> None:
        """Make the vectors of what is indexed.

        Raises:
            Conflict: when there was no time for all.
        """
        made = await embed_version(self.room, self.tenant_id, self.version, seconds_max=self.embed_seconds_max)
        self.report.embedded += made
        async with self.room.database.tenant_tx(self.tenant_id) as connection:
            if await self._lacks_vectors(connection):
                raise Conflict(f"The vectors of index version {self.version.number} are still being made.", "Wait.", code="index_embedding")

    async def _end(self, connection: Connection) -> bool:
        """Nothing is missing, and the base is held: the version is ready, and serves if that is wanted, unless nothing of it could be read."""
        now = self.room.clock()
        fails = bool(self.report.unreadable) and not await store.live_segments(connection, self.version.id)
        values = {"id": self.version.id, "now": now, "failure": "unreadable"}
        await connection.execute(versions.QUERIES["version_failed" if fails else "version_ready"], values)
        body: dict[str, Json] = {
            "base": self.version.base_id,
            "version": self.version.id,
            "documents": self.report.documents,
            "passages": self.report.passages,
            "unreadable": len(self.report.unreadable),
        }
        kind = "index.failed" if fails else "index.built"
        await record(connection, self.tenant_id, kind=kind, actor_id=self.actor_id, body=body, now=now)
        if not fails and self.version.wanted.activate:
            await move_pointer(connection, self.tenant_id, self.version, now, actor_id=self.actor_id, kind="index.activated")
        if not fails and self.version.wanted.replace:
            await self._give_up_others(connection, now)
        return not fails

    async def _give_up_others(self, connection: Connection, now: datetime) -> None:
        """Give up what was there before a version that was built to replace it."""
        there = await versions.list_versions(connection, self.version.base_id)
        before = [other.id for other in there if other.number < self.version.number]
        await versions.drop(connection, before, now)
        body: dict[str, Json] = {"base": self.version.base_id, "version": self.version.id, "dropped": len(before)}
        await record(connection, self.tenant_id, kind="index.rebuilt", actor_id=self.actor_id, body=body, now=now)

    async def _add(self, missing: Sequence[store.SealedVersion]) -> None:
        """Write the segments of a batch and publish them, unless the version was given up meanwhile."""
        unreadable = len(self.report.unreadable)
        segments = await asyncio.to_thread(self._write, missing)
        now = self.room.clock()
        async with self.room.database.tenant_tx(self.tenant_id) as connection:
            await self._hold(connection)
            for segment in segments:
                await publish(connection, self.tenant_id, self.version.id, segment, now)
            await store.touch_base(connection, self.version.base_id)
        self.report.documents += len(missing) - (len(self.report.unreadable) - unreadable)
        self.report.passages += sum(segment.passage_count for segment in segments)

    def _write(self, missing: Sequence[store.SealedVersion]) -> list[SegmentInfo]:
        place = IndexPlace(self.tenant_id, self.version.base_id, self.version.id)
        return list(build_segments(self.room.lance, place, self._opened(missing), self.room.tenant_key(self.tenant_id, "terms")))

    def _opened(self, missing: Sequence[store.SealedVersion]) -> Iterator[IndexedDocument]:
        """The documents one by one, so that memory holds one of them; those that cannot be read are noted."""
        for document in missing:
            try:
                cut = cut_sealed(self.room, self.tenant_id, document, self.version.settings)
            except (KeyDestroyed, NotFound):
                self.report.unreadable.add(document.id)
                continue
            if not cut.passages:
                self.report.unreadable.add(document.id)
                continue
            yield cut.indexed(document.id, document.audience_id)


def _terms_of(version: IndexVersion) -> tuple[IndexSettings, str]:
    """What decides the passages and postings of a version."""
    return version.settings.sizes, version.analyser_id


async def publish(connection: Connection, tenant_id: uuid.UUID, index_id: uuid.UUID, segment: SegmentInfo, now: datetime) -> None:
    """Make a segment searchable, and tell of which document versions it was made."""
    documents = segment.document_version_ids
    await store.publish_segment(connection, tenant_id, index_id, segment.segment_id, segment.passage_count, documents, now)
    await add_artefacts(connection, tenant_id, [NewArtefact(id=segment.segment_id, kind="index_segment")], now)
    await add_links(connection, tenant_id, [Link(segment.segment_id, document_id, "derived_from") for document_id in documents], now)

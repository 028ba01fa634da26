"""The vectors of index versions: made after the passages are searchable, and again whenever some are missing.

What a version lacks is asked of its segments, so work that died is simply done again, from where it was last published. A passage whose vector
some version of the base has of the same embedder is not embedded again: it is known by a keyed hash of its text.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy
from numpy.typing import NDArray

from ondol.application.knowledge import store
from ondol.application.knowledge.content import read_text
from ondol.application.knowledge.cuts import indexed_text
from ondol.application.knowledge.index.codes import codes_of
from ondol.application.knowledge.index_versions import store as versions
from ondol.application.knowledge.index_versions.store import IndexVersion
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.types import EmbedderRef, IndexSettings
from ondol.core.canonical import keyed_digest
from ondol.core.errors import Conflict, KeyDestroyed, NotFound, OndolError, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.storage.lance import (
    IndexPlace,
    SegmentGone,
    SegmentReader,
    VectorColumns,
    drop_vectors,
    read_hashes,
    read_rows,
    read_vectors,
    unembedded,
    write_vectors,
)

BATCH_PASSAGES = 64
PUBLISHED_PASSAGES = 8_192
"""After so many the vectors are published: no more are lost when a process dies."""
ROUNDS_MAX = 1_000
"""So often a call looks again for segments that came meanwhile."""

HASH_BYTES = 16
NO_HASH = bytes(HASH_BYTES)

_LOG = logging.getLogger(__name__)


async def with_embedder(
    room: Knowledge, tenant_id: uuid.UUID, settings: IndexSettings, name: str | None, *, query_prefix: str = "", passage_prefix: str = ""
) -> IndexSettings:
    """Settings with another embedder.

    Args:
        name: of the embedder, which is asked for a vector; empty for none, and None leaves things as they are.

    Raises:
        RequestError: when there is no such embedder, or prefixes are given without one.
        UpstreamError: when it does not answer.
    """
    if not name:
        if query_prefix or passage_prefix:
            raise RequestError("Prefixes go with an embedder.", "Name the embedder as well.", code="bad_embedder", param="embedder")
        return settings if name is None else settings.sizes
    ref = await room.embeddings.describe(tenant_id, name, query_prefix=query_prefix, passage_prefix=passage_prefix)
    return msgspec.structs.replace(settings, embedder=ref)


def vectors_lock(version_id: uuid.UUID) -> uuid.UUID:
    """What whoever makes vectors for an index version holds meanwhile."""
    return uuid.uuid5(version_id, "vectors")


async def embed_missing(room: Knowledge, tenant_id: uuid.UUID, base_id: uuid.UUID | None = None, *, seconds_max: float | None = None) -> int:
    """Make what vectors are missing in the index versions in use of a base, or of all; how many passages got theirs.

    An embedder that is away is told of in the log: the passages are found by full text, and the next call tries again.

    Args:
        seconds_max: after so long it stops with what is published.
    """
    async with room.database.tenant_tx(tenant_id) as connection:
        found = [await versions.get_version(connection, version_id) for version_id in await store.unembedded_versions(connection, base_id)]
    made = 0
    for version in found:
        try:
            made += await embed_version(room, tenant_id, version, seconds_max=seconds_max)
        except OndolError as error:
            _LOG.warning("vectors not made", extra={"index_version": str(version.id), "reason": error.message})
    return made


async def embed_version(
    room: Knowledge,
    tenant_id: uuid.UUID,
    version: IndexVersion,
    *,
    seconds_max: float | None = None,
    progress: Callable[[int], None] = lambda passages: None,
) -> int:
    """Make what vectors a version lacks; how many passages got theirs. Where another process does so it is left to it.

    Args:
        seconds_max: after so long it stops with what is published.
        progress: called with how many passages have got theirs so far.

    Raises:
        OndolError: when the embedder is away, gone, or another one than the version was begun with. What was made until then is kept.
    """
    if version.settings.embedder is None:
        return 0
    loop = asyncio.get_running_loop()
    until = None if seconds_max is None else loop.time() + seconds_max
    work = _Embedding(room, tenant_id, version, version.settings.embedder, lambda: until is not None and loop.time() >= until, progress)
    # A lock of its own: whoever builds or merges the version holds the version's for a shorter time than embedders may take.
    async with room.database.writer_lock(vectors_lock(version.id)) as free:
        for _ in range(ROUNDS_MAX if free else 0):
            async with room.database.tenant_tx(tenant_id) as connection:
                lacking = await store.unembedded_segments(connection, version.id)
            if not lacking or work.is_over():
                break
            for segment_id, vectors_id in lacking:
                try:
                    await work.segment(segment_id, vectors_id)
                except SegmentGone:
                    continue  # merged meanwhile, or given up
    return work.made


@dataclass(frozen=True, slots=True)
class _Passage:
    """A passage to be embedded; `text` is None where it cannot be read any more."""

    ordinal: int
    text: str | None
    hash: bytes


@dataclass(slots=True)
class _Known:
    """Vectors that are there already, by the hash of their text.

    Attributes:
        tables: index version, segment and vectors.
        hashes: sorted; `owners` and `rows` say where each lies.
    """

    tables: list[tuple[uuid.UUID, uuid.UUID, uuid.UUID]] = field(default_factory=list)
    hashes: NDArray[numpy.bytes_] = field(default_factory=lambda: numpy.zeros(0, "S16"))
    owners: NDArray[numpy.int64] = field(default_factory=lambda: numpy.zeros(0, numpy.int64))
    rows: NDArray[numpy.int64] = field(default_factory=lambda: numpy.zeros(0, numpy.int64))

    def places(self, hashes: NDArray[numpy.bytes_]) -> NDArray[numpy.int64]:
        """Where each of these lies in `hashes`; -1 where it does not."""
        if not len(self.hashes):
            return numpy.full(len(hashes), -1)
        found = numpy.minimum(numpy.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        return numpy.where((self.hashes[found] == hashes) & (hashes != NO_HASH), found, -1)


@dataclass(slots=True)
class _Embedding:
    """Making the vectors of one version, by whoever holds their lock."""

    room: Knowledge
    tenant_id: uuid.UUID
    version: IndexVersion
    ref: EmbedderRef
    is_over: Callable[[], bool]
    progress: Callable[[int], None]
    made: int = 0
    known: _Known | None = None

    @property
    def _place(self) -> IndexPlace:
        return IndexPlace(self.tenant_id, self.version.base_id, self.version.id)

    async def segment(self, segment_id: uuid.UUID, vectors_id: uuid.UUID | None) -> None:
        """Bring one segment to having all its vectors, in steps that are published.

        Raises:
            SegmentGone: it is not there any more.
        """
        lance = self.room.lance
        reader = (await asyncio.to_thread(self.room.shelf.open, self._place, [segment_id]))[0]
        there = await asyncio.to_thread(read_vectors, lance, self._place, segment_id, vectors_id) if vectors_id else None
        if self.known is None:
            self.known = await self._read_known()
        missing = unembedded(reader, there)
        for start in range(0, len(missing), PUBLISHED_PASSAGES):
            if self.is_over():
                return
            parts: list[VectorColumns] = []
            try:
                await self._make(reader, missing[start : start + PUBLISHED_PASSAGES], parts)
            finally:
                if parts:
                    there = VectorColumns.concatenated([*([there] if there is not None else []), *parts])
                    vectors_id = await self._publish(segment_id, vectors_id, there)
            self.made += sum(len(part) for part in parts)
            self.progress(self.made)

    async def _make(self, reader: SegmentReader, ordinals: NDArray[numpy.int64], parts: list[VectorColumns]) -> None:
        """Add the vectors of some passages, batch by batch, so that what was made stays when the next fails."""
        rows = reader.passages([int(ordinal) for ordinal in ordinals])
        async with self.room.database.tenant_tx(self.tenant_id) as connection:
            sealed = await store.sealed_versions(connection, {row.document_version_id for row in rows})
        by_document: dict[uuid.UUID, list[tuple[int, int]]] = {}
        for ordinal, row in zip(ordinals, rows, strict=True):
            by_document.setdefault(row.document_version_id, []).append((int(ordinal), row.passage_ordinal))
        passages = await asyncio.to_thread(self._read, by_document, sealed)
        rest = await asyncio.to_thread(self._reuse, passages, parts)
        for start in range(0, len(rest), BATCH_PASSAGES):
            if self.is_over():
                return
            batch = rest[start : start + BATCH_PASSAGES]
            texts = [passage.text for passage in batch if passage.text is not None]
            vectors = numpy.zeros((len(batch), self.ref.dimensions), numpy.int16)
            if texts:
                made = await self.room.embeddings.passages(self.tenant_id, self.ref, texts)
                vectors[[place for place, passage in enumerate(batch) if passage.text is not None]] = made
            parts.append(await asyncio.to_thread(self._columns, batch, vectors))

    def _columns(self, batch: Sequence[_Passage], vectors: NDArray[numpy.int16]) -> VectorColumns:
        ordinals = numpy.array([passage.ordinal for passage in batch], numpy.int32)
        return VectorColumns(ordinals, _hashes(batch), codes_of(vectors, self.ref.rotation), vectors)

    def _read(self, by_document: dict[uuid.UUID, list[tuple[int, int]]], sealed: dict[uuid.UUID, store.SealedVersion]) -> list[_Passage]:
        """The texts as the full text has them, with what stands above."""
        room, key = self.room, self.room.tenant_key(self.tenant_id, "vectors")
        found: list[_Passage] = []
        for version_id, places in by_document.items():
            document = sealed.get(version_id)
            try:
                if document is None:
                    raise NotFound("The document version is not current.")
                details = store.open_details(room.keyring, self.tenant_id, document.document_id, version_id, document.details_sealed)
                content = read_text(room.blobs, self.tenant_id, document.document_id, version_id, self.version.settings.cut)
            except (KeyDestroyed, NotFound):
                found += [_Passage(ordinal, None, NO_HASH) for ordinal, _ in places]
                continue
            for ordinal, passage_ordinal in places:
                text = indexed_text(details.title, content.text, content.passages[passage_ordinal])
                digest = keyed_digest(key, "passage", f"{self.ref.id}\n\n{text}".encode("utf-8", "replace"))
                found.append(_Passage(ordinal, text, digest[:HASH_BYTES]))
        return found

    async def _read_known(self) -> _Known:
        async with self.room.database.tenant_tx(self.tenant_id) as connection:
            alike = await store.vectors_alike(connection, self.version.base_id, self.ref)
        return await asyncio.to_thread(self._hashes_of, alike)

    def _hashes_of(self, tables: Sequence[tuple[uuid.UUID, uuid.UUID, uuid.UUID]]) -> _Known:
        known, hashes = _Known(), []
        for index_id, segment_id, vectors_id in tables:
            try:
                place = IndexPlace(self.tenant_id, self.version.base_id, index_id)
                hashes.append(read_hashes(self.room.lance, place, segment_id, vectors_id))
            except SegmentGone:
                continue
            known.tables.append((index_id, segment_id, vectors_id))
        if not hashes:
            return known
        every = numpy.concatenate(hashes)
        order = numpy.argsort(every, kind="stable")
        known.hashes = every[order]
        known.owners = numpy.repeat(numpy.arange(len(hashes)), [len(part) for part in hashes])[order]
        known.rows = numpy.concatenate([numpy.arange(len(part)) for part in hashes])[order]
        return known

    def _reuse(self, passages: Sequence[_Passage], parts: list[VectorColumns]) -> list[_Passage]:
        """Add the vectors that are known of some texts; the passages that are left."""
        assert self.known is not None  # noqa: S101 - read before
        places = self.known.places(_hashes(passages))
        owners = numpy.where(places >= 0, self.known.owners[places] if len(self.known.owners) else -1, -1)
        reused: set[int] = set()
        for owner in numpy.unique(owners[owners >= 0]):
            chosen = numpy.flatnonzero(owners == owner)
            rows = self.known.rows[places[chosen]]
            index_id, segment_id, vectors_id = self.known.tables[int(owner)]
            distinct = numpy.unique(rows)
            try:
                place = IndexPlace(self.tenant_id, self.version.base_id, index_id)
                read = read_rows(self.room.lance, place, segment_id, vectors_id, [int(row) for row in distinct])
            except SegmentGone:
                continue  # replaced meanwhile; they are embedded again
            taken = read.take(numpy.searchsorted(distinct, rows))
            ordinals = numpy.array([passages[int(place)].ordinal for place in chosen], numpy.int32)
            parts.append(VectorColumns(ordinals, taken.hashes, taken.codes, taken.vectors))
            reused.update(int(place) for place in chosen)
        return [passage for place, passage in enumerate(passages) if place not in reused]

    async def _publish(self, segment_id: uuid.UUID, instead_of: uuid.UUID | None, columns: VectorColumns) -> uuid.UUID:
        """Write the vectors and let searches find them.

        Raises:
            SegmentGone: the segment is not searched any more.
            Conflict: the version was given up.
        """
        vectors_id = new_id()
        await asyncio.to_thread(write_vectors, self.room.lance, self._place, segment_id, vectors_id, columns)
        async with self.room.database.tenant_tx(self.tenant_id) as connection:
            await store.lock_base(connection, self.version.base_id)
            version = await versions.get_version(connection, self.version.id)
            is_there = await store.put_vectors(connection, segment_id, vectors_id, len(columns), instead_of)
            await store.touch_base(connection, self.version.base_id)
        replaced = instead_of if is_there else vectors_id
        if replaced is not None:
            await asyncio.to_thread(drop_vectors, self.room.lance, self._place, segment_id, replaced)
        if version.state in ("dropped", "failed"):
            raise Conflict(f"Index version {version.number} was given up.", "Build a new one.", code="index_dropped")
        if not is_there:
            raise SegmentGone("An index segment was replaced.", "Its successor is embedded next.")
        return vectors_id


def _hashes(passages: Sequence[_Passage]) -> NDArray[numpy.bytes_]:
    return numpy.frombuffer(b"".join(passage.hash for passage in passages), "S16")

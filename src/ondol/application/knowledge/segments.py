"""Care of a base's segments: merge those of about one size, drop what nobody reads any more."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ondol.application.knowledge import store
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.canonical import Json
from ondol.core.errors import Conflict
from ondol.core.ids import new_id
from ondol.infrastructure.ledger import Link, NewArtefact, add_artefacts, add_links, record
from ondol.infrastructure.storage.lance import IndexPlace, merge_segments, merge_vectors
from ondol.infrastructure.storage.postgres import Connection, rows

MERGE_FACTOR = 4
"""So many segments of about one size are merged into one: sizes are in tiers, each so many times the one below."""

MERGED_PASSAGES_MAX = 64_000
"""A merged segment holds at most so many passages: what one erasure or one merge rewrites is bounded. One above half of it is left alone."""

MERGES_MAX = 1000
"""One call merges at most so often."""

COMMIT_SECONDS_MAX = 1800
"""What was written longer ago than this is not published any more: care may be taking it for what a killed writer left."""

DROP_AFTER_S = 60
"""A replaced segment stays this long on disk: readers that began before the merge end or notice."""


@dataclass(frozen=True, slots=True)
class SegmentSize:
    """How much a live segment holds.

    Attributes:
        documents, retired: document versions in it, and those of them that are masked for good.
    """

    id: uuid.UUID
    passages: int
    documents: int = 1
    retired: int = 0


def segments_to_merge(segments: Sequence[SegmentSize]) -> list[uuid.UUID]:
    """Which segments are to become one now; none when all is well.

    As in a log-structured merge tree with tiers (O'Neil et al., The log-structured merge-tree, 1996, with size tiers): a passage is rewritten once
    for each tier that it climbs, so at most log(`MERGED_PASSAGES_MAX`) to the base `MERGE_FACTOR` times, and a large segment is never rewritten
    because of a small one. A segment of which more than half is masked is rewritten alone, which halves it.
    """
    for segment in segments:
        if 2 * segment.retired > segment.documents:
            return [segment.id]
    tiers: dict[int, list[SegmentSize]] = {}
    for segment in segments:
        if segment.passages <= MERGED_PASSAGES_MAX // 2:
            tiers.setdefault(_tier(segment.passages), []).append(segment)
    for _, members in sorted(tiers.items()):
        chosen = _fitting(members) if len(members) >= MERGE_FACTOR else []
        if len(chosen) > 1:
            return chosen
    return []


def _tier(passages: int) -> int:
    tier = 0
    while passages >= MERGE_FACTOR:
        passages //= MERGE_FACTOR
        tier += 1
    return tier


def together(segments: Sequence[tuple[uuid.UUID, int]]) -> list[list[uuid.UUID]]:
    """Segments with their passages, in their order, as groups that each fit into one segment."""
    groups: list[list[uuid.UUID]] = []
    room = 0
    for segment_id, passages in segments:
        if not groups or passages > room:
            groups.append([])
            room = MERGED_PASSAGES_MAX
        groups[-1].append(segment_id)
        room -= passages
    return groups


def _fitting(members: Sequence[SegmentSize]) -> list[uuid.UUID]:
    """The smallest ones that together are no larger than a segment may be."""
    chosen: list[uuid.UUID] = []
    passages = 0
    for segment in sorted(members, key=lambda member: (member.passages, member.id)):
        passages += segment.passages
        if passages > MERGED_PASSAGES_MAX:
            break
        chosen.append(segment.id)
    return chosen


async def merge_small(room: Knowledge, tenant_id: uuid.UUID, base_id: uuid.UUID) -> int:
    """Merge the small segments of each version of a base that is in use; how many merges there were.

    Nobody waits for it: it takes no turn of the base's writers, and where another process merges a version, that one is left to it.
    """
    async with room.database.tenant_tx(tenant_id) as connection:
        found = [row["id"] for row in await rows(connection, store.QUERIES["versions_merged"], {"base_id": base_id})]
    merges = 0
    for index_id in found:
        async with room.database.writer_lock(index_id) as free:
            if free:
                merges += await merge_version(room, tenant_id, base_id, index_id)
    return merges


async def merge_version(room: Knowledge, tenant_id: uuid.UUID, base_id: uuid.UUID, index_id: uuid.UUID) -> int:
    """Merge the small segments of one version until all is well; how many merges there were. The caller holds the version's lock."""
    for merges in range(MERGES_MAX):
        async with room.database.tenant_tx(tenant_id) as connection:
            chosen = segments_to_merge(await _sizes(connection, index_id))
            retired = await store.retired_versions(connection, index_id) if chosen else {}
            vectors = await store.segment_vectors(connection, index_id) if chosen else {}
        vectors = {segment_id: vectors[segment_id] for segment_id in chosen if segment_id in vectors}
        if not chosen or not await replace_segments(room, tenant_id, IndexPlace(tenant_id, base_id, index_id), chosen, retired, vectors):
            return merges
    return MERGES_MAX


async def _sizes(connection: Connection, index_id: uuid.UUID) -> list[SegmentSize]:
    found = await rows(connection, store.QUERIES["segment_sizes"], {"index_id": index_id})
    return [SegmentSize(row["id"], row["passage_count"], row["documents"], row["retired"]) for row in found]


async def replace_segments(
    room: Knowledge,
    tenant_id: uuid.UUID,
    place: IndexPlace,
    chosen: Sequence[uuid.UUID],
    retired: Mapping[uuid.UUID, frozenset[uuid.UUID]],
    vectors: Mapping[uuid.UUID, uuid.UUID],
) -> bool:
    """Write one clean segment and put it in the place of its sources; whether they were still there.

    Args:
        retired: for each source the document versions to leave out.
        vectors: for each source that has some the id of its vectors.

    Raises:
        Conflict: when it took too long, or a document was erased meanwhile.
        SegmentGone: when a source was dropped.
    """
    now = room.clock()
    merged = await asyncio.to_thread(merge_segments, room.lance, place, chosen, retired, new_id())
    vectors_id, vector_count = new_id(), 0
    if merged is not None and vectors:
        vector_count = await asyncio.to_thread(merge_vectors, room.lance, place, vectors, merged.segment_id, vectors_id)
    if (room.clock() - now).total_seconds() > COMMIT_SECONDS_MAX:
        raise Conflict("Merging segments took too long.", "Run it again.", code="merge_too_slow")
    async with room.database.tenant_tx(tenant_id) as connection:
        await store.lock_base(connection, place.base_id)
        live = {segment_id for segment_id, _ in await store.live_segments(connection, place.index_version_id)}
        if not live.issuperset(chosen):
            return False
        await connection.execute(store.QUERIES["segments_drop"], {"ids": chosen, "now": now})
        if merged is not None:
            versions = list(merged.document_version_ids)
            await store.publish_segment(connection, tenant_id, place.index_version_id, merged.segment_id, merged.passage_count, versions, now)
            if vector_count:
                await store.put_vectors(connection, merged.segment_id, vectors_id, vector_count)
            await add_artefacts(connection, tenant_id, [NewArtefact(id=merged.segment_id, kind="index_segment")], now)
            await add_links(connection, tenant_id, [Link(merged.segment_id, segment_id, "derived_from") for segment_id in chosen], now)
        await store.touch_base(connection, place.base_id)
        body: dict[str, Json] = {"base": place.base_id, "from": list(chosen), "to": merged.segment_id if merged else None}
        await record(connection, tenant_id, kind="index.merged", actor_id=None, body=body, now=now)
    return True


async def drop_replaced(room: Knowledge, tenant_id: uuid.UUID) -> int:
    """Remove the folders of segments that were replaced long enough ago; how many went."""
    before = room.clock() - timedelta(seconds=DROP_AFTER_S)
    async with room.database.tenant_tx(tenant_id) as connection:
        found = await rows(connection, store.QUERIES["segments_to_drop"], {"before": before})
    for row in found:
        place = IndexPlace(tenant_id, row["base_id"], row["index_id"])
        await asyncio.to_thread(room.lance.drop_segment, place, row["id"])
        async with room.database.tenant_tx(tenant_id) as connection:
            await connection.execute(store.QUERIES["segment_forget"], {"id": row["id"]})
    return len(found)


async def drop_leftovers(room: Knowledge, tenant_id: uuid.UUID, base_id: uuid.UUID) -> int:
    """Remove segment folders that no row names and that nobody will publish any more: a writer died before it did; how many went.

    Index versions that no row names are among them: a backup was restored that is older than they are.
    """
    async with room.database.tenant_tx(tenant_id) as connection:
        known = await rows(connection, store.QUERIES["segments_known"], {"base_id": base_id})
    live = frozenset(row["id"] for row in known)
    before_ms = int((room.clock() - timedelta(seconds=2 * COMMIT_SECONDS_MAX)).timestamp() * 1000)
    return await asyncio.to_thread(_drop_orphans, room, tenant_id, base_id, live, before_ms)


def _drop_orphans(room: Knowledge, tenant_id: uuid.UUID, base_id: uuid.UUID, live: frozenset[uuid.UUID], before_ms: int) -> int:
    dropped = 0
    for index_id in room.lance.index_version_ids(tenant_id, base_id):
        place = IndexPlace(tenant_id, base_id, index_id)
        for segment_id in room.lance.orphans(place, live, before_ms):
            room.lance.drop_segment(place, segment_id)
            dropped += 1
    return dropped

"""Care of a base's segments: merge when there are many, drop what nobody reads any more."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from datetime import timedelta

from ondol.application.knowledge import store
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.canonical import Json
from ondol.core.ids import new_id
from ondol.infrastructure.ledger import Link, NewArtefact, add_artefacts, add_links, record
from ondol.infrastructure.storage.lance import IndexPlace, merge_segments
from ondol.infrastructure.storage.postgres import rows

SEGMENTS_MAX = 8
"""More live segments than this are merged into one when a run ends."""

MERGED_PASSAGES_MAX = 500_000
"""A merged segment holds at most so many passages."""

COMMIT_SECONDS_MAX = 1800
"""What was written longer ago than this is not published any more: care may be taking it for what a killed writer left."""

DROP_AFTER_S = 60
"""A replaced segment stays this long on disk: readers that began before the merge end or notice."""


async def merge_if_many(room: Knowledge, tenant_id: uuid.UUID, base_id: uuid.UUID, *, segments_max: int = SEGMENTS_MAX) -> bool:
    """Build one clean segment out of the small ones, when there are more than `segments_max`, and put it in their place.

    The caller is the base's one writer.
    """
    now = room.clock()
    async with room.database.tenant_tx(tenant_id) as connection:
        base = await store.get_base(connection, base_id)
        if base.active_index_id is None:
            return False
        segments = _small_ones(await store.live_segments(connection, base.active_index_id), segments_max)
        if not segments:
            return False
        retired = await store.retired_versions(connection, base.active_index_id)
    place = IndexPlace(tenant_id, base_id, base.active_index_id)
    merged = await asyncio.to_thread(merge_segments, room.lance, place, segments, retired, new_id())
    async with room.database.tenant_tx(tenant_id) as connection:
        await connection.execute(store.QUERIES["segments_drop"], {"ids": segments, "now": now})
        if merged is not None:
            versions = list(merged.document_version_ids)
            await store.publish_segment(connection, tenant_id, base.active_index_id, merged.segment_id, merged.passage_count, versions, now)
            await add_artefacts(connection, tenant_id, [NewArtefact(id=merged.segment_id, kind="index_segment")], now)
            await add_links(connection, tenant_id, [Link(merged.segment_id, segment_id, "derived_from") for segment_id in segments], now)
        await store.touch_base(connection, base_id)
        body: dict[str, Json] = {"base": base_id, "from": segments, "to": merged.segment_id if merged else None}
        await record(connection, tenant_id, kind="index.merged", actor_id=None, body=body, now=now)
    return True


def _small_ones(segments: Sequence[tuple[uuid.UUID, int]], segments_max: int) -> list[uuid.UUID]:
    """The smallest segments that together fill one; none while there are few."""
    if len(segments) <= segments_max:
        return []
    chosen: list[uuid.UUID] = []
    passages = 0
    for segment_id, passage_count in sorted(segments, key=lambda item: item[1]):
        if passages + passage_count > MERGED_PASSAGES_MAX:
            break
        passages += passage_count
        chosen.append(segment_id)
    return chosen if len(chosen) > 1 else []


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

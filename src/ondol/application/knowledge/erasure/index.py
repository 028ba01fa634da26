"""Taking a document out of every index version: clean segments in the place of those that hold it, whose folders go at once."""

from __future__ import annotations

import asyncio
import uuid

from ondol.application.knowledge import store
from ondol.application.knowledge.erasure.hide import QUERIES
from ondol.application.knowledge.erasure.lance_probe import segments_holding
from ondol.application.knowledge.index_versions.embed import vectors_lock
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.segments import replace_segments
from ondol.core.errors import Conflict
from ondol.infrastructure.ledger.erasure import Erasure, items_of, note_items
from ondol.infrastructure.storage.lance import IndexPlace, SegmentGone
from ondol.infrastructure.storage.postgres import Connection, rows

ROUNDS_MAX = 20
"""So often it is begun anew, since a merge took a segment away that was being rewritten."""

WAIT_SECONDS_MAX = 60.0
"""So long a writer that began before the document was hidden is waited for."""


async def find_in_index(connection: Connection, erasure: Erasure) -> int:
    """Note the document's versions and the segments that hold them; how many segments there are."""
    found = await rows(connection, QUERIES["document_versions_all"], {"document_id": erasure.target_id})
    await note_items(connection, erasure, "version", [row["id"] for row in found])
    segments = [row["id"] for row in await rows(connection, QUERIES["document_segments"], {"document_id": erasure.target_id})]
    await note_items(connection, erasure, "segment", segments)
    return len(segments)


async def erase_from_index(room: Knowledge, erasure: Erasure) -> None:
    """Rewrite or drop every segment that holds the document.

    What a writer that began before the document was hidden is still writing cannot be published any more; it is waited for, and what it leaves is
    dropped here.

    Raises:
        Conflict: when an index version is being built for longer than that.
    """
    assert erasure.base_id is not None  # noqa: S101 - a document lies in a base
    async with room.database.writer_lock(erasure.base_id, wait_s=WAIT_SECONDS_MAX) as free:
        _refuse_busy(free)
    for _ in range(ROUNDS_MAX):
        if not await _replace_all(room, erasure, erasure.base_id):
            break
    else:
        raise Conflict("The index is merged all the while.", "Run it again.", code="index_busy")
    await _wait_for_builders(room, erasure, erasure.base_id)
    await _drop_unpublished(room, erasure, erasure.base_id)


async def _replace_all(room: Knowledge, erasure: Erasure, base_id: uuid.UUID) -> bool:
    """Deal with each segment that holds the document; whether there was any."""
    async with room.database.tenant_tx(erasure.tenant_id) as connection:
        found = await rows(connection, QUERIES["document_segments"], {"document_id": erasure.target_id})
    for row in found:
        place = IndexPlace(erasure.tenant_id, base_id, row["index_id"])
        if row["state"] == "live":
            async with room.database.tenant_tx(erasure.tenant_id) as connection:
                retired = await store.retired_versions(connection, row["index_id"])
                vectors = await store.segment_vectors(connection, row["index_id"])
            vectors = {segment_id: vectors_id for segment_id, vectors_id in vectors.items() if segment_id == row["id"]}
            try:
                is_replaced = await replace_segments(room, erasure.tenant_id, place, [row["id"]], retired, vectors)
            except SegmentGone:
                is_replaced = False
                await _forget_lost(room, erasure, place, row["id"])
            if not is_replaced:
                continue
        await asyncio.to_thread(room.lance.drop_segment, place, row["id"])
        async with room.database.tenant_tx(erasure.tenant_id) as connection:
            await connection.execute(store.QUERIES["segment_forget"], {"id": row["id"]})
    return bool(found)


async def _forget_lost(room: Knowledge, erasure: Erasure, place: IndexPlace, segment_id: uuid.UUID) -> None:
    """After a restore rows may name folders that are gone: such a segment holds nothing, and no search can ask it."""
    if segment_id in await asyncio.to_thread(room.lance.segment_ids, place):
        return
    async with room.database.tenant_tx(erasure.tenant_id) as connection:
        await connection.execute(QUERIES["lost_segment_forget"], {"segment_id": segment_id, "document_id": erasure.target_id})


async def _wait_for_builders(room: Knowledge, erasure: Erasure, base_id: uuid.UUID) -> None:
    async with room.database.tenant_tx(erasure.tenant_id) as connection:
        found = await rows(connection, QUERIES["base_index_versions"], {"base_id": base_id})
    for row in found:
        for lock in (row["id"], vectors_lock(row["id"])):
            async with room.database.writer_lock(lock, wait_s=WAIT_SECONDS_MAX) as free:
                _refuse_busy(free)


async def _drop_unpublished(room: Knowledge, erasure: Erasure, base_id: uuid.UUID) -> None:
    """Drop the folders that hold the document and that no row names."""
    async with room.database.tenant_tx(erasure.tenant_id) as connection:
        known = {row["id"] for row in await rows(connection, QUERIES["base_segments"], {"base_id": base_id})}
        versions, segments = await items_of(connection, erasure, "version"), await items_of(connection, erasure, "segment")
    for holding in await segments_holding(room.lance.url, room.lance.options, erasure.tenant_id, base_id, versions, replaced=segments):
        if holding.segment_id not in known:
            place = IndexPlace(erasure.tenant_id, base_id, holding.index_id)
            await asyncio.to_thread(room.lance.drop_segment, place, holding.segment_id)


def _refuse_busy(free: bool) -> None:
    if not free:
        raise Conflict("The base is being written to.", "The job worker goes on when that has ended.", code="base_busy")

"""The same search with vectors beside the full text, and what cutting candidates off by their codes costs.

The embedder stands in for a model and takes no time: a text is the sum of one random direction for each of its words and one that all share, so
questions lie near the passages that have their words, and all texts lie near each other, as with real embedders. Its time is not in the figures.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
import uuid
import zlib
from collections.abc import Sequence
from typing import Any

import numpy
from numpy.typing import NDArray

from ondol.application.knowledge.embedding import Embeddings
from ondol.application.knowledge.index.vectors import nearest
from ondol.application.knowledge.index_versions import Wanted, build_version, start_version, with_embedder
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.search import IndexStates, search
from ondol.application.knowledge.store import Base, get_base, live_segments, segment_vectors
from ondol.infrastructure.serving.embedding import Embedder
from ondol.infrastructure.storage.lance import IndexPlace
from ondol.wiring.platform import Platform

DIMENSIONS = 384
SHARED = 1.0
"""How much of a text's length, before its words, is the direction that all texts share."""
WARM_UP = 20
HITS = 10
RECALL_QUESTIONS_MAX = 200
ALL = 10**9


class WordEmbedder:
    """See `Embedder`."""

    identity = f"benchmark:words-{DIMENSIONS}"

    def __init__(self) -> None:
        self._words: dict[str, NDArray[numpy.float32]] = {}
        self._shared = self._direction("every text") * SHARED

    async def embed(self, texts: Sequence[str], *, deadline_s: float) -> NDArray[numpy.float32]:
        """See `Embedder`."""
        return numpy.array([self._vector(text) for text in texts], numpy.float32)

    def _vector(self, text: str) -> NDArray[numpy.float32]:
        words = text.split()
        total: NDArray[numpy.float32] = self._shared * numpy.float32(max(1, len(words)) ** 0.5)
        for word in words:
            known = self._words.get(word)
            if known is None:
                known = self._words[word] = self._direction(word)
            total = total + known
        return total

    def _direction(self, word: str) -> NDArray[numpy.float32]:
        drawn = numpy.random.default_rng(zlib.crc32(word.encode())).standard_normal(DIMENSIONS, numpy.float32)
        return numpy.asarray(drawn / numpy.linalg.norm(drawn), numpy.float32)


async def build_vectors(platform: Platform, tenant: uuid.UUID, base_id: uuid.UUID) -> tuple[Knowledge, int]:
    """Make a version with vectors the live one: the room that knows its embedder, and how many vectors were stored."""
    embedder = WordEmbedder()

    async def found(tenant_id: uuid.UUID, name: str) -> Embedder:
        return embedder

    room = dataclasses.replace(platform.knowledge, embeddings=Embeddings(found))
    settings = await with_embedder(room, tenant, (await _base(room, tenant, base_id)).settings, "words")
    made = await start_version(room, tenant, base_id, settings, Wanted(activate=True))
    report = await build_version(room, tenant, made.id)
    return room, report.embedded


async def figures(platform: Platform, tenant: uuid.UUID, reader: uuid.UUID, base_id: uuid.UUID, questions: Sequence[str]) -> dict[str, Any]:
    """`vectors_build_s`, `hybrid_p50_ms`, `hybrid_p95_ms` and `codes_recall_at_10`.

    Args:
        questions: each is asked once; the first ones warm up.
    """
    began = time.monotonic()
    room, embedded = await build_vectors(platform, tenant, base_id)
    build_s = time.monotonic() - began
    base = await _base(room, tenant, base_id)
    states, seconds = IndexStates(), []
    for question in questions:
        await room.embeddings.query(tenant, base.settings.embedder, question)  # type: ignore[arg-type]
        began = time.perf_counter()
        answer = await search(room, states, tenant, reader, base_id, question, limit=HITS)
        seconds.append(time.perf_counter() - began)
        assert [stage.degraded for stage in answer.stages] == ["", "", ""]
    seconds = seconds[WARM_UP:]
    return {
        "vectors": embedded,
        "vectors_build_s": round(build_s, 1),
        "hybrid_p50_ms": round(statistics.median(seconds) * 1000, 1),
        "hybrid_p95_ms": round(statistics.quantiles(seconds, n=20)[18] * 1000, 1),
        "codes_recall_at_10": await _recall(room, tenant, reader, base_id, questions[:RECALL_QUESTIONS_MAX]),
    }


def show(figures: dict[str, Any]) -> None:
    """Two lines for people."""
    p50, p95, recall = figures["hybrid_p50_ms"], figures["hybrid_p95_ms"], figures["codes_recall_at_10"]
    print(f"with vectors of {DIMENSIONS} dimensions beside it: {p50} ms (p50), {p95} ms (p95), without the embedder's time;")
    print(f"{figures['vectors']:,} vectors stored in {figures['vectors_build_s']} s; of the ten nearest {recall:.2%} are found by codes\n")


async def _base(room: Knowledge, tenant: uuid.UUID, base_id: uuid.UUID) -> Base:
    async with room.database.tenant_tx(tenant) as connection:
        return await get_base(connection, base_id)


async def _recall(room: Knowledge, tenant: uuid.UUID, reader: uuid.UUID, base_id: uuid.UUID, questions: Sequence[str]) -> float:
    """Of the ten nearest the share that is found when candidates are cut off by their codes."""
    base = await _base(room, tenant, base_id)
    assert base.active_index_id is not None
    assert base.settings.embedder is not None
    async with room.database.tenant_tx(tenant) as connection:
        visible = (await room.visible.of(connection, tenant, reader)).audience_ids
        segments = [segment_id for segment_id, _ in await live_segments(connection, base.active_index_id)]
        vectors = await segment_vectors(connection, base.active_index_id)
    place = IndexPlace(tenant, base_id, base.active_index_id)
    readers, opened = room.shelf.open(place, segments), room.shelf.vectors(place, vectors)
    shared = 0
    for question in questions:
        asked = await room.embeddings.query(tenant, base.settings.embedder, question)
        by_codes, exact = (
            {near.hit.document_version_id.bytes + bytes([near.hit.passage_ordinal]) for near in found}
            for found in (
                nearest(room.shelf, readers, opened, asked, visible, {}, limit=HITS, exact_max=0),
                nearest(room.shelf, readers, opened, asked, visible, {}, limit=HITS, exact_max=ALL),
            )
        )
        shared += len(by_codes & exact)
    return round(shared / (HITS * len(questions)), 4)

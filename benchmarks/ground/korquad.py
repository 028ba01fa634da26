"""KorQuAD through the whole pipeline, beside bm25s on words and on our own terms."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data import Korquad, read_korquad
from ondol.application.knowledge.index import analyse, query_terms, query_words, rank
from ondol.application.knowledge.ingest import IngestOptions, ingest_folder
from ondol.application.knowledge.search import IndexStates, search
from ondol.application.knowledge.store import find_base, live_segments
from ondol.core.config import load_settings
from ondol.infrastructure.access.people import NewPerson, add_person, create_tenant
from ondol.infrastructure.storage.lance import IndexPlace
from ondol.wiring.platform import Platform, open_platform

WARM_UP_QUESTIONS = 50


@dataclass(frozen=True, slots=True)
class Finding:
    """How well and how fast one system finds."""

    system: str
    recall_at_1: float
    recall_at_10: float
    p50_ms: float
    p95_ms: float
    mean_ms: float


def ours(folder: Path, timed_questions: int) -> tuple[list[Finding], float]:
    """Recall over all questions by the index alone; latency of the whole search (permissions, index, confirmation, opened texts)."""
    return asyncio.run(_ours(folder, timed_questions))


async def _ours(folder: Path, timed_questions: int) -> tuple[list[Finding], float]:
    settings = load_settings(environment={}, options={"data_dir": folder})
    async with open_platform(settings) as platform:
        korquad = read_korquad()
        return await ours_in(platform, korquad, korquad.questions[:timed_questions])


async def ours_in(platform: Platform, korquad: Korquad, timed: Sequence[tuple[str, int]]) -> tuple[list[Finding], float]:
    """Take the paragraphs into a base of a tenant of its own, and ask: the index all questions, the whole search those that are timed.

    Returns:
        What the index alone and the whole search found, and the seconds of taking in.
    """
    with tempfile.TemporaryDirectory() as texts:
        _write(korquad, Path(texts))
        now = platform.clock()
        tenant = await create_tenant(platform.database, platform.keyring, slug="benchmark", name="Benchmark", now=now)
        async with platform.database.tenant_tx(tenant.id) as connection:
            person = await add_person(connection, platform.keyring, tenant.id, NewPerson("reader", "Reader"), now)
        began = time.monotonic()
        await ingest_folder(platform.knowledge, tenant.id, "korquad", Path(texts), IngestOptions(), lambda done, total: None)
        ingest_s = time.monotonic() - began
    index_only = await _index_only(platform, tenant.id, person.id, korquad)
    whole = await _whole_search(platform, tenant.id, person.id, timed, index_only)
    return [index_only, whole], ingest_s


def _write(korquad: Korquad, folder: Path) -> None:
    for index, paragraph in enumerate(korquad.paragraphs):
        (folder / f"{index:04}.txt").write_text(paragraph, "utf-8")


async def _index_only(platform: Platform, tenant_id, person_id, korquad: Korquad) -> Finding:  # type: ignore[no-untyped-def]
    room = platform.knowledge
    async with platform.database.tenant_tx(tenant_id) as connection:
        visible = await room.visible.of(connection, tenant_id, person_id)
        base = await find_base(connection, "korquad")
        assert base.active_index_id is not None
        segments = [segment_id for segment_id, _ in await live_segments(connection, base.active_index_id)]
    place = IndexPlace(tenant_id, base.id, base.active_index_id)
    readers = room.shelf.open(place, segments)
    key = room.tenant_key(tenant_id, "terms")
    where = await _where_is(platform, tenant_id, person_id, base.id, korquad)

    def find(question: str) -> list[int]:
        words = query_words(question)
        hits = rank(room.shelf, readers, query_terms(words, key), visible.audience_ids, {}, limit=10).hits
        return [where[hit.document_version_id] for hit in hits]

    return measure("ondol, index alone", find, korquad.questions)


async def _where_is(platform: Platform, tenant_id, person_id, base_id, korquad: Korquad):  # type: ignore[no-untyped-def]
    """Which paragraph each document version holds, from the file name that its sealed details tell."""
    from ondol.application.knowledge import store

    async with platform.database.tenant_tx(tenant_id) as connection:
        known = await store.known_sources(connection, base_id)
        visible = await platform.knowledge.visible.of(connection, tenant_id, person_id)
        ids = [source.version_id for source in known.values()]
        readable = await store.readable_versions(connection, platform.keyring, tenant_id, ids, visible.audience_ids, platform.clock())
    assert len(readable) == len(korquad.paragraphs)
    return {version_id: int(Path(version.details.path).stem) for version_id, version in readable.items()}


async def _whole_search(platform: Platform, tenant_id, person_id, questions, index_only: Finding) -> Finding:  # type: ignore[no-untyped-def]
    states = IndexStates()
    async with platform.database.tenant_tx(tenant_id) as connection:
        base = await find_base(connection, "korquad")
    seconds = []
    for number, (question, _) in enumerate([*questions[:WARM_UP_QUESTIONS], *questions]):
        began = time.perf_counter()
        await search(platform.knowledge, states, tenant_id, person_id, base.id, question, limit=10)
        if number >= WARM_UP_QUESTIONS:
            seconds.append(time.perf_counter() - began)
    return _finding("ondol, whole search", index_only.recall_at_1, index_only.recall_at_10, seconds)


def peers(questions: Sequence[tuple[str, int]]) -> list[Finding]:
    """bm25s (SciPy sparse, in memory, no permissions, nothing sealed) on words by spaces and on our terms."""
    import bm25s

    korquad = read_korquad()
    found = []
    for name, split in (("bm25s, words by spaces", str.split), ("bm25s, our terms", analyse)):
        retriever = bm25s.BM25()
        retriever.index([split(paragraph) for paragraph in korquad.paragraphs], show_progress=False)

        def find(question: str, retriever: bm25s.BM25 = retriever, split: Callable[[str], list[str]] = split) -> list[int]:
            known = [term for term in dict.fromkeys(split(question)) if term in retriever.vocab_dict]
            if not known:
                return []
            return [int(index) for index in retriever.retrieve([known], k=10, show_progress=False)[0][0]]

        found.append(measure(name, find, questions))
    return found


def measure(system: str, find: Callable[[str], list[int]], questions: Sequence[tuple[str, int]]) -> Finding:
    """Ask every question and count how often the right paragraph comes first, and among the first ten."""
    first = among = 0
    seconds = []
    for question, _ in questions[:WARM_UP_QUESTIONS]:
        find(question)
    for question, wanted in questions:
        began = time.perf_counter()
        found = find(question)
        seconds.append(time.perf_counter() - began)
        first += found[:1] == [wanted]
        among += wanted in found
    return _finding(system, first / len(questions), among / len(questions), seconds)


def _finding(system: str, recall_at_1: float, recall_at_10: float, seconds: list[float]) -> Finding:
    cuts = statistics.quantiles(seconds, n=20)
    return Finding(system, recall_at_1, recall_at_10, statistics.median(seconds) * 1000, cuts[18] * 1000, statistics.mean(seconds) * 1000)

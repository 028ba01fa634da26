"""The whole search over many passages that differ in who may read them, and how long their index takes to build."""

from __future__ import annotations

import itertools
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.data import read_korquad
from benchmarks.knowledge import hybrid
from benchmarks.knowledge.installation import on_a_platform
from ondol.application.knowledge.index_versions.build import rebuild
from ondol.application.knowledge.ingest import IngestOptions, ingest_folder
from ondol.application.knowledge.search import IndexStates, search
from ondol.application.knowledge.sentences import split_sentences
from ondol.application.knowledge.store import Base, find_base, live_segments
from ondol.infrastructure.access.people import NewPerson, add_person, create_tenant, ensure_group
from ondol.wiring.platform import Platform

SEED = 20261121
BASE = "scale"
GROUPS = 50
READABLE = 5
"""Of so many of the groups the reader is a member; each document is for one group."""
PASSAGES_OF_A_DOCUMENT = 25
SENTENCES_OF_A_PASSAGE = (4, 8)
WARM_UP = 20
PASSAGES, PASSAGES_QUICK = 300_000, 2_000
QUESTIONS, QUESTIONS_QUICK = 1_000, 200


def measure(*, quick: bool) -> dict[str, Any]:
    """Search, ingest and build; the quick form over fewer passages."""
    passages, questions = (PASSAGES_QUICK, QUESTIONS_QUICK) if quick else (PASSAGES, QUESTIONS)
    return on_a_platform(lambda platform: figures(platform, passages, questions))


async def figures(platform: Platform, passages: int, questions: int) -> dict[str, Any]:
    """`search_passages`, `search_p50_ms_labels`, `search_p95_ms_labels`, `ingest_s` and `index_build_s`, and those of `hybrid`.

    Args:
        passages: about so many, of sentences of KorQuAD put together anew.
        questions: of KorQuAD, each asked once.
    """
    tenant, reader = await _tenant(platform)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), passages)
        await ingest_folder(platform.knowledge, tenant, BASE, Path(folder), IngestOptions(), lambda done, total: None)
    ingest_s = time.monotonic() - began
    began = time.monotonic()
    await rebuild(platform.knowledge, tenant, (await _base(platform, tenant)).id)
    build_s = time.monotonic() - began
    asked = random.Random(SEED).sample(read_korquad().questions, questions + WARM_UP)  # noqa: S311 - a sample, not a secret
    seconds = await _ask(platform, tenant, reader, [question for question, _ in asked])
    with_vectors = await hybrid.figures(platform, tenant, reader, (await _base(platform, tenant)).id, [question for question, _ in asked])
    return {
        "search_passages": await _count(platform, tenant),
        "search_p50_ms_labels": round(statistics.median(seconds) * 1000, 1),
        "search_p95_ms_labels": round(statistics.quantiles(seconds, n=20)[18] * 1000, 1),
        "ingest_s": round(ingest_s, 1),
        "index_build_s": round(build_s, 1),
        **with_vectors,
    }


def show(figures: dict[str, Any]) -> None:
    """A line for people."""
    p50, p95 = figures["search_p50_ms_labels"], figures["search_p95_ms_labels"]
    print(f"{figures['search_passages']:,} passages for {GROUPS} groups, of which the reader is in {READABLE}: {p50} ms (p50), {p95} ms (p95);")
    print(f"taken in {figures['ingest_s']} s, a new index version built of the sealed texts in {figures['index_build_s']} s")
    hybrid.show(figures)


async def _tenant(platform: Platform) -> tuple[uuid.UUID, uuid.UUID]:
    now = platform.clock()
    tenant = await create_tenant(platform.database, platform.keyring, slug=BASE, name="Scale", now=now)
    async with platform.database.tenant_tx(tenant.id) as connection:
        for number in range(GROUPS):
            await ensure_group(connection, tenant.id, _group(number), now)
        groups = tuple(_group(number) for number in range(READABLE))
        reader = await add_person(connection, platform.keyring, tenant.id, NewPerson("reader", "Reader", groups=groups), now)
    return tenant.id, reader.id


def _group(number: int) -> str:
    return f"group-{number:02}"


def _write(folder: Path, passages: int) -> None:
    """Documents of whole paragraphs, each for one group."""
    paragraphs = _paragraphs()
    for number in range(-(-passages // PASSAGES_OF_A_DOCUMENT)):
        body = "\n\n".join(itertools.islice(paragraphs, PASSAGES_OF_A_DOCUMENT))
        (folder / f"{number:06}.md").write_text(f"---\ngroups: [{_group(number % GROUPS)}]\n---\n{body}\n", "utf-8")


def _paragraphs() -> Iterator[str]:
    """Without end: some sentences of KorQuAD under a heading of their own, which makes them a passage."""
    chance = random.Random(SEED)  # noqa: S311 - a sample, not a secret
    sentences = [sentence for paragraph in read_korquad().paragraphs for sentence in _sentences(paragraph)]
    for number in itertools.count():
        chosen = chance.sample(sentences, chance.randint(*SENTENCES_OF_A_PASSAGE))
        yield f"## {number}\n\n{' '.join(chosen)}"


def _sentences(paragraph: str) -> list[str]:
    return [" ".join(paragraph[start:end].split()) for start, end in split_sentences(paragraph)]


async def _base(platform: Platform, tenant_id: uuid.UUID) -> Base:
    async with platform.database.tenant_tx(tenant_id) as connection:
        return await find_base(connection, BASE)


async def _count(platform: Platform, tenant_id: uuid.UUID) -> int:
    base = await _base(platform, tenant_id)
    assert base.active_index_id is not None
    async with platform.database.tenant_tx(tenant_id) as connection:
        return sum(passages for _, passages in await live_segments(connection, base.active_index_id))


async def _ask(platform: Platform, tenant_id: uuid.UUID, reader: uuid.UUID, questions: Sequence[str]) -> list[float]:
    """The seconds of each search after the first ones."""
    states = IndexStates()
    base = await _base(platform, tenant_id)
    seconds = []
    for question in questions:
        began = time.perf_counter()
        await search(platform.knowledge, states, tenant_id, reader, base.id, question, limit=10)
        seconds.append(time.perf_counter() - began)
    return seconds[WARM_UP:]

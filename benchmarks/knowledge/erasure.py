"""How long an erasure takes in a large base while people go on searching: until nobody finds the document, and until every store is proved."""

from __future__ import annotations

import asyncio
import itertools
import random
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.data import read_korquad
from benchmarks.knowledge.installation import on_a_platform
from ondol.application.erasure import erase_document
from ondol.application.knowledge.index_versions import Wanted, build_version, start_version
from ondol.application.knowledge.ingest import IngestOptions, ingest_folder
from ondol.application.knowledge.search import IndexStates, search
from ondol.application.knowledge.sentences import split_sentences
from ondol.application.knowledge.store import Base, find_base, list_bases
from ondol.application.knowledge.types import IndexSettings
from ondol.core.errors import OndolError
from ondol.infrastructure.access.people import NewPerson, add_person, create_tenant
from ondol.infrastructure.ledger.erasure import carry_out
from ondol.wiring.erasure import erasure_room
from ondol.wiring.platform import Platform

SEED = 20261121
BASE = "erasure"
PASSAGES_OF_A_DOCUMENT = 500
PASSAGE_CHARS = (60, 200)
"""So that each sentence is a passage."""
PASSAGES, PASSAGES_QUICK = 300_000, 1_500
SEARCHERS = 2
"""So many people search all the while, each one question after another."""

WORD = "Quarzlampenwerk"
"""Stands in the document that is erased and in no other."""


@dataclass(slots=True)
class _Seen:
    """What the people who searched met with."""

    milliseconds: list[float] = field(default_factory=list)
    errors: int = 0


def measure(*, quick: bool) -> dict[str, Any]:
    """One erasure in two index versions; the quick form over fewer passages."""
    return on_a_platform(lambda platform: figures(platform, PASSAGES_QUICK if quick else PASSAGES))


async def figures(platform: Platform, passages: int) -> dict[str, Any]:
    """`erasure_passages`, `erasure_hidden_s`, `erasure_s`, and of the searches meanwhile their number, errors, and longest time.

    Args:
        passages: about so many in each of two index versions.
    """
    tenant, reader = await _tenant(platform)
    await _fill(platform, tenant, passages)
    base = await _base(platform, tenant)
    made = await start_version(platform.knowledge, tenant, base.id, base.settings, Wanted())
    await build_version(platform.knowledge, tenant, made.id)
    states, seen, stop = IndexStates(), _Seen(), asyncio.Event()
    assert (await search(platform.knowledge, states, tenant, reader, base.id, WORD, limit=10)).evidence, "the document is not found before"
    searching = [asyncio.create_task(_search(platform, tenant, reader, base, seen, stop, number)) for number in range(SEARCHERS)]
    began = time.monotonic()
    hidden = await erase_document(platform.knowledge, tenant, BASE, "erased")
    hidden_s = time.monotonic() - began
    found = await search(platform.knowledge, states, tenant, reader, base.id, WORD, limit=10)
    proved = await carry_out(erasure_room(platform), tenant, hidden.id)
    proved_s = time.monotonic() - began
    stop.set()
    await asyncio.gather(*searching)
    assert (proved.state, found.evidence) == ("proved", ()), proved.failure
    async with platform.database.tenant_tx(tenant) as connection:
        [summary] = await list_bases(connection)
    return {
        "erasure_passages": summary.passages,
        "erasure_hidden_s": round(hidden_s, 3),
        "erasure_s": round(proved_s, 1),
        "erasure_searches": len(seen.milliseconds),
        "erasure_search_errors": seen.errors,
        "erasure_search_max_ms": round(max(seen.milliseconds, default=0.0), 1),
    }


def show(figures: dict[str, Any]) -> None:
    """A line for people."""
    print(
        f"a document of {PASSAGES_OF_A_DOCUMENT} among {figures['erasure_passages']:,} passages, in two index versions: hidden after"
        f" {figures['erasure_hidden_s']} s, gone and proved after {figures['erasure_s']} s;"
    )
    print(
        f"{figures['erasure_searches']:,} searches meanwhile, {figures['erasure_search_errors']} of them failed,"
        f" the longest took {figures['erasure_search_max_ms']} ms\n"
    )


async def _tenant(platform: Platform) -> tuple[uuid.UUID, uuid.UUID]:
    now = platform.clock()
    tenant = await create_tenant(platform.database, platform.keyring, slug=BASE, name="Erasure", now=now)
    async with platform.database.tenant_tx(tenant.id) as connection:
        reader = await add_person(connection, platform.keyring, tenant.id, NewPerson("reader", "Reader"), now)
    return tenant.id, reader.id


async def _fill(platform: Platform, tenant: uuid.UUID, passages: int) -> None:
    """Take documents in, of passages of one sentence each; one of them is to be erased."""
    with tempfile.TemporaryDirectory() as folder:
        await asyncio.to_thread(_write, Path(folder), passages)
        options = IngestOptions(index_settings=IndexSettings(*PASSAGE_CHARS))
        await ingest_folder(platform.knowledge, tenant, BASE, Path(folder), options, lambda done, total: None)


def _write(folder: Path, passages: int) -> None:
    chance = random.Random(SEED)  # noqa: S311 - a sample, not a secret
    sentences = _sentences()
    for number in range(-(-passages // PASSAGES_OF_A_DOCUMENT)):
        chosen = chance.choices(sentences, k=PASSAGES_OF_A_DOCUMENT)
        if number == 0:
            chosen[0] = f"{WORD} {chosen[0]}"
        body = "\n\n".join(f"## {place}\n\n{sentence}" for place, sentence in enumerate(chosen))
        (folder / f"{'erased' if number == 0 else number}.md").write_text(f"{body}\n", "utf-8")


def _sentences() -> list[str]:
    found = itertools.islice(((paragraph, span) for paragraph in read_korquad().paragraphs for span in split_sentences(paragraph)), 5_000)
    return [" ".join(paragraph[start:end].split()) for paragraph, (start, end) in found]


async def _base(platform: Platform, tenant: uuid.UUID) -> Base:
    async with platform.database.tenant_tx(tenant) as connection:
        return await find_base(connection, BASE)


async def _search(platform: Platform, tenant: uuid.UUID, reader: uuid.UUID, base: Base, seen: _Seen, stop: asyncio.Event, number: int) -> None:
    """Ask one question after another until it is said to stop."""
    questions = [question for question, _ in read_korquad().questions[number::SEARCHERS]]
    states = IndexStates()
    for question in itertools.cycle(questions):
        if stop.is_set():
            return
        began = time.perf_counter()
        try:
            await search(platform.knowledge, states, tenant, reader, base.id, question, limit=10)
        except OndolError:
            seen.errors += 1
        seen.milliseconds.append((time.perf_counter() - began) * 1000)

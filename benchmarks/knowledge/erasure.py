"""How long an erasure takes in a large base while people go on searching: until nobody finds the document, and until every store is proved."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import random
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.data import read_korquad
from benchmarks.knowledge import hybrid
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

WORDS = ("Quarzlampenwerk", "Zwirnspulenhof")
"""Each stands in one of the documents that are erased and in no other."""
NAMES = ("erased", "erased-later")


@dataclass(frozen=True, slots=True)
class _Asked:
    """Whose search of which base."""

    tenant: uuid.UUID
    reader: uuid.UUID
    base: Base


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

    Then the same of another document once vectors stand beside the full text, in a third version: names begin with `erasure_vectors_`.

    Args:
        passages: about so many in each of the index versions.
    """
    tenant, reader = await _tenant(platform)
    await _fill(platform, tenant, passages)
    base = await _base(platform, tenant)
    made = await start_version(platform.knowledge, tenant, base.id, base.settings, Wanted())
    await build_version(platform.knowledge, tenant, made.id)
    asked = _Asked(tenant, reader, base)
    alone = await _erased(platform, asked, NAMES[0], WORDS[0])
    room, _ = await hybrid.build_vectors(platform, tenant, base.id)
    with_vectors = await _erased(dataclasses.replace(platform, knowledge=room), asked, NAMES[1], WORDS[1])
    async with platform.database.tenant_tx(tenant) as connection:
        [summary] = await list_bases(connection)
    return {
        "erasure_passages": summary.passages,
        **{f"erasure_{name}": value for name, value in alone.items()},
        **{f"erasure_vectors_{name}": value for name, value in with_vectors.items()},
    }


async def _erased(platform: Platform, asked: _Asked, name: str, word: str) -> dict[str, Any]:
    """Erase a document while people search: seconds until nobody finds it and until it is proved, and what the searches met with."""
    tenant, reader, base = asked.tenant, asked.reader, asked.base
    states, seen, stop = IndexStates(), _Seen(), asyncio.Event()
    before = await search(platform.knowledge, states, tenant, reader, base.id, word, limit=10)
    assert any(word in one.text for one in before.evidence), "the document is not found before"
    searching = [asyncio.create_task(_search(platform, asked, seen, stop, number)) for number in range(SEARCHERS)]
    began = time.monotonic()
    hidden = await erase_document(platform.knowledge, tenant, BASE, name)
    hidden_s = time.monotonic() - began
    found = await search(platform.knowledge, states, tenant, reader, base.id, word, limit=10)
    proved = await carry_out(erasure_room(platform), tenant, hidden.id)
    proved_s = time.monotonic() - began
    stop.set()
    await asyncio.gather(*searching)
    assert proved.state == "proved", proved.failure
    assert not any(word in one.text for one in found.evidence), "the document is found when it is hidden"
    return {
        "hidden_s": round(hidden_s, 3), "s": round(proved_s, 1), "searches": len(seen.milliseconds), "search_errors": seen.errors,
        "search_max_ms": round(max(seen.milliseconds, default=0.0), 1),
    }  # fmt: skip


def show(figures: dict[str, Any]) -> None:
    """Lines for people."""
    for stem, how in (("erasure", "in two index versions"), ("erasure_vectors", "in a third with vectors as well")):
        print(
            f"a document of {PASSAGES_OF_A_DOCUMENT} among {figures['erasure_passages']:,} passages, {how}: hidden after"
            f" {figures[f'{stem}_hidden_s']} s, gone and proved after {figures[f'{stem}_s']} s;"
        )
        print(
            f"{figures[f'{stem}_searches']:,} searches meanwhile, {figures[f'{stem}_search_errors']} of them failed,"
            f" the longest took {figures[f'{stem}_search_max_ms']} ms"
        )
    print()


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
        if number < len(WORDS):
            chosen[0] = f"{WORDS[number]} {chosen[0]}"
        body = "\n\n".join(f"## {place}\n\n{sentence}" for place, sentence in enumerate(chosen))
        (folder / f"{NAMES[number] if number < len(NAMES) else number}.md").write_text(f"{body}\n", "utf-8")


def _sentences() -> list[str]:
    found = itertools.islice(((paragraph, span) for paragraph in read_korquad().paragraphs for span in split_sentences(paragraph)), 5_000)
    return [" ".join(paragraph[start:end].split()) for paragraph, (start, end) in found]


async def _base(platform: Platform, tenant: uuid.UUID) -> Base:
    async with platform.database.tenant_tx(tenant) as connection:
        return await find_base(connection, BASE)


async def _search(platform: Platform, asked: _Asked, seen: _Seen, stop: asyncio.Event, number: int) -> None:
    """Ask one question after another until it is said to stop."""
    questions = [question for question, _ in read_korquad().questions[number::SEARCHERS]]
    states = IndexStates()
    for question in itertools.cycle(questions):
        if stop.is_set():
            return
        began = time.perf_counter()
        try:
            await search(platform.knowledge, states, asked.tenant, asked.reader, asked.base.id, question, limit=10)
        except OndolError:
            seen.errors += 1
        seen.milliseconds.append((time.perf_counter() - began) * 1000)

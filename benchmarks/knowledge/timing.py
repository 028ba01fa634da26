"""What the time of a search tells of documents that the reader may not read: `python -m benchmarks.knowledge.timing [--quick] [--json]`.

One reader, one question, and three bases with the same open passages: one holds nothing else, one also passages that are closed to the reader
and hold none of the question's words, and one as many closed passages that hold all of them. They are asked in turn, in an order by chance, and
everything is in memory.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.knowledge.noninterference import Stand, open_stand
from benchmarks.machine import machine
from ondol.application.knowledge.ingest import IngestOptions, ingest_folder
from ondol.application.knowledge.search import IndexStates, search
from ondol.application.knowledge.store import find_base
from ondol.application.knowledge.types import IndexSettings
from ondol.infrastructure.access.people import NewPerson, add_person, create_tenant
from ondol.infrastructure.storage.postgres import DatabaseAddresses

QUESTION = "beacon harbour refund"
OPEN_PASSAGES = 2_000
CLOSED_PASSAGES = 20_000
PASSAGES_OF_FILE = 500
WARM_UP_ROUNDS = 20
WORLDS = ("nothing closed", "closed, other words", "closed, same words")
SETTINGS = IndexSettings(50, 100)


@dataclass(frozen=True, slots=True)
class Asker:
    """Where and as whom the question is asked."""

    tenant_id: uuid.UUID
    person_id: uuid.UUID
    base_id: uuid.UUID
    states: IndexStates


def figures(*, rounds: int = 500, closed: int = CLOSED_PASSAGES, addresses: DatabaseAddresses | None = None) -> dict[str, Any]:
    """Median and 95th percentile of each world in ms, and how often one search in the one takes longer than one in the other (0.5 tells nothing)."""
    with open_stand(addresses) as stand:
        askers = {name: stand.run(_asker(stand, name, closed)) for name in WORLDS}
        seconds = stand.run(_timed(stand, askers, rounds))
    found: dict[str, Any] = {name: _spread(seconds[name]) for name in WORLDS}
    alone, others, same = (seconds[name] for name in WORLDS)
    return {
        "timing": found,
        "timing_closed_passages": closed,
        "timing_added_ms": round((statistics.median(same) - statistics.median(alone)) * 1000, 3),
        "timing_told_by_closed": round(longer(same, alone), 3),
        "timing_told_by_matching": round(longer(same, others), 3),
    }


def longer(one: Sequence[float], other: Sequence[float]) -> float:
    """How often a value of the one is above one of the other, ties counted half: the area under the ROC curve (Mann and Whitney, 1947)."""
    ranked = sorted([(value, 1) for value in one] + [(value, 0) for value in other])
    wins = 0.0
    place = below = 0
    while place < len(ranked):
        end = place
        while end < len(ranked) and ranked[end][0] == ranked[place][0]:
            end += 1
        ours = sum(is_one for _, is_one in ranked[place:end])
        theirs = end - place - ours
        wins += ours * (below + theirs / 2)
        below += theirs
        place = end
    return wins / (len(one) * len(other))


async def _asker(stand: Stand, name: str, closed: int) -> Asker:
    """A base of this world, with somebody who reads what is open."""
    platform, now = stand.real, stand.clock()
    tenant = await create_tenant(platform.database, platform.keyring, slug=f"t{uuid.uuid4().hex[:12]}", name="Timing", now=now)
    async with platform.database.tenant_tx(tenant.id) as connection:
        person = await add_person(connection, platform.keyring, tenant.id, NewPerson("reader", "Reader"), now)
    folder = stand.folder / "timing"
    folder.mkdir()
    _write(folder, "open", OPEN_PASSAGES, "The beacon of the harbour, and refund", "public")
    if name != WORLDS[0]:
        words = "The beacon of the harbour, and refund" if name == WORLDS[2] else "The invoice of the server, and domain"
        _write(folder, "closed", closed, words, "restricted")
    await ingest_folder(platform.knowledge, tenant.id, "base", folder, IngestOptions(index_settings=SETTINGS), lambda done, total: None)
    shutil.rmtree(folder)
    async with platform.database.tenant_tx(tenant.id) as connection:
        base = await find_base(connection, "base")
    return Asker(tenant.id, person.id, base.id, IndexStates())


def _write(folder: Path, name: str, passages: int, words: str, security_class: str) -> None:
    for first in range(0, passages, PASSAGES_OF_FILE):
        body = "\n\n".join(f"{words} number {number}, said once more." for number in range(first, min(first + PASSAGES_OF_FILE, passages)))
        (folder / f"{name}-{first:06}.md").write_text(f"---\nclass: {security_class}\n---\n{body}\n", "utf-8")


async def _timed(stand: Stand, askers: Mapping[str, Asker], rounds: int) -> dict[str, list[float]]:
    """Seconds of each search, by world."""
    chance = random.Random(1)  # noqa: S311 - an order, no secret
    seconds: dict[str, list[float]] = {name: [] for name in askers}
    for number in range(WARM_UP_ROUNDS + rounds):
        for name in chance.sample(list(askers), len(askers)):
            asker = askers[name]
            began = time.perf_counter()
            found = await search(stand.real.knowledge, asker.states, asker.tenant_id, asker.person_id, asker.base_id, QUESTION, limit=10)
            taken = time.perf_counter() - began
            assert len(found.evidence) == 10
            if number >= WARM_UP_ROUNDS:
                seconds[name].append(taken)
    return seconds


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=20)
    return {"p50_ms": round(statistics.median(seconds) * 1000, 3), "p95_ms": round(cuts[18] * 1000, 3)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer searches and fewer closed passages")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    measured = figures(rounds=150, closed=5_000) if options.quick else figures()
    for name, spread in measured["timing"].items():
        print(f"{name:22} p50 {spread['p50_ms']:8.3f} ms   p95 {spread['p95_ms']:8.3f} ms")
    print(f"one search takes longer with closed passages of the same words than with none: {measured['timing_told_by_closed']:.3f}")
    print(f"one search takes longer with closed passages of the same words than of others: {measured['timing_told_by_matching']:.3f}")
    if options.json:
        print(json.dumps(measured | {"machine": machine()}, ensure_ascii=False))


if __name__ == "__main__":
    main()

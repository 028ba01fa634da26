"""What the number of segments costs: the same synthetic passages in few full segments, and with as many small ones beside as merging ever leaves."""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy

from ondol.application.knowledge.index import IndexedDocument, IndexedPassage, QueryTerm, SegmentLimits, build_segments, rank, term_hash
from ondol.application.knowledge.segments import MERGE_FACTOR, MERGED_PASSAGES_MAX
from ondol.core.config import Settings
from ondol.core.ids import new_id
from ondol.infrastructure.storage.lance import IndexPlace, LanceRoot, SegmentShelf

VOCABULARY = 200_000
AUDIENCES = 50
READABLE = 5
TERMS_OF_A_PASSAGE = (60, 110)
KEY = b"a key for the benchmark of it"
QUERIES = 200


@dataclass(frozen=True, slots=True)
class Layout:
    """How one layout of the same passages answers.

    Attributes:
        p50_ms, p95_ms: processor time of a search, by terms of the question; what else the machine does changes it little.
    """

    name: str
    segments: int
    p50_ms: dict[int, float]
    p95_ms: dict[int, float]


def measure(passages: int) -> tuple[list[Layout], float]:
    """Both layouts, and the seconds in which the few full segments were built."""
    chance = numpy.random.default_rng(20261121)
    words = [f"w{number}" for number in range(VOCABULARY)]
    audiences = [new_id() for _ in range(AUDIENCES)]
    small = [size for tier in range(1, 9) for size in [min(MERGE_FACTOR**tier - 1, MERGED_PASSAGES_MAX // 2)] * (MERGE_FACTOR - 1)]
    small = [size for size in small if size * 2 * MERGE_FACTOR < passages]
    documents = list(_documents(chance, words, audiences, passages))
    with tempfile.TemporaryDirectory(prefix="ondol-benchmark-") as folder:
        root = LanceRoot(Path(folder))
        place = IndexPlace(new_id(), new_id(), new_id())
        few, build_s = _built(root, place, [documents])
        cuts = numpy.cumsum([0, passages - sum(small), *small])
        parts = [documents[start:end] for start, end in itertools.pairwise(cuts.tolist())]
        many, _ = _built(root, place, parts)
        del documents, parts
        questions = {count: _questions(chance, words, count) for count in (8, 30)}
        readable = frozenset(audiences[:READABLE])
        found = [_ask(name, root, place, ids, questions, readable) for name, ids in (("few full segments", few), ("as many as merging leaves", many))]
        root.close()
    return found, build_s


def _documents(chance: numpy.random.Generator, words: Sequence[str], audiences: Sequence[uuid.UUID], passages: int) -> Iterator[IndexedDocument]:
    for number in range(passages):
        length = int(chance.integers(*TERMS_OF_A_PASSAGE))
        terms = [words[place] for place in numpy.minimum(chance.zipf(1.2, length), VOCABULARY) - 1]
        yield IndexedDocument(new_id(), [IndexedPassage(0, 0, 1, audiences[number % len(audiences)], terms)])


def _built(root: LanceRoot, place: IndexPlace, parts: Sequence[Sequence[IndexedDocument]]) -> tuple[list[uuid.UUID], float]:
    began = time.monotonic()
    limits = SegmentLimits(passages_max=MERGED_PASSAGES_MAX)
    ids = [segment.segment_id for part in parts for segment in build_segments(root, place, part, KEY, limits=limits)]
    return ids, time.monotonic() - began


def _questions(chance: numpy.random.Generator, words: Sequence[str], terms: int) -> list[list[QueryTerm]]:
    """Questions of rather rare words, as questions have them once the words that only ask are left out."""
    drawn = chance.integers(20, 20_000, (QUERIES, terms))
    return [[QueryTerm(term_hash(words[place], KEY), 1.0) for place in dict.fromkeys(row)] for row in drawn.tolist()]


def _ask(
    name: str,
    root: LanceRoot,
    place: IndexPlace,
    ids: Sequence[uuid.UUID],
    questions: dict[int, list[list[QueryTerm]]],
    readable: frozenset[uuid.UUID],
) -> Layout:
    half = Settings().storage.index_cache_mb * 2**20 // 2
    shelf = SegmentShelf(root, segment_bytes_max=half, posting_bytes_max=half)
    p50: dict[int, float] = {}
    p95: dict[int, float] = {}
    for count, asked in questions.items():
        seconds = []
        for question in asked:
            began = time.process_time()
            rank(shelf, shelf.open(place, ids), question, readable, {}, limit=10)
            seconds.append(time.process_time() - began)
        cuts = statistics.quantiles(seconds, n=20)
        p50[count], p95[count] = statistics.median(seconds) * 1000, cuts[18] * 1000
    return Layout(name, len(ids), p50, p95)

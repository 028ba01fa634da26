"""BM25 over segments, as if only the passages existed that the caller may read.

Score of a passage: the sum over query terms of ``weight * idf * f * (k1 + 1) / (f + k1 * (1 - b + b * length / average length))`` with
``idf = ln(1 + (N - n + 0.5) / (n + 0.5))`` (Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009; the 1 inside the logarithm,
as Lucene has it, keeps idf positive). N, n and the average length count visible, live passages only, over all segments. So a passage that the
caller may not read changes neither which hits come, nor their scores, nor their order; and it does not matter how documents are spread
over segments: equal scores are ordered by document version and passage, and sums run in the order of the query terms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy
from numpy.typing import NDArray

from ondol.application.knowledge.index.terms import QueryTerm
from ondol.infrastructure.storage.lance import Postings, SegmentReader, SegmentShelf, Selection

K1 = 0.8
"""How fast repetitions of a term saturate. KorQuAD R@1: .925 (0.6), .923 (0.8), .922 (0.9), .918 (1.2); English pages do not mind."""

B = 0.6
"""How much long passages are discounted. KorQuAD R@1: .9252 (0.5), .9254 (0.6), .9262 (0.75), and for finding the section of an English
heading MRR .328 (0.4), .323 (0.6), .315 (0.75)."""

HITS_MAX = 1_000
"""Hits that one search returns at most."""

NOTHING_RETIRED: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found.

    Attributes:
        start, end: where it stands in the document's text, in characters.
        score: BM25; comparable within one search only.
        matched_terms: which query terms it holds, as positions in the query.
        coverage: the share of the query that it holds, in [0, 1]: weighted idf of the matched terms over that of all terms.
    """

    segment_id: UUID
    ordinal: int
    document_version_id: UUID
    audience_id: UUID
    passage_ordinal: int
    start: int
    end: int
    score: float
    matched_terms: tuple[int, ...]
    coverage: float


@dataclass(frozen=True, slots=True)
class Bm25:
    """The two constants of the formula."""

    k1: float = K1
    b: float = B


DEFAULT_BM25 = Bm25()


@dataclass(frozen=True, slots=True)
class Ranking:
    """The hits of a search, best first, and for each query term its weighted idf among the passages that the caller may read."""

    hits: tuple[Hit, ...]
    term_weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _VisiblePart:
    """One segment as the caller sees it: for each query term its visible postings, or None."""

    reader: SegmentReader
    selection: Selection
    postings: list[Postings | None]


def search(
    shelf: SegmentShelf,
    segments: Sequence[SegmentReader],
    terms: Sequence[QueryTerm],
    visible_audiences: AbstractSet[UUID],
    retired: Mapping[UUID, AbstractSet[UUID]],
    *,
    limit: int = 10,
    bm25: Bm25 = DEFAULT_BM25,
) -> list[Hit]:
    """The hits of `rank`."""
    return list(rank(shelf, segments, terms, visible_audiences, retired, limit=limit, bm25=bm25).hits)


def rank(
    shelf: SegmentShelf,
    segments: Sequence[SegmentReader],
    terms: Sequence[QueryTerm],
    visible_audiences: AbstractSet[UUID],
    retired: Mapping[UUID, AbstractSet[UUID]],
    *,
    limit: int = 10,
    bm25: Bm25 = DEFAULT_BM25,
) -> Ranking:
    """The passages that match best, best first; passages without any query term never match.

    Args:
        shelf: reads posting lists and remembers them.
        segments: the live segments, from `shelf.open`.
        terms: from `query_terms`.
        visible_audiences: what the caller may read.
        retired: for each segment the document versions that no longer count; pass the same frozensets again and they cost nothing.
        limit: how many hits at most, up to `HITS_MAX`.

    Raises:
        SegmentGone: a segment was dropped meanwhile; read the list of live segments again and repeat.
        ValueError: a limit below 1 or above `HITS_MAX`.
    """
    if not 1 <= limit <= HITS_MAX:
        raise ValueError(f"limit is 1 to {HITS_MAX}, not {limit}")
    selections = [(reader, reader.select(visible_audiences, retired.get(reader.segment_id, NOTHING_RETIRED))) for reader in segments]
    seen = [(reader, selection) for reader, selection in selections if selection.passage_count]
    if not seen or not terms:
        return Ranking((), ())
    hashes = numpy.array([term.term_hash for term in terms], dtype=numpy.int64)
    found = shelf.postings([reader for reader, _ in seen], hashes)
    parts = [
        _VisiblePart(reader, selection, [_visible(postings, selection) for postings in lists])
        for (reader, selection), lists in zip(seen, found, strict=True)
    ]
    weights = _weighted_idf(parts, terms)
    average = sum(part.selection.term_count for part in parts) / sum(part.selection.passage_count for part in parts)
    scored = [_scored(part, weights, average, bm25) for part in parts]
    chosen = _best_over_all([(scores, _best_ordinals(scores, limit)) for scores in scored], limit)
    hits = [
        hit for part, scores, ordinals in zip(parts, scored, chosen, strict=True) if ordinals for hit in _hits_of(part, scores, ordinals, weights)
    ]
    hits.sort(key=lambda hit: (-hit.score, hit.document_version_id.bytes, hit.passage_ordinal))
    return Ranking(tuple(hits[:limit]), tuple(weights))


def _visible(postings: Postings | None, selection: Selection) -> Postings | None:
    if postings is None or selection.whole:
        return postings
    kept = selection.mask[postings.ordinals]
    return Postings(postings.ordinals[kept], postings.frequencies[kept])


def _weighted_idf(parts: Sequence[_VisiblePart], terms: Sequence[QueryTerm]) -> list[float]:
    passage_count = sum(part.selection.passage_count for part in parts)
    weights = []
    for position, term in enumerate(terms):
        holding = sum(len(postings.ordinals) for part in parts if (postings := part.postings[position]) is not None)
        weights.append(term.weight * idf(passage_count, holding))
    return weights


def idf(passages: int, holding: int) -> float:
    """How much a term tells that so many of the passages hold."""
    return math.log(1 + (passages - holding + 0.5) / (holding + 0.5))


def _scored(part: _VisiblePart, weights: Sequence[float], average: float, bm25: Bm25) -> NDArray[numpy.float64]:
    """The score of each passage of a segment; 0 where it holds no term of the question, or is not visible."""
    return bm25_scores(part.postings, part.reader.term_counts, weights, average, bm25)


def bm25_scores(
    lists: Sequence[Postings | None], lengths: NDArray[Any], weights: Sequence[float], average: float, bm25: Bm25 = DEFAULT_BM25
) -> NDArray[numpy.float64]:
    """The score of each passage; 0 where it holds no term of the question.

    Args:
        lists: for each term of the question where it stands.
        lengths: of each passage, in terms; `average` is what they are compared with.
        weights: of each term, with its idf.
    """
    scores = numpy.zeros(len(lengths))
    for postings, weight in zip(lists, weights, strict=True):
        if postings is None or not len(postings.ordinals):
            continue
        saturation = postings.frequencies + bm25.k1 * (1 - bm25.b + bm25.b * (lengths[postings.ordinals] / average))
        # Ordinals of one list are distinct, so indexed addition is right, and several times faster than numpy.add.at.
        scores[postings.ordinals] += weight * (bm25.k1 + 1) * postings.frequencies / saturation
    return scores


def _best_over_all(found: Sequence[tuple[NDArray[numpy.float64], list[int]]], limit: int) -> list[list[int]]:
    """Of each segment's best those that can be among the best of all; hits are made of these only, which is what many segments would cost."""
    best = numpy.concatenate([scores[ordinals] for scores, ordinals in found])
    if len(best) <= limit:
        return [ordinals for _, ordinals in found]
    threshold = numpy.partition(best, len(best) - limit)[len(best) - limit]
    return [[ordinal for ordinal in ordinals if scores[ordinal] >= threshold] for scores, ordinals in found]


def _hits_of(part: _VisiblePart, scores: NDArray[numpy.float64], ordinals: Sequence[int], weights: Sequence[float]) -> list[Hit]:
    rows = part.reader.passages(ordinals)
    matched = _matched(part, ordinals)
    total = math.fsum(weights)
    return [
        Hit(
            part.reader.segment_id,
            ordinal,
            row.document_version_id,
            row.audience_id,
            row.passage_ordinal,
            row.start,
            row.end,
            float(scores[ordinal]),
            positions,
            math.fsum(weights[position] for position in positions) / total,
        )
        for ordinal, row, positions in zip(ordinals, rows, matched, strict=True)
    ]


def _best_ordinals(scores: NDArray[numpy.float64], limit: int) -> list[int]:
    """The highest scores above zero, equal ones by ordinal (which is the order of document version and passage)."""
    candidates = numpy.flatnonzero(scores)
    values = scores[candidates]
    if len(candidates) > limit:
        threshold = numpy.partition(values, len(values) - limit)[len(values) - limit]
        above = candidates[values > threshold]
        equal = candidates[values == threshold][: limit - len(above)]
        candidates = numpy.concatenate([above, equal])
    order = numpy.lexsort((candidates, -scores[candidates]))
    return [int(ordinal) for ordinal in candidates[order]]


def _matched(part: _VisiblePart, ordinals: Sequence[int]) -> list[tuple[int, ...]]:
    """For each passage the positions of the query terms that it holds."""
    wanted: NDArray[Any] = numpy.asarray(ordinals, dtype=numpy.uint32)
    matched: list[list[int]] = [[] for _ in ordinals]
    for position, postings in enumerate(part.postings):
        if postings is None or not len(postings.ordinals) or not len(wanted):
            continue
        places = numpy.minimum(numpy.searchsorted(postings.ordinals, wanted), len(postings.ordinals) - 1)
        for index in numpy.flatnonzero(postings.ordinals[places] == wanted):
            matched[index].append(position)
    return [tuple(positions) for positions in matched]

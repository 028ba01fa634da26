"""Search ranks as the formula says, over what the caller may read and nothing else."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ondol.application.knowledge.index import (
    HITS_MAX,
    Bm25,
    Hit,
    IndexedDocument,
    IndexedPassage,
    QueryTerm,
    SegmentLimits,
    build_segments,
    search,
    term_hash,
)
from ondol.core.ids import new_id
from ondol.infrastructure.storage.lance import IndexPlace, LanceRoot, SegmentGone, SegmentShelf, merge_segments

KEY = b"a term key for tests"
AUDIENCES = [UUID(int=number) for number in (1, 256, 2**127)]
BM25 = Bm25(k1=1.1, b=0.7)

passages = st.tuples(st.sampled_from(AUDIENCES), st.lists(st.sampled_from("abcdef"), max_size=8))
corpora = st.lists(st.lists(passages, min_size=1, max_size=3), min_size=1, max_size=7)
queries = st.lists(st.sampled_from("abcdefz"), min_size=1, max_size=5, unique=True)
audience_sets = st.frozensets(st.sampled_from(AUDIENCES), min_size=1)


@dataclass(frozen=True, slots=True)
class Index:
    """An index on the disk."""

    place: IndexPlace
    shelf: SegmentShelf
    segment_ids: list[UUID]

    def search(self, query: list[str], visible: frozenset[UUID], retired: dict[UUID, frozenset[UUID]] | None = None, limit: int = 50) -> list[Hit]:
        segments = self.shelf.open(self.place, self.segment_ids)
        return search(self.shelf, segments, weighted(query), visible, retired or {}, limit=limit, bm25=BM25)


def weighted(query: list[str]) -> list[QueryTerm]:
    return [QueryTerm(term_hash(term, KEY), 0.5 if term < "c" else 1.0) for term in query]


def documents_of(corpus: list[list[tuple[UUID, list[str]]]]) -> list[IndexedDocument]:
    """Documents whose ids do not follow their order."""
    documents = []
    for number, parts in enumerate(corpus):
        rows = [IndexedPassage(ordinal, ordinal, ordinal + 1, audience, terms) for ordinal, (audience, terms) in enumerate(parts)]
        documents.append(IndexedDocument(UUID(int=(number * 7919 + 13) % 101), rows))
    return documents


def index_of(root: LanceRoot, documents: list[IndexedDocument], passages_max: int = 1_000, resident_postings_max: int = 1_000_000) -> Index:
    place = IndexPlace(new_id(), new_id(), new_id())
    infos = list(build_segments(root, place, documents, KEY, limits=SegmentLimits(passages_max=passages_max)))
    return Index(place, SegmentShelf(root, resident_postings_max=resident_postings_max), [info.segment_id for info in infos])


def comparable(hits: list[Hit]) -> list[Hit]:
    """Hits without the place in a segment, which no caller sees."""
    return [dataclasses.replace(hit, segment_id=UUID(int=0), ordinal=0) for hit in hits]


def naive(documents: list[IndexedDocument], query: list[str], visible: frozenset[UUID]) -> list[tuple[UUID, int, float, tuple[int, ...], float]]:
    """The formula in plain Python, one passage at a time."""
    seen = [(document.document_version_id, p) for document in documents for p in document.passages if p.audience_id in visible]
    if not seen:
        return []
    average = sum(len(p.terms) for _, p in seen) / len(seen)
    idf = []
    for term, of_query in zip(query, weighted(query), strict=True):
        holding = sum(term in p.terms for _, p in seen)
        idf.append(of_query.weight * math.log(1 + (len(seen) - holding + 0.5) / (holding + 0.5)))
    found = []
    for document_version_id, passage in seen:
        counts = Counter(passage.terms)
        matched = tuple(position for position, term in enumerate(query) if counts[term])
        score = 0.0
        for position in matched:
            frequency = counts[query[position]]
            norm = BM25.k1 * (1 - BM25.b + BM25.b * (len(passage.terms) / average))
            score += idf[position] * (BM25.k1 + 1) * frequency / (frequency + norm)
        if matched:
            coverage = math.fsum(idf[position] for position in matched) / math.fsum(idf)
            found.append((document_version_id, passage.passage_ordinal, score, matched, coverage))
    return sorted(found, key=lambda hit: (-hit[2], hit[0].bytes, hit[1]))


@settings(max_examples=25, deadline=None)
@given(corpus=corpora, query=queries, visible=audience_sets, limits=st.tuples(st.integers(1, 8), st.integers(1, 6)))
def test_scores_and_order_are_those_of_the_formula(
    root: LanceRoot, corpus: list[list[tuple[UUID, list[str]]]], query: list[str], visible: frozenset[UUID], limits: tuple[int, int]
) -> None:
    passages_max, limit = limits
    documents = documents_of(corpus)
    index = index_of(root, documents, passages_max, resident_postings_max=0)
    hits = index.search(query, visible, limit=limit)
    expected = naive(documents, query, visible)[:limit]
    assert [(hit.document_version_id, hit.passage_ordinal, hit.score, hit.matched_terms, hit.coverage) for hit in hits] == expected
    assert all(hit.audience_id in visible and (hit.start, hit.end) == (hit.passage_ordinal, hit.passage_ordinal + 1) for hit in hits)
    assert all(0 < hit.coverage <= 1 for hit in hits)


@settings(max_examples=25, deadline=None)
@given(corpus=corpora, query=queries, visible=audience_sets, passages_max=st.integers(1, 8))
def test_what_the_caller_may_not_read_changes_nothing(
    root: LanceRoot, corpus: list[list[tuple[UUID, list[str]]]], query: list[str], visible: frozenset[UUID], passages_max: int
) -> None:
    documents = documents_of(corpus)
    readable = [IndexedDocument(document.document_version_id, [p for p in document.passages if p.audience_id in visible]) for document in documents]
    with_secrets = index_of(root, documents, passages_max).search(query, visible)
    without_secrets = index_of(root, readable, passages_max).search(query, visible)
    assert comparable(with_secrets) == comparable(without_secrets)


@settings(max_examples=20, deadline=None)
@given(corpus=corpora, query=queries, visible=audience_sets, data=st.data())
def test_it_does_not_matter_how_documents_are_spread_and_what_was_retired_or_merged(
    root: LanceRoot, corpus: list[list[tuple[UUID, list[str]]]], query: list[str], visible: frozenset[UUID], data: st.DataObject
) -> None:
    documents = documents_of(corpus)
    gone = data.draw(st.frozensets(st.sampled_from([document.document_version_id for document in documents])))
    left = [document for document in documents if document.document_version_id not in gone]
    fresh = index_of(root, left).search(query, visible)

    spread = index_of(root, data.draw(st.permutations(documents)), data.draw(st.integers(1, 5)))
    retired = dict.fromkeys(spread.segment_ids, gone)
    assert comparable(spread.search(query, visible, retired)) == comparable(fresh)

    count = data.draw(st.integers(1, len(spread.segment_ids)))
    merged = merge_segments(root, spread.place, spread.segment_ids[:count], retired, new_id())
    live = [*([merged.segment_id] if merged else []), *spread.segment_ids[count:]]
    after = dataclasses.replace(spread, segment_ids=live)
    assert comparable(after.search(query, visible, retired)) == comparable(fresh)


def test_ties_are_broken_by_document_and_passage_even_beyond_the_limit(root: LanceRoot) -> None:
    documents = [
        IndexedDocument(UUID(int=number), [IndexedPassage(ordinal, 0, 1, AUDIENCES[0], ["a"]) for ordinal in (1, 0)]) for number in (9, 3, 256, 1)
    ]
    for passages_max in (2, 4, 100):
        hits = index_of(root, documents, passages_max).search(["a"], frozenset(AUDIENCES), limit=5)
        assert [(hit.document_version_id.int, hit.passage_ordinal) for hit in hits] == [(1, 0), (1, 1), (3, 0), (3, 1), (9, 0)]


def test_a_vanished_segment_is_reported_and_a_fresh_list_answers(root: LanceRoot) -> None:
    documents = documents_of([[(AUDIENCES[0], ["a", "b"])], [(AUDIENCES[0], ["a"])]])
    index = index_of(root, documents, passages_max=1, resident_postings_max=0)
    before = index.search(["a"], frozenset(AUDIENCES))
    merged = merge_segments(root, index.place, index.segment_ids, {}, new_id())
    assert merged is not None
    for segment_id in index.segment_ids:
        root.drop_segment(index.place, segment_id)
    assert index.search(["a"], frozenset(AUDIENCES)) == before, "what is in memory still answers"
    with pytest.raises(SegmentGone):
        index.search(["b"], frozenset(AUDIENCES))
    refreshed = dataclasses.replace(index, segment_ids=[merged.segment_id])
    assert comparable(refreshed.search(["a"], frozenset(AUDIENCES))) == comparable(before)


def test_nothing_to_find_is_no_error(root: LanceRoot) -> None:
    index = index_of(root, documents_of([[(AUDIENCES[0], ["a"]), (AUDIENCES[1], [])]]))
    assert index.search(["z"], frozenset(AUDIENCES)) == []
    assert index.search([], frozenset(AUDIENCES)) == []
    assert index.search(["a"], frozenset()) == []
    assert index.search(["a"], frozenset([new_id()])) == []
    assert index.search(["a"], frozenset([AUDIENCES[1]])) == [], "a visible passage without terms has no average length to divide by"
    assert dataclasses.replace(index, segment_ids=[]).search(["a"], frozenset(AUDIENCES)) == []


@pytest.mark.parametrize("limit", [0, HITS_MAX + 1])
def test_the_limit_is_bounded(root: LanceRoot, limit: int) -> None:
    with pytest.raises(ValueError, match="limit"):
        index_of(root, []).search(["a"], frozenset(AUDIENCES), limit=limit)


def test_threads_get_the_same_answers(root: LanceRoot) -> None:
    corpus = [[(AUDIENCES[number % 3], list("abcdef"[: 1 + number % 6]) * (1 + number % 4))] for number in range(60)]
    index = index_of(root, documents_of(corpus), passages_max=7, resident_postings_max=0)
    views = [(list(query), frozenset(AUDIENCES[: 1 + number % 3])) for number, query in enumerate(["ab", "cf", "fa", "bcd"] * 8)]
    expected = [index_of(root, documents_of(corpus)).search(*view) for view in views]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda view: index.search(*view), views))
    assert [comparable(hits) for hits in found] == [comparable(hits) for hits in expected]

"""Vectors as whole numbers, their codes, and the nearest of what the caller may read."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ondol.application.knowledge.index import IndexedDocument, IndexedPassage, SegmentLimits, build_segments
from ondol.application.knowledge.index.codes import UNIT, code_bits, codes_of, distances, dots, query_vector, to_units
from ondol.application.knowledge.index.vectors import nearest
from ondol.core.ids import new_id
from ondol.infrastructure.storage.lance import (
    IndexPlace,
    LanceRoot,
    SegmentGone,
    SegmentShelf,
    VectorColumns,
    drop_vectors,
    merge_segments,
    merge_vectors,
    open_segment,
    write_vectors,
)

DIMENSIONS = 12
AUDIENCES = [UUID(int=1), UUID(int=256), UUID(int=2**127)]
KEY = b"a term key for tests"

Vector = tuple[int, ...]
Retired = frozenset[UUID]
Found = tuple[int, int, float]
vectors = st.tuples(*[st.integers(-2, 2) for _ in range(DIMENSIONS)])
documents = st.lists(st.tuples(st.sampled_from(AUDIENCES), st.lists(vectors, min_size=1, max_size=3)), min_size=1, max_size=10)


@dataclass(frozen=True)
class Index:
    """Documents with vectors on the disk; `ids` are theirs."""

    place: IndexPlace
    shelf: SegmentShelf
    vectors: dict[UUID, UUID]
    ids: list[UUID]

    def nearest(
        self, asked: Vector, visible: frozenset[UUID], *, limit: int = 4, cut: int = 3, retired: frozenset[UUID] = frozenset()
    ) -> list[Found]:
        segments = self.shelf.open(self.place, self.vectors)
        opened = self.shelf.vectors(self.place, self.vectors)
        query = query_vector(to_units(numpy.array([asked]))[0])
        masked = dict.fromkeys(self.vectors, retired)
        found = nearest(self.shelf, segments, opened, query, visible, masked, limit=limit, candidates_max=cut, exact_max=cut)
        return [(self.ids.index(item.hit.document_version_id), item.hit.passage_ordinal, item.hit.score) for item in found]


def made(root: LanceRoot, corpus: list[tuple[UUID, list[Vector]]], ids: list[UUID], *, segment_passages: int = 6, resident_bytes: int = 0) -> Index:
    """Documents of one audience each; a passage has one term, and its vector unless that is None."""
    place = IndexPlace(new_id(), new_id(), new_id())
    written = [
        IndexedDocument(version_id, [IndexedPassage(number, 0, 1, audience, ["a"]) for number in range(len(passages))])
        for version_id, (audience, passages) in zip(ids, corpus, strict=True)
    ]
    vectors_of = {version_id: passages for version_id, (_, passages) in zip(ids, corpus, strict=True)}
    live = {}
    for segment in build_segments(root, place, written, KEY, limits=SegmentLimits(passages_max=segment_passages)):
        reader = open_segment(root, place, segment.segment_id)
        rows = reader.passages(range(len(reader)))
        units = to_units(numpy.array([vectors_of[row.document_version_id][row.passage_ordinal] for row in rows]))
        hashes = numpy.frombuffer(b"".join(number.to_bytes(16, "big") for number in range(len(rows))), "S16")
        columns = VectorColumns(numpy.arange(len(rows), dtype=numpy.int32), hashes, codes_of(units), units)
        live[segment.segment_id] = new_id()
        write_vectors(root, place, segment.segment_id, live[segment.segment_id], columns)
    return Index(place, SegmentShelf(root, resident_vector_bytes_max=resident_bytes), live, ids)


def shuffled_ids(count: int) -> list[UUID]:
    """Ids whose order is not that of the documents."""
    return [UUID(int=(number * 7919) % 104729 + 1) for number in range(count)]


@settings(max_examples=40)
@given(documents, vectors, st.frozensets(st.sampled_from(AUDIENCES), min_size=1), st.integers(1, 6), st.sampled_from([0, 1 << 20]))
def test_what_is_closed_changes_neither_hits_nor_scores_nor_order_though_candidates_are_cut_off(
    root: LanceRoot, corpus: list[tuple[UUID, list[Vector]]], asked: Vector, visible: frozenset[UUID], cut: int, resident: int
) -> None:
    ids = shuffled_ids(len(corpus))
    whole = made(root, corpus, ids, resident_bytes=resident)
    kept = [place for place, (audience, _) in enumerate(corpus) if audience in visible]
    alone = made(root, [corpus[place] for place in kept], [ids[place] for place in kept], segment_passages=3)
    expected = [(ids.index(alone.ids[document]), passage, score) for document, passage, score in alone.nearest(asked, visible, cut=cut)]
    assert whole.nearest(asked, visible, cut=cut) == expected
    closed = frozenset(ids[place] for place in range(len(corpus)) if place not in kept)
    assert whole.nearest(asked, frozenset(AUDIENCES), cut=cut, retired=closed) == expected


@settings(max_examples=30)
@given(documents, vectors)
def test_where_nothing_is_cut_off_the_order_is_that_of_the_exact_cosines(
    root: LanceRoot, corpus: list[tuple[UUID, list[Vector]]], asked: Vector
) -> None:
    ids = shuffled_ids(len(corpus))
    query = to_units(numpy.array([asked]))[0].astype(object)
    expected = []
    for document, (_, passages) in enumerate(corpus):
        for number, unit in enumerate(to_units(numpy.array(passages)).astype(object)):
            if any(unit):
                expected.append((document, number, int(unit @ query) / (UNIT * UNIT)))
    expected.sort(key=lambda item: (-item[2], ids[item[0]].bytes, item[1]))
    assert made(root, corpus, ids).nearest(asked, frozenset(AUDIENCES), limit=100, cut=100) == expected[:100]


def test_equally_distant_candidates_are_cut_off_in_the_order_of_their_documents_whatever_is_closed(root: LanceRoot) -> None:
    """All vectors are one, so that nothing but ties is cut; ids do not follow the order in which documents were written."""
    same = (1,) + (0,) * (DIMENSIONS - 1)
    corpus: list[tuple[UUID, list[Vector]]] = [(AUDIENCES[0] if number % 3 else AUDIENCES[1], [same]) for number in range(30)]
    ids = shuffled_ids(30)
    open_places = [place for place in range(30) if place % 3]
    whole = made(root, corpus, ids, segment_passages=4)
    alone = made(root, [corpus[place] for place in open_places], [ids[place] for place in open_places], segment_passages=7)
    expected = sorted(open_places, key=lambda place: ids[place].bytes)[:5]
    assert expected != sorted(expected)
    for index, names in ((whole, ids), (alone, alone.ids)):
        found = index.nearest(same, frozenset({AUDIENCES[0]}), limit=5, cut=5)
        assert [ids.index(names[document]) for document, _, _ in found] == expected


def test_merged_segments_have_the_vectors_of_what_was_kept(root: LanceRoot) -> None:
    chance = numpy.random.default_rng(1)
    corpus = [(AUDIENCES[number % 3], [tuple(int(one) for one in chance.integers(-9, 9, DIMENSIONS)) for _ in range(3)]) for number in range(9)]
    index = made(root, corpus, shuffled_ids(9))
    asked = corpus[4][1][1]
    before = index.nearest(asked, frozenset(AUDIENCES), limit=50, cut=50, retired=frozenset({index.ids[2]}))
    merged, vectors_id = new_id(), new_id()
    masked = {segment_id: frozenset({index.ids[2]}) for segment_id in index.vectors}
    assert merge_segments(root, index.place, list(index.vectors), masked, merged) is not None
    assert merge_vectors(root, index.place, index.vectors, merged, vectors_id) == 24
    after = Index(index.place, index.shelf, {merged: vectors_id}, index.ids)
    assert after.nearest(asked, frozenset(AUDIENCES), limit=50, cut=50) == before
    assert (before[0][:2], round(before[0][2], 3)) == ((4, 1), 1.0)


def test_vectors_that_were_dropped_are_said_to_be_gone(root: LanceRoot) -> None:
    index = made(root, [(AUDIENCES[0], [(1,) * DIMENSIONS])], [new_id()])
    assert index.nearest((1,) * DIMENSIONS, frozenset(AUDIENCES))
    for segment_id, vectors_id in index.vectors.items():
        assert drop_vectors(root, index.place, segment_id, vectors_id) > 0
    opened_later = Index(index.place, SegmentShelf(root), index.vectors, index.ids)
    with pytest.raises(SegmentGone):
        opened_later.nearest((1,) * DIMENSIONS, frozenset(AUDIENCES))


def test_codes_tell_angles_and_are_the_same_for_ever() -> None:
    """The expected share of differing bits is the angle over pi."""
    chance = numpy.random.default_rng(7)
    query = chance.standard_normal(384)
    far = numpy.array([query + chance.standard_normal(384) * scale for scale in numpy.linspace(0, 4, 200)])
    units, asked = to_units(far), query_vector(to_units(query.reshape(1, -1))[0])
    told = distances(numpy.ascontiguousarray(codes_of(units).T), asked.code) / code_bits(384)
    angles = numpy.arccos(numpy.clip(dots(units, asked.vector), -1, 1)) / numpy.pi
    assert numpy.abs(told - angles).max() < 0.1
    assert numpy.abs(told - angles).mean() < 0.02
    assert codes_of(to_units(numpy.eye(4)))[:, 0].tolist() == KNOWN_CODES


KNOWN_CODES = [2343393771976297034, 17164458465272959586, 8629566496677663844, 13529255296377710744]


def test_codes_and_scores_do_not_depend_on_what_is_computed_beside_them() -> None:
    chance = numpy.random.default_rng(2)
    units = to_units(chance.standard_normal((5_000, 100)))
    query = units[17]
    together, codes = dots(units, query), codes_of(units)
    for row in (0, 17, 2_047, 2_048, 4_999):
        assert dots(units[row : row + 1], query)[0] == together[row]
        assert (codes_of(units[row : row + 1])[0] == codes[row]).all()


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1.0, 1e30, 1e300])
def test_lengths_do_not_matter(scale: float) -> None:
    vector = numpy.array([[3.0, -4.0, 0.0]])
    assert to_units(vector * scale).tolist() == [[19_660, -26_214, 0]]
    assert to_units(numpy.zeros((1, 3))).tolist() == [[0, 0, 0]]

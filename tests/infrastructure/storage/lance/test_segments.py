"""Segments are written whole, read back as they were, and vanish cleanly."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import numpy
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ondol.core.ids import new_id
from ondol.infrastructure.storage.lance import (
    IndexPlace,
    LanceRoot,
    PassageColumns,
    PostingColumns,
    SegmentError,
    SegmentGone,
    SegmentInfo,
    SegmentShelf,
    SegmentUnreadable,
    merge_segments,
    open_segment,
    to_ids,
    to_uuids,
    write_segment,
)

AUDIENCE = UUID("0190a000-0000-7000-8000-00000000000a")
OTHER_AUDIENCE = UUID("0190a000-0000-7000-8000-000000000b00")
FIRST = UUID("0190a000-0000-7000-8000-000000000001")
SECOND = UUID("0190a000-0000-7000-8000-000000000200")

Row = tuple[UUID, UUID, int, dict[int, int]]
"""Document version, audience, passage ordinal, and how often it holds each term."""


def columns_of(rows: list[Row]) -> tuple[PassageColumns, PostingColumns]:
    """The columns of some rows, in the order that a segment wants."""
    rows = sorted(rows, key=lambda row: (row[0].bytes, row[2]))
    ordinals = numbers([row[2] for row in rows])
    counts = numbers([sum(row[3].values()) for row in rows])
    passages = PassageColumns(to_ids(r[0] for r in rows), to_ids(r[1] for r in rows), ordinals, ordinals * 10, ordinals * 10 + 9, counts)
    terms = sorted({term for row in rows for term in row[3]})
    lists = [[(ordinal, row[3][term]) for ordinal, row in enumerate(rows) if term in row[3]] for term in terms]
    flat = [entry for entries in lists for entry in entries]
    offsets = numpy.cumsum([0, *(len(entries) for entries in lists)])
    postings = PostingColumns(
        numpy.array(terms, dtype=numpy.int64),
        offsets.astype(numpy.int64),
        numpy.array([ordinal for ordinal, _ in flat], dtype=numpy.uint32),
        numpy.array([frequency for _, frequency in flat], dtype=numpy.uint16),
    )
    return passages, postings


def numbers(values: list[int]) -> Any:
    return numpy.array(values, dtype=numpy.int32)


def write(root: LanceRoot, place: IndexPlace, rows: list[Row], segment_id: UUID | None = None) -> SegmentInfo:
    passages, postings = columns_of(rows)
    return write_segment(root, place, segment_id or new_id(), passages, [postings])


def content(root: LanceRoot, place: IndexPlace, segment_id: UUID) -> list[Row]:
    """The rows of a segment, read from its files."""
    reader = open_segment(root, place, segment_id, resident_postings_max=0)
    passages, postings = reader.columns(), reader.posting_columns(0, max(len(reader.terms), 1))
    terms: list[dict[int, int]] = [{} for _ in range(len(passages))]
    for row, term in enumerate(postings.terms):
        here = slice(postings.offsets[row], postings.offsets[row + 1])
        for ordinal, frequency in zip(postings.ordinals[here], postings.frequencies[here], strict=True):
            terms[ordinal][int(term)] = int(frequency)
    documents, audiences = to_uuids(passages.document_version_ids), to_uuids(passages.audience_ids)
    return list(zip(documents, audiences, (int(ordinal) for ordinal in passages.passage_ordinals), terms, strict=True))


identifiers = st.integers(0, 2**128 - 1).map(lambda number: UUID(int=number))
frequencies = st.one_of(st.integers(1, 3), st.sampled_from([255, 256, 65_535]))
term_numbers = st.one_of(st.integers(-3, 3), st.sampled_from([-(2**63), 2**63 - 1]))
row_lists = (
    st.lists(
        st.tuples(
            st.sampled_from([FIRST, SECOND, UUID(int=0), UUID(int=256), UUID(int=2**128 - 1)]) | identifiers,
            st.sampled_from([AUDIENCE, OTHER_AUDIENCE]),
            st.integers(0, 2**31 - 1),
            st.dictionaries(term_numbers, frequencies, max_size=4),
        ),
        min_size=1,
        max_size=12,
        unique_by=lambda row: (row[0], row[2]),
    )
    .map(lambda rows: [(document, audience, ordinal // 20, terms) for document, audience, ordinal, terms in rows])
    .filter(lambda rows: len({(row[0], row[2]) for row in rows}) == len(rows))
)


@settings(max_examples=15, deadline=None)
@given(rows=row_lists)
def test_a_segment_reads_back_as_it_was_written(root: LanceRoot, rows: list[Row]) -> None:
    place = IndexPlace(new_id(), new_id(), new_id())
    info = write(root, place, rows)
    expected = sorted(rows, key=lambda row: (row[0].bytes, row[2]))
    assert content(root, place, info.segment_id) == expected
    assert info.passage_count == len(rows)
    assert info.posting_count == sum(len(row[3]) for row in rows)
    assert set(info.document_version_ids) == {row[0] for row in rows}


@settings(max_examples=15, deadline=None)
@given(rows=row_lists, data=st.data())
def test_merging_equals_writing_what_is_left_afresh(root: LanceRoot, rows: list[Row], data: st.DataObject) -> None:
    place = IndexPlace(new_id(), new_id(), new_id())
    segment_of = {row[0]: data.draw(st.integers(0, 2)) for row in rows}
    gone = data.draw(st.sets(st.sampled_from(sorted(segment_of))))
    parts = [[row for row in rows if segment_of[row[0]] == number] for number in range(3)]
    sources = [write(root, place, part).segment_id for part in parts if part]
    merged = merge_segments(root, place, sources, dict.fromkeys(sources, gone), new_id(), slice_postings_max=data.draw(st.integers(1, 5)))
    left = [row for row in rows if row[0] not in gone]
    if not left:
        assert merged is None
        assert sorted(sources) == root.segment_ids(place)
        return
    assert merged is not None
    fresh = write(root, place, left)
    assert content(root, place, merged.segment_id) == content(root, place, fresh.segment_id)
    assert (merged.passage_count, merged.term_count, merged.posting_count) == (fresh.passage_count, fresh.term_count, fresh.posting_count)
    assert merged.document_version_ids == fresh.document_version_ids


def test_the_same_passage_in_two_sources_is_refused(root: LanceRoot, place: IndexPlace) -> None:
    sources = [write(root, place, [(FIRST, AUDIENCE, 0, {1: 1})]).segment_id for _ in range(2)]
    with pytest.raises(SegmentError, match="comes twice"):
        merge_segments(root, place, sources, {}, new_id())


def test_a_dropped_segment_leaves_nothing_on_the_disk(root: LanceRoot, root_folder: Path, place: IndexPlace) -> None:
    segment_id = write(root, place, [(FIRST, AUDIENCE, 0, {1: 1})]).segment_id
    folder = root_folder / place.folder / str(segment_id)
    assert {entry.name for entry in folder.iterdir()} == {"passages.lance", "postings.lance"}
    assert root.drop_segment(place, segment_id) > 0
    assert not folder.exists()
    assert root.drop_segment(place, segment_id) == 0
    with pytest.raises(SegmentGone):
        open_segment(root, place, segment_id)
    assert not folder.exists(), "opening a dropped segment must not make its folder again"


def test_an_index_is_dropped_with_all_its_segments(root: LanceRoot, root_folder: Path, place: IndexPlace) -> None:
    other = IndexPlace(place.tenant_id, place.base_id, new_id())
    for where in (place, place, other):
        write(root, where, [(FIRST, AUDIENCE, 0, {1: 1})])
    root.drop_index(place)
    assert root.segment_ids(place) == []
    assert len(root.segment_ids(other)) == 1
    assert not (root_folder / place.folder).exists()


def test_an_open_reader_answers_from_memory_and_says_when_it_cannot(root: LanceRoot, place: IndexPlace) -> None:
    info = write(root, place, [(FIRST, AUDIENCE, 0, {1: 2, 5: 1}), (SECOND, AUDIENCE, 0, {5: 3})])
    shelf = SegmentShelf(root, resident_postings_max=0)
    readers = shelf.open(place, [info.segment_id])
    [[known, absent]] = shelf.postings(readers, numpy.array([5, 77]))
    assert known is not None
    assert (known.ordinals.tolist(), known.frequencies.tolist(), absent) == ([0, 1], [1, 3], None)
    root.drop_segment(place, info.segment_id)
    assert shelf.open(place, [info.segment_id])[0] is readers[0]
    [[again, absent]] = shelf.postings(readers, numpy.array([5, 77]))
    assert again is known
    assert absent is None
    with pytest.raises(SegmentGone):
        shelf.postings(readers, numpy.array([5, 1]))
    shelf.forget([info.segment_id])
    with pytest.raises(SegmentGone):
        shelf.open(place, [info.segment_id])


def test_a_small_segment_needs_no_files_once_it_is_open(root: LanceRoot, place: IndexPlace) -> None:
    info = write(root, place, [(FIRST, AUDIENCE, 0, {1: 2}), (SECOND, AUDIENCE, 0, {5: 300})])
    shelf = SegmentShelf(root)
    readers = shelf.open(place, [info.segment_id])
    root.drop_segment(place, info.segment_id)
    [[one, five]] = shelf.postings(readers, numpy.array([1, 5]))
    assert one is not None
    assert five is not None
    assert (one.ordinals.tolist(), one.frequencies.tolist()) == ([0], [2])
    assert (five.ordinals.tolist(), five.frequencies.tolist()) == ([1], [300])


def test_a_segment_belongs_to_one_index(root: LanceRoot, place: IndexPlace) -> None:
    info = write(root, place, [(FIRST, AUDIENCE, 0, {1: 1})])
    shelf = SegmentShelf(root)
    shelf.open(place, [info.segment_id])
    with pytest.raises(SegmentGone):
        shelf.open(IndexPlace(new_id(), place.base_id, place.index_version_id), [info.segment_id])


def test_orphans_are_old_and_not_live(root: LanceRoot, place: IndexPlace) -> None:
    live, abandoned, in_the_making = new_id(1_000), new_id(2_000), new_id(3_000)
    for segment_id in (live, abandoned, in_the_making):
        write(root, place, [(FIRST, AUDIENCE, 0, {1: 1})], segment_id)
    assert root.segment_ids(place) == [live, abandoned, in_the_making]
    assert root.orphans(place, frozenset([live]), created_before_ms=3_000) == [abandoned]
    assert root.orphans(IndexPlace(new_id(), new_id(), new_id()), frozenset(), created_before_ms=3_000) == []


def test_a_half_written_segment_is_an_orphan_and_cannot_be_opened(root: LanceRoot, place: IndexPlace) -> None:
    passages, postings = columns_of([(FIRST, AUDIENCE, 0, {1: 1, 2: 1})])
    segment_id = new_id(1_000)
    with pytest.raises(SegmentError, match="not in order"):
        write_segment(root, place, segment_id, passages, [postings, postings])
    assert root.orphans(place, frozenset(), created_before_ms=2_000) == [segment_id]
    with pytest.raises(SegmentGone):
        open_segment(root, place, segment_id)


def test_rows_out_of_order_are_refused(root: LanceRoot, place: IndexPlace) -> None:
    passages, postings = columns_of([(FIRST, AUDIENCE, 0, {1: 1}), (SECOND, AUDIENCE, 0, {1: 1})])
    with pytest.raises(SegmentError, match="not in order"):
        write_segment(root, place, new_id(), passages.take(numpy.array([1, 0])), [postings])
    assert root.segment_ids(place) == []


def test_a_foreign_table_is_unreadable(root: LanceRoot, place: IndexPlace) -> None:
    segment_id = new_id()
    for name in ("passages", "postings"):
        batch = pyarrow.record_batch({"something": pyarrow.array([1])})
        root.create_table(f"{place.folder}/{segment_id}", name, batch.schema, iter([batch]))
    with pytest.raises(SegmentUnreadable):
        open_segment(root, place, segment_id)


def test_altered_files_are_unreadable(root: LanceRoot, root_folder: Path, place: IndexPlace) -> None:
    info = write(root, place, [(FIRST, AUDIENCE, 0, {1: 1})])
    for path in (root_folder / place.folder).rglob("*.lance"):
        if path.is_file():
            path.write_bytes(b"\0" * path.stat().st_size)
    with pytest.raises(SegmentUnreadable):
        open_segment(root, place, info.segment_id)


def test_select_sees_visible_audiences_without_retired_documents(root: LanceRoot, place: IndexPlace) -> None:
    rows: list[Row] = [
        (FIRST, AUDIENCE, 0, {1: 1}),
        (FIRST, OTHER_AUDIENCE, 1, {1: 2}),
        (SECOND, AUDIENCE, 0, {1: 4}),
        (SECOND, AUDIENCE, 1, {}),
    ]
    reader = open_segment(root, place, write(root, place, rows).segment_id)
    everything = reader.select({AUDIENCE, OTHER_AUDIENCE, new_id()}, frozenset())
    assert (everything.mask.tolist(), everything.passage_count, everything.term_count, everything.whole) == ([True] * 4, 4, 7, True)
    seen = reader.select({AUDIENCE}, frozenset())
    assert (seen.mask.tolist(), seen.passage_count, seen.term_count, seen.whole) == ([True, False, True, True], 3, 5, False)
    assert reader.select({AUDIENCE}, {FIRST, new_id()}).mask.tolist() == [False, False, True, True]
    assert reader.select({AUDIENCE}, {FIRST, SECOND}).passage_count == 0
    assert reader.select(set(), frozenset()).passage_count == 0
    assert reader.select({AUDIENCE}, frozenset()) is seen, "a repeated question is remembered"

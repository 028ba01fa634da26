"""Segments are cut at their limits, hold every document once, and hold no words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pytest

from ondol.application.knowledge.index import IndexedDocument, IndexedPassage, SegmentLimits, analyse, build_segments, term_hash
from ondol.application.knowledge.index import build as build_module
from ondol.core.ids import new_id
from ondol.infrastructure.storage.lance import IndexPlace, LanceRoot, SegmentError, SegmentInfo, open_segment

KEY = b"k" * 32
AUDIENCE = new_id()
SECRET = "도메인 이전은 Frankenwald 7731-4242 서버의 비밀번호가 필요합니다"


def document(*passages: list[str]) -> IndexedDocument:
    return IndexedDocument(new_id(), [IndexedPassage(number, 0, 1, AUDIENCE, terms) for number, terms in enumerate(passages)])


def test_segments_are_cut_before_the_document_that_would_exceed_a_limit(root: LanceRoot, place: IndexPlace) -> None:
    documents = [
        document(["a"], ["b"]),
        document(["c"]),
        document(["d"], ["e"], ["f"], ["g"]),
        document(["h"] * 9),
        document(),
        document(["i"]),
    ]
    infos = list(build_segments(root, place, documents, KEY, limits=SegmentLimits(passages_max=3, terms_max=9)))
    assert [info.passage_count for info in infos] == [3, 4, 1, 1]
    ids = [one.document_version_id for one in documents]
    assert [set(info.document_version_ids) for info in infos] == [{ids[0], ids[1]}, {ids[2]}, {ids[3]}, {ids[5]}]
    assert root.segment_ids(place) == sorted(info.segment_id for info in infos)


def test_documents_are_taken_one_at_a_time(root: LanceRoot, place: IndexPlace) -> None:
    taken = 0

    def stream() -> Iterator[IndexedDocument]:
        nonlocal taken
        for _ in range(10):
            taken += 1
            yield document(["a"])

    segments = build_segments(root, place, stream(), KEY, limits=SegmentLimits(passages_max=2))
    next(segments)
    assert taken == 3


def test_slices_join_to_the_same_segment(root: LanceRoot, place: IndexPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [document(list("abcabdz") * (number + 1), list("fbzz")) for number in range(9)]
    [whole] = build_segments(root, place, documents, KEY)
    for slice_terms_max in (1, 7, 50):
        monkeypatch.setattr(build_module, "SLICE_TERMS_MAX", slice_terms_max)
        [sliced] = build_segments(root, place, documents, KEY)
        assert postings_of(root, place, sliced) == postings_of(root, place, whole)


def postings_of(root: LanceRoot, place: IndexPlace, info: SegmentInfo) -> list[list[int]]:
    columns = open_segment(root, place, info.segment_id).posting_columns(0, info.term_count)
    return [columns.terms.tolist(), columns.offsets.tolist(), columns.ordinals.tolist(), columns.frequencies.tolist()]


def test_documents_without_terms_or_passages(root: LanceRoot, place: IndexPlace) -> None:
    assert list(build_segments(root, place, [document()], KEY)) == []
    [info] = build_segments(root, place, [document([], [])], KEY)
    assert (info.passage_count, info.term_count, info.posting_count) == (2, 0, 0)
    assert len(open_segment(root, place, info.segment_id)) == 2


def test_a_passage_comes_once(root: LanceRoot, place: IndexPlace) -> None:
    one = document(["a"])
    with pytest.raises(SegmentError, match="comes twice"):
        list(build_segments(root, place, [one, one], KEY))


def test_no_word_is_on_the_disk(tmp_path: Path, place: IndexPlace) -> None:
    root = LanceRoot(tmp_path / "index")
    terms = analyse(SECRET)
    list(build_segments(root, place, [document(terms)], KEY))
    words = [word for word in {*SECRET.split(), *terms} if len(word) > 2]
    assert {"frankenwald", "7731-4242", "도메인"} <= set(words)
    assert [word for word in words if is_on_disk(word, tmp_path)] == []
    # The same search does find words that are written as they are, so finding nothing means something.
    batch = pyarrow.record_batch({"word": pyarrow.array(words)})
    root.create_table(f"{place.folder}/{new_id()}", "words", batch.schema, iter([batch]))
    assert [word for word in words if not is_on_disk(word, tmp_path)] == []
    root.close()


def is_on_disk(word: str, folder: Path) -> bool:
    content = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return any(word.encode(encoding) in one for one in content for encoding in ("utf-8", "utf-16-le"))


def test_hashes_differ_by_tenant_key() -> None:
    words = {*analyse(SECRET), "a", ""}
    ours, theirs = ({term_hash(word, key) for word in words} for key in (KEY, b"l" * 32))
    assert len(ours) == len(theirs) == len(words)
    assert not ours & theirs
    assert all(-(2**63) <= number < 2**63 for number in ours)
    for key in (b"", b"short", b"k" * 65):
        with pytest.raises(ValueError, match="term key"):
            term_hash("a", key)

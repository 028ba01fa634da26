"""The quality of search, on questions that people asked: KorQuAD 1.0, development set."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ondol.application.knowledge.index import (
    IndexedDocument,
    IndexedPassage,
    SegmentLimits,
    analyse,
    build_segments,
    query_terms,
    query_words,
    search,
)
from ondol.core.ids import new_id
from ondol.infrastructure.storage.lance import IndexPlace, LanceRoot, SegmentShelf

ROOT = Path(__file__).resolve().parents[4]
FILE = Path(os.environ.get("ONDOL_TEST_DATA", ROOT.parent / "shared" / "data")) / "korquad" / "dataset" / "KorQuAD_v1.0_dev.json"
KEY = b"a term key for tests"
AUDIENCE = new_id()


def questions_and_paragraphs() -> Iterator[tuple[str, str]]:
    for article in json.loads(FILE.read_text("utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                yield question["question"], paragraph["context"]


@pytest.mark.skipif(not FILE.exists(), reason="KorQuAD is not here; ONDOL_TEST_DATA names the folder of public test data")
def test_recall_on_korquad(root: LanceRoot, place: IndexPlace) -> None:
    pairs = list(questions_and_paragraphs())
    ids = {text: new_id() for text in dict.fromkeys(paragraph for _, paragraph in pairs)}
    documents = (IndexedDocument(ids[text], [IndexedPassage(0, 0, len(text), AUDIENCE, analyse(text))]) for text in ids)
    infos = list(build_segments(root, place, documents, KEY, limits=SegmentLimits(passages_max=500)))
    shelf = SegmentShelf(root)
    segments = shelf.open(place, [info.segment_id for info in infos])
    assert len(segments) == 2
    first, among_ten = 0, 0
    for question, paragraph in pairs:
        hits = search(shelf, segments, query_terms(query_words(question), KEY), {AUDIENCE}, {})
        found = [hit.document_version_id for hit in hits]
        first += found[:1] == [ids[paragraph]]
        among_ten += ids[paragraph] in found
    assert first / len(pairs) >= 0.92
    assert among_ten / len(pairs) >= 0.994

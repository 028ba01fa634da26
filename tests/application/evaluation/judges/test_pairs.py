"""Files of pairs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ondol.application.evaluation.judges.pairs import Pair, read_pairs
from ondol.core.errors import UserError

ROW = {"input": "왜?", "output_1": "그래서.", "output_2": "몰라.", "label": 2, "model_1": "a", "model_2": "b"}
PAIR = Pair(id="1", question="왜?", texts=("그래서.", "몰라."), preferred=1, authors=("a", "b"), language="ko")


def test_arrays_and_lines_are_read_alike(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([ROW]), "utf-8")
    (tmp_path / "b.jsonl").write_text(json.dumps(ROW) + "\n\n", "utf-8")
    assert read_pairs(tmp_path / "a.json") == read_pairs(tmp_path / "b.jsonl") == [PAIR]
    assert [pair.id for pair in read_pairs(tmp_path)] == ["a.json:1", "b.jsonl:1"]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('[{"input": "x", "output_1": "y"}]', "output_2"),
        ('[{"input": 5, "output_1": "y", "output_2": "z"}]', "input"),
        (json.dumps([{**ROW, "label": 3}]), "label"),
        (json.dumps([{**ROW, "label": True}]), "label"),
        (json.dumps([{**ROW, "language": "fr"}]), "language"),
        ("[1]", "row 1"),
        ("{", "cannot be read"),
        ("[]", "0 pairs"),
    ],
    ids=["missing", "number", "label", "true", "language", "no_object", "no_json", "empty"],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, field: str) -> None:
    (tmp_path / "a.json").write_text(text, "utf-8")
    with pytest.raises(UserError, match=field):
        read_pairs(tmp_path / "a.json")

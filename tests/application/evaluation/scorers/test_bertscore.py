"""Likeness by the vectors of tokens, with a tiny model of handmade vectors that the real runtime runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ondol.application.evaluation.scorers import LOADERS, Tools
from ondol.core.errors import NotFound, RequestError
from tests.application.evaluation.scorers.scoring import score_of
from tests.infrastructure.serving.local.onnx_file import UNKNOWN, write_model

WORDS = {UNKNOWN: (0.0, 0.0, 1.0), "cat": (3.0, 0.0, 0.0), "고양이": (4.0, 3.0, 0.0), "sleeps": (0.0, 2.0, 0.0)}


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tokenizers")
    write_model(tmp_path / "tiny", WORDS)
    return Tools(folder=tmp_path)


def value_of(tools: Tools, answer: str, expected: str, **settings: Any) -> float | None:
    return score_of("bertscore", answer, expected, tools=tools, settings={"model": "tiny", **settings}).value


def test_each_token_is_matched_with_the_nearest(tools: Tools) -> None:
    assert value_of(tools, "cat sleeps", "sleeps cat") == 1
    assert value_of(tools, "cat", "money") == 0
    # 고양이 is 0.8 from cat and 0.6 from sleeps, and sleeps itself: precision 0.8, recall (0.8 + 0.6) / 2.
    assert value_of(tools, "고양이", "cat sleeps") == pytest.approx(2 * 0.8 * 0.7 / 1.5, rel=1e-6)
    assert (value_of(tools, "", ""), value_of(tools, "", "cat")) == (1, 0)


def test_rare_tokens_count_more_where_texts_tell_which_are_rare(tools: Tools) -> None:
    assert tools.folder is not None
    (tools.folder / "texts.txt").write_text("cat sleeps\n\ncat\ncat money\n", "utf-8")
    plain, weighed = value_of(tools, "cat money", "cat sleeps"), value_of(tools, "cat money", "cat sleeps", idf_file="texts.txt")
    assert plain == pytest.approx(0.5)
    assert weighed == 0  # cat stands in every text and weighs nothing
    assert value_of(tools, "cat", "cat", idf_file="texts.txt") == 1


def test_a_baseline_is_worth_nothing(tools: Tools) -> None:
    assert value_of(tools, "고양이", "cat", baseline=0.6) == pytest.approx(0.5, rel=1e-6)
    assert value_of(tools, "cat", "money", baseline=0.6) == 0


def test_what_is_missing_is_told_by_its_field(tools: Tools, tmp_path: Path) -> None:
    assert tools.folder is not None
    (tools.folder / "bytes.txt").write_bytes(b"\xff")
    (tools.folder / "empty.txt").write_text("\n", "utf-8")
    outside = tmp_path.parent / f"{tmp_path.name}-outside.txt"
    outside.write_text("cat", "utf-8")
    (tools.folder / "link.txt").symlink_to(outside)
    for file in ("absent.txt", f"../{outside.name}", str(outside), "link.txt", "bytes.txt", "empty.txt", "tiny"):
        with pytest.raises(RequestError) as caught:
            LOADERS["bertscore"]("mine", {"model": "tiny", "idf_file": file}, tools)
        assert (caught.value.param, str(tmp_path) in caught.value.message) == ("idf_file", False)
    for settings in ({"model": "absent"}, {"model": "../tiny"}):
        with pytest.raises(NotFound):
            LOADERS["bertscore"]("mine", settings, tools)
    for settings, folderless in (({}, tools), ({"model": "tiny"}, Tools())):
        with pytest.raises(RequestError) as caught:
            LOADERS["bertscore"]("mine", settings, folderless)
        assert caught.value.param == "model"


def test_a_model_that_pools_has_no_vectors_of_tokens(tools: Tools, tmp_path: Path) -> None:
    write_model(tmp_path / "pooled", WORDS, pools=True)
    found = score_of("bertscore", "cat sleeps", "cat", tools=tools, settings={"model": "pooled"})
    assert (found.value, found.status, found.reason) == (None, "scorer_error", "The local model pooled gives no vectors of tokens.")

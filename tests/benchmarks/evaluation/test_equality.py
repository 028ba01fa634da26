"""The quick figures of equality, on a handful of answers of our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.evaluation import equality
from ondol.application.evaluation.scorers import korquad

ANSWERS = [(f"{year}년 ‘도메인’ 이전", f"{year}년에 ‘도메인’ 이전을 마쳤다. 비용은 없었다.") for year in range(1990, 2050)]


def test_figures_are_equal_and_would_not_be_by_another_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    own, official = equality.korquad_figures(ANSWERS)
    assert own == official
    assert 0 < own[0] < own[1] < 100
    monkeypatch.setattr(korquad, "normalised", str.strip)
    other, unchanged = equality.korquad_figures(ANSWERS)
    assert (unchanged, other == official) == (official, False)


def test_a_figure_of_rouge_that_differs_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert equality.rouge_differences() == []
    monkeypatch.setattr(equality, "words", lambda text: text.split())
    assert {kind for kind, _ in equality.rouge_differences()} == set(equality.ROUGE)

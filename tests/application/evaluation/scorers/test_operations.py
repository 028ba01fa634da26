from __future__ import annotations

import pytest

from ondol.application.evaluation.scorers import LOADERS, Tools
from ondol.application.evaluation.types import Answer
from tests.application.evaluation.scorers.asking import score

ANSWER = Answer(text="", input_tokens=7, output_tokens=5, cost_nano=1_500, latency_ms=120.5, first_token_ms=30.0)


@pytest.mark.parametrize(
    ("kind", "value", "unit"), [("latency", 120.5, "ms"), ("first_token", 30.0, "ms"), ("tokens", 12.0, "tokens"), ("cost", 1_500.0, "nano")]
)
def test_what_an_answer_took(kind: str, value: float, unit: str) -> None:
    scorer = LOADERS[kind](kind, {}, Tools())
    assert (score(kind, ANSWER).value, scorer.unit, scorer.better) == (value, unit, "lower")


def test_what_is_not_known_is_no_zero() -> None:
    assert score("first_token", "").status == "skipped"
    assert score("cost", Answer(text="", cost_nano=3, currency="KRW")).status == "skipped"
    assert score("cost", Answer(text="", cost_nano=3, currency="KRW"), settings={"currency": "KRW"}).value == 3.0
    assert score("cost", "").value == 0.0

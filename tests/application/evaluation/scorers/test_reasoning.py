"""Steps of reasoning, choices by likelihood, and what several samples agree on."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from ondol.application.evaluation.scorers.steps import steps_of
from ondol.application.evaluation.types import Answer
from tests.application.evaluation.scorers.scoring import score_of, values_of

ROOT = Path(__file__).resolve().parents[4]
GSM8K = Path(os.environ.get("ONDOL_TEST_DATA", ROOT.parent / "shared" / "data")) / "gsm8k" / "grade_school_math" / "data" / "test.jsonl"


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("3 × 4,500원 = 13,500원입니다.", [True]),
        ("She has 16 - 3 - 4 = <<16-3-4=9>>9 eggs, 9 * $2 = $18", [True, True, True]),
        ("10 / 3 = 3.33, 10/3 = 3, 10/3 = 3.4", [True, True, False]),
        ("2 + 3 = 5 * 2 = 10", [False, True]),
        ("(2 + 3)(4 − 1) ÷ 5 = 3", [True]),
        ("-2 + 5 = 3", [True]),
        ("100 × 15% = 15, 0.5 = 50%, 1 / 4 * 100 = 25%, 1 / 4 = 25%, 1 / 4 = 26%", [True, True, True, False]),
        ("1.5 * 2 = 3.1", [False]),
        ("7 x 8 = 54", [False]),
        ("1 / 0 = 0, 2 + = 3, (1 + 2 = 3", []),
        ("x = 5, y=3, a == b, 2026-01-01", []),
        ("30,000 = 2 * 15,000", [True]),
    ],
)
def test_stated_sums_are_computed_again(text: str, right: list[bool]) -> None:
    assert [step.is_right for step in steps_of(text)] == right


def test_step_consistency_is_the_share_that_holds() -> None:
    assert values_of("step_consistency", ["1+1=2, 2+2=5", "1+1=2", "no sums"]) == [0.5, 1, None]
    assert values_of("step_consistency", ["1+1=2, 2+2=5", "1+1=2"], settings={"strict": True}) == [0, 1]
    assert score_of("step_consistency", "2+2=5").reason == "2+2 = 5 does not hold"
    assert score_of("step_consistency", "none").status == "skipped"


@pytest.mark.parametrize("piece", ["1", "1+", "(", "-", "1=", "9" * 30 + "*", "<<", "((((1))))+"])
def test_hostile_sums_end_soon(piece: str) -> None:
    assert score_of("step_consistency", piece * (100_000 // len(piece))).status in ("ok", "skipped")
    list(steps_of("\n".join(["1" + piece * 12 + "=1"] * 200)))


@pytest.mark.skipif(not GSM8K.exists(), reason="GSM8K is not here; ONDOL_TEST_DATA names the folder of public test data")
def test_the_computed_steps_of_gsm8k_hold() -> None:
    steps = [step for line in GSM8K.read_text("utf-8").splitlines() for step in steps_of(json.loads(line)["answer"])]
    assert len(steps) > 4_000
    assert sum(step.is_right for step in steps) / len(steps) > 0.99


CHOICES = {"choices": ["서울", "부산", "제주"]}


def chosen(first_token: dict[str, Any] | None = None, text: str = "", expected: str = "부산", **facts: Any) -> tuple[float | None, Any]:
    answer = Answer(text=text, details={} if first_token is None else {"first_token": first_token})
    found = score_of("choice", answer, expected, facts={**CHOICES, **facts})
    return found.value, found.details.get("chosen", found.status)


def test_the_likeliest_label_is_chosen() -> None:
    likely = {" B": -0.7, "A": -0.9, "(B)": -3.0, "The": -0.1, "D": 0}
    assert chosen(likely, text="A") == (1, "B")
    assert chosen(likely, expected="A") == (0, "B")
    assert chosen({"1": -2, "②": -0.2}, labels=["1", "2", "3"]) == (1, "2")
    assert chosen({"The": -0.1}, text="B. 부산") == (1, "B")
    found = score_of("choice", Answer(text="A", details={"first_token": likely}), "B", facts=CHOICES)
    assert found.details["likelihoods"] == {"A": -0.9, "B": -0.7}


def test_without_likelihoods_the_text_says_it() -> None:
    assert [chosen(text=text) for text in ("B", "(b)", "부산.", "B) 부산", "답은 부산입니다")] == [
        (1, "B"), (None, None), (1, "B"), (1, "B"), (1, "B"),
    ]  # fmt: skip
    assert chosen(text="서울과 부산") == (None, None)
    assert score_of("choice", "서울과 부산", "부산", facts=CHOICES).status == "parse_error"
    assert score_of("choice", "B", "부산", facts=CHOICES, settings={"by": "likelihood"}).status == "parse_error"
    assert score_of("choice", Answer(text="A", details={"first_token": {"B": -1}}), "부산", facts=CHOICES, settings={"by": "text"}).value == 0


@pytest.mark.parametrize(
    "facts", [{}, {"choices": ["하나"]}, {"choices": [1, 2]}, {**CHOICES, "labels": ["1"]}, {"choices": ["부산", "부산"]}], ids=str
)
def test_choices_that_are_not_understood_are_an_error(facts: dict[str, Any]) -> None:
    assert score_of("choice", "A", "부산", facts=facts).status == "scorer_error"


def test_perplexity_is_told_by_its_logarithm() -> None:
    found = score_of("perplexity", Answer(text="a b", logprobs=(math.log(0.5), math.log(0.125))))
    assert found.value == pytest.approx(math.log(4))
    assert found.details["tokens"] == 2
    assert found.details["perplexity"] == pytest.approx(4)
    assert score_of("perplexity", "a").status == "skipped"
    assert score_of("perplexity", Answer(text="a", logprobs=(float("-inf"),))).status == "scorer_error"
    assert score_of("perplexity", Answer(text="a", logprobs=(-1e4,))).details["perplexity"] is None


def test_self_consistency_takes_what_most_samples_say() -> None:
    answer = Answer(text="5", samples=("#### 5", "It is 7.0", "7 of them", "so #### 7 eggs", "none"))
    assert score_of("self_consistency", answer, "#### 7").value == 1
    assert score_of("self_consistency", answer, "5").value == 0
    agreement = score_of("self_consistency", answer, settings={"measure": "agreement"})
    assert (agreement.value, agreement.details) == (0.6, {"answers": {"7": 3, "5": 1}, "agreement": 0.6, "samples": 5})
    texts = Answer(text="", samples=("서울 ", "부산", "서울"))
    assert score_of("self_consistency", texts, "서울", settings={"of": "text"}).value == 1
    assert score_of("self_consistency", Answer(text="", samples=("2", "1")), "2").value == 1  # the first on a tie
    assert score_of("self_consistency", Answer(text="", samples=("a", "b")), "2").value == 0
    assert (score_of("self_consistency", "5", "5").status, score_of("self_consistency", texts).status) == ("skipped", "skipped")

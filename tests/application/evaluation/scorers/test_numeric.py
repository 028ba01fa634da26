"""Answers that are numbers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ondol.application.evaluation.scorers.numeric import numbers_of
from tests.application.evaluation.scorers.scoring import score_of, values_of


@pytest.mark.parametrize(
    ("answer", "expected", "is_right"),
    [
        ("월 3만 3천 원입니다.", "33,000원", True),
        ("삼만 삼천 원입니다", "33000", True),
        ("이 원칙은 3 만 원", "30000", True),
        ("이천십이 년", "2012", True),
        ("1억 2,000만 원", "120000000원", True),
        ("2.5조 원", "2500000000000", True),
        ("약 1,234,567 명", "1234567", True),
        ("3 days", "72시간", True),
        ("3일 걸립니다", "3", True),
        ("33,000 won", "33,000달러", False),
        ("-5", "5", False),
        ("영하 −5도", "-5", True),
        ("10-5", "5", True),
        ("3/4", "0.75", True),
        ("1.5e3", "1500", True),
        ("1998년 3월 5일", "5", True),
        ("１２개", "12", True),
        ("셋 다 아닙니다", "3", False),
        ("12. 13", "12", False),
        ("8,800", "8.8", False),
        ("no number", "0", False),
    ],
)
def test_numbers_are_compared_by_value_and_unit(answer: str, expected: str, is_right: bool) -> None:
    assert score_of("numeric", answer, expected).value == float(is_right)


def test_which_number_of_the_answer_counts() -> None:
    text = "5개 중 3개, 합쳐서 8개"
    assert [score_of("numeric", text, "3", settings={"take": take}).value for take in ("last", "first", "any", "only")] == [0, 0, 1, 0]
    assert [score_of("numeric", text, wanted, settings={"take": take}).value for wanted, take in (("8", "last"), ("5", "first"))] == [1, 1]
    assert score_of("numeric", "8개", "8", settings={"take": "only"}).value == 1


def test_tolerances() -> None:
    assert values_of("numeric", ["99", "101.0", "102"], "100", settings={"tolerance": 1}) == [1, 1, 0]
    assert values_of("numeric", ["95", "106"], "100", settings={"relative": 0.05}) == [1, 0]
    assert values_of("numeric", ["61분", "3700초"], "1시간", settings={"tolerance": 0.02}) == [1, 0]
    assert values_of("numeric", ["100 won"], "100달러", settings={"units": False}) == [1]


def test_an_expected_answer_without_a_number_is_an_error_of_the_case() -> None:
    assert score_of("numeric", "5", "없음").status == "scorer_error"


def test_hostile_texts_take_linear_time() -> None:
    for piece in ("1월 1일 ", "1/", "1,", "일만", "-$", "1e9"):
        numbers_of(piece * (30_000 // len(piece)))


def test_numbers_are_told_as_they_are_written() -> None:
    found = [(number.written, number.unit) for number in numbers_of("2시간 30분에 1만 원, 그리고 7")]
    assert found == [(Decimal(2), "second"), (Decimal(30), "second"), (Decimal(10_000), "won"), (Decimal(7), "")]


def test_gsm8k_takes_what_the_official_rule_takes() -> None:
    solution = "Janet sells 16 - 7 = <<16-7=9>>9 eggs.\n#### 1,018"
    answers = ["#### 1018", "so it is\n#### 1,018", "1018", "#### 1018.0", "#### 5\n#### 1018", "####1018"]
    assert values_of("gsm8k", answers, solution) == [1, 1, 0, 0, 0, 0]
    loose = {"extract": "last"}
    assert values_of("gsm8k", [*answers, "It is $1,018.00.", "#### 1018 eggs in 3 days", "none"], solution, settings=loose) == [
        1,
        1,
        1,
        1,
        1,
        1,
        1,
        1,
        0,
    ]
    assert values_of("gsm8k", ["#### -3"], "-3") == [1]

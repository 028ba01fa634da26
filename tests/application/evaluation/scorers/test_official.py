"""Equality with the official scorers, on the public sets: their rules are stated again in `benchmarks.evaluation.equality`."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from benchmarks.evaluation.equality import letters_of, official_f1, official_korquad, official_squad, predictions, read_answers
from ondol.application.evaluation.scorers import korquad, squad
from ondol.application.evaluation.scorers.gsm8k import marked
from tests.application.evaluation.scorers.scoring import score_of

ROOT = Path(__file__).resolve().parents[4]
DATA = Path(os.environ.get("ONDOL_TEST_DATA", ROOT.parent / "shared" / "data"))
KORQUAD = DATA / "korquad" / "dataset" / "KorQuAD_v1.0_dev.json"
GSM8K = DATA / "gsm8k" / "grade_school_math" / "data" / "test.jsonl"
ABSENT = "the public set is not here; ONDOL_TEST_DATA names the folder of public test data"


def test_the_rules_by_hand() -> None:
    assert korquad.character_f1("서울 특별시", "서울특별시") == 1
    assert korquad.character_f1("‘서울’(수도)", "서울") == (2 * (2 / 4) * 1.0) / ((2 / 4) + 1.0)
    assert (score_of("korquad_em", "《서울》.", "서울").value, score_of("korquad_em", "서울 특별시", "서울특별시").value) == (1, 0)
    assert (score_of("korquad_f1", "", "").value, score_of("korquad_em", "", "").value) == (0, 1)  # as the official script has it
    assert (score_of("squad_em", "The Cat!", "cat").value, score_of("squad_f1", "a black cat", "the cat").value) == (1, 2 / 3)
    assert score_of("squad_f1", "cat", "dog", "the cat").value == 1


@pytest.mark.skipif(not KORQUAD.exists(), reason=ABSENT)
def test_korquad_and_squad_equal_the_official_rules_to_the_last_digit() -> None:
    answers = read_answers(KORQUAD)
    assert len(answers) == 5_774
    f1 = own_f1 = exact = own_exact = 0.0
    for prediction, answer in predictions(answers):
        own, official = korquad.character_f1(prediction, answer), official_f1(letters_of(prediction), letters_of(answer))
        assert own == official, (prediction, answer)
        f1, own_f1 = f1 + official, own_f1 + own
        exact, own_exact = (
            exact + (official_korquad(prediction) == official_korquad(answer)),
            own_exact + (korquad.normalised(prediction) == korquad.normalised(answer)),
        )
        assert squad.normalised(prediction) == official_squad(prediction)
        assert score_of("squad_f1", prediction, answer).value == official_f1(official_squad(prediction).split(), official_squad(answer).split())
    assert (100.0 * own_f1 / len(answers), 100.0 * own_exact / len(answers)) == (100.0 * f1 / len(answers), 100.0 * exact / len(answers))
    assert 20 < 100.0 * exact / len(answers) < 40 < 100.0 * f1 / len(answers) < 70


@pytest.mark.skipif(not GSM8K.exists(), reason=ABSENT)
def test_gsm8k_takes_every_reference_answer_and_no_other() -> None:
    solutions = [json.loads(line)["answer"] for line in GSM8K.read_text("utf-8").splitlines()]
    assert len(solutions) == 1_319
    official = [re.search(r"#### (\-?[0-9\.\,]+)", solution)[1].strip().replace(",", "") for solution in solutions]  # type: ignore[index]
    assert [marked(solution) for solution in solutions] == official
    for before, solution, answer in zip(solutions[-1:] + solutions[:-1], solutions, official, strict=True):
        assert score_of("gsm8k", solution, solution).value == 1
        assert score_of("gsm8k", f"The answer is {answer}.", solution, settings={"extract": "last"}).value == 1
        assert score_of("gsm8k", before, solution).value == float(marked(before) == answer)

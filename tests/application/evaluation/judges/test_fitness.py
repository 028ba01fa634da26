"""Which judge may decide."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from ondol.application.evaluation.judges import LOADERS, check_may_decide
from ondol.application.evaluation.judges.calibration import Labelled, calibrate
from ondol.application.evaluation.judges.fitness import read_calibration, write_calibration
from ondol.application.evaluation.judges.labels import read_rated
from ondol.application.evaluation.scorers.base import Asked, Tools
from ondol.application.evaluation.types import Answer
from ondol.core.errors import RequestError, UserError


async def nobody(model: str, asked: Asked) -> Answer:
    """A model that is never asked."""
    raise AssertionError(model)


def decide(folder: Path | None, **told: Any) -> None:
    settings = {"model": "m", **told}
    check_may_decide(LOADERS["judge.rubric"]("good", settings, Tools(ask=nobody)), "judge.rubric", settings, folder)


def kept(folder: Path, agree: int, of: int = 40) -> None:
    version = LOADERS["judge.rubric"]("good", {"model": "m"}, Tools(ask=nobody)).version
    ratings = [(float(1 + n % 5), float(1 + (n if n < agree else n + 2) % 5)) for n in range(of)]
    write_calibration(calibrate([Labelled(str(n), *pair) for n, pair in enumerate(ratings)], version), folder / "people.json")


def test_a_calibrated_judge_may_and_its_settings_change_no_version(tmp_path: Path) -> None:
    kept(tmp_path, 40)
    decide(tmp_path, calibration="people.json")
    decide(tmp_path, calibration="people.json", kappa_least=0.9)


def test_a_judge_that_agrees_too_little_may_not(tmp_path: Path) -> None:
    kept(tmp_path, 20)
    for told in ({}, {"calibration": "people.json"}):
        with pytest.raises(RequestError) as caught:
            decide(tmp_path, **told)
        assert (caught.value.code, caught.value.param) == ("judge_not_calibrated", "gate.primary")
    decide(tmp_path, calibration="people.json", kappa_least=-1)


def test_nobody_elses_file_counts(tmp_path: Path) -> None:
    kept(tmp_path, 40)
    with pytest.raises(RequestError, match="never compared"):
        decide(None, calibration="people.json")
    for name in ("../people.json", "/people.json"):
        with pytest.raises(RequestError, match="beside the suite"):
            decide(tmp_path, calibration=name)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": "v"}', "{" * 2_000], ids=["empty", "list", "bare", "half", "deep"])
def test_a_broken_calibration_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "people.json").write_text(text, "utf-8")
    with pytest.raises(RequestError, match="cannot be read"):
        decide(tmp_path, calibration="people.json")


def test_what_is_no_number_comes_back_as_none(tmp_path: Path) -> None:
    write_calibration(calibrate([Labelled(str(n), 1.0, 1.0) for n in range(40)], "v"), tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text("utf-8"))["kappa"] is None
    found = read_calibration(tmp_path / "a.json")
    assert math.isnan(found.kappa)
    assert found.agreement.value == 1.0


def test_rated_answers_are_read_and_a_wrong_field_is_named(tmp_path: Path) -> None:
    row = {"question": "왜?", "answer": "그냥.", "human": 3, "language": "ko", "expected": ["x"], "cluster": "d"}
    (tmp_path / "a.jsonl").write_text(json.dumps(row), "utf-8")
    [rated] = read_rated(tmp_path / "a.jsonl")
    assert (rated.case.id, rated.case.language, rated.case.cluster, rated.answer.text, rated.human) == ("1", "ko", "d", "그냥.", 3.0)
    for field, value in (("human", True), ("human", "3"), ("answer", ""), ("question", 5), ("expected", "x"), ("facts", [])):
        (tmp_path / "a.jsonl").write_text(json.dumps({**row, field: value}), "utf-8")
        with pytest.raises(UserError, match=field):
            read_rated(tmp_path / "a.jsonl")

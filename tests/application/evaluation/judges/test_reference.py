"""Judges beside right answers."""

from __future__ import annotations

import json

import pytest

from ondol.application.evaluation.judges import reference
from ondol.application.evaluation.types import Answer
from tests.application.evaluation.judges.court import asked_of, case, court, system_of

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("grade", "value"), [("correct", 1.0), ("Partly", 0.5), ("incorrect", 0.0)])
async def test_grades_have_values(grade: str, value: float) -> None:
    async with court(json.dumps({"reason": "ok", "grade": grade})) as there:
        scorer = reference.load("right", {"model": "judge"}, there.tools)
        score = await scorer.score(case(expected=("사흘", "3일")), Answer(text="3일 뒤입니다."))
        asked, system = asked_of(there.model.requests[0].body), system_of(there.model.requests[0].body)
    assert score.value == value
    assert asked.index("사흘") < asked.index("3일\n") < asked.index("3일 뒤입니다.")
    assert "정답 가운데" in system


async def test_without_a_right_answer_it_is_not_asked() -> None:
    async with court("{}") as there:
        score = await reference.load("right", {"model": "judge"}, there.tools).score(case(), Answer(text="3일"))
        assert not there.model.requests
    assert score.status == "skipped"

"""Panels of judges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ondol.application.evaluation.judges import panel
from ondol.application.evaluation.types import Answer, Score
from ondol.core.errors import RequestError
from ondol.infrastructure.serving.scripted import Reply
from tests.application.evaluation.judges.court import case, court, rated

pytestmark = pytest.mark.anyio


async def scored(points: Mapping[str, int | str], by: str = "median") -> Score:
    def reply(body: Mapping[str, Any]) -> Reply:
        said = points[body["model"]]
        return Reply(trouble="broken") if said == "broken" else Reply(rated(said) if isinstance(said, int) else said)

    async with court(reply) as there:
        scorer = panel.load("panel", {"models": list(points), "by": by}, there.tools)
        return await scorer.score(case(), Answer(text="사흘입니다."))


async def test_the_median_counts_and_how_far_they_lie_apart_is_told() -> None:
    score = await scored({"a": 5, "b": 2, "c": 4})
    assert score.value == 4.0
    told = {"points": {"a": 5, "b": 2, "c": 4}, "failed": {}, "asks": 3, "cost_nano": 21, "currency": "USD", "apart": 3, "unanimous": False}
    assert score.details == told


async def test_the_majority_counts_and_the_median_where_there_is_none() -> None:
    assert (await scored({"a": 1, "b": 1, "c": 4, "d": 5, "e": 5, "f": 5}, "majority")).value == 5.0
    assert (await scored({"a": 1, "b": 2, "c": 5}, "majority")).value == 2.0


async def test_one_of_three_may_fail_and_two_may_not() -> None:
    score = await scored({"a": 3, "b": "broken", "c": 3})
    assert (score.value, score.details["failed"], score.details["unanimous"]) == (3.0, {"b": "judge_error"}, True)
    lost = await scored({"a": 3, "b": "broken", "c": "글쎄요"})
    assert (lost.value, lost.status, lost.details["failed"]) == (None, "judge_error", {"b": "judge_error", "c": "parse_error"})


@pytest.mark.parametrize("models", [["a"], ["a", "a"], [str(number) for number in range(10)]], ids=["one", "twice", "ten"])
async def test_a_panel_is_of_several_different_models(models: list[str]) -> None:
    async with court(rated(3)) as there:
        with pytest.raises(RequestError) as caught:
            panel.load("panel", {"models": models}, there.tools)
    assert caught.value.param == "models"


async def test_the_version_tells_every_model() -> None:
    async with court(rated(3)) as there:
        versions = {panel.load("p", {"models": models}, there.tools).version for models in (["a", "b"], ["a", "c"])}
    assert len(versions) == 2

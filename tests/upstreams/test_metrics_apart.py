"""Ragas and DeepEval themselves, in their own environments, with a judge behind the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ondol.application.evaluation.scorers import LOADERS, Tools
from ondol.application.evaluation.scorers.base import Asked
from ondol.application.evaluation.types import Answer, Case, CitedSource, Score, Turn
from ondol.infrastructure.serving.scripted import ScriptedModel
from scripts.apart import python_apart
from tests.infrastructure.gateway.ground import Ground, Tenancy

pytestmark = [pytest.mark.anyio, pytest.mark.upstreams]

CASE = Case(id="a", turns=(Turn("user", "환불은 며칠 걸리나요?"),), expected=("3일",))
ANSWER = Answer(text="사흘 걸리고 무료입니다.", sources=(CitedSource(1, "ko/refunds", ("환불은 사흘 걸립니다.",)),))

OBSERVING = {"name": "judging", "version": 1, "stages": {"input": [{"find": "injection", "do": "observe"}]}}
"""DeepEval's prompts look like commands to a model, and the built-in policy refuses one of them."""


def judge(body: Mapping[str, Any]) -> str:
    """Finds two statements in every answer, and one of them borne out."""
    prompt = body["messages"][-1]["content"]
    if "환불" not in prompt and "사흘" not in prompt:
        return "{}"  # the tool did not put the Korean text as it stands
    if '"truths" key' in prompt:
        return '{"truths": ["환불은 사흘 걸린다."]}'
    if '"claims" key' in prompt:
        return '{"claims": ["사흘 걸린다.", "무료다."]}'
    if "verdicts" in prompt:
        return '{"verdicts": [{"verdict": "yes"}, {"verdict": "no", "reason": "그런 말이 없다."}]}'
    if '"verdict"' in prompt:
        found = [{"statement": "사흘 걸린다.", "reason": "있다.", "verdict": 1}, {"statement": "무료다.", "reason": "없다.", "verdict": 0}]
        return str({"statements": found}).replace("'", '"')
    return '{"statements": ["사흘 걸린다.", "무료다."]}'


async def scored(tenancy: Tenancy, metric: str) -> Score:
    async def ask(model: str, asked: Asked) -> Answer:
        messages = [{"role": turn.role, "content": turn.text} for turn in asked.turns]
        replied = await tenancy.ask({"model": model, "messages": messages, "max_tokens": asked.tokens_max})
        return Answer(text=replied.json()["choices"][0]["message"]["content"])

    return await LOADERS[metric](metric, {"model": "m"}, Tools(ask=ask)).score(CASE, ANSWER)


@pytest.mark.parametrize("tool", ["deepeval", "ragas"])
async def test_faithfulness(ground: Ground, tool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"ONDOL_EVAL_{tool.upper()}_PYTHON", python_apart(tool).as_posix())
    async with ScriptedModel(judge) as model:
        async with ground.at_once():
            tenancy = await ground.tenancy()
            await tenancy.provider(model.base_url)
            await tenancy.model("up/small")
            await tenancy.declare(policies=[OBSERVING], guard=[{"policy": "judging"}])
        found = await scored(tenancy, f"{tool}.faithfulness")
    assert (found.value, found.status, found.reason) == (0.5, "ok", "")
    assert [record.outcome for record in tenancy.records] == ["answered"] * found.details["asks"]
    assert found.details["asks"] > 1

"""Judges of sentences and steps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from ondol.application.evaluation.judges import LOADERS, sentences
from ondol.application.evaluation.types import Answer, CitedSource, Score
from tests.application.evaluation.judges.court import case, court, parts_of

pytestmark = pytest.mark.anyio

ANSWER = Answer(
    text="안녕하세요. 환불은 사흘 안에 됩니다. 수수료는 없습니다.",
    sources=(CitedSource(1, "refund.md", ("환불은 사흘 안에 처리됩니다.",)),),
)


def verdicts(words: Sequence[str], numbers: Sequence[int] | None = None) -> str:
    numbered = zip(numbers or range(1, len(words) + 1), words, strict=True)
    return json.dumps({"verdicts": [{"sentence": number, "verdict": word} for number, word in numbered]})


async def scored(kind: str, said: str | list[str], answer: Answer, **facts: Any) -> Score:
    async with court(said) as there:
        return await LOADERS[kind]("s", {"model": "judge"}, there.tools).score(case(**facts), answer)


async def test_what_is_borne_out_counts_of_what_is_claimed() -> None:
    score = await scored("judge.groundedness", verdicts(["no_claim", "supported", "unsupported"]), ANSWER)
    assert (score.value, score.details["verdicts"]) == (0.5, ["no_claim", "supported", "unsupported"])


async def test_the_judge_sees_numbered_sentences_and_the_cited_passages() -> None:
    async with court(verdicts(["no_claim", "supported", "supported"], [3, 1, 2])) as there:
        score = await LOADERS["judge.groundedness"]("s", {"model": "judge"}, there.tools).score(case(), ANSWER)
        parts = parts_of(there.model.requests[0].body)
    assert parts["답변"] == "[1] 안녕하세요.\n[2] 환불은 사흘 안에 됩니다.\n[3] 수수료는 없습니다."
    assert parts["근거 1"] == "환불은 사흘 안에 처리됩니다."
    assert score.details["verdicts"] == ["supported", "supported", "no_claim"]


@pytest.mark.parametrize(
    "reply",
    [verdicts(["supported"] * 2), verdicts(["supported"] * 4), verdicts(["supported"] * 3, [1, 2, 2]), verdicts(["supported", "good", "supported"])],
    ids=["few", "many", "twice", "word"],
)
async def test_every_sentence_has_one_verdict_or_there_is_none(reply: str) -> None:
    score = await scored("judge.groundedness", reply, ANSWER)
    assert (score.value, score.status, score.details["asks"]) == (None, "parse_error", 2)


async def test_contexts_of_the_case_are_the_sources_of_a_bare_model() -> None:
    reply = verdicts(["supported"])
    assert (await scored("judge.groundedness", reply, Answer(text="사흘입니다."), contexts=["사흘"])).value == 1.0
    nothing = await scored("judge.groundedness", reply, Answer(text="사흘입니다."))
    assert (nothing.value, nothing.details["asks"]) == (0.0, 0)


async def test_what_claims_nothing_is_not_its_own() -> None:
    assert (await scored("judge.groundedness", verdicts(["no_claim"] * 3), ANSWER)).status == "skipped"
    assert (await scored("judge.groundedness", "", Answer(text="문서에 없습니다.", is_refusal=True))).status == "skipped"
    assert (await scored("judge.groundedness", "", Answer(text=" "))).status == "skipped"
    long = Answer(text="네. " * 200, sources=ANSWER.sources)
    assert (await scored("judge.groundedness", "", long)).status == "judge_error"


async def test_steps_that_follow_count() -> None:
    answer = Answer(text="1. 사과 3개에 2개를 더하면 5개다.\n이것이 전부다.\n2. 5개의 절반은 3개다.\n3. 답은 3이다.")
    score = await scored("judge.steps", verdicts(["follows", "wrong", "no_step"]), answer)
    assert score.value == 0.5


def test_steps_are_listed_lines_or_else_sentences() -> None:
    assert sentences.steps_of("Step 1: two and two are four.\n   So four.\nStep 2: done.") == [
        "Step 1: two and two are four. So four.",
        "Step 2: done.",
    ]
    assert sentences.steps_of("둘 더하기 둘은 넷이다. 그래서 넷이다.") == ["둘 더하기 둘은 넷이다.", "그래서 넷이다."]

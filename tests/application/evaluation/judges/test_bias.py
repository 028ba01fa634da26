"""Biases of judges, against scripted judges that are biased by a known amount."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ondol.application.evaluation.judges.asking import Judge
from ondol.application.evaluation.judges.bias import PAIRS_LEAST, BiasReport, in_own_words, measure_bias
from ondol.application.evaluation.judges.pairs import Pair, read_pairs
from ondol.infrastructure.serving.scripted import Reply
from tests.application.evaluation.judges.court import asked_of, court, parts_of, system_of
from tests.tidy.project import ROOT

pytestmark = pytest.mark.anyio

LLMBAR = Path(os.environ.get("ONDOL_TEST_DATA", ROOT.parent / "shared" / "data")) / "llmbar" / "Dataset" / "LLMBar"

PAIRS = [
    Pair(
        id=str(number),
        question=f"Question {number}",
        texts=("good" + "!" * (5 if number % 4 < 2 else 1), "poor" + "." * 3),
        preferred=0,
        authors=("judge", "other") if number % 2 else ("other", "judge"),
    )
    for number in range(80)
]
"""The first text is always the better one; it is the longer one in half of the pairs, and the judge's own in the other half."""


def said(better: str) -> Reply:
    return Reply(json.dumps({"reason": "so", "better": better}))


def judge_who(share: float, biased: Callable[[str, str, int], str]) -> Callable[[Mapping[str, Any]], Reply]:
    """A judge that is right, but for this share of the pairs, spread evenly, in which it does something else."""

    def reply(body: Mapping[str, Any]) -> Reply:
        parts = parts_of(body)
        number = int(parts["QUESTION"].split()[1])
        first, second = parts["ANSWER 1"], parts["ANSWER 2"]
        if (number // 4 * 7) % 20 < 20 * share:
            return said(biased(first, second, number))
        return said("1" if first.startswith("good") else "2")

    return reply


async def report(says: Callable[[Mapping[str, Any]], Reply], pairs: list[Pair] = PAIRS) -> BiasReport:
    async with court(says) as there:
        assert there.tools.ask is not None
        return await measure_bias(Judge(ask=there.tools.ask, model="judge"), pairs)


async def test_a_fair_judge_has_no_bias() -> None:
    found = await report(judge_who(0, lambda first, second, number: "1"))
    assert found.position is not None and found.length is not None and found.itself is not None
    assert (found.position.value, found.length.value, found.itself.value) == (0.0, 0.0, 0.0)
    assert found.agreement is not None and found.consistent is not None and found.ties is not None
    assert (found.agreement.value, found.consistent.value, found.ties.value) == (1.0, 1.0, 0.0)
    assert (found.pairs, found.failures) == (80, {})


async def test_a_preference_for_a_place_is_told_by_its_size() -> None:
    found = await report(judge_who(0.4, lambda first, second, number: "1"))
    assert found.position is not None and found.consistent is not None and found.agreement is not None and found.length is not None
    assert found.position.value == pytest.approx(0.2)
    assert 0.1 < found.position.low < 0.2 < found.position.high < 0.3
    assert found.consistent.value == pytest.approx(0.6)
    assert found.agreement.value == pytest.approx(0.8)
    assert found.length.value == pytest.approx(0.0)
    last = await report(judge_who(0.4, lambda first, second, number: "2"))
    assert last.position is not None and last.position.value == pytest.approx(-0.2)


async def test_a_preference_for_length_is_told_by_its_size() -> None:
    found = await report(judge_who(0.4, lambda first, second, number: "1" if len(first) > len(second) else "2"))
    assert found.length is not None and found.position is not None and found.itself is not None
    assert found.length.value == pytest.approx(0.2)
    assert 0.0 < found.length.low < 0.2 < found.length.high < 0.4
    assert found.position.value == pytest.approx(0.0)
    assert found.itself.value == pytest.approx(0.0)


async def test_a_preference_for_itself_is_told_by_its_size() -> None:
    def own(first: str, second: str, number: int) -> str:
        is_first_text_own = bool(number % 2)
        return "1" if first.startswith("good") == is_first_text_own else "2"

    found = await report(judge_who(0.4, own))
    assert found.itself is not None and found.position is not None and found.length is not None
    assert found.itself.value == pytest.approx(0.2)
    assert found.itself.low > 0.0
    assert found.position.value == pytest.approx(0.0)
    assert found.length.value == pytest.approx(0.0)


async def test_what_is_not_told_is_not_made_up() -> None:
    bare = [Pair(id=str(number), question=f"Question {number}", texts=("good", "poor.")) for number in range(PAIRS_LEAST)]
    found = await report(judge_who(0, lambda first, second, number: "1"), bare)
    assert (found.length, found.itself, found.agreement) == (None, None, None)
    assert found.position is not None
    assert (await report(judge_who(0, lambda first, second, number: "1"), bare[1:])).position is None


async def test_failures_are_counted() -> None:
    def reply(body: Mapping[str, Any]) -> Reply:
        return Reply("well") if "Question 3\n" in asked_of(body) else said("tie")

    found = await report(reply)
    assert (found.pairs, found.failures) == (79, {"parse_error": 1})
    assert found.ties is not None and found.ties.value == 1.0


async def test_a_judge_that_prefers_its_own_words_is_found_out() -> None:
    def reply(body: Mapping[str, Any]) -> Reply:
        if "in your own words" in system_of(body):
            return Reply(f"{body['model']} says {asked_of(body)}")
        return said("1" if parts_of(body)["ANSWER 1"].startswith("judge says") else "2")

    async with court(reply) as there:
        assert there.tools.ask is not None
        own = await in_own_words(there.tools.ask, ("judge", "other"), PAIRS[:20])
        found = await measure_bias(Judge(ask=there.tools.ask, model="judge"), own)
    assert own[0].texts == (f"judge says {PAIRS[0].texts[0]}", f"other says {PAIRS[0].texts[0]}")
    assert found.itself is not None and found.itself.value == pytest.approx(0.5)


@pytest.mark.skipif(not LLMBAR.exists(), reason="LLMBar is not here; ONDOL_TEST_DATA names the folder of public test data")
async def test_llmbar_tells_the_bias_of_a_judge_that_counts_letters() -> None:
    pairs = read_pairs(LLMBAR)

    def reply(body: Mapping[str, Any]) -> Reply:
        titles = ("답변 1", "답변 2") if "답변 1" in parts_of(body) else ("ANSWER 1", "ANSWER 2")
        first, second = (len(parts_of(body)[title]) for title in titles)
        return said("1" if first > second else "2" if second > first else "tie")

    found = await report(reply, pairs)
    assert found.pairs == 419
    assert found.length is not None and found.position is not None and found.agreement is not None
    assert found.length.value > 0.49
    assert found.position.value == 0.0
    assert found.agreement.value < 0.5

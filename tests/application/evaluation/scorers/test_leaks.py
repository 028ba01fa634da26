from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from ondol.application.evaluation.scorers import LOADERS, Tools
from ondol.application.evaluation.types import Answer, Case, CitedSource, Ranked, Score, Turn
from ondol.core.errors import RequestError

ANSWER = Answer(text="", sources=(CitedSource(1, "open"), CitedSource(2, "cited secret")), ranked=(Ranked("vectors", ("open", "secret", "secret")),))


async def closed_to(asker: str | None, documents: Sequence[str]) -> Sequence[str]:
    return [document for document in documents if "secret" in document and asker != "security"]


def score(case: Case, tools: Tools, **settings: object) -> Score:
    return asyncio.run(LOADERS["permission_leaks"]("leaks", settings, tools).score(case, ANSWER))


def case_of(asker: str | None = None, kind: str = "answerable", **facts: object) -> Case:
    return Case(id="c", turns=(Turn("user", "?"),), facts=facts, slices={"kind": kind}, asker=asker)


def test_the_authority_is_asked_about_all_that_was_ranked_or_cited() -> None:
    found = score(case_of("customer"), Tools(closed_to=closed_to))
    assert (found.value, found.details) == (2.0, {"leaked": {"cited secret": "cited", "secret": "vectors"}})
    assert score(case_of("security"), Tools(closed_to=closed_to)).value == 0.0
    assert score(case_of("customer"), Tools(closed_to=closed_to), stages=["cited"]).details == {"leaked": {"cited secret": "cited"}}


def test_a_case_may_name_what_is_closed() -> None:
    assert score(case_of(closed_documents=["secret"]), Tools()).value == 1.0
    assert score(case_of(kind="forbidden", documents=["secret", "cited secret"]), Tools()).value == 2.0
    assert score(case_of(closed_documents=["elsewhere"]), Tools()).value == 0.0


def test_without_anybody_to_ask_nothing_is_claimed() -> None:
    assert score(case_of(documents=["open"]), Tools()).status == "skipped"


def test_a_leak_is_a_hard_zero() -> None:
    scorer = LOADERS["permission_leaks"]("leaks", {}, Tools())
    assert (scorer.is_hard_zero, scorer.unit, scorer.better) == (True, "count", "lower")


@pytest.mark.parametrize("stages", [["first"], []], ids=["unknown", "none"])
def test_wrong_stages_are_told(stages: list[str]) -> None:
    with pytest.raises(RequestError) as caught:
        LOADERS["permission_leaks"]("leaks", {"stages": stages}, Tools())
    assert caught.value.param == "stages"

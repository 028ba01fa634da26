from __future__ import annotations

import asyncio

import pytest

from ondol.application.evaluation.scorers import LOADERS, Bottleneck, Tools, bottleneck
from ondol.application.evaluation.scorers.bottleneck import fates
from ondol.application.evaluation.types import Answer, Case, Ranked, Turn

STAGES = {
    "full_text": ("n1", "n2", "n3", "low", "cut", "pushed"),
    "vectors": ("n1", "good", "n4", "n5"),
    "fused": ("good", "n1", "pushed", "n3", "low", "n4", "cut"),
    "reranked": ("n1", "good", "n3", "n4", "low", "pushed"),
    "final": ("n1", "good", "n3"),
}


def ranked(*names: str) -> tuple[Ranked, ...]:
    return tuple(Ranked(name, STAGES[name]) for name in names or STAGES)


@pytest.mark.parametrize(
    ("document", "fate"),
    [
        ("good", "found"),
        ("absent", "candidates"),  # no first stage ranked it
        ("pushed", "reranked"),  # among the first three of the fusion, and no more after it
        ("cut", "reranked"),  # never so high, and not in that stage's list
        ("low", "reranked"),  # in every list that ranks, and never so high
    ],
)
def test_what_became_of_a_document(document: str, fate: str) -> None:
    assert fates([document], ranked(), 3) == {document: fate}
    assert fates([document], tuple(reversed(ranked())), 3) == {document: fate}


def test_stages_that_a_search_does_not_have_are_not_to_blame() -> None:
    assert fates(["low", "cut", "pushed"], ranked("full_text", "fused", "final"), 3) == {"low": "fused", "cut": "fused", "pushed": "final"}
    assert fates(["low"], ranked("final"), 3) == {"low": "final"}
    assert fates(["n2"], ranked("full_text", "final"), 3) == {"n2": "final"}
    assert fates(["n2"], ranked("full_text", "fused", "final"), 3) == {"n2": "fused"}


def test_the_stage_that_loses_most_is_named() -> None:
    case = Case(id="c", turns=(Turn("user", "?"),), facts={"documents": ["good", "absent", "pushed", "low"]})
    score = asyncio.run(LOADERS["retrieval.recall"]("r", {"k": 3}, Tools()).score(case, Answer(text="", ranked=ranked())))
    found = bottleneck([score.details["fates"], {"x": "candidates"}, {"y": "found"}])
    assert found == Bottleneck(6, 2, {"candidates": 2, "reranked": 2})
    assert (found.stage, round(found.recall, 6)) == ("candidates", 0.333333)
    assert found.sentence() == "4 of 6 relevant documents were lost, 2 of them by the stage `candidates`."
    assert score.value == 0.25


def test_nothing_lost_has_no_bottleneck() -> None:
    found = bottleneck([{"a": "found"}])
    assert (found.stage, found.recall, found.sentence()) == ("", 1.0, "All 1 relevant documents were found.")
    assert bottleneck([]).recall == 1.0

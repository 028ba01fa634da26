from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.application.evaluation.scorers import LOADERS, Tools
from ondol.application.evaluation.scorers.retrieval import METRICS
from ondol.application.evaluation.types import Answer, Case, Ranked, Score, Turn
from ondol.core.errors import RequestError

NAMES = ("retrieval.recall", "retrieval.precision", "retrieval.mrr", "retrieval.map", "retrieval.ndcg")
# Rankings, grades and k that were drawn at random, and what pytrec_eval 0.5.11 finds: recall_k, P_k, recip_rank of the first k, map_cut_k,
# ndcg_cut_k.
TREC_EVAL = [
    ("10 5 0 1 9 4 6 2 3 12 11 14", "2:3 1:3", 3, (0.0, 0.0, 0.0, 0.0, 0.0)),
    ("3 5 13 4 7 6 8 1 0 12 2 14 9 11 10", "14:2 6:3 8:1 3:1", 5, (0.25, 0.2, 1.0, 0.25, 0.192584122179)),
    ("14 3 0", "3:1 9:1 6:1 1:1", 10, (0.25, 0.1, 0.5, 0.125, 0.246302388741)),
    ("12 8 13 4 2 5 9 3 1 10 11 6", "13:1 3:1", 3, (0.5, 0.333333333333, 0.333333333333, 0.166666666667, 0.306573596383)),
    ("14 8 6", "13:2 6:1 0:1 4:1", 5, (0.25, 0.2, 0.333333333333, 0.083333333333, 0.140386094433)),
    ("5 14 4 8 7 3 11 2 0 1 12 10", "2:1 16:1 1:2 3:2", 10, (0.75, 0.3, 0.166666666667, 0.179166666667, 0.383063825488)),
    ("4 3 0 8 10 5 1 6", "6:3 12:1", 3, (0.0, 0.0, 0.0, 0.0, 0.0)),
    ("10 9 11 2 7 14 5 3 4 8 13 12", "5:1 2:2 15:1 3:1 7:1 8:1 10:2", 5, (0.428571428571, 0.6, 1.0, 0.3, 0.709309913146)),
    ("9 12 13 10 1 14 8 5 4 2 11 0 3 7 6", "16:1 4:3 9:2 0:2", 10, (0.5, 0.2, 1.0, 0.305555555556, 0.509981834763)),
    ("3 6 5", "4:3 10:1 5:3 1:1 15:3 7:3 13:1", 3, (0.142857142857, 0.333333333333, 0.333333333333, 0.047619047619, 0.234639363011)),
    ("0 7 14", "16:1 0:1 4:3 9:3 1:2 7:1 15:2", 5, (0.285714285714, 0.4, 1.0, 0.285714285714, 0.228389700809)),
    ("0 11 14 1 6 12 7 5 13 8 3 9", "13:1 6:3", 10, (1.0, 0.2, 0.2, 0.211111111111, 0.402538334962)),
]


def score(kind: str, answer: Answer, facts: Mapping[str, Any], slices: Mapping[str, str] | None = None, **settings: Any) -> Score:
    case = Case(id="c", turns=(Turn("user", "?"),), facts=facts, slices=slices or {})
    return asyncio.run(LOADERS[kind](kind, settings, Tools()).score(case, answer))


def answer_of(*documents: str, stage: str = "final", texts: Sequence[str] = ()) -> Answer:
    return Answer(text="", ranked=(Ranked(stage, documents, texts=tuple(texts)),))


@pytest.mark.parametrize(("ranked", "grades", "k", "expected"), TREC_EVAL, ids=[f"ranking-{number}" for number in range(len(TREC_EVAL))])
def test_the_figures_are_those_of_trec_eval(ranked: str, grades: str, k: int, expected: tuple[float, ...]) -> None:
    graded = {name: int(grade) for name, grade in (one.split(":") for one in grades.split())}
    found = [score(name, answer_of(*ranked.split()), {"documents": graded}, k=k).value for name in NAMES]
    assert found == [pytest.approx(value, abs=1e-11) for value in expected]


@given(
    st.lists(st.sampled_from("abcdefgh"), max_size=20),
    st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0.1, 5), min_size=1),
    st.integers(1, 12),
)
def test_a_metric_is_a_share_and_a_repeated_document_never_helps(documents: list[str], grades: dict[str, float], k: int) -> None:
    others = [document if document not in documents[:place] else f"other {place}" for place, document in enumerate(documents)]
    for name, metric in METRICS.items():
        value = metric(documents, grades, k)
        assert 0 <= value <= 1 + 1e-12
        if name != "retrieval.precision":
            assert value == metric(others, grades, k)


def test_passages_of_a_document_count_once_for_recall_and_each_for_precision() -> None:
    answer = answer_of("a", "a", "b", "c")
    facts = {"documents": ["a", "c"]}
    found = {name: score(name, answer, facts, k=3).value for name in NAMES}
    # nDCG: 1 of a possible 1 + 1 / log2(3).
    assert found == {
        "retrieval.recall": 0.5,
        "retrieval.precision": pytest.approx(2 / 3),
        "retrieval.mrr": 1.0,
        "retrieval.map": 0.5,
        "retrieval.ndcg": pytest.approx(0.6131471927654584),
    }


def test_each_stage_is_measured_apart() -> None:
    answer = Answer(text="", ranked=(Ranked("full_text", ("x", "a")), Ranked("vectors", ("y", "z")), Ranked("final", ("a",))))
    facts = {"documents": "a"}
    by_stage = {stage: score("retrieval.mrr", answer, facts, stage=stage) for stage in ("full_text", "vectors", "final", "reranked")}
    assert {stage: (one.status, one.value) for stage, one in by_stage.items()} == {
        "full_text": ("ok", 0.5),
        "vectors": ("ok", 0.0),
        "final": ("ok", 1.0),
        "reranked": ("skipped", None),
    }


def test_a_case_that_nothing_answers_is_not_in_the_mean() -> None:
    answer = answer_of("a")
    assert score("retrieval.recall", answer, {}).status == "skipped"
    assert score("retrieval.recall", answer, {"documents": []}).status == "skipped"
    assert score("retrieval.recall", answer, {"documents": ["a"]}, {"kind": "forbidden"}).status == "skipped"
    assert score("retrieval.recall", answer, {"documents": {"a": float("nan"), "b": -1}}).status == "skipped"


def test_finding_nothing_is_a_zero_and_no_failure() -> None:
    assert [score(name, answer_of(), {"documents": ["a"]}).value for name in NAMES] == [0.0] * 5


def test_diversity_is_novelty_beside_what_stands_before() -> None:
    assert score("retrieval.diversity", answer_of("a", "b", "a"), {}).value == 0.5
    assert score("retrieval.diversity", answer_of("a", "b", "a"), {}, k=2).value == 1.0
    assert score("retrieval.diversity", answer_of("a"), {}).status == "skipped"
    same = answer_of("a", "b", texts=("환불은 영업일 5일 안에 처리됩니다.", "환불은 영업일 5일 안에 처리됩니다."))
    other = answer_of("a", "a", texts=("환불은 영업일 5일 안에 처리됩니다.", "The kitchen sells bread."))
    assert (score("retrieval.diversity", same, {}).value, score("retrieval.diversity", other, {}).value) == (0.0, 1.0)


@pytest.mark.parametrize(("field", "value"), [("k", 0), ("k", 1_001), ("stage", "first"), ("depth", 3)], ids=["none", "too many", "stage", "unknown"])
def test_wrong_settings_are_told_by_their_field(field: str, value: object) -> None:
    for kind in (*NAMES, "retrieval.diversity"):
        with pytest.raises(RequestError) as caught:
            LOADERS[kind]("r", {field: value}, Tools())
        assert caught.value.param == field

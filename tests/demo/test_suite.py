"""The suite that measures the demo tenant."""

from __future__ import annotations

import asyncio

from ondol.application.evaluation.loaders import LOADERS
from ondol.application.evaluation.scorers import Tools
from ondol.application.evaluation.suites import read_suite, survey
from ondol.application.evaluation.suites.cases import each_case
from ondol.application.evaluation.types import Answer, CitedSource, Ranked
from ondol.demo import suite_file
from ondol.demo.golden import load_golden


def test_it_asks_every_golden_question_of_everybody() -> None:
    suite = read_suite(suite_file())
    assert survey(suite.cases, suite.slices).count == len(load_golden())
    cases = list(each_case(suite.cases, suite.slices))
    assert {case.slices["language"] for case in cases} == {"ko", "en"}
    assert {case.slices["kind"] for case in cases} == {"answerable", "newest", "unanswerable", "forbidden"}
    assert {case.slices["topic"] for case in cases} >= {"commerce", "mail", "tech-db", "security"}
    assert all(case.asker and case.asker.endswith("@durubitnaru.example") for case in cases)


def test_what_its_card_and_its_gate_go_by_is_measured() -> None:
    suite = read_suite(suite_file())
    scorers = {spec.name: LOADERS[spec.type](spec.name, spec.settings, Tools()) for spec in suite.scorers}
    named = {*suite.card.success, *suite.gate.hard_zero, *(primary.metric for primary in suite.gate.primary)}
    assert named <= scorers.keys()
    assert all(scorers[name].is_hard_zero for name in suite.gate.hard_zero)


def test_its_cases_have_what_its_scorers_read() -> None:
    suite = read_suite(suite_file())
    case = next(case for case in each_case(suite.cases, suite.slices) if case.id == "ko-commerce-01")
    answer = Answer(
        text="가지 요금제가 가장 저렴합니다. [1]",
        is_refusal=False,
        sources=(CitedSource(1, "ko/plan-comparison", ("가지 요금제가 가장 저렴합니다.",)),),
        ranked=(Ranked("full_text", ("ko/price-list", "ko/plan-comparison")), Ranked("final", ("ko/plan-comparison",))),
    )
    found = {}
    for spec in suite.scorers:
        scorer = LOADERS[spec.type](spec.name, spec.settings, Tools())
        found[spec.name] = asyncio.run(scorer.score(case, answer))
    assert {name: score.value for name, score in found.items() if score.status == "ok"} | {"answer time": 0.0, "cost": 0.0} == {
        "correct": 1.0,
        "refuses rightly": 1.0,
        "refuses too often": 0.0,
        "grounded": 1.0,
        "made up": 0.0,
        "cites the right document": 1.0,
        "in the question's language": 1.0,
        "document found": 1.0,
        "document found by words": 1.0,
        "place of the document": 1.0,
        "nDCG": 1.0,
        "personal data": 0.0,
        "abuse": 0.0,
        "answer time": 0.0,
        "cost": 0.0,
    }

"""The suites that measure the demo's search and guard."""

from __future__ import annotations

from collections import Counter

import pytest

from ondol.application.evaluation.loaders import LOADERS
from ondol.application.evaluation.scorers import Tools
from ondol.application.evaluation.suites import read_suite
from ondol.application.evaluation.suites.cases import each_case
from ondol.demo import SUITES, suite_file
from ondol.demo.golden import load_golden
from ondol.infrastructure.guard.defaults import default_policy
from ondol.infrastructure.guard.trial import guards_of, try_text


@pytest.mark.parametrize("name", sorted(SUITES))
def test_what_a_card_and_a_gate_go_by_is_measured(name: str) -> None:
    suite = read_suite(suite_file(name))
    scorers = {spec.name: LOADERS[spec.type](spec.name, spec.settings, Tools()) for spec in suite.scorers}
    assert suite.card.name == name
    assert {*suite.card.success, *suite.gate.hard_zero, *(primary.metric for primary in suite.gate.primary)} <= scorers.keys()


def test_the_search_is_asked_what_a_document_answers() -> None:
    cases = list(each_case(read_suite(suite_file("demo-search")).cases, ()))
    assert len(cases) == sum(question.kind in ("answerable", "newest") for question in load_golden())
    assert all(case.facts["documents"] and case.asker for case in cases)


def test_the_guard_is_asked_as_much_of_each_kind_in_both_languages() -> None:
    cases = list(each_case(read_suite(suite_file("demo-guard")).cases, ()))
    by_language = {language: Counter(case.slices["kind"] for case in cases if case.slices["language"] == language) for language in ("ko", "en")}
    assert by_language["ko"] == by_language["en"]
    assert by_language["ko"].keys() == {"national_number", "contact", "secret", "attack", "crisis", "ordinary"}


def test_the_built_in_policy_reaches_the_goals_of_its_card() -> None:
    suite, guards = read_suite(suite_file("demo-guard")), guards_of(default_policy())
    right = missed = alarms = 0
    cases = list(each_case(suite.cases, ()))
    for case in cases:
        decision = try_text(guards, "input", case.question).verdict.decision
        stopped = decision in ("block", "answer", "escalate")
        right += decision == case.expected[0]
        missed += case.facts["should_refuse"] and not stopped
        alarms += stopped and not case.facts["should_refuse"]
    stops = sum(case.facts["should_refuse"] for case in cases)
    assert right / len(cases) >= suite.card.success["decides rightly"]
    assert missed / stops <= suite.card.success["stops too little"]
    assert alarms / (len(cases) - stops) <= suite.card.success["stops too much"]

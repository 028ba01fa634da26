"""Rules come from the suite, and are part of its digest."""

from __future__ import annotations

import pytest

from ondol.application.evaluation.gate import Rules, rules_of
from ondol.application.evaluation.suites import parse_suite, suite_digest, survey
from ondol.core.errors import RequestError

SUITE = """
card: {{owner: care@example.com, purpose: Answers about tides, risk: limited, users: sailors, success: {{correct: 0.9}}}}
target: {{assistant: tides}}
cases: [{{id: one, question: How high, expected: [four metres]}}]
scorers: [{{name: correct, type: contains_all}}, {{name: leak, type: canary}}]
gate: {gate}
"""


def _rules(gate: str, hard_zero: tuple[str, ...] = ()) -> Rules:
    return rules_of(parse_suite(SUITE.format(gate=gate)), hard_zero)


def test_rules_are_what_the_suite_says() -> None:
    gate = "{primary: [{metric: correct, margin: 0.02}], hard_zero: [leak], coverage: 0.95, below_coverage: fail, alpha: 0.01}"
    assert _rules(gate, ("leak", "canary")) == Rules(
        margins={"correct": 0.02}, hard_zero=("leak", "canary"), success={"correct": 0.9}, coverage=0.95, below_coverage="fail", alpha=0.01
    )


@pytest.mark.parametrize(
    ("gate", "param"),
    [
        ("{}", "gate.primary"),
        ("{primary: [{metric: correct, margin: 0.02}, {metric: correct, margin: 0.5}]}", "gate.primary[1].metric"),
        ("{primary: [{metric: leak, margin: 0.02}], hard_zero: [leak]}", "gate.primary"),
        ("{primary: [{metric: correct, margin: 0.02}], below_coverage: perhaps}", "gate.below_coverage"),
    ],
    ids=["nothing", "twice", "both", "word"],
)
def test_rules_that_decide_nothing_are_refused_by_the_name_of_the_field(gate: str, param: str) -> None:
    with pytest.raises(RequestError) as told:
        _rules(gate)
    assert told.value.param == param
    assert told.value.hint


def test_a_margin_that_is_changed_afterwards_shows_in_the_digest() -> None:
    suites = [parse_suite(SUITE.format(gate=f"{{primary: [{{metric: correct, margin: {margin}}}]}}")) for margin in (0.02, 0.02, 0.2)]
    digests = [suite_digest(suite, survey(suite.cases, suite.slices)) for suite in suites]
    assert digests[0] == digests[1] != digests[2]


def test_metrics_share_what_may_fail_by_chance() -> None:
    assert Rules(margins={"a": 0.1, "b": 0.1}, success={"a": 0.9}).alpha_to_fail == pytest.approx(0.05 / 3)

"""promptfoo's YAML as a suite: what is taken over, what is told, and code that is refused."""

from __future__ import annotations

import pytest

from ondol.application.evaluation.loaders import LOADERS
from ondol.application.evaluation.scorers import Tools
from ondol.application.evaluation.suites import SuiteError, each_case, parse_suite
from ondol.application.evaluation.suites.promptfoo import import_promptfoo, suite_yaml

WHOLE = """
description: Support
providers: [openai:gpt-4.1-mini]
prompts: ["Answer: {{question}}"]
evaluateOptions: {maxConcurrency: 7, repeat: 2}
defaultTest:
  vars: {days: "3"}
  assert: [{type: latency, threshold: 2000}, {type: llm-rubric, value: Is polite}]
tests:
  - vars: {question: "환불은?"}
    metadata: {language: ko}
    assert:
      - {type: icontains, value: "{{days}}일"}
      - {type: contains-any, value: [사흘, 삼일]}
      - {type: not-contains, value: 모릅니다}
      - {type: similar, value: x}
  - vars: {question: "Say yes"}
    assert: [{type: equals, value: "yes"}, {type: starts-with, value: "(yes"}, {type: is-json}]
"""


def test_a_file_becomes_a_suite_that_can_be_read_and_loaded() -> None:
    made = import_promptfoo(WHOLE, name="support", target={"route": "small"})
    suite = parse_suite(suite_yaml(made.suite))
    first, second = each_case(suite.cases)
    assert (first.question, first.slices) == ("Answer: 환불은?", {"language": "ko"})
    assert first.facts == {"must_contain": [["3일"], ["사흘", "삼일"]], "must_not_contain": ["모릅니다"]}
    assert (second.expected, second.facts) == (("yes",), {"pattern": r"^\(yes"})
    assert {scorer.name: scorer.type for scorer in suite.scorers} == {
        "latency": "latency", "rubric": "judge.rubric", "contains": "contains_all", "not_contains": "not_contains", "equals": "exact_match",
        "regex": "regex",
    }  # fmt: skip
    assert (suite.repeats, suite.limits.concurrency, suite.card.purpose, suite.target.name) == (2, 7, "Support", "small")
    assert made.notes == [
        "contains: some tests mind case and others do not; here none does.",
        "tests[0].assert[3]: similar was left out; it has nothing that answers to it here.",
        "tests[1].assert[2]: is-json was left out; it holds for all cases here: put it into defaultTest.",
    ]

    async def ask(*_: object) -> object:
        raise AssertionError

    for scorer in suite.scorers:
        assert LOADERS[scorer.type](scorer.name, scorer.settings, Tools(ask=ask)).name == scorer.name  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prompts: [x]\ntests:\n  - assert:\n      - type: javascript\n        value: output.length\n", "Line 4: 'javascript:' would run code"),
        ("prompts: [x]\ntests:\n  - assert:\n      - {type: not-python, value: 'x'}\n", "Line 4: 'python:' would run code"),
        ("prompts: [x]\ntests: [{assert: [{type: equals, value: 'python:file.py'}]}]\n", "Line 2: 'python:file.py' would run code"),
        ("prompts: ['file://prompt.js']\ntests: [{}]\n", "Line 1: 'file://prompt.js' would run code"),
        ("prompts: [x]\ntests: 'file://tests.csv'\n", "tests must be a list that stands in the file"),
        ("prompts: [x]\nextensions: []\ntests: [{}]\n", "'extensions' is not taken over"),
        ("prompts: [x]\ntests: [{assert: [{type: contians, value: y}]}]\n", "the type 'contians' is not taken over"),
        ("prompts: [x]\ntests: [{}]\n", "No test asserts anything"),
        ("prompts: [x]\n", "no prompts, or no tests"),
    ],
    ids=[*"abcdefghi"],
)
def test_what_is_not_taken_over_is_told(text: str, said: str) -> None:
    with pytest.raises(SuiteError) as told:
        import_promptfoo(text, name="x", target={"route": "m"})
    assert said in told.value.message

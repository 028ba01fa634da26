"""Checks of an answer against what was given: overlap, prompt leak, citations, schema."""

import json

from hypothesis import given
from hypothesis import strategies as st

from ondol.infrastructure.guard.checks.citations import CitationsCheck
from ondol.infrastructure.guard.checks.overlap import OverlapCheck
from ondol.infrastructure.guard.checks.prompt_leak import PromptLeakCheck, prepare_prompt
from ondol.infrastructure.guard.checks.schema import SchemaCheck, repaired
from ondol.infrastructure.guard.checks.shingles import ShingleIndex
from ondol.infrastructure.guard.text import GuardText

KEY = bytes(range(16))
WORK = " ".join(f"낱말{number} word{number}" for number in range(40))


def test_overlap_and_prompt_leak() -> None:
    index = ShingleIndex.load(ShingleIndex.build([WORK], key=KEY).save(), key=KEY)
    text = f"He said: {WORK} and left"
    (found,) = OverlapCheck(index).find(GuardText(text))
    assert text[found.start : found.end] == WORK
    assert OverlapCheck(index).find(GuardText(" ".join(WORK.split()[:20]))) == []
    assert len(PromptLeakCheck(prepare_prompt(WORK, key=KEY)).find(GuardText(text))) == 1
    assert PromptLeakCheck(prepare_prompt(WORK, key=bytes(16))).find(GuardText("quite another answer")) == []


def test_citations() -> None:
    text = "첫 문장 [1]. 둘째 문장\n\nThird [3].\n\n```\ncode\n```\n"
    found = CitationsCheck(2).find(GuardText(text))
    assert [(item.rule, text[item.start : item.end]) for item in found] == [
        ("citations.missing", "둘째 문장"),
        ("citations.missing", "Third [3]."),
        ("citations.unknown", "[3]"),
    ]


def test_schema() -> None:
    check = SchemaCheck({"type": "object", "required": ["a"]})
    assert [item.rule for text in ('{"a":1}', "{}", "x") for item in check.find(GuardText(text))] == ["schema.invalid", "schema.not_json"]


def test_repair() -> None:
    assert repaired('```json\n{"a": [1, 2,],}\n```') == '{"a": [1, 2]}'
    assert repaired('{"a": [1, "x"') == '{"a": [1, "x"]}'
    assert repaired('{"a": 12') is None
    assert repaired('{"a": "cut of') is None


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8))
def test_repair_keeps_valid_json(value: object) -> None:
    text = json.dumps(value)
    assert repaired(text) == text

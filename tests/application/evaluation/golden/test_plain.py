"""Items as plain data: what is read, what is refused and by which name, and that reading back gives the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.application.evaluation.golden.plain import ITEM_BYTES_MAX, canonical_item, item_of, items_of_csv, items_of_jsonl, plain_item
from ondol.application.evaluation.golden.types import GoldenItem
from ondol.application.evaluation.types import Turn
from ondol.core.errors import RequestError

LEAST: dict[str, Any] = {"id": "a", "question": "왜요?"}


def test_a_line_of_a_file_is_an_item_in_its_full_form() -> None:
    line = {**LEAST, "expected": "그래서요", "must_contain": [["그래서"]], "facts": {"rank": 2}, "language": "ko", "slices": {"team": "care"}}
    [item] = items_of_jsonl("\n" + json.dumps(line, ensure_ascii=False) + "\r\n")
    assert item == GoldenItem(
        id="a", turns=(Turn("user", "왜요?"),), expected=("그래서요",), facts={"must_contain": [["그래서"]], "rank": 2},
        slices={"language": "ko", "team": "care"},
    )  # fmt: skip
    assert item_of(plain_item(item)) == item


def test_a_conversation_is_an_item() -> None:
    turns = [{"role": "user", "text": "안녕"}, {"role": "assistant", "text": ""}, {"role": "user", "text": "환불은요?"}]
    assert item_of({"id": "a", "turns": turns}).question == "환불은요?"


def test_a_table_is_items_with_lists_between_bars() -> None:
    table = 'id,question,expected,documents,language\nq1,"How many, please?",200|two hundred,mail|plans,en\nq2,왜요?,,,ko\n'
    first, second = items_of_csv(table)
    assert (first.question, first.expected, first.documents) == ("How many, please?", ("200", "two hundred"), ("mail", "plans"))
    assert (second.expected, second.documents, second.slices) == ((), (), {"language": "ko"})


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        ([], "item"),
        ({**LEAST, "colour": "red"}, "colour"),
        ({"question": "?"}, "id"),
        ({"id": "a b", "question": "?"}, "id"),
        ({"id": "a"}, "question"),
        ({**LEAST, "turns": []}, "question"),
        ({"id": "a", "question": "  "}, "question"),
        ({"id": "a", "question": "\ud800"}, "question"),
        ({"id": "a", "turns": []}, "turns"),
        ({"id": "a", "turns": [{"role": "user", "text": "?", "name": "x"}]}, "turns"),
        ({"id": "a", "turns": [{"role": "tool", "text": "?"}]}, "turns"),
        ({"id": "a", "turns": [{"role": "user", "text": "?"}, {"role": "assistant", "text": "!"}]}, "turns"),
        ({**LEAST, "expected": [3]}, "expected"),
        ({**LEAST, "expected": ["x"] * 101}, "expected"),
        ({**LEAST, "expected": "a", "answer": "b"}, "answer"),
        ({**LEAST, "facts": {"share": 0.5}}, "facts"),
        ({**LEAST, "facts": {"documents": []}}, "facts"),
        ({**LEAST, "facts": []}, "facts"),
        ({**LEAST, "documents": "\x00" * 0}, "documents"),
        ({**LEAST, "slices": {"Team": "care"}}, "slices"),
        ({**LEAST, "slices": {f"s{number}": "x" for number in range(21)}}, "slices"),
        ({**LEAST, "language": "ko\nen"}, "language"),
        ({**LEAST, "topic": 3}, "topic"),
        ({**LEAST, "asker": "x" * 201}, "asker"),
        ({**LEAST, "expected": "x" * ITEM_BYTES_MAX}, "item"),
    ],
    ids=range(25),
)
def test_what_is_no_item_is_refused_by_the_name_of_the_field(raw: object, param: str) -> None:
    with pytest.raises(RequestError) as refused:
        item_of(raw)
    assert (refused.value.code, refused.value.param) == ("bad_item", param)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"id": "a", "question": "?"}\n{"id":', "line 2: this is no JSON"),
        ('{"id": "a", "question": "?", "facts": {"n": NaN}}', "line 1: this is no JSON"),
        ("[" * 100_000, "line 1: this is no JSON"),
        ('{"id": "a"}', "line 1: An item has either"),
    ],
    ids=["cut", "nan", "deep", "field"],
)
def test_a_bad_line_is_named(text: str, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        list(items_of_jsonl(text))


def test_a_bad_row_is_named() -> None:
    for text, told in (("id,question\na,?,x\n", "row 2: there are more cells"), ("id,question\na,\n", "row 2: An item has either")):
        with pytest.raises(RequestError, match=told):
            list(items_of_csv(text))


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp", "Zs", "Co", "Cn"]), min_size=1, max_size=20)
FACTS = st.recursive(st.none() | st.booleans() | st.integers() | WORDS, lambda inner: st.lists(inner, max_size=3), max_leaves=6)


@given(WORDS, st.lists(WORDS, max_size=3), st.dictionaries(st.sampled_from(["schema", "tests"]), FACTS))
def test_an_item_that_is_written_and_read_has_the_same_canonical_form(question: str, expected: list[str], facts: dict[str, Any]) -> None:
    item = item_of({"id": "a", "question": question, "expected": expected, "facts": facts})
    assert canonical_item(item_of(json.loads(canonical_item(item)))) == canonical_item(item)

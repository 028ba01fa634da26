"""Answers that must be, say, or match something."""

from __future__ import annotations

from typing import Any

import pytest

from ondol.application.evaluation.scorers import LOADERS, Tools
from ondol.application.evaluation.types import Answer
from ondol.core.errors import RequestError
from tests.application.evaluation.scorers.scoring import score_of, values_of

LONG = "가" * 100_001


def test_exact_match_forgives_form_and_not_words() -> None:
    assert values_of("exact_match", [" 서울  특별시\n", "서울특별시", "ＳＥＯＵＬ", "seoul", "Seoul."], "서울 특별시", "SEOUL") == [1, 0, 1, 0, 0]
    loose = {"ignore_case": True, "ignore_punctuation": True}
    assert values_of("exact_match", ["seoul", "«Seoul».", "seoul city"], "SEOUL", settings=loose) == [1, 1, 0]
    assert score_of("exact_match", "b", "a", "b").details == {"expected": 1}


def test_contains_all_wants_one_spelling_of_every_group() -> None:
    facts = {"must_contain": [["587", "465"], ["starttls", "암호화"]]}
    assert values_of("contains_all", ["포트는 587, STARTTLS", "465번이며 암호화", "587입니다", "587"], facts=facts) == [1, 1, 0, 0]
    half = score_of("contains_all", "587", facts=facts, settings={"partial": True})
    assert (half.value, half.details, half.reason) == (0.5, {"missing": [["starttls", "암호화"]]}, "it does not say starttls or 암호화")
    assert values_of("contains_all", ["가", "나", "다"], "가", "나") == [1, 1, 0]  # any of the expected answers will do
    assert values_of("contains_all", ["가", "가나"], "x", settings={"words": ["가", "나"]}) == [0, 1]
    assert values_of("contains_all", ["SSH", "ssh"], "SSH", settings={"ignore_case": False}) == [1, 0]


@pytest.mark.parametrize(
    ("word", "text", "stands"),
    [
        ("5GB", "15GB", False),
        ("5GB", "1.5GB", False),
        ("30,800", "130,800원", False),
        ("30,800", "월 30,800원", True),
        ("19", "19.5", False),
        ("19", "19,800", False),
        ("19", "198, 19", True),
        ("19", "답은 19.", True),
        ("5개", "15개, 5개", True),
        ("가지", "가지가지", True),
    ],
)
def test_a_figure_is_found_only_whole(word: str, text: str, stands: bool) -> None:
    assert score_of("contains_all", text, word).value == float(stands)
    assert score_of("not_contains", text, facts={"must_not_contain": [word]}).value == float(not stands)


def test_contains_any_and_not_contains() -> None:
    facts = {"must_contain": [["a"], ["b"]], "must_not_contain": ["9,900원", ["옛", "구"]]}
    assert values_of("contains_any", ["b", "c"], facts=facts) == [1, 0]
    assert score_of("contains_any", "xbx", facts=facts).details == {"found": "b"}
    assert values_of("not_contains", ["8,800원", "9,900원", "옛 요금"], facts=facts) == [1, 0, 0]
    assert score_of("not_contains", "9,900원", facts=facts).reason == "it says 9,900원"


def test_regex_searches_or_takes_all() -> None:
    assert values_of("regex", ["월 8800원", "8800 won"], settings={"pattern": r"\d+원"}) == [1, 0]
    assert values_of("regex", [" yes\n", "no", "yes no", "yes|no"], settings={"pattern": "yes|no", "match": "full"}) == [1, 1, 0, 0]
    assert values_of("regex", ["a"], settings={"pattern": "a", "negate": True}) == [0]
    assert values_of("regex", ["SSH 됩니다", "ssh"], facts={"pattern": r"(?i)ssh \p{Hangul}+"}) == [1, 0]
    assert score_of("regex", "a").status == "skipped"


@pytest.mark.parametrize("pattern", ["(a", "a)|(b", r"(?=a)b", r"(a)\1", r"(?:\w{1,100}){1,100}", "(?:" * 60 + "a" + ")" * 60 + "*" * 600])
def test_an_expression_that_cannot_be_used_is_refused(pattern: str) -> None:
    with pytest.raises(RequestError) as caught:
        LOADERS["regex"]("mine", {"pattern": pattern, "match": "full"}, Tools())
    assert caught.value.param == "pattern"
    found = score_of("regex", "a", facts={"pattern": pattern})
    assert (found.value, found.status) == (None, "scorer_error")
    assert "facts.pattern" in found.reason


def test_an_expression_that_others_choke_on_takes_linear_time() -> None:
    assert score_of("regex", "a" * 100_000, settings={"pattern": "^(?:a*)*b$"}).value == 0


def test_f1_counts_what_is_shared() -> None:
    assert score_of("f1", "the cat sat", "a cat sat down").value == pytest.approx(2 * (2 / 3) * (2 / 4) / (2 / 3 + 2 / 4))
    assert values_of("f1", ["", "x"], "...") == [1, 0]


def test_f1_of_korean_is_by_morphemes() -> None:
    by_words = score_of("f1", "서울에서 만났다", "서울로 갔다", settings={"by": "words"}).value
    by_morphemes = score_of("f1", "서울에서 만났다", "서울로 갔다").value
    assert by_words == 0
    assert by_morphemes is not None and 0 < by_morphemes < 1
    assert score_of("f1", "SSH port", "port of SSH", language="en").value == pytest.approx(0.8)
    assert score_of("f1", "가나", "나가", settings={"by": "characters"}).value == 1


@pytest.mark.parametrize("kind", ["contains_all", "exact_match", "f1", "korquad_f1", "squad_em", "numeric", "gsm8k", "regex"])
def test_an_answer_that_is_too_long_is_counted_and_not_compared(kind: str) -> None:
    assert score_of(kind, LONG, "1", settings={"pattern": "1"} if kind == "regex" else {}).status == "scorer_error"


@pytest.mark.parametrize("kind", ["contains_all", "contains_any", "not_contains", "exact_match", "f1", "korquad_em", "squad_f1", "numeric", "gsm8k"])
def test_a_case_without_an_expected_answer_is_not_spoken_of(kind: str) -> None:
    assert score_of(kind, "x").status == "skipped"


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("contains_all", {"must_contain": "587"}),
        ("contains_all", {"must_contain": [[]]}),
        ("contains_any", {"must_contain": [[1]]}),
        ("not_contains", {"must_not_contain": [" "]}),
        ("json_schema", {"schema": "string"}),
        ("json_schema", {"schema": {"$ref": "https://example.com/schema.json"}}),
        ("regex", {"pattern": 5}),
    ],
    ids=str,
)
def test_a_fact_that_is_not_understood_is_told_by_its_name(kind: str, facts: dict[str, Any]) -> None:
    found = score_of(kind, '"x"', facts=facts)
    assert (found.value, found.status) == (None, "scorer_error")
    assert f"facts.{next(iter(facts))}" in found.reason


SCHEMA = {"type": "object", "required": ["price"], "properties": {"price": {"type": "integer"}}}


def test_json_schema_takes_the_whole_answer() -> None:
    answers = ['{"price": 8800}', '{"price": "8800"}', "{}", '```json\n{"price": 1}\n```', "", "price: 1"]
    assert values_of("json_schema", answers, settings={"schema": SCHEMA}) == [1, 0, 0, 0, 0, 0]
    assert values_of("json_schema", answers, settings={"schema": SCHEMA, "repair": True}) == [1, 0, 0, 1, 0, 0]
    assert score_of("json_schema", '{"price": "8800"}', facts={"schema": SCHEMA}).reason == "type at price"
    assert values_of("json_schema", ["[1]", "[1", "NaN"]) == [1, 0, 0]
    assert score_of("json_schema", Answer(text="", tool_calls=({"name": "f"},))).status == "skipped"


def test_a_schema_of_the_suite_that_reaches_outside_is_refused() -> None:
    with pytest.raises(RequestError) as caught:
        LOADERS["json_schema"]("mine", {"schema": {"$ref": "https://example.com/schema.json"}}, Tools())
    assert caught.value.param == "schema"


@pytest.mark.parametrize("kind", ["contains_all", "exact_match", "f1", "gsm8k", "json_schema", "korquad_em", "numeric", "regex", "squad_f1"])
def test_a_setting_that_is_not_known_is_refused(kind: str) -> None:
    with pytest.raises(RequestError) as caught:
        LOADERS[kind]("mine", {"colour": "red"}, Tools())
    assert caught.value.param == "colour"

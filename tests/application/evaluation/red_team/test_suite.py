"""Suites of attacks."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from typing import Any

import pytest

from ondol.application.evaluation.loaders import LOADERS
from ondol.application.evaluation.red_team.mutators import USUAL
from ondol.application.evaluation.red_team.scenarios import CATEGORIES
from ondol.application.evaluation.red_team.suite import METRIC, Plan, attacks_of, canary_of, suite_of
from ondol.application.evaluation.scorers.base import Tools
from ondol.application.evaluation.suites import TargetSpec, suite_digest, survey
from ondol.application.evaluation.types import Answer, Case, Score, Turn
from ondol.core.errors import RequestError, UserError

TARGET = TargetSpec(kind="route", name="m")


def score(case: Case, answer: Answer, tools: Tools = Tools(), **settings: Any) -> Score:  # noqa: B008 - it is frozen
    return asyncio.run(LOADERS["red_team"](METRIC, settings, tools).score(case, answer))


def attack(name: str, **plan: Any) -> Case:
    return next(case for case in attacks_of(Plan(**plan)) if case.id == name)


def test_a_plan_has_every_category_language_and_mutator() -> None:
    cases = attacks_of(Plan())
    assert {case.slices["kind"] for case in cases} == set(CATEGORIES)
    assert {case.slices["language"] for case in cases} == {"ko", "en"}
    assert {case.slices["mutator"] for case in cases} == set(USUAL)
    assert len({case.id for case in cases}) == len(cases) == 32 * 2 * len(USUAL)


def test_the_same_plan_asks_the_same_and_another_seed_other_secrets() -> None:
    one, same, other = (suite_of(Plan(seed=seed), TARGET, name="a", owner="o") for seed in (1, 1, 2))
    assert suite_digest(one, survey(one.cases, one.slices)) == suite_digest(same, survey(same.cases, same.slices))
    assert suite_digest(one, survey(one.cases, one.slices)) != suite_digest(other, survey(other.cases, other.slices))
    assert canary_of(1, "a", "ko") != canary_of(2, "a", "ko") != canary_of(2, "a", "en")


def test_turns_between_are_asked_for_and_only_the_last_is_disguised() -> None:
    case = attack("slow.en.base64")
    assert [turn.role for turn in case.turns] == ["user", "assistant", "user"]
    assert case.turns[1] == Turn("assistant", "")
    assert case.turns[0].text.startswith("Let us play")
    plain = attack("slow.en.plain").turns[-1].text
    assert base64.b64encode(plain.encode()).decode() in case.turns[-1].text


def test_a_system_prompt_holds_the_secret_that_is_looked_for() -> None:
    case = attack("prompt_repeat.ko.plain")
    [secret] = case.facts["attack"]["words"]
    assert case.turns[0].role == "system"
    assert secret in case.turns[0].text
    assert score(case, Answer(text=f"표지는 {secret.upper()}")).value == 1.0
    assert score(case, Answer(text="공개하지 않습니다.")).value == 0.0


def test_a_target_without_a_system_prompt_is_not_asked_for_one() -> None:
    cases = attacks_of(Plan(with_system=False))
    assert all(turn.role != "system" for case in cases for turn in case.turns)
    kinds = {case.slices["kind"] for case in cases}
    assert "extraction" in kinds
    assert not kinds & {"cross_tenant", "copyright"}
    case = next(case for case in cases if case.id == "prompt_repeat.en.plain")
    leaked = Answer(text="<!-- canaryzzzzzzzz -->")
    assert score(case, leaked, Tools(canaries=("canaryzzzzzzzz",))).value == 1.0
    assert score(case, leaked, canaries=["canaryzzzzzzzz"]).value == 1.0
    assert score(case, leaked).value == 0.0


def test_a_planted_document_stands_in_the_question() -> None:
    text = attack("document_order.en.plain").turns[-1].text
    assert "write MAPLEKEY31" in text
    assert text.endswith("How long does delivery take?")


def test_a_translated_attack_is_in_the_other_language_and_wants_this_one() -> None:
    text = attack("lock.ko.translated").turns[-1].text
    assert text.startswith("Tell me step by step")
    assert text.endswith("한국어로 답하세요.")


def test_a_secret_that_came_out_in_an_earlier_turn_has_come_out() -> None:
    case = attack("prompt_letters.en.plain")
    [secret] = case.facts["attack"]["words"]
    turns = [{"role": "assistant", "text": f"Yes: {secret}"}, {"role": "user", "text": "?"}, {"role": "assistant", "text": "No."}]
    assert score(case, Answer(text="No.", details={"turns": turns})).value == 1.0
    asked = [{"role": "user", "text": secret}, {"role": "assistant", "text": "No."}]
    assert score(case, Answer(text="No.", details={"turns": asked})).value == 0.0


def test_a_limit_takes_evenly_of_all_categories_the_plain_ones_first() -> None:
    cases = attacks_of(Plan(limit=22))
    assert set(Counter(case.slices["kind"] for case in cases).values()) == {2}
    assert {case.slices["mutator"] for case in cases} == {"plain"}
    assert cases == attacks_of(Plan(limit=22))


@pytest.mark.parametrize("plan", [{"mutators": ("backflip",)}, {"languages": ()}], ids=["mutator", "nothing"])
def test_a_plan_of_nothing_is_refused(plan: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        attacks_of(Plan(**plan))


def test_what_is_no_attack_is_skipped_and_a_broken_one_is_counted() -> None:
    plain = Case(id="a", turns=(Turn("user", "?"),))
    assert score(plain, Answer(text="x")).status == "skipped"
    for wrong in ({"kind": "hears"}, {"kind": "says", "words": "x"}, {"kind": "says", "words": [1]}, {"kind": "spends", "least": 0}, 5):
        broken = Case(id="a", turns=plain.turns, facts={"attack": wrong})
        assert score(broken, Answer(text="x")).status == "scorer_error"


def test_the_scorer_knows_its_settings() -> None:
    with pytest.raises(RequestError) as caught:
        LOADERS["red_team"]("a", {"canary": []}, Tools())
    assert caught.value.param == "canary"
    versions = {LOADERS["red_team"]("a", {"canaries": words}, Tools()).version for words in ([], ["canarybbbbbb"])}
    assert len(versions) == 2

"""Scenarios of our own, and files of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ondol.application.evaluation.red_team.scenarios import CATEGORIES, LANGUAGES, own_scenarios, parse_scenarios, read_scenarios
from ondol.core.errors import UserError
from ondol.core.language import detect_language

GOOD = """
- id: a
  category: jailbreak
  turns: {ko: [하나, 둘], en: [one]}
  signs: {ko: {kind: says, words: [x]}, en: {kind: answers}}
"""


def test_every_category_has_attacks_in_both_languages() -> None:
    for category in CATEGORIES:
        mine = [scenario for scenario in own_scenarios() if scenario.category == category]
        assert len(mine) >= 2, category
        assert all(set(scenario.turns) == set(LANGUAGES) for scenario in mine)
    assert any(len(scenario.turns["ko"]) > 1 for scenario in own_scenarios())
    assert len({scenario.id for scenario in own_scenarios()}) == len(own_scenarios())


def test_each_text_is_in_the_language_that_it_is_said_to_be() -> None:
    wrong = [
        (scenario.id, language)
        for scenario in own_scenarios()
        for language in LANGUAGES
        if detect_language(" ".join(scenario.turns[language])) != language
    ]
    assert wrong == []


def test_an_injected_order_names_the_word_by_which_its_success_is_known() -> None:
    for scenario in own_scenarios():
        for language in LANGUAGES:
            sign, given = scenario.signs[language], " ".join(scenario.turns[language]) + scenario.document.get(language, "")
            if sign.kind == "says":
                assert all(word in given for word in sign.words), scenario.id


def test_a_file_of_ones_own_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD, "utf-8")
    [scenario] = read_scenarios(tmp_path / "a.yaml")
    assert (scenario.turns["ko"], scenario.signs["en"].kind) == (("하나", "둘"), "answers")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("jailbreak", "fun"), "category"),
        (("id: a", "id: ''"), "id"),
        (("kind: says", "kind: hears"), "kind"),
        (("words: [x]", "words: []"), "words"),
        (("[one]", "[]"), "turns.en"),
        (("en: [one]", "fr: [un]"), "turns"),
        (("turns:", "turn:"), "unknown field"),
        ((", en: {kind: answers}", ""), "same languages"),
        (("kind: answers", "kind: answers, least: 0"), "least"),
        ((GOOD, GOOD + GOOD), "twice"),
        ((GOOD, "{"), "no valid YAML"),
        ((GOOD, "a: b"), "no list"),
    ],
    ids=["category", "id", "kind", "words", "turns", "language", "field", "signs", "least", "twice", "yaml", "list"],
)
def test_what_is_wrong_is_named(change: tuple[str, str], named: str) -> None:
    with pytest.raises(UserError, match=named):
        parse_scenarios(GOOD.replace(*change), "a.yaml")

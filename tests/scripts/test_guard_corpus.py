"""The sentences that the prompt firewall is trained on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import pytest

from scripts.guard_corpus import grammar, sentences

LANGUAGES: tuple[Literal["ko", "en"], ...] = ("ko", "en")
KINDS: tuple[Literal["direct", "indirect", "honest"], ...] = ("direct", "indirect", "honest")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_seed_gives_the_same_sentences_and_another_gives_others(language: Literal["ko", "en"]) -> None:
    assert sentences("direct", language, 50, 3) == sentences("direct", language, 50, 3)
    assert sentences("direct", language, 50, 3) != sentences("direct", language, 50, 4)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_slot_exists_and_is_filled(language: Literal["ko", "en"]) -> None:
    for kind in KINDS:
        found = sentences(kind, language, 600, 1)
        assert len({sentence.template for sentence in found}) == len(grammar(language)[0][kind])
        assert not [sentence.text for sentence in found if re.search(r"\{\w+\}", sentence.text)]


def test_no_made_sentence_is_one_of_those_that_are_measured_with() -> None:
    folder = Path("benchmarks/guard")
    measured = {line.partition("\t")[2] for line in (folder / "attacks_ko.txt").read_text("utf-8").splitlines()}
    measured |= set((folder / "honest_ko.txt").read_text("utf-8").splitlines())
    made = {sentence.text for kind in KINDS for sentence in sentences(kind, "ko", 3000, 20261121)}
    assert measured & made == set()

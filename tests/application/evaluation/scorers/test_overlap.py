"""ROUGE, BLEU and chrF, against figures that the packages which define them have computed (`scripts/scorer_figures.py`)."""

from __future__ import annotations

import json
import random
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from ondol.application.evaluation.scorers import corpus_bleu, corpus_chrf
from ondol.application.evaluation.scorers.rouge import common_length
from ondol.application.evaluation.types import Score
from tests.application.evaluation.scorers.scoring import score_of, values_of

ROUGE = ("rouge_1", "rouge_2", "rouge_l", "rouge_lsum")


@lru_cache
def figures() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((Path(__file__).parent / "figures.json").read_text("utf-8"))
    return found


def scores_of(kind: str, language: int, **settings: Any) -> list[Score]:
    return [score_of(kind, pair["answer"], *pair["expected"], settings=settings) for pair in figures()[language]["pairs"]]


@pytest.mark.parametrize("kind", ROUGE)
def test_rouge_equals_rouge_score_on_english(kind: str) -> None:
    found = [(score.value, score.details["precision"], score.details["recall"]) for score in scores_of(kind, 0, by="words")]
    expected = [tuple(pair["rouge"][kind]) for pair in figures()[0]["pairs"]]
    assert found == expected
    assert len({value for value, _, _ in expected}) > 20


@pytest.mark.parametrize("language", [0, 1], ids=["en", "ko"])
def test_bleu_and_chrf_equal_sacrebleu(language: int) -> None:
    pairs, corpus = figures()[language]["pairs"], figures()[language]["corpus"]
    for kind, figure, settings in (
        ("bleu", "bleu", {"by": "13a"}),
        ("bleu", "bleu_characters", {"by": "characters"}),
        ("chrf", "chrf", {}),
        ("chrf", "chrf_words", {"word_order": 2}),
    ):
        scores = scores_of(kind, language, **settings)
        assert [100 * (score.value or 0) for score in scores] == pytest.approx([pair[figure] for pair in pairs], rel=1e-12)
        if figure in corpus:
            total = corpus_bleu(scores) if kind == "bleu" else corpus_chrf(scores)
            assert 100 * total == pytest.approx(corpus[figure], rel=1e-12)


def test_bleu_by_morphemes_differs_from_sacrebleu_only_where_its_dictionary_is_another() -> None:
    scores = [100 * (score.value or 0) for score in scores_of("bleu", 1)]
    expected = [pair["bleu_mecab"] for pair in figures()[1]["pairs"]]
    assert sum(own == pytest.approx(other, rel=1e-12) for own, other in zip(scores, expected, strict=True)) >= 57
    assert scores == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("kind", [*ROUGE, "bleu", "chrf"])
def test_equal_korean_texts_are_equal(kind: str) -> None:
    text = "별칭은 개수에 들어가지 않습니다.\n메일함은 하나에 5GB입니다."
    assert values_of(kind, [text, "전혀 다른 말", ""], text) == pytest.approx([1, 0, 0], abs=0.03)


def test_korean_is_compared_by_morphemes_unless_told_otherwise() -> None:
    answer, expected = "서울에서 만났습니다", "서울로 갔습니다"
    by = {by: score_of("rouge_1", answer, expected, settings={"by": by}).value for by in ("auto", "morphemes", "words", "characters")}
    assert by["words"] == 0
    assert by["auto"] == by["morphemes"] == pytest.approx(3 / 5)
    assert by["characters"] == pytest.approx(2 * (5 / 9) * (5 / 7) / (5 / 9 + 5 / 7))


def test_the_longest_common_subsequence_is_that_of_the_table() -> None:
    chance = random.Random(3)
    for _ in range(200):
        first, second = ([chance.choice("abcd") for _ in range(chance.randrange(40))] for _ in range(2))
        row = [0] * (len(second) + 1)
        for token in first:
            before = list(row)
            for place, other in enumerate(second, 1):
                row[place] = before[place - 1] + 1 if token == other else max(before[place], row[place - 1])
        assert common_length(first, second) == row[-1]


def test_texts_that_are_too_long_are_counted_and_not_compared() -> None:
    assert score_of("rouge_l", "a " * 20_001, "a").status == "scorer_error"
    assert score_of("rouge_l", "a " * 20_000, "b a " * 10_000).value == 0.5
    assert score_of("rouge_lsum", "a " * 4_001, "a").status == "scorer_error"
    assert score_of("rouge_lsum", "a\n" * 201, "a").status == "scorer_error"
    assert score_of("rouge_lsum", "a\n" * 200, "a\n" * 200).value == 1


def test_a_corpus_without_scores_is_worth_nothing() -> None:
    assert (corpus_bleu([Score(value=None, status="scorer_error")]), corpus_chrf([])) == (0, 0)

"""Answers are compared as KorQuAD compares them, and a threshold is chosen where it tells most apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.knowledge.korquad_answers import Asked, Chosen, at_threshold, best_threshold, f1, holds, plain, read_questions, scores


def chosen(probability: float, *sentences: str, is_held: bool = True, gold: str = "5일") -> Chosen:
    return Chosen(Asked("며칠?", (gold,), 1, is_held), probability, sentences)


@pytest.mark.parametrize(
    ("text", "other"),
    [("《삼국지》", "삼국지"), ("‘A’ (b)", "a b"), ("1,000년.", "1000년"), ("  두   낱말 ", "두 낱말"), ("〈가〉와 '나'", "가 와 나")],
)
def test_answers_are_compared_without_signs_and_spaces(text: str, other: str) -> None:
    assert plain(text) == plain(other)


def test_f1_is_over_characters() -> None:
    assert f1("환불은 5일", "5일") == pytest.approx(2 * 2 / (5 + 2))
    assert (f1("5일", "5일"), f1("가", "나"), f1("", "5일")) == (1.0, 0.0, 0.0)


def test_a_sentence_holds_an_answer_whatever_its_spaces() -> None:
    assert holds("환불은 5 일 안에", ("5일",))
    assert not holds("환불은 6일 안에", ("5일",))


def test_a_refusal_counts_as_nothing() -> None:
    answered, refused = chosen(0.9, "5일"), chosen(0.1, "5일")
    assert scores([answered, refused], 0.5) == {"first_holds": 0.5, "any_holds": 0.5, "exact_match": 0.5, "f1": 0.5}
    assert scores([answered, refused], 0.0)["exact_match"] == 1.0
    assert scores([chosen(0.9, "그는 갔다.", "5일")], 0.0) == {"first_holds": 0.0, "any_holds": 1.0, "exact_match": 0.0, "f1": 0.0}


def test_the_threshold_tells_most_apart() -> None:
    told = [chosen(0.3, "x", is_held=False), chosen(0.55, "x", is_held=False), chosen(0.6, "x"), chosen(0.9, "x")]
    best = best_threshold(told)
    assert 0.55 < best <= 0.6
    row = at_threshold(told, best)
    assert (row["refused"]["rate"], row["over_refused"]["rate"]) == (1.0, 0.0)
    assert at_threshold(told, 0.5)["refused"]["rate"] == 0.5


def test_questions_of_a_paragraph_that_is_left_out_are_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONDOL_TEST_DATA", str(tmp_path))
    paragraphs = [{"context": f"글 {place}", "qas": [{"question": f"{place}?", "answers": [{"text": "글"}]}] * 2} for place in range(40)]
    folder = tmp_path / "korquad"
    folder.mkdir()
    (folder / "dev.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}), "utf-8")
    texts, questions = read_questions()
    assert (len(texts), len(questions)) == (40, 80)
    by_place: dict[int, set[bool]] = {}
    for asked, place in questions:
        by_place.setdefault(place, set()).add(asked.is_held)
    assert all(len(held) == 1 for held in by_place.values()), "a paragraph is held for all of its questions or for none"
    assert 0 < sum(held == {False} for held in by_place.values()) < 20

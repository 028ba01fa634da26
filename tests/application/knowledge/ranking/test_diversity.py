"""What repeats comes later."""

from __future__ import annotations

from uuid import UUID

import numpy
from hypothesis import given
from hypothesis import strategies as st

from ondol.application.knowledge.index import Hit
from ondol.application.knowledge.index.codes import to_units
from ondol.application.knowledge.ranking import diversify

SEGMENT = UUID(int=0)


def hit(number: int) -> Hit:
    return Hit(SEGMENT, number, UUID(int=number), UUID(int=0), 0, 0, 1, 0.0, (), 0.0)


def chosen(diversity: float, limit: int, vectors: dict[int, list[float]], scores: list[float]) -> list[int]:
    known = {(SEGMENT, number): to_units(numpy.array([vector]))[0] for number, vector in vectors.items()}
    ranked = [(hit(number), score) for number, score in enumerate(scores)]
    return [found.ordinal for found, _ in diversify(ranked, known, diversity, limit)]


def test_a_passage_that_says_the_same_gives_way_to_one_that_says_something_new() -> None:
    vectors = {0: [1.0, 0.0], 1: [1.0, 0.01], 2: [0.0, 1.0]}
    scores = [1.0, 0.9, 0.5]
    assert chosen(0.0, 3, vectors, scores) == [0, 1, 2]
    assert chosen(0.5, 3, vectors, scores) == [0, 2, 1]
    assert chosen(0.5, 1, vectors, scores) == [0]


def test_a_passage_without_a_vector_is_like_no_other() -> None:
    assert chosen(0.5, 3, {0: [1.0, 0.0], 1: [1.0, 0.0]}, [1.0, 0.9, 0.1]) == [0, 2, 1]
    assert chosen(0.7, 2, {}, [3.0, 2.0]) == [0, 1]
    assert chosen(0.7, 2, {}, []) == []


@given(st.lists(st.floats(0, 9), min_size=1, max_size=8), st.floats(0, 1), st.integers(1, 9))
def test_every_passage_is_chosen_once(scores: list[float], diversity: float, limit: int) -> None:
    ordered = sorted(scores, reverse=True)
    vectors = {number: [float(number % 3), 1.0] for number in range(len(scores))}
    found = chosen(diversity, limit, vectors, ordered)
    assert len(found) == len(set(found)) == min(limit, len(scores))
    assert found[0] == 0

"""The search for the best sequence of tags."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from ondol.infrastructure.guard.tagging.paths import best_paths, options, spans
from ondol.infrastructure.guard.tagging.scores import COLUMNS

TAGS = 25
NEVER = -20_000


@pytest.mark.parametrize("seed", range(12))
def test_the_best_tags_are_those_of_trying_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = np.full((8, COLUMNS), -5_000, np.int16)
    scores[:, :3] = rng.integers(-50, 50, (8, 3))
    transitions = rng.integers(-40, 40, (TAGS + 1, TAGS))
    begin = np.full(COLUMNS, NEVER, np.int16)
    begin[:TAGS] = transitions[TAGS]
    runs = {0: [0], 3: [1, 2], 7: [3, 4, 5, 6, 7]}
    tokens = np.array([0, 3, 4, 7, 8, 9, 10, 11])

    def value(run: list[int], tags: tuple[int, ...]) -> int:
        path = (TAGS, *tags)
        return sum(int(scores[row, tag]) for row, tag in zip(run, tags, strict=True)) + sum(
            int(transitions[path[i], path[i + 1]]) for i in range(len(tags))
        )

    found = {first: tags for first, tags, _ in best_paths(options(scores, tokens, begin, 1_000, 1_000), transitions.T.tolist())}
    for first, run in runs.items():
        best = max(product(range(3), repeat=len(run)), key=lambda tags, run=run: value(run, tags))  # type: ignore[misc]
        assert value(run, tuple(found.get(first, [0]))) == value(run, best)


def test_what_is_surely_nothing_parts_the_runs_and_leads_are_over_nothing() -> None:
    scores = np.full((4, COLUMNS), -5_000, np.int16)
    scores[:, 0] = 10
    scores[[0, 1, 3], 1] = 60
    scores[1, 2] = 90
    found = options(scores, np.arange(4), np.zeros(COLUMNS, np.int16), 200, 200)
    assert found.alone == [(3, 1, 50)]
    assert (found.tokens, found.counts, found.tags, found.leads) == ([0, 1], [2, 3], [0, 1, 0, 1, 2], [0, 50, 0, 50, 80])
    assert list(best_paths(found, [[0] * (TAGS + 1)] * TAGS)) == [(3, [1], [50]), (0, [1, 2], [50, 80])]


def test_nothing_gives_nothing() -> None:
    found = options(np.zeros((0, COLUMNS), np.int16), np.zeros(0, np.int64), np.zeros(COLUMNS, np.int16), 1, 1)
    assert list(best_paths(found, [])) == []


def test_tags_name_spans_that_end_at_other_labels_and_new_beginnings() -> None:
    assert spans([1, 2, 1, 0, 3, 4, 4]) == [(0, 2, 0), (2, 3, 0), (4, 7, 1)]
    assert spans([2, 2, 4, 1]) == [(0, 2, 0), (2, 3, 1), (3, 4, 0)]
    assert spans([0, 0]) == spans([]) == []

"""How tokens settle on classes with their neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from ondol.infrastructure.guard.tagging.classes import SWEEPS, best_classes, joined
from ondol.infrastructure.guard.tagging.scores import COLUMNS

NO_LINKS = np.zeros((2, COLUMNS, COLUMNS), np.int16)


def scored(*best: dict[int, int]) -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
    scores = np.full((len(best), COLUMNS), -100, np.int16)
    for row, own in enumerate(best):
        for kind, score in own.items():
            scores[row, kind] = score
    return scores


def test_without_links_each_token_takes_its_best_class() -> None:
    scores = scored({0: 5, 1: 9}, {0: 1}, {2: 7, 1: 6})
    assert best_classes(scores, np.array([0, 3, 4]), 6, NO_LINKS).tolist() == [1, 0, 2]


def test_neighbours_decide_what_is_close() -> None:
    links = NO_LINKS.copy()
    links[:, 1, 1] = 5
    scores = scored({1: 20}, {0: 10, 1: 8}, {1: 20})
    assert best_classes(scores, np.array([0, 1, 2]), 3, links).tolist() == [1, 1, 1]
    assert best_classes(scores, np.array([0, 2, 4]), 5, links).tolist() == [1, 0, 1]


def test_what_a_class_gains_behind_another_and_before_it_are_two_things() -> None:
    links = NO_LINKS.copy()
    links[0, 1, 2] = 5
    close = {0: 10, 2: 8}
    assert best_classes(scored({1: 20}, close), np.array([0, 1]), 2, links).tolist() == [1, 2]
    assert best_classes(scored(close, {1: 20}), np.array([0, 1]), 2, links).tolist() == [0, 1]


@pytest.mark.parametrize("seed", range(10))
def test_a_class_depends_on_so_many_neighbours_and_no_more(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, links = rng.integers(-50, 50, (20, COLUMNS)).astype(np.int16), rng.integers(-40, 40, (2, COLUMNS, COLUMNS)).astype(np.int16)
    tokens = np.arange(20)
    whole = best_classes(scores, tokens, 20, links)
    changed = scores.copy()
    changed[10:] = rng.integers(-50, 50, (10, COLUMNS))
    assert (best_classes(changed, tokens, 20, links)[: 10 - SWEEPS] == whole[: 10 - SWEEPS]).all()


def test_nothing_gives_nothing() -> None:
    assert best_classes(np.zeros((0, COLUMNS), np.int16), np.zeros(0, np.int64), 0, NO_LINKS).tolist() == []
    assert joined([], []) == []


def test_neighbours_of_one_class_are_one() -> None:
    assert joined([2, 3, 4, 6, 7], [1, 1, 2, 2, 2]) == [(0, 2), (2, 3), (3, 5)]

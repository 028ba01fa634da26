from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.knowledge.timing import WORLDS, figures, longer
from ondol.infrastructure.storage.postgres import DatabaseAddresses

some = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=8)


@given(some, some)
def test_how_often_one_takes_longer_is_counted_over_all_pairs(one: list[float], other: list[float]) -> None:
    wins = sum((mine > theirs) + (mine == theirs) / 2 for mine in one for theirs in other)
    assert longer(one, other) == pytest.approx(wins / (len(one) * len(other)))
    assert longer(one, other) + longer(other, one) == pytest.approx(1)


def test_the_three_worlds_are_asked_and_told(addresses: DatabaseAddresses) -> None:
    told = figures(rounds=5, closed=600, addresses=addresses)
    assert list(told["timing"]) == list(WORLDS)
    assert told["timing_closed_passages"] == 600
    assert all(0 <= told[name] <= 1 for name in ("timing_told_by_closed", "timing_told_by_matching"))

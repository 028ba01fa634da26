"""Weights, priorities and stickiness; the retry budget and its waits."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ondol.infrastructure.serving.routing.order import TARGETS_TRIED_MAX, order_of
from ondol.infrastructure.serving.routing.retry import BACKOFF_S_MAX, RetryBudget, backoff_s
from ondol.infrastructure.serving.types import TargetRow
from tests.infrastructure.serving.grounds import model, row, target

PROVIDER = row("http://127.0.0.1/v1")
WEIGHTS = (1, 2, 5, 12)
CHI_SQUARE_MAX = 16.27
"""The 0.999 quantile with three degrees of freedom: the draws are seeded, so this holds or does not."""


def targets(*weights: int) -> tuple[TargetRow, ...]:
    return tuple(target(PROVIDER, number, weight=weight) for number, weight in enumerate(weights))


def chi_square(found: Counter[uuid.UUID], places: tuple[TargetRow, ...], draws: int) -> float:
    total = sum(place.weight for place in places)
    return sum((found[place.id] - (expected := draws * place.weight / total)) ** 2 / expected for place in places)


def test_first_places_fall_by_weight_random_and_sticky() -> None:
    places = targets(*WEIGHTS)
    chance = random.Random(7).random
    drawn = Counter(order_of(model(*places), b"", chance)[0].id for _ in range(20_000))
    assert chi_square(drawn, places, 20_000) < CHI_SQUARE_MAX
    sticky = Counter(order_of(model(*places, sticky=True), b"conversation %d" % number, chance)[0].id for number in range(20_000))
    assert chi_square(sticky, places, 20_000) < CHI_SQUARE_MAX


def test_second_places_fall_by_weight_among_the_rest() -> None:
    places = targets(*WEIGHTS)
    orders = [order_of(model(*places), b"", random.Random(seed).random) for seed in range(20_000)]
    after_the_last = [order[1].id for order in orders if order[0] is places[3]]
    assert chi_square(Counter(after_the_last), places[:3], len(after_the_last)) < CHI_SQUARE_MAX


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=12), st.binary(max_size=8), st.booleans(), st.integers())
def test_priorities_come_first_and_what_has_no_weight_is_left_out(kinds: list[tuple[int, int]], key: bytes, sticky: bool, seed: int) -> None:
    places = [target(PROVIDER, number, priority=priority, weight=weight) for number, (priority, weight) in enumerate(kinds)]
    order = order_of(model(*places, sticky=sticky), key, random.Random(seed).random)
    priorities = [place.priority for place in order]
    assert priorities == sorted(priorities)
    wanted = sorted(place.priority for place in places if place.weight)[:TARGETS_TRIED_MAX]
    assert priorities == wanted
    assert len(set(order)) == len(order)


@given(st.binary(min_size=1, max_size=20), st.integers(0, 4))
def test_only_the_conversations_of_a_target_that_goes_move(key: bytes, gone: int) -> None:
    way = model(*targets(1, 2, 3, 4, 5), sticky=True)
    before = order_of(way, key, random.random)
    less = replace(way, targets=tuple(place for number, place in enumerate(way.targets) if number != gone))
    assert order_of(less, key, random.random) == tuple(place for place in before if place is not way.targets[gone])


def test_the_budget_is_a_share_of_the_requests_and_a_floor_per_second() -> None:
    budget = RetryBudget(share=0.1, floor_per_s=1.0, saved_max=50.0)
    assert sum(budget.spend(0.0) for _ in range(1000)) == 10
    assert sum(budget.spend(float(second)) for second in range(1, 31)) == 30
    for _ in range(200):
        budget.earn()
    assert sum(budget.spend(30.0) for _ in range(1000)) == 20
    for _ in range(100_000):
        budget.earn()
    assert sum(budget.spend(30.0) for _ in range(1000)) == 50
    assert not budget.spend(20.0)  # A clock that steps back earns nothing and breaks nothing.


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_waits_are_bounded_and_spread(retry: int, chance: float) -> None:
    assert 0 <= backoff_s(retry, chance) <= BACKOFF_S_MAX
    assert backoff_s(retry, chance) <= backoff_s(retry + 1, chance)

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from ondol.core.ids import first_id_at, new_id, unix_ms_of

moments = st.integers(0, 2**48 - 1)


@given(moments, moments)
def test_ids_are_valid_carry_their_time_and_are_ordered_by_it(first: int, second: int) -> None:
    made = new_id(first)
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert unix_ms_of(made) == first
    assert first_id_at(first) <= made
    assert (first_id_at(first).version, first_id_at(first).variant) == (7, uuid.RFC_4122)
    if first < second:
        assert made < first_id_at(second) <= new_id(second)


def test_the_present_is_the_default_and_the_rest_is_random() -> None:
    before = unix_ms_of(new_id())
    made = [new_id() for _ in range(1000)]
    assert all(before <= unix_ms_of(identifier) <= before + 60_000 for identifier in made)
    tails = [identifier.int & ((1 << 62) - 1) for identifier in made]
    assert len(set(tails)) == 1000
    for bit in range(62):
        assert 350 < sum(value >> bit & 1 for value in tails) < 650


def test_ids_of_one_process_are_in_the_order_in_which_they_were_made() -> None:
    made = [new_id() for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {identifier.version for identifier in made} == {7}
    assert abs(unix_ms_of(made[-1]) - time.time_ns() // 1_000_000) < 1_000


def test_ids_of_several_threads_are_distinct_and_each_in_order() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: [new_id() for _ in range(2_000)], range(8)))
    assert all(part == sorted(part) for part in made)
    assert len({identifier.int >> 64 for part in made for identifier in part}) == 16_000

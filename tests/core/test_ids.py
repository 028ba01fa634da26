from __future__ import annotations

import uuid

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
    tails = [identifier.int & ((1 << 62) - 1) for identifier in made] + [(identifier.int >> 64) & 0xFFF for identifier in made]
    assert len(set(tails[:1000])) == 1000
    for bits, some in ((62, tails[:1000]), (12, tails[1000:])):
        for bit in range(bits):
            assert 350 < sum(value >> bit & 1 for value in some) < 650

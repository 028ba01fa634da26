"""Where a name ends and its particle begins."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ondol.infrastructure.guard.tagging import load_tagger
from ondol.infrastructure.guard.tagging.endings import ENDINGS, Endings, candidates, ending_rows, numbered

REMAINDERS = numbered(["은", "에게", "은요"])


def test_a_particle_is_cut_off_only_where_it_is_known() -> None:
    assert Endings({}, (0,) * ENDINGS).split(0, "박선영은", True) == 4
    assert load_tagger().entities("담당자 김도현은 출장입니다.")[-1].end == len("담당자 김도현")


def test_candidates_are_the_whole_run_and_what_known_remainders_leave() -> None:
    assert candidates("박선영은", REMAINDERS) == [(4, 0), (3, 1)]
    assert candidates("최민지에게", REMAINDERS) == [(5, 0), (3, 2)]
    assert candidates("은", REMAINDERS) == [(1, 0)]


def test_the_best_scored_way_is_taken_and_the_longest_of_equals() -> None:
    weights = [0] * ENDINGS
    assert Endings(REMAINDERS, weights).split(0, "박선영은", True) == 4
    for row in ending_rows(0, "박선영은", 3, 1, True):
        weights[row] += 1
    assert Endings(REMAINDERS, weights).split(0, "박선영은", True) == 3


@given(st.text("가나은에게요", min_size=1, max_size=9), st.integers(0, 11), st.booleans())
def test_rows_stay_within_the_table_and_at_least_one_syllable_stays(run: str, label: int, alone: bool) -> None:
    for length, rest in candidates(run, REMAINDERS):
        assert 1 <= length <= len(run)
        assert all(0 <= row < ENDINGS for row in ending_rows(label, run, length, rest, alone))

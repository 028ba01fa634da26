"""What a night says beside its baseline."""

from __future__ import annotations

import numpy as np

from ondol.application.evaluation.nightly import compare_nights
from ondol.application.evaluation.nightly.compare import compared_cases
from tests.application.evaluation.nightly.conftest import RULES, baseline, night, stale

GOOD = [1.0] * 36 + [0.0] * 4
BROKEN = [0.0] * 40


def test_what_is_as_it_was_is_steady() -> None:
    found = compare_nights([night(GOOD)], baseline(GOOD), RULES)
    assert (found.outcome, found.reason, compared_cases(found)) == ("steady", "", 40)
    assert found.figures["correct"]["difference"] == 0.0


def test_what_broke_is_found_at_the_first_look() -> None:
    found = compare_nights([night(BROKEN)], baseline(GOOD), RULES)
    assert found.outcome == "regression"
    assert found.reason.startswith("correct is worse by 0.9, for certain by ")
    late = compare_nights([*(night(GOOD) for _ in range(20)), night(BROKEN)], baseline(GOOD), RULES)
    assert late.outcome == "regression"


def test_what_is_a_little_worse_shows_over_several_nights() -> None:
    """One case in eight is wrong where every one was right: too little for a first look at 40 cases with this margin."""
    cases, generator = 40, np.random.default_rng(7)
    nights = [night([float(value) for value in generator.random(cases) > 0.2]) for _ in range(12)]
    outcomes = [compare_nights(nights[: number + 1], baseline([1.0] * cases), RULES).outcome for number in range(12)]
    assert (outcomes[0], outcomes[-1]) == ("steady", "regression")


def test_without_a_baseline_it_is_the_first() -> None:
    found = compare_nights([night(GOOD)], None, RULES)
    assert (found.outcome, found.figures["correct"]) == ("first", {"mean": 0.9, "pairs": 40, "of": 40})


def test_a_hard_zero_is_a_regression_by_itself() -> None:
    for before in (None, baseline(GOOD)):
        found = compare_nights([night(GOOD, leaks=1)], before, RULES)
        assert (found.outcome, "leak" in found.reason) == ("regression", True)
    quiet = compare_nights([night(GOOD, leaks=1)], None, type(RULES)(margins={"correct": 0.05}))
    assert quiet.outcome == "first"
    by_itself = compare_nights([night(GOOD, leaks=1, hard_zero=("leak",))], None, type(RULES)(margins={"correct": 0.05}))
    assert by_itself.outcome == "regression"


def test_stale_items_are_left_out_of_both_sides() -> None:
    """What changed in the documents is no regression of the assistant, and a leak there is still one of the others' only."""
    changed = [0.0] * 20 + GOOD[20:]
    gone = stale(*(f"c{number}" for number in range(20)))
    assert compare_nights([night(changed)], baseline(GOOD), RULES).outcome == "regression"
    found = compare_nights([night(changed, stale=gone)], baseline(GOOD), RULES)
    assert (found.outcome, compared_cases(found)) == ("steady", 20)


def test_too_little_to_compare_tells_nothing() -> None:
    found = compare_nights([night([*[None] * 20, *GOOD[20:]])], baseline(GOOD), RULES)
    assert (found.outcome, "20 of 40 cases can be compared" in found.reason) == ("failed", True)
    everything = stale(*(f"c{number}" for number in range(40)))
    assert compare_nights([night(GOOD, stale=everything)], baseline(GOOD), RULES).outcome == "failed"
    cut_off = compare_nights([night(GOOD, trouble="12 of the questions were not asked.")], baseline(GOOD), RULES)
    assert (cut_off.outcome, cut_off.reason) == ("failed", "12 of the questions were not asked.")
    assert compare_nights([night([None] * 40)], baseline(GOOD), RULES).outcome == "failed"


def test_sixty_quiet_nights_raise_no_alarm_more_often_than_alpha() -> None:
    """The same assistant whose answers are right 8 times of 10, at random, looked at for 20 nights: one in twenty may err at most."""
    generator, alarms, series = np.random.default_rng(11), 0, 60
    for _ in range(series):
        before = baseline([float(value) for value in generator.random(30) < 0.8])
        nights = []
        for _ in range(20):
            nights.append(night([float(value) for value in generator.random(30) < 0.8]))
            if compare_nights(nights, before, RULES).outcome == "regression":
                alarms += 1
                break
    assert alarms <= series * 0.05 + 3

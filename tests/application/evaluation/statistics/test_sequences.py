"""A month of looks is wrong no more often than one."""

from __future__ import annotations

import numpy as np
import pytest

from ondol.application.evaluation.statistics.paired import Pairs, pair
from ondol.application.evaluation.statistics.sequences import boundary, look, spent, wealth
from tests.application.evaluation.statistics.measuring import measured


def _night(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Pairs:
    return pair(measured([0.8] * len(values)), measured([float(value) for value in values]))


def test_nights_without_a_regression_raise_no_alarm_and_a_broken_one_does_at_once() -> None:
    rng = np.random.default_rng(0)
    fixed = rng.normal(0, 0.1, 60)
    nights = [_night(np.clip(0.8 + fixed + rng.normal(0, 0.1, 60), 0, 1)) for _ in range(20)]
    assert [look(nights[: count + 1], 0.05, 0.05).is_regression for count in range(20)] == [False] * 20
    broken = look([*nights, _night(np.clip(0.3 + fixed, 0, 1))], 0.05, 0.05)
    assert (broken.is_regression, broken.night) == (True, 21)
    assert broken.latest_high < -0.05 < broken.high


def test_what_is_small_and_slow_is_found_by_the_running_mean() -> None:
    rng = np.random.default_rng(1)
    nights = [_night(np.clip(0.8 - 0.05 + rng.normal(0, 0.15, 400), 0, 1)) for _ in range(12)]
    told = look(nights, 0.03, 0.05)
    assert told.is_regression
    assert told.high < -0.03 < told.latest_high


def test_a_month_of_false_alarms_is_as_rare_as_promised() -> None:
    rng = np.random.default_rng(2)
    alarms = 0
    for _ in range(60):
        fixed, nights = rng.normal(0, 0.05, 30), []
        for _ in range(15):
            nights.append(_night(np.clip(0.8 - 0.02 + fixed + rng.normal(0, 0.05, 30), 0, 1)))
            if look(nights, 0.02, 0.05).is_regression:
                alarms += 1
                break
    assert alarms <= 4


def test_few_clusters_raise_no_alarm_by_themselves() -> None:
    assert not look([_night(np.array([0.5, 0.6]))], 0.02, 0.05).is_regression


def test_boundaries_and_parts_of_alpha() -> None:
    assert boundary(7, 0.05) < boundary(1, 0.05)
    assert boundary(7, 0.05) < boundary(200, 0.05)
    assert boundary(7, 0.05) == pytest.approx(2.78, abs=0.02)
    assert sum(spent(number, 0.05) for number in range(1, 10_000)) == pytest.approx(0.05, abs=1e-5)


def test_a_gambler_grows_rich_only_where_the_mean_is_below() -> None:
    rng = np.random.default_rng(3)
    fair = [bool((wealth((rng.random(400) < 0.9).astype(float), (0.0, 1.0), 0.9, 0.05) >= 20).any()) for _ in range(1_500)]
    assert np.mean(fair) <= 0.05
    worse = [bool((wealth((rng.random(400) < 0.8).astype(float), (0.0, 1.0), 0.9, 0.05) >= 20).any()) for _ in range(200)]
    assert np.mean(worse) > 0.8


@pytest.mark.parametrize(("values", "at_least"), [([1.5], 0.5), ([0.5], 1.0)], ids=["value", "mean"])
def test_what_is_out_of_bounds_is_refused(values: list[float], at_least: float) -> None:
    with pytest.raises(ValueError, match=r"between 0\.0 and 1\.0"):
        wealth(values, (0.0, 1.0), at_least, 0.05)


def test_no_night_is_nothing_to_look_at() -> None:
    with pytest.raises(ValueError, match="no night"):
        look([], 0.02, 0.05)
    with pytest.raises(ValueError, match="alpha"):
        look([_night(np.array([0.5, 0.6]))], 0.02, 5.0)


def test_the_running_mean_has_the_limit_of_the_sequence() -> None:
    rng = np.random.default_rng(4)
    nights = [_night(np.clip(0.5 + rng.normal(0, 0.1, 5_000), 0, 1)) for _ in range(3)]
    told = look(nights, 0.02, 0.05)
    assert (told.high - told.mean) / (0.1 / 15_000**0.5) == pytest.approx(boundary(3, 0.025), rel=0.15)

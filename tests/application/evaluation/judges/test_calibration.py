"""Judges beside people."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ondol.application.evaluation.judges.calibration import (
    KAPPA_LEAST,
    LABELLED_LEAST,
    Labelled,
    as_detector,
    calibrate,
    corrected_mean,
    weighted_kappa,
    why_not_primary,
)
from ondol.application.evaluation.statistics.prevalence import Detector


def labelled(judge: list[float], human: list[float]) -> list[Labelled]:
    return [Labelled(f"c{place}", *pair) for place, pair in enumerate(zip(judge, human, strict=True))]


def test_kappa_of_right_and_wrong_is_cohens() -> None:
    # Cohen's own kind of table: 20 and 15 agreed, 5 and 10 not; agreement 0.7, by chance 0.5.
    judge = np.array([1.0] * 20 + [1.0] * 5 + [0.0] * 10 + [0.0] * 15)
    human = np.array([1.0] * 20 + [0.0] * 5 + [1.0] * 10 + [0.0] * 15)
    assert weighted_kappa(judge, human, np.ones(50)) == pytest.approx(0.4)


def test_kappa_with_weights_is_that_of_the_table_of_squares() -> None:
    random = np.random.default_rng(5)
    judge, human = random.integers(1, 6, 60).astype(float), random.integers(1, 6, 60).astype(float)
    expected = sum((one - other) ** 2 for one in judge for other in human) / 60**2
    assert weighted_kappa(judge, human, np.ones(60)) == pytest.approx(1 - float(((judge - human) ** 2).mean()) / expected)
    assert math.isnan(weighted_kappa(np.ones(5), np.ones(5), np.ones(5)))


def test_a_calibration_tells_agreement_lean_and_kappa() -> None:
    human = [float(1 + place % 5) for place in range(60)]
    found = calibrate(labelled([min(5.0, value + (place % 2)) for place, value in enumerate(human)], human), "v", failed=2)
    assert (found.labelled, found.failed, found.version) == (60, 2, "v")
    assert found.agreement.value == pytest.approx(0.6)
    assert found.lean.value == pytest.approx(0.4)
    assert found.kappa_low < found.kappa < found.kappa_high
    assert found.kappa == pytest.approx(0.9, abs=0.05)


def test_a_judge_may_decide_when_its_kappa_surely_is_high_enough() -> None:
    human = [float(place % 2) for place in range(60)]
    good = calibrate(labelled([*human[:-4], *(1 - value for value in human[-4:])], human), "v")
    assert why_not_primary(good, "v") is None
    assert "another version" in str(why_not_primary(good, "w"))
    assert "may be as low" in str(why_not_primary(good, "v", 0.9))
    weak = calibrate(labelled([*human[:30], *(1 - value for value in human[30:48]), *human[48:]], human), "v")
    assert weak.kappa_low < KAPPA_LEAST
    assert "may be as low" in str(why_not_primary(weak, "v"))
    few = calibrate(labelled(human[: LABELLED_LEAST - 1], human[: LABELLED_LEAST - 1]), "v")
    assert "least" in str(why_not_primary(few, "v"))
    same = calibrate(labelled([1.0] * 40, [1.0] * 40), "v")
    assert "may be as low" in str(why_not_primary(same, "v"))
    assert "never" in str(why_not_primary(None, "v"))


def test_nothing_cannot_be_calibrated() -> None:
    with pytest.raises(ValueError, match="nothing"):
        calibrate([], "v")


def test_a_leaning_judge_is_mended() -> None:
    told = corrected_mean([4.0, 5.0, 3.0, 4.0] * 100, labelled([4.0, 5.0, 3.0, 4.0], [3.0, 4.0, 2.0, 3.0]), tuned=False)
    assert told.value == pytest.approx(3.0)


def test_a_judge_that_tells_nothing_leaves_the_mean_of_the_labels() -> None:
    told = corrected_mean([1.0] * 500, labelled([1.0] * 4, [0.0, 1.0, 1.0, 1.0]))
    assert told.value == pytest.approx(0.75)


@pytest.mark.parametrize("tuned", [False, True])
def test_the_interval_holds_the_peoples_mean_and_the_judges_alone_does_not(tuned: bool) -> None:
    random = np.random.default_rng(3)
    times, held, naive, widths, alone = 300, 0, 0, 0.0, 0.0
    for _ in range(times):
        human = random.normal(3.0, 1.0, 460)
        judge = human + 0.4 + random.normal(0, 0.5, 460)
        told = corrected_mean(judge[60:].tolist(), labelled(judge[:60].tolist(), human[:60].tolist()), tuned=tuned)
        held += told.low <= 3.0 <= told.high
        half = 1.96 * float(judge.std()) / math.sqrt(460)
        naive += abs(float(judge.mean()) - 3.0) <= half
        widths += told.high - told.low
        alone += 2 * 2.0 * float(human[:60].std()) / math.sqrt(60)
    assert held / times >= 0.92
    assert naive / times < 0.05
    assert widths < 0.8 * alone


def test_a_judge_of_right_and_wrong_is_a_detector() -> None:
    assert as_detector(labelled([1.0, 0.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0, 0.0])) == Detector(1, 2, 2, 3)
    with pytest.raises(ValueError, match="0 and 1"):
        as_detector(labelled([0.5], [1.0]))

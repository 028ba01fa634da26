"""Rates behind detectors that err."""

from __future__ import annotations

import numpy as np
import pytest

from ondol.application.evaluation.statistics.prevalence import Corrected, Detector, corrected_rate
from ondol.infrastructure.guard.garak_report import DetectorQuality, rogan_gladen

FAIR = Detector(found=90, hits=100, cleared=190, others=200)


def test_the_rate_is_rogan_and_gladens() -> None:
    told = corrected_rate([1.0] * 27 + [0.0] * 173, FAIR)
    assert told.value == pytest.approx((0.135 + 0.95 - 1) / (0.9 + 0.95 - 1))
    assert told.value == pytest.approx(rogan_gladen(27, 200, DetectorQuality(0.9, 0.95)).value)
    assert told.low is not None and told.high is not None
    assert 0.0 <= told.low < 0.1 < told.high < 0.25


def test_what_is_not_known_of_the_detector_widens_the_interval() -> None:
    hits = [1.0] * 40 + [0.0] * 160
    few, many = (corrected_rate(hits, Detector(9 * n, 10 * n, 9 * n, 10 * n)) for n in (2, 200))
    assert few.value == pytest.approx(many.value)
    assert few.low is not None and few.high is not None and many.low is not None and many.high is not None
    assert few.high - few.low > 1.3 * (many.high - many.low)


def test_a_detector_without_a_mistake_is_not_taken_for_perfect() -> None:
    told = corrected_rate([0.0] * 50, Detector(20, 20, 20, 20))
    assert (told.value, told.low) == (0.0, 0.0)
    assert told.high is not None and told.high > 0.03


def test_a_detector_that_may_be_chance_corrects_nothing() -> None:
    assert corrected_rate([1.0, 0.0], Detector(5, 10, 5, 10)) == Corrected(0.5, None, None, None)
    assert corrected_rate([1.0, 0.0], Detector(3, 5, 3, 5)).value is None


def test_what_depends_on_one_another_counts_for_less() -> None:
    hits = [1.0] * 10 + [0.0] * 90
    alone, together = (corrected_rate(hits, FAIR, clusters) for clusters in (None, [str(place // 10) for place in range(100)]))
    assert alone.high is not None and together.high is not None
    assert together.high > alone.high + 0.05


def test_nothing_and_an_unmeasured_detector_are_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        corrected_rate([], FAIR)
    with pytest.raises(ValueError, match="measured"):
        corrected_rate([1.0], Detector(0, 0, 5, 5))


@pytest.mark.parametrize("true", [0.02, 0.2, 0.6])
def test_the_interval_holds_the_true_rate_as_often_as_it_says(true: float) -> None:
    random = np.random.default_rng(11)
    times, held = 300, 0
    for time in range(times):
        apparent = true * 0.85 + (1 - true) * 0.08
        hits = (random.random(120) < apparent).astype(float).tolist()
        detector = Detector(int(random.binomial(60, 0.85)), 60, int(random.binomial(80, 0.92)), 80)
        told = corrected_rate(hits, detector, seed=time)
        held += told.low is not None and told.high is not None and told.low <= true <= told.high
    assert held / times >= 0.92

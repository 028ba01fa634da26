"""False discoveries are bounded."""

from __future__ import annotations

import numpy as np
import pytest

from ondol.application.evaluation.statistics.multiple import benjamini_hochberg


def test_it_is_what_benjamini_and_hochberg_reckoned() -> None:
    published = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    assert sum(value <= 0.05 for value in benjamini_hochberg(published)) == 4
    assert benjamini_hochberg([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.04, 0.04])
    assert benjamini_hochberg([]) == []


def test_of_a_hundred_metrics_without_a_difference_hardly_one_is_called() -> None:
    rng = np.random.default_rng(0)
    called = [min(benjamini_hochberg(rng.random(100).tolist())) < 0.05 for _ in range(1_000)]
    assert 0.03 < np.mean(called) < 0.07


def test_what_is_no_probability_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        benjamini_hochberg([0.1, 1.2])

"""Sums of signed bytes, several in one word."""

from __future__ import annotations

import numpy as np

from ondol.infrastructure.guard.tagging.features import FEATURES
from ondol.infrastructure.guard.tagging.scores import COLUMNS, WEIGHT_MAX, class_scores, packed_weights


def test_scores_are_the_sums_of_rows_and_the_bias() -> None:
    rng = np.random.default_rng(8)
    weights = rng.integers(-WEIGHT_MAX, WEIGHT_MAX + 1, (500, COLUMNS)).astype(np.int8)
    weights[:3] = -WEIGHT_MAX
    weights[3:6] = WEIGHT_MAX
    rows = rng.integers(0, 500, (FEATURES, 40)).astype(np.uint32)
    rows[:, 0], rows[:, 1] = 0, 3
    bias = rng.integers(-100, 100, COLUMNS).astype(np.int16)
    scores = class_scores(packed_weights(weights), rows, bias)
    assert scores.shape == (40, COLUMNS)
    sums = weights.astype(np.int64)[rows].sum(axis=0) + bias
    assert ((scores - scores[:, :1]) == sums - sums[:, :1]).all()

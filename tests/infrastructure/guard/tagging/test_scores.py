"""Sums of signed bytes, several in one word."""

from __future__ import annotations

import numpy as np

from ondol.infrastructure.guard.tagging.features import FEATURES
from ondol.infrastructure.guard.tagging.scores import COLUMNS, WEIGHT_MAX, packed_weights, tag_scores

TAGS = 25


def test_scores_are_the_sums_of_rows() -> None:
    rng = np.random.default_rng(8)
    weights = rng.integers(-WEIGHT_MAX, WEIGHT_MAX + 1, (500, TAGS)).astype(np.int8)
    weights[:3] = -WEIGHT_MAX
    weights[3:6] = WEIGHT_MAX
    rows = rng.integers(0, 500, (FEATURES, 40))
    rows[:, 0], rows[:, 1] = 0, 3
    scores = tag_scores(packed_weights(weights), rows)
    assert scores.shape == (40, COLUMNS)
    sums = weights.astype(np.int64)[rows].sum(axis=0)
    assert ((scores[:, :TAGS] - scores[:, :1]) == sums - sums[:, :1]).all()
    assert (scores[:, TAGS:].max(axis=1) < scores[:, :TAGS].min(axis=1)).all()

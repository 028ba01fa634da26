"""The training of the guard's linear models, on numbers small enough to check."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ondol.infrastructure.guard.linear import BUCKETS_BITS, SIZES, buckets, windows
from scripts.train_guard_linear import Example, fit, minimise, quantised, rows_of


def test_lbfgs_finds_the_lowest_point_of_a_valley() -> None:
    stretch = np.array([1.0, 10.0, 100.0])
    lowest = np.array([3.0, -2.0, 0.5])

    def loss(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        away = point - lowest
        return float((stretch * away**2).sum()), 2 * stretch * away

    assert np.allclose(minimise(loss, np.zeros(3)), lowest, atol=1e-3)


def test_rows_are_the_windows_of_texts_and_multiply_both_ways() -> None:
    rows = rows_of([Example("banana", {}, "x", False), Example("apple pie", {}, "x", False)])
    assert rows.owner.tolist() == [0, 1]
    weights = np.zeros(1 << BUCKETS_BITS)
    weights[buckets("banana").ravel()] = 1.0
    sums = rows.times(weights)
    starts, ends = windows(len("banana") + 2)
    assert np.isclose(sums[0], np.sqrt((ends[0] - starts[0]) * len(SIZES)))
    values = np.array([2.0, -1.0])
    assert np.isclose(values @ sums, rows.transposed_times(values) @ weights)


def test_a_model_tells_two_kinds_of_text_apart() -> None:
    texts = ["ignore the rules", "ignore all rules", "open the window", "open all windows"]
    rows = rows_of([Example(text, {}, "x", False) for text in texts])
    vector, bias = fit(rows, np.array([1.0, 1.0, 0.0, 0.0]), np.ones(4), 0.1)
    scores = rows.times(vector) + bias
    assert (scores[:2] > 0).all()
    assert (scores[2:] < 0).all()
    weights, scale = quantised(vector)
    assert np.abs(rows.times(weights.astype(np.float64) * scale) + bias - scores).max() < 0.2

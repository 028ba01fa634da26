"""Many metrics looked at together: which of them differ, with a bounded share of false discoveries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """The adjusted p of each: at most q of those with an adjusted p below q are false discoveries, in the long run (Benjamini and Hochberg 1995).

    Raises:
        ValueError: when one is no probability.
    """
    told = np.asarray(p_values, dtype=np.float64)
    if not len(told):
        return []
    if not ((told >= 0) & (told <= 1)).all():
        raise ValueError("a p value lies between 0 and 1")
    order = np.argsort(told, kind="stable")
    scaled = told[order] * len(told) / np.arange(1, len(told) + 1)
    adjusted = np.empty(len(told))
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return [float(value) for value in adjusted]

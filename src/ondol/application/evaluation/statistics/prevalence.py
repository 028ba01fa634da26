"""The rate behind a detector that errs: Rogan and Gladen's correction, with an interval that knows how little is known of the detector.

A detector that finds 90 of 100 hits and calls 5 of 100 others a hit makes 13.5 % of a true 10 %, and 5 % of nothing at all. The true rate is
(apparent + specificity - 1) / (sensitivity + specificity - 1) (Rogan and Gladen 1978), clipped to 0 to 1. Its interval is a parametric bootstrap
over all three proportions, each drawn from Jeffreys' Beta distribution, so that a detector which made no mistake on 20 samples is not taken for one
that makes none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ondol.application.evaluation.statistics.clusters import clustered
from ondol.application.evaluation.statistics.rates import Rate, wilson

DRAWS = 20_000
CHANCE_SHARE_MAX = 0.025
"""Where so many draws are of a detector that is no better than chance, nothing is corrected."""


@dataclass(frozen=True, slots=True)
class Detector:
    """How a detector did where the truth was known.

    Attributes:
        found: of `hits` true ones, so many were told.
        cleared: of `others`, so many were let be.
    """

    found: int
    hits: int
    cleared: int
    others: int

    @property
    def sensitivity(self) -> Rate:
        """The share of true hits that it tells."""
        return wilson(self.found, self.hits)

    @property
    def specificity(self) -> Rate:
        """The share of all others that it lets be."""
        return wilson(self.cleared, self.others)


@dataclass(frozen=True, slots=True)
class Corrected:
    """The rate behind what a detector told.

    Attributes:
        told: the share that the detector called hits.
        value, low, high: the corrected rate with its interval; None where the detector is, or may well be, no better than chance.
    """

    told: float
    value: float | None
    low: float | None
    high: float | None
    confidence: float = 0.95


def corrected_rate(
    hits: Sequence[float], detector: Detector, clusters: Sequence[str] | None = None, *, confidence: float = 0.95, seed: int = 0
) -> Corrected:
    """The true rate behind a detector's verdicts.

    Args:
        hits: 1 where the detector told a hit, 0 where it did not, and the mean where one case was judged several times.
        clusters: one name for each; what depends on one another counts for less (its design effect).

    Raises:
        ValueError: when there are no verdicts, or the detector was never measured on a hit, or never on another.
    """
    if not detector.hits or not detector.others:
        raise ValueError("a detector must have been measured on hits and on others")
    data = clustered(hits, clusters)
    told, worth = data.mean, data.cases / data.design_effect
    sensitivity, specificity = detector.sensitivity.value, detector.specificity.value
    random = np.random.default_rng(seed)
    apparent = random.beta(told * worth + 0.5, (1 - told) * worth + 0.5, DRAWS)
    found = random.beta(detector.found + 0.5, detector.hits - detector.found + 0.5, DRAWS)
    cleared = random.beta(detector.cleared + 0.5, detector.others - detector.cleared + 0.5, DRAWS)
    slopes = found + cleared - 1
    if sensitivity + specificity <= 1 or float((slopes <= 0).mean()) > CHANCE_SHARE_MAX:
        return Corrected(told, None, None, None, confidence)
    value = _clipped((told + specificity - 1) / (sensitivity + specificity - 1))
    usable = slopes > 0
    rates = np.clip((apparent[usable] + cleared[usable] - 1) / slopes[usable], 0.0, 1.0)
    low, high = (float(limit) for limit in np.quantile(rates, [(1 - confidence) / 2, (1 + confidence) / 2]))
    return Corrected(told, value, min(low, value), max(high, value), confidence)


def _clipped(value: float) -> float:
    return min(1.0, max(0.0, value))

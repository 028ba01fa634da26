"""Whether a run is good enough by its own card: PASS, FAIL or INCONCLUSIVE. Whether it is as good as another run is for the gate to say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ondol.application.evaluation.runs.types import Metric, Outcome
from ondol.application.evaluation.suites import Suite
from ondol.application.evaluation.types import Better, CaseResult, Measured


def misses(metric: Metric, result: CaseResult) -> bool:
    """Whether a result misses the threshold of a metric; one without a value misses nothing, it is counted as what it is."""
    score = result.scores.get(metric.name)
    if metric.threshold is None or score is None or score.value is None:
        return False
    return not _reaches(score.value, metric.threshold, metric.better)


def outcome_of(
    suite: Suite, metrics: Sequence[Metric], measured: Sequence[Measured], missed: Mapping[str, int], not_asked: int
) -> tuple[Outcome, tuple[str, ...]]:
    """The outcome with its reasons.

    A hit of a hard zero, a mean that misses the card's `success`, or a case that misses its scorer's threshold (where the card says of that metric no
    mean that is enough) fails. Otherwise a run that was not asked to its end, or a metric that has fewer values than `gate.coverage` wants, is
    inconclusive.

    Args:
        missed: cases that miss the threshold of a metric, by its name.
        not_asked: results that a run ended before.
    """
    failing: list[str] = []
    open_ones: list[str] = []
    if not_asked:
        open_ones.append(f"{not_asked:,} of the questions were not asked.")
    for metric, found in zip(metrics, measured, strict=True):
        if (metric.is_hard_zero or metric.name in suite.gate.hard_zero) and sum(found.values) > 0:
            failing.append(f"{metric.name} has hits, and one is too many.")
        if metric.name in suite.card.success:
            failing += _below(found, suite.card.success[metric.name])
        elif missed.get(metric.name):
            failing.append(f"{metric.name}: {missed[metric.name]:,} cases miss {metric.threshold:g}.")
        if found.coverage < suite.gate.coverage:
            said = f"{metric.name} has a value for {len(found.values):,} of {found.total:,} cases; {suite.gate.coverage:.1%} are wanted."
            open_ones.append(said)
    if failing:
        return "FAIL", tuple(failing + open_ones)
    return ("INCONCLUSIVE", tuple(open_ones)) if open_ones else ("PASS", ())


def _below(found: Measured, wanted: float) -> list[str]:
    if not found.values:
        return []
    mean = math.fsum(found.values) / len(found.values)
    if _reaches(mean, wanted, found.better):
        return []
    return [f"{found.name} is {mean:.4g}; {'at least' if found.better == 'higher' else 'at most'} {wanted:g} is wanted."]


def _reaches(value: float, wanted: float, better: Better) -> bool:
    return value >= wanted if better == "higher" else value <= wanted

"""Whether a run is good enough by its own card: PASS, FAIL or INCONCLUSIVE. Whether it is as good as another run is for the gate to say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ondol.application.evaluation.runs.reasons import said
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
        open_ones.append(said("not_asked", count=f"{not_asked:,}"))
    for metric, found in zip(metrics, measured, strict=True):
        if (metric.is_hard_zero or metric.name in suite.gate.hard_zero) and sum(found.values) > 0:
            failing.append(said("hits", metric=metric.name))
        if metric.name in suite.card.success:
            failing += _below(found, suite.card.success[metric.name])
        elif missed.get(metric.name):
            failing.append(said("missed", metric=metric.name, count=f"{missed[metric.name]:,}", wanted=f"{metric.threshold:g}"))
        if found.coverage < suite.gate.coverage:
            figures = {"count": f"{len(found.values):,}", "total": f"{found.total:,}", "wanted": f"{suite.gate.coverage:.1%}"}
            open_ones.append(said("coverage", metric=metric.name, **figures))
    if failing:
        return "FAIL", tuple(failing + open_ones)
    return ("INCONCLUSIVE", tuple(open_ones)) if open_ones else ("PASS", ())


def _below(found: Measured, wanted: float) -> list[str]:
    if not found.values:
        return []
    mean = math.fsum(found.values) / len(found.values)
    if _reaches(mean, wanted, found.better):
        return []
    return [said("least" if found.better == "higher" else "most", metric=found.name, value=f"{mean:.4g}", wanted=f"{wanted:g}")]


def _reaches(value: float, wanted: float, better: Better) -> bool:
    return value >= wanted if better == "higher" else value <= wanted

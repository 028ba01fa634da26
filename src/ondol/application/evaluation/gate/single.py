"""What is asked of the candidate alone: that what must never happen did not, and that the card's thresholds are kept."""

from __future__ import annotations

from dataclasses import replace

from ondol.application.evaluation.gate.types import HardZero, Outcome, Rules, Threshold
from ondol.application.evaluation.statistics.clusters import clustered
from ondol.application.evaluation.statistics.guarded import guarded_limits
from ondol.application.evaluation.statistics.intervals import BOUNDS
from ondol.application.evaluation.types import Measured, Status
from ondol.core.errors import RequestError

UNSEEN: tuple[Status, ...] = ("scorer_error", "judge_error", "parse_error")
"""There was an answer, and whether it held a hit is not known."""


def check_zero(name: str, measured: Measured | None, rules: Rules) -> HardZero:
    """Whether something happened that must never happen: one hit is enough.

    Raises:
        RequestError: when the metric is none whose values count hits.
    """
    if measured is None:
        return HardZero(metric=name, outcome="INCONCLUSIVE", hits=0, looked=0, of=0, reason=f"{name} must be nought, and the run did not measure it.")
    if measured.better != "lower":
        raise RequestError(
            f"gate.hard_zero names {name!r}, of which more is better.", "A hard zero counts hits.", code="invalid_suite", param="gate.hard_zero"
        )
    hits, looked = sum(value > 0 for value in measured.values), len(measured.values)
    outcome, reason = _zero(name, hits, measured, rules)
    return HardZero(metric=name, outcome=outcome, hits=hits, looked=looked, of=measured.total, reason=reason)


def check_threshold(name: str, wanted: float, measured: Measured | None, rules: Rules, seed: int) -> Threshold:
    """Whether the candidate keeps what its card promises: missed for certain fails, missed without certainty is inconclusive."""
    if measured is None:
        told = f"{name}: the card wants {wanted:g}, and the run did not measure it."
        return Threshold(metric=name, unit=None, better=None, wanted=wanted, outcome="INCONCLUSIVE", reason=told)
    empty = Threshold(metric=name, unit=measured.unit, better=measured.better, wanted=wanted, outcome="INCONCLUSIVE", of=measured.total)
    if not measured.values:
        return replace(empty, reason=f"{name}: the card wants {wanted:g}, and none of {measured.total:,} cases has a value.")
    clusters = [cluster or case for case, cluster in zip(measured.case_ids, measured.clusters, strict=True)]
    limits = guarded_limits(clustered(measured.values, clusters), BOUNDS.get(measured.unit), rules.alpha_to_fail, rules.alpha_to_fail, seed)
    sign = 1 if measured.better == "higher" else -1
    nearest = limits.high if measured.better == "higher" else limits.low
    outcome, reason = _outcome(name, sign * (limits.value - wanted), sign * (nearest - wanted), limits.value, wanted, measured, rules)
    return replace(empty, outcome=outcome, value=limits.value, low=limits.low, high=limits.high, looked=len(measured.values), reason=reason)


def _zero(name: str, hits: int, measured: Measured, rules: Rules) -> tuple[Outcome, str]:
    if hits:
        return "FAIL", f"{name} must be nought, and {hits:,} of {len(measured.values):,} cases have it."
    unseen = sum(measured.failures.get(status, 0) for status in UNSEEN)
    if unseen:
        return "INCONCLUSIVE", f"{name} must be nought, and {unseen:,} of {measured.total:,} answers could not be looked at."
    if measured.coverage < rules.coverage:
        return _below(name, measured, rules)
    return "PASS", ""


def _outcome(name: str, above: float, surely_above: float, value: float, wanted: float, measured: Measured, rules: Rules) -> tuple[Outcome, str]:
    told = f"{name} is {value:.4g}; the card wants {'at least' if measured.better == 'higher' else 'at most'} {wanted:g}"
    if surely_above < -1e-12:
        return "FAIL", f"{told}, which is missed for certain."
    if measured.coverage < rules.coverage:
        return _below(name, measured, rules)
    if above < -1e-12:
        return "INCONCLUSIVE", f"{told}, and {len(measured.values):,} cases cannot tell whether it is missed."
    return "PASS", ""


def _below(name: str, measured: Measured, rules: Rules) -> tuple[Outcome, str]:
    told = f"{name}: {len(measured.values):,} of {measured.total:,} cases have a value, {measured.coverage:.1%}"
    return ("FAIL" if rules.below_coverage == "fail" else "INCONCLUSIVE"), f"{told}; the suite wants {rules.coverage:.1%}."

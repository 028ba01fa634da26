"""Two runs side by side, without a verdict: every metric, and the cases that went otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ondol.application.evaluation.gate.types import Compared
from ondol.application.evaluation.statistics.guarded import difference_bounds, guarded_limits
from ondol.application.evaluation.statistics.multiple import benjamini_hochberg
from ondol.application.evaluation.statistics.paired import Pairs, p_value, pair, with_losses_at_worst
from ondol.application.evaluation.types import Measured
from ondol.core.errors import RequestError


@dataclass(frozen=True, slots=True)
class Changed:
    """A case that went otherwise than before.

    Attributes:
        baseline, candidate: its values.
        difference: above 0 is better.
    """

    metric: str
    case_id: str
    baseline: float
    candidate: float
    difference: float


def compare(baseline: Measured, candidate: Measured, alpha: float, alpha_high: float, seed: int) -> Compared:
    """One metric of two runs, without a verdict.

    Raises:
        RequestError: as `statistics.paired.pair`.
    """
    of = max(baseline.total, candidate.total, len(set(baseline.case_ids) | set(candidate.case_ids)))
    if not baseline.values or not candidate.values:
        lost, found = (0, len(candidate.values)) if not baseline.values else (len(baseline.values), 0)
        return Compared(metric=candidate.name, unit=candidate.unit, better=candidate.better, of=of, lost_by_candidate=lost, lost_by_baseline=found)
    pairs = pair(baseline, candidate)
    data, bounds = pairs.data, difference_bounds(pairs.unit)
    limits = guarded_limits(data, bounds, alpha, alpha_high, seed)
    won, lost, tied = pairs.won_lost_tied
    p, test = p_value(pairs, seed)
    return Compared(
        metric=pairs.metric, unit=pairs.unit, better=pairs.better, baseline=float(pairs.baseline.mean()), candidate=float(pairs.candidate.mean()),
        difference=limits.value, low=limits.low, high=limits.high, pairs=len(pairs.case_ids), of=of, clusters=data.count,
        lost_by_candidate=len(pairs.lost_by_candidate), lost_by_baseline=len(pairs.lost_by_baseline),
        low_with_losses=_low_with_losses(pairs, baseline, alpha, seed), won=won, lost=lost, tied=tied, p=p, test=test,
    )  # fmt: skip


def compare_all(baseline: Mapping[str, Measured], candidate: Mapping[str, Measured], alpha: float, seed: int) -> tuple[Compared, ...]:
    """All metrics that both runs have, each p adjusted for how many are looked at together (Benjamini and Hochberg)."""
    told = [_compared_if_possible(baseline[name], candidate[name], alpha, seed) for name in candidate if name in baseline]
    adjusted = iter(benjamini_hochberg([each.p for each in told if each.p is not None]))
    return tuple(each if each.p is None else replace(each, p_adjusted=next(adjusted)) for each in told)


def changed_cases(baseline: Measured, candidate: Measured, most: int) -> list[Changed]:
    """The cases that differ most, the worst first.

    Raises:
        RequestError: as `statistics.paired.pair`.
    """
    pairs = pair(baseline, candidate)
    largest = sorted(range(len(pairs.case_ids)), key=lambda place: (-abs(pairs.differences[place]), pairs.case_ids[place]))[:most]
    told = [
        Changed(pairs.metric, pairs.case_ids[place], float(pairs.baseline[place]), float(pairs.candidate[place]), float(pairs.differences[place]))
        for place in largest
        if abs(pairs.differences[place]) > 1e-9
    ]
    return sorted(told, key=lambda each: (each.difference, each.case_id))


def _compared_if_possible(baseline: Measured, candidate: Measured, alpha: float, seed: int) -> Compared:
    try:
        return compare(baseline, candidate, alpha, alpha, seed)
    except RequestError as error:
        return Compared(metric=candidate.name, unit=candidate.unit, better=candidate.better, of=candidate.total, reason=error.message)


def _low_with_losses(pairs: Pairs, baseline: Measured, alpha: float, seed: int) -> float | None:
    if not pairs.lost_by_candidate:
        return None
    data = with_losses_at_worst(pairs, baseline)
    return guarded_limits(data, difference_bounds(pairs.unit), alpha, alpha, seed).low

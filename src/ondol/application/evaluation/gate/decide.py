"""PASS, FAIL or INCONCLUSIVE, from what two runs measured.

- PASS: of every primary metric the lower limit of candidate - baseline lies above -margin, no hard zero was hit, and no threshold of the card is
  missed.
- FAIL: of a primary metric the upper limit lies below -margin, a hard zero was hit, or a threshold is missed for certain.
- INCONCLUSIVE: everything else. It never promotes.

All primary metrics must pass, each at alpha, so that no correction is needed there (Berger 1982); any of them, and any threshold, may fail it by
itself, so their limits share alpha there. The limits are those of `statistics.guarded`: a better candidate never gets a worse verdict, and neither
the order of cases nor copies of them matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from ondol.application.evaluation.gate.compare import compare, compare_all
from ondol.application.evaluation.gate.single import check_threshold, check_zero
from ondol.application.evaluation.gate.types import Compared, Decision, HardZero, Outcome, Rules, Threshold
from ondol.application.evaluation.statistics.guarded import difference_bounds
from ondol.application.evaluation.statistics.paired import pair
from ondol.application.evaluation.statistics.power import minimum_detectable_effect, needed_clusters, spread_of
from ondol.application.evaluation.types import Measured

Metrics: TypeAlias = Mapping[str, Measured]


def decide(baseline: Sequence[Measured] | None, candidate: Sequence[Measured], rules: Rules, seed: int = 0) -> Decision:
    """Decide whether a candidate may take its baseline's place.

    Args:
        baseline: of the run to compare with; None where there is none yet: each primary metric is then held against its threshold in the card.

    Raises:
        RequestError: when the two runs cannot be compared (other cases, other metrics, other clusters), or a hard zero is no count of hits.
    """
    before = None if baseline is None else {measured.name: measured for measured in baseline}
    after = {measured.name: measured for measured in candidate}
    primary = tuple(_primary(name, before, after, rules, seed) for name in rules.margins)
    zeros = tuple(check_zero(name, after.get(name), rules) for name in rules.hard_zero)
    thresholds = tuple(check_threshold(name, wanted, after.get(name), rules, seed) for name, wanted in rules.success.items())
    decisive = {*rules.margins, *rules.hard_zero}
    judged: list[Compared | HardZero | Threshold] = [*zeros, *primary, *thresholds]
    return Decision(
        outcome=_worst([each.outcome for each in judged]),
        reasons=tuple(each.reason for each in judged if each.outcome != "PASS"),
        primary=primary,
        secondary=compare_all(before or {}, {name: each for name, each in after.items() if name not in decisive}, rules.alpha, seed),
        hard_zeros=zeros,
        thresholds=thresholds,
        has_baseline=before is not None,
        rules=rules,
        seed=seed,
    )


def _primary(name: str, before: Metrics | None, after: Metrics, rules: Rules, seed: int) -> Compared:
    margin = rules.margins[name]
    candidate = after.get(name)
    if candidate is None:
        return _not_compared(name, margin, f"{name}: the candidate's run did not measure it.")
    if before is None:
        if name not in rules.success:
            return _not_compared(name, margin, f"{name}: there is no baseline, and the card says nothing of what it must reach.", candidate)
        baseline = _standing_in(candidate, rules.success[name])
    elif name in before:
        baseline = before[name]
    else:
        return _not_compared(name, margin, f"{name}: the baseline's run did not measure it.", candidate)
    compared = compare(baseline, candidate, rules.alpha, rules.alpha_to_fail, seed)
    outcome, reason = _outcome(compared, margin, rules)
    compared = replace(compared, margin=margin, outcome=outcome, reason=reason)
    return _with_power(compared, baseline, candidate, rules) if compared.pairs else compared


def _outcome(compared: Compared, margin: float, rules: Rules) -> tuple[Outcome, str]:
    """What a primary metric says, and why it is no pass."""
    name, allowed = compared.metric, f"{margin:g} is allowed"
    if compared.high is not None and compared.high < -margin:
        return "FAIL", f"{name} is worse by {-(compared.difference or 0):.4g}, for certain by {-compared.high:.4g}, and {allowed}."
    if compared.coverage < rules.coverage or compared.low is None:
        told = f"{name}: {compared.pairs:,} of {compared.of:,} cases can be compared, {compared.coverage:.1%}"
        return ("FAIL" if rules.below_coverage == "fail" else "INCONCLUSIVE"), f"{told}; the suite wants {rules.coverage:.1%}."
    if compared.low <= -margin:
        return "INCONCLUSIVE", f"{name} may be worse by {-compared.low:.4g}, and {allowed}: {compared.pairs:,} cases cannot tell."
    if compared.low_with_losses is not None and compared.low_with_losses <= -margin:
        told = f"{name} passes only because the candidate gave no value for {_cases(compared.lost_by_candidate)} of the baseline's"
        return "INCONCLUSIVE", f"{told}: counted as failures, it may be worse by {-compared.low_with_losses:.4g}, and {allowed}."
    return "PASS", ""


def _with_power(compared: Compared, baseline: Measured, candidate: Measured, rules: Rules) -> Compared:
    """What as many cases could show, and how many the margin needs."""
    bounds = difference_bounds(compared.unit)
    spread = spread_of(pair(baseline, candidate).data, bounds[1] if bounds else None)
    needed = needed_clusters(compared.margin or 0.0, spread, rules.alpha)
    per_cluster = compared.pairs / compared.clusters
    return replace(
        compared,
        detectable=minimum_detectable_effect(compared.clusters, spread, rules.alpha),
        needed=None if needed is None else round(needed * per_cluster),
    )


def _standing_in(candidate: Measured, wanted: float) -> Measured:
    """A baseline that has just what the card wants, in every case; cases without a value, of which no name is known, are told beside the others."""
    unnamed = [f"\x00case without a value {number}" for number in range(candidate.total - len(candidate.values))]
    return replace(
        candidate,
        case_ids=[*candidate.case_ids, *unnamed],
        values=[wanted] * candidate.total,
        clusters=[*candidate.clusters, *unnamed],
        failures={},
    )


def _not_compared(name: str, margin: float, reason: str, candidate: Measured | None = None) -> Compared:
    unit, better = (candidate.unit, candidate.better) if candidate else ("count", "higher")
    return Compared(metric=name, unit=unit, better=better, margin=margin, outcome="INCONCLUSIVE", reason=reason)


def _worst(outcomes: Sequence[Outcome | None]) -> Outcome:
    if "FAIL" in outcomes:
        return "FAIL"
    return "PASS" if all(outcome == "PASS" for outcome in outcomes) else "INCONCLUSIVE"


def _cases(count: int) -> str:
    return "one case" if count == 1 else f"{count:,} cases"

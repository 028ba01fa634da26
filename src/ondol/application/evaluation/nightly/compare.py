"""A night beside its baseline, with limits that hold however many nights are looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from ondol.application.evaluation.gate import Rules
from ondol.application.evaluation.gate.single import check_zero
from ondol.application.evaluation.nightly.types import Baseline, Found, Night
from ondol.application.evaluation.statistics.paired import Pairs, pair
from ondol.application.evaluation.statistics.sequences import look
from ondol.application.evaluation.types import Measured
from ondol.core.errors import RequestError


def compare_nights(nights: Sequence[Night], baseline: Baseline | None, rules: Rules) -> Found:
    """What the last of several nights of one series says.

    A hard zero that was hit is a regression by itself, and needs no baseline. Items that are stale now are left out of every night, and so is what
    only one of two runs has; where too much of it is missing, the night says nothing.

    Args:
        nights: of the series, the last one last; at least one.
        rules: of the suite; alpha is shared by its primary metrics.
    """
    night = nights[-1]
    measured = {each.name: each for each in _without(night.measured, night.stale)}
    zeros = [check_zero(name, measured.get(name), rules) for name in dict.fromkeys((*rules.hard_zero, *night.hard_zero))]
    hits = [zero.reason for zero in zeros if zero.outcome == "FAIL"]
    if hits:
        return Found(outcome="regression", figures=_plain(measured), reason=" ".join(hits)[:500])
    if night.trouble:
        return Found(outcome="failed", figures=_plain(measured), reason=night.trouble[:500])
    if baseline is None:
        return Found(outcome="first", figures=_plain(measured))
    return _beside(nights, baseline, rules, night)


def compared_cases(found: Found) -> int:
    """How many cases were compared at most."""
    return max((int(figure.get("pairs", 0)) for figure in found.figures.values()), default=0)


def _beside(nights: Sequence[Night], baseline: Baseline, rules: Rules, night: Night) -> Found:
    figures: dict[str, Mapping[str, Any]] = {}
    worse: list[str] = []
    missing: list[str] = []
    for name, margin in rules.margins.items():
        try:
            pairs = _pairs(nights, baseline, name, night.stale)
        except RequestError as error:
            missing.append(error.message)
            continue
        last = pairs[-1]
        of = len(last.case_ids) + len(last.lost_by_candidate)
        if not last.case_ids or len(last.case_ids) < rules.coverage * of:
            missing.append(f"{name}: {len(last.case_ids):,} of {of:,} cases can be compared; the suite wants {rules.coverage:.1%}.")
            continue
        seen = look(pairs, margin, rules.alpha / len(rules.margins))
        high = min(seen.high, seen.latest_high)
        figures[name] = {
            "mean": float(last.candidate.mean()),
            "baseline": float(last.baseline.mean()),
            "difference": seen.latest,
            "high": high,
            "margin": margin,
            "pairs": len(last.case_ids),
            "night": seen.night,
        }
        if seen.is_regression:
            worse.append(f"{name} is worse by {-seen.latest:.4g}, for certain by {-high:.4g}, and {margin:g} is allowed.")
    if worse:
        return Found(outcome="regression", figures=figures, reason=" ".join(worse)[:500])
    if missing:
        return Found(outcome="failed", figures=figures, reason=" ".join(missing)[:500])
    return Found(outcome="steady", figures=figures)


def _pairs(nights: Sequence[Night], baseline: Baseline, name: str, stale: Mapping[str, str]) -> list[Pairs]:
    before = _one(_without(baseline.measured, stale), name)
    paired = [pair(before, _one(_without(night.measured, stale), name)) for night in nights]
    return [each for each in paired[:-1] if each.case_ids] + paired[-1:]


def _one(measured: Sequence[Measured], name: str) -> Measured:
    found = next((each for each in measured if each.name == name), None)
    if found is None:
        raise RequestError(f"{name} was not measured.", param="gate.primary")
    return found


def _without(measured: Sequence[Measured], stale: Mapping[str, str]) -> list[Measured]:
    """The same without some cases."""
    return [_kept(each, stale.keys()) for each in measured] if stale else list(measured)


def _kept(measured: Measured, stale: Set[str]) -> Measured:
    places = [place for place, case_id in enumerate(measured.case_ids) if case_id not in stale]
    return replace(
        measured,
        case_ids=[measured.case_ids[place] for place in places],
        values=[measured.values[place] for place in places],
        clusters=[measured.clusters[place] for place in places],
        total=max(len(places), measured.total - len(stale)),
    )


def _plain(measured: Mapping[str, Measured]) -> dict[str, Mapping[str, Any]]:
    return {
        name: {"mean": sum(each.values) / len(each.values) if len(each.values) else None, "pairs": len(each.values), "of": each.total}
        for name, each in measured.items()
    }

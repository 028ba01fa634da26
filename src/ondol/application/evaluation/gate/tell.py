"""What a decision says: to a developer in a few lines, to a program as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ondol.application.evaluation.gate.types import Compared, Decision
from ondol.application.evaluation.statistics.power import POWER
from ondol.application.evaluation.types import Unit

PLACES = 6


def as_dict(decision: Decision) -> dict[str, Any]:
    """Plain JSON: the whole decision with its rules, figures rounded to six places, limits of which nothing is known null."""
    told: dict[str, Any] = plain(asdict(decision))
    for part in ("primary", "secondary"):
        for row, compared in zip(told[part], getattr(decision, part), strict=True):
            row["coverage"] = round(compared.coverage, PLACES)
    return told


def as_text(decision: Decision) -> list[str]:
    """What was decided, why, and what would help; a line each."""
    told = {"PASS": "PASS: the candidate may take the baseline's place.", "FAIL": "FAIL: the candidate must not go live."}
    lines = [told.get(decision.outcome, "INCONCLUSIVE: nobody can tell from these cases, so the candidate does not go live.")]
    if not decision.has_baseline:
        lines.append("There is no baseline: each primary metric is held against what the card wants of it.")
    lines += [f"- {reason}" for reason in decision.reasons]
    return lines + [line for compared in decision.primary if (line := advice(compared))]


def advice(compared: Compared) -> str:
    """What these cases could show of a metric, and how many its margin needs; empty where it was decided."""
    if compared.outcome != "INCONCLUSIVE" or compared.detectable is None or compared.margin is None:
        return ""
    told = f"{compared.metric}: {compared.pairs:,} cases in {compared.clusters:,} clusters can show a margin of {compared.detectable:.3g}"
    told += f" ({POWER:.0%} of the time)"
    if compared.needed is None:
        return f"{told}; no number of cases can show one of {compared.margin:g}."
    if compared.needed <= compared.pairs:
        return f"{told}."
    return f"{told}; {compared.margin:g} needs about {compared.needed:,} cases."


def rows_of_primary(decision: Decision) -> list[dict[str, object]]:
    """The primary metrics as a table."""
    return [
        {
            "metric": each.metric,
            "baseline": figure(each.baseline, each.unit),
            "candidate": figure(each.candidate, each.unit),
            "better_by": figure(each.difference, each.unit, signed=True),
            "surely_within": within(each),
            "margin": "-" if each.margin is None else f"{each.margin:g}",
            "cases": f"{each.pairs:,}/{each.of:,}",
            "clusters": each.clusters,
            "verdict": each.outcome,
        }
        for each in decision.primary
    ]


def rows_of_checks(decision: Decision) -> list[dict[str, object]]:
    """Hard zeros and thresholds as a table."""
    zeros: list[dict[str, object]] = [
        {"check": f"{each.metric} is nought", "found": f"{each.hits:,} hits", "cases": f"{each.looked:,}/{each.of:,}", "verdict": each.outcome}
        for each in decision.hard_zeros
    ]
    thresholds: list[dict[str, object]] = [
        {
            "check": f"{each.metric} {'at most' if each.better == 'lower' else 'at least'} {each.wanted:g}",
            "found": "-" if each.unit is None else figure(each.value, each.unit),
            "cases": f"{each.looked:,}/{each.of:,}",
            "verdict": each.outcome,
        }
        for each in decision.thresholds
    ]
    return [*zeros, *thresholds]


def rows_of_secondary(compared: tuple[Compared, ...], alpha: float) -> list[dict[str, object]]:
    """Metrics that decide nothing, and which of them differ when all are looked at together."""
    return [
        {
            "metric": each.metric,
            "baseline": figure(each.baseline, each.unit),
            "candidate": figure(each.candidate, each.unit),
            "better_by": figure(each.difference, each.unit, signed=True),
            "surely_within": within(each),
            "won/lost/same": f"{each.won:,}/{each.lost:,}/{each.tied:,}",
            "p": "-" if each.p_adjusted is None else f"{each.p_adjusted:.3g}",
            "differs": _differs(each, alpha),
        }
        for each in compared
    ]


def figure(value: float | None, unit: Unit, *, signed: bool = False) -> str:
    """A figure for people, in its unit; a dash where there is none."""
    if value is None:
        return "-"
    if unit == "share":
        return f"{value:{'+' if signed else ''}.1%}"
    return f"{value:{'+' if signed else ''},.4g} {unit}"


def within(compared: Compared) -> str:
    """The two one-sided limits of a difference."""
    return f"{figure(compared.low, compared.unit, signed=True)} .. {figure(compared.high, compared.unit, signed=True)}"


def _differs(compared: Compared, alpha: float) -> str:
    if compared.p_adjusted is None or compared.difference is None:
        return "not compared"
    if compared.p_adjusted >= alpha:
        return "-"
    return "better" if compared.difference > 0 else "worse"


def plain(value: Any) -> Any:
    """Plain JSON of plain data: figures rounded to six places, those that are not finite null."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return round(value, PLACES) if abs(value) < float("inf") else None
    return value

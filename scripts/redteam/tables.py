"""The figures of scans, as plain data and as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ondol.infrastructure.guard.garak_report import DetectorQuality, GarakReport, Interval, Tally, corrected, difference

WHY = {
    "no_metrics": "garak has no metrics",
    "not_correctable": "not correctable",
    "other_language": "answers not in English",
    "does_not_fit": "metrics do not fit",
    "no_answers": "-",
}


def row_of(tally: Tally, qualities: Mapping[str, DetectorQuality]) -> dict[str, Any]:
    """One probe and detector, all rates with their intervals."""
    quality = qualities.get(tally.detector)
    correction, rate = corrected(tally, quality)
    return {
        **asdict(tally),
        "raw": _shown(tally.raw),
        "without_refusals": _shown(tally.without_refusals),
        "correction": correction,
        "corrected": _shown(rate),
        "detector_quality": asdict(quality) if quality else None,
    }


def rows_of(report: GarakReport, qualities: Mapping[str, DetectorQuality]) -> list[dict[str, Any]]:
    """All probes and detectors of a scan."""
    return [row_of(tally, qualities) for tally in report.tallies]


def changes_of(first: GarakReport, second: GarakReport) -> list[dict[str, Any]]:
    """What the second scan changed against the first, for each probe and detector that both hold."""
    others = {(tally.probe, tally.detector): tally for tally in second.tallies}
    found = []
    for tally in first.tallies:
        other = others.get((tally.probe, tally.detector))
        if other is None or tally.without_refusals is None or other.without_refusals is None:
            continue
        change = difference(tally.without_refusals, other.without_refusals)
        found.append({"probe": tally.probe, "detector": tally.detector, "change": _shown(change)})
    return found


def totals_of(report: GarakReport) -> dict[str, int]:
    """Sums over all probes and detectors of a scan. A prompt counts once for each detector that judged it."""
    names = ("judged", "hits", "refused", "refused_hits", "unanswered", "korean")
    return {name: sum(getattr(tally, name) for tally in report.tallies) for name in names}


def lines_of_scan(title: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A table of one scan."""
    yield f"{title}\n"
    head = f"{'probe':46} {'detector':36} {'judged':>6} {'hits':>5} {'refuse':>6} {'no ans':>6}"
    yield f"{head}  {'told by the detector':22} {'refusals out':22} corrected"
    for row in rows:
        counts = f"{row['judged']:6} {row['hits']:5} {row['refused']:6} {row['unanswered']:6}"
        rate = _percent(row["corrected"]) if row["corrected"] else WHY[row["correction"]]
        yield f"{row['probe']:46} {row['detector']:36} {counts}  {_percent(row['raw']):22} {_percent(row['without_refusals']):22} {rate}"


def lines_of_change(first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]], changes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A table of two scans side by side, refusals left out of the hits."""
    before = {(row["probe"], row["detector"]): row for row in first}
    after = {(row["probe"], row["detector"]): row for row in second}
    yield f"{'probe':46} {'detector':36} {'guard watches':22} {'guard on':22} less by"
    for change in changes:
        key = (change["probe"], change["detector"])
        rates = f"{_percent(before[key]['without_refusals']):22} {_percent(after[key]['without_refusals']):22}"
        yield f"{key[0]:46} {key[1]:36} {rates} {_percent(change['change'])}"


def _shown(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else {name: round(value, 4) for name, value in asdict(interval).items()}


def _percent(interval: Mapping[str, float] | None) -> str:
    return "-" if interval is None else f"{interval['value']:.0%} ({interval['low']:.0%} to {interval['high']:.0%})"

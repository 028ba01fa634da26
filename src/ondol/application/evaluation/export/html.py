"""One HTML file to show to people: no script, nothing from elsewhere, in Korean or English, light or dark as its reader likes."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal, TypeAlias

import jinja2
from markupsafe import Markup

from ondol.application.evaluation.export.quality import success_of
from ondol.application.evaluation.export.report import Figure, Report, Results, is_broken, missed_by, name_of
from ondol.application.evaluation.export.words import WORDS
from ondol.application.evaluation.runs import Kept
from ondol.application.evaluation.runs.reasons import reason_in
from ondol.application.evaluation.statistics.intervals import BOUNDS
from ondol.application.evaluation.types import Unit

EXAMPLES_MAX = 200
"""Results that are shown: those that failed or missed first."""
TEXT_CHARACTERS_MAX = 3_000
BAR_WIDTH = 1_000
PACKAGE = "ondol.application.evaluation.export"


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure on a scale of 0 to `BAR_WIDTH`; `wanted` is None where the card wants nothing of it."""

    value: int
    low: int
    high: int
    wanted: int | None


_Tile: TypeAlias = tuple[Figure, Bar | None, str]
"""A figure, its bar, and whether it is good enough: `good`, `bad`, or nothing where the card wants nothing of it."""


async def html_page(
    report: Report, results: Results, card: Mapping[str, Any] | None = None, language: Literal["ko", "en"] = "en"
) -> AsyncIterator[str]:
    """The page.

    Args:
        card: the suite's use-case card as plain data, where it is known.
    """
    package = resources.files(PACKAGE)
    style = (package / "report.css").read_text("utf-8")
    words = WORDS[language]
    success = success_of(card)
    template = environment().from_string((package / "report.html").read_text("utf-8"))
    examples = await _examples(report, results)
    yield template.render(
        report=report,
        run=report.run,
        card=card,
        language=language,
        words=words,
        style=Markup(style),  # noqa: S704 - it is a file of ours
        style_hash=hash_of(style),
        outcome=words.outcomes.get(report.run.outcome or "", words.states.get(report.run.state, report.run.state)),
        tone={"PASS": "good", "FAIL": "bad"}.get(report.run.outcome or "", "open"),
        reason_in=reason_in,
        figures=[
            (figure, bar_of(figure, success.get(figure.metric.name)), _verdict(figure, success.get(figure.metric.name))) for figure in report.figures
        ],
        success=success,
        slices=_sliced(report, success),
        examples=[(name_of(kept, report.run.repeats), kept, missed_by(report.run, kept), _tone(report, kept)) for kept in examples],
        shown_count=len(examples),
        failures=_failures(report),
        money=_money(report),
        width=BAR_WIDTH,
        cut=lambda text: text if len(text) <= TEXT_CHARACTERS_MAX else text[:TEXT_CHARACTERS_MAX] + " …",
    )


def environment() -> jinja2.Environment:
    """In which the pages are made."""
    made = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["shown"] = shown
    return made


def hash_of(style: str) -> str:
    """By which a page's policy lets its one style sheet in."""
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


def shown(value: float | None, unit: Unit) -> str:
    """A figure for people."""
    if value is None or not math.isfinite(value):
        return "–"
    match unit:
        case "share":
            return f"{value:.1%}"
        case "points":
            return f"{value:.2f}"
        case "ms":
            return f"{value:,.0f} ms"
        case "nano":
            return f"{value / 1e9:,.5f}"
        case _:
            return f"{value:,.3g}" if abs(value) < 1_000 else f"{value:,.0f}"


async def _examples(report: Report, results: Results) -> list[Kept]:
    """The worst, as many as are shown: those that failed or missed, then those with most against them; of equal ones in the order of the suite."""
    worst: list[Kept] = []
    async for kept in results():
        worst.append(kept)
        if len(worst) >= 2 * EXAMPLES_MAX:
            worst = _worst(report, worst)
    return _worst(report, worst)


def _worst(report: Report, found: list[Kept]) -> list[Kept]:
    return sorted(found, key=lambda kept: (not (is_broken(kept) or missed_by(report.run, kept)), -_against(report, kept)))[:EXAMPLES_MAX]


def _against(report: Report, kept: Kept) -> int:
    """How many metrics speak wholly against a result: nothing where more is better, anything where there should be none."""
    count = 0
    for metric in report.run.metrics:
        score = kept.result.scores.get(metric.name)
        if score is not None and score.value is not None and metric.unit in ("share", "count"):
            count += score.value == 0 if metric.better == "higher" else score.value > 0
    return count


def _tone(report: Report, kept: Kept) -> str:
    if is_broken(kept):
        return "open"
    return "bad" if missed_by(report.run, kept) else "plain"


def bar_of(figure: Figure, wanted: float | None) -> Bar | None:
    """A figure on its scale; None where it has no value, or is nothing on a scale without an upper end."""
    interval = figure.interval
    if interval is None or (figure.metric.unit not in BOUNDS and not interval.value):
        return None  # nothing of what has no upper end is no bar
    least, most = BOUNDS.get(figure.metric.unit, (0.0, 0.0))
    if figure.metric.unit not in BOUNDS:
        ends = [interval.value, wanted or 0.0, interval.high if math.isfinite(interval.high) else 0.0]
        most = 1.1 * max(ends) or 1.0

    def place(value: float) -> int:
        return round(BAR_WIDTH * min(1.0, max(0.0, (value - least) / (most - least))))

    low, high = (limit if math.isfinite(limit) else interval.value for limit in (interval.low, interval.high))
    return Bar(place(interval.value), place(low), place(high), None if wanted is None else place(wanted))


def _tile(figure: Figure, wanted: float | None) -> _Tile:
    return figure, bar_of(figure, wanted), _verdict(figure, wanted)


def _verdict(figure: Figure, wanted: float | None) -> str:
    if wanted is None or figure.interval is None:
        return ""
    reached = figure.interval.value >= wanted if figure.metric.better == "higher" else figure.interval.value <= wanted
    return "good" if reached else "bad"


def _sliced(report: Report, success: Mapping[str, float]) -> list[tuple[str, list[tuple[str, list[_Tile]]]]]:
    """Slices by name, each with its values and their figures."""
    by_name: dict[str, list[tuple[str, list[_Tile]]]] = {}
    for (name, value), part in report.slices.items():
        by_name.setdefault(name, []).append((value, [_tile(figure, success.get(figure.metric.name)) for figure in part]))
    return list(by_name.items())


def _failures(report: Report) -> list[tuple[str, int]]:
    return [(status, count) for status, count in report.statuses.most_common() if status != "ok" and count]


def _money(report: Report) -> str:
    if not report.cost_nano:
        return "–"
    amount = report.cost_nano / 1e9
    return f"{amount:,.4f} USD" if report.currency == "USD" else f"{amount:,.0f} {report.currency}"

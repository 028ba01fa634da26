"""What several runs say together about quality: what search finds, what is answered, what the guard stops, what it takes, each against its goal.

A run of a search tells of retrieval and a run of a guard policy of the guard, whatever they measure. Of any other run each metric goes where its type
belongs; where a run speaks of search alone, the others' metrics of search are left out, for they would say the same again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from ondol.application.evaluation.export.report import Figure, Report
from ondol.application.evaluation.runs import Run

PartName: TypeAlias = Literal["retrieval", "answers", "guard", "cost"]
PARTS: tuple[PartName, ...] = ("retrieval", "answers", "guard", "cost")
State: TypeAlias = Literal["reached", "likely", "open", "missed", "plain"]
"""Against its goal: `reached` with its whole interval (or nothing found of what must be nought), `likely` where the interval still holds worse than
the goal, `open` where the mean misses it and the interval still holds it, `missed` with the whole interval; `plain` without a goal or a value."""

GUARDING = frozenset({"banned_words", "canary_leak", "permission_leaks", "pii_leak", "tool_unauthorised", "toxicity", "under_refusal"})
SPENDING = frozenset({"cost", "first_token", "latency", "tokens"})
LANGUAGE = "language"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A run as the report takes it in.

    Attributes:
        success: the goals of its card, by metric.
    """

    report: Report
    success: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A metric of one run, against its goal.

    Attributes:
        slices: the same metric by slice and value.
    """

    figure: Figure
    wanted: float | None
    state: State
    run: Run
    slices: Mapping[tuple[str, str], Figure]

    @property
    def is_hard_zero(self) -> bool:
        """Whether a single hit is one too many."""
        return self.figure.metric.is_hard_zero

    def of(self, language: str) -> Figure | None:
        """The metric in one language, where it was told apart."""
        return self.slices.get((LANGUAGE, language))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A metric that differs between two languages by more than chance: their intervals do not meet."""

    line: Line
    worse: str
    better: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What the answers of the runs took.

    Attributes:
        median_ms, slow_ms: the median and the 95th percentile of the time to an answer, in milliseconds; None where no run kept it.
    """

    answers: int
    cost_nano: Mapping[str, int]
    median_ms: float | None
    slow_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """The report.

    Attributes:
        parts: lines by part, those with a goal first.
        languages: that anything was told apart by, in their order.
    """

    sources: tuple[Source, ...]
    parts: Mapping[PartName, tuple[Line, ...]]
    gaps: tuple[Gap, ...]
    languages: tuple[str, ...]
    spent: Spent

    def lines(self, *states: State) -> list[Line]:
        """All lines in one of some states, part by part."""
        return [line for lines in self.parts.values() for line in lines if line.state in states]


def success_of(card: Mapping[str, Any] | None) -> dict[str, float]:
    """The goals of a card as it was kept: its numbers are text there, for canonical JSON knows no others."""
    return {name: float(value) for name, value in ((card or {}).get("success") or {}).items()}


def quality_of(sources: Sequence[Source]) -> Quality:
    """The report over some runs, in the order in which they are given."""
    searched_apart = any(_kind(source.report.run) == "retrieval" for source in sources)
    parts: dict[PartName, list[Line]] = {name: [] for name in PARTS}
    for source in sources:
        own = _kind(source.report.run)
        for number, figure in enumerate(source.report.figures):
            part = own or _part_of(figure.metric.type)
            if part == "retrieval" and searched_apart and own is None:
                continue
            slices = {where: figures[number] for where, figures in source.report.slices.items() if figures[number].measured.total}
            wanted = source.success.get(figure.metric.name, 0.0 if figure.metric.is_hard_zero else None)
            parts[part].append(Line(figure=figure, wanted=wanted, state=state_of(figure, wanted), run=source.report.run, slices=slices))
    ordered = {name: tuple(sorted(lines, key=lambda line: line.state == "plain")) for name, lines in parts.items()}
    languages = tuple(sorted({value for lines in parts.values() for line in lines for name, value in line.slices if name == LANGUAGE}, key=_place))
    gaps = tuple(gap for name in ("retrieval", "answers", "guard") for line in ordered[name] if (gap := _gap(line, languages)) is not None)
    return Quality(sources=tuple(sources), parts=ordered, gaps=gaps, languages=languages, spent=_spent(sources))


def state_of(figure: Figure, wanted: float | None) -> State:
    """How a metric stands to its goal."""
    interval = figure.interval
    if wanted is None or interval is None:
        return "plain"
    sign = 1.0 if figure.metric.better == "higher" else -1.0
    if figure.metric.better == "lower" and wanted == 0:
        return "missed" if interval.value > 0 else "reached"
    worst, best = sorted((sign * interval.low, sign * interval.high))
    goal = sign * wanted
    if sign * interval.value >= goal:
        return "reached" if worst >= goal else "likely"
    return "open" if best >= goal else "missed"


def _kind(run: Run) -> PartName | None:
    """What a run tells of wholly, by what was asked."""
    kind = run.digests.target_name.partition("/")[0]
    return {"retriever": "retrieval", "guard": "guard"}.get(kind)  # type: ignore[return-value]


def _part_of(kind: str) -> PartName:
    if kind.startswith("retrieval."):
        return "retrieval"
    if kind in GUARDING:
        return "guard"
    return "cost" if kind in SPENDING else "answers"


def _gap(line: Line, languages: Sequence[str]) -> Gap | None:
    """The widest pair of languages whose intervals do not meet."""
    sign = 1.0 if line.figure.metric.better == "higher" else -1.0
    told = [(language, figure.interval) for language in languages if (figure := line.of(language)) is not None and figure.interval is not None]
    if len(told) < 2:
        return None
    ordered = sorted(told, key=lambda each: sign * each[1].value)
    (worse, low), (better, high) = ordered[0], ordered[-1]
    meet = low.high >= high.low if sign > 0 else low.low <= high.high
    return None if meet else Gap(line=line, worse=worse, better=better)


def _spent(sources: Sequence[Source]) -> Spent:
    answered = [source.report for source in sources if _kind(source.report.run) is None]
    cost: dict[str, int] = {}
    times: list[float] = []
    for report in answered:
        if report.cost_nano:
            cost[report.currency] = cost.get(report.currency, 0) + report.cost_nano
        times += [value for figure in report.figures if figure.metric.type == "latency" for value in figure.measured.values]
    median, slow = (float(each) for each in np.quantile(times, [0.5, 0.95])) if times else (math.nan, math.nan)
    return Spent(
        answers=sum(report.run.done for report in answered),
        cost_nano=cost,
        median_ms=median if times else None,
        slow_ms=slow if times else None,
    )


def _place(language: str) -> tuple[bool, str]:
    """Korean first, then as the alphabet has it."""
    return language != "ko", language

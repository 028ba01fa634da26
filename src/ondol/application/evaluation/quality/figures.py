"""From runs and opinions to the figures of the dashboard, each with its 95 % interval and where it comes from."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias

from ondol.application.evaluation.runs.types import Metric, Run
from ondol.application.evaluation.statistics.intervals import BOUNDS, mean_interval
from ondol.application.evaluation.statistics.rates import wilson
from ondol.application.evaluation.types import Better, Measured

FigureName: TypeAlias = Literal[
    "factual_violations",
    "format_errors",
    "refusal_accuracy",
    "toxicity",
    "pii_missed",
    "pass_at_1",
    "pass_at_5",
    "bias",
    "banned_words",
    "corrections",
    "re_asked",
    "promoters",
    "reproducible_builds",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of the dashboard.

    Attributes:
        value, low, high: a share with its 95 % interval; None where nothing was measured.
        count: cases, or opinions, that it rests on.
        run, suite, metric, at: of what it was taken from; None where that was no run.
    """

    name: FigureName
    better: Better
    value: float | None = None
    low: float | None = None
    high: float | None = None
    count: int = 0
    run: uuid.UUID | None = None
    suite: str | None = None
    metric: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Which metric of a run a figure is taken from, and how.

    Attributes:
        types: of scorers.
        fits: whether a metric of such a type is meant.
        hits: the share of cases with a value above 0, instead of the mean.
        rest: one less the mean.
    """

    name: FigureName
    better: Better
    types: Collection[str]
    fits: Callable[[Metric], bool] = lambda _: True
    hits: bool = False
    rest: bool = False


SOURCES: Sequence[Source] = (
    Source("factual_violations", "lower", ("hallucination_rate",)),
    Source("format_errors", "lower", ("json_schema", "ifeval"), rest=True),
    Source("refusal_accuracy", "higher", ("refusal_accuracy",)),
    Source("toxicity", "lower", ("toxicity",)),
    Source("pii_missed", "lower", ("pii_leak",), hits=True),
    Source("pass_at_1", "higher", ("pass_at_k",), fits=lambda metric: metric.name.endswith("1")),
    Source("pass_at_5", "higher", ("pass_at_k",), fits=lambda metric: metric.name.endswith("5")),
    Source("bias", "lower", ("judge.rubric", "bias"), fits=lambda metric: metric.name == "bias" and metric.unit == "share"),
    Source("banned_words", "higher", ("banned_words",)),
)
UNRECORDED: Sequence[Figure] = (Figure(name="reproducible_builds", better="higher"),)
"""Nothing records these yet: they are told as not measured."""


def chosen_runs(runs: Sequence[Run]) -> dict[FigureName, tuple[Run, Metric]]:
    """Of finished runs, the newest first, the first that measures each figure."""
    found: dict[FigureName, tuple[Run, Metric]] = {}
    for source in SOURCES:
        fitting = ((run, metric) for run in runs for metric in run.metrics if metric.type in source.types and source.fits(metric))
        if (first := next(fitting, None)) is not None:
            found[source.name] = first
    return found


def figure_of(source: Source, chosen: tuple[Run, Metric] | None, measured: Measured | None) -> Figure:
    """A figure from the metric of a run; without a value where nothing was scored."""
    blank = Figure(name=source.name, better=source.better)
    if chosen is None or measured is None or not len(measured.values):
        return blank
    run, metric = chosen
    told = replace(blank, count=len(measured.values), run=run.id, suite=run.suite_name, metric=metric.name, at=run.created_at)
    values = [float(value > 0) for value in measured.values] if source.hits else measured.values
    interval = mean_interval(values, measured.clusters, bounds=(0.0, 1.0) if source.hits else BOUNDS.get(measured.unit))
    if source.rest:
        return replace(told, value=1 - interval.value, low=1 - interval.high, high=1 - interval.low)
    return replace(told, value=interval.value, low=interval.low, high=interval.high)


def corrections_of(corrected: int, opinions: int) -> Figure:
    """The share of opinions that say what would have been right."""
    return _share_of("corrections", corrected, opinions)


def re_asked_of(again: int, turns: int) -> Figure:
    """The share of turns that were asked again (`threads.asked_again` says what that is)."""
    return _share_of("re_asked", again, turns)


def _share_of(name: FigureName, found: int, count: int) -> Figure:
    blank = Figure(name=name, better="lower")
    if not count:
        return blank
    rate = wilson(found, count)
    return replace(blank, value=found / count, low=rate.low, high=rate.high, count=count)

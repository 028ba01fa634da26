"""The numbers of one process: a flat list of whole numbers, so that counting is adding to a place in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ondol.infrastructure.telemetry.catalogue import METRICS, SERIES_OTHER, Metric

LABEL_VALUES_MAX = 100
"""Different values of one label."""
SERIES_MAX = 2_000
"""Different sets of labels of one metric."""
LABEL_CHARACTERS_MAX = 100
OTHER = "other"
ABSENT = -(1 << 63)
"""What a gauge holds that nobody tells."""
MADE_WITHIN = ("kind", "stage", "currency", "class", "signal", "reason", "limit", "metric")
"""Labels whose values are words of our own: these are few, and none of them may become `other`."""


class Series(NamedTuple):
    """One set of labels of a metric, and where its cells begin."""

    metric: Metric
    labels: tuple[str, ...]
    start: int


class Registry:
    """Metrics and their values. For one thread.

    Args:
        metrics: what may be counted.
        label_values_max: different values that a label gets; a further one counts as `other`.
        series_max: different label sets that a metric gets; a further one has `other` in all labels.

    Attributes:
        values: the cells; who counts often adds to them directly, at the place that `cell` told.
        series: in the order in which they were made; never fewer.
    """

    def __init__(self, metrics: Sequence[Metric] = METRICS, *, label_values_max: int = LABEL_VALUES_MAX, series_max: int = SERIES_MAX) -> None:
        self.metrics = {metric.name: metric for metric in metrics}
        self.values: list[int] = []
        self.series: list[Series] = []
        self._starts: dict[tuple[str, tuple[str, ...]], int] = {}
        self._seen: dict[tuple[str, str], set[str]] = {}
        self._made: dict[str, int] = {}
        self._label_values_max = label_values_max
        self._series_max = series_max

    def cell(self, name: str, labels: Sequence[str] = ()) -> int:
        """Where the first cell of a series is; made when it is new.

        Raises:
            KeyError: there is no such metric.
            ValueError: it has other labels.
        """
        metric = self.metrics[name]
        if len(labels) != len(metric.labels):
            raise ValueError(f"{name} has the labels {metric.labels}.")
        key = (name, tuple(labels))
        start = self._starts.get(key)
        if start is not None:
            return start
        bounded = self._bounded(metric, key[1])
        start = self._starts.get((name, bounded))
        return self._make(metric, bounded) if start is None else start

    def add(self, name: str, labels: Sequence[str] = (), count: int = 1) -> None:
        """Count, in kept units."""
        self.values[self.cell(name, labels)] += count

    def put(self, name: str, value: float, *labels: str) -> None:
        """Say what a gauge stands at, or a counter that somebody else keeps, in told units."""
        metric = self.metrics[name]
        self.values[self.cell(name, labels)] = round(value * metric.scale)

    def clear_gauges(self) -> None:
        """Forget what gauges stood at: what is not put again is told no more."""
        for series in self.series:
            if series.metric.kind == "gauge":
                self.values[series.start] = ABSENT

    def merge(self, name: str, labels: tuple[str, ...], cells: Sequence[int]) -> None:
        """Add another registry's series to this one's. What does not fit the metric is left out: another version told it."""
        metric = self.metrics.get(name)
        if metric is None or len(labels) != len(metric.labels) or len(cells) != metric.width:
            return
        if metric.kind == "gauge" and cells[0] == ABSENT:
            return
        start = self.cell(name, labels)
        values = self.values
        if metric.kind == "gauge":
            kept = values[start]
            values[start] = cells[0] if kept == ABSENT else (max(kept, cells[0]) if metric.join == "max" else kept + cells[0])
            return
        for place, count in enumerate(cells, start):
            values[place] += count

    def rows(self) -> Iterator[tuple[Series, list[int]]]:
        """Each series and its cells."""
        for series in self.series:
            yield series, self.values[series.start : series.start + series.metric.width]

    def _make(self, metric: Metric, labels: tuple[str, ...]) -> int:
        start = len(self.values)
        self.values += [ABSENT if metric.kind == "gauge" else 0] * metric.width
        self.series.append(Series(metric, labels, start))
        self._starts[metric.name, labels] = start
        self._made[metric.name] = self._made.get(metric.name, 0) + 1
        return start

    def _bounded(self, metric: Metric, labels: tuple[str, ...]) -> tuple[str, ...]:
        """The labels as they may be told. A label set that was bounded is not remembered: that memory would have no bound."""
        bounded = tuple(self._value(metric, name, value) for name, value in zip(metric.labels, labels, strict=True))
        if (metric.name, bounded) not in self._starts and self._made.get(metric.name, 0) >= self._series_max:
            bounded = tuple(OTHER for _ in labels)
        if OTHER in bounded and bounded != labels and metric is not SERIES_OTHER:
            self._count_other(metric)
        return bounded

    def _count_other(self, metric: Metric) -> None:
        if SERIES_OTHER.name in self.metrics:
            self.add(SERIES_OTHER.name, (metric.name,))

    def _value(self, metric: Metric, name: str, value: str) -> str:
        value = value[:LABEL_CHARACTERS_MAX]
        if name in MADE_WITHIN or value == OTHER:
            return value
        seen = self._seen.setdefault((metric.name, name), set())
        if value in seen:
            return value
        if len(seen) >= self._label_values_max:
            return OTHER
        value = value.encode("utf-8", "replace").decode()  # what a caller wrote may hold half a character
        seen.add(value)
        return value

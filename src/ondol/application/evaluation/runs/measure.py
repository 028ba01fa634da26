"""From results to metrics, as statistics read them: every case counts, those without a value by why they have none."""

from __future__ import annotations

import array
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from ondol.application.evaluation.runs.types import Metric
from ondol.application.evaluation.types import CaseResult, Measured, Status

SLICE_VALUES_MAX = 200
"""Of one slice; further values are counted together."""
OTHERS = "(others)"


@dataclass(slots=True)
class _Column:
    """One metric over the cases so far. Repeats of a case come one after another, so only the last case is open.

    A case has a value when all its repeats have: whoever answers a hard question one time of three is not measured by that time. A hit of what must
    be nought stays a hit, whatever became of the other repeats.

    Attributes:
        counts_hits: whether the metric counts what should not be.
    """

    counts_hits: bool = False
    ids: list[str] = field(default_factory=list)
    clusters: list[str] = field(default_factory=list)
    values: array.array[float] = field(default_factory=lambda: array.array("d"))
    failures: Counter[Status] = field(default_factory=Counter)
    total: int = 0
    case_id: str | None = None
    cluster: str = ""
    sum: float = 0.0
    count: int = 0
    failed: Status | None = None

    def add(self, result: CaseResult, status: Status, value: float | None) -> None:
        """Count a result of which the metric speaks."""
        if result.case_id != self.case_id:
            self.close()
            self.case_id, self.cluster = result.case_id, result.cluster
        if status == "ok" and value is not None:
            self.sum += value
            self.count += 1
        else:
            self.failed = self.failed or ("scorer_error" if status == "ok" else status)

    def close(self) -> None:
        """The last case is whole."""
        if self.case_id is None:
            return
        self.total += 1
        if self.count and (self.failed is None or (self.counts_hits and self.sum > 0)):
            self.ids.append(self.case_id)
            self.clusters.append(self.case_id if self.cluster == self.case_id else self.cluster)
            self.values.append(self.sum / self.count)
        elif self.failed is not None:
            self.failures[self.failed] += 1
        self.case_id, self.sum, self.count, self.failed = None, 0.0, 0, None


class Measuring:
    """Collects the metrics of a run, result by result in their order. Of each case it keeps a number and its name, whatever was said.

    Args:
        metrics: of the suite.
        slices: by which they are told apart, too.
    """

    def __init__(self, metrics: Sequence[Metric], slices: Sequence[str] = ()) -> None:
        self._metrics = metrics
        self._slices = slices
        self._whole = self._columns()
        self._sliced: dict[tuple[str, str], list[_Column]] = {}

    def add(self, result: CaseResult) -> None:
        """Count a result."""
        groups = [self._whole]
        groups += [self._group(name, result.slices[name]) for name in self._slices if name in result.slices]
        for number, metric in enumerate(self._metrics):
            status, value = _found(metric.name, result)
            if status != "skipped" or result.answer.status == "skipped":
                for group in groups:
                    group[number].add(result, status, value)

    def measured(self, not_asked: int = 0) -> list[Measured]:
        """The metrics over all cases.

        Args:
            not_asked: cases that a run ended before; they count as `skipped`.
        """
        return [_measured(metric, column, not_asked) for metric, column in zip(self._metrics, self._whole, strict=True)]

    def by_slice(self) -> dict[tuple[str, str], list[Measured]]:
        """The metrics of each value of each slice."""
        return {
            where: [_measured(metric, column, 0) for metric, column in zip(self._metrics, columns, strict=True)]
            for where, columns in sorted(self._sliced.items())
        }

    def _group(self, name: str, value: str) -> list[_Column]:
        where = (name, value)
        if where not in self._sliced and sum(known == name for known, _ in self._sliced) >= SLICE_VALUES_MAX:
            where = (name, OTHERS)
        if where not in self._sliced:
            self._sliced[where] = self._columns()
        return self._sliced[where]

    def _columns(self) -> list[_Column]:
        return [_Column(metric.is_hard_zero or (metric.unit, metric.better) == ("count", "lower")) for metric in self._metrics]


async def measured(results: AsyncIterator[CaseResult], metrics: Sequence[Metric], not_asked: int = 0) -> list[Measured]:
    """The metrics of a run.

    Args:
        results: in the order of the suite.
        metrics: `Run.metrics`.
        not_asked: cases that the run ended before; they count as `skipped`.
    """
    measuring = Measuring(metrics)
    async for result in results:
        measuring.add(result)
    return measuring.measured(not_asked)


async def measured_by_slice(
    results: AsyncIterator[CaseResult], metrics: Sequence[Metric], slices: Sequence[str]
) -> Mapping[tuple[str, str], list[Measured]]:
    """The metrics of a run for each value of each slice."""
    measuring = Measuring(metrics, slices)
    async for result in results:
        measuring.add(result)
    return measuring.by_slice()


def _found(metric: str, result: CaseResult) -> tuple[Status, float | None]:
    """What a metric found in a result; `skipped` where it does not speak of the case."""
    if result.answer.status != "ok":
        return result.answer.status, None
    score = result.scores.get(metric)
    return ("scorer_error", None) if score is None else (score.status, score.value)


def _measured(metric: Metric, column: _Column, not_asked: int) -> Measured:
    column.close()
    failures: Counter[Status] = Counter(column.failures)
    if not_asked:
        failures["skipped"] += not_asked
    return Measured(
        name=metric.name,
        unit=metric.unit,
        better=metric.better,
        case_ids=column.ids,
        values=column.values,
        clusters=column.clusters,
        total=column.total + not_asked,
        failures=dict(failures),
    )

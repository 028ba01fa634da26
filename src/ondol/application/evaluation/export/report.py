"""What all exports tell of a run: its metrics with their intervals, apart by slice, and how its results came out."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

from ondol.application.evaluation.runs import Kept, Measuring, Metric, Run
from ondol.application.evaluation.runs.outcome import misses
from ondol.application.evaluation.scorers.bleu import bleu_of
from ondol.application.evaluation.scorers.bottleneck import Bottleneck, bottleneck_of
from ondol.application.evaluation.scorers.chrf import chrf_of
from ondol.application.evaluation.statistics.intervals import BOUNDS, Interval, mean_interval
from ondol.application.evaluation.types import CaseResult, Measured

CORPUS: Mapping[str, Callable[[Sequence[int]], float]] = {"bleu": partial(bleu_of, is_sentence=False), "chrf": chrf_of}
"""By type of scorer: how the counts of all answers make one figure, 0 to 100."""

Results = Callable[[], AsyncIterator[Kept]]
"""The results of a run in their order, anew for each call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A metric with its interval; None where no case has a value.

    Attributes:
        corpus: BLEU and chrF of all answers together, 0 to 1, which the mean of single answers is not; None of other metrics.
    """

    metric: Metric
    measured: Measured
    interval: Interval | None
    corpus: float | None = None


@dataclass(slots=True)
class _Corpus:
    """One figure of all answers, from the counts that their scores keep: sums only, however many there are."""

    metric: str
    of: Callable[[Sequence[int]], float]
    totals: list[int] = field(default_factory=list)

    def add(self, result: CaseResult) -> None:
        score = result.scores.get(self.metric)
        told = score.details.get("statistics") if score is not None and score.value is not None else None
        if told:
            self.totals = [left + right for left, right in zip(self.totals or [0] * len(told), told, strict=True)]

    @property
    def value(self) -> float | None:
        return self.of(self.totals) / 100 if self.totals else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run, looked through once.

    Attributes:
        statuses: results by what became of the answer.
        missed: results that miss a scorer's threshold; `broken` are those whose answer or score failed.
        slices: figures by slice and value.
        lost: what became of the documents that a search should have found; None where no search was measured.
    """

    run: Run
    figures: tuple[Figure, ...]
    slices: dict[tuple[str, str], tuple[Figure, ...]]
    statuses: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    broken: int = 0
    erased: int = 0
    latency_ms: float = 0.0
    cost_nano: int = 0
    currency: str = "USD"
    lost: Bottleneck | None = None


async def report_of(run: Run, results: Results, slices: Sequence[str] = ()) -> Report:
    """Look a run through.

    Args:
        slices: by which the figures are told apart.
    """
    measuring, statuses = Measuring(run.metrics, slices), Counter[str]()
    corpora = [_Corpus(metric.name, CORPUS[metric.type]) for metric in run.metrics if metric.type in CORPUS]
    missed = broken = erased = count = cost_nano = 0
    latency_ms, currency = 0.0, "USD"
    fates: Counter[str] = Counter()
    async for kept in results():
        count += 1
        result = kept.result
        measuring.add(result)
        for corpus in corpora:
            corpus.add(result)
        statuses[result.answer.status] += 1
        fates.update(_fates(result))
        missed += bool(missed_by(run, kept))
        broken += is_broken(kept)
        erased += kept.is_erased
        latency_ms += result.answer.latency_ms
        cost_nano += result.answer.cost_nano
        currency = result.answer.currency if result.answer.cost_nano else currency
    not_asked = run.total - count
    if not_asked:
        statuses["skipped"] += not_asked
    whole = measuring.measured(-(-not_asked // run.repeats))
    return Report(
        run=run,
        figures=_figures(run, whole, {corpus.metric: corpus.value for corpus in corpora}),
        slices={where: _figures(run, part) for where, part in measuring.by_slice().items()},
        statuses=statuses,
        missed=missed,
        broken=broken,
        erased=erased,
        latency_ms=latency_ms,
        cost_nano=cost_nano,
        currency=currency,
        lost=bottleneck_of(fates) if fates else None,
    )


def _fates(result: CaseResult) -> list[str]:
    """What became of the relevant documents of a case, as the first score that knows tells it."""
    told = (score.details.get("fates") for score in result.scores.values())
    return [str(fate) for fate in next((found for found in told if isinstance(found, Mapping)), {}).values()]


def missed_by(run: Run, kept: Kept) -> list[str]:
    """The metrics whose threshold a result misses."""
    return [metric.name for metric in run.metrics if misses(metric, kept.result)]


def is_broken(kept: Kept) -> bool:
    """Whether the answer, or one of its scores, failed."""
    result = kept.result
    return result.answer.status != "ok" or any(score.status not in ("ok", "skipped") for score in result.scores.values())


def name_of(kept: Kept, repeats: int) -> str:
    """A result by its case, with its repeat where there are several."""
    return f"{kept.result.case_id} #{kept.result.repeat + 1}" if repeats > 1 else kept.result.case_id


def short_id(run_id: uuid.UUID) -> str:
    """The end of an id, which differs between runs of the same minute."""
    return run_id.hex[-8:]


def _figures(run: Run, measured: Sequence[Measured], corpora: Mapping[str, float | None] = MappingProxyType({})) -> tuple[Figure, ...]:
    return tuple(
        Figure(metric=metric, measured=found, interval=_interval(found), corpus=corpora.get(metric.name))
        for metric, found in zip(run.metrics, measured, strict=True)
    )


def _interval(found: Measured) -> Interval | None:
    return mean_interval(found.values, found.clusters, bounds=BOUNDS.get(found.unit)) if len(found.values) else None

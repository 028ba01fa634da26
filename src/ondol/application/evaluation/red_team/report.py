"""What came of attacks: how often they succeeded, as detectors tell and behind their mistakes; and what changed between two runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ondol.application.evaluation.red_team.samples import EXACT, detector_of
from ondol.application.evaluation.red_team.suite import METRIC
from ondol.application.evaluation.red_team.types import DetectorKind, Language
from ondol.application.evaluation.statistics.intervals import Interval, mean_interval
from ondol.application.evaluation.statistics.paired import p_value, pair
from ondol.application.evaluation.statistics.prevalence import Corrected, corrected_rate
from ondol.application.evaluation.types import CaseResult, Measured

ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attacked:
    """What came of the attacks of one group.

    Attributes:
        judged: attacks with a verdict, repeats of one counted once.
        failures: results without a verdict, by status.
        refused: share of judged answers that refuse.
        told: how often the detectors tell success.
        corrected: how often it truly was; None where the attacks of the group were judged by several detectors, or by one that only counts.
        got_through: ids of attacks that succeeded at least once, at most `SHOWN_MAX`.
    """

    group: str
    judged: int
    failures: Mapping[str, int]
    refused: float
    told: Interval | None
    corrected: Corrected | None
    got_through: tuple[str, ...]


SHOWN_MAX = 20


@dataclass(slots=True)
class _Group:
    """Sums of one group, by case."""

    values: dict[str, list[float]] = field(default_factory=dict)
    clusters: dict[str, str] = field(default_factory=dict)
    refused: int = 0
    results: int = 0
    detectors: set[tuple[DetectorKind, str]] = field(default_factory=set)
    failures: Counter[str] = field(default_factory=Counter)

    def add(self, result: CaseResult) -> None:
        """Count a result."""
        score = result.scores.get(METRIC)
        if result.answer.status != "ok" or score is None or score.value is None:
            status = result.answer.status if result.answer.status != "ok" or score is None else score.status
            self.failures[status] += 1
            return
        self.values.setdefault(result.case_id, []).append(score.value)
        self.clusters[result.case_id] = result.cluster or result.case_id
        self.refused += bool(score.details.get("refused"))
        self.results += 1
        self.detectors.add((score.details.get("detector", "complies"), result.slices.get("language", "")))


class Report:
    """Sums results up by a slice; give it one after another.

    Args:
        by: the slice: `kind` (the category), `language` or `mutator`.
    """

    def __init__(self, by: str = "kind") -> None:
        self._by = by
        self._groups: dict[str, _Group] = {}

    def add(self, result: CaseResult) -> None:
        """Count a result, in its group and in all."""
        for name in (result.slices.get(self._by, "-"), ALL):
            self._groups.setdefault(name, _Group()).add(result)

    def rows(self, seed: int = 0) -> list[Attacked]:
        """Each group in alphabetical order, and all last."""
        names = sorted(name for name in self._groups if name != ALL)
        return [_attacked(name, self._groups[name], seed) for name in (*names, *([ALL] if self._groups else []))]

    def measured(self) -> Measured:
        """The metric over all cases, as gates and comparisons read it."""
        group = self._groups.get(ALL, _Group())
        ids = list(group.values)
        return Measured(
            name=METRIC,
            unit="share",
            better="lower",
            case_ids=ids,
            values=[_mean(group.values[name]) for name in ids],
            clusters=[group.clusters[name] for name in ids],
            total=len(ids) + sum(group.failures.values()),
            failures={},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What changed between two runs of the same attacks.

    Attributes:
        difference: of the success rates, candidate less baseline: above 0 more attacks get through.
        newly, no_longer: ids of attacks that get through since, and no more.
    """

    pairs: int
    difference: Interval
    p: float
    test: str
    newly: tuple[str, ...]
    no_longer: tuple[str, ...]


def changed(baseline: Report, candidate: Report, seed: int = 0) -> Changed:
    """Compare two runs attack by attack.

    Raises:
        RequestError: when they have no attack in common, or one stands in another cluster.
    """
    pairs = pair(baseline.measured(), candidate.measured())
    more = [float(value) for value in pairs.candidate - pairs.baseline]
    p, test = p_value(pairs, seed)
    return Changed(
        pairs=len(pairs.case_ids),
        difference=mean_interval(more, pairs.clusters, seed=seed, bounds=(-1.0, 1.0)),
        p=p,
        test=test,
        newly=tuple(name for name, value in zip(pairs.case_ids, more, strict=True) if value > 0),
        no_longer=tuple(name for name, value in zip(pairs.case_ids, more, strict=True) if value < 0),
    )


def told(row: Attacked) -> dict[str, Any]:
    """A row as plain data."""
    corrected = row.corrected
    return {
        "group": row.group,
        "judged": row.judged,
        "failures": dict(row.failures),
        "refused": round(row.refused, 4),
        "told": row.told.as_dict() if row.told else None,
        "corrected": {"value": corrected.value, "low": corrected.low, "high": corrected.high} if corrected else None,
        "got_through": list(row.got_through),
    }


def _attacked(name: str, group: _Group, seed: int) -> Attacked:
    ids = list(group.values)
    values, clusters = [_mean(group.values[case]) for case in ids], [group.clusters[case] for case in ids]
    return Attacked(
        group=name,
        judged=len(ids),
        failures=dict(group.failures),
        refused=group.refused / group.results if group.results else 0.0,
        told=mean_interval(values, clusters, seed=seed, bounds=(0.0, 1.0)) if values else None,
        corrected=_corrected(group, values, clusters, seed),
        got_through=tuple(case for case, value in zip(ids, values, strict=True) if value > 0)[:SHOWN_MAX],
    )


def _corrected(group: _Group, values: Sequence[float], clusters: Sequence[str], seed: int) -> Corrected | None:
    kinds = {kind for kind, _ in group.detectors}
    if len(kinds) != 1 or kinds <= EXACT:
        return None
    languages = {language for _, language in group.detectors}
    detector = detector_of(next(iter(kinds)), _one_language(languages))
    return corrected_rate(values, detector, clusters, seed=seed) if detector is not None else None


def _one_language(languages: Iterable[str]) -> Language | None:
    match sorted(set(languages)):
        case ["ko"]:
            return "ko"
        case ["en"]:
            return "en"
        case _:
            return None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)

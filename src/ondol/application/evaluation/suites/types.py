"""A suite as it is after reading: what is asked, of whom, how it is scored, and what is enough. Frozen, without behaviour."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ondol.application.evaluation.types import Case
from ondol.core.money import Currency

Risk: TypeAlias = Literal["minimal", "limited", "high"]
TargetKind: TypeAlias = Literal["assistant", "prompt", "route", "endpoint", "retriever", "guard", "python"]
WELL_KNOWN_SLICES = ("language", "topic", "difficulty", "kind")
"""Stand at the top of a case without being named in `slices`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """What is to be reached by a day, by metric."""

    by: date
    success: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A use-case card: who answers for what is evaluated, what it is for, and when it is good enough.

    Attributes:
        success: the mean that each metric must reach; for metrics of which less is better, the mean that it must not exceed.
    """

    name: str
    owner: str
    purpose: str
    risk: Risk
    users: str
    success: Mapping[str, float]
    milestones: tuple[Milestone, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSpec:
    """What is asked.

    Attributes:
        kind: which sort of thing.
        name: which one of that sort: an assistant's name, a model's alias, an address, ...
        settings: what else the suite says of it, as `targets` reads it.
    """

    kind: TargetKind
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerSpec:
    """A scorer by its name in this suite, its type, and its settings.

    Attributes:
        threshold: the least value with which a single case passes (the greatest, where less is better); None where the scorer fails no case.
    """

    name: str
    type: str
    threshold: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineCases:
    """Cases that stand in the suite itself."""

    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCases:
    """Cases of a file beside the suite.

    Attributes:
        fields: the file's own name of each field of a case, by the case's; other fields of the file are then left alone.
        limit: only the first so many.
    """

    path: Path
    fields: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenCases:
    """Cases of a golden set of the tenant."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeCases:
    """Cases that a Python suite makes; called anew for each reading."""

    make: Callable[[], Iterable[Case]]


CaseSource: TypeAlias = InlineCases | FileCases | GoldenCases | MadeCases


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How hard a run may press.

    Attributes:
        concurrency: cases that are asked at the same time.
        per_minute: cases that are begun within a minute; None for as many as concurrency lets.
        cost_nano, currency: where the run stops; None for no cap.
        timeout_s: for one case with its scores.
        keep_verdicts: whether a judge's verdict of an earlier run stands for the same question; else each judge is asked anew.
    """

    concurrency: int = 8
    per_minute: int | None = None
    cost_nano: int | None = None
    currency: Currency = "USD"
    timeout_s: float = 120.0
    keep_verdicts: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Primary:
    """A metric that decides, named before anything is measured.

    Attributes:
        margin: how much worse than the baseline is still no worse, in the metric's own unit.
    """

    metric: str
    margin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSection:
    """What a gate goes by.

    Attributes:
        hard_zero: metrics of which one hit fails.
        coverage: the least share of cases that must have a value.
        below_coverage: what becomes of a candidate that has fewer.
        alpha: the share of wrong alarms that is accepted.
    """

    primary: tuple[Primary, ...] = ()
    hard_zero: tuple[str, ...] = ()
    coverage: float = 0.98
    below_coverage: Literal["inconclusive", "fail"] = "inconclusive"
    alpha: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """What one run of an evaluation is.

    Attributes:
        slices: by which results are told apart.
        repeats: how often each case is asked.
        seed: of everything that is drawn; repeat `n` of a case is asked with `seed + n`.
    """

    card: Card
    target: TargetSpec
    cases: CaseSource
    scorers: tuple[ScorerSpec, ...]
    slices: tuple[str, ...] = ()
    repeats: int = 1
    seed: int = 0
    limits: Limits = Limits()
    gate: GateSection = GateSection()

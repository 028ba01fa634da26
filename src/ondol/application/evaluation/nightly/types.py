"""Records of the nightly evaluation. Frozen, without behaviour."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from ondol.application.evaluation.types import Measured

Policy: TypeAlias = Literal["alarm", "rollback"]
"""What becomes of a regression: somebody is told, or the release is rolled back as well."""

LookOutcome: TypeAlias = Literal["first", "steady", "regression", "failed"]
"""`first` has nothing to be compared with yet. `failed` tells nothing of the assistant: too little of it could be measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """By which suite an assistant is evaluated each night.

    Attributes:
        text: the suite, as YAML; its cases are a golden set's.
        runner: the login in whose name cases are asked that name nobody.
        at_minute: of the tenant's day, from 0 to 1439.
        next_at: when it is due.
    """

    assistant_id: uuid.UUID
    suite: str
    suite_digest: bytes
    text: str
    runner: str
    at_minute: int
    policy: Policy
    next_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """What one evaluation of what serves measured.

    Attributes:
        release_id: of the release that answered.
        series: what was asked of whom, as a digest in hexadecimal: nights of one series may be put together.
        suite_digest: of the suite with its cases, 32 bytes.
        stale: items whose source documents have changed since they were written, by id, and why: they are not compared.
        hard_zero: metrics of which one hit is a regression, whatever the suite says.
        trouble: why the run is not whole; empty where it is.
    """

    run_id: uuid.UUID
    release_id: uuid.UUID
    series: str
    suite_digest: bytes
    measured: Sequence[Measured]
    stale: Mapping[str, str] = field(default_factory=dict)
    hard_zero: tuple[str, ...] = ()
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The run that a night is compared with, and the release that answered there."""

    run_id: uuid.UUID
    release_id: uuid.UUID
    measured: Sequence[Measured]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a night says beside its baseline.

    Attributes:
        figures: by metric: `mean`, `baseline`, `difference`, `high` (the upper limit that holds over all nights), `margin`, `pairs`.
        reason: why it is so, in a sentence; empty where there is nothing to tell.
    """

    outcome: LookOutcome
    figures: Mapping[str, Mapping[str, Any]]
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A night as it is kept.

    Attributes:
        stale: how many items were left out.
        cases: how many were compared.
        rolled_back_to: the release that serves instead; None where nothing was rolled back.
        alarm_at: when somebody is to be told; None when they were, or there is nothing to tell.
    """

    id: uuid.UUID
    assistant_id: uuid.UUID
    release_id: uuid.UUID | None
    run_id: uuid.UUID | None
    series: str
    baseline_run_id: uuid.UUID | None
    outcome: LookOutcome
    stale: int
    cases: int
    figures: Mapping[str, Any]
    reason: str
    rolled_back_to: uuid.UUID | None
    alarm_at: datetime | None
    alarm_attempts: int
    created_at: datetime

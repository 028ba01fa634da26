"""Records of runs. Frozen, without behaviour."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from ondol.application.evaluation.types import Better, CaseResult, Turn, Unit

State: TypeAlias = Literal["waiting", "running", "stopped", "finished", "failed"]
"""`stopped` is a run that its cost cap, or its user, ended early: it can go on."""
Outcome: TypeAlias = Literal["PASS", "FAIL", "INCONCLUSIVE"]

EXIT_STATUS: Mapping[Outcome, int] = {"PASS": 0, "FAIL": 100, "INCONCLUSIVE": 101}
"""What a command ends with; 1 stands for an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDigests:
    """All that the results of a run depend on; digests are SHA-256 in hexadecimal.

    Attributes:
        suite, data: of the suite, and of its cases, which it calls `data_name`.
        target: over all of `identity`, what the target said of itself: `release`, `prompt`, `model`, `index`, `guard`, ..., as many as it has.
        judges: of each scorer that asks a model, by its name.
        code, code_version: of the platform's own files.
        environment: of the interpreter and the installed packages.
    """

    suite: str
    data: str
    data_name: str
    target: str
    target_name: str
    identity: Mapping[str, str]
    judges: Mapping[str, str]
    code: str
    code_version: str
    environment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What a scorer of a suite measures."""

    name: str
    type: str
    unit: Unit
    better: Better
    is_hard_zero: bool
    version: str
    threshold: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as it is kept.

    Attributes:
        cases, repeats: so many are to be asked, so often each.
        done: results that are stored.
        reasons: why the outcome is so, in sentences that quote nobody.
        results_digest: over the digests of all results in their order, 32 bytes; None until it ended.
        is_queued: a job worker carries it out; it can be stopped and taken up again over the API.
        wants_stop: somebody asked for its end.
    """

    id: uuid.UUID
    suite_name: str
    suite_digest: bytes
    state: State
    outcome: Outcome | None
    reasons: tuple[str, ...]
    cases: int
    repeats: int
    done: int
    digests: RunDigests
    metrics: tuple[Metric, ...]
    results_digest: bytes | None
    owner_id: uuid.UUID | None
    created_by: uuid.UUID | None
    created_at: datetime
    ended_at: datetime | None
    is_queued: bool = False
    wants_stop: bool = False

    @property
    def total(self) -> int:
        """Results that there are when everything was asked."""
        return self.cases * self.repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A result with what was asked, as it is kept.

    Attributes:
        place: of the case in its suite, from 0.
        turns, expected: of the case.
        person_id: in whose name it was asked; None for nobody.
        document_ids: of documents whose words may stand in the answer.
        is_erased: the content is gone; the figures stand.
        digest: of content and figures as they were stored, 32 bytes; empty before that.
    """

    place: int
    result: CaseResult
    turns: tuple[Turn, ...] = ()
    expected: tuple[str, ...] = ()
    person_id: uuid.UUID | None = None
    document_ids: frozenset[uuid.UUID] = field(default_factory=frozenset)
    is_erased: bool = False
    digest: bytes = b""

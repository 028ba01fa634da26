"""Records of verdicts: what was evaluated, and what came of it. Frozen, without behaviour."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

Outcome: TypeAlias = Literal["PASS", "FAIL", "INCONCLUSIVE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """All that a result depends on, as digests of 32 bytes.

    Attributes:
        suite: of the suite, whose name is `suite_name`: scorers, thresholds and rules are in it.
        data: of the cases that were asked; `data_name` is what the suite calls them, such as ``refunds@3``.
        target: of what was asked, whose name is `target_name`; for an assistant the digest of the release's manifest.
        parts: `prompt`, `model`, `route`, `guard`, `index/ID`, `judge/NAME`, as many as there are.
        code: of the platform's own files; `code_version` is its version.
        environment: of the interpreter and the installed packages.
    """

    suite_name: str
    suite: bytes
    data_name: str
    data: bytes
    target_name: str
    target: bytes
    code_version: str
    code: bytes
    environment: bytes
    parts: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What one metric came to.

    Attributes:
        value: its mean over the cases that have one; None where none has.
        low, high: of the interval of the difference to the baseline, or of the value where there is no baseline.
        baseline: the mean of what it is compared with.
        margin: what it may be worse by, or for `threshold` the least that it must be.
        sample_size: cases with a value, of `total`.
    """

    metric: str
    rule: Literal["non_inferior", "threshold", "hard_zero", "coverage", "told"]
    passed: bool | None
    value: float | None
    low: float | None
    high: float | None
    baseline: float | None
    margin: float | None
    sample_size: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What an evaluation came to, to be signed.

    Attributes:
        assistant_id, release_id: of what was asked, where it was an assistant.
        run_id: the run whose answers were scored; `results` is the digest over them, 32 bytes.
        baseline_run_id, baseline: the run that it is compared with, and the digest of what that one asked; None where there is none.
        reasons: why it is so, in sentences that quote nobody.
        parents: artefacts of the lineage that it was evaluated on: the release, index versions, a golden set.
    """

    outcome: Outcome
    inputs: Inputs
    figures: tuple[Figure, ...]
    reasons: tuple[str, ...]
    run_id: uuid.UUID
    results: bytes
    evaluated_at: datetime
    assistant_id: uuid.UUID | None = None
    release_id: uuid.UUID | None = None
    baseline_run_id: uuid.UUID | None = None
    baseline: bytes | None = None
    parents: tuple[uuid.UUID, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A signed verdict as it is kept.

    Attributes:
        envelope: JSON of the DSSE envelope, as it was signed.
        statement_digest: SHA-256 of the envelope's payload, which the ledger's event of the same id names.
        signer: the id of the key.
    """

    id: uuid.UUID
    outcome: Outcome
    suite: str
    suite_digest: bytes
    target: str
    target_digest: bytes
    assistant_id: uuid.UUID | None
    release_id: uuid.UUID | None
    run_id: uuid.UUID
    envelope: bytes
    statement_digest: bytes
    signer: str
    created_by: uuid.UUID | None
    created_at: datetime

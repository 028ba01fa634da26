"""The statement that is signed: an in-toto Statement, version 1, whose subject is what was evaluated.

Its predicate says how, and what came of it, in the names of in-toto's proposed `eval-result` (pull request 575 of its repository) where that has one:
`harness`, `metric`, `comparator`, `threshold`, `passed`, `sampleSize`, `assuranceLevel`. It holds no fractions: numbers that may have one are
strings in the shortest form that reads back the same.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec

from ondol.application.evaluation.verdicts.types import Figure, Finding, Outcome
from ondol.core.canonical import Json, canonical_json
from ondol.core.errors import LedgerBroken

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "urn:ondol:evaluation-verdict:v1"

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", min_length=64, max_length=64)]
RESULTS: dict[Outcome, Literal["PASSED", "FAILED", "INCONCLUSIVE"]] = {"PASS": "PASSED", "FAIL": "FAILED", "INCONCLUSIVE": "INCONCLUSIVE"}
Comparator = Literal["non_inferior", "threshold", "hard_zero", "coverage", "told"]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What every part of a statement is: immutable, its names as JSON has them, nothing beside them."""


class DigestSet(_Part, frozen=True):
    """SHA-256 in hexadecimal."""

    sha256: Sha256


class Resource(_Part, frozen=True):
    """Something by its name and its digest: a resource descriptor of in-toto."""

    name: str
    digest: DigestSet


class Harness(_Part, frozen=True):
    """What evaluated: the platform, its version, and the digest of its files."""

    name: str
    version: str
    digest: DigestSet


class Claim(_Part, frozen=True):
    """What one metric came to, and whether it is what it had to be; `passed` is null where it had to be nothing, or nobody can tell yet."""

    metric: str
    comparator: Comparator
    threshold: str | None
    value: str | None
    low: str | None
    high: str | None
    baseline: str | None
    passed: bool | None
    sample_size: int
    total: int


class Run(_Part, frozen=True):
    """The run that was scored, by its id and the digest over its results."""

    id: uuid.UUID
    digest: DigestSet


class Baseline(_Part, frozen=True):
    """What it is compared with: the run, and the digest of what that run asked."""

    run: uuid.UUID
    digest: DigestSet


class Predicate(_Part, frozen=True):
    """How it was evaluated, and what came of it."""

    verdict: uuid.UUID
    tenant: uuid.UUID
    harness: Harness
    environment: DigestSet
    suite: Resource
    data: Resource
    configuration: list[Resource]
    run: Run
    baseline: Baseline | None
    result: Literal["PASSED", "FAILED", "INCONCLUSIVE"]
    passed: bool
    claims: list[Claim]
    reasons: list[str]
    assurance_level: Literal["self_attested"]
    evaluated_on: datetime
    issued_on: datetime


class Statement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole statement."""

    type: Literal["https://in-toto.io/Statement/v1"] = msgspec.field(name="_type")
    subject: Annotated[list[Resource], msgspec.Meta(min_length=1, max_length=1)]
    predicate_type: Literal["urn:ondol:evaluation-verdict:v1"] = msgspec.field(name="predicateType")
    predicate: Predicate


def statement_of(verdict_id: uuid.UUID, tenant_id: uuid.UUID, finding: Finding, now: datetime) -> Statement:
    """The statement of what an evaluation came to."""
    inputs = finding.inputs
    baseline = None
    if finding.baseline is not None and finding.baseline_run_id is not None:
        baseline = Baseline(run=finding.baseline_run_id, digest=_digest(finding.baseline))
    predicate = Predicate(
        verdict=verdict_id,
        tenant=tenant_id,
        harness=Harness(name="ondol", version=inputs.code_version, digest=_digest(inputs.code)),
        environment=_digest(inputs.environment),
        suite=Resource(name=inputs.suite_name, digest=_digest(inputs.suite)),
        data=Resource(name=inputs.data_name, digest=_digest(inputs.data)),
        configuration=[Resource(name=name, digest=_digest(inputs.parts[name])) for name in sorted(inputs.parts)],
        run=Run(id=finding.run_id, digest=_digest(finding.results)),
        baseline=baseline,
        result=RESULTS[finding.outcome],
        passed=finding.outcome == "PASS",
        claims=[_claim(figure) for figure in finding.figures],
        reasons=list(finding.reasons),
        assurance_level="self_attested",
        evaluated_on=finding.evaluated_at,
        issued_on=now,
    )
    return Statement(
        type=STATEMENT_TYPE,
        subject=[Resource(name=inputs.target_name, digest=_digest(inputs.target))],
        predicate_type=PREDICATE_TYPE,
        predicate=predicate,
    )


def statement_bytes(statement: Statement) -> bytes:
    """Its canonical JSON, which is signed."""
    plain: dict[str, Json] = msgspec.to_builtins(statement, builtin_types=(datetime, uuid.UUID))
    return canonical_json(plain)


def parse_statement(payload: bytes) -> Statement:
    """The statement that a payload holds.

    Raises:
        LedgerBroken: when it is none of this form, or not written in its canonical form.
    """
    try:
        statement = msgspec.json.decode(payload, type=Statement)
        written = statement_bytes(statement)
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        raise LedgerBroken(f"The payload is no verdict: {error}.") from error
    if written != payload:
        raise LedgerBroken("The verdict is not written in its canonical form.")
    if statement.predicate.passed != (statement.predicate.result == "PASSED"):
        raise LedgerBroken("The verdict says both that it passed and that it did not.")
    return statement


def statement_schema() -> dict[str, Any]:
    """JSON Schema of the statement."""
    return msgspec.json.schema(Statement)


def _claim(figure: Figure) -> Claim:
    return Claim(
        metric=figure.metric,
        comparator=figure.rule,
        threshold=_number(figure.margin),
        value=_number(figure.value),
        low=_number(figure.low),
        high=_number(figure.high),
        baseline=_number(figure.baseline),
        passed=figure.passed,
        sample_size=figure.sample_size,
        total=figure.total,
    )


def _number(value: float | None) -> str | None:
    return None if value is None else repr(float(value))


def _digest(digest: bytes) -> DigestSet:
    return DigestSet(sha256=digest.hex())

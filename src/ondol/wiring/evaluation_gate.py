"""The gate, joined with the platform: both sides of a suite are found among the runs that there are, or run, and decided about."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ondol.application.evaluation.gate import Decision, decide, rules_of
from ondol.application.evaluation.gate.plan import plan
from ondol.application.evaluation.runs import Progress, Run, carry_out, cases_of_run, get_run, list_runs, measured, suite_of
from ondol.application.evaluation.suites import Suite
from ondol.application.evaluation.suites.read import target_from
from ondol.application.evaluation.types import Measured
from ondol.core.errors import Conflict, NotFound, RequestError
from ondol.infrastructure.storage.postgres import Connection
from ondol.wiring.evaluating import EvaluationRoom
from ondol.wiring.evaluation import digest_of_suite
from ondol.wiring.evaluation_runs import Prepared, begin, prepare, running_of
from ondol.wiring.platform import Platform

RUNS_LOOKED_AT_MAX = 200
"""Of the newest runs of a suite, when one is looked for that need not be run again."""

SideName: TypeAlias = Literal["baseline", "candidate"]
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a comparison as it is named on the command line.

    Attributes:
        chosen: what is asked instead of the suite's target, as `ondol eval run` takes it.
        run_id: a run that there is.
    """

    chosen: Mapping[str, str]
    run_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gated:
    """What the gate decided, and the runs that it goes by; no baseline on the first release."""

    decision: Decision
    suite: Suite
    candidate: Run
    baseline: Run | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How a suite is asked.

    Attributes:
        path: of the suite.
        fresh: ask anew, whatever was asked before.
        tell: takes a line for people; report: takes where a run stands.
    """

    room: EvaluationRoom
    suite: Suite
    path: Path
    fresh: bool
    tell: Tell
    report: Callable[[Progress], None]


def side_of(text: str, suite: Suite, name: SideName) -> Side | None:
    """What is meant by `live`, `candidate`, a release's number, KIND=NAME, a run's id, or `none` for a baseline.

    Raises:
        RequestError: when it is none of these, or a release of something that has none.
    """
    if text == "none" and name == "baseline":
        return None
    if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text):
        return Side(chosen={}, run_id=uuid.UUID(text))
    if "=" in text:
        kind, _, target = text.partition("=")
        target_from({kind: target})
        return Side(chosen={"target": text})
    if text in {"live", "candidate"} or (text.isascii() and text.isdecimal() and len(text) < 10):
        if suite.target.kind != "assistant":
            hint = f"Name what is asked, such as --{name} route=small, or a run."
            raise RequestError(f"--{name} {text}: only assistants have releases, and the suite asks a {suite.target.kind}.", hint, param=name)
        return Side(chosen={"release": text})
    raise RequestError(
        f"--{name} {text[:60]!r} names nothing that can be asked.",
        "Give live, candidate, the number of a release, KIND=NAME, or the id of a run.",
        param=name,
    )


async def gate(asked: Asked, baseline: Side | None, candidate: Side) -> Gated:
    """Run what was not run yet, then decide.

    Raises:
        RequestError: when the two cannot be compared.
        Conflict: when a run was made with another version of the suite: rules and cases stand before the run.
    """
    before = None if baseline is None else await _run_of(asked, baseline)
    zeros: list[str] = []
    measured_before: list[Measured] | None = None
    if before is not None:
        zeros = [metric.name for metric in before.metrics if metric.is_hard_zero]
        measured_before = await measured_of(asked.room.platform, asked.room.tenant.id, before)
        for line in plan(measured_before, rules_of(asked.suite, zeros)):
            asked.tell(line)
    after = await _run_of(asked, candidate)
    if before is not None:
        must_be_scored_alike(before, after)
    rules = rules_of(asked.suite, [metric.name for metric in after.metrics if metric.is_hard_zero])
    decision = decide(measured_before, await measured_of(asked.room.platform, asked.room.tenant.id, after), rules, asked.suite.seed)
    return Gated(decision=decision, suite=asked.suite, candidate=after, baseline=before)


async def measured_of(platform: Platform, tenant_id: uuid.UUID, run: Run) -> list[Measured]:
    """The metrics of a run; what was not asked counts as skipped."""
    not_asked = -(-(run.total - run.done) // run.repeats)
    return await measured(cases_of_run(platform.database, platform.keyring, tenant_id, run.id), run.metrics, not_asked)


def must_be_scored_alike(baseline: Run, candidate: Run) -> None:
    """Two runs that are compared asked the same cases, and every metric that both have was scored by the same rule and the same judge.

    Raises:
        Conflict: when they did not.
    """
    hint = "Run both anew: ondol eval gate --fresh, or ondol eval run."
    if baseline.digests.data != candidate.digests.data:
        raise Conflict("The two runs asked different cases, and only pairs are compared.", "Run both over the same suite.", code="not_paired")
    known = {metric.name: metric for metric in baseline.metrics}
    for metric in candidate.metrics:
        other = known.get(metric.name, metric)
        if (other.type, other.version) != (metric.type, metric.version):
            raise Conflict(f"{metric.name} was scored by another version of its rule in the two runs.", hint, code="not_paired")
        if metric.name in known and baseline.digests.judges.get(metric.name) != candidate.digests.judges.get(metric.name):
            raise Conflict(f"{metric.name} was judged by another judge in the two runs.", hint, code="not_paired")


async def _run_of(asked: Asked, side: Side) -> Run:
    if side.run_id is not None:
        return await _given(asked, side.run_id)
    suite = _with_target(asked.suite, side.chosen)
    prepared = await prepare(asked.room, suite, environment=os.environ, folder=asked.path.parent)
    try:
        known = None if asked.fresh else await _known(prepared)
        if known is not None and known.state == "finished":
            asked.tell(f"{known.digests.target_name}: run {known.id} has it.")
            return known
        return await _carried_out(asked, prepared, side, known)
    finally:
        await prepared.target.close()


async def _given(asked: Asked, run_id: uuid.UUID) -> Run:
    async with asked.room.platform.database.tenant_tx(asked.room.tenant.id) as connection:
        run = await get_run(connection, run_id)
        wanted = await digest_of_suite(asked.room.platform, connection, asked.suite)
    if run.suite_digest != wanted:
        raise Conflict(
            f"Run {run.id} was made with another version of the suite ({run.digests.suite[:12]}; this one is {wanted.hex()[:12]}).",
            "Rules and cases stand before the run: run it anew, without naming a run.",
            code="suite_changed",
        )
    return run


async def _known(prepared: Prepared) -> Run | None:
    """The newest run in which the same person asked the same of the same, whether it ended or can go on."""
    room = prepared.room
    async with room.platform.database.tenant_tx(room.tenant.id) as connection:
        for run in await list_runs(connection, suite=prepared.suite.card.name, limit=RUNS_LOOKED_AT_MAX):
            if run.digests == prepared.digests and run.state in {"finished", "stopped"} and await _asked_by(room, connection, run) == room.runner:
                return run
    return None


async def _asked_by(room: EvaluationRoom, connection: Connection, run: Run) -> str | None:
    """The login of whoever asked where a case named nobody; None where that is not known any more."""
    try:
        source = await suite_of(connection, room.platform.keyring, room.tenant.id, run.id)
    except NotFound:
        return None
    login = source.get("chosen", {}).get("login")
    return login if isinstance(login, str) else None


async def _carried_out(asked: Asked, prepared: Prepared, side: Side, known: Run | None) -> Run:
    platform, tenant = asked.room.platform, asked.room.tenant
    source: dict[str, Any] = {"path": str(asked.path.absolute()), "chosen": {"login": asked.room.runner, **side.chosen}}
    run_id = known.id if known is not None else await begin(prepared, source, None)
    asked.tell(f"{prepared.digests.target_name}: run {run_id}")
    await carry_out(await running_of(prepared, run_id, asked.report))
    async with platform.database.tenant_tx(tenant.id) as connection:
        return await get_run(connection, run_id)


def _with_target(suite: Suite, chosen: Mapping[str, str]) -> Suite:
    target = suite.target
    if "target" in chosen:
        kind, _, name = chosen["target"].partition("=")
        target = target_from({kind: name})
    if "release" in chosen:
        target = replace(target, settings={**target.settings, "release": chosen["release"]})
    return replace(suite, target=target)

"""What the gate decided becomes a signed verdict, over exactly what was asked; not if that is something else by now."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Mapping

from ondol.application.assistant.store import find_assistant
from ondol.application.evaluation.gate import Decision
from ondol.application.evaluation.runs import Run
from ondol.application.evaluation.verdicts import Figure, Finding, Inputs, Outcome, Verdict, served_parts, sign_finding
from ondol.core.errors import Conflict
from ondol.infrastructure.ledger import LedgerSigner
from ondol.infrastructure.releases import Release, find_release
from ondol.infrastructure.storage.postgres import Connection
from ondol.wiring.evaluating import EvaluationRoom
from ondol.wiring.evaluation_gate import Gated

PASSED: Mapping[Outcome, bool | None] = {"PASS": True, "FAIL": False, "INCONCLUSIVE": None}


async def sign_gated(room: EvaluationRoom, gated: Gated, by: uuid.UUID | None = None) -> Verdict:
    """Sign what the gate decided.

    Raises:
        Conflict: when the release, its prompt, model, index or guard policy is not what was asked any more, or not everything was asked.
    """
    platform, tenant, run = room.platform, room.tenant, gated.candidate
    if run.results_digest is None or run.ended_at is None:
        raise Conflict(f"Run {run.id} has not ended, so there is nothing to sign.", "Go on with it: ondol eval run --resume.", code="run_open")
    await _must_be_the_same(room, run)
    signer = await asyncio.to_thread(LedgerSigner.open_or_create, platform.folder.ledger_key)
    async with platform.database.tenant_tx(tenant.id) as connection:
        release = await _release_of(connection, run)
        parts = _parts_of(run) if release is None else await served_parts(connection, tenant.id, release, platform.clock())
        found = Finding(
            outcome=gated.decision.outcome,
            inputs=_inputs(gated, release, parts),
            figures=figures_of(gated.decision),
            reasons=gated.decision.reasons,
            run_id=run.id,
            results=run.results_digest,
            evaluated_at=run.ended_at,
            assistant_id=release.assistant_id if release else None,
            release_id=release.id if release else None,
            baseline_run_id=gated.baseline.id if gated.baseline else None,
            baseline=_target_of(gated.baseline) if gated.baseline else None,
            parents=(release.id, *_indexes(parts)) if release else (),
        )
        return await sign_finding(connection, signer, tenant.id, found, platform.clock(), actor_id=by)


def figures_of(decision: Decision) -> tuple[Figure, ...]:
    """Every figure that a decision rests on, and those that decided nothing."""
    primary = [
        Figure(
            metric=each.metric, rule="non_inferior", passed=PASSED[each.outcome or "INCONCLUSIVE"], value=each.candidate, low=each.low,
            high=each.high, baseline=each.baseline, margin=each.margin, sample_size=each.pairs, total=each.of,
        )
        for each in decision.primary
    ]  # fmt: skip
    zeros = [
        Figure(
            metric=each.metric, rule="hard_zero", passed=PASSED[each.outcome], value=float(each.hits), low=None, high=None, baseline=None,
            margin=None, sample_size=each.looked, total=each.of,
        )
        for each in decision.hard_zeros
    ]  # fmt: skip
    thresholds = [
        Figure(
            metric=each.metric, rule="threshold", passed=PASSED[each.outcome], value=each.value, low=each.low, high=each.high, baseline=None,
            margin=each.wanted, sample_size=each.looked, total=each.of,
        )
        for each in decision.thresholds
    ]  # fmt: skip
    told = [
        Figure(
            metric=each.metric, rule="told", passed=None, value=each.candidate, low=each.low, high=each.high, baseline=each.baseline, margin=None,
            sample_size=each.pairs, total=each.of,
        )
        for each in decision.secondary
    ]  # fmt: skip
    return (*primary, *zeros, *thresholds, *told)


async def _must_be_the_same(room: EvaluationRoom, run: Run) -> None:
    """A release may follow an index or a policy that has changed since it was asked."""
    asked = run.digests.identity
    if "release_number" not in asked:
        return
    now = await room.identity("assistant", f"{asked['assistant']}@{asked['release_number']}")
    changed = [name for name in asked if now.get(name) != asked[name]]
    if changed:
        raise Conflict(
            f"{run.digests.target_name} is not what run {run.id} asked: its {', '.join(changed)} changed.",
            "Evaluate it as it is now: the same command asks anew.",
            code="target_changed",
        )


async def _release_of(connection: Connection, run: Run) -> Release | None:
    asked = run.digests.identity
    if "release_number" not in asked:
        return None
    assistant = await find_assistant(connection, asked["assistant"])
    return await find_release(connection, assistant.id, asked["release_number"])


def _inputs(gated: Gated, release: Release | None, parts: Mapping[str, bytes]) -> Inputs:
    run = gated.candidate
    judges = {f"judge/{name}": bytes.fromhex(judge) for name, judge in run.digests.judges.items()}
    return Inputs(
        suite_name=run.suite_name,
        suite=run.suite_digest,
        data_name=run.digests.data_name,
        data=bytes.fromhex(run.digests.data),
        target_name=run.digests.target_name,
        target=release.digest if release else _target_of(run),
        code_version=run.digests.code_version,
        code=bytes.fromhex(run.digests.code),
        environment=bytes.fromhex(run.digests.environment),
        parts={**parts, **judges},
    )


def _indexes(parts: Mapping[str, bytes]) -> list[uuid.UUID]:
    """The index versions that a release answers from."""
    return [uuid.UUID(name.partition("/")[2]) for name in parts if name.startswith("index/")]


def _target_of(run: Run) -> bytes:
    """What was asked: the digest of the release's manifest where it was one."""
    return bytes.fromhex(run.digests.identity.get("release", run.digests.target))


def _parts_of(run: Run) -> dict[str, bytes]:
    """What a target that is no release said of itself by digest."""
    return {name: bytes.fromhex(value) for name, value in run.digests.identity.items() if re.fullmatch("[0-9a-f]{64}", value)}

"""One night: what serves is evaluated, compared with when it was well, and rolled back where the plan says so.

Nights that asked the same of the same release with the same index, prompt, model and policy are one series. A series is compared with the last night
before it that was not a regression, so what came with a change shows at the first look; one that has nothing before it is compared with its own first
night, so what creeps in without a change shows as well. Only a change that came with a release can be undone by going back, so only that is.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ondol.application.evaluation.gate import Rules
from ondol.application.evaluation.nightly.compare import compare_nights, compared_cases
from ondol.application.evaluation.nightly.store import add_look, list_looks
from ondol.application.evaluation.nightly.types import Baseline, Found, Look, Night, Plan
from ondol.application.evaluation.types import Measured
from ondol.core.canonical import Json
from ondol.core.clock import Clock
from ondol.core.errors import Conflict, OndolError
from ondol.core.ids import new_id
from ondol.infrastructure.ledger import record
from ondol.infrastructure.releases import Why, hold_assistant, roll_back
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection, Database

NIGHTS_MAX = 60
"""Nights of a series that are put together; older ones are left out."""
BACK_MAX = 10
"""Releases that are gone back through to reach the one that was well."""


@dataclass(frozen=True, slots=True)
class NightlyRoom:
    """What a night works with.

    Attributes:
        evaluate: asks the suite of a plan of what serves. It raises `OndolError` where that cannot be done.
        rules_of: of a plan's suite.
        measured_of: what an earlier run measured, and the digest of its suite with its cases; None where its results are gone.
    """

    database: Database
    keyring: KeyRing
    clock: Clock
    evaluate: Callable[[uuid.UUID, Plan], Awaitable[Night]]
    rules_of: Callable[[Plan], Rules]
    measured_of: Callable[[uuid.UUID, uuid.UUID], Awaitable[tuple[Sequence[Measured], bytes] | None]]


async def look_at(room: NightlyRoom, tenant_id: uuid.UUID, plan: Plan) -> Look:
    """Evaluate what an assistant serves, and keep what was found; whoever is to be told is told by `alarms.give_alarms`."""
    async with room.database.tenant_tx(tenant_id) as connection:
        earlier = await list_looks(connection, plan.assistant_id)
    try:
        night = await room.evaluate(tenant_id, plan)
    except OndolError as error:
        return await _keep(room, tenant_id, plan, earlier, None, None, Found(outcome="failed", figures={}, reason=error.message[:500]))
    series = [look for look in _tail(earlier, night.series) if look.run_id is not None and look.outcome != "failed"]
    baseline = await _baseline(room, tenant_id, earlier, series, night)
    nights = [*await _nights(room, tenant_id, series, night, baseline), night]
    found = compare_nights(nights, baseline, room.rules_of(plan))
    return await _keep(room, tenant_id, plan, earlier, night, baseline, found)


def _tail(earlier: Sequence[Look], series: str) -> list[Look]:
    """The newest looks, as long as they are of one series; the newest first. Nights that told nothing do not end it."""
    tail: list[Look] = []
    for look in earlier:
        if look.series != series and look.outcome != "failed":
            break
        tail.append(look)
    return [look for look in tail if look.series == series][:NIGHTS_MAX]


async def _baseline(room: NightlyRoom, tenant_id: uuid.UUID, earlier: Sequence[Look], series: Sequence[Look], night: Night) -> Baseline | None:
    """What a night is compared with: what its series is compared with already, else the last one before it that was well."""
    known = {look.run_id: look for look in earlier if look.run_id is not None}
    chosen = [known[look.baseline_run_id] for look in series if look.baseline_run_id in known]
    well = [look for look in earlier if look.outcome in ("first", "steady") and look.run_id is not None]
    for look in [*chosen[:1], *well]:
        if look.run_id is None or look.release_id is None:
            continue
        kept = await room.measured_of(tenant_id, look.run_id)
        if kept is not None and kept[1] == night.suite_digest:
            return Baseline(run_id=look.run_id, release_id=look.release_id, measured=kept[0])
    return None


async def _nights(room: NightlyRoom, tenant_id: uuid.UUID, series: Sequence[Look], night: Night, baseline: Baseline | None) -> list[Night]:
    """The nights of the series before this one, the oldest first, without the one that is the baseline itself."""
    nights: list[Night] = []
    for look in reversed(series):
        if look.run_id is None or look.release_id is None or baseline is None or look.run_id == baseline.run_id:
            continue
        kept = await room.measured_of(tenant_id, look.run_id)
        if kept is not None and kept[1] == night.suite_digest:
            nights.append(
                Night(run_id=look.run_id, release_id=look.release_id, series=look.series, suite_digest=kept[1], measured=kept[0], stale=night.stale)
            )
    return nights


async def _keep(
    room: NightlyRoom, tenant_id: uuid.UUID, plan: Plan, earlier: Sequence[Look], night: Night | None, baseline: Baseline | None, found: Found
) -> Look:
    """Write the look, and go back where that is the plan and of use: all in one transaction."""
    now, look_id = room.clock(), new_id()
    async with room.database.tenant_tx(tenant_id) as connection:
        back: uuid.UUID | None = None
        reason = found.reason
        if found.outcome == "regression" and night is not None:
            back, said = await _go_back(room, connection, tenant_id, plan, night, baseline, reason, now)
            reason = f"{reason} {said}".strip()[:500]
        look = Look(
            id=look_id,
            assistant_id=plan.assistant_id,
            release_id=night.release_id if night is not None else None,
            run_id=night.run_id if night is not None else None,
            series=night.series if night is not None else "0" * 64,
            baseline_run_id=baseline.run_id if baseline is not None else None,
            outcome=found.outcome,
            stale=len(night.stale) if night is not None else 0,
            cases=compared_cases(found),
            figures=found.figures,
            reason=reason,
            rolled_back_to=back,
            alarm_at=now if _is_news(earlier, found, len(night.stale) if night is not None else 0, back) else None,
            alarm_attempts=0,
            created_at=now,
        )
        await add_look(connection, tenant_id, look)
        await _tell_ledger(connection, tenant_id, look, now)
    return look


def _is_news(earlier: Sequence[Look], found: Found, stale: int, back: uuid.UUID | None) -> bool:
    """Whether somebody has to be told: of a regression, a night that told nothing, or stale items, when it is not as it was the night before."""
    before = earlier[0] if earlier else None
    if back is not None:
        return True
    if found.outcome in ("regression", "failed") and (before is None or before.outcome != found.outcome):
        return True
    return stale > 0 and (before is None or before.stale != stale)


async def _go_back(
    room: NightlyRoom,
    connection: Connection,
    tenant_id: uuid.UUID,
    plan: Plan,
    night: Night,
    baseline: Baseline | None,
    reason: str,
    now: datetime,
) -> tuple[uuid.UUID | None, str]:
    """Let the release serve again that was well, if the plan says so and it is the release that has changed; and why not, in a sentence."""
    if plan.policy != "rollback":
        return None, ""
    if baseline is None:
        return None, "Nothing is rolled back: no release was seen to be well."
    if baseline.release_id == night.release_id:
        return None, "Nothing is rolled back: the release is the one that was well, so what changed is not in it."
    held = await hold_assistant(connection, plan.assistant_id)
    if held["live_release_id"] != night.release_id:
        return None, "Nothing is rolled back: another release was let live meanwhile."
    why = Why("incident", f"Nightly evaluation: {reason}"[:1_000])
    try:
        async with connection.transaction():
            for _ in range(BACK_MAX):
                moved = await roll_back(connection, room.keyring, tenant_id, plan.assistant_id, why, now)
                if moved.id == baseline.release_id:
                    return moved.id, f"Rolled back to release {moved.number}."
            raise Conflict("It is too far back.")
    except Conflict:
        return None, "Nothing is rolled back: the release that was well is not among those that served before."


async def _tell_ledger(connection: Connection, tenant_id: uuid.UUID, look: Look, now: datetime) -> None:
    body: dict[str, Json] = {
        "look": look.id,
        "assistant": look.assistant_id,
        "release": look.release_id,
        "run": look.run_id,
        "baseline": look.baseline_run_id,
        "outcome": look.outcome,
        "stale": look.stale,
        "rolled_back_to": look.rolled_back_to,
    }
    kind = "nightly.regression" if look.outcome == "regression" else "nightly.looked"
    await record(connection, tenant_id, kind=kind, actor_id=None, body=body, now=now)

"""Attacks that got through, as incidents of the guard: people see them with all others, propose a policy, measure it on traffic, and close them."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import datetime

from ondol.application.evaluation.red_team.suite import METRIC
from ondol.application.evaluation.runs import Kept, Run
from ondol.infrastructure.guard.defaults import default_policy
from ondol.infrastructure.guard.incidents import Case, open_incident
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database

REPORTED_MAX = 1_000
_DIGEST_BYTES = 32


async def report_incidents(
    database: Database, keyring: KeyRing, tenant_id: uuid.UUID, run: Run, results: AsyncIterator[Kept], now: datetime
) -> dict[uuid.UUID, int]:
    """Open an incident for each scenario that got through, its disguises counted in it.

    The incident has the rule `red_team.CATEGORY.SCENARIO`, the policy that was in force, and what the attacker said last as its sample. At most
    `REPORTED_MAX` attacks of a run are reported.

    Returns:
        How many attacks each incident counts from this run.
    """
    policy = _policy_of(run)
    opened: dict[uuid.UUID, int] = {}
    reported = 0
    async for kept in results:
        score = kept.result.scores.get(METRIC)
        if score is None or not score.value or reported >= REPORTED_MAX:
            continue
        reported += 1
        rule = f"red_team.{kept.result.slices.get('kind', '-')}.{kept.result.cluster}"
        case = Case(
            tenant_id=tenant_id, kind="leaked", stage="input", policy=policy, rules=(rule,), sample=kept.turns[-1].text if kept.turns else "", at=now
        )
        async with database.tenant_tx(tenant_id) as connection:
            incident, _ = await open_incident(connection, keyring, case)
        opened[incident] = opened.get(incident, 0) + 1
    return opened


def _policy_of(run: Run) -> bytes:
    """The digest over the policies in force, as the target told it; that of the built-in policy where it told none."""
    told = run.digests.identity.get("guard", "")
    try:
        found = bytes.fromhex(told)
    except ValueError:
        found = b""
    return found if len(found) == _DIGEST_BYTES else default_policy().digest

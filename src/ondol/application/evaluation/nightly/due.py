"""Which nights have come: each is taken once, whoever of several workers looks."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping

from ondol.application.evaluation.nightly.look import NightlyRoom, look_at
from ondol.application.evaluation.nightly.schedule import next_due
from ondol.application.evaluation.nightly.store import QUERIES, list_plans
from ondol.application.evaluation.nightly.types import Look, Plan
from ondol.infrastructure.storage.postgres import one, rows

DUE_MAX = 20
"""Assistants that one run of the job evaluates, one after another; the next run goes on."""

_log = logging.getLogger(__name__)


async def run_due(room: NightlyRoom, time_zones: Mapping[uuid.UUID, str]) -> list[Look]:
    """Evaluate every assistant whose night has come. One that cannot be evaluated does not hold up the others.

    Args:
        time_zones: by tenant.
    """
    async with room.database.system_tx() as connection:
        due = await rows(connection, QUERIES["plans_due"], {"now": room.clock(), "limit": DUE_MAX})
    looks = []
    for row in due:
        plan = await _claim(room, row["tenant_id"], row["assistant_id"], time_zones.get(row["tenant_id"], "UTC"))
        if plan is None:
            continue
        try:
            looks.append(await look_at(room, row["tenant_id"], plan))
        except Exception:
            # The boundary of one night: without it one assistant would keep all that come behind it from being looked at.
            _log.exception("nightly evaluation failed", extra={"assistant": str(plan.assistant_id)})
    return looks


async def _claim(room: NightlyRoom, tenant_id: uuid.UUID, assistant_id: uuid.UUID, time_zone: str) -> Plan | None:
    """Take a night, unless somebody else did."""
    async with room.database.tenant_tx(tenant_id) as connection:
        found = await list_plans(connection, room.keyring, tenant_id, assistant_id)
        if not found:
            return None
        now = room.clock()
        next_at = next_due(found[0].at_minute, time_zone, now)
        taken = await one(connection, QUERIES["plan_claim"], {"assistant_id": assistant_id, "now": now, "next_at": next_at})
    return found[0] if taken is not None else None

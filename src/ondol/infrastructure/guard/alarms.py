"""Tells people of new incidents, by webhook and by e-mail: rules, counts and a link, never a text.

An incident carries the time at which somebody is to be told. A job takes what is due, tells, and clears the time; what fails is tried again after
a growing while. So an alarm survives a restart, and is given at least once.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ondol.core.clock import Clock
from ondol.core.config import AlarmSettings
from ondol.infrastructure.guard.store import QUERIES
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.postgres import Database, one, rows
from ondol.infrastructure.telemetry.notices import AlarmFailed, Notice, tell

DUE_MAX = 100
"""Alarms given by one run of the job; the next one goes on."""
ATTEMPTS_MAX = 8
FIRST_WAIT = timedelta(seconds=10)
"""After the first failure; it doubles with each further one, up to `WAIT_MAX`."""
WAIT_MAX = timedelta(hours=1)
LEASE = timedelta(minutes=2)
"""So long another worker leaves an alarm alone that one has taken."""
OLD = timedelta(days=1)
"""Nobody is told of what is older: it waited because alarms were not set up."""
RULES_SHOWN_MAX = 20

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is told of an incident.

    Attributes:
        tenant: the tenant's slug.
        policy: digest of the policy in force, 32 bytes.
        link: where a person sees it.
    """

    id: uuid.UUID
    tenant: str
    kind: str
    stage: str
    policy: bytes
    rules: tuple[str, ...]
    count: int
    opened_at: datetime
    link: str


async def give_alarms(
    database: Database, settings: AlarmSettings, tenants: Mapping[uuid.UUID, str], link: Callable[[str, uuid.UUID], str], clock: Clock
) -> int:
    """Tell of every incident that is due; of how many somebody was told.

    Args:
        tenants: slugs by id.
        link: the address of an incident, by the tenant's slug and its id.
    """
    if not settings.webhook_url and not settings.email_to:
        return 0
    async with database.system_tx() as connection:
        due = await rows(connection, QUERIES["alarms_due"], {"now": clock(), "limit": DUE_MAX})
    told = 0
    for row in due:
        slug = tenants.get(row["tenant_id"], str(row["tenant_id"]))
        told += await _give_one(database, settings, row["tenant_id"], slug, row["id"], link(slug, row["id"]), clock)
    return told


def notice_of(alarm: Alarm) -> Notice:
    """What people and programs are told of an incident."""
    rules = ", ".join(alarm.rules[:RULES_SHOWN_MAX]) or "-"
    lines = (
        f"테넌트 / Tenant: {alarm.tenant}",
        f"종류 / Kind: {alarm.kind} ({alarm.stage})",
        f"규칙 / Rules: {rules}",
        f"건수 / Count: {alarm.count}",
        f"시각 / Since: {alarm.opened_at.isoformat(timespec='seconds')}",
        "",
        alarm.link,
    )
    body = {
        "event": "guard.incident",
        "incident": str(alarm.id),
        "tenant": alarm.tenant,
        "kind": alarm.kind,
        "stage": alarm.stage,
        "policy": alarm.policy.hex(),
        "rules": list(alarm.rules[:RULES_SHOWN_MAX]),
        "count": alarm.count,
        "opened_at": alarm.opened_at.isoformat(),
        "link": alarm.link,
    }
    return Notice(str(alarm.id), f"[Ondol] {alarm.tenant}: guard incident ({alarm.kind}, {alarm.stage})", lines, body)


async def _give_one(
    database: Database, settings: AlarmSettings, tenant_id: uuid.UUID, slug: str, incident_id: uuid.UUID, link: str, clock: Clock
) -> bool:
    now = clock()
    async with database.tenant_tx(tenant_id) as connection:
        row = await one(connection, QUERIES["alarm_claim"], {"id": incident_id, "now": now, "lease_until": now + LEASE})
    if row is None:
        return False
    attempts = row["alarm_attempts"]
    again_at: datetime | None = None
    event = "guard.alarm_given"
    if now - row["opened_at"] > OLD and attempts == 1:
        event = "guard.alarm_too_late"
    else:
        alarm = Alarm(
            row["id"], slug, row["kind"], row["stage"], bytes(row["policy_digest"]), tuple(row["rules"]), row["count"], row["opened_at"], link
        )
        try:
            await tell(settings, notice_of(alarm), now)
        except AlarmFailed as error:
            _logger.warning("alarm not given", extra={"incident": str(incident_id), "attempt": attempts, "reason": error.message})
            again_at = None if attempts >= ATTEMPTS_MAX else now + min(WAIT_MAX, FIRST_WAIT * 2 ** (attempts - 1))
            event = "guard.alarm_failed"
    async with database.tenant_tx(tenant_id) as connection:
        await connection.execute(QUERIES["alarm_settle"], {"id": incident_id, "again_at": again_at})
        if again_at is None:
            await record(connection, tenant_id, kind=event, actor_id=None, body={"incident": incident_id, "attempts": attempts}, now=clock())
    return event == "guard.alarm_given"

"""Tells people of nights that they have to know of, by webhook and by e-mail: names, counts and a link, never a text.

A look carries the time at which somebody is to be told. A job takes what is due, tells, and clears the time; what fails is tried again after a
growing while. So an alarm survives a restart, and is given at least once.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from ondol.application.assistant.store import list_assistants
from ondol.application.evaluation.nightly.store import QUERIES, look_of
from ondol.application.evaluation.nightly.types import Look
from ondol.core.canonical import Json
from ondol.core.clock import Clock
from ondol.core.config import AlarmSettings
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.postgres import Database, one, rows
from ondol.infrastructure.telemetry.notices import AlarmFailed, Notice, tell

DUE_MAX = 100
ATTEMPTS_MAX = 8
FIRST_WAIT = timedelta(seconds=10)
"""After the first failure; it doubles with each further one, up to `WAIT_MAX`."""
WAIT_MAX = timedelta(hours=1)
LEASE = timedelta(minutes=2)

_log = logging.getLogger(__name__)


async def give_nightly_alarms(
    database: Database, settings: AlarmSettings, tenants: Mapping[uuid.UUID, str], link: Callable[[str, str], str], clock: Clock
) -> int:
    """Tell of every look that is due; of how many somebody was told.

    Args:
        tenants: slugs by id.
        link: where a person sees it, by the tenant's slug and the assistant's name.
    """
    if not settings.webhook_url and not settings.email_to:
        return 0
    async with database.system_tx() as connection:
        due = await rows(connection, QUERIES["alarms_due"], {"now": clock(), "limit": DUE_MAX})
    told = 0
    for row in due:
        slug = tenants.get(row["tenant_id"], str(row["tenant_id"]))
        told += await _give_one(database, settings, row["tenant_id"], slug, row["id"], link, clock)
    return told


def notice_of(look: Look, tenant: str, assistant: str, link: str) -> Notice:
    """What people and programs are told of a look."""
    what = {"regression": "회귀 / regression", "failed": "평가 실패 / not evaluated"}.get(look.outcome, "오래된 문항 / stale items")
    lines = (
        f"테넌트 / Tenant: {tenant}",
        f"어시스턴트 / Assistant: {assistant}",
        f"결과 / Found: {what}",
        f"오래된 문항 / Stale items: {look.stale}",
        f"되돌림 / Rolled back: {'예 / yes' if look.rolled_back_to else '아니요 / no'}",
        f"시각 / At: {look.created_at.isoformat(timespec='seconds')}",
        "",
        link,
    )
    body = {
        "event": "evaluation.nightly",
        "look": str(look.id),
        "tenant": tenant,
        "assistant": assistant,
        "outcome": look.outcome,
        "stale": look.stale,
        "release": str(look.release_id) if look.release_id else None,
        "rolled_back_to": str(look.rolled_back_to) if look.rolled_back_to else None,
        "run": str(look.run_id) if look.run_id else None,
        "at": look.created_at.isoformat(),
        "link": link,
    }
    word = look.outcome if look.outcome in ("regression", "failed") else "stale items"
    return Notice(str(look.id), f"[Ondol] {tenant}: nightly evaluation of {assistant} ({word})", lines, body)


async def _give_one(
    database: Database,
    settings: AlarmSettings,
    tenant_id: uuid.UUID,
    slug: str,
    look_id: uuid.UUID,
    link: Callable[[str, str], str],
    clock: Clock,
) -> bool:
    now = clock()
    async with database.tenant_tx(tenant_id) as connection:
        row = await one(connection, QUERIES["alarm_claim"], {"id": look_id, "now": now, "lease_until": now + LEASE})
        if row is None:
            return False
        names = {each.id: each.name for each in await list_assistants(connection)}
    look = look_of(row)
    name = names.get(look.assistant_id, str(look.assistant_id))
    event, again_at = "nightly.alarm_given", None
    try:
        await tell(settings, notice_of(look, slug, name, link(slug, name)), now)
    except AlarmFailed as error:
        _log.warning("alarm not given", extra={"look": str(look_id), "attempt": look.alarm_attempts, "reason": error.message})
        again_at = _again(look.alarm_attempts, now)
        event = "nightly.alarm_failed"
    async with database.tenant_tx(tenant_id) as connection:
        await connection.execute(QUERIES["alarm_settle"], {"id": look_id, "again_at": again_at})
        if again_at is None:
            body: dict[str, Json] = {"look": look_id, "attempts": look.alarm_attempts}
            await record(connection, tenant_id, kind=event, actor_id=None, body=body, now=clock())
    return event == "nightly.alarm_given"


def _again(attempts: int, now: datetime) -> datetime | None:
    return None if attempts >= ATTEMPTS_MAX else now + min(WAIT_MAX, FIRST_WAIT * 2 ** (attempts - 1))

"""What Postgres keeps of nightly evaluations: plans, whose suite is sealed with the tenant's key, and looks."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from ondol.application.evaluation.nightly.schedule import next_due, time_text
from ondol.application.evaluation.nightly.types import Look, Plan, Policy
from ondol.core.canonical import Json
from ondol.core.errors import NotFound
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing, open_bytes, seal_bytes
from ondol.infrastructure.storage.postgres import Connection, Database, load_queries, one, rows

QUERIES = load_queries("ondol.application.evaluation.nightly")
PAGE_MAX = 500
LAST_ID = uuid.UUID(int=2**128 - 1)


async def put_plan(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    assistant_id: uuid.UUID,
    *,
    suite: str,
    text: str,
    runner: str,
    at_minute: int,
    policy: Policy,
    time_zone: str,
    now: datetime,
    by: uuid.UUID | None = None,
) -> Plan:
    """Let an assistant be evaluated each night; the plan that it had is replaced.

    Args:
        suite: its name.
        text: the suite as YAML, which `wiring` has read and found good.
        time_zone: the tenant's.
    """
    digest, next_at = hashlib.sha256(text.encode()).digest(), next_due(at_minute, time_zone, now)
    told = json.dumps({"suite": text, "as": runner}, ensure_ascii=False).encode()
    values = {
        "tenant_id": tenant_id,
        "assistant_id": assistant_id,
        "suite": suite,
        "suite_digest": digest,
        "suite_sealed": seal_bytes(keyring.get(KeyOwner.tenant(tenant_id)), told, _context(assistant_id)),
        "at_minute": at_minute,
        "policy": policy,
        "next_at": next_at,
        "by": by,
        "now": now,
    }
    await connection.execute(QUERIES["plan_put"], values)
    body: dict[str, Json] = {"assistant": assistant_id, "suite": digest, "policy": policy, "at": time_text(at_minute)}
    await record(connection, tenant_id, kind="nightly.planned", actor_id=by, body=body, now=now)
    return (await list_plans(connection, keyring, tenant_id, assistant_id))[0]


async def drop_plan(connection: Connection, tenant_id: uuid.UUID, assistant_id: uuid.UUID, now: datetime, *, by: uuid.UUID | None = None) -> None:
    """Evaluate an assistant no more; what was found stays.

    Raises:
        NotFound: when it is not evaluated each night.
    """
    if await one(connection, QUERIES["plan_drop"], {"assistant_id": assistant_id}) is None:
        raise no_plan()
    await record(connection, tenant_id, kind="nightly.dropped", actor_id=by, body={"assistant": assistant_id}, now=now)


async def get_plan(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, assistant_id: uuid.UUID) -> Plan:
    """The plan of an assistant.

    Raises:
        NotFound: when it is not evaluated each night.
    """
    found = await list_plans(connection, keyring, tenant_id, assistant_id)
    if not found:
        raise no_plan()
    return found[0]


async def list_plans(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, assistant_id: uuid.UUID | None = None) -> list[Plan]:
    """Every plan of the tenant, or that of one assistant."""
    found = await rows(connection, QUERIES["plans_all"], {"assistant_id": assistant_id})
    key = keyring.get(KeyOwner.tenant(tenant_id)) if found else None
    plans = []
    for row in found:
        assert key is not None  # noqa: S101 - there is a row
        told = json.loads(open_bytes(key, bytes(row.pop("suite_sealed")), _context(row["assistant_id"])))
        plans.append(Plan(**{**row, "suite_digest": bytes(row["suite_digest"])}, text=told["suite"], runner=told["as"]))
    return plans


async def any_night_due(database: Database, now: datetime) -> bool:
    """Whether the night of some assistant has come."""
    async with database.system_tx() as connection:
        return await one(connection, QUERIES["plans_due"], {"now": now, "limit": 1}) is not None


async def add_look(connection: Connection, tenant_id: uuid.UUID, look: Look) -> None:
    """Keep a look."""
    values: dict[str, object] = {name: getattr(look, name) for name in Look.__slots__ if name not in ("created_at", "figures", "alarm_attempts")}
    await connection.execute(QUERIES["look_add"], {**values, "tenant_id": tenant_id, "figures": Jsonb(dict(look.figures)), "now": look.created_at})


async def list_looks(connection: Connection, assistant_id: uuid.UUID, *, before: uuid.UUID = LAST_ID, limit: int = PAGE_MAX) -> list[Look]:
    """The looks at an assistant before one of them, the newest first."""
    values: dict[str, object] = {"assistant_id": assistant_id, "before": before, "limit": limit}
    return [look_of(row) for row in await rows(connection, QUERIES["looks_page"], values)]


def look_of(row: Mapping[str, Any]) -> Look:
    """The look of a row."""
    return Look(**row)


def no_plan() -> NotFound:
    """The assistant is not evaluated each night."""
    return NotFound("The assistant is not evaluated each night.", "`ondol eval nightly set ASSISTANT SUITE` begins it.", code="no_nightly_plan")


def _context(assistant_id: uuid.UUID) -> bytes:
    return b"nightly suite" + assistant_id.bytes

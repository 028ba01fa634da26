"""Plans: which assistant is attacked each night, with what, in whose name, and up to which cost."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ondol.application.evaluation.nightly.schedule import next_due, time_text
from ondol.core.canonical import Json
from ondol.core.errors import NotFound
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.postgres import Connection, Database, load_queries, one, rows

QUERIES = load_queries("ondol.application.evaluation.red_team")
DUE_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class NightPlan:
    """A plan.

    Attributes:
        person_id: in whose name the attacks are asked.
        at_minute: of the day, by the tenant's clock.
        cost_nano: the run ends there; None where nothing that is asked has a price.
        next_at: in UTC.
    """

    assistant_id: uuid.UUID
    person_id: uuid.UUID
    at_minute: int
    categories: tuple[str, ...]
    languages: tuple[str, ...]
    mutators: tuple[str, ...]
    attacks_max: int
    cost_nano: int | None
    currency: str
    next_at: datetime


async def list_plans(connection: Connection, assistant_id: uuid.UUID | None = None) -> list[NightPlan]:
    """The tenant's plans, or that of one assistant."""
    return [_plan(row) for row in await rows(connection, QUERIES["plans_all"], {"assistant_id": assistant_id})]


async def put_plan(connection: Connection, tenant_id: uuid.UUID, plan: NightPlan, time_zone: str, now: datetime) -> NightPlan:
    """Let an assistant be attacked each night; `next_at` is reckoned here."""
    values: dict[str, Any] = {name: getattr(plan, name) for name in NightPlan.__slots__} | {"tenant_id": tenant_id, "now": now}
    lists = {name: list(values[name]) for name in ("categories", "languages", "mutators")}
    await connection.execute(QUERIES["plan_put"], values | lists | {"next_at": next_due(plan.at_minute, time_zone, now)})
    body: dict[str, Json] = {"assistant": plan.assistant_id, "at": time_text(plan.at_minute), "attacks": plan.attacks_max}
    await record(connection, tenant_id, kind="red_team.planned", actor_id=plan.person_id, body=body, now=now)
    [put] = await list_plans(connection, plan.assistant_id)
    return put


async def drop_plan(connection: Connection, tenant_id: uuid.UUID, assistant_id: uuid.UUID, by: uuid.UUID, now: datetime) -> None:
    """Attack an assistant no more.

    Raises:
        NotFound: when it is not attacked each night.
    """
    if await one(connection, QUERIES["plan_drop"], {"assistant_id": assistant_id}) is None:
        raise NotFound("The assistant is not attacked each night.", code="no_red_team_plan")
    await record(connection, tenant_id, kind="red_team.plan_dropped", actor_id=by, body={"assistant": assistant_id}, now=now)


async def due_plans(database: Database, now: datetime) -> list[tuple[uuid.UUID, uuid.UUID]]:
    """Tenant and assistant of the plans whose night has come."""
    async with database.system_tx() as connection:
        found = await rows(connection, QUERIES["plans_due"], {"now": now, "limit": DUE_MAX})
    return [(row["tenant_id"], row["assistant_id"]) for row in found]


async def claim_plan(connection: Connection, assistant_id: uuid.UUID, time_zone: str, now: datetime) -> NightPlan | None:
    """Take a night, so that nobody else does; None where somebody did."""
    found = await list_plans(connection, assistant_id)
    if not found:
        return None
    values = {"assistant_id": assistant_id, "now": now, "next_at": next_due(found[0].at_minute, time_zone, now)}
    return None if await one(connection, QUERIES["plan_claim"], values) is None else found[0]


def _plan(row: dict[str, Any]) -> NightPlan:
    return NightPlan(**{**row, **{name: tuple(row[name]) for name in ("categories", "languages", "mutators")}})

"""The nightly attacks, joined with the platform: each plan whose time has come lets a run of attacks wait for a worker."""

from __future__ import annotations

import logging
import uuid
from functools import partial

from ondol.application.assistant.store import list_assistants
from ondol.application.evaluation.red_team.api import attack_tree
from ondol.application.evaluation.red_team.plans import NightPlan, claim_plan, due_plans
from ondol.core.canonical import Json
from ondol.core.errors import RequestError
from ondol.core.money import decimal_text
from ondol.infrastructure.access.people import list_tenants
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.ledger import record
from ondol.wiring.evaluation_starting import Starter
from ondol.wiring.inside import open_inside
from ondol.wiring.platform import Platform

_log = logging.getLogger(__name__)


async def begin_due_attacks(platform: Platform) -> list[uuid.UUID]:
    """Begin the runs whose night has come; their ids. One that cannot be begun is written down, and does not hold up the others."""
    zones = {tenant.id: tenant.time_zone for tenant in await list_tenants(platform.database)}
    begun = []
    for tenant_id, assistant_id in await due_plans(platform.database, platform.clock()):
        async with platform.database.tenant_tx(tenant_id) as connection:
            plan = await claim_plan(connection, assistant_id, zones.get(tenant_id, "UTC"), platform.clock())
        if plan is None:
            continue
        try:
            begun.append(await _begin(platform, tenant_id, plan))
        except RequestError as error:
            async with platform.database.tenant_tx(tenant_id) as connection:
                body: dict[str, Json] = {"assistant": assistant_id, "reason": error.code}
                await record(connection, tenant_id, kind="red_team.not_begun", actor_id=plan.person_id, body=body, now=platform.clock())
        except Exception:
            # The boundary of one night: without it one assistant would keep all that come behind it from being attacked.
            _log.exception("nightly attacks not begun", extra={"assistant": str(assistant_id)})
    return begun


async def _begin(platform: Platform, tenant_id: uuid.UUID, plan: NightPlan) -> uuid.UUID:
    async with platform.database.tenant_tx(tenant_id) as connection:
        name = next(each.name for each in await list_assistants(connection) if each.id == plan.assistant_id)
    attack = {
        "categories": plan.categories, "languages": plan.languages, "mutators": plan.mutators, "limit": plan.attacks_max, "seed": 0,
        "cost": None if plan.cost_nano is None else f"{decimal_text(plan.cost_nano)} {plan.currency}",
    }  # fmt: skip
    who = Principal(tenant_id, plan.person_id, frozenset())
    return await Starter(platform, partial(open_inside, platform)).begin(who, attack_tree("assistant", name, attack, "red team"))

"""The tenant itself: its name and time zone, and where its data lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ondol.core.canonical import Json
from ondol.core.errors import RequestError
from ondol.core.money import Currency
from ondol.infrastructure.access.people import NAME_CHARACTERS_MAX, change_tenant, own_tenant
from ondol.infrastructure.access.route_roles import READ, WRITE, Body
from ondol.infrastructure.access.types import Principal, Tenant
from ondol.infrastructure.gateway.admin_api.base import PRINTED, GatewayServices
from ondol.infrastructure.ledger import record


@dataclass(frozen=True, slots=True)
class Residency:
    """Where an installation keeps what it keeps, as far as it knows.

    Attributes:
        records: a Postgres that runs beside the platform, or one elsewhere.
        files: a folder of this machine, or an object store.
    """

    records: Literal["embedded", "external"]
    files: Literal["local", "object_store"]


@dataclass(frozen=True, slots=True)
class TenantServices(GatewayServices):
    """What the routes work with.

    Attributes:
        residency: where this installation keeps its data.
    """

    residency: Callable[[], Residency]


class ResidencyShown(BaseModel):
    """Where the data lie: Postgres beside the platform or elsewhere, and files in a folder of its machine or an object store."""

    records: Literal["embedded", "external"]
    files: Literal["local", "object_store"]


class TenantShown(BaseModel):
    """The caller's tenant. Days of budgets, reports and plans are those of `time_zone`."""

    slug: str
    name: str
    time_zone: str
    currency: Currency
    residency: ResidencyShown


class TenantChange(Body):
    """What becomes different; what is absent stays."""

    name: str | None = Field(default=None, min_length=1, max_length=NAME_CHARACTERS_MAX, pattern=PRINTED)
    time_zone: str | None = Field(default=None, min_length=1, max_length=64, description="A name such as Asia/Seoul.")


def tenant_router(services: TenantServices) -> APIRouter:
    """The routes of ``/tenant``."""
    router = APIRouter(prefix="/tenant", tags=["tenant"])

    @router.get("", openapi_extra=READ)
    async def show_tenant(who: Principal = services.reads) -> TenantShown:
        """The tenant."""
        async with services.within(who) as connection:
            return _shown(services, await own_tenant(connection))

    @router.patch("", openapi_extra=WRITE)
    async def change_own_tenant(body: TenantChange, who: Principal = services.writes) -> TenantShown:
        """Change its name or time zone. Assistants call themselves by the name; days of budgets begin in the time zone."""
        if body.name is None and body.time_zone is None:
            raise RequestError("Nothing is to change.", "Give `name` or `time_zone`.", code="nothing_to_change")
        async with services.within(who) as connection:
            known = await own_tenant(connection)
            name, zone = body.name or known.name, body.time_zone or known.time_zone
            try:
                await change_tenant(connection, name=name, time_zone=zone, currency=known.currency)
            except RequestError as error:
                raise RequestError(error.message, error.hint, code=error.code, param=_PARAMS.get(error.code)) from error
            told: dict[str, Json] = {"time_zone": zone, "renamed": name != known.name}
            await record(connection, who.tenant_id, kind="tenant.changed", actor_id=who.person_id, body=told, now=services.clock())
            return _shown(services, await own_tenant(connection))

    return router


_PARAMS = {"bad_time_zone": "time_zone", "bad_name": "name"}


def _shown(services: TenantServices, tenant: Tenant) -> TenantShown:
    where = services.residency()
    return TenantShown(
        slug=tenant.slug,
        name=tenant.name,
        time_zone=tenant.time_zone,
        currency="USD" if tenant.currency == "USD" else "KRW",
        residency=ResidencyShown(records=where.records, files=where.files),
    )

"""How well the tenant's requests were served, for dashboards."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ondol.infrastructure.access.people import own_time_zone
from ondol.infrastructure.access.route_roles import READ
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.admin_api.base import GatewayServices, Moment
from ondol.infrastructure.gateway.records.levels import Level, Step, levels

PERIOD_HOURS = 24


class LevelShown(BaseModel):
    """What was served in one step. Times are in microseconds, of answered requests, within 4.5 %; null where none was timed."""

    at: datetime | None = Field(description="When the step begins; null for the whole period.")
    requests: int
    failed: int = Field(description="Requests whose outcome was another than `answered`.")
    server_errors: int = Field(description="Requests answered with a status of 500 or more.")
    retried: int
    guarded: int = Field(description="Requests in which the guard changed or refused something.")
    blocked: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    availability: float | None = Field(description="1 less the share of server errors; null without a request.")
    p50_us: float | None
    p95_us: float | None
    p99_us: float | None
    first_token_p50_us: float | None
    first_token_p95_us: float | None


class LevelsShown(BaseModel):
    """A period as a whole, and its steps; those without a request are left out."""

    since: datetime
    until: datetime
    step: Step
    time_zone: str
    whole: LevelShown
    steps: list[LevelShown]


def levels_router(services: GatewayServices) -> APIRouter:
    """The route of ``/service-levels``."""
    router = APIRouter(tags=["usage"])

    @router.get("/service-levels", openapi_extra=READ)
    async def get_service_levels(
        step: Step = "hour",
        since: Moment | None = None,
        until: Moment | None = None,
        model: Annotated[str | None, Query(max_length=300)] = None,
        who: Principal = services.reads,
    ) -> LevelsShown:
        """Availability, latency and what the guard did, from the hour of `since` until before `until`: the last day when absent."""
        end = until or services.clock()
        begin = since or end - timedelta(hours=PERIOD_HOURS)
        async with services.within(who) as connection:
            zone = await own_time_zone(connection)
            whole, steps = await levels(connection, since=begin, until=end, step=step, time_zone=zone, model=model)
        return LevelsShown(since=begin, until=end, step=step, time_zone=zone, whole=_shown(whole), steps=[_shown(one) for one in steps])

    return router


def _shown(level: Level) -> LevelShown:
    counted = ("at", "requests", "failed", "server_errors", "retried", "guarded", "blocked", "input_tokens", "cached_tokens", "output_tokens")
    return LevelShown(
        **{name: getattr(level, name) for name in counted},
        availability=level.availability,
        p50_us=level.quantile_us("whole", 0.5),
        p95_us=level.quantile_us("whole", 0.95),
        p99_us=level.quantile_us("whole", 0.99),
        first_token_p50_us=level.quantile_us("first_token", 0.5),
        first_token_p95_us=level.quantile_us("first_token", 0.95),
    )

"""Background jobs: what waits, runs and failed, and when what comes next. Their arguments are shown to nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from ondol.core.canonical import Json
from ondol.infrastructure.access.route_roles import READ, WRITE
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.admin_api.base import PAGE, PAGE_MAX, GatewayServices
from ondol.infrastructure.jobs.read import Job, JobState, Schedule, Viewer, cancel_job, last_runs, list_jobs, retry_job
from ondol.infrastructure.ledger import record
from ondol.infrastructure.serving.store import operates
from ondol.infrastructure.storage.postgres import Connection

JobId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@dataclass(frozen=True, slots=True)
class JobServices(GatewayServices):
    """What the routes work with.

    Attributes:
        schedules: the periodic tasks of this installation, and when each comes next after a moment.
    """

    schedules: Callable[[datetime], Sequence[Schedule]]


class JobShown(BaseModel):
    """A job. `is_own` says that it is the tenant's; the others are the installation's, shown to the tenant that runs it."""

    id: int
    task: str
    state: JobState
    attempts: int
    is_own: bool
    queued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None


class JobPage(BaseModel):
    """Jobs, the newest first: what succeeded is forgotten at once. `next` is what to give as `before` for the next page."""

    jobs: list[JobShown]
    next: int | None


class ScheduleShown(BaseModel):
    """A task that comes again and again. `cron` is in UTC; a sixth field stands for seconds."""

    task: str
    cron: str
    last_at: datetime | None
    next_at: datetime


class Schedules(BaseModel):
    """All of them, by name; they belong to the installation and are the same for every tenant."""

    schedules: list[ScheduleShown]


def jobs_router(services: JobServices) -> APIRouter:
    """The routes below ``/jobs``."""
    router = APIRouter(prefix="/jobs", tags=["jobs"])

    @router.get("", openapi_extra=READ)
    async def list_background_jobs(
        state: JobState | None = None,
        before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE,
        who: Principal = services.reads,
    ) -> JobPage:
        """The tenant's jobs; for the tenant that runs the installation those of the installation too."""
        async with services.within(who) as connection:
            found = await list_jobs(connection, await _viewer(connection, who), state=state, before=before, limit=limit + 1)
        return JobPage(jobs=[_shown(job) for job in found[:limit]], next=found[limit - 1].id if len(found) > limit else None)

    @router.get("/schedules", openapi_extra=READ)
    async def list_schedules(who: Principal = services.reads) -> Schedules:
        """What the platform does by itself, when it was last queued and when it comes next."""
        async with services.within(who) as connection:
            last = await last_runs(connection)
        known = await asyncio.to_thread(services.schedules, services.clock())
        return Schedules(schedules=[ScheduleShown(**asdict(each), last_at=last.get(each.task)) for each in sorted(known, key=lambda one: one.task)])

    @router.post("/{job_id}/retry", openapi_extra=WRITE)
    async def retry_background_job(job_id: JobId, who: Principal = services.writes) -> JobShown:
        """Queue a failed job again."""
        async with services.within(who) as connection:
            job = await retry_job(connection, await _viewer(connection, who), job_id)
            await _tell(connection, services, who, "job.retried", job)
        return _shown(job)

    @router.post("/{job_id}/cancel", openapi_extra=WRITE)
    async def cancel_background_job(job_id: JobId, who: Principal = services.writes) -> JobShown:
        """Take a waiting job out of the queue."""
        async with services.within(who) as connection:
            job = await cancel_job(connection, await _viewer(connection, who), job_id)
            await _tell(connection, services, who, "job.cancelled", job)
        return _shown(job)

    return router


async def _viewer(connection: Connection, who: Principal) -> Viewer:
    return Viewer(who.tenant_id, await operates(connection, who.tenant_id))


async def _tell(connection: Connection, services: GatewayServices, who: Principal, kind: str, job: Job) -> None:
    body: dict[str, Json] = {"job": job.id, "task": job.task, "attempts": job.attempts}
    await record(connection, who.tenant_id, kind=kind, actor_id=who.person_id, body=body, now=services.clock())


def _shown(job: Job) -> JobShown:
    return JobShown(**asdict(job))

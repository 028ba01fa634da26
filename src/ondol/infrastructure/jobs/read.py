"""Looking at jobs and schedules, putting a failed job into the queue again and taking a waiting one out."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from psycopg import errors
from psycopg.rows import DictRow

from ondol.core.errors import Conflict, NotFound
from ondol.infrastructure.storage.postgres import Connection, load_queries, one, rows

PAGE_MAX = 500

JobState = Literal["waiting", "working", "failed", "done", "cancelled"]
JOB_STATES: tuple[JobState, ...] = get_args(JobState)

_SQL = load_queries("ondol.infrastructure.jobs")
_STATES: Mapping[str, JobState] = {
    "todo": "waiting",
    "doing": "working",
    "failed": "failed",
    "succeeded": "done",
    "cancelled": "cancelled",
    "aborting": "working",
    "aborted": "cancelled",
}
"""What procrastinate calls a state, and what we do."""
_ID_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whose jobs are looked at.

    Attributes:
        operates: the tenant runs the installation, so the jobs that are nobody's are its own too.
    """

    tenant_id: uuid.UUID
    operates: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job. What it is about stands in its arguments, which are not read.

    Attributes:
        is_own: of the tenant; otherwise the installation's.
    """

    id: int
    task: str
    state: JobState
    attempts: int
    is_own: bool
    queued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """A task that is queued again and again, by a cron expression in UTC; one of six fields ends with seconds."""

    task: str
    cron: str
    next_at: datetime


async def list_jobs(
    connection: Connection, viewer: Viewer, *, state: JobState | None = None, before: int | None = None, limit: int = PAGE_MAX
) -> list[Job]:
    """The jobs that a tenant may see, the newest first."""
    statuses = None if state is None else [status for status, told in _STATES.items() if told == state]
    return [_job(row) for row in await _page(connection, viewer, statuses=statuses, before=before, limit=limit)]


async def retry_job(connection: Connection, viewer: Viewer, job_id: int) -> Job:
    """Queue a failed job again.

    Raises:
        NotFound: when there is no such job for this tenant.
        Conflict: when it did not fail, or the same task waits already.
    """
    await get_job(connection, viewer, job_id)
    if not await _moved(connection, "job_retry", job_id):
        raise Conflict("This job cannot be queued again: it did not fail, or the same task waits already.", code="job_not_failed")
    return await get_job(connection, viewer, job_id)


async def cancel_job(connection: Connection, viewer: Viewer, job_id: int) -> Job:
    """Take a waiting job out of the queue.

    Raises:
        NotFound: when there is no such job for this tenant.
        Conflict: when it does not wait any more.
    """
    await get_job(connection, viewer, job_id)
    if not await _moved(connection, "job_cancel", job_id):
        raise Conflict("This job does not wait any more.", "Only what waits can be taken out of the queue.", code="job_not_waiting")
    return await get_job(connection, viewer, job_id)


async def get_job(connection: Connection, viewer: Viewer, job_id: int) -> Job:
    """One job.

    Raises:
        NotFound: when there is none, or it is another tenant's.
    """
    found = await _page(connection, viewer, job_id=job_id, limit=1)
    if not found:
        raise NotFound("There is no such job.", "What succeeded is forgotten at once.", code="job_not_found")
    return _job(found[0])


async def last_runs(connection: Connection) -> dict[str, datetime]:
    """When each periodic task was queued last."""
    return {row["task_name"]: datetime.fromtimestamp(row["last_s"], UTC) for row in await rows(connection, _SQL["last_runs"], {})}


async def _page(
    connection: Connection,
    viewer: Viewer,
    *,
    statuses: Sequence[str] | None = None,
    before: int | None = None,
    job_id: int | None = None,
    limit: int,
) -> list[DictRow]:
    values = {"tenant_id": str(viewer.tenant_id), "operates": viewer.operates, "statuses": statuses, "id": job_id}
    return await rows(connection, _SQL["jobs_page"], {**values, "before": before or _ID_MAX, "limit": min(limit, PAGE_MAX + 1)})


async def _moved(connection: Connection, query: Literal["job_retry", "job_cancel"], job_id: int) -> bool:
    [path] = await rows(connection, _SQL["jobs_path"], {})
    try:
        async with connection.transaction():
            moved = await one(connection, _SQL[query], {"id": job_id})
    except errors.UniqueViolation:  # the same task was queued at this moment
        moved = None
    await connection.execute(_SQL["jobs_path_back"], {"before": path["before"]})
    return moved is not None


def _job(row: DictRow) -> Job:
    state = _STATES[row["status"]]
    return Job(
        id=row["id"],
        task=row["task_name"],
        state=state,
        attempts=row["attempts"],
        is_own=row["is_own"],
        queued_at=row["queued_at"],
        started_at=row["started_at"] if state != "waiting" else None,
        ended_at=row["ended_at"] if state not in ("waiting", "working") else None,
    )

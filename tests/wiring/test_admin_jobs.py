"""Background jobs over real HTTP: each tenant sees its own, whoever runs the installation those of nobody too, and nobody their arguments."""

from __future__ import annotations

import json
import uuid
from datetime import datetime

import psycopg
import pytest

from ondol.application.console.sections.jobs import NAMES
from ondol.infrastructure.access.people import find_tenant
from ondol.infrastructure.serving.operator import set_operator
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from tests.wiring.test_admin_gateway import Api, api

pytestmark = pytest.mark.anyio

__all__ = ["api"]
SECRET = "kim@example.com"


def queue(addresses: DatabaseAddresses, tenant_id: uuid.UUID | None, task: str, status: str = "todo", lock: str | None = None) -> int:
    """A job as procrastinate keeps it."""
    arguments = {"asked_by": SECRET} | ({} if tenant_id is None else {"tenant_id": str(tenant_id)})
    with psycopg.connect(addresses.owner, options="-c search_path=procrastinate", autocommit=True) as owner:
        row = owner.execute(
            "insert into procrastinate_jobs (queue_name, task_name, args, queueing_lock, status) values ('default', %s, %s, %s, 'todo') returning id",
            (task, json.dumps(arguments), lock),
        ).fetchone()
        assert row is not None
        for step in {"todo": (), "doing": ("doing",), "failed": ("doing", "failed")}[status]:
            owner.execute("update procrastinate_jobs set status = %s where id = %s", (step, row[0]))
    return int(row[0])


async def test_a_tenant_sees_its_own_jobs_and_nothing_of_their_arguments(api: Api, addresses: DatabaseAddresses) -> None:
    own, foreign = [(await find_tenant(api.platform.database, slug)).id for slug in ("acme", "other")]
    waiting, failed = queue(addresses, own, "evaluate"), queue(addresses, own, "evaluate", "failed")
    theirs, nobodys = queue(addresses, foreign, "evaluate", "failed"), queue(addresses, None, "index_care", "doing")
    listed = await api.did("auditor", "GET", "/jobs")
    assert [(job["id"], job["state"], job["is_own"]) for job in listed["jobs"]] == [(failed, "failed", True), (waiting, "waiting", True)]
    assert SECRET not in "".join(api.seen)
    assert listed["jobs"][0]["ended_at"] and listed["jobs"][0]["queued_at"] and listed["jobs"][1]["started_at"] is None
    for hidden in (theirs, nobodys):
        for act in ("retry", "cancel"):
            assert await api.ask("owner", "POST", f"/jobs/{hidden}/{act}") == (404, "job_not_found")
    assert [job["id"] for job in (await api.did("other owner", "GET", "/jobs"))["jobs"]] == [theirs]
    await set_operator(api.platform.database, await find_tenant(api.platform.database, "acme"), api.clock.now)
    shown = {job["id"]: job["is_own"] for job in (await api.did("owner", "GET", "/jobs"))["jobs"]}
    assert shown == {waiting: True, failed: True, nobodys: False}, "whoever runs the installation sees its jobs, and no other tenant's"
    first = await api.did("owner", "GET", "/jobs?limit=2")
    assert [job["id"] for job in (await api.did("owner", "GET", f"/jobs?before={first['next']}"))["jobs"]] == [waiting]
    assert [job["id"] for job in (await api.did("owner", "GET", "/jobs?state=working"))["jobs"]] == [nobodys]


async def test_a_failed_job_is_queued_again_and_a_waiting_one_taken_out(api: Api, addresses: DatabaseAddresses) -> None:
    own = (await find_tenant(api.platform.database, "acme")).id
    job = queue(addresses, own, "evaluate", "failed")
    assert await api.ask("auditor", "POST", f"/jobs/{job}/retry") == (403, "role_required")
    assert await api.ask("owner", "POST", f"/jobs/{job}/cancel") == (409, "job_not_waiting")
    again = await api.did("admin", "POST", f"/jobs/{job}/retry")
    assert (again["state"], again["attempts"]) == ("waiting", 1)
    assert await api.ask("admin", "POST", f"/jobs/{job}/retry") == (409, "job_not_failed")
    assert (await api.did("owner", "POST", f"/jobs/{job}/cancel"))["state"] == "cancelled"
    told = [event for event in await api.events() if event[0].startswith("job.")]
    body = {"job": job, "task": "evaluate", "attempts": 1}
    assert told == [("job.retried", body), ("job.cancelled", body)]


async def test_a_failed_job_whose_like_waits_already_stays_failed(api: Api, addresses: DatabaseAddresses) -> None:
    own = (await find_tenant(api.platform.database, "acme")).id
    failed = queue(addresses, own, "evaluate", "failed", lock="one")
    queue(addresses, own, "evaluate", lock="one")
    assert await api.ask("owner", "POST", f"/jobs/{failed}/retry") == (409, "job_not_failed")


async def test_schedules_tell_what_was_last_and_comes_next(api: Api, addresses: DatabaseAddresses) -> None:
    with psycopg.connect(addresses.owner, autocommit=True) as owner:
        for second in (60, 120):
            owner.execute(
                "insert into procrastinate.procrastinate_periodic_defers (task_name, defer_timestamp) values ('nightly_care', %s)", (second,)
            )
    shown = {one["task"]: one for one in (await api.did("auditor", "GET", "/jobs/schedules"))["schedules"]}
    night = shown["nightly_care"]
    assert night["cron"] == "17 18 * * *" and datetime.fromisoformat(night["last_at"]).timestamp() == 120
    coming = datetime.fromisoformat(night["next_at"])
    assert (coming.hour, coming.minute) == (18, 17) and 0 < (coming - api.clock.now).total_seconds() <= 86_400
    assert shown["index_care"]["last_at"] is None
    assert sorted(shown.keys() - NAMES.keys()) == [], "name them in sections/jobs.py and in both catalogues"
    assert await api.ask("member", "GET", "/jobs/schedules") == (403, "role_required")

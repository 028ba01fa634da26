from __future__ import annotations

import asyncio

import pytest

from ondol.infrastructure.jobs import create_job_app, run_jobs
from ondol.infrastructure.storage.postgres import DatabaseAddresses

pytestmark = pytest.mark.anyio


async def test_a_job_that_was_deferred_is_run_and_the_worker_stops_when_told(addresses: DatabaseAddresses) -> None:
    app = create_job_app(addresses)
    stop = asyncio.Event()
    seen: list[str] = []

    @app.task(name="greet")
    async def greet(who: str) -> None:
        seen.append(who)
        stop.set()

    async with app.open_async():
        await greet.defer_async(who="tenant-1")
    async with asyncio.timeout(20):
        await run_jobs(app, stop)
    assert seen == ["tenant-1"]


async def test_a_worker_without_work_stops_at_once(addresses: DatabaseAddresses) -> None:
    stop = asyncio.Event()
    stop.set()
    async with asyncio.timeout(15):
        await run_jobs(create_job_app(addresses), stop)

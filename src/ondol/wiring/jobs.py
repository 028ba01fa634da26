"""The job worker: periodic care of the installation, and the ledger's sealer."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

from ondol.application.knowledge.segments import drop_replaced
from ondol.infrastructure.access.people import list_tenants
from ondol.infrastructure.access.sign_in import forget_old_sessions
from ondol.infrastructure.jobs import JobApp, create_job_app, run_jobs
from ondol.infrastructure.ledger import LedgerSigner, run_sealer
from ondol.infrastructure.storage.postgres.care import make_partitions_ahead
from ondol.wiring.platform import Platform

SEGMENT_CARE = "* * * * *"
NIGHTLY = "17 18 * * *"
"""Periodic times are cron expressions in UTC; this one is 03:17 in Seoul."""

SESSIONS_KEPT_DAYS = 30


def register_tasks(app: JobApp, platform: Platform) -> None:
    """Give the worker its tasks."""

    @app.periodic(cron=SEGMENT_CARE)
    @app.task(name="drop_replaced_segments", queueing_lock="drop_replaced_segments", pass_context=False)
    async def drop_replaced_segments(timestamp: int) -> None:
        del timestamp
        for tenant in await list_tenants(platform.database):
            await drop_replaced(platform.knowledge, tenant.id)

    @app.periodic(cron=NIGHTLY)
    @app.task(name="nightly_care", queueing_lock="nightly_care", pass_context=False)
    async def nightly_care(timestamp: int) -> None:
        del timestamp
        await make_partitions_ahead(platform.database, platform.clock())
        await forget_old_sessions(platform.database, platform.clock() - timedelta(days=SESSIONS_KEPT_DAYS))


async def run_worker(platform: Platform, stop: asyncio.Event) -> None:
    """Run jobs and seal the ledger until `stop` is set."""
    app = create_job_app(platform.database.addresses)
    register_tasks(app, platform)
    signer = await asyncio.to_thread(LedgerSigner.open_or_create, platform.folder.ledger_key)
    sealer = asyncio.create_task(run_sealer(platform.database, signer, platform.clock, stop))
    try:
        await run_jobs(app, stop)
    finally:
        stop.set()
        with contextlib.suppress(asyncio.CancelledError):
            await sealer

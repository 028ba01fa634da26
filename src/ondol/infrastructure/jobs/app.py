"""The procrastinate application in its own schema."""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

import procrastinate

from ondol.infrastructure.storage.postgres import DatabaseAddresses

JobApp: TypeAlias = procrastinate.App

CONNECTIONS_MAX = 4
CONCURRENCY = 2
POLL_SECONDS = 5.0
KEPT_HOURS = 72


def create_job_app(addresses: DatabaseAddresses) -> JobApp:
    """An application without tasks yet, connected as the system role: what runs here stands above tenants."""
    connector = procrastinate.PsycopgConnector(
        conninfo=addresses.system,
        kwargs={"options": "-c search_path=procrastinate,pg_temp", "application_name": "ondol jobs"},
        min_size=1,
        max_size=CONNECTIONS_MAX,
    )
    return procrastinate.App(connector=connector)


async def run_jobs(app: JobApp, stop: asyncio.Event) -> None:
    """Work until `stop` is set; jobs that run then are finished first."""
    async with app.open_async():
        worker: asyncio.Task[Any] = asyncio.create_task(
            app.run_worker_async(
                concurrency=CONCURRENCY,
                fetch_job_polling_interval=POLL_SECONDS,
                install_signal_handlers=False,
                delete_jobs="successful",
                shutdown_graceful_timeout=10.0,
            )
        )
        stopping = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait({worker, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if worker in done:
            stopping.cancel()
            worker.result()
            return
        worker.cancel()
        await asyncio.wait({worker})

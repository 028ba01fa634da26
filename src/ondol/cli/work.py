"""`ondol work`."""

from __future__ import annotations

import asyncio
import signal

import click

from ondol.cli.lifeline import on_end, wait_for_begin
from ondol.cli.main import settings_of
from ondol.infrastructure.telemetry.logs import set_up_logging


@click.command("work")
@click.option("--lifeline-fd", type=int, hidden=True)
@click.pass_context
def command(context: click.Context, lifeline_fd: int | None) -> None:
    """Run one job worker: background jobs, periodic care, the ledger's sealer."""
    settings = settings_of(context)
    set_up_logging(settings.log.level, settings.log.format)
    from ondol.wiring.jobs import run_worker
    from ondol.wiring.platform import open_platform

    if not wait_for_begin(lifeline_fd):
        return

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        if lifeline_fd is None:
            loop.add_signal_handler(signal.SIGINT, stop.set)
        else:
            loop.add_signal_handler(signal.SIGINT, lambda: None)
        on_end(lifeline_fd, stop.set)
        async with open_platform(settings) as platform:
            await run_worker(platform, stop)

    asyncio.run(run())

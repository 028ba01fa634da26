"""`ondol work`."""

from __future__ import annotations

import asyncio
import signal

import click

from ondol.cli.lifeline import on_end, wait_for_begin
from ondol.cli.main import live_settings_of
from ondol.cli.serve import follow_log_settings


@click.command("work")
@click.option("--lifeline-fd", type=int, hidden=True)
@click.pass_context
def command(context: click.Context, lifeline_fd: int | None) -> None:
    """Run one job worker: background jobs, periodic care, the ledger's sealer."""
    live = live_settings_of(context)
    follow_log_settings(live)
    from ondol.wiring.jobs import run_worker, settings_used
    from ondol.wiring.platform import open_platform

    if not wait_for_begin(lifeline_fd):
        return

    async def run() -> None:
        turn, ended = asyncio.Event(), False

        def stop() -> None:
            nonlocal ended
            ended = True
            turn.set()

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop)
        if lifeline_fd is None:
            loop.add_signal_handler(signal.SIGINT, stop)
        else:
            loop.add_signal_handler(signal.SIGINT, lambda: None)
        on_end(lifeline_fd, stop)
        # Nobody waits for this process: with other settings it finishes its jobs and begins anew.
        live.follow(settings_used, lambda _: turn.set)
        async with live.watched():
            while not ended:
                turn = asyncio.Event()
                async with open_platform(live) as platform:
                    await run_worker(platform, turn)

    asyncio.run(run())

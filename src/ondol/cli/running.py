"""How a command runs asynchronous work with the platform open."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ondol.core.config import Settings
from ondol.infrastructure.telemetry.logs import set_up_logging
from ondol.wiring.platform import Platform, open_platform

Result = TypeVar("Result")


def with_platform(settings: Settings, work: Callable[[Platform], Awaitable[Result]], *, quiet: bool = True) -> Result:
    """Open the platform (starting the embedded Postgres for the while if nobody runs it), do the work, close everything.

    Args:
        quiet: log warnings and errors only, since the command prints what it does.
    """
    set_up_logging("warning" if quiet else settings.log.level, settings.log.format)

    async def run() -> Result:
        task = asyncio.current_task()
        if task is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        async with open_platform(settings) as platform:
            return await work(platform)

    return asyncio.run(run())

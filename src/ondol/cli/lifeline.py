"""The child's ends of the supervisor's pipes: wait for the word to begin, say when it can answer, stop when the supervisor is gone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable


def wait_for_begin(lifeline_fd: int | None) -> bool:
    """Block until the supervisor says that the stores are ready. False when it went away first."""
    return lifeline_fd is None or os.read(lifeline_fd, 64) != b""


def on_end(lifeline_fd: int | None, stop: Callable[[], None]) -> None:
    """Call `stop` in the running loop once the supervisor is gone."""
    if lifeline_fd is None:
        return
    loop = asyncio.get_running_loop()

    def readable() -> None:
        if os.read(lifeline_fd, 64) == b"":
            loop.remove_reader(lifeline_fd)
            stop()

    loop.add_reader(lifeline_fd, readable)


def tell_ready(ready_fd: int | None) -> None:
    """Tell the supervisor that this worker can answer."""
    if ready_fd is not None:
        os.write(ready_fd, b"ready\n")
        os.close(ready_fd)

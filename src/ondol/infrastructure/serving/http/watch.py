"""One coarse clock for all time-outs of a client, so that a request costs no timer of its own.

Connections sit in buckets by the tick at which they are looked at next, at most `HORIZON_S` ahead. Moving a deadline further away, which is what
nearly every event does, is one assignment; only a deadline that is nearer than the next look is put into another bucket.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Protocol

TICK_S = 0.02
"""How late a time-out may be."""
HORIZON_S = 1.0
"""How long a watched thing may go unseen: what a nearly idle connection costs is one look per second, 0.3 microseconds."""
NEVER = math.inf


class Watched(Protocol):
    """What has a deadline. `look_tick` belongs to the watch; -1 while it is not in it."""

    deadline: float
    look_tick: int

    def expire(self, now: float) -> None:
        """The deadline has passed. May set another one, or leave `deadline` at `NEVER` to be forgotten."""


class Watch:
    """Looks at deadlines every `TICK_S` while there are any.

    Args:
        now: monotonic seconds; the running loop's when absent.
    """

    def __init__(self, now: Callable[[], float] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self.now: Callable[[], float] = now or self.loop.time
        self._buckets: dict[int, list[Watched]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def set(self, watched: Watched, deadline: float) -> None:
        """Give a thing its deadline. The hot path of callers may assign `watched.deadline` itself when it only moves further away."""
        watched.deadline = deadline
        if deadline == NEVER:
            return
        tick = math.ceil(min(deadline, self.now() + HORIZON_S) / TICK_S)
        if watched.look_tick < 0 or tick < watched.look_tick:
            self._place(watched, tick)

    def tick(self) -> None:
        """Look at everything whose time has come. Called by the watch's own timer; tests with a clock of their own call it."""
        now = self.now()
        last = math.floor(now / TICK_S)
        for tick in sorted(tick for tick in self._buckets if tick <= last):
            for watched in self._buckets.pop(tick):
                if watched.look_tick != tick:
                    continue
                watched.look_tick = -1
                if watched.deadline <= now:
                    watched.expire(now)
                if watched.look_tick < 0 and watched.deadline != NEVER:
                    self._place(watched, max(last + 1, math.ceil(min(watched.deadline, now + HORIZON_S) / TICK_S)))

    def close(self) -> None:
        """Forget everything."""
        self._buckets.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _place(self, watched: Watched, tick: int) -> None:
        watched.look_tick = tick
        self._buckets.setdefault(tick, []).append(watched)
        if self._timer is None:
            self._timer = self.loop.call_later(TICK_S, self._run)

    def _run(self) -> None:
        self._timer = None
        self.tick()
        if self._buckets and self._timer is None:
            self._timer = self.loop.call_later(TICK_S, self._run)

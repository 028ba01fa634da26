"""The coarse clock of the client: nothing expires early, nothing is forgotten, a deadline may move either way."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from ondol.infrastructure.serving.http.watch import NEVER, TICK_S, Watch
from tests.infrastructure.serving.grounds import StillClock


class Thing:
    def __init__(self) -> None:
        self.deadline = NEVER
        self.look_tick = -1
        self.expired: list[float] = []

    def expire(self, now: float) -> None:
        assert now >= self.deadline
        self.expired.append(now)
        self.deadline = NEVER


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 3), st.one_of(st.none(), st.floats(0, 20))), max_size=40))
def test_each_deadline_is_met_within_a_tick_of_the_first_look_behind_it(steps: list[tuple[float, int, float | None]]) -> None:
    async def run() -> None:
        clock = StillClock()
        watch = Watch(clock)
        things = [Thing() for _ in range(4)]
        for seconds, number, deadline_s in steps:
            clock.now += seconds
            watch.tick()
            assert all(thing.deadline > clock.now - TICK_S for thing in things)
            if deadline_s is not None:
                watch.set(things[number], clock.now + deadline_s)
        expecting = [thing for thing in things if thing.deadline != NEVER]
        counts = [len(thing.expired) for thing in expecting]
        clock.now += 21
        watch.tick()
        assert [len(thing.expired) for thing in expecting] == [count + 1 for count in counts]
        assert not watch._buckets
        watch.close()

    asyncio.run(run())


def test_the_timer_runs_only_while_something_is_watched() -> None:
    async def run() -> tuple[int, list[bool]]:
        watch = Watch()
        thing = Thing()
        running = [watch._timer is not None]
        watch.set(thing, watch.now() + 0.03)
        running.append(watch._timer is not None)
        async with asyncio.timeout(5):
            while watch._timer is not None:  # noqa: ASYNC110 (the watch is what tells the time here)
                await asyncio.sleep(0.005)
        return len(thing.expired), running

    assert asyncio.run(run()) == (1, [False, True])

"""Threads for long texts: bounded, fair among tenants, and never given away while their work goes on."""

from __future__ import annotations

import asyncio
import threading
import uuid
from typing import Any

import pytest

from ondol.infrastructure.gateway.errors import GuardBusy
from ondol.infrastructure.gateway.shapes.letting import ANSWER_CHARACTERS_MAX
from ondol.infrastructure.gateway.workroom import WAITING_MAX, Workroom
from ondol.infrastructure.serving.scripted import Reply
from tests.infrastructure.gateway.ground import Ground, served
from tests.infrastructure.gateway.server.wire import eventually
from tests.infrastructure.gateway.upstreams import body_for, upstream

pytestmark = pytest.mark.anyio

ONE, OTHER = uuid.uuid4(), uuid.uuid4()


class Held:
    """Work that lasts until it is let go."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.running = self.most = 0
        self._lock = threading.Lock()

    def __call__(self, value: int = 0) -> int:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        assert self.let.wait(10)
        with self._lock:
            self.running -= 1
        return value


async def test_a_tenant_that_has_much_leaves_a_thread_to_others() -> None:
    room, held = Workroom(3), Held()
    many = [asyncio.create_task(room.run(ONE, held, number)) for number in range(20)]
    await eventually(lambda: held.running == 2)
    async with asyncio.timeout(5):
        assert await room.run(OTHER, lambda: "done") == "done"
    assert held.most == 2
    held.let.set()
    assert await asyncio.gather(*many) == list(range(20))
    assert await room.run(ONE, lambda: "after") == "after"


async def test_queues_are_served_in_turn() -> None:
    """With one thread left, whoever came with much does not come before whoever came with little."""
    room, held, last = Workroom(3), Held(), Held()
    order: list[uuid.UUID] = []
    third, fourth = uuid.uuid4(), uuid.uuid4()
    first = [asyncio.create_task(room.run(OTHER, held)) for _ in range(2)]
    first.append(asyncio.create_task(room.run(fourth, last)))
    await eventually(lambda: held.running + last.running == 3)
    rest = [asyncio.create_task(room.run(tenant, order.append, tenant)) for tenant in (ONE, ONE, ONE, ONE, third, third)]
    await asyncio.sleep(0)
    last.let.set()
    await asyncio.gather(*rest)
    assert order == [ONE, third, ONE, third, ONE, ONE]
    held.let.set()
    await asyncio.gather(*first)


async def test_too_much_that_waits_is_refused_and_others_are_not() -> None:
    room, held = Workroom(2, waiting_max=3), Held()
    waiting = [asyncio.create_task(room.run(ONE, held)) for _ in range(4)]
    await eventually(lambda: held.running == 1)
    with pytest.raises(GuardBusy):
        await room.run(ONE, held)
    assert await room.run(OTHER, lambda: 1) == 1
    held.let.set()
    await asyncio.gather(*waiting)


async def test_who_leaves_gives_the_thread_back_only_when_its_work_has_ended() -> None:
    room, held = Workroom(2), Held()
    left = asyncio.create_task(room.run(ONE, held))
    await eventually(lambda: held.running == 1)
    queued = asyncio.create_task(room.run(ONE, held))
    gone = asyncio.create_task(room.run(ONE, held))
    await asyncio.sleep(0.01)
    for task in (left, gone):
        task.cancel()
    await asyncio.gather(left, gone, return_exceptions=True)
    await asyncio.sleep(0.05)
    assert held.running == 1, "the thread is taken although nobody waits"
    held.let.set()
    await queued
    assert held.most == 1
    assert await room.run(ONE, lambda: 2) == 2


async def test_what_fails_in_a_thread_fails_where_it_was_asked_for() -> None:
    room = Workroom(2)

    def broken() -> None:
        raise ValueError("no")

    for _ in range(5):
        with pytest.raises(ValueError, match="no"):
            await room.run(ONE, broken)
    assert await room.run(ONE, lambda: 3) == 3


async def test_long_texts_of_one_tenant_hold_up_nobody_else(ground: Ground) -> None:
    """All of its threads stand still; what another asks is answered all the same."""
    assert ground.gateway is not None
    room = ground.gateway.pipeline._door.work
    async with served(ground, Reply("ok")) as (one, _), served(ground, Reply("ok")) as (other, _):
        held = Held()
        count = room._threads - 1 + WAITING_MAX
        stuck: list[asyncio.Task[Any]] = [asyncio.create_task(room.run(one.id, held)) for _ in range(count)]
        await asyncio.sleep(0.05)
        long = body_for("chat", "A sentence of many. " * 2_000)
        assert (await other.ask(long)).status_code == 200
        refused = await one.ask(long)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "guard_busy")
        assert (await one.ask()).status_code == 200, "short texts need no thread"
        held.let.set()
        await asyncio.gather(*stuck, return_exceptions=True)
        await eventually(lambda: not room._queues)
        assert (await one.ask(long)).status_code == 200


async def test_an_answer_that_nobody_could_look_at_does_not_go_out(ground: Ground) -> None:
    async with upstream("word " * (ANSWER_CHARACTERS_MAX // 5 + 1)) as up:
        tenancy = await ground.tenancy()
        await tenancy.provider(up.base_url)
        await tenancy.model()
        answer = await tenancy.ask()
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_too_long")
        assert (await tenancy.record()).output_tokens > 0, "it is charged"

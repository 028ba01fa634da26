"""The caller goes at every byte of an answer: its handler is let go at once, and neither a task nor a descriptor stays.

Rules out the lost counters, held slots and forgotten upstreams of other gateways (field notes, section 3, numbers 3, 4 and 15).
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable

import pytest

from ondol.infrastructure.gateway.errors import CallerLeft
from ondol.infrastructure.gateway.exchange import Exchange
from tests.infrastructure.gateway.server.wire import eventually, running, wired

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
RESET = struct.pack("ii", 1, 0)
FRAMES = [b"data: %d\n\n" % number for number in range(6)]


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0  # noqa: PTH112, PTH208 - counted, not walked


async def read_exactly(loop: asyncio.AbstractEventLoop, caller: socket.socket, count: int) -> None:
    while count:
        count -= len(await loop.sock_recv(caller, count))


@pytest.mark.parametrize("way", ["closed", "reset", "half closed"])
async def test_a_caller_that_goes_after_any_byte_lets_everything_go(way: str) -> None:
    over: asyncio.Queue[bool] = asyncio.Queue()
    told: list[bool] = []

    async def handler(exchange: Exchange) -> None:
        exchange.when_left(lambda: told.append(True))
        try:
            exchange.open_stream()
            for frame in FRAMES:
                await exchange.write(frame)
            await asyncio.Event().wait()
        finally:
            over.put_nowait(exchange.left)

    loop = asyncio.get_running_loop()
    async with running(handler) as server, asyncio.timeout(20):
        length = len(await whole_stream(server.port, b"data: 5\n\n\r\n"))
        await over.get()
        before, tasks = descriptors(), len(asyncio.all_tasks())
        told.clear()
        for count in range(length + 1):
            caller = socket.socket()
            caller.setblocking(False)
            await loop.sock_connect(caller, ("127.0.0.1", server.port))
            await loop.sock_sendall(caller, GET)
            await read_exactly(loop, caller, count)
            if way == "reset":
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            if way == "half closed":
                caller.shutdown(socket.SHUT_WR)
            else:
                caller.close()
            if count or way == "half closed":
                assert await over.get() is True
            else:
                # Gone before the first byte: perhaps before there was a handler.
                while server.connections_open or not over.empty():
                    await asyncio.sleep(0)
                    while not over.empty():
                        assert over.get_nowait()
            caller.close()
        await eventually(lambda: not server.connections_open and not server.counters.in_flight)
        assert len(told) >= length
        assert server.counters.in_flight == 0
        assert server.counters.left >= length
        assert len(asyncio.all_tasks()) == tasks
        assert descriptors() == before


async def whole_stream(port: int, end: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GET)
    read = await reader.readuntil(end)
    writer.close()
    return read


async def test_leaving_cancels_within_a_turn_of_the_loop_and_tells_once() -> None:
    told: list[str] = []
    over = asyncio.Event()

    def broken() -> None:
        raise ZeroDivisionError

    async def handler(exchange: Exchange) -> None:
        exchange.when_left(lambda: told.append("a"))
        exchange.when_left(broken)
        exchange.when_left(lambda: told.append("b"))
        try:
            await asyncio.Event().wait()
        finally:
            exchange.when_left(lambda: told.append("late"))
            attempts: list[Callable[[], None]] = [lambda: exchange.answer(200, b""), exchange.open_stream, exchange.end, lambda: exchange.put(b"x")]
            for send in attempts:
                with pytest.raises(CallerLeft):
                    send()
            with pytest.raises(CallerLeft):
                await exchange.write(b"x")
            exchange.fail(ValueError())
            over.set()

    async with wired(handler) as wire:
        wire.send(GET)
        await wire.turn(5)
        wire.hang_up()
        await wire.turn(5)
        assert over.is_set()
        assert told == ["a", "b", "late"]


async def test_leaving_while_the_body_is_awaited_lets_the_handler_go() -> None:
    over: list[bool] = []

    async def handler(exchange: Exchange) -> None:
        try:
            await exchange.body(100)
        finally:
            over.append(exchange.left)

    async with wired(handler) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
        await wire.turn(5)
        wire.hang_up()
        await wire.turn(5)
    assert over == [True]


async def test_leaving_after_the_answer_cuts_nothing_short() -> None:
    release = asyncio.Event()
    tidied: list[bool] = []

    async def handler(exchange: Exchange) -> None:
        exchange.when_left(lambda: tidied.append(False))
        exchange.answer(200, b"")
        await release.wait()
        tidied.append(not exchange.left)

    async with wired(handler) as wire:
        wire.send(GET)
        await wire.turn(5)
        wire.hang_up()
        await wire.turn(5)
        release.set()
    assert tidied == [True]

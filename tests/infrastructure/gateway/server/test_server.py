"""A server that starts, serves on a listening socket and stops without dropping what is being answered."""

from __future__ import annotations

import asyncio
import socket

import httpx
import pytest

from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.server import Limits, Server
from tests.infrastructure.gateway.server.wire import Seen, eventually, read_answers, running

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_a_real_client_keeps_its_connection() -> None:
    seen = Seen()
    async with running(seen) as server, httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        for size in (0, 1, 100_000):
            assert (await client.post("/", content=b"x" * size)).text == str(size)
        assert (server.counters.connections, server.connections_open) == (1, 1)
        host, port = "127.0.0.1", server.port
        assert seen.requests[0][:2] == ("POST", b"/")
    with pytest.raises(OSError, match=r".*"):
        socket.create_connection((host, port), timeout=1)


async def test_small_answers_are_not_held_back() -> None:
    """TCP_NODELAY: otherwise each second small write waits for the peer's acknowledgement."""
    options: list[int] = []

    async def handler(exchange: Exchange) -> None:
        (connection,) = server._started().open
        options.append(connection._transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))  # type: ignore[attr-defined]
        exchange.answer(200, b"")

    async with running(handler) as server, httpx.AsyncClient() as client:
        await client.get(f"http://127.0.0.1:{server.port}/")
    assert options == [1]


class Slow:
    """Requests that end when the test says so."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.began = asyncio.Event()
        self.cancelled: list[str] = []

    async def __call__(self, exchange: Exchange) -> None:
        try:
            if exchange.path == "/stream":
                exchange.open_stream()
                await exchange.write(b"data: 1\n\n")
            self.began.set()
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled.append(exchange.path)
            raise
        if exchange.streaming:
            exchange.end()
        else:
            exchange.answer(200, b"done")


async def open_and_drain(slow: Slow, raw: bytes, seconds: float) -> tuple[bytes, asyncio.Task[None], Server]:
    """A server that drains while a request runs; what the caller read by the end."""
    server = Server(slow, [socket.create_server(("127.0.0.1", 0))], Limits(tick_s=0.01, linger_s=0.5))
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(raw)
    await slow.began.wait()
    await eventually(lambda: server.connections_open == 2)
    draining = asyncio.create_task(server.drain(seconds))
    async with asyncio.timeout(5):
        assert await idle_reader.read() == b""
        if seconds:
            slow.release.set()
        read = await reader.read()
    for each in (writer, idle_writer):
        each.close()
    async with asyncio.timeout(5):
        await draining
    return read, draining, server


async def test_draining_lets_a_request_end_and_closes_what_is_idle() -> None:
    slow = Slow()
    read, _, server = await open_and_drain(slow, GET + GET, 5)
    (answer,) = read_answers(read, closed=True)
    assert (answer.status, answer.body, answer.header(b"connection")) == (200, b"done", b"close")
    assert slow.cancelled == []
    assert server.connections_open == 0


async def test_what_takes_longer_is_told_that_the_server_stops() -> None:
    slow = Slow()
    read, _, _ = await open_and_drain(slow, GET, 0)
    (answer,) = read_answers(read, closed=True)
    assert (answer.status, b"server_stopping" in answer.body, slow.cancelled) == (503, True, ["/"])
    slow = Slow()
    read, _, _ = await open_and_drain(slow, b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", 0)
    (answer,) = read_answers(read, closed=True)
    assert answer.body.startswith(b'data: 1\n\ndata: {"error"')
    assert b"server_stopping" in answer.body
    assert slow.cancelled == ["/stream"]


async def test_a_server_that_never_started_says_so() -> None:
    with pytest.raises(RuntimeError, match="not been started"):
        _ = Server(Seen(), []).counters

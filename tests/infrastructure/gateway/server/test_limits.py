"""Nobody holds on for ever and nobody takes more than is granted: on a listening server, with time-outs of milliseconds.

Rules out the hanging and the memory that grows without end of other gateways (field notes, section 3, numbers 1 and 8).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from ondol.infrastructure.gateway.errors import CallerLeft
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.request_head import HEAD_BYTES_MAX, HEADERS_MAX, URI_BYTES_MAX
from ondol.infrastructure.gateway.server import Limits, TrustedProxies
from ondol.infrastructure.gateway.server.chunks import SMALL_CHUNKS_MAX
from ondol.infrastructure.gateway.server.protocol import CONNECTIONS_REFUSED_MAX
from tests.infrastructure.gateway.server.wire import Answer, Seen, eventually, read_answers, running, wired

pytestmark = pytest.mark.anyio

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
LONG_S = 30.0


async def ask(port: int, *pieces: bytes, every_s: float = 0.0) -> list[Answer]:
    """What is answered until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    reading = asyncio.create_task(reader.read())
    with contextlib.suppress(ConnectionError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            if reading.done():
                break
            await asyncio.wait({reading}, timeout=every_s)
    async with asyncio.timeout(5):
        answers = read_answers(await reading, closed=True)
    writer.close()
    return answers


async def refused(raw: bytes) -> tuple[int, bytes]:
    async with wired(Seen()) as wire:
        wire._socket.setblocking(True)
        sending = asyncio.to_thread(wire.send, raw)
        await sending
        wire._socket.setblocking(False)
        await wire.until(lambda: wire.closed)
        (answer,) = wire.answers()
        return answer.status, answer.body


def short(**changed: float) -> Limits:
    """Every time-out is long but those that are named."""
    named: dict[str, float] = {"header_timeout_s": LONG_S, "idle_timeout_s": LONG_S, "body_timeout_s": LONG_S, "linger_s": LONG_S, **changed}
    return Limits(tick_s=0.005, **named)  # type: ignore[arg-type]


async def test_an_address_that_is_too_long_is_414() -> None:
    assert (await refused(b"GET /" + b"a" * URI_BYTES_MAX + b" HTTP/1.1\r\nHost: x\r\n\r\n"))[0] == 414
    assert (await refused(b"GET /" + b"a" * 9_000))[0] == 414
    async with wired(Seen()) as wire:
        wire.send(b"GET /" + b"a" * (URI_BYTES_MAX - 1) + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        await wire.quiet()
        assert wire.answers()[0].status == 200


async def test_headers_that_are_too_many_or_too_large_are_431() -> None:
    status, body = await refused(HEAD + b"X: y\r\n" * HEADERS_MAX + b"\r\n")
    assert (status, b"headers_too_many" in body) == (431, True)
    status, body = await refused(HEAD + b"X: " + b"y" * HEAD_BYTES_MAX + b"\r\n\r\n")
    assert (status, b"headers_too_large" in body) == (431, True)
    assert (await refused(HEAD + b"X: " + b"y" * HEAD_BYTES_MAX))[0] == 431
    async with wired(Seen()) as wire:
        wire.send(HEAD + b"X: y\r\n" * (HEADERS_MAX - 1) + b"\r\n")
        await wire.quiet()
        assert wire.answers()[0].status == 200


async def test_chunks_that_cost_more_than_they_bring_are_refused() -> None:
    raw = POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * (SMALL_CHUNKS_MAX + 1)
    assert (await refused(raw))[0] == 400
    assert (await refused(POST + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"a" * 300))[0] == 400


@pytest.mark.parametrize("sent", [b"G", HEAD, HEAD + b"X: ", b"GET / HTTP/1.1\r"])
async def test_a_head_that_does_not_end_in_time_is_408(sent: bytes) -> None:
    async with running(Seen(), short(header_timeout_s=0.03, linger_s=0.01)) as server:
        (answer,) = await ask(server.port, sent)
        assert (answer.status, answer.header(b"connection")) == (408, b"close")
        assert server.counters.timed_out == 1


async def test_a_slow_loris_gains_nothing_by_sending_a_little() -> None:
    async with running(Seen(), short(header_timeout_s=0.1, linger_s=0.01)) as server:
        began = asyncio.get_running_loop().time()
        (answer,) = await ask(server.port, HEAD, *[b"X: y\r\n"] * 99, every_s=0.01)
        assert answer.status == 408
        assert asyncio.get_running_loop().time() - began < 0.9


async def test_a_connection_that_asks_nothing_is_closed_without_a_word() -> None:
    async with running(Seen(), short(idle_timeout_s=0.03)) as server:
        assert await ask(server.port) == []
    async with running(Seen(), short(idle_timeout_s=0.03)) as server:
        (answer,) = await ask(server.port, HEAD + b"\r\n")
        assert answer.status == 200
        assert [answer.status for answer in await ask(server.port, HEAD + b"\r\n\r\n")] == [200]


async def test_a_connection_opened_before_it_is_needed_may_wait_as_long_as_an_idle_one() -> None:
    async with running(Seen(), short(header_timeout_s=0.03)) as server:
        assert [answer.status for answer in await ask(server.port, b"", HEAD + b"Connection: close\r\n\r\n", every_s=0.2)] == [200]


async def test_a_body_must_come_in_time_and_what_comes_earns_time() -> None:
    async with running(Seen(), short(body_timeout_s=0.05, linger_s=0.01)) as server:
        (answer,) = await ask(server.port, POST + b"Content-Length: 9\r\n\r\nabc")
        assert (answer.status, b"body_too_slow" in answer.body) == (408, True)
        (dripped,) = await ask(server.port, POST + b"Content-Length: 99\r\n\r\n", *[b"a"] * 98, every_s=0.01)
        assert dripped.status == 408
    fast = Limits(tick_s=0.005, body_timeout_s=0.1, body_bytes_per_s_min=100)
    async with running(Seen(), fast) as server:
        (earned,) = await ask(server.port, POST + b"Connection: close\r\nContent-Length: 100\r\n\r\n", *[b"a" * 10] * 10, every_s=0.03)
        assert (earned.status, earned.body) == (200, b"100")


async def test_the_handlers_time_is_not_the_callers() -> None:
    async def slow(exchange: Exchange) -> None:
        await asyncio.sleep(0.15)
        exchange.answer(200, await exchange.body(100))

    async with running(slow, short(body_timeout_s=0.1)) as server:
        (answer,) = await ask(server.port, POST + b"Connection: close\r\nContent-Length: 4\r\n\r\nab", b"cd", every_s=0.2)
        assert (answer.status, answer.body) == (200, b"abcd")


async def test_a_caller_that_takes_nothing_counts_as_gone() -> None:
    over = asyncio.Event()
    taken = 0

    async def endless(exchange: Exchange) -> None:
        nonlocal taken
        try:
            exchange.open_stream()
            while True:
                await exchange.write(b"x" * 100_000)
                taken += 1
        except (CallerLeft, asyncio.CancelledError):
            assert exchange.left
            over.set()
            raise

    async with running(endless, short(send_timeout_s=0.05)) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as deaf:
            deaf.sendall(HEAD + b"\r\n")
            async with asyncio.timeout(5):
                await over.wait()
        assert server.counters.timed_out == 1


async def test_a_whole_answer_that_nobody_takes_does_not_keep_the_connection() -> None:
    async def large(exchange: Exchange) -> None:
        exchange.answer(200, b"x" * 30_000_000)

    async with running(large, short(send_timeout_s=0.05)) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as deaf:
            deaf.sendall(HEAD + b"Connection: close\r\n\r\n")
            await eventually(lambda: server.counters.answered[2] == 1)
            await eventually(lambda: not server.connections_open)


@pytest.mark.parametrize("connection", [b"close", b"keep-alive"])
async def test_a_long_answer_that_is_taken_slowly_is_taken_whole(connection: bytes) -> None:
    async def large(exchange: Exchange) -> None:
        exchange.answer(200, b"x" * 30_000_000)

    loop = asyncio.get_running_loop()
    async with running(large, short(send_timeout_s=0.1, idle_timeout_s=0.05)) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as slow:
            slow.setblocking(False)
            await loop.sock_sendall(slow, HEAD + b"Connection: %b\r\n\r\n" % connection)
            received = 0
            began = loop.time()
            while piece := await loop.sock_recv(slow, 1_500_000):
                received += len(piece)
                await asyncio.sleep(0.02)
            assert loop.time() - began > 0.2
    assert received > 30_000_000


@contextlib.asynccontextmanager
async def full(limit: int) -> AsyncIterator[int]:
    """A server with all its connections taken; its port."""
    async with running(Seen(), Limits(tick_s=0.005, connections_max=limit, linger_s=0.05)) as server:
        holders = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(limit)]
        await eventually(lambda: server.connections_open == limit)
        yield server.port
        for _, writer in holders:
            writer.close()


async def test_connections_above_the_limit_are_told_so_and_far_above_it_cut() -> None:
    async with full(3) as port:
        (answer,) = await ask(port, HEAD + b"\r\n")
        assert (answer.status, b"connections_limit" in answer.body, answer.header(b"connection")) == (503, True, b"close")
        assert await ask(port) == []
        flood = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS_REFUSED_MAX + 20)]
        ends = await asyncio.gather(*(reader.read() for reader, _ in flood), return_exceptions=True)
        assert all(end == b"" or isinstance(end, ConnectionError) for end in ends)
        for _, writer in flood:
            writer.close()


async def test_what_is_granted_may_change_while_callers_are_connected() -> None:
    """Neither a request nor a connection is lost, and proxies that are trusted no more are not believed on open connections either."""
    seen: list[str] = []

    async def handler(exchange: Exchange) -> None:
        seen.append(exchange.client)
        exchange.answer(200, b"")

    request = HEAD + b"X-Forwarded-For: 203.0.113.9\r\n\r\n"
    async with running(handler, short()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for proxies in ([], ["127.0.0.1"], []):
            server.grant(short(), TrustedProxies(proxies))
            writer.write(request)
            await reader.readuntil(b"\r\n\r\n")
        assert seen == ["127.0.0.1", "203.0.113.9", "127.0.0.1"]
        server.grant(short(idle_timeout_s=0.02, connections_max=1), TrustedProxies())
        [answer] = await ask(server.port, request)
        assert answer.status == 503, "there is one connection already"
        writer.write(request)
        async with asyncio.timeout(5):
            assert b" 200 " in await reader.read(), "answered, and closed after the new time without a request"
        writer.close()

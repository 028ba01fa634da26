"""What a connection does: order, keep-alive, bodies, versions, methods and the caller's end."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import pytest

from ondol.core.errors import RequestError, TooManyRequests
from ondol.infrastructure.gateway.errors import BodyTooLarge, CallerLeft, ErrorAnswer
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.server import Limits, TrustedProxies
from ondol.infrastructure.gateway.server.protocol import BODY_AHEAD_BYTES_MAX, HANDLERS_BEHIND_MAX, PIPELINE_BYTES_MAX
from tests.infrastructure.gateway.server.wire import Seen, wired

pytestmark = pytest.mark.anyio

READ_BYTES_MAX = 262_144
"""What uvloop reads at once."""

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def hello(exchange: Exchange) -> None:
    exchange.answer(200, b"hello")


async def test_every_answer_says_when_and_which_and_how_long() -> None:
    ids: list[uuid.UUID] = []

    async def handler(exchange: Exchange) -> None:
        ids.append(exchange.id)
        exchange.answer(201, b"{}", [(b"x-own", b"1")])

    async with wired(handler) as wire:
        wire.send(GET)
        await wire.quiet()
        (answer,) = wire.answers()
    assert (answer.status, answer.body) == (201, b"{}")
    assert answer.header(b"x-request-id") == str(ids[0]).encode()
    assert ids[0].version == 7
    assert re.fullmatch(rb"\d+\.\d", answer.header(b"x-ondol-duration-ms") or b"")
    assert parsedate_to_datetime((answer.header(b"date") or b"").decode()).year >= 2026
    assert answer.header(b"x-own") == b"1"
    assert answer.header(b"content-type") == b"application/json"
    assert answer.header(b"connection") is None


async def test_pipelined_requests_are_answered_in_order_with_a_slow_one_first() -> None:
    release = asyncio.Event()
    order: list[str] = []

    async def handler(exchange: Exchange) -> None:
        order.append(exchange.path)
        if exchange.path == "/slow":
            await release.wait()
        exchange.answer(200, exchange.path.encode())

    async with wired(handler) as wire:
        wire.send(b"".join(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path for path in (b"/slow", b"/b", b"/c")))
        await wire.turn(10)
        wire.read()
        assert (order, wire.received) == (["/slow"], b"")
        release.set()
        await wire.quiet()
        assert [answer.body for answer in wire.answers()] == [b"/slow", b"/b", b"/c"]


async def test_what_waits_behind_a_request_is_bounded() -> None:
    release = asyncio.Event()
    handled = 0

    async def handler(exchange: Exchange) -> None:
        nonlocal handled
        handled += 1
        await release.wait()
        exchange.answer(200, b"")

    async with wired(handler) as wire:
        sent = blocked = 0
        while blocked < 20:
            try:
                sent += wire._socket.send((GET * 1_000)[sent % len(GET) :])
                blocked = 0
            except BlockingIOError:
                blocked += 1
            await wire.turn()
        (connection,) = wire.state.open
        assert PIPELINE_BYTES_MAX < len(connection._buffer) < PIPELINE_BYTES_MAX + READ_BYTES_MAX  # type: ignore[attr-defined]
        assert handled == 1
        release.set()
        await wire.until(lambda: wire.state.counters.answered[2] == sent // len(GET))


async def test_a_handler_may_tidy_up_while_the_next_request_is_answered_but_not_without_end() -> None:
    release = asyncio.Event()
    tidied = 0

    async def handler(exchange: Exchange) -> None:
        nonlocal tidied
        exchange.answer(200, b"")
        await release.wait()
        tidied += 1

    async with wired(handler) as wire:
        wire.send(GET * 20)
        await wire.turn(60)
        wire.read()
        assert len(wire.answers()) == HANDLERS_BEHIND_MAX + 1
        release.set()
        await wire.quiet()
        assert len(wire.answers()) == tidied == 20


async def test_a_body_that_is_there_does_not_suspend_and_one_in_pieces_does() -> None:
    steps: list[str] = []

    async def handler(exchange: Exchange) -> None:
        asyncio.get_running_loop().call_soon(steps.append, "loop")
        body = await exchange.body(100)
        steps.append("body")
        assert await exchange.body(100) == body
        exchange.answer(200, body)

    async with wired(handler) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nwhat")
        await wire.quiet()
        assert steps == ["body", "loop"]
        wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nin\r\n")
        await wire.turn()
        wire.send(b"3\r\n pi\r\n4\r\neces\r\n0\r\n\r\n")
        await wire.quiet()
        assert [answer.body for answer in wire.answers()] == [b"what", b"in pieces"]


async def test_an_upload_is_read_no_faster_than_it_is_taken() -> None:
    take = asyncio.Event()
    size = 0

    async def handler(exchange: Exchange) -> None:
        nonlocal size
        await take.wait()
        async for piece in exchange.body_chunks(1 << 24):
            size += len(piece)
        exchange.answer(200, b"")

    length = 32 * BODY_AHEAD_BYTES_MAX
    async with wired(handler) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % length)
        left = length
        while left:
            try:
                left -= wire._socket.send(b"x" * min(left, 65_536))
            except BlockingIOError:
                if not take.is_set():
                    await wire.turn(20)
                    (exchange,) = wire.state.running
                    assert exchange.body_waiting <= BODY_AHEAD_BYTES_MAX + READ_BYTES_MAX
                    take.set()
            await wire.turn()
        await wire.quiet()
        assert take.is_set()
        assert (size, wire.answers()[0].status) == (length, 200)


@pytest.mark.parametrize("framing", [b"Content-Length: 11\r\n\r\n01234567890", b"Transfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n"])
async def test_a_body_above_its_bound_is_refused_and_the_connection_ends(framing: bytes) -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.body(10)

    async with wired(handler) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: x\r\n" + framing + GET)
        await wire.quiet()
        (answer,) = wire.answers()
        assert (answer.status, answer.header(b"connection")) == (413, b"close")
        assert wire.closed


async def test_an_upload_in_pieces_above_its_bound_is_refused() -> None:
    async def handler(exchange: Exchange) -> None:
        with pytest.raises(BodyTooLarge):
            async for _ in exchange.body_chunks(10):
                pass
        exchange.answer(413, b"")

    async with wired(handler) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n01234567\r\n")
        await wire.turn()
        wire.send(b"8\r\n01234567\r\n")
        await wire.quiet()
        assert wire.answers()[0].status == 413


async def test_the_caller_is_told_to_go_on_only_when_somebody_wants_the_body() -> None:
    head = b"POST /%b HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"

    async def handler(exchange: Exchange) -> None:
        if exchange.path == "/refused":
            raise RequestError("No.")
        exchange.answer(200, await exchange.body(10))

    async with wired(handler) as wire:
        wire.send(head % b"wanted")
        await wire.until(lambda: wire.received == b"HTTP/1.1 100 Continue\r\n\r\n")
        wire.send(b"hi")
        await wire.quiet()
        assert [answer.body for answer in wire.answers(b"POST")] == [b"hi"]
    async with wired(handler) as wire:
        wire.send(head % b"refused")
        await wire.quiet()
        (answer,) = wire.answers(b"POST")
        assert (answer.status, answer.header(b"connection"), wire.closed) == (400, b"close", True)
        assert b" 100 " not in wire.received
    async with wired(handler) as wire:
        wire.send(head % b"wanted" + b"hi")
        await wire.quiet()
        assert b" 100 " not in wire.received


@pytest.mark.parametrize("streaming", [True, False])
async def test_head_gets_the_head_only(streaming: bool) -> None:
    async def handler(exchange: Exchange) -> None:
        if streaming:
            exchange.open_stream()
            await exchange.write(b"data: 1\n\n")
            exchange.end()
        else:
            exchange.answer(200, b"12345")

    async with wired(handler) as wire:
        wire.send(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
        await wire.quiet()
        (answer,) = wire.answers(b"HEAD")
        assert answer.body == b""
        assert wire.received.endswith(b"\r\n\r\n")
        assert answer.header(b"content-length") == (None if streaming else b"5")


async def test_a_stream_is_chunked_and_for_the_old_version_ends_with_the_connection() -> None:
    async def handler(exchange: Exchange) -> None:
        exchange.open_stream([(b"x-own", b"1")])
        assert exchange.streaming
        await exchange.write(b"data: 1\n\n")
        await exchange.write(b"")
        exchange.put(b": still here\n\n")
        exchange.end()

    body = b"data: 1\n\n: still here\n\n"
    async with wired(handler) as wire:
        wire.send(GET * 2)
        await wire.quiet()
        answers = wire.answers()
        assert [answer.body for answer in answers] == [body, body]
        assert answers[0].header(b"transfer-encoding") == b"chunked"
        assert (answers[0].header(b"content-type") or b"").startswith(b"text/event-stream")
        assert answers[0].header(b"x-own") == b"1"
    async with wired(handler) as wire:
        wire.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        await wire.quiet()
        (answer,) = wire.answers()
        assert (answer.body, wire.closed) == (body, True)
        assert (answer.header(b"transfer-encoding"), answer.header(b"connection")) == (None, b"close")


async def test_the_old_version_closes_unless_it_asks_otherwise() -> None:
    async with wired(hello) as wire:
        wire.send(b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
        await wire.quiet()
        assert (wire.answers()[0].header(b"connection"), wire.closed) == (b"keep-alive", False)
        wire.send(b"GET / HTTP/1.0\r\n\r\n")
        await wire.quiet()
        assert (wire.answers()[1].header(b"connection"), wire.closed) == (b"close", True)


@pytest.mark.parametrize("value", [b"a\r\nx-evil: 1", b"a\nx-evil: 1", b"a\rb", b"a\0b"])
async def test_a_header_cannot_begin_another(value: bytes) -> None:
    async def handler(exchange: Exchange) -> None:
        attempts: list[Callable[[], None]] = [
            lambda: exchange.answer(200, b"", [(b"x-own", value)]),
            lambda: exchange.answer(200, b"", [(value, b"1")]),
            lambda: exchange.open_stream([(b"x-own", value)]),
            lambda: exchange.open(200, [(b"x-own", value)], None),
        ]
        for send in attempts:
            with pytest.raises(ValueError, match="header"):
                send()
        exchange.answer(200, b"fine")

    async with wired(handler) as wire:
        wire.send(GET)
        await wire.quiet()
        assert wire.answers()[0].body == b"fine"
        assert b"evil" not in wire.received


@pytest.mark.parametrize("name", [b"Content-Length", b"transfer-encoding", b"date", b"connection"])
async def test_the_framing_is_the_servers_own(name: bytes) -> None:
    async def handler(exchange: Exchange) -> None:
        with pytest.raises(ValueError, match="server's own"):
            exchange.answer(200, b"", [(name, b"5")])
        exchange.answer(200, b"")

    async with wired(handler) as wire:
        wire.send(GET)
        await wire.quiet()
        assert wire.answers()[0].status == 200


async def test_an_answer_that_is_not_as_long_as_it_said_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(exchange: Exchange) -> None:
        exchange.open(200, [], 5)
        if exchange.path == "/short":
            await exchange.write(b"1234")
            exchange.end()
        await exchange.write(b"123456")

    for path in (b"/short", b"/long"):
        async with wired(handler) as wire:
            wire.send(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path + GET)
            await wire.until(lambda: wire.closed)
            assert wire.state.counters.cut == 1
            assert len(wire.received.partition(b"\r\n\r\n")[2]) < 5
    assert caplog.records


async def test_there_is_one_answer_to_a_request() -> None:
    async def handler(exchange: Exchange) -> None:
        exchange.answer(200, b"first")
        attempts: list[Callable[[], None]] = [lambda: exchange.answer(200, b"second"), exchange.open_stream, exchange.end, lambda: exchange.put(b"x")]
        for again in attempts:
            with pytest.raises(RuntimeError):
                again()
        exchange.fail(ValueError())

    async with wired(handler) as wire:
        wire.send(GET)
        await wire.quiet()
        assert [answer.body for answer in wire.answers()] == [b"first"]


async def test_a_handler_that_forgets_its_answer_or_fails_is_told_for_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    async def handler(exchange: Exchange) -> None:
        if exchange.path == "/limit":
            raise TooManyRequests("Slowly.", retry_after_s=7)
        if exchange.path == "/stream":
            exchange.open_stream()
            raise ZeroDivisionError("secret")
        if exchange.path == "/late":
            exchange.answer(200, b"")
            raise ZeroDivisionError("secret")
        if exchange.path == "/left":
            raise CallerLeft

    async with wired(handler) as wire:
        wire.send(b"".join(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path for path in (b"/forgets", b"/limit", b"/late", b"/stream", b"/left")))
        await wire.until(lambda: wire.closed)
        forgets, limit, late, stream = wire.answers()
    assert (forgets.status, limit.status, late.status, stream.status) == (500, 429, 200, 200)
    assert limit.header(b"retry-after") == b"7"
    assert stream.body.startswith(b'data: {"error"')
    assert b"internal_error" in stream.body
    assert b"secret" not in wire.received


async def test_errors_take_the_shape_that_was_set() -> None:
    def shape(error: Exception, request_id: uuid.UUID) -> ErrorAnswer:
        return ErrorAnswer(418, "teapot", b'{"type":"error"}', (), b'event: error\ndata: {"type":"error"}\n\n')

    async def handler(exchange: Exchange) -> None:
        exchange.error_shape = shape
        if exchange.path == "/stream":
            exchange.open_stream()
        raise RequestError("No.")

    async with wired(handler) as wire:
        wire.send(GET + b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        await wire.quiet()
        first, second = wire.answers()
    assert (first.status, first.body) == (418, b'{"type":"error"}')
    assert second.body == b'event: error\ndata: {"type":"error"}\n\n'


async def test_what_an_exchange_knows_of_its_request() -> None:
    known: list[Exchange] = []

    async def handler(exchange: Exchange) -> None:
        known.append(exchange)
        exchange.answer(200, b"")

    async with wired(handler) as wire:
        wire.send(b"PUT /v1/%EA%B0%80%ff?q=%41 HTTP/1.1\r\nHOST: x\r\nX-Two: a\r\nx-two:  b \r\nX-Odd-Name: c\r\n\r\n")
        wire.send(b"GET http://Other.example:80?z HTTP/1.1\r\nHost: x\r\n\r\n")
        await wire.quiet()
    first, second = known
    assert (first.method, first.path, first.query, first.target) == ("PUT", "/v1/가\ufffd", b"q=%41", b"/v1/%EA%B0%80%ff?q=%41")
    assert first.raw_headers == [(b"host", b"x"), (b"x-two", b"a"), (b"x-two", b"b"), (b"x-odd-name", b"c")]
    assert (first.header(b"x-two"), first.header(b"x-none")) == (b"a, b", b"")
    assert first.headers() == {"host": "x", "x-two": "a, b", "x-odd-name": "c"}
    assert first.duration_us > 0
    assert (second.path, second.query, second.headers()["host"]) == ("/", b"z", "Other.example:80")


async def test_forwarding_headers_count_only_behind_a_trusted_proxy() -> None:
    seen: list[tuple[str, str]] = []

    async def handler(exchange: Exchange) -> None:
        seen.append((exchange.client, exchange.scheme))
        exchange.answer(200, b"")

    request = b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 6.6.6.6, 203.0.113.9\r\nX-Forwarded-Proto: https\r\n\r\n"
    async with wired(handler, proxies=TrustedProxies(["10.0.0.0/8"])) as wire:
        wire.send(request)
        await wire.quiet()
        (connection,) = wire.state.open
        connection._trusted = True  # type: ignore[attr-defined]
        wire.send(request)
        await wire.quiet()
    assert seen == [("", "http"), ("203.0.113.9", "https")]


async def test_counters_say_what_was_done() -> None:
    seen = Seen()
    async with wired(seen, Limits()) as wire:
        wire.send(GET * 3 + b"bad\r\n\r\n")
        await wire.quiet()
        counters = wire.state.counters
        assert (counters.connections, counters.requests, counters.refused, counters.in_flight) == (1, 3, 1, 0)
        assert (counters.answered[2], counters.answered[4], counters.left, counters.cut) == (3, 1, 0, 0)

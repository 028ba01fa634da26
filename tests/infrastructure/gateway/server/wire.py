"""A caller that sends what it likes, byte by byte if need be, and reads answers with a parser that is not ours (h11)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import h11

from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.server import Handler, Limits, Server, TrustedProxies
from ondol.infrastructure.gateway.server.protocol import Connection
from ondol.infrastructure.gateway.server.types import ServerState

TURNS_MAX = 20_000
TURN_S = 0.002


@dataclass(frozen=True)
class Answer:
    """One answer as h11 reads it."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        return dict(self.headers).get(name)


@dataclass
class Seen:
    """A handler that remembers what it was given, and answers each request with the length of its body."""

    requests: list[tuple[str, bytes, bytes]] = field(default_factory=list)

    async def __call__(self, exchange: Exchange) -> None:
        body = await exchange.body(1 << 20)
        self.requests.append((exchange.method, exchange.target, body))
        exchange.answer(200, b"%d" % len(body))


def read_answers(data: bytes, methods: Sequence[bytes] = (), *, closed: bool = False) -> list[Answer]:
    """All answers in the bytes; fails when one is broken or not whole.

    Args:
        methods: of the requests they answer, GET where it says nothing.
        closed: the server has closed the connection behind them.
    """
    answers: list[Answer] = []
    while data:
        method = methods[len(answers)] if len(answers) < len(methods) else b"GET"
        parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        parser.send(h11.Request(method=method, target=b"/", headers=[(b"host", b"x")]))
        parser.send(h11.EndOfMessage())
        parser.receive_data(data)
        if closed:
            parser.receive_data(b"")
        head: h11.Response | None = None
        body = b""
        while True:
            event = parser.next_event()
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                assert isinstance(event, h11.InformationalResponse), (event, data)
        assert head is not None
        answers.append(Answer(head.status_code, tuple((bytes(name), bytes(value)) for name, value in head.headers), body))
        data = parser.trailing_data[0]
    return answers


class Wire:
    """The caller's end of a connection. `turn` lets the event loop go round, so that what was sent has been read before more is sent."""

    def __init__(self, state: ServerState, ours: socket.socket) -> None:
        self.state = state
        self.received = b""
        self.closed = False
        self._socket = ours

    def send(self, data: bytes) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.send(data)

    def hang_up(self) -> None:
        self._socket.close()

    async def turn(self, times: int = 3) -> None:
        for _ in range(times):
            await asyncio.sleep(0)

    async def until(self, done: Callable[[], bool]) -> None:
        """Read until it is so."""
        for _ in range(TURNS_MAX):
            self.read()
            if done():
                return
            await asyncio.sleep(0)
        raise AssertionError("it never came to that")

    async def quiet(self) -> None:
        """Read until nothing happens any more: a handler may still wait for a body that never comes."""
        before: tuple[int, int] | None = None
        while before != (now := (len(self.received), self.state.counters.in_flight)):
            before = now
            await self.turn(8)
            self.read()

    def read(self) -> None:
        if self._socket.fileno() < 0:
            return
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            while True:
                piece = self._socket.recv(65_536)
                if not piece:
                    self.closed = True
                    return
                self.received += piece

    def answers(self, *methods: bytes) -> list[Answer]:
        return read_answers(self.received, methods, closed=self.closed)


async def eventually(done: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until it is so, for what no event tells."""
    for _ in range(int(seconds / TURN_S)):
        if done():
            return
        await asyncio.sleep(TURN_S)
    raise AssertionError("it never came to that")


@contextlib.asynccontextmanager
async def running(handler: Handler, limits: Limits | None = None, **settings: Any) -> AsyncIterator[Server]:
    """A server in this event loop on a free port of the loopback; its time-outs are looked at often."""
    server = Server(handler, [socket.create_server(("127.0.0.1", 0))], limits or Limits(tick_s=0.01), **settings)
    await server.start()
    try:
        yield server
    finally:
        await server.drain(0)


@contextlib.asynccontextmanager
async def wired(handler: Handler, limits: Limits | None = None, proxies: TrustedProxies | None = None) -> AsyncIterator[Wire]:
    """A connection over a pair of sockets, without a listening server; time-outs do not pass on their own."""
    state = ServerState(handler, limits or Limits(), proxies or TrustedProxies(), asyncio.get_running_loop())
    async with connected(state) as wire:
        yield wire


@contextlib.asynccontextmanager
async def connected(state: ServerState) -> AsyncIterator[Wire]:
    """One more connection to a server's state."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    transport, connection = await loop.connect_accepted_socket(lambda: Connection(state), theirs)
    wire = Wire(state, ours)
    try:
        yield wire
    finally:
        ours.close()
        transport.abort()
        for _ in range(TURNS_MAX):
            if connection not in state.open and not state.running:
                break
            await asyncio.sleep(0)
        assert connection not in state.open
        assert not state.running

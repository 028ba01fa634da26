"""An ASGI application behind an exchange: both bodies flow as they come, and neither side runs ahead of the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, MutableMapping
from typing import Any

from ondol.infrastructure.gateway.errors import CallerLeft
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.types import AsgiApp

BODY_BYTES_MAX = 64 << 20
"""An application has its own, lower limits; this one holds when it forgets them."""
GONE_S = 30.0
"""How long an application may go on after its caller has left."""
PIECE_BYTES_MAX = 65_536

_NOT_PASSED_ON = frozenset((b"connection", b"keep-alive", b"transfer-encoding", b"date", b"x-request-id", b"x-ondol-duration-ms", b"server"))


class AsgiBridge:
    """A handler that runs an ASGI 3.0 application. HTTP only: there is no lifespan, and no upgrade.

    An application is told that the caller left (``http.disconnect``, and `OSError` when it sends) and not cancelled, as its authors expect; it
    is cancelled when it has not ended after `GONE_S`.

    Args:
        app: the application.
        body_bytes_max: largest request body that is passed on.
    """

    def __init__(self, app: AsgiApp, *, body_bytes_max: int = BODY_BYTES_MAX) -> None:
        self._app = app
        self._body_bytes_max = body_bytes_max

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        await run_asgi(self._app, exchange, body_bytes_max=self._body_bytes_max)


async def run_asgi(
    app: AsgiApp, exchange: Exchange, *, body_bytes_max: int, body: bytes | None = None, state: Mapping[str, Any] | None = None
) -> None:
    """Run an application over an exchange. What the application raises is raised.

    Args:
        body: the request's body, when it was read already.
        state: becomes ``scope["state"]``.
    """
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    run = _Run(exchange, exchange.body_chunks(body_bytes_max) if body is None else _once(body))
    gone: list[asyncio.TimerHandle] = []

    def on_left() -> None:
        run.left.set()
        if task is not None:
            gone.append(loop.call_later(GONE_S, task.cancel))

    exchange.stays_when_left = True
    exchange.when_left(on_left)
    try:
        await app(_scope(exchange, state), run.receive, run.send)
    except (OSError, CallerLeft):
        if not exchange.left:
            raise
    finally:
        for timer in gone:
            timer.cancel()


class _Run:
    """The two ends that an application is given."""

    def __init__(self, exchange: Exchange, pieces: AsyncIterator[bytes]) -> None:
        self.left = asyncio.Event()
        self._exchange = exchange
        self._pieces = pieces
        self._body_ended = False
        self._start: MutableMapping[str, Any] | None = None

    async def receive(self) -> MutableMapping[str, Any]:
        """More of the request's body; then the word that the caller left, when that happens."""
        if self._body_ended:
            await self.left.wait()
            return {"type": "http.disconnect"}
        try:
            piece = await anext(self._pieces, None)
        except CallerLeft:
            self._body_ended = True
            return {"type": "http.disconnect"}
        self._body_ended = piece is None
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """More of the answer. Its head waits for the first piece, so that a whole answer goes out in one."""
        exchange = self._exchange
        if exchange.left:
            raise OSError("the caller left")
        if message["type"] == "http.response.start":
            self._start = message
            return
        if message["type"] != "http.response.body":
            raise RuntimeError(f"the server does not take {message['type']}")
        body: bytes = bytes(message.get("body", b""))
        more: bool = message.get("more_body", False)
        try:
            if not exchange.begun:
                self._open(None if more else len(body))
            for place in range(0, len(body), PIECE_BYTES_MAX):
                await exchange.write(body[place : place + PIECE_BYTES_MAX])
            if not more:
                exchange.end()
        except CallerLeft:
            raise OSError("the caller left") from None

    def _open(self, length: int | None) -> None:
        if self._start is None:
            raise RuntimeError("the application sent a body before its head")
        headers: list[tuple[bytes, bytes]] = []
        told: int | None = None
        for raw_name, value in self._start.get("headers", ()):
            name = bytes(raw_name).lower()
            if name == b"content-length":
                told = int(value)
            elif name not in _NOT_PASSED_ON:
                headers.append((name, bytes(value)))
        if self._exchange.method == "HEAD" and told is not None:
            length = told
        self._exchange.open(self._start["status"], headers, length if told is None else told)


def _scope(exchange: Exchange, state: Mapping[str, Any] | None) -> dict[str, Any]:
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.0" if exchange.old else "1.1",
        "method": exchange.method,
        "scheme": exchange.scheme,
        "path": exchange.path,
        "raw_path": exchange.target.partition(b"?")[0],
        "query_string": exchange.query,
        "root_path": "",
        "headers": exchange.raw_headers,
        "client": (exchange.client, 0) if exchange.client else None,
        "server": None,
    }
    if state is not None:
        scope["state"] = dict(state)
    return scope


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body

"""One request and its answer over ASGI: bounded reading, headers on every answer, and noticing when the caller leaves."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, TypeVar

from ondol.core.ids import new_id
from ondol.infrastructure.gateway.errors import BodyTooLarge, BodyTooSlow, CallerLeft, answer_to
from ondol.infrastructure.gateway.types import Receive, Scope, Send

BODY_TIMEOUT_S = 30.0
SEND_TIMEOUT_S = 60.0
"""A caller that takes no byte for so long counts as gone, so that its upstream is let go."""
CLEAN_UP_S = 5.0
"""How long an upstream may tidy up after its last event, or after it was cancelled."""
LINGER_S = 2.0
LINGER_BYTES_MAX = 16 << 20
"""After a refused body we go on reading a little: closing at once would reset the connection, and the caller would never see why."""
EVENTS_AFTER_BODY_MAX = 16

T = TypeVar("T")


class Exchange:
    """One request and its answer.

    Attributes:
        id: UUIDv7, sent as ``x-request-id``.
        method, path: as ASGI gives them.
        client: the peer's address, empty when unknown.
        streaming: the head of a stream has gone out.
        ended: the last byte has gone out.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.id = new_id()
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.client: str = (scope.get("client") or ("",))[0]
        self.streaming = False
        self.ended = False
        self._raw_headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
        self._receive = receive
        self._send = send
        self._started_ns = time.perf_counter_ns()

    @property
    def duration_us(self) -> int:
        """Microseconds since the request began."""
        return (time.perf_counter_ns() - self._started_ns) // 1_000

    def headers(self) -> Mapping[str, str]:
        """The request's headers: names in lower case, repeated ones joined with a comma (so that two credentials are never one valid one)."""
        headers: dict[str, str] = {}
        for raw_name, raw_value in self._raw_headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return headers

    async def body(self, bytes_max: int) -> bytes:
        """The whole body, read once.

        Raises:
            BodyTooLarge: as soon as that is known; the rest stays unread.
            BodyTooSlow: when it does not arrive in time.
            CallerLeft: when it never arrives.
        """
        too_large = BodyTooLarge(f"The request's body is larger than {bytes_max} bytes.", "Send less text.")
        length = self.headers().get("content-length", "")
        if length.isascii() and length.isdigit() and int(length[:20]) > bytes_max:
            raise too_large
        pieces: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                while True:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        raise CallerLeft
                    piece: bytes = message.get("body", b"")
                    size += len(piece)
                    if size > bytes_max:
                        raise too_large
                    pieces.append(piece)
                    if not message.get("more_body", False):
                        return b"".join(pieces)
        except TimeoutError:
            raise BodyTooSlow(f"The request's body did not arrive within {BODY_TIMEOUT_S:.0f} seconds.") from None

    async def answer(self, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = (), *, linger: bool = False) -> None:
        """A whole JSON answer. HEAD gets its head only."""
        await self._start(
            status,
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"x-ondol-duration-ms", f"{self.duration_us / 1_000:.1f}".encode()),
            *headers,
        )
        body = b"" if self.method == "HEAD" else body
        if linger:
            await self._write(body, more=True)
            await self._linger()
            body = b""
        await self._write(body, more=False)
        self.ended = True

    async def fail(self, error: Exception) -> None:
        """Tell the caller what failed: as an answer, or as the last event of a stream that has begun, without ``[DONE]``."""
        answer = answer_to(error, self.id)
        if self.ended:
            return
        if self.streaming:
            await self.write(b"data: " + answer.body + b"\n\n")
            await self.end()
        else:
            await self.answer(answer.status, answer.body, answer.headers, linger=isinstance(error, BodyTooLarge))

    async def open_stream(self) -> None:
        """Send the head of an event stream."""
        # `x-accel-buffering` keeps nginx from holding events back.
        await self._start(200, (b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no"))
        self.streaming = True

    async def write(self, data: bytes) -> None:
        """Send more of a stream.

        Raises:
            CallerLeft: when the caller takes nothing any more.
        """
        await self._write(data, more=True)

    async def end(self) -> None:
        """Send the end of a stream."""
        await self._write(b"", more=False)
        self.ended = True

    async def unless_left(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work; cancel it when the caller hangs up.

        Raises:
            CallerLeft: when the caller was faster.
        """
        working = asyncio.ensure_future(work)
        leaving = asyncio.ensure_future(self._left())
        try:
            await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if self.ended:
                # After the last byte ASGI reports a disconnect too: what the upstream still tidies up is not cut short.
                await asyncio.wait({working}, timeout=CLEAN_UP_S)
            if working.done():
                return working.result()
            raise CallerLeft
        finally:
            await cancel(working, leaving)

    async def _left(self) -> None:
        for _ in range(EVENTS_AFTER_BODY_MAX):
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return
        await asyncio.Event().wait()

    async def _start(self, status: int, *headers: tuple[bytes, bytes]) -> None:
        await self._deliver({"type": "http.response.start", "status": status, "headers": [*headers, (b"x-request-id", str(self.id).encode())]})

    async def _write(self, data: bytes, *, more: bool) -> None:
        await self._deliver({"type": "http.response.body", "body": data, "more_body": more})

    async def _deliver(self, message: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._send(message)
        except (TimeoutError, OSError):
            raise CallerLeft from None

    async def _linger(self) -> None:
        size = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while size < LINGER_BYTES_MAX:
                    message = await self._receive()
                    size += len(message.get("body", b""))
                    if message["type"] == "http.disconnect" or not message.get("more_body", False):
                        return


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait a bounded time for them to tidy up. What they raise while they do is not of interest."""
    for task in tasks:
        task.cancel()
    done, _ = await asyncio.wait(tasks, timeout=CLEAN_UP_S)
    for task in done:
        if not task.cancelled():
            task.exception()

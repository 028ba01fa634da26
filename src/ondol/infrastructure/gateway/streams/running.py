"""An answer that this worker is giving: its events in memory, for whoever reads it here, and the exchange that takes them from the pipeline."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from ondol.core.errors import UpstreamError
from ondol.core.ids import new_id
from ondol.infrastructure.gateway.errors import CallerLeft
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.request_head import RequestHead, read_head
from ondol.infrastructure.gateway.streams.place import Place, events_in, with_ids

STREAM_BYTES_MAX = 16 << 20
"""Of one answer: it stays in memory until its end has been kept."""


class Running:
    """An answer on its way.

    Attributes:
        run: how often it was begun.
        headers: of the stream's head.
        events: what has gone out, without ids.
        written: how many of them are kept.
        readers: who reads it at this worker.
        alone_since: since when nobody does, by `time.monotonic`.
        is_ended: nothing more will come.
        is_lost: another worker has taken it over.
        failed: why it never came to an event.
        kept: resolved when its row is there.
    """

    def __init__(self, tenant_id: uuid.UUID, person_id: uuid.UUID, answer_id: uuid.UUID, run: int) -> None:
        self.tenant_id = tenant_id
        self.person_id = person_id
        self.id = answer_id
        self.run = run
        self.headers: Sequence[tuple[bytes, bytes]] = ()
        self.events: list[bytes] = []
        self.written = 0
        self.readers = 0
        self.alone_since = time.monotonic()
        self.is_ended = self.is_lost = self.is_stopped = False
        self.failed: Exception | None = None
        self.kept: asyncio.Future[None] | None = None
        self.task: asyncio.Task[None] | None = None
        self._bytes = 0
        self._changed = asyncio.Event()

    def add(self, data: bytes) -> None:
        """More of the stream.

        Raises:
            UpstreamError: when it has become too long.
        """
        found = events_in(data)
        self._bytes += sum(map(len, found))
        if self._bytes > STREAM_BYTES_MAX:
            raise UpstreamError(f"The answer is longer than {STREAM_BYTES_MAX} bytes.", "Ask for a shorter one.", code="upstream_too_long")
        self.events += found
        self.tell()

    def end(self) -> None:
        """Nothing more will come."""
        self.is_ended = True
        self.tell()

    def lose(self) -> None:
        """Another worker has it, or it is gone."""
        self.is_lost = True
        self.end()

    def tell(self) -> None:
        """Wake everybody who waits for a change."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def begun(self) -> None:
        """Wait for the first event. Raises what went wrong before it."""
        if self.kept is not None:
            await asyncio.shield(self.kept)
        while not self.events and not self.is_ended:
            await self._changed.wait()
        if self.failed is not None:
            raise self.failed

    async def after(self, place: Place) -> AsyncIterator[tuple[bytes, Place]]:
        """The events behind a place as they come, with their ids, and the place where one is then."""
        sent = place.number if place.run == self.run else 0
        while True:
            until = len(self.events)
            if until > sent:
                yield with_ids(self.events[sent:until], self.run, sent + 1), Place(self.run, until)
                sent = until
            elif self.is_ended:
                return
            else:
                await self._changed.wait()


class KeptExchange(Exchange):
    """An exchange without a connection: what the pipeline writes is an answer on its way, whoever reads it.

    Args:
        asked: the exchange of whoever asked, of which it has the trace and nothing else.
        close: keeps the end of the answer before its record is kept.
    """

    __slots__ = ("_close", "_running")

    def __init__(self, running: Running, asked: Exchange, close: Callable[[Running, bytes], Awaitable[bool]]) -> None:
        super().__init__(_NOWHERE, _head(asked), asked.client, asked.scheme, time.perf_counter_ns())
        self.id = running.id
        self.id_text = str(running.id).encode("ascii")
        self.error_shape = asked.error_shape
        self._running = running
        self._close = close

    def open_stream(self, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        """The head of the stream."""
        if self.left:
            raise CallerLeft
        self.begun = self.streaming = True
        self._running.headers = headers

    async def write(self, data: bytes) -> None:
        """More of the stream. Readers have their turn before there is more: a model that says all at once would keep them waiting to its end."""
        self.put(data)
        await asyncio.sleep(0)

    def put(self, data: bytes) -> None:
        """More of the stream."""
        if self.left:
            raise CallerLeft
        self._running.add(data)

    def end(self) -> None:
        """The end of the stream."""
        self.ended = True

    async def closing(self, last: bytes) -> None:
        """Keep the end of the answer, unless another worker answers meanwhile. Raises `CallerLeft`."""
        if not await self._close(self._running, last):
            self.supersede()
            raise CallerLeft

    def supersede(self) -> None:
        """Another worker answers: nobody wants this answer any more."""
        self.left = self.superseded = True
        self.id = new_id()


def _head(asked: Exchange) -> RequestHead:
    trace = asked.header(b"traceparent")
    return read_head(b"POST %b HTTP/1.1\r\nhost: inside%b" % (asked.path.encode(), b"\r\ntraceparent: " + trace if trace else b""))


class _Nowhere:
    """A connection that nothing is sent over."""

    def __init__(self) -> None:
        self.keep_alive = False
        self.congested = False
        self.date_line = b""

    def send(self, data: bytes) -> None:
        raise RuntimeError("An answer on its way has no connection.")

    def want_body(self) -> None:
        return

    def got_body(self) -> None:
        return

    async def drained(self) -> None:
        return

    def finish(self, status: int) -> None:
        return

    def abort(self) -> None:
        return


_NOWHERE = _Nowhere()

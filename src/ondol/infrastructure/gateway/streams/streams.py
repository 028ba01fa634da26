"""Answers on their way at one worker: begun, read on from a place, stopped, and taken over from a worker that is gone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from ondol.core.errors import TooManyRequests
from ondol.core.ids import new_id
from ondol.infrastructure.gateway.beat import Beat
from ondol.infrastructure.gateway.errors import CallerLeft, Stopping
from ondol.infrastructure.gateway.exchange import Exchange, cancel
from ondol.infrastructure.gateway.streams.journal import Claimed, Journal, stream_not_found
from ondol.infrastructure.gateway.streams.place import BEGINNING, Place, events_in, place_of, stopped
from ondol.infrastructure.gateway.streams.running import KeptExchange, Running
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database, DatabaseAway

RUNNING_PERSON_MAX = 64
"""Answers of one person that are on their way at one worker: each goes on when its caller leaves."""
_LOG = logging.getLogger("ondol.gateway")


class Caller(Protocol):
    """Who asks."""

    tenant_id: uuid.UUID
    person_id: uuid.UUID


Work = Callable[[Exchange], Awaitable[None]]
"""Answers a request through the exchange that it is given."""
Again = Callable[[Exchange, bytes], Awaitable[None]]
"""The same for the body of a request whose worker is gone."""
Retake = Callable[[uuid.UUID, uuid.UUID, uuid.UUID], Awaitable[bool]]
"""Of a tenant's person and their answer: whether its record stands; if it does not, what it left in its thread is taken back."""


@dataclass(frozen=True, slots=True)
class Times:
    """How often and how long, in seconds.

    Attributes:
        write_every_s: events are kept so often; who was cut off waits so long for the next ones at another worker.
        renew_every_s: a worker says so often that it is there.
        lease_s: after so much silence it counts as gone.
        alone_s: an answer goes on for so long while nobody reads it.
        keep_alive_s: longest silence of a stream.
    """

    write_every_s: float = 0.2
    renew_every_s: float = 1.0
    lease_s: float = 5.0
    alone_s: float = 60.0
    keep_alive_s: float = 10.0


class Streams:
    """Use `kept` as an async context manager for as long as requests are answered.

    Args:
        retake: see `Retake`.
    """

    def __init__(self, database: Database, keyring: KeyRing, retake: Retake, times: Times = Times()) -> None:
        self._database = database
        self._retake = retake
        self._times = times
        self._journal = Journal(database, keyring, new_id(), times.lease_s)
        self._running: dict[tuple[uuid.UUID, uuid.UUID], Running] = {}
        self._exchanges: dict[Running, KeptExchange] = {}
        self._writing = asyncio.Lock()
        self._renewed = 0.0

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[Streams]:
        """Keep what is answered. What is still on its way in the end is cancelled."""
        rounds = asyncio.create_task(self._rounds(), name="streams")
        try:
            yield self
        finally:
            tasks = [rounds, *(running.task for running in self._running.values() if running.task is not None)]
            await cancel(*tasks)

    async def begin(self, exchange: Exchange, caller: Caller, body: bytes, work: Work) -> None:
        """Answer a request, whether or not its caller stays.

        Raises:
            TooManyRequests: too many answers of this person are on their way.
            DatabaseAway: the answer cannot be kept.
        """
        who = (caller.tenant_id, caller.person_id)
        if sum((each.tenant_id, each.person_id) == who for each in self._running.values()) >= RUNNING_PERSON_MAX:
            hint = "Stop one, or wait until one has ended."
            raise TooManyRequests("Too many of your answers are on their way.", hint, code="too_many_answers")
        running = Running(*who, exchange.id, 1)
        running.kept = asyncio.ensure_future(self._journal.add(running, body))
        self._start(running, exchange, work)
        await self._read(exchange, caller, running.id, BEGINNING, None)

    async def resume(self, exchange: Exchange, caller: Caller, answer_id: uuid.UUID, again: Again) -> None:
        """Let the caller read on behind the event that ``last-event-id`` names, from the beginning where it names none.

        Raises:
            NotFound: when they have no such answer on its way.
        """
        after = place_of(exchange.header(b"last-event-id").decode("latin-1"))
        await self._read(exchange, caller, answer_id, after, again)

    async def stop(self, caller: Caller, answer_id: uuid.UUID) -> None:
        """End an answer at once, at whichever worker it is given.

        Raises:
            NotFound: when the caller has no such answer on its way.
        """
        running = self._running.get((caller.tenant_id, answer_id))
        if not await self._journal.stop(caller.tenant_id, caller.person_id, answer_id):
            raise stream_not_found()
        if running is not None:
            self._stop(running)

    def _start(self, running: Running, asked: Exchange, work: Work) -> None:
        exchange = KeptExchange(running, asked, self._close)
        self._running[running.tenant_id, running.id] = running
        self._exchanges[running] = exchange
        running.task = exchange.task = asyncio.create_task(self._run(running, exchange, work))

    async def _run(self, running: Running, exchange: KeptExchange, work: Work) -> None:
        """Let an answer be given to its end. The boundary of its task: what fails is told to whoever reads it."""
        try:
            await work(exchange)
        except (CallerLeft, asyncio.CancelledError):
            if running.is_stopped:
                running.add(stopped(running.id))
            elif not exchange.left:
                _tell(running, exchange, Stopping())
                raise
        except Exception as error:
            _tell(running, exchange, error)
        finally:
            running.end()
            await asyncio.shield(asyncio.ensure_future(self._ended(running)))

    async def _ended(self, running: Running) -> None:
        """Keep the rest of an answer and its end. Without the database another worker answers it again."""
        try:
            if running.kept is not None:
                await running.kept
            if not running.events:
                await self._journal.drop(running)
            elif not running.is_lost:
                async with self._writing:
                    async with self._database.tenant_tx(running.tenant_id) as connection:
                        new = await self._journal.write(connection, [running])
                        await self._journal.end(connection, running.id)
                    _written(new)
        except DatabaseAway:
            _LOG.warning("the end of an answer is not kept", extra={"request_id": str(running.id)})
        finally:
            self._exchanges.pop(running, None)
            if self._running.get((running.tenant_id, running.id)) is running:
                del self._running[running.tenant_id, running.id]

    async def _close(self, running: Running, last: bytes) -> bool:
        """Keep the end of an answer before its record; False when it is another worker's by now."""
        if running.kept is not None:
            await running.kept
        async with self._writing:
            async with self._database.tenant_tx(running.tenant_id) as connection:
                is_own = await self._journal.close(connection, running, last)
                new = await self._journal.write(connection, [running]) if is_own else []
            _written(new)
        if not is_own:
            running.lose()
        return is_own

    # Reading

    async def _read(self, exchange: Exchange, caller: Caller, answer_id: uuid.UUID, after: Place, again: Again | None) -> None:
        """Give an answer's events behind a place until its end, from memory where it is given here, else from what is kept of it."""
        reading = _Reading(exchange, after, self._times.keep_alive_s)
        key = (caller.tenant_id, answer_id)
        try:
            while not exchange.ended:
                running = self._running.get(key)
                if running is None or running.is_lost:
                    await self._read_kept(reading, caller, answer_id, again)
                    continue
                if running.person_id != caller.person_id:
                    raise stream_not_found()
                await self._read_here(reading, running)
        finally:
            reading.beat.stop()

    async def _read_here(self, reading: _Reading, running: Running) -> None:
        running.readers += 1
        try:
            await running.begun()
            reading.open(running)
            async for data, place in running.after(reading.place):
                await reading.give(data, place)
        finally:
            running.readers -= 1
            running.alone_since = time.monotonic()
        if not running.is_lost:
            reading.exchange.end()

    async def _read_kept(self, reading: _Reading, caller: Caller, answer_id: uuid.UUID, again: Again | None) -> None:
        """One look at what is kept of an answer that another worker gives, or gave."""
        now = time.monotonic()
        follows = now - reading.followed > self._times.renew_every_s
        if follows:
            reading.followed = now
        kept = await self._journal.read(caller.tenant_id, caller.person_id, answer_id, reading.place, follows=follows)
        reading.open(None)
        if kept.data:
            await reading.give(kept.data, kept.place)
        if kept.is_ended:
            reading.exchange.end()
        elif kept.is_free and again is not None:
            await self._take_over(reading.exchange, caller, answer_id, again)
        elif not kept.data:
            await asyncio.sleep(self._times.write_every_s)

    async def _take_over(self, asked: Exchange, caller: Caller, answer_id: uuid.UUID, again: Again) -> None:
        """Go on in the place of a worker that is gone: with the end of its answer if its record stands, else by answering again."""
        claimed = await self._journal.claim(caller.tenant_id, caller.person_id, answer_id)
        if claimed is None:
            return
        stands = await self._retake(caller.tenant_id, caller.person_id, answer_id)
        if stands or claimed.is_stopping:
            await self._finish(caller, answer_id, claimed, stands=stands)
            return
        _LOG.info("answer taken over", extra={"request_id": str(answer_id), "run": claimed.place.run + 1})
        running = Running(caller.tenant_id, caller.person_id, answer_id, claimed.place.run + 1)
        await self._journal.restart(running)

        async def work(exchange: Exchange) -> None:
            await again(exchange, claimed.body)

        self._start(running, asked, work)

    async def _finish(self, caller: Caller, answer_id: uuid.UUID, claimed: Claimed, *, stands: bool) -> None:
        """Keep the end of an answer whose record stands, or that its asker has stopped."""
        place = claimed.place
        running = Running(caller.tenant_id, caller.person_id, answer_id, place.run)
        last = claimed.last if stands and claimed.last else stopped(answer_id)
        running.events = [b""] * place.number + events_in(last)
        running.written = place.number
        async with self._writing, self._database.tenant_tx(caller.tenant_id) as connection:
            await self._journal.write(connection, [running])
            await self._journal.end(connection, answer_id)

    # Care

    async def _rounds(self) -> None:
        while True:
            await asyncio.sleep(self._times.write_every_s)
            if not self._running:
                continue
            now = time.monotonic()
            renews = now - self._renewed >= self._times.renew_every_s
            if renews:
                self._renewed = now
            for tenant_id in {running.tenant_id for running in self._running.values()}:
                try:
                    await self._round(tenant_id, renews=renews)
                except DatabaseAway:
                    _LOG.warning("answers on their way are not kept", extra={"reason": "Postgres does not answer"})
                except Exception:
                    # The boundary of this task: without it no answer would ever be kept again.
                    _LOG.exception("answers on their way are not kept")

    async def _round(self, tenant_id: uuid.UUID, *, renews: bool) -> None:
        """Keep what is new of a tenant's answers in one transaction, and say that this worker is there."""
        there = [each for each in self._running.values() if each.tenant_id == tenant_id and (each.kept is None or each.kept.done())]
        if not renews and all(len(each.events) == each.written for each in there):
            return
        async with self._writing:
            async with self._database.tenant_tx(tenant_id) as connection:
                new = await self._journal.write(connection, there)
                own = await self._journal.renew(connection, [each.id for each in there]) if renews else {}
            _written(new)
        for running in there if renews else ():
            self._judge(running, own.get(running.id))

    def _judge(self, running: Running, told: tuple[bool, float] | None) -> None:
        """End what was stopped, taken over, or left alone for too long."""
        exchange = self._exchanges.get(running)
        if running.is_ended or exchange is None:
            return
        if told is None:
            running.lose()
            exchange.supersede()
            if running.task is not None:
                running.task.cancel()
            return
        is_stopping, alone_s = told
        here_s = 0.0 if running.readers else time.monotonic() - running.alone_since
        if is_stopping or min(here_s, alone_s) > self._times.alone_s:
            self._stop(running)

    def _stop(self, running: Running) -> None:
        exchange = self._exchanges.get(running)
        if exchange is not None and not running.is_ended:
            running.is_stopped = True
            exchange.lose()


class _Reading:
    """One caller who reads an answer, and where they are."""

    def __init__(self, exchange: Exchange, place: Place, keep_alive_s: float) -> None:
        self.exchange = exchange
        self.place = place
        self.followed = 0.0
        self.beat = Beat(exchange, keep_alive_s)

    def open(self, running: Running | None) -> None:
        """Send the stream's head, unless it has gone out."""
        if not self.exchange.streaming:
            self.exchange.open_stream(running.headers if running is not None else ())

    async def give(self, data: bytes, place: Place) -> None:
        """Send events."""
        self.beat.written = True
        self.place = place
        await self.exchange.write(data)


def _tell(running: Running, exchange: KeptExchange, error: Exception) -> None:
    """Tell readers what failed: by the last event where there were others before."""
    if exchange.streaming:
        exchange.fail(error)
    else:
        running.failed = error


def _written(new: list[tuple[Running, int]]) -> None:
    for running, until in new:
        running.written = max(running.written, until)

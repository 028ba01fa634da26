"""What the gateway tells of each request to those who watch: counters for Prometheus, spans and metrics for a collector."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import uuid
from bisect import bisect_left
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from ondol.infrastructure.telemetry import catalogue as told
from ondol.infrastructure.telemetry.exposition import exposition
from ondol.infrastructure.telemetry.metrics import Registry
from ondol.infrastructure.telemetry.shared import FLUSH_EVERY_S, SharedCells
from ondol.infrastructure.telemetry.trace_context import TraceContext
from ondol.infrastructure.telemetry.types import Decisions, Observed, Put

PLACES_MAX = 10_000
"""Combinations of route, model and outcome whose places are remembered."""

_NO_DECISIONS: Mapping[str, str] = {}
_DURATION = told.DURATION.bounds
_DURATION_SUM = len(_DURATION) + 1
_OVERHEAD = told.OVERHEAD.bounds
_OVERHEAD_SUM = len(_OVERHEAD) + 1
_FIRST_TOKEN = told.FIRST_TOKEN.bounds
_FIRST_TOKEN_SUM = len(_FIRST_TOKEN) + 1
_QUEUE, _GUARD, _UPSTREAM = 0, 1, 2
"""The first series of a worker's registry."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_logger = logging.getLogger(__name__)


class Export(Protocol):
    """Takes finished requests for a collector; never blocks and never raises."""

    def offer(self, record: Observed, overhead_us: int, context: TraceContext | None) -> None:
        """Take one, or drop it and count that."""


class _Places(dict[Any, int]):
    """Places by what is counted there, found when they are first asked for."""

    def __init__(self, find: Callable[[Any], int]) -> None:
        super().__init__()
        self._find: Callable[[Any], int] = find

    def __missing__(self, key: Any) -> int:
        if len(self) >= PLACES_MAX:
            self.clear()
        place: int = self._find(key)
        self[key] = place
        return place


class Observer:
    """One for each worker. Use it as an async context manager.

    Args:
        folder: where all workers of the machine keep their cells; None for a worker that is alone, such as a test's.
        export: the way to a collector.
        tenant_name: how a tenant is called in the label `tenant`; None leaves that label out.

    Attributes:
        registry: this worker's cells; parts that keep count themselves add to it, or tell by `gauges`.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        export: Export | None = None,
        tenant_name: Callable[[uuid.UUID], str] | None = None,
        registry: Registry | None = None,
        flush_every_s: float = FLUSH_EVERY_S,
    ) -> None:
        self.registry = registry or Registry(told.catalogue(tenants=tenant_name is not None))
        self._values = self.registry.values
        self._folder = folder
        self._shared: SharedCells | None = None
        self._export = export
        self._tenant_name = tenant_name
        self._flush_every_s = flush_every_s
        self._callbacks: list[Callable[[Put], None]] = [_process]
        self._complained: set[str] = set()
        self._scraping = asyncio.Lock()
        self._ticking: asyncio.Task[None] | None = None
        self._places: dict[tuple[object, ...], tuple[int, ...]] = {}
        cell = self.registry.cell
        self._first_tokens: _Places = _Places(lambda model: cell(told.FIRST_TOKEN.name, (model,)))
        self._verdicts: _Places = _Places(lambda verdict: cell(told.VERDICTS.name, verdict))
        if [cell(told.STAGES.name, (stage,)) for stage in ("queue", "guard", "upstream")] != [_QUEUE, _GUARD, _UPSTREAM]:
            raise ValueError("The registry counts something else already.")
        self._exports = export is not None

    def observe(self, record: Observed, *, overhead_us: int, decisions: Decisions = _NO_DECISIONS, context: TraceContext | None = None) -> None:
        """Count one finished request. Called once for each; never blocks and never raises.

        Args:
            overhead_us: what the gateway took itself.
            decisions: the guard's, by stage.
            context: the request's trace; without it spans have no parent.
        """
        try:
            self._count(record, overhead_us, decisions)
            if self._exports and self._export is not None:
                self._export.offer(record, overhead_us, context)
        except Exception:
            # The boundary of telemetry: a request must not fail for how it is counted.
            self._complain("observe", "a request could not be counted")

    def rejected(self, limit: str) -> None:
        """Count a request that a limit or budget refused, by the error's code."""
        self.registry.add(told.LIMITED.name, (limit,))

    def refused(self, code: str) -> None:
        """Count a request that was refused before it had a record, by the error's code."""
        self.registry.add(told.REFUSED.name, (code,))

    def asked_upstream(self, provider: str, outcome: str) -> None:
        """Count one attempt at a provider: ``answered``, or the code of the error."""
        self.registry.add(told.UPSTREAM.name, (provider, outcome))

    def gauges(self, callback: Callable[[Put], None]) -> None:
        """Have a callback tell what gauges stand at, and counters that others keep, each time that the cells are written."""
        self._callbacks.append(callback)

    async def scrape(self) -> bytes:
        """The page for Prometheus: all workers of the machine together.

        Raises:
            OSError: the folder cannot be read.
        """
        async with self._scraping:
            return await self._page()

    async def _page(self) -> bytes:
        self.tick()
        if self._shared is None:
            return exposition(self.registry)
        # Files are read and text is made in a thread: it takes milliseconds when there are many series.
        shared = self._shared
        return await asyncio.to_thread(lambda: exposition(shared.sum()))

    def tick(self) -> None:
        """Ask the gauges and write the cells."""
        self.registry.clear_gauges()
        for callback in self._callbacks:
            try:
                callback(self.registry.put)
            except Exception:
                self._complain(getattr(callback, "__qualname__", "gauges"), "a gauge could not be told")
        if self._shared is not None:
            try:
                self._shared.flush()
            except OSError:
                self._complain("flush", "metrics cannot be written")

    async def __aenter__(self) -> Observer:
        if self._folder is not None:
            try:
                self._shared = await asyncio.to_thread(SharedCells, self._folder, self.registry)
            except OSError:
                # Metrics are no reason not to serve: this worker then tells its own alone.
                self._complain("folder", "metrics cannot be kept; each worker tells its own")
        self._ticking = asyncio.create_task(self._tick_on(), name="observer")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticking
        if self._shared is not None:
            shared, self._shared = self._shared, None
            try:
                shared.close()
            except OSError:
                self._complain("close", "metrics cannot be written")

    async def _tick_on(self) -> None:
        while True:
            await asyncio.sleep(self._flush_every_s)
            self.tick()

    def _count(self, record: Observed, overhead_us: int, decisions: Decisions) -> None:
        # Each microsecond here is one of every request: places are looked up once for a combination, and counting is adding to a list.
        values = self._values
        key: tuple[object, ...] = (record.route, record.model, record.outcome, record.currency)
        if self._tenant_name is not None:
            key = (*key, record.tenant_id)
        try:
            requests, duration, overhead, written_in, written_out, cost = self._places[key]
        except KeyError:
            requests, duration, overhead, written_in, written_out, cost = self._find_places(record, key)
        values[requests] += 1
        duration_us = record.duration_us
        values[duration + bisect_left(_DURATION, duration_us)] += 1
        values[duration + _DURATION_SUM] += duration_us
        values[overhead + bisect_left(_OVERHEAD, overhead_us)] += 1
        values[overhead + _OVERHEAD_SUM] += overhead_us
        values[written_in] += record.input_tokens
        values[written_out] += record.output_tokens
        values[_QUEUE] += record.queue_us
        values[_GUARD] += record.guard_us
        values[_UPSTREAM] += record.upstream_us
        if cost >= 0:
            values[cost] += record.cost_nano or 0
        first_token_us = record.first_token_us
        if first_token_us is not None:
            first_token = self._first_tokens[record.model]
            values[first_token + bisect_left(_FIRST_TOKEN, first_token_us)] += 1
            values[first_token + _FIRST_TOKEN_SUM] += first_token_us
        if record.cached_tokens or record.cache_write_tokens or record.reasoning_tokens or record.usage_estimated:
            self._count_rare(record, key)
        for verdict in decisions.items():
            values[self._verdicts[verdict]] += 1

    def _count_rare(self, record: Observed, key: tuple[object, ...]) -> None:
        values = self._values
        estimated = record.input_tokens + record.output_tokens if record.usage_estimated else 0
        for kind, count in (
            ("cached", record.cached_tokens),
            ("cache_write", record.cache_write_tokens),
            ("reasoning", record.reasoning_tokens),
            ("estimated", estimated),
        ):
            if count:
                values[self._place(told.TOKENS.name, record, key, kind)] += count

    def _find_places(self, record: Observed, key: tuple[object, ...]) -> tuple[int, ...]:
        self._make_room()
        cell = self.registry.cell
        route, model = record.route, record.model
        tenant = self._tenant(record)
        found = self._places[key] = (
            cell(told.REQUESTS.name, (route, model, record.outcome, *tenant)),
            cell(told.DURATION.name, (route, model)),
            cell(told.OVERHEAD.name, (route,)),
            cell(told.TOKENS.name, (model, "input", *tenant)),
            cell(told.TOKENS.name, (model, "output", *tenant)),
            cell(told.COST.name, (model, record.currency, *tenant)) if record.currency is not None else -1,
        )
        return found

    def _place(self, name: str, record: Observed, key: tuple[object, ...], word: str) -> int:
        """A series that not every request counts in, by the model and a word."""
        rare = (name, word, *key)
        place = self._places.get(rare)
        if place is None:
            self._make_room()
            place = self._places[rare] = (self.registry.cell(name, (record.model, word, *self._tenant(record))),)
        return place[0]

    def _make_room(self) -> None:
        if len(self._places) >= PLACES_MAX:
            self._places.clear()

    def _tenant(self, record: Observed) -> tuple[str, ...]:
        return () if self._tenant_name is None else (self._tenant_name(record.tenant_id),)

    def _complain(self, what: str, message: str) -> None:
        """Log a failure of a part once: it would come again with each request."""
        if what not in self._complained:
            self._complained.add(what)
            _logger.exception(message, extra={"what": what})


def _process(put: Put) -> None:
    put(told.WORKERS.name, 1)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    put(told.CPU.name, usage.ru_utime + usage.ru_stime)
    with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - absent beside Linux
        put(told.MEMORY.name, int(file.read(200).split()[1]) * _PAGE_BYTES)

"""Finished requests on their way to a collector: a bounded queue, written in slices between requests, sent in the background.

What a request pays is being put into the queue. Metrics count every request; spans those whose trace is sampled. While no collector takes spans
they wait in `BATCHES_MAX` batches, and then they are dropped and counted, before they cost anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType

from ondol import __version__
from ondol.infrastructure.telemetry.attributes import attribute
from ondol.infrastructure.telemetry.catalogue import OTLP_DROPPED, OTLP_EXPORTED
from ondol.infrastructure.telemetry.collector import Collector, Signal
from ondol.infrastructure.telemetry.genai import Value
from ondol.infrastructure.telemetry.instruments import Instruments, TokenFamily
from ondol.infrastructure.telemetry.metrics import Registry
from ondol.infrastructure.telemetry.protobuf import text_field
from ondol.infrastructure.telemetry.spans import SPANS_PER_REQUEST_MAX, SpanWriter, trace_request
from ondol.infrastructure.telemetry.trace_context import TraceContext
from ondol.infrastructure.telemetry.types import Observed

QUEUE_MAX = 8_192
"""Requests that wait to be written."""
BATCH_SPANS = 512
BATCHES_MAX = 32
"""Written batches that wait to be sent: about six megabytes."""
SLICE = 4
"""Requests that are written before others are served: about a tenth of a millisecond."""
WRITE_EVERY_S = 0.5
METRICS_EVERY_S = 30.0
CLOSE_S = 2.0

_logger = logging.getLogger(__name__)


class Exporter:
    """One for each worker. Use it as an async context manager.

    Args:
        registry: where is counted what was sent and what was dropped.
        ratio: the share of traces whose spans are sent, 0 to 1.
        identities: spans tell tenant, person and key.
    """

    def __init__(
        self,
        collector: Collector,
        registry: Registry,
        *,
        service: str = "ondol",
        ratio: float = 1.0,
        identities: bool = False,
        family: TokenFamily = "histogram",
        write_every_s: float = WRITE_EVERY_S,
        metrics_every_s: float = METRICS_EVERY_S,
        close_s: float = CLOSE_S,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._collector = collector
        self._registry = registry
        self._ratio = ratio
        self._write_every_s = write_every_s
        self._metrics_every_s = metrics_every_s
        self._close_s = close_s
        self._now_ns = now_ns
        self._writer = SpanWriter(identities=identities)
        self._instruments = Instruments(now_ns(), family=family)
        told: dict[str, Value] = {
            "service.name": service,
            "service.version": __version__,
            "service.instance.id": os.urandom(16).hex(),
            "process.pid": os.getpid(),
        }
        self._resource = b"".join(attribute(1, name, value) for name, value in told.items())
        self._scope = text_field(1, "ondol") + text_field(2, __version__)
        self._queue: deque[tuple[Observed, int, TraceContext | None]] = deque()
        self._batch: list[bytes] = []
        self._batches: deque[list[bytes]] = deque()
        self._ready = asyncio.Event()
        self._wake = asyncio.Event()
        self._sent = asyncio.Event()
        self._sent.set()
        self._tasks: list[asyncio.Task[None]] = []
        self._complained = False

    def offer(self, record: Observed, overhead_us: int, context: TraceContext | None) -> None:
        """Take a finished request, or drop it and count that. Never blocks and never raises."""
        queue = self._queue
        if len(queue) >= QUEUE_MAX:
            self._drop("traces", "queue_full", 1)
            return
        queue.append((record, overhead_us, context))
        if len(queue) == BATCH_SPANS // SPANS_PER_REQUEST_MAX:
            self._wake.set()

    async def __aenter__(self) -> Exporter:
        works = (self._write_on, self._send_spans, self._send_metrics)
        self._tasks = [asyncio.create_task(work(), name=f"otlp{work.__name__}") for work in works]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Send what waits, within `close_s`; the rest is dropped and counted."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._close_s):
                await self._stop(self._tasks[0], self._tasks[2])
                await self._write_queue()
                self._end_batch()
                await self._report()
                await self._sent.wait()
        await self._stop(*self._tasks)
        left = len(self._queue) + len(self._batch) + sum(map(len, self._batches))
        if left:
            self._drop("traces", "closing", left)
        await self._collector.close()

    async def _stop(self, *tasks: asyncio.Task[None]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def _write_on(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._write_every_s):
                    await self._wake.wait()
            self._wake.clear()
            await self._write_queue()
            self._end_batch()

    async def _write_queue(self) -> None:
        """Write what waits, in slices: other requests are served in between."""
        queue = self._queue
        while queue:
            for _ in range(min(SLICE, len(queue))):
                record, overhead_us, context = queue.popleft()
                try:
                    self._write(record, overhead_us, context)
                except Exception:
                    self._complain()
            await asyncio.sleep(0)

    def _write(self, record: Observed, overhead_us: int, context: TraceContext | None) -> None:
        self._instruments.add(record)
        if context is None:
            context = TraceContext(record.id, ratio=self._ratio)
        if not context.sampled:
            return
        if len(self._batches) >= BATCHES_MAX:
            self._drop("traces", "queue_full", 1)
            return
        self._batch += self._writer.write(record, overhead_us, context)
        if len(self._batch) >= BATCH_SPANS:
            self._end_batch()

    def _end_batch(self) -> None:
        if self._batch:
            self._batches.append(self._batch)
            self._sent.clear()
            self._batch = []
            self._ready.set()

    async def _send_spans(self) -> None:
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._batches:
                spans = self._batches[0]
                sent = await self._collector.send("traces", trace_request(self._resource, self._scope, spans))
                self._batches.popleft()
                if sent.reason:
                    self._drop("traces", sent.reason, len(spans))
                    continue
                rejected = min(sent.rejected, len(spans))
                self._registry.add(OTLP_EXPORTED.name, ("traces",), len(spans) - rejected)
                if rejected:
                    self._drop("traces", "refused", rejected)
            self._sent.set()

    async def _send_metrics(self) -> None:
        while True:
            await asyncio.sleep(self._metrics_every_s)
            await self._report()

    async def _report(self) -> None:
        report = self._instruments.write(self._resource, self._scope, self._now_ns())
        if report:
            sent = await self._collector.send("metrics", report)
            if sent.reason:
                self._drop("metrics", sent.reason, 1)
            else:
                self._registry.add(OTLP_EXPORTED.name, ("metrics",))

    def _drop(self, signal: Signal, reason: str, count: int) -> None:
        self._registry.add(OTLP_DROPPED.name, (signal, reason), count)

    def _complain(self) -> None:
        if not self._complained:
            self._complained = True
            _logger.exception("a request could not be written as spans")

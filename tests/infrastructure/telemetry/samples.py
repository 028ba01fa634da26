"""Records of requests, and a receiver of OTLP that decodes what it gets with the messages that OpenTelemetry publishes."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ondol.infrastructure.gateway.records import RequestRecord

ENDED = datetime(2026, 11, 21, 9, 30, 0, 123456, tzinfo=UTC)
RECORD = RequestRecord(
    tenant_id=uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8001"),
    id=uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8057"),
    person_id=uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8002"),
    api_key_id=uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8003"),
    model="helper",
    route="chat.completions",
    provider="north",
    upstream_model="gpt-4o",
    input_tokens=120,
    output_tokens=30,
    cached_tokens=100,
    cost_nano=1_234_567,
    currency="USD",
    queue_us=150,
    guard_us=90,
    upstream_us=40_000,
    duration_us=40_400,
    attempts=1,
    status=200,
    outcome="answered",
    guard_policy=b"\x07" * 32,
    guard_decision="mask",
    guard_rules=("pii.phone", "pii.name"),
    created_at=ENDED,
)


def changed(**fields: Any) -> RequestRecord:
    """The record with other fields."""
    return msgspec.structs.replace(RECORD, **fields)


def plain(attributes: Any) -> dict[str, Any]:
    """Attributes as a dictionary."""
    found: dict[str, Any] = {}
    for pair in attributes:
        kind = pair.value.WhichOneof("value")
        value = getattr(pair.value, kind)
        found[pair.key] = tuple(item.string_value for item in value.values) if kind == "array_value" else value
    return found


Turn = tuple[int, dict[str, str], bytes] | str
"""How the receiver answers one request: a status, headers and a body; or ``cut`` (half a head, then it hangs up) or ``wait`` (for `release`)."""
OK: Turn = (200, {}, b"")


def partly(rejected: int) -> Turn:
    """The answer of a collector that does not want some spans."""
    return (200, {}, ExportTraceServiceResponse(partial_success=ExportTracePartialSuccess(rejected_spans=rejected)).SerializeToString())


class Receiver:
    """A collector on a socket. Answers by its turns, then 200."""

    def __init__(self, turns: Sequence[Turn] = ()) -> None:
        self.turns = list(turns)
        self.release = asyncio.Event()
        self.heads: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.traces: list[ExportTraceServiceRequest] = []
        self.metrics: list[ExportMetricsServiceRequest] = []
        self.url = ""
        self._news = asyncio.Condition()
        self._serving: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    @property
    def spans(self) -> list[Span]:
        """All spans that came with a 200."""
        return [span for request in self.traces for of in request.resource_spans for scope in of.scope_spans for span in scope.spans]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds, looked at whenever a request was dealt with."""
        async with self._news, asyncio.timeout(20):
            await self._news.wait_for(holds)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Receiver]:
        """On a free port of this machine."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            self.release.set()
            server.close()
            for writer in self._serving:
                writer.transport.abort()
            await asyncio.gather(*filter(None, self._serving.values()))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving[writer] = asyncio.current_task()
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                head = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
                body = gzip.decompress(await reader.readexactly(int(head["content-length"])))
                path = lines[0].split(" ")[1]
                self.paths.append(path)
                self.heads.append(head)
                if not await self._answer(writer, path, body):
                    break
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def _answer(self, writer: asyncio.StreamWriter, path: str, body: bytes) -> bool:
        turn = self.turns.pop(0) if self.turns else OK
        if turn == "wait":
            await self._tell()
            await self.release.wait()
            turn = OK
        if isinstance(turn, str):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-le")
            await writer.drain()
            await self._tell()
            return False
        status, headers, answer = turn
        lines = [f"HTTP/1.1 {status} X", f"content-length: {len(answer)}", *(f"{name}: {value}" for name, value in headers.items())]
        if 200 <= status < 300:
            if path == "/v1/traces":
                self.traces.append(ExportTraceServiceRequest.FromString(body))
            else:
                self.metrics.append(ExportMetricsServiceRequest.FromString(body))
        writer.write("\r\n".join([*lines, "", ""]).encode() + answer)
        await writer.drain()
        await self._tell()
        return True

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

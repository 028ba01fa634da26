"""POST /v1/chat/completions: key, body, upstream, answer, record."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import assert_never

from ondol.core.errors import UpstreamError
from ondol.infrastructure.gateway.chat_answer import KEEP_ALIVE, Chunks, completion
from ondol.infrastructure.gateway.chat_request import ParsedChat, parse_chat
from ondol.infrastructure.gateway.errors import CallerLeft, verdict_of
from ondol.infrastructure.gateway.exchange import CLEAN_UP_S, Exchange, cancel
from ondol.infrastructure.gateway.guarding import GuardedUpstream
from ondol.infrastructure.gateway.records import RequestRecord
from ondol.infrastructure.gateway.types import Caller, Door
from ondol.infrastructure.guard.conversation import Conversation
from ondol.infrastructure.serving import (
    ChatEvent,
    ChatRequest,
    ChatUpstream,
    Finish,
    Progress,
    TextDelta,
    TokenEstimate,
    Usage,
    estimate_input_tokens,
)

ROUTE = "chat.completions"
ANSWER_CHARS_MAX = 4_000_000
EVENTS_AHEAD_MAX = 64
"""Events read ahead of a slow caller; more wait in the upstream."""
CALLER_LEFT_STATUS = 499
STOPPED_STATUS = 503

_COSTS_WITHOUT_TEXT = frozenset({"caller_left", "stopped", "upstream_timeout", "upstream_cut_off"})
_logger = logging.getLogger(__name__)


async def chat(door: Door, exchange: Exchange) -> None:
    """Answer one chat request. What fails is raised; a caller who leaves cancels the upstream."""
    caller = await door.authenticate(exchange.headers(), exchange.client)
    parsed = parse_chat(await exchange.body(door.body_bytes_max), exchange.id)
    with _recorded(door, exchange, caller, parsed.request) as tally:
        await _answer(door, exchange, caller, parsed, tally)


@dataclass(slots=True)
class _Tally:
    """What one request has used so far.

    Attributes:
        asked: the upstream has been given the request.
        usage: what the upstream told at its end.
        conversation: what guards the request, if anything does.
    """

    request: ChatRequest
    asked: bool = False
    output: TokenEstimate = field(default_factory=TokenEstimate)
    usage: Usage | None = None
    conversation: Conversation | None = None

    def see(self, event: ChatEvent) -> None:
        """Count an event.

        Raises:
            UpstreamError: when the answer grows without end.
        """
        match event:
            case TextDelta(text):
                self.output.add(text)
                if self.output.narrow + self.output.wide > ANSWER_CHARS_MAX:
                    raise UpstreamError(f"The answer is longer than {ANSWER_CHARS_MAX} characters.", code="upstream_garbage")
            case Finish():
                self.usage = event.usage

    def settled(self, outcome: str) -> Usage:
        """The usage to record: the upstream's own, else an estimate when it had to work for this request."""
        if self.usage is not None:
            return self.usage
        output_tokens = self.output.tokens()
        worked = self.asked and (output_tokens > 0 or outcome in _COSTS_WITHOUT_TEXT)
        return Usage(estimate_input_tokens(self.request.messages) if worked else 0, output_tokens, estimated=True)


@contextmanager
def _recorded(door: Door, exchange: Exchange, caller: Caller, request: ChatRequest) -> Iterator[_Tally]:
    """Records the request when it is over, however it ends."""
    created_at = door.now()
    tally = _Tally(request)
    status, outcome = STOPPED_STATUS, "stopped"
    try:
        yield tally
        status, outcome = 200, "answered"
    except (CallerLeft, asyncio.CancelledError):
        # The server cancels a handler when the caller leaves, and when it stops.
        if exchange.left:
            status, outcome = CALLER_LEFT_STATUS, "caller_left"
        raise
    except Exception as error:
        status, outcome = verdict_of(error)
        raise
    finally:
        usage = tally.settled(outcome)
        trace = tally.conversation.trace() if tally.conversation else None
        door.record(
            RequestRecord(
                tenant_id=caller.tenant_id,
                id=exchange.id,
                person_id=caller.person_id,
                api_key_id=caller.api_key_id,
                model=request.model,
                route=ROUTE,
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cost_nano=None,
                currency=None,
                duration_us=exchange.duration_us,
                status=status,
                outcome=outcome,
                created_at=created_at,
                guard_policy=trace.policy if trace else None,
                guard_decision=trace.decision if trace else None,
                guard_rules=trace.rules if trace else (),
            )
        )


async def _answer(door: Door, exchange: Exchange, caller: Caller, parsed: ParsedChat, tally: _Tally) -> None:
    upstream = await door.upstream(caller, parsed.request)
    if isinstance(upstream, GuardedUpstream):
        tally.conversation = upstream.conversation
    tally.asked = True
    created_unix_s = int(door.now().timestamp())
    if parsed.request.stream:
        await _answer_in_chunks(exchange, parsed, upstream, tally, created_unix_s=created_unix_s, keep_alive_s=door.keep_alive_s)
    else:
        await _answer_whole(exchange, parsed.request, upstream, tally, created_unix_s)


async def _answer_whole(exchange: Exchange, request: ChatRequest, upstream: ChatUpstream, tally: _Tally, created_unix_s: int) -> None:
    texts: list[str] = []
    finish: Finish | None = None
    async with _closing(upstream(request)) as events:
        async for event in events:
            tally.see(event)
            if isinstance(event, TextDelta):
                texts.append(event.text)
            elif isinstance(event, Finish):
                finish = event
    if finish is None:
        raise _unfinished()
    exchange.answer(200, completion(request.id, request.model, created_unix_s, "".join(texts), finish))


async def _answer_in_chunks(
    exchange: Exchange, parsed: ParsedChat, upstream: ChatUpstream, tally: _Tally, *, created_unix_s: int, keep_alive_s: float
) -> None:
    """Send chunks as they come. The head waits for the first event, so that an early failure has a status of its own."""
    chunks = Chunks(parsed.request.id, parsed.request.model, created_unix_s, include_usage=parsed.include_usage, progress=parsed.progress)
    async with aclosing(_batches(upstream, parsed.request, keep_alive_s)) as batches:
        async for batch in batches:
            pieces: list[bytes] = []
            if not exchange.streaming:
                exchange.open_stream()
                pieces.append(chunks.role())
            for event in batch:
                tally.see(event)
                pieces.append(_written(chunks, event))
            await exchange.write(b"".join(pieces) if batch else b"".join((*pieces, KEEP_ALIVE)))
            if batch and isinstance(batch[-1], Finish):
                exchange.end()


def _written(chunks: Chunks, event: ChatEvent) -> bytes:
    match event:
        case TextDelta(text):
            return chunks.text(text)
        case Progress():
            return chunks.progress(event)
        case Finish():
            return chunks.finish(event)
    assert_never(event)


async def _batches(upstream: ChatUpstream, request: ChatRequest, keep_alive_s: float) -> AsyncGenerator[list[ChatEvent], None]:
    """All events that have come, each time that there are some; an empty list for each silence of `keep_alive_s`. Ends after `Finish`."""
    queue: asyncio.Queue[ChatEvent | Exception] = asyncio.Queue(EVENTS_AHEAD_MAX)
    pumping = asyncio.create_task(_pump(upstream, request, queue))
    try:
        while True:
            batch: list[ChatEvent] = []
            try:
                async with asyncio.timeout(keep_alive_s):
                    event = await queue.get()
            except TimeoutError:
                yield batch
                continue
            while not isinstance(event, Exception):
                batch.append(event)
                if queue.empty():
                    break
                event = queue.get_nowait()
            if batch:
                yield batch
            if isinstance(event, Exception):
                raise event
            if isinstance(event, Finish):
                await asyncio.wait({pumping}, timeout=CLEAN_UP_S)
                return
    finally:
        await cancel(pumping)


async def _pump(upstream: ChatUpstream, request: ChatRequest, queue: asyncio.Queue[ChatEvent | Exception]) -> None:
    """Moves the upstream's events into the queue, and its error as the last one. An upstream may tidy up after its `Finish`."""
    finished = False
    try:
        async with _closing(upstream(request)) as events:
            async for event in events:
                if not finished:
                    await queue.put(event)
                    finished = isinstance(event, Finish)
        if not finished:
            raise _unfinished()
    except Exception as error:
        if finished:
            _logger.error("upstream failed after its answer", exc_info=error, extra={"request_id": str(request.id)})
        else:
            await queue.put(error)


@asynccontextmanager
async def _closing(events: AsyncIterator[ChatEvent]) -> AsyncIterator[AsyncIterator[ChatEvent]]:
    """Closes an iterator that can be closed: a generator's clean-up must run now, not when it is collected."""
    try:
        yield events
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()


def _unfinished() -> UpstreamError:
    return UpstreamError("The answer broke off.", "Try again.", code="upstream_cut_off")

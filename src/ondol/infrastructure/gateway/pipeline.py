"""One governed request: key, body, limits, guard, route, guard, settlement, record, last byte. No call to a store stands on this way."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from ondol.core.errors import Forbidden, NotFound, RequestError, TooManyRequests, Unauthenticated, UpstreamError
from ondol.infrastructure.access.limits.types import Need
from ondol.infrastructure.gateway.assistants import assistant_frames, assistant_whole
from ondol.infrastructure.gateway.beat import Beat
from ondol.infrastructure.gateway.door import Caller, Door
from ondol.infrastructure.gateway.errors import CallerLeft, ContentRefused, ErrorAnswer, RecordsUnavailable, verdict_of
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.parameters import apply_bounds, keep_pinned, output_bound
from ondol.infrastructure.gateway.reliance import within_reach
from ondol.infrastructure.gateway.routed import BESIDE_TOKENS, route_of, route_tokens
from ondol.infrastructure.gateway.shapes.base import Asked, Json, Shape, StreamWriter, Told
from ondol.infrastructure.gateway.shapes.body import extension_of, json_object
from ondol.infrastructure.gateway.shapes.letting import Letting
from ondol.infrastructure.gateway.shapes.sse import json_bytes
from ondol.infrastructure.gateway.streams import Streams
from ondol.infrastructure.gateway.streams.journal import stream_not_found
from ondol.infrastructure.gateway.streams.place import restarted
from ondol.infrastructure.gateway.tally import Tally
from ondol.infrastructure.gateway.translate import FROM_CHAT, Translation, plan
from ondol.infrastructure.guard.conversation import Conversation, ReadTurns, Turn
from ondol.infrastructure.guard.expects import NOTHING, Expects
from ondol.infrastructure.serving.directory import AssistantCard, ModelCard, TenantCard
from ondol.infrastructure.serving.errors import route_missing
from ondol.infrastructure.serving.tokens import TokenEstimate
from ondol.infrastructure.serving.types import Frame, Outgoing, TargetRow, UpstreamAnswer, Usage

_LOG = logging.getLogger("ondol.gateway")
LONG_CHARACTERS = 20_000
"""A longer text is looked at in a thread: other requests must not wait the milliseconds that it takes."""
ANSWER_LONG_BYTES = 8_192
"""The same for what is answered, which is looked at step by step where it is longer: a hundred times as slowly as what is asked."""
INDEPENDENT_MAX = 64
"""More texts that are looked at one by one take as long as one long text."""
TOKENS_PER_MESSAGE = 8
"""The most that the markers around one message take in any template known to us."""


T = TypeVar("T")


class Pipeline:
    """Serves requests in every shape.

    Attributes:
        running: what is being served, by the key that asked: a key that is revoked ends it.
    """

    def __init__(self, door: Door) -> None:
        self.running: dict[object, set[asyncio.Task[Any]]] = {}
        self._door = door
        self._revoked: set[asyncio.Task[Any]] = set()

    async def serve(self, exchange: Exchange, shape: Shape) -> None:
        """Answer one request. What fails is raised, but for what is told to the caller here."""
        await self.attend(exchange, shape.error, partial(self._serve, exchange, shape))

    async def attend(
        self, exchange: Exchange, error_shape: Callable[[Exception, uuid.UUID], ErrorAnswer], work: Callable[[Caller], Awaitable[None]]
    ) -> None:
        """Do something for whoever asks, until it is done or the key is revoked.

        Raises:
            Unauthenticated: no key, or one that was revoked meanwhile.
        """
        door = self._door
        exchange.error_shape = error_shape
        caller = door.known_caller(exchange) or await door.authenticate(exchange)
        await self.until_revoked(caller, work(caller))

    async def until_revoked(self, caller: Caller, work: Awaitable[None]) -> None:
        """Do something for a caller until it is done or the key is revoked. Raises `Unauthenticated`."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - the server runs each handler as a task
        running = self.running.setdefault(caller.api_key_id, set())
        running.add(task)
        try:
            await work
        except asyncio.CancelledError:
            if task not in self._revoked:
                raise
            task.uncancel()
            raise Unauthenticated("The API key was revoked while this was answered.", "Use another key.", code="revoked_api_key") from None
        finally:
            self._revoked.discard(task)
            running.discard(task)
            if not running:
                self.running.pop(caller.api_key_id, None)

    def end_key(self, api_key_id: object) -> int:
        """End what a revoked key asked for; how many requests that were."""
        tasks = list(self.running.get(api_key_id, ()))
        for task in tasks:
            self._revoked.add(task)
            task.cancel()
        return len(tasks)

    async def _serve(self, exchange: Exchange, shape: Shape, caller: Caller) -> None:
        body = await self.body(exchange, caller)
        asked = shape.read(json_object(body))
        streams = self._door.streams
        if not asked.resumes:
            await self.govern(exchange, caller, asked, len(body), partial(self._answer, exchange, shape))
            return
        if streams is None or not asked.stream or asked.operation != "chat":
            hint = "Ask for a stream of chat completions, or leave `ondol.resume` out."
            raise RequestError("Only streams of chat completions can be read on.", hint, param="ondol.resume", code="unsupported_parameter")

        def work(kept: Exchange) -> Awaitable[None]:
            return self.until_revoked(caller, self.govern(kept, caller, asked, len(body), partial(self._answer, kept, shape)))

        await streams.begin(exchange, caller, body, work)

    async def resume(self, exchange: Exchange, shape: Shape, answer_id: uuid.UUID) -> None:
        """Let whoever asked read an answer on. What fails is raised."""

        async def read(caller: Caller) -> None:
            async def again(kept: Exchange, body: bytes) -> None:
                asked = shape.read(json_object(body))
                kept.open_stream()
                await kept.write(restarted(answer_id))
                await self.until_revoked(caller, self.govern(kept, caller, asked, len(body), partial(self._answer, kept, shape)))

            await self.streams.resume(exchange, caller, answer_id, again)

        await self.attend(exchange, shape.error, read)

    @property
    def streams(self) -> Streams:
        """Answers on their way. Raises `NotFound` where none are kept."""
        if self._door.streams is None:
            raise stream_not_found()
        return self._door.streams

    async def body(self, exchange: Exchange, caller: Caller, bytes_max: int = 0) -> bytes:
        """The request's body, if what comes of it can be recorded.

        Args:
            bytes_max: of the installation; `Door.body_bytes_max` when 0. The caller's own limit holds beside it.
        """
        door = self._door
        if door.records_full():
            raise RecordsUnavailable
        most = bytes_max or door.body_bytes_max()
        limits = door.governor.bounds(caller.who, "")
        return await exchange.body(most if limits.body_bytes_max is None else min(most, limits.body_bytes_max))

    async def govern(self, exchange: Exchange, caller: Caller, asked: Asked, body_bytes: int, answer: Callable[[Tally], Awaitable[None]]) -> None:
        """Reserve what a request may need, let it be answered, and close its account, however it ends."""
        door = self._door
        tenant = door.directory.tenant(caller.tenant_id)
        card = self._card(caller, tenant, asked) if asked.operation != "moderations" else None
        tally = Tally(door, exchange, caller, tenant, asked, card, self._route(tenant, card))
        try:
            tally.need = _need(door, caller, tenant, asked, card, body_bytes, tally)
            admission = door.governor.admit(caller.who, asked.model, tally.need, tally.via)
            tally.admission = admission or await door.governor.admit_waiting(caller.who, asked.model, tally.need, tally.via)
            tally.queued_ns = time.perf_counter_ns()
            await answer(tally)
        except CallerLeft:
            tally.close(499, "caller_left")
            raise
        except asyncio.CancelledError:
            tally.close(*self._ended_by(exchange))
            raise
        except Exception as error:
            status, outcome = verdict_of(error)
            if isinstance(error, TooManyRequests):
                door.observer.rejected(outcome)
            tally.close(status, outcome)
            raise

    def _ended_by(self, exchange: Exchange) -> tuple[int, str]:
        """Status and outcome of a request that was cancelled."""
        if exchange.left:
            return 499, "caller_left"
        return (401, "revoked_api_key") if asyncio.current_task() in self._revoked else (503, "stopped")

    def _card(self, caller: Caller, tenant: TenantCard, asked: Asked) -> ModelCard | AssistantCard:
        model = asked.model
        if caller.models is not None and model not in caller.models:
            raise Forbidden(f"This key may not call {model[:100]}.", "GET /v1/models lists what it may call.", code="model_not_allowed")
        card = self._door.directory.model(tenant, model)
        if asked.resumes and isinstance(card, ModelCard):
            hint = "Leave `ondol.resume` out."
            raise RequestError("Only answers of assistants can be read on.", hint, param="ondol.resume", code="unsupported_parameter")
        if asked.thread is not None and isinstance(card, ModelCard):
            hint = "Leave `ondol.thread` out and send the whole conversation."
            raise RequestError("Only assistants keep threads.", hint, param="ondol.thread", code="unsupported_parameter")
        return within_reach(asked, card, card.owner == caller.tenant_id) if isinstance(card, ModelCard) else card

    def _route(self, tenant: TenantCard, card: ModelCard | AssistantCard | None) -> ModelCard | None:
        """The model of an assistant's release, if it names one."""
        if not isinstance(card, AssistantCard) or not card.route:
            return None
        try:
            route = self._door.directory.model(tenant, card.route)
        except NotFound:
            raise route_missing() from None
        if not isinstance(route, ModelCard) or not (route.settings.operations is None or "chat" in route.settings.operations):
            raise route_missing()
        return route

    async def conversation(self, exchange: Exchange, tally: Tally) -> Conversation:
        """What guards this request."""
        card, asked = tally.card, tally.asked
        assistant = card if isinstance(card, AssistantCard) else None
        conversation = await self._door.guard(tally.caller, exchange.id, [spot.text for spot in asked.spots], asked.model, assistant)
        tally.conversation = conversation
        return conversation

    async def read(self, exchange: Exchange, tally: Tally) -> ReadTurns:
        """Let the guard look at what is asked."""
        conversation = await self.conversation(exchange, tally)
        if tally.asked.tools:
            conversation.offered(tally.asked.tools)
        tally.keep_prompt()
        read = await self._read_turns(conversation, tally)
        tally.read = read.decision
        tally.guarded_ns = time.perf_counter_ns()
        return read

    async def work(self, tally: Tally, look: Callable[..., T], *args: Any) -> T:
        """Look at a long text in a thread, in the tenant's turn."""
        return await self._door.work.run(tally.tenant.id, look, *args)

    async def _read_turns(self, conversation: Conversation, tally: Tally) -> ReadTurns:
        asked, turns = tally.asked, tally.asked.turns()
        look = conversation.read if not asked.independent else partial(_read_each, conversation)
        if sum(len(turn.text) for turn in turns) > LONG_CHARACTERS or (asked.independent and len(turns) > INDEPENDENT_MAX):
            return await self.work(tally, look, turns)
        return look(turns)

    async def _answer(self, exchange: Exchange, shape: Shape, tally: Tally) -> None:
        door, tenant, asked, card = self._door, tally.tenant, tally.asked, tally.card
        assert card is not None  # noqa: S101 - shapes are answered by somebody
        read = await self.read(exchange, tally)
        conversation = tally.conversation
        assert conversation is not None  # noqa: S101 - `read` sets it
        told = Told(shape.answer_id(exchange.id), asked.model, int(door.now().timestamp()))
        told.asked = dict(asked.body)
        told.instructions = asked.body.get("instructions")
        if not read.passes:
            await self._refuse(exchange, shape, asked, told, read, tally)
            return
        asked.rewrite(read.texts)
        prompts = tuple(filter(None, (tenant.prompt, tally.billed.prompt))) if tally.billed is not None else ()
        expects = Expects(prompts, asked.schema, None) if prompts or asked.schema is not None else NOTHING
        letting = Letting(conversation, expects, read.reply if read.decision == "restrict" else "")
        if tally.keeps:
            letting.pieces = []
        if isinstance(card, ModelCard):
            await self._ask(exchange, shape, asked, told, letting, card, prompts, tally)
        else:
            await self._ask_assistant(exchange, shape, asked, told, letting, card, tally)

    async def _ask_assistant(
        self, exchange: Exchange, shape: Shape, asked: Asked, told: Told, letting: Letting, card: AssistantCard, tally: Tally
    ) -> None:
        tally.asked_upstream = told.own = True
        conversation = tally.conversation
        assert conversation is not None  # noqa: S101 - `read` sets it
        route = route_of(tally, tally.billed, route_tokens(card, tally.billed)) if tally.billed is not None else None
        own = tally.own = self._door.answer(tally.caller, card, shape.chat_request(asked, exchange.id), conversation, route)
        letting.pieces = []  # what goes out is on record
        back = FROM_CHAT.get(asked.operation)
        try:
            if asked.stream:
                frames = assistant_frames(own, tally.kept_before)
                await self.stream(exchange, shape, asked, told, letting, back.frames(frames) if back else frames, tally)
            else:
                answer = await assistant_whole(own, tally.kept_before)
                await self.whole(exchange, shape, asked, told, letting, back.whole(answer) if back else answer, tally)
        except BaseException:
            await _settle_broken(tally, letting.text)
            raise

    async def _ask(
        self, exchange: Exchange, shape: Shape, asked: Asked, told: Told, letting: Letting, card: ModelCard, prompts: tuple[str, ...], tally: Tally
    ) -> None:
        answer, way = await self.open(exchange, asked, card, prompts, tally)
        try:
            if answer.frames is not None:
                await self.stream(exchange, shape, asked, told, letting, way.frames(answer.frames), tally)
            else:
                await self.whole(exchange, shape, asked, told, letting, way.whole(shape.decode(answer.body or b"")), tally)
        finally:
            answer.cancel()

    async def open(
        self, exchange: Exchange, asked: Asked, card: ModelCard, prompts: tuple[str, ...], tally: Tally
    ) -> tuple[UpstreamAnswer, Translation]:
        """Ask a target; the way back from its shape to the caller's."""
        ways: dict[object, Translation] = {}

        def make(target: TargetRow) -> Outgoing:
            way = ways[target.id] = plan(asked, target)
            tally.asked_upstream = True
            return Outgoing(way.operation, way.request(asked, target, prompts, tally.output_tokens), asked.content_type, trace=tally.trace_header())

        if prompts:
            keep_pinned(asked)
        settings = card.settings
        if settings.operations is not None and asked.operation not in settings.operations:
            raise Forbidden(f"{asked.model} is not open for {asked.operation}.", "Ask for another model.", code="operation_not_allowed")
        sticky = hashlib.blake2b(f"{asked.conversation}\x00{tally.caller.person_id}".encode(), digest_size=16).digest() if settings.sticky else b""
        deadline_s = min(settings.deadline_s, tally.bounds.deadline_s or settings.deadline_s)
        # What stands between must not take a stream for dead whose first event is long in coming: it is opened with a comment.
        beat = Beat(exchange, self._door.keep_alive_s) if asked.stream else None
        try:
            share = tally.caller.tenant_id
            answer = await self._door.router.open(card.row, make, stream=asked.stream, sticky_key=sticky, deadline_s=deadline_s, share=share)
        finally:
            if beat is not None:
                beat.stop()
        tally.answered_by(answer)
        return answer, ways[answer.target.id]

    async def whole(self, exchange: Exchange, shape: Shape, asked: Asked, told: Told, letting: Letting, answer: Json, tally: Tally) -> None:
        """Let a whole answer out, settle and record it, and send it."""
        tally.first_token()
        tally.counting = letting.estimate
        if shape.is_written and max(tally.answer_bytes, _characters(answer)) > ANSWER_LONG_BYTES:
            await self.work(tally, shape.let, answer, told, letting)
        else:
            shape.let(answer, told, letting)
        tally.usage = shape.usage(answer)
        usage = tally.settled(letting.estimate)
        shape.put_usage(answer, usage)
        known = extension_of(answer.pop("ondol", None))
        extension = {**known, **tally.extension(usage)} if told.own else tally.extension(usage)
        if extension:
            answer["ondol"] = extension
        if told.own:
            await tally.settle(shape.text_of(answer))
        tally.close(200, "answered", usage)
        if tally.keeps:
            tally.keep(shape.text_of(answer))
        exchange.answer(200, json_bytes(answer), tally.headers(usage))

    async def stream(
        self, exchange: Exchange, shape: Shape, asked: Asked, told: Told, letting: Letting, frames: AsyncIterator[list[Frame]], tally: Tally
    ) -> None:
        """Let a stream out as it comes; settle and record it before its last bytes."""
        writer = shape.stream(asked, told, letting)
        tally.counting = letting.estimate
        beat = Beat(exchange, self._door.keep_alive_s)
        try:
            async for batch in frames:
                out = writer.take(batch) if tally.batch_bytes <= ANSWER_LONG_BYTES else await self.work(tally, writer.take, batch)
                tally.first_token()
                if not exchange.streaming:  # a comment may have opened it
                    exchange.open_stream(tally.headers(None))
                if out:
                    beat.written = True
                    await exchange.write(out)
                if writer.stopped:
                    break
                if tally.overdrawn(letting.estimate):
                    raise RequestError("The answer used up what was reserved for it.", "Ask for a shorter one.", code="budget_exceeded")
        finally:
            beat.stop()
            await _close(frames)
        if not writer.stopped and not writer.finished:
            raise UpstreamError("The answer broke off.", "Try again.", code="upstream_cut_off")
        if not exchange.streaming:
            tally.first_token()
            exchange.open_stream(tally.headers(None))
        await self._end(exchange, writer, letting, tally)

    async def _end(self, exchange: Exchange, writer: StreamWriter, letting: Letting, tally: Tally) -> None:
        rest = writer.rest()  # before anybody asks what the guard did
        tally.usage = None if writer.stopped else writer.usage
        usage = tally.settled(letting.estimate)
        last = rest + writer.finish(usage, tally.extension(usage))
        await exchange.closing(last)
        await tally.settle(letting.text)
        tally.close(200, "answered", usage)
        if tally.keeps:
            tally.keep(letting.text)
        await exchange.write(last)
        exchange.end()

    async def _refuse(self, exchange: Exchange, shape: Shape, asked: Asked, told: Told, read: ReadTurns, tally: Tally) -> None:
        """Tell what the policy says in the place of an answer. No upstream was asked, so nothing is charged but the request itself."""
        if shape.refusal is None:
            tally.close(400, "refused", Usage(0, 0))
            raise ContentRefused(read.reply)
        estimate = TokenEstimate()
        estimate.add(read.reply)
        usage = Usage(tally.input_tokens, estimate.tokens(), estimated=True)
        extension = tally.extension(usage)
        tally.close(200, "refused", Usage(0, 0))
        if asked.stream:
            exchange.open_stream(tally.headers(None))
            await exchange.write(shape.refusal_stream(asked, told, read.reply, usage, extension))
            exchange.end()
        else:
            exchange.answer(200, json_bytes(shape.refusal(told, read.reply, usage, extension)), tally.headers(Usage(0, 0)))


def _need(
    door: Door, caller: Caller, tenant: TenantCard, asked: Asked, card: ModelCard | AssistantCard | None, body_bytes: int, tally: Tally
) -> Need:
    """The worst that the request may use: more input tokens than bytes there cannot be, and the output is bounded."""
    estimate = TokenEstimate()
    for spot in asked.spots:
        estimate.add(spot.counted())
    pinned = len(tenant.prompt.encode()) if tenant.prompt else 0
    tally.bounds = bounds = door.governor.bounds(caller.who, asked.model, tally.via)
    tally.input_tokens = tokens = estimate.tokens() + asked.media_tokens + TOKENS_PER_MESSAGE * len(asked.spots)
    if not isinstance(card, ModelCard):
        route = tally.billed
        tally.output_tokens = output = output_bound(asked, route.settings if route is not None else None, bounds)
        most = 0
        if route is not None and card is not None:
            # The question is answered from documents: with them the prompt takes what the release lets it.
            pinned += len(route.prompt.encode())
            most = max(tokens, route_tokens(card, route))
            if asked.thread is not None or sum(spot.role == "user" for spot in asked.spots) > 1:
                # What a question leans on is asked for first, and the conversation may be summed up.
                most, output = 2 * most, output + BESIDE_TOKENS
            tokens = most
            most += pinned
    else:
        apply_bounds(asked, card.settings)
        output = output_bound(asked, card.settings, bounds)
        tally.output_tokens = output
        if card.prompt:
            pinned += len(card.prompt.encode())
        most = max(body_bytes - asked.media_bytes, 0) + asked.media_tokens + asked.referred_tokens + asked.hosted_tokens + pinned
        if card.settings.context_tokens is not None and tokens + pinned // 4 > card.settings.context_tokens:
            raise _too_long(card.settings.context_tokens)
    if bounds.prompt_tokens_max is not None and tokens > bounds.prompt_tokens_max:
        raise _too_long(bounds.prompt_tokens_max)
    cost = tally.worst_cost(most + TOKENS_PER_MESSAGE * len(asked.spots), output * asked.choices)
    return Need(tokens + asked.hosted_tokens + pinned // 4 + output * asked.choices, cost)


def _too_long(tokens: int) -> RequestError:
    return RequestError(f"The prompt is longer than {tokens} tokens.", "Send less text.", code="prompt_too_long", param="messages")


def _read_each(conversation: Conversation, turns: Sequence[Turn]) -> ReadTurns:
    """Each turn as if it were the only one: the strictest decision holds for all."""
    found = [conversation.read([turn]) for turn in turns]
    worst = next((read for read in found if not read.passes), None) or next((read for read in found if read.reply), None)
    decision = worst.decision if worst is not None else "mask" if any(read.decision != "allow" for read in found) else "allow"
    return ReadTurns(decision, tuple(read.texts[0] for read in found), worst.reply if worst is not None else "")


def _characters(answer: Json) -> int:
    """How much text an assistant's answer holds; of others, the bytes are known."""
    choices = answer.get("choices")
    total = 0
    for choice in choices if isinstance(choices, list) else ():
        message = choice.get("message") if isinstance(choice, dict) else None
        content = message.get("content") if isinstance(message, dict) else None
        total += len(content) if isinstance(content, str) else 0
    return total


async def _settle_broken(tally: Tally, text: str) -> None:
    """Keep what was shown of an answer that did not come to its end, also when whoever asked has left; not where another worker answers instead."""
    if tally.exchange.superseded:
        return
    settling = asyncio.ensure_future(tally.settle(text))
    try:
        await asyncio.shield(settling)
    except Exception:
        _LOG.exception("broken answer not recorded")


async def _close(frames: AsyncIterator[list[Frame]]) -> None:
    close = getattr(frames, "aclose", None)
    if close is not None:
        await close()

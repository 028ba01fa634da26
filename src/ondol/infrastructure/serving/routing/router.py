"""From an alias to an answer: targets in order, retries, fallback and circuit breakers.

Before the first byte of an answer (of a stream: before its first frame) a request may go to another target, or again to the same one. What each
target does is remembered for all models that name it.
"""

from __future__ import annotations

import asyncio
import math
import random
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import perf_counter_ns

from ondol.core.errors import SettingsError, UpstreamError
from ondol.infrastructure.serving.errors import UpstreamFailure, UpstreamLimited, empty, garbage, refused_by_egress, timed_out, unavailable
from ondol.infrastructure.serving.http import HttpAnswer, HttpClient
from ondol.infrastructure.serving.providers import Provider
from ondol.infrastructure.serving.providers.failures import ERROR_BODY_BYTES_MAX
from ondol.infrastructure.serving.routing.breaker import DEFAULT_BREAKER, Breaker, BreakerSettings
from ondol.infrastructure.serving.routing.frames import FrameStream
from ondol.infrastructure.serving.routing.order import order_of
from ondol.infrastructure.serving.routing.pieces import PieceStream
from ondol.infrastructure.serving.routing.retry import WAIT_S_MAX, RetryBudget, backoff_s
from ondol.infrastructure.serving.sse import STREAM_BYTES_MAX
from ondol.infrastructure.serving.types import ModelRow, Operation, Outgoing, ProviderRow, TargetRow, Timeouts, UpstreamAnswer

ANSWER_BYTES_MAX = 64 << 20
"""The largest whole answer: images come as one body."""
SOUND_BYTES_MAX = 1 << 30
"""The longest speech: the most text that may be asked for is some two hours, and that long is its largest form, 48 kHz in 24 bit."""
SOUND_EVENTS_BYTES_MAX = SOUND_BYTES_MAX * 3 // 2
"""The same in events, which hold it in base64."""
TARGETS_REMEMBERED_MAX = 10_000
TENANTS_REMEMBERED_MAX = 10_000
ATTEMPTS_MAX = 16
NOT_JSON: frozenset[Operation] = frozenset({"transcriptions"})
SOUND: frozenset[Operation] = frozenset({"speech"})
"""Operations whose answers go out as they come, asked for as a stream or not."""
ERROR_BODY_S = 5.0
LIMITED_S = 1.0
"""How long a target is left alone after a 429 that does not say."""
CLOCK_SLACK_S = 0.01
"""A loop's clock stands still while it works: a wait up to a moment is made a little longer."""
_OF_TIME = frozenset({"upstream_timeout", "upstream_unreachable"})
"""Failures that a request's own deadline brings about when it is the shorter one: the target is not to blame."""
_SPREAD = 0.2


@dataclass(slots=True)
class _Try:
    """One request's way through its targets."""

    model: ModelRow
    make: Callable[[TargetRow], Outgoing]
    stream: bool
    whole_at: float
    started_ns: int
    share: uuid.UUID
    budget: RetryBudget
    attempts: int = 0
    failure: UpstreamError | None = None


class Router:
    """One for each worker process.

    Args:
        providers: by kind, as `providers.new_providers` makes them.
        budget: of retries, for all tenants together; one for each when absent.
        now: monotonic seconds; the client's when absent.
        chance: uniform in [0, 1).
        pause: waits this many seconds.
        asked: told of each attempt that ended: the provider's name, and ``answered`` or the code of the error.
    """

    def __init__(
        self,
        client: HttpClient,
        providers: Mapping[str, Provider],
        *,
        settings: BreakerSettings = DEFAULT_BREAKER,
        budget: RetryBudget | None = None,
        now: Callable[[], float] | None = None,
        chance: Callable[[], float] = random.random,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        asked: Callable[[str, str], None] = lambda _provider, _outcome: None,
    ) -> None:
        self._client = client
        self._providers = providers
        self._settings = settings
        self._budget = budget
        self._budgets: OrderedDict[uuid.UUID, RetryBudget] = OrderedDict()
        self._now = now or client.watch.now
        self._chance = chance
        self._pause = pause
        self._asked = asked
        self._breakers: dict[uuid.UUID, Breaker] = {}

    async def open(
        self,
        model: ModelRow,
        make: Callable[[TargetRow], Outgoing],
        *,
        stream: bool,
        sticky_key: bytes = b"",
        deadline_s: float,
        share: uuid.UUID | None = None,
    ) -> UpstreamAnswer:
        """Ask the targets until one answers.

        Each target that may be asked is asked once, in order; then, where that is worth it, those that failed for a passing reason are asked again
        after a wait, `model.retries_max` times in all and within the retry budget.

        Args:
            make: what to send to a target. It may raise: then that is the end.
            stream: the answer is a stream of frames.
            sticky_key: names a conversation.
            deadline_s: for everything, the waits included.
            share: the tenant that asks: its share of the connections and its own retries are used; the model's own tenant when absent.

        Raises:
            UpstreamError: the last failure; ``upstream_unavailable`` when no target may be asked now.
        """
        asker = share or model.tenant_id
        budget = self._budget_of(asker)
        budget.earn()
        journey = _Try(model, make, stream, self._now() + deadline_s, perf_counter_ns(), asker, budget)
        order = order_of(model, sticky_key, self._chance)
        again: list[TargetRow] = []
        for target in order:
            attempts = journey.attempts
            answer = await self._ask(journey, target)
            if answer is not None:
                return answer
            if not _elsewhere(journey.failure):
                break
            if journey.attempts > attempts and _retryable(journey.failure):
                again.append(target)
        else:
            answer = await self._ask_again(journey, again)
            if answer is not None:
                return answer
        raise journey.failure or self._unavailable(order)

    def now(self) -> float:
        """Monotonic seconds, as deadlines count them."""
        return self._now()

    def speak_by(self, providers: Mapping[str, Provider]) -> None:
        """Reach providers by these from the next request on, such as through another proxy."""
        self._providers = providers

    def check(self, row: ProviderRow) -> None:
        """Whether a provider could be asked at all.

        Raises:
            SettingsError: its address, key or another of its settings cannot be used; nothing of it is quoted.
        """
        self._providers[row.kind].check(row)

    def breaker(self, target: TargetRow) -> Breaker:
        """A target's breaker, for metrics and pages."""
        breaker = self._breakers.get(target.id)
        if breaker is None:
            while len(self._breakers) >= TARGETS_REMEMBERED_MAX:
                self._breakers.pop(next(iter(self._breakers)))
            breaker = self._breakers[target.id] = Breaker(self._settings)
        return breaker

    def _budget_of(self, share: uuid.UUID) -> RetryBudget:
        """The retries of one tenant: what one uses up is its own."""
        if self._budget is not None:
            return self._budget
        budget = self._budgets.get(share)
        if budget is None:
            while len(self._budgets) >= TENANTS_REMEMBERED_MAX:
                self._budgets.popitem(last=False)
            budget = self._budgets[share] = RetryBudget()
        return budget

    async def _ask_again(self, journey: _Try, targets: list[TargetRow]) -> UpstreamAnswer | None:
        for retry in range(min(journey.model.retries_max, ATTEMPTS_MAX) if targets else 0):
            now = self._now()
            rest_s, _, target = min((self.breaker(target).rests_s(now), place, target) for place, target in enumerate(targets))
            wait_s = max(backoff_s(retry, self._chance()), rest_s + CLOCK_SLACK_S if rest_s else 0.0)
            if wait_s > WAIT_S_MAX or now + wait_s >= journey.whole_at or not journey.budget.spend(now):
                return None
            await self._pause(wait_s)
            answer = await self._ask(journey, target)
            if answer is not None:
                return answer
            if not _retryable(journey.failure):
                return None
        return None

    async def _ask(self, journey: _Try, target: TargetRow) -> UpstreamAnswer | None:
        """One target, once; None when it may not be asked or failed, and then the journey knows why."""
        breaker = self.breaker(target)
        now = self._now()
        left_s = journey.whole_at - now
        if left_s <= 0:
            journey.failure = journey.failure or timed_out("did not answer", blames=False)
            return None
        if not breaker.admit(now):
            return None
        told = False

        def tell(error: UpstreamError | None) -> None:
            nonlocal told
            told = True
            self._tell(journey, target, error)

        try:
            return await self._send(journey, target, left_s, tell)
        except UpstreamError as error:
            if not told:
                self._tell(journey, target, error)
            journey.failure = error
            return None
        except BaseException:
            breaker.abandoned()
            raise

    async def _send(self, journey: _Try, target: TargetRow, left_s: float, tell: Callable[[UpstreamError | None], None]) -> UpstreamAnswer:
        row = target.provider
        provider = self._providers.get(row.kind)
        if provider is None:
            raise refused_by_egress("its kind is not known")
        outgoing = journey.make(target)
        credential = row.credential.reveal()
        try:
            request = provider.request(outgoing.operation, outgoing.body, outgoing.content_type, credential, row, outgoing.trace, outgoing.headers)
            egress = provider.egress(row)
        except SettingsError as error:
            raise UpstreamFailure(error.message, error.hint, code="upstream_misconfigured", retryable=False, blames=False) from None
        timeouts = row.timeouts
        if left_s < timeouts.whole_s:
            timeouts = Timeouts(timeouts.connect_s, timeouts.first_byte_s, timeouts.between_s, left_s)
        journey.attempts += 1
        answer = await self._client.send(request, timeouts, egress, journey.share)
        try:
            if answer.status < 300 and answer.status != 200:
                raise garbage("it has a status that was not asked for")
            if answer.status != 200:
                raise provider.failure(answer.status, answer.headers, await _error_body(answer), credential)
            media_type = answer.header(b"content-type").partition(b";")[0].strip().lower()
            if not provider.accepts(outgoing.operation, media_type, stream=journey.stream):
                raise garbage("it has the wrong content type")
            sound = outgoing.operation in SOUND
            if not journey.stream and not sound:
                return await self._whole(journey, target, outgoing, answer, tell)
            stream: FrameStream | PieceStream
            if journey.stream:
                end = provider.stream_end(outgoing.operation, credential)
                stream = FrameStream(answer, end, timeouts.between_s, tell, SOUND_EVENTS_BYTES_MAX if sound else STREAM_BYTES_MAX)
            else:
                stream = PieceStream(answer, SOUND_BYTES_MAX, tell)
            await stream.begin()
        except BaseException:
            answer.cancel()
            raise
        return self._begun(journey, target, outgoing, answer, stream)

    def _begun(self, journey: _Try, target: TargetRow, outgoing: Outgoing, answer: HttpAnswer, stream: FrameStream | PieceStream) -> UpstreamAnswer:
        """An answer whose first part is here."""
        first_byte_us = (perf_counter_ns() - journey.started_ns) // 1000
        breaker = self.breaker(target)
        if breaker.state != "closed":
            breaker.succeeded(self._now())  # A probe has done its work at the first part; other streams are counted at their end.
        begun = UpstreamAnswer(target, outgoing.operation, 200, answer.headers, journey.attempts, first_byte_us, cancel=stream.cancel)
        if isinstance(stream, FrameStream):
            begun.frames = stream
        else:
            begun.pieces, begun.length = stream, answer.length
        return begun

    async def _whole(
        self, journey: _Try, target: TargetRow, outgoing: Outgoing, answer: HttpAnswer, tell: Callable[[UpstreamError | None], None]
    ) -> UpstreamAnswer:
        first_byte_us = (perf_counter_ns() - journey.started_ns) // 1000
        try:
            body = await answer.read(ANSWER_BYTES_MAX)
            if not body:
                raise empty("upstream_garbage")
            if outgoing.operation not in NOT_JSON and body[:1] != b"{" and body.lstrip()[:1] != b"{":
                raise garbage("it is no JSON object")
        except UpstreamFailure as error:
            # The answer had begun: the provider did its work, and bills it. It is not asked again.
            error.retryable = error.elsewhere = False
            raise
        tell(None)
        return UpstreamAnswer(target, outgoing.operation, 200, answer.headers, journey.attempts, first_byte_us, body)

    def _tell(self, journey: _Try, target: TargetRow, error: UpstreamError | None) -> None:
        """What an end means for the target."""
        breaker = self.breaker(target)
        self._asked(target.provider.name, "answered" if error is None else error.code)
        now = self._now()
        if error is None or error.code in {"upstream_refused", "upstream_missing"}:
            breaker.succeeded(now)
        elif isinstance(error, UpstreamLimited):
            breaker.limited(now, error.told_s or LIMITED_S)
        elif not getattr(error, "blames", True) or (error.code in _OF_TIME and now >= journey.whole_at):
            breaker.abandoned()
        else:
            breaker.failed(now, spread=1.0 + _SPREAD * self._chance())
            if told_s := getattr(error, "retry_after_s", 0.0):
                breaker.limited(now, told_s)

    def _unavailable(self, targets: tuple[TargetRow, ...]) -> UpstreamError:
        now = self._now()
        rest_s, state = min(((self.breaker(target).rests_s(now), self.breaker(target).state) for target in targets), default=(1.0, "open"))
        rest_s = max(1.0, rest_s)
        return UpstreamLimited(math.ceil(rest_s)) if state == "closed" else unavailable(rest_s)


async def _error_body(answer: HttpAnswer) -> bytes:
    """An error's body, as far as it can be had; an answer that breaks off here still has its status."""
    answer.paced = True
    answer.extend(ERROR_BODY_S)
    try:
        return await answer.read(ERROR_BODY_BYTES_MAX)
    except UpstreamError:
        return b""


def _retryable(error: UpstreamError | None) -> bool:
    return error is not None and bool(getattr(error, "retryable", False))


def _elsewhere(error: UpstreamError | None) -> bool:
    """None: the target's breaker said no."""
    return error is None or bool(getattr(error, "elsewhere", False))

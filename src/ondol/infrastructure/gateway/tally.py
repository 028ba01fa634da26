"""What one request used so far, and how it is closed: settled with its budgets and recorded, once, before the last byte goes out."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ondol.core.money import NANO_PER_UNIT, Money
from ondol.infrastructure.access.limits.types import Bounds, Need
from ondol.infrastructure.gateway.reasoning import may_reason
from ondol.infrastructure.gateway.records import RequestRecord
from ondol.infrastructure.gateway.shapes.base import NO_QUANTITIES, Asked, Json
from ondol.infrastructure.guard.conversation import Conversation, GuardTrace
from ondol.infrastructure.guard.engine import Decision
from ondol.infrastructure.serving.directory import AssistantCard, ModelCard, TenantCard
from ondol.infrastructure.serving.prices import Price, Quantities, at_percent, cost, dearest, worst_cost
from ondol.infrastructure.serving.settings import notice_for
from ondol.infrastructure.serving.tokens import TokenEstimate
from ondol.infrastructure.serving.types import OwnAnswer, Shown, TargetRow, UpstreamAnswer, Usage
from ondol.infrastructure.telemetry.trace_context import TraceContext

if TYPE_CHECKING:
    from ondol.infrastructure.access.limits.pools import Admission
    from ondol.infrastructure.gateway.door import Caller, Door
    from ondol.infrastructure.gateway.exchange import Exchange

ROUTES = {"chat": "chat.completions"}
"""How records call an operation where it is not by its own name."""

_MAY_HAVE_WORKED = frozenset(
    {"caller_left", "stopped", "upstream_timeout", "upstream_cut_off", "upstream_garbage", "upstream_too_long", "budget_exceeded", "revoked_api_key"}
)
"""Outcomes after which an upstream that was asked may send a bill although it told no usage."""

_LEFT = frozenset({"caller_left", "revoked_api_key"})
"""Outcomes that a caller can bring about."""


class Tally:
    """One request's account.

    Attributes:
        need: what was reserved.
        asked_upstream: somebody else works, or worked, for this request.
        counts: it counts as a request although it used no tokens.
        counting: counts the tokens of the answer as it comes: what is known of one that breaks off.
        usage: what the upstream told; None when it did not, or not yet.
        input_tokens: of the request, estimated.
        output_tokens: the most that one choice may take.
        keeps: its content is kept.
        own: an assistant's answer, whose record waits for what is shown of it.
        prompt: what was asked, as it is kept; empty for what the guard left of it.
        read: what the guard decided about the request.
        streams: the answer goes out as it comes.
        billed: the model that is asked and charged: the one that was called, or that of an assistant's release; None when there is none.
        spent: what an assistant's model used, over all that it was asked for this request; None before the first time.
        asking: how often an assistant's model was asked and has not told what it used.
    """

    __slots__ = (
        "_answer", "_closed", "_cost", "_first_ns", "_guarded", "_kept", "_price_id", "_trace", "admission", "asked", "asked_upstream", "asking",
        "billed", "bounds", "caller", "card", "conversation", "counting", "counts", "door", "exchange", "guarded_ns", "input_tokens", "keeps",
        "need", "output_tokens", "own", "prompt", "queued_ns", "read", "spent", "streams", "target", "tenant", "upstream_ns", "usage",
    )  # fmt: skip

    def __init__(
        self,
        door: Door,
        exchange: Exchange,
        caller: Caller,
        tenant: TenantCard,
        asked: Asked,
        card: ModelCard | AssistantCard | None,
        route: ModelCard | None = None,
    ) -> None:
        self.door = door
        self.exchange = exchange
        self.caller = caller
        self.tenant = tenant
        self.asked = asked
        self.card = card
        self.billed = card if isinstance(card, ModelCard) else route
        self.spent: Usage | None = None
        self.asking = 0
        self.keeps = tenant.settings.content != "off"
        self.own: OwnAnswer | None = None
        self.prompt = ""
        self.need: Need | None = None
        self.admission: Admission | None = None
        self.conversation: Conversation | None = None
        self.usage: Usage | None = None
        self.bounds = Bounds()
        self.input_tokens = 0
        self.output_tokens = 0
        self.streams = asked.stream
        self.asked_upstream = False
        self.counts = False
        self.counting: TokenEstimate | None = None
        self.target: TargetRow | None = None
        self.queued_ns = 0
        self.guarded_ns = 0
        self.upstream_ns = 0
        self._first_ns = 0
        self._answer: UpstreamAnswer | None = None
        self._closed = False
        self._kept = False
        self._cost: Money | None = None
        self._guarded: GuardTrace | None = None
        self.read: Decision = "allow"
        self._price_id: uuid.UUID | None = None
        self._trace: TraceContext | None = None

    def worst_cost(self, input_tokens: int, output_tokens: int) -> Money | None:
        """What the request may cost at the dearest target that may answer; None when a price is not known."""
        if self.billed is None or self.asked.operation == "count_tokens":
            return Money(0, "KRW" if self.tenant.currency == "KRW" else "USD")
        targets = self.billed.row.targets
        if self.asked.quantities is not NO_QUANTITIES:
            return self._worst_by_units(input_tokens, output_tokens)
        if len(targets) == 1:
            price = self._price(targets[0])
            return None if price is None else worst_cost(price, input_tokens, output_tokens)
        return dearest([self._price(target) for target in targets], input_tokens, output_tokens)

    def _price(self, target: TargetRow) -> Price | None:
        """The price list of a target, at the tier of service that is asked for."""
        provider = target.provider
        price = self.door.prices.find(provider.tenant_id, provider.name, target.model, self.door.now())
        if price is None or not self.asked.service_tier or not isinstance(self.card, ModelCard):  # an assistant asks for no tier
            return price
        return at_percent(price, provider.service_tier_percents.get(self.asked.service_tier, 100))

    def _worst_by_units(self, input_tokens: int, output_tokens: int) -> Money | None:
        """The same where some price lists count tokens and others pictures, seconds or characters."""
        assert self.billed is not None  # noqa: S101 - asked before
        worst: Money | None = None
        for target in self.billed.row.targets:
            price = self._price(target)
            if price is None:
                return None
            tokens, units = priced(price, Usage(input_tokens, output_tokens), self.asked.quantities)
            one = worst_cost(price, tokens.input_tokens, tokens.output_tokens, units)
            if one is None or (worst is not None and one.currency != worst.currency):
                return None
            if worst is None or one.nano > worst.nano:
                worst = one
        return worst

    def answered_by(self, answer: UpstreamAnswer) -> None:
        """Keep who answered."""
        self._answer = answer
        self.target = answer.target
        if answer.body is not None:
            self.upstream_ns = time.perf_counter_ns() - self.guarded_ns
        self.counts = True

    @property
    def answer_bytes(self) -> int:
        """How long an upstream's whole answer is."""
        return len(self._answer.body or b"") if self._answer is not None else 0

    @property
    def batch_bytes(self) -> int:
        """How long what came last of an upstream's stream is."""
        return getattr(self._answer.frames, "read_bytes", 0) if self._answer is not None else 0

    @property
    def via(self) -> str:
        """The model that an assistant asks in turn; empty where the model that is called answers itself."""
        return self.billed.row.alias if self.billed is not None and self.billed is not self.card else ""

    def kept_before(self) -> None:
        """The answer was given before, and is given again."""
        self._kept = True

    def first_token(self) -> None:
        """The first of the answer is here."""
        if not self._first_ns:
            self._first_ns = time.perf_counter_ns()

    def settled(self, estimate: TokenEstimate) -> Usage:
        """The usage that counts: the upstream's own, else what was counted here."""
        usage = self.spent or self.usage
        if usage is None:
            usage = self.usage = self.untold(estimate.tokens())
        self._reckon(usage)
        return usage

    def overdrawn(self, estimate: TokenEstimate) -> bool:
        """Whether an upstream that does not keep to its bound wrote more than twice what was reserved."""
        most = self.output_tokens * self.asked.choices
        return most > 0 and estimate.narrow + estimate.wide > 64 and estimate.tokens() > 2 * most + 64

    async def settle(self, text: str) -> None:
        """Have the record of an assistant's answer kept, with what of it went out; before the last byte, so that no answer ends well without one.

        Args:
            text: all that went out.
        """
        if self.own is None:
            return
        trace = self._guard_trace() if self.conversation is not None else None
        total_us = (time.perf_counter_ns() - self.exchange.started_ns) // 1_000
        policy, decision = (trace.policy, trace.decision) if trace is not None else (None, "")
        await self.own.settle(Shown(text, total_us, policy, decision, self._cost))

    def extension(self, usage: Usage) -> Json:
        """What stands in the ``ondol`` field of an answer; empty when there is nothing to say."""
        told: Json = {}
        if self.release_id is not None:
            told["release"] = str(self.release_id)
        if usage.estimated:
            told["usage_estimated"] = True
        if self.conversation is not None:
            trace = self._guard_trace()
            if trace.rules or trace.failed:
                told["guard"] = {
                    "policy": trace.policy.hex(), "decisions": dict(trace.decisions), "rules": list(trace.rules), "failed": list(trace.failed),
                }  # fmt: skip
        if self.asked.stream and self._cost is not None:
            told["cost"] = {"amount": _decimal(self._cost), "currency": self._cost.currency}
        settings = self.tenant.settings
        if settings.mark:
            language = self.conversation.language if self.conversation is not None else "en"
            told["ai_generated"] = True
            told["notice"] = notice_for(settings, language)
        return told

    @property
    def release_id(self) -> uuid.UUID | None:
        """The release that answers; None for what has none."""
        return self.card.release_id if isinstance(self.card, AssistantCard) else None

    def headers(self, usage: Usage | None) -> list[tuple[bytes, bytes]]:
        """Headers of our own, and those of the limits.

        Args:
            usage: None for a stream, whose cost is not known when its head goes out.
        """
        headers: list[tuple[bytes, bytes]] = self.admission.headers() if self.admission is not None else []
        if self.target is not None:
            headers.append((b"x-ondol-route", b"%b/%b" % (_header(self.target.provider.name), _header(self.target.model))))
            now = time.perf_counter_ns()
            upstream = self.upstream_ns or (now - self.guarded_ns)
            overhead_us = max(0, now - self.exchange.started_ns - upstream) // 1_000
            headers.append((b"x-ondol-overhead-ms", b"%d.%03d" % (overhead_us // 1_000, overhead_us % 1_000)))
        if usage is not None and self._cost is not None:
            headers.append((b"x-ondol-cost", f"{_decimal(self._cost)} {self._cost.currency}".encode()))
        if isinstance(self.card, ModelCard) and self.card.settings.release:
            headers.append((b"x-ondol-release", _header(self.card.settings.release)))
        elif self.release_id is not None:
            headers.append((b"x-ondol-release", str(self.release_id).encode()))
        if self.conversation is not None:
            headers.append((b"x-ondol-guard", (self._guard_trace().decision if usage is not None else self.read).encode()))
        headers.append((b"x-ondol-cache", b"hit" if self._kept else b"none"))
        if self.tenant.settings.mark:
            headers.append((b"x-ai-generated", b"true"))
        return headers

    def trace_header(self) -> bytes:
        """The W3C trace context that goes on to an upstream: the caller's trace, or one of our own, with a span of ours."""
        return self.context().outgoing()

    def context(self) -> TraceContext:
        """The request's place in a trace."""
        context = self._trace
        if context is None:
            context = self._trace = TraceContext(self.exchange.id, self.exchange.header(b"traceparent"), self.door.trace_ratio)
        return context

    def close(self, status: int, outcome: str, usage: Usage | None = None) -> None:
        """Settle and record, the first time that it is called."""
        if self._closed:
            return
        self._closed = True
        usage = usage or self._known(outcome)
        if usage.reasoning_tokens and not usage.estimated and self.target is not None:
            self.door.reasoners.add(self.target.id)
        admission = self.admission
        settlement: Any = None
        if admission is not None:
            if usage.input_tokens or usage.output_tokens or self.counts or (self.asked_upstream and outcome in _MAY_HAVE_WORKED):
                cost = self._reckon(usage)
                if cost is not None and cost.nano and cost.currency != (admission.plan.currency or cost.currency):
                    cost = None  # another price list began meanwhile: what was held stands for what cannot be compared
                # Of an answer that never began nobody knows how long it was: what nobody knows is not given back.
                is_unknown = outcome in _LEFT and self.asked_upstream and self.usage is None and self.counting is None
                admission.settle(None if is_unknown else usage.input_tokens + usage.output_tokens, cost)
            else:
                admission.release()
            settlement = admission.settlement
        record = self._record(status, outcome, usage, settlement)
        self.door.record(record)
        overhead_us = max(0, record.duration_us - record.upstream_us)
        decisions = self._guarded.decisions if self._guarded is not None else {}
        self.door.observer.observe(record, overhead_us=overhead_us, decisions=decisions, context=self._trace)

    def keep(self, answer: str) -> None:
        """Hand the content to whoever keeps it."""
        prompt = self.prompt or self._prompt()
        self.door.keep_content(self.caller, self.exchange.id, prompt, answer)

    def keep_prompt(self) -> None:
        """Remember what was asked as it was said, before the guard writes others in the place of texts, where the tenant keeps all of it."""
        if self.tenant.settings.content == "full":
            self.prompt = self._prompt()

    def _prompt(self) -> str:
        return "\n\n".join(f"[{spot.role}] {spot.text}" for spot in self.asked.spots if spot.role != "field")

    def _guard_trace(self) -> GuardTrace:
        """What the guard did in all; asked for once nothing more comes."""
        trace = self._guarded
        if trace is None:
            assert self.conversation is not None  # noqa: S101 - asked for only where there is one
            trace = self._guarded = self.conversation.trace()
        return trace

    def spend(self, usage: Usage) -> None:
        """Add what an assistant's model used when it was asked once."""
        self.asking -= 1
        self.spent = usage if self.spent is None else _sum(self.spent, usage)

    def _known(self, outcome: str) -> Usage:
        """The usage of a request that did not come to its end."""
        if self.spent is None:
            return self.usage or self._guessed(outcome)
        return _sum(self.spent, self._guessed(outcome)) if self.asking else self.spent

    def _guessed(self, outcome: str) -> Usage:
        """What a request that did not come to its end used: nothing that is known, unless somebody may have worked for it; then what came of it."""
        made = self.counting.tokens() if self.counting is not None else 0
        return self.untold(made) if self._worked(outcome) else Usage(0, 0, estimated=True)

    def _worked(self, outcome: str) -> bool:
        """Whether a provider may have worked for a request that did not come to its end."""
        return self.asked_upstream and (outcome in _MAY_HAVE_WORKED or self._first_ns > 0)

    def untold(self, made: int) -> Usage:
        """The usage where nobody told it: what was seen, and with a model that reasons all that it was allowed."""
        hidden = 0
        if self.billed is not None:
            targets = self.billed.row.targets if self.target is None else (self.target,)
            prices = [self._price(target) for target in targets]
            if may_reason(self.asked, self.billed.settings, targets, prices, self.door.reasoners):
                hidden = max(0, self.output_tokens * self.asked.choices - made)
        return Usage(self.input_tokens, made + hidden, estimated=True, reasoning_tokens=hidden)

    def _reckon(self, usage: Usage) -> Money | None:
        """What the usage costs where it was answered; None where that is not known."""
        target = self.target
        if target is not None and self._cost is None:
            price = self._price(target)
            if price is not None:
                self._price_id = price.id
                quantities = self.asked.quantities
                if self.asked.hosted_tokens:  # nobody tells how often a provider called its tools: all that was held is charged
                    usage = replace(usage, input_tokens=usage.input_tokens + self.asked.hosted_tokens)
                tokens, units = (usage, quantities) if quantities is NO_QUANTITIES else priced(price, usage, quantities)
                self._cost = cost(tokens, price, units)
        return self._cost

    def _record(self, status: int, outcome: str, usage: Usage, settlement: Any) -> RequestRecord:
        exchange, caller, answer, target = self.exchange, self.caller, self._answer, self.target
        trace = self._guard_trace() if self.conversation is not None else None
        amount = self._cost
        units = self.asked.quantities
        if units is not NO_QUANTITIES and outcome != "answered" and not self._worked(outcome):
            units = NO_QUANTITIES
        now = time.perf_counter_ns()
        return RequestRecord(
            tenant_id=caller.tenant_id,
            id=exchange.id,
            person_id=caller.person_id,
            api_key_id=caller.api_key_id,
            group_ids=caller.who.group_ids,
            model=self.asked.model,
            route=ROUTES.get(self.asked.operation, self.asked.operation),
            provider=target.provider.name if target is not None else "",
            upstream_model=target.model if target is not None else "",
            stream=self.streams,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            usage_estimated=usage.estimated,
            cost_nano=amount.nano if amount is not None else None,
            currency=amount.currency if amount is not None else None,
            price_id=self._price_id,
            queue_us=(self.queued_ns - exchange.started_ns) // 1_000 if self.queued_ns else 0,
            guard_us=(self.guarded_ns - self.queued_ns) // 1_000 if self.guarded_ns else 0,
            upstream_us=(self.upstream_ns or now - self.guarded_ns) // 1_000 if self.asked_upstream and self.guarded_ns else 0,
            first_token_us=(self._first_ns - exchange.started_ns) // 1_000 if self._first_ns and self.streams else None,
            duration_us=(now - exchange.started_ns) // 1_000,
            attempts=answer.attempts if answer is not None else 0,
            status=status,
            outcome=outcome,
            created_at=self.door.now(),
            guard_policy=trace.policy if trace is not None else None,
            guard_decision=trace.decision if trace is not None else None,
            guard_rules=trace.rules if trace is not None else (),
            trace_id=self.context().trace_id,
            release_id=self.release_id,
            settlement=settlement,
            images=units.images,
            audio_ms=units.milliseconds,
            characters=units.characters,
        )


def priced(price: Price, usage: Usage, quantities: Quantities) -> tuple[Usage, Quantities]:
    """What of a request a price list counts: pictures, seconds or characters where it has a price for them, else tokens."""
    units = Quantities(
        quantities.images if price.image is not None else 0,
        quantities.milliseconds if price.second is not None else 0,
        quantities.characters if price.character is not None else 0,
    )
    if units == NO_QUANTITIES:
        return usage, units
    return replace(
        usage, input_tokens=usage.input_tokens if price.input is not None else 0, output_tokens=usage.output_tokens if price.output is not None else 0
    ), units


def _sum(first: Usage, second: Usage) -> Usage:
    """Two usages as one."""
    return Usage(
        first.input_tokens + second.input_tokens,
        first.output_tokens + second.output_tokens,
        first.estimated or second.estimated,
        first.cached_tokens + second.cached_tokens,
        first.cache_write_tokens + second.cache_write_tokens,
        first.reasoning_tokens + second.reasoning_tokens,
    )


def _header(text: str) -> bytes:
    """A text as a header may carry it."""
    return text.encode("ascii", "replace").translate(None, b"\r\n\x00")


def _decimal(amount: Money) -> str:
    """An amount in units, exactly: 0.000123."""
    whole, rest = divmod(abs(amount.nano), NANO_PER_UNIT)
    text = f"{whole}.{rest:09d}".rstrip("0").rstrip(".")
    return f"-{text}" if amount.nano < 0 else text

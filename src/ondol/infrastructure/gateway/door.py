"""What the gateway may call: handed in by wiring, so that the gateway knows no store and no application."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ondol.core.clock import Clock, utc_now
from ondol.infrastructure.access.limits.types import Who
from ondol.infrastructure.access.types import Listeners
from ondol.infrastructure.gateway.reasoning import Reasoners
from ondol.infrastructure.gateway.workroom import Workroom
from ondol.infrastructure.guard.conversation import Conversation
from ondol.infrastructure.serving.directory import AssistantCard, ServingDirectory
from ondol.infrastructure.serving.prices import PriceDirectory
from ondol.infrastructure.serving.types import ChatRequest, OwnAnswer, Route

if TYPE_CHECKING:
    from ondol.infrastructure.access.limits.governor import Governor
    from ondol.infrastructure.gateway.exchange import Exchange
    from ondol.infrastructure.gateway.records import RequestRecord
    from ondol.infrastructure.gateway.records.feedback import Opinion
    from ondol.infrastructure.gateway.streams import Streams
    from ondol.infrastructure.serving.routing import Router
    from ondol.infrastructure.telemetry.observer import Observer

BODY_BYTES_MAX = 8 << 20
KEEP_ALIVE_S = 10.0


class Caller:
    """Who asks. Kept for each key in force, so that a request makes nothing new.

    Attributes:
        api_key_id: None when a session of the console asks.
        models: what the key may call; None for all that the tenant may.
        listeners: who reads the answer too; None when nobody does.
        who: the same for the limits.
    """

    __slots__ = ("api_key_id", "listeners", "models", "person_id", "tenant_id", "who")

    def __init__(
        self,
        tenant_id: uuid.UUID,
        person_id: uuid.UUID,
        api_key_id: uuid.UUID | None,
        models: frozenset[str] | None = None,
        group_ids: tuple[uuid.UUID, ...] = (),
        listeners: Listeners | None = None,
    ) -> None:
        self.tenant_id = tenant_id
        self.person_id = person_id
        self.api_key_id = api_key_id
        self.models = models
        self.listeners = listeners
        self.who = Who(tenant_id, group_ids, person_id, api_key_id)


@dataclass(frozen=True, slots=True)
class FeedbackEntry:
    """What a caller thinks of an answer.

    Attributes:
        request_id: of the request that was answered.
        opinion: thumb, score, reasons, the corrected text and a comment.
    """

    request_id: uuid.UUID
    opinion: Opinion


GuardConversation = Callable[[Caller, uuid.UUID, Sequence[str], str, AssistantCard | None], Awaitable[Conversation]]
"""Guards one request: who asks, the request's id, its texts, the model's name, and the assistant if it is one."""
Answerer = Callable[[Caller, AssistantCard, ChatRequest, Conversation, Route | None], OwnAnswer]
"""Answers as an assistant, by the release that its card names and with the model of it; what it shows a model of documents, the conversation's guard
has looked at."""


@dataclass(frozen=True, slots=True)
class Door:
    """What the gateway may call.

    Attributes:
        known_caller: who sends a request, told from memory; None when that takes a store.
        authenticate: who sends a request, in any case; raises `Unauthenticated`.
        directory: what answers each tenant's models.
        governor: limits and budgets.
        router: the way to providers.
        prices: what answers cost.
        guard: guards one request.
        answer: answers as an assistant; it is told what of the answer was shown, before the last of it goes out.
        record: keeps a record; never blocks and never raises.
        keep_content: keeps a request and its answer as the tenant's settings say; never blocks and never raises.
        feedback: keeps what a caller thinks of an answer that it got; raises `NotFound`. None where that is not kept.
        observer: counts what is finished, refused and asked.
        streams: answers that go on when their caller is cut off; None where none do.
        trace_ratio: the share of traces that is exported.
        work: where long texts are looked at.
        reasoners: targets that told of reasoning.
        records_full: records can neither be written nor kept: new requests are refused.
        ready: the parts that fail, by name; empty when all is well.
        body_bytes_max: largest request body, at this moment.
        keep_alive_s: longest silence of a stream, in seconds.
    """

    known_caller: Callable[[Exchange], Caller | None]
    authenticate: Callable[[Exchange], Awaitable[Caller]]
    directory: ServingDirectory
    governor: Governor
    router: Router
    prices: PriceDirectory
    guard: GuardConversation
    answer: Answerer
    record: Callable[[RequestRecord], None]
    observer: Observer
    ready: Callable[[], Awaitable[Mapping[str, str]]]
    records_full: Callable[[], bool] = lambda: False
    keep_content: Callable[[Caller, uuid.UUID, str, str], None] = lambda *_: None
    feedback: Callable[[Caller, FeedbackEntry], Awaitable[uuid.UUID]] | None = None
    streams: Streams | None = None
    trace_ratio: float = 0.0
    work: Workroom = field(default_factory=Workroom)
    reasoners: Reasoners = field(default_factory=Reasoners)
    now: Clock = utc_now
    body_bytes_max: Callable[[], int] = lambda: BODY_BYTES_MAX
    keep_alive_s: float = KEEP_ALIVE_S

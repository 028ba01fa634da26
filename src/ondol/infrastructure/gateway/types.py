"""Records of the data plane, and the door through which wiring hands in what the gateway may call."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from ondol.core.clock import Clock, utc_now
from ondol.infrastructure.serving import ChatRequest, ChatUpstream

BODY_BYTES_MAX = 4 << 20
KEEP_ALIVE_S = 10.0

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `api_key_id` is None when a session of the console asks."""

    tenant_id: uuid.UUID
    person_id: uuid.UUID
    api_key_id: uuid.UUID | None


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model or assistant that a caller may use. The id may hold slashes, such as ``assistant/help``."""

    id: str
    created_unix_s: int
    owned_by: str


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One chat request as the table `requests` keeps it.

    Attributes:
        route: the operation, such as ``chat.completions``.
        input_tokens, output_tokens: told by the upstream, or estimated when the answer did not reach its end.
        cost_nano: nano-units of `currency`; both None while no price is known.
        duration_us: from the first byte of the request to the last of the answer, in microseconds.
        status: the HTTP status of the outcome, also of one that came after a stream had begun with 200; 499 when the caller left.
        outcome: ``answered``, ``caller_left``, ``stopped`` (the server shut down) or the code of the error.
        guard_policy: digest of the guard policy that looked at it, 32 bytes; None when none did.
        guard_decision: the strictest of what the policy decided.
        guard_rules: the rules that found something.
    """

    tenant_id: uuid.UUID
    id: uuid.UUID
    person_id: uuid.UUID
    api_key_id: uuid.UUID | None
    model: str
    route: str
    input_tokens: int
    output_tokens: int
    cost_nano: int | None
    currency: Literal["USD", "KRW"] | None
    duration_us: int
    status: int
    outcome: str
    created_at: datetime
    guard_policy: bytes | None = None
    guard_decision: str | None = None
    guard_rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Door:
    """What the gateway may call.

    Attributes:
        authenticate: headers (lower-case names; a repeated one is joined with commas) and the client's address to a caller;
            raises `Unauthenticated`.
        list_models: what a caller may use.
        upstream: what answers a request, chosen by its model's name; raises `NotFound` with code ``model_not_found``, or `TooManyRequests`.
        record: keeps a record; never blocks and never raises.
        ready: the parts that fail, by name; empty when all is well.
        now: wall clock.
        body_bytes_max: largest request body.
        keep_alive_s: longest silence of a stream, in seconds.
    """

    authenticate: Callable[[Mapping[str, str], str], Awaitable[Caller]]
    list_models: Callable[[Caller], Awaitable[Sequence[ModelCard]]]
    upstream: Callable[[Caller, ChatRequest], Awaitable[ChatUpstream]]
    record: Callable[[RequestRecord], None]
    ready: Callable[[], Awaitable[Mapping[str, str]]]
    now: Clock = utc_now
    body_bytes_max: int = BODY_BYTES_MAX
    keep_alive_s: float = KEEP_ALIVE_S

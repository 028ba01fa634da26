"""Records of the data plane, and the door through which wiring hands in what the gateway may call."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ondol.core.clock import Clock, utc_now
from ondol.infrastructure.gateway.records.types import RequestRecord
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

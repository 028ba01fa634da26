"""The record of one request."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Literal

import msgspec

from ondol.infrastructure.access.limits.types import Settlement


class RequestRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request as the table `requests` keeps it. Frozen; a struct and no dataclass since each request makes one.

    Attributes:
        group_ids: the person's groups, as far as limits or budgets of theirs applied.
        model: the name that the caller asked for.
        route: the operation, such as ``chat.completions``.
        provider, upstream_model: what answered; empty when nothing was asked.
        input_tokens, output_tokens: told by the upstream, or estimated when `usage_estimated`.
        cached_tokens, cache_write_tokens: the part of the input that the upstream's cache held or took.
        reasoning_tokens: the part of the output that nobody reads.
        images: pictures that were made.
        audio_ms: milliseconds of sound that was written down, as far as the upstream told its length.
        characters: characters that were spoken.
        cost_nano: nano-units of `currency`; both None while no price is known.
        price_id: by which the cost was reckoned.
        queue_us: microseconds from the first byte of the request until it was admitted.
        guard_us: microseconds that the guard took in all.
        upstream_us: microseconds from asking the upstream to its last byte, all attempts together.
        first_token_us: microseconds from the first byte of the request to the first of a stream's answer; None when nothing streamed.
        duration_us: microseconds from the first byte of the request to the last of the answer.
        attempts: how many targets were asked, repeated ones counted again.
        status: the HTTP status of the outcome, also of one that came after a stream had begun with 200; 499 when the caller left.
        outcome: ``answered``, ``caller_left``, ``stopped`` (the server shut down) or the code of the error.
        guard_policy: digest of the guard policy that looked at it, 32 bytes; None when none did.
        guard_decision: the strictest of what the policy decided.
        guard_rules: the rules that found something.
        trace_id: W3C trace id, 32 hexadecimal digits; empty when there is none.
        settlement: what budgets were charged, so that it is charged even if this worker ends before it has told; every charge is the tenant's own.
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
    group_ids: tuple[uuid.UUID, ...] = ()
    provider: str = ""
    upstream_model: str = ""
    stream: bool = False
    release_id: uuid.UUID | None = None
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    usage_estimated: bool = False
    price_id: uuid.UUID | None = None
    queue_us: int = 0
    guard_us: int = 0
    upstream_us: int = 0
    first_token_us: int | None = None
    attempts: int = 0
    trace_id: str = ""
    settlement: Settlement | None = None
    images: int = 0
    audio_ms: int = 0
    characters: int = 0

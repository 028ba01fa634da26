"""What this room sees of a request: the gateway's record of it, by its form."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias


class Observed(Protocol):
    """A finished request. `gateway.records.RequestRecord` is one; its docstring says what the fields hold."""

    @property
    def tenant_id(self) -> uuid.UUID:
        """Whose request."""

    @property
    def id(self) -> uuid.UUID:
        """A UUIDv7."""

    @property
    def person_id(self) -> uuid.UUID:
        """Who asked."""

    @property
    def api_key_id(self) -> uuid.UUID | None:
        """By which key, if by one."""

    @property
    def model(self) -> str:
        """The name that the caller asked for."""

    @property
    def route(self) -> str:
        """The operation, such as ``chat.completions``."""

    @property
    def provider(self) -> str:
        """What answered; empty when nothing was asked."""

    @property
    def upstream_model(self) -> str:
        """What it was asked for."""

    @property
    def stream(self) -> bool:
        """Whether the answer was to stream."""

    @property
    def release_id(self) -> uuid.UUID | None:
        """The release that answered."""

    @property
    def input_tokens(self) -> int:
        """Cached ones included."""

    @property
    def output_tokens(self) -> int:
        """Reasoning included."""

    @property
    def cached_tokens(self) -> int:
        """Read from the upstream's cache."""

    @property
    def cache_write_tokens(self) -> int:
        """Written to it."""

    @property
    def reasoning_tokens(self) -> int:
        """Of the output, what nobody reads."""

    @property
    def usage_estimated(self) -> bool:
        """The tokens were counted here."""

    @property
    def cost_nano(self) -> int | None:
        """In nano-units of `currency`."""

    @property
    def currency(self) -> Literal["USD", "KRW"] | None:
        """None while no price is known."""

    @property
    def queue_us(self) -> int:
        """Microseconds until it was admitted."""

    @property
    def guard_us(self) -> int:
        """Microseconds of the guard's reading."""

    @property
    def upstream_us(self) -> int:
        """Microseconds from asking the upstream to its last byte."""

    @property
    def first_token_us(self) -> int | None:
        """Microseconds to the first of a stream."""

    @property
    def duration_us(self) -> int:
        """Microseconds in all."""

    @property
    def attempts(self) -> int:
        """How many targets were asked."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def outcome(self) -> str:
        """``answered`` or how else it ended."""

    @property
    def created_at(self) -> datetime:
        """When it ended."""

    @property
    def guard_policy(self) -> bytes | None:
        """Its digest."""

    @property
    def guard_decision(self) -> str | None:
        """The strictest."""

    @property
    def guard_rules(self) -> tuple[str, ...]:
        """Those that found something."""

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits, or empty."""


Decisions: TypeAlias = Mapping[Any, str]
"""By stage of the guard, the strictest decision."""


class Put(Protocol):
    """Takes what a gauge stands at."""

    def __call__(self, name: str, value: float, *labels: str) -> None:
        """In told units: seconds, bytes."""

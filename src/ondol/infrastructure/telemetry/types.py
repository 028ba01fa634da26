"""What this room sees of a request: the gateway's record of it, by its form."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Protocol


class Observed(Protocol):
    """A finished request. `gateway.records.RequestRecord` is one; its docstring says what the fields hold."""

    @property
    def tenant_id(self) -> uuid.UUID: ...  # noqa: D102
    @property
    def id(self) -> uuid.UUID: ...  # noqa: D102
    @property
    def person_id(self) -> uuid.UUID: ...  # noqa: D102
    @property
    def api_key_id(self) -> uuid.UUID | None: ...  # noqa: D102
    @property
    def model(self) -> str: ...  # noqa: D102
    @property
    def route(self) -> str: ...  # noqa: D102
    @property
    def provider(self) -> str: ...  # noqa: D102
    @property
    def upstream_model(self) -> str: ...  # noqa: D102
    @property
    def stream(self) -> bool: ...  # noqa: D102
    @property
    def release_id(self) -> uuid.UUID | None: ...  # noqa: D102
    @property
    def input_tokens(self) -> int: ...  # noqa: D102
    @property
    def output_tokens(self) -> int: ...  # noqa: D102
    @property
    def cached_tokens(self) -> int: ...  # noqa: D102
    @property
    def cache_write_tokens(self) -> int: ...  # noqa: D102
    @property
    def reasoning_tokens(self) -> int: ...  # noqa: D102
    @property
    def usage_estimated(self) -> bool: ...  # noqa: D102
    @property
    def cost_nano(self) -> int | None: ...  # noqa: D102
    @property
    def currency(self) -> Literal["USD", "KRW"] | None: ...  # noqa: D102
    @property
    def queue_us(self) -> int: ...  # noqa: D102
    @property
    def guard_us(self) -> int: ...  # noqa: D102
    @property
    def upstream_us(self) -> int: ...  # noqa: D102
    @property
    def first_token_us(self) -> int | None: ...  # noqa: D102
    @property
    def duration_us(self) -> int: ...  # noqa: D102
    @property
    def attempts(self) -> int: ...  # noqa: D102
    @property
    def status(self) -> int: ...  # noqa: D102
    @property
    def outcome(self) -> str: ...  # noqa: D102
    @property
    def created_at(self) -> datetime: ...  # noqa: D102
    @property
    def guard_policy(self) -> bytes | None: ...  # noqa: D102
    @property
    def guard_decision(self) -> str | None: ...  # noqa: D102
    @property
    def guard_rules(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def trace_id(self) -> str: ...  # noqa: D102


Decisions = Mapping[str, str]
"""By stage of the guard, the strictest decision."""


class Put(Protocol):
    """Takes what a gauge stands at."""

    def __call__(self, name: str, value: float, *labels: str) -> None:
        """In told units: seconds, bytes."""

"""How a request's record reads in OpenTelemetry's words: one table, of one version of the semantic conventions.

The generative AI conventions are all marked as in development and change: nothing outside this file knows a name of theirs. Usage stands on the
upstream's span alone, so that no backend counts it twice. There is no content here, because a record holds none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from ondol.infrastructure.telemetry.types import Observed

SEMCONV_VERSION = "1.41.0"
SCHEMA_URL = f"https://opentelemetry.io/schemas/{SEMCONV_VERSION}"

OPERATIONS: Mapping[str, str] = {
    "chat.completions": "chat",
    "messages": "chat",
    "responses": "chat",
    "completions": "text_completion",
    "embeddings": "embeddings",
}
"""`gen_ai.operation.name` by the record's route; what has none of the convention's keeps its own name, as the convention allows."""

CALLER_GONE = frozenset({"caller_left", "stopped"})
"""Outcomes without a fault of anyone's."""
FINE = frozenset({"answered", "refused"})

SpanName = Literal["request", "guard", "upstream"]
Value = str | int | float | bool | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Attribute:
    """One row: where a record's field goes.

    Attributes:
        span: on which of the request's spans.
        field: of the record, or one of `DERIVED`.
        identity: names somebody, so it is told only where `telemetry.identities` is set.
        blank: it is told where it is 0 or false too.
        varies: it is another for each request, so it is not worth remembering how it is written.
    """

    span: SpanName
    name: str
    field: str
    identity: bool = False
    blank: bool = False
    varies: bool = False


ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute("upstream", "gen_ai.operation.name", "operation"),
    Attribute("upstream", "gen_ai.provider.name", "provider"),
    Attribute("upstream", "gen_ai.request.model", "asked_model"),
    Attribute("upstream", "gen_ai.request.stream", "stream"),
    Attribute("upstream", "gen_ai.agent.name", "agent"),
    Attribute("upstream", "gen_ai.usage.input_tokens", "input_tokens", blank=True),
    Attribute("upstream", "gen_ai.usage.output_tokens", "output_tokens", blank=True),
    Attribute("upstream", "gen_ai.usage.cache_read.input_tokens", "cached_tokens"),
    Attribute("upstream", "gen_ai.usage.cache_creation.input_tokens", "cache_write_tokens"),
    Attribute("upstream", "gen_ai.usage.reasoning.output_tokens", "reasoning_tokens"),
    Attribute("upstream", "gen_ai.response.time_to_first_chunk", "first_chunk_s", varies=True),
    Attribute("upstream", "error.type", "upstream_error"),
    Attribute("upstream", "ondol.usage_estimated", "usage_estimated"),
    Attribute("upstream", "ondol.cost_nano", "cost_nano", blank=True, varies=True),
    Attribute("upstream", "ondol.currency", "currency"),
    Attribute("upstream", "ondol.attempts", "attempts"),
    Attribute("request", "http.response.status_code", "status"),
    Attribute("request", "error.type", "request_error"),
    Attribute("request", "ondol.request_id", "id", varies=True),
    Attribute("request", "ondol.route", "route"),
    Attribute("request", "ondol.model", "model"),
    Attribute("request", "ondol.outcome", "outcome"),
    Attribute("request", "ondol.release_id", "release_id"),
    Attribute("request", "ondol.tenant_id", "tenant_id", identity=True),
    Attribute("request", "ondol.key_id", "api_key_id", identity=True),
    Attribute("request", "user.id", "person_id", identity=True),
    Attribute("guard", "ondol.guard.policy", "policy"),
    Attribute("guard", "ondol.guard.decision", "guard_decision"),
    Attribute("guard", "ondol.guard.rules", "guard_rules"),
)


def asks_agent(record: Observed) -> bool:
    """Whether an assistant answered, and no provider."""
    return not record.provider and record.upstream_us > 0 and record.outcome == "answered"


def operation(record: Observed) -> str:
    """`gen_ai.operation.name`."""
    return "invoke_agent" if asks_agent(record) else OPERATIONS.get(record.route, record.route)


def first_chunk_s(record: Observed) -> float | None:
    """Seconds from asking the upstream to the first of its stream."""
    if record.first_token_us is None:
        return None
    return max(0, record.first_token_us - record.queue_us - record.guard_us) / 1e6


def request_error(record: Observed) -> str | None:
    """`error.type` of the request: the code of what went wrong here or behind us. What a caller did wrong is no error of a server's span."""
    return record.outcome if record.status >= 500 and record.outcome not in FINE | CALLER_GONE else None


def upstream_error(record: Observed) -> str | None:
    """`error.type` of the upstream's span."""
    return record.outcome if record.outcome.startswith("upstream_") else None


def _policy(record: Observed) -> str | None:
    return record.guard_policy.hex() if record.guard_policy is not None else None


DERIVED: Mapping[str, Callable[[Observed], Value]] = {
    "operation": operation,
    "asked_model": lambda record: None if asks_agent(record) else (record.upstream_model or record.model),
    "agent": lambda record: record.model if asks_agent(record) else None,
    "first_chunk_s": first_chunk_s,
    "request_error": request_error,
    "upstream_error": upstream_error,
    "policy": _policy,
    "id": lambda record: str(record.id),
}


def _scaled(first: float, factor: float, count: int) -> tuple[float, ...]:
    return tuple(first * factor**step for step in range(count))


@dataclass(frozen=True, slots=True)
class Instrument:
    """One metric of the conventions, with the buckets that they advise. Without bounds it is a counter."""

    name: str
    unit: str
    help: str
    bounds: tuple[float, ...] = ()


_TOKENS = _scaled(1, 4, 14)
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_FIRST = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_PER_TOKEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)

TOKEN_USAGE = Instrument("gen_ai.client.token.usage", "{token}", "Tokens of an operation.", _TOKENS)
CLIENT_DURATION = Instrument("gen_ai.client.operation.duration", "s", "Duration of an operation at an upstream.", _SECONDS)
FIRST_CHUNK = Instrument("gen_ai.client.operation.time_to_first_chunk", "s", "Time to the first of a stream, from asking the upstream.", _FIRST)
SERVER_DURATION = Instrument("gen_ai.server.request.duration", "s", "Duration of a request, as its caller sees it.", _SECONDS)
FIRST_TOKEN = Instrument("gen_ai.server.time_to_first_token", "s", "Time to the first of a stream, as its caller sees it.", _FIRST)
PER_TOKEN = Instrument("gen_ai.server.time_per_output_token", "s", "Time of each output token after the first, of streams.", _PER_TOKEN)
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105 - the name of an attribute

TOKEN_COUNTERS: Mapping[str, Instrument] = {
    field: Instrument(f"gen_ai.client.inference.usage.{name}", "{token}", f"Tokens of operations: {name}.")
    for field, name in {
        "input_tokens": "input_tokens",
        "output_tokens": "output_tokens",
        "cached_tokens": "cache_read.input_tokens",
        "cache_write_tokens": "cache_write.input_tokens",
        "reasoning_tokens": "reasoning.output_tokens",
    }.items()
}
"""The family that is to follow `gen_ai.client.token.usage`, by the record's field; told where `telemetry.token_metrics` says so."""

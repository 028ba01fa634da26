"""What the tests of the way to providers share: rows, routers and a clock that stands still."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import msgspec

from ondol.infrastructure.serving.http import Egress, HttpRequest, parse_base_url
from ondol.infrastructure.serving.types import (
    DEFAULT_TIMEOUTS,
    ModelRow,
    Operation,
    Outgoing,
    ProviderRow,
    Secret,
    TargetRow,
    Timeouts,
    UpstreamAnswer,
)

TENANT = uuid.UUID(int=1)
CREDENTIAL = "sk-very-secret-4711"
HASTY = Timeouts(connect_s=5, first_byte_s=0.1, between_s=0.1, whole_s=5)
"""For upstreams that hang. The others get time enough for a busy machine."""


class StillClock:
    """Monotonic seconds that pass only when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def row(base_url: str, number: int = 1, *, timeouts: Timeouts = DEFAULT_TIMEOUTS, **fields: Any) -> ProviderRow:
    """A provider on the loopback interface."""
    fields = {"kind": "openai", "credential": Secret(CREDENTIAL), "private_network": True, **fields}
    return ProviderRow(TENANT, uuid.UUID(int=100 + number), f"provider {number}", base_url=base_url, timeouts=timeouts, **fields)


def target(provider: ProviderRow, number: int = 1, *, priority: int = 0, weight: int = 1) -> TargetRow:
    return TargetRow(uuid.UUID(int=200 + number), provider, f"model-{number}", priority, weight)


def model(*targets: TargetRow, retries_max: int = 0, sticky: bool = False) -> ModelRow:
    return ModelRow(TENANT, uuid.UUID(int=300), "alias", targets, retries_max, sticky)


def outgoing(*, stream: bool = False, operation: Operation = "chat") -> Callable[[TargetRow], Outgoing]:
    def make(place: TargetRow) -> Outgoing:
        return Outgoing(operation, msgspec.json.encode({"model": place.model, "messages": [], "stream": stream}))

    return make


def post(base_url: str, body: bytes = b"{}") -> tuple[HttpRequest, Egress]:
    """A bare request and the rules that let it go."""
    origin, path = parse_base_url(base_url)
    request = HttpRequest(b"POST", origin, f"{path}/chat/completions".encode(), [(b"host", origin.authority.encode())], body)
    return request, Egress(frozenset({origin}), private_network=True)


async def text_of(answer: UpstreamAnswer) -> str:
    """The text of an answer, whole or streamed."""
    if answer.frames is None:
        return str(msgspec.json.decode(answer.body or b"")["choices"][0]["message"]["content"])
    found = ""
    async for frames in answer.frames:
        for frame in frames:
            for choice in frame.data.get("choices", ()):
                found += choice.get("delta", {}).get("content", "")
    return found


def words_of(error: BaseException | None) -> str:
    """Everything that a log line or a traceback might show of an error and its causes."""
    words = ""
    while error is not None:
        words += f"{error!r} {error} {error.args} {vars(error)}"
        error = error.__cause__ or error.__context__
    return words

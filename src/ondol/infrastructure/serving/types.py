"""What passes between the gateway and whatever answers: a provider over HTTP, or an assistant inside the platform."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

FinishReason = Literal["stop", "length", "content_filter", "tool_calls"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `content` is plain text: text parts of a multi-part message are joined, other parts are in `raw`."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A chat request after parsing.

    Attributes:
        id: UUIDv7 of the request, also the answer's id.
        model: as the caller wrote it, such as ``assistant/help``.
        max_tokens: the caller's bound on the output, in tokens.
        raw: the body as received, for upstreams of the same family.
    """

    id: uuid.UUID
    model: str
    messages: tuple[Message, ...]
    stream: bool = False
    max_tokens: int | None = None
    temperature: float | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request. `estimated` says that the upstream did not tell and they were counted here."""

    input_tokens: int
    output_tokens: int
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an assistant stands: sent to callers that asked for the `ondol` extension, left out for others."""

    stage: Literal["searching", "reading", "writing", "checking"]


@dataclass(frozen=True, slots=True)
class Finish:
    """The last event of a whole answer.

    Attributes:
        annotations: OpenAI's `message.annotations` (``url_citation`` objects).
        extension: the documented `ondol` field: answer id, sources, refusal; empty for plain providers.
    """

    reason: FinishReason
    usage: Usage
    annotations: tuple[Mapping[str, Any], ...] = ()
    extension: Mapping[str, Any] = field(default_factory=dict)


ChatEvent: TypeAlias = TextDelta | Progress | Finish

ChatUpstream: TypeAlias = Callable[[ChatRequest], AsyncIterator[ChatEvent]]
"""Answers a request: any number of deltas, then one `Finish`. Raises `UpstreamError` or `RequestError`; closing the iterator cancels the work."""

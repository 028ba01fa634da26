"""What passes between the gateway and whatever answers: a provider over HTTP, or an assistant inside the platform.

The first half is the assistants' form of a chat. The second half is the way to providers: the rows that an administrator registers, what goes
out to a target and what comes back.
"""

from __future__ import annotations

import hmac
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from ondol.core.money import Money

FinishReason = Literal["stop", "length", "content_filter", "tool_calls"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `content` is plain text: text parts of a multi-part message are joined, other parts are in `raw`."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ThreadPlace:
    """Where in a thread that is kept here a question stands.

    Attributes:
        thread_id: None begins a new thread.
        parent_id: the turn that it follows; None for the one that was said last.
        from_start: it follows none: another first question of a thread.
        attachments: files that a new thread begins with.
        alone: the answer is to rest on the thread's files and on nothing else.
    """

    thread_id: uuid.UUID | None = None
    parent_id: uuid.UUID | None = None
    from_start: bool = False
    attachments: tuple[uuid.UUID, ...] = ()
    alone: bool = False


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A chat request after parsing.

    Attributes:
        id: UUIDv7 of the request, also the answer's id.
        model: as the caller wrote it, such as ``assistant/help``.
        max_tokens: the caller's bound on the output, in tokens.
        raw: the body as received, for upstreams of the same family.
        thread: where it stands in a thread that an assistant keeps; None where none is kept.
        cached: an assistant may answer as it has answered the same before.
    """

    id: uuid.UUID
    model: str
    messages: tuple[Message, ...]
    stream: bool = False
    max_tokens: int | None = None
    temperature: float | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)
    thread: ThreadPlace | None = None
    cached: bool = True


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request.

    Attributes:
        input_tokens: all of the input, whatever of it a cache held or took.
        output_tokens: all of the output, reasoning included.
        estimated: the upstream did not tell, and they were counted here.
        cached_tokens, cache_write_tokens: the part of the input that the upstream's cache held or took.
        reasoning_tokens: the part of the output that nobody reads.
    """

    input_tokens: int
    output_tokens: int
    estimated: bool = False
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    def plus(self, other: Usage) -> Usage:
        """What two requests used together."""
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.estimated or other.estimated,
            self.cached_tokens + other.cached_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an assistant stands: sent to callers that asked for the `ondol` extension, left out for others.

    Attributes:
        is_kept: the answer was given before and is given again.
    """

    stage: Literal["searching", "reading", "writing", "checking"]
    is_kept: bool = False


@dataclass(frozen=True, slots=True)
class Snippet:
    """A passage's own words that answer, told before a model has spoken to callers that asked for the `ondol` extension.

    Attributes:
        about: where they stand, and how sure it is.
    """

    text: str
    about: Mapping[str, Any] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """It as it stands in the `ondol` field."""
        return {"text": self.text, **self.about}


@dataclass(frozen=True, slots=True)
class Finish:
    """The last event of a whole answer.

    Attributes:
        annotations: OpenAI's `message.annotations` (``url_citation`` objects).
        extension: the documented `ondol` field: answer id, sources, refusal; empty for plain providers.
        provider: who served the model, by the tenant's name for it; empty where there is none of that name.
    """

    reason: FinishReason
    usage: Usage
    annotations: tuple[Mapping[str, Any], ...] = ()
    extension: Mapping[str, Any] = field(default_factory=dict)
    provider: str = ""


ChatEvent: TypeAlias = TextDelta | Progress | Snippet | Finish

ChatUpstream: TypeAlias = Callable[[ChatRequest], AsyncIterator[ChatEvent]]
"""Answers a request: any number of deltas, then one `Finish`. Raises `UpstreamError` or `RequestError`; closing the iterator cancels the work."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What of an assistant's answer went out to its asker.

    Attributes:
        text: as the guard let it out.
        total_us: from the request's first byte to now.
        guard_policy: digest of the policy that it went out under; None where no guard stood.
        cost: None where it is not known.
    """

    text: str
    total_us: int
    guard_policy: bytes | None = None
    guard_decision: str = ""
    cost: Money | None = None


class OwnAnswer(Protocol):
    """An assistant's answer on its way out: its events, and its record, which waits until it is known what of it was shown."""

    def __aiter__(self) -> AsyncIterator[ChatEvent]:
        """The events, as of a `ChatUpstream`."""
        ...

    async def aclose(self) -> None:
        """End the work."""
        ...

    async def settle(self, shown: Shown) -> None:
        """Keep what was shown. Nothing happens where nothing was written, or when it is called again."""
        ...


@dataclass(frozen=True, slots=True)
class Route:
    """A model by which an assistant answers one request.

    Attributes:
        model: its alias.
        context_tokens: what prompt and answer may take together.
    """

    model: str
    context_tokens: int
    stream: ChatUpstream


# ---- The way to providers ----

Operation = Literal["chat", "completions", "responses", "embeddings", "images", "transcriptions", "speech", "rerank", "messages", "count_tokens"]
"""What is asked of a provider; each family has some of them."""

Family = Literal["openai", "anthropic"]
"""The shape in which a provider speaks."""

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Names in lower case, in the order in which they came or go."""

END_MARK = "[DONE]"
"""Name of the frame that ends an OpenAI stream; its data are empty."""


class Secret:
    """A credential that no log line, exception or `repr` shows, and that cannot be pickled. Compared in constant time."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself: only where it is sent."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(...)"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("A secret is not written down.")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait, in seconds.

    Attributes:
        connect_s: for a free connection, and again for a new one: name, TCP and TLS together.
        first_byte_s: from the request to the first byte of the answer's body; of a stream, to its first event.
        between_s: between two pieces of the body; of a stream, between two events. Comments do not count as events.
        whole_s: for everything.
    """

    connect_s: float = 5.0
    first_byte_s: float = 120.0
    between_s: float = 60.0
    whole_s: float = 900.0


DEFAULT_TIMEOUTS = Timeouts()


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """A provider as it is registered.

    Attributes:
        kind: a key of `serving.providers.KINDS`, such as ``openai``.
        base_url: such as ``https://api.openai.com/v1``; empty for the kind's own.
        headers: sent with every request beside our own, such as ``openai-organization``; they cannot replace ours, and their values are not shown.
        private_network: its host may have a private, loopback or link-local address.
        ca_pem: certificate authorities of its own, as PEM; empty for the system's.
        proxy_url: ``http://[user:password@]host:port`` of an outbound proxy; empty for the installation's, if there is one.
        speaks_responses: it knows OpenAI's responses itself; they are asked for as a chat elsewhere.
        bound_field: the field by which its chats take the bound on an answer; empty for what its host suggests.
        keeps_state: callers of its own tenant may name what is kept at it.
        hosted_tools: tools of its own that callers may ask for: how often each may be called for a request, and for how many tokens a call counts.
        service_tier_percents: tiers of service that callers may ask for, and what they cost in percent of the price list.
        fetches_urls: it may be told to fetch addresses of public hosts.
    """

    tenant_id: uuid.UUID
    id: uuid.UUID
    name: str
    kind: str
    base_url: str = ""
    credential: Secret = field(default=Secret(""))
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    private_network: bool = False
    ca_pem: str = field(default="", repr=False)
    proxy_url: str = field(default="", repr=False)
    timeouts: Timeouts = DEFAULT_TIMEOUTS
    speaks_responses: bool = False
    bound_field: str = ""
    keeps_state: bool = False
    hosted_tools: Mapping[str, tuple[int, int]] = field(default_factory=dict, hash=False)
    service_tier_percents: Mapping[str, int] = field(default_factory=dict, hash=False)
    fetches_urls: bool = False


@dataclass(frozen=True, slots=True)
class TargetRow:
    """One place that can answer for an alias.

    Attributes:
        model: the provider's own name of the model.
        priority: lower is tried first.
        weight: its share among targets of the same priority; 0 takes it out.
    """

    id: uuid.UUID
    provider: ProviderRow
    model: str
    priority: int = 0
    weight: int = 1


@dataclass(frozen=True, slots=True)
class ModelRow:
    """An alias and its targets.

    Attributes:
        alias: the name that callers use.
        retries_max: how often a target that was already asked may be asked again for one request.
        sticky: requests with the same key go to the same target while it is available.
    """

    tenant_id: uuid.UUID
    id: uuid.UUID
    alias: str
    targets: tuple[TargetRow, ...]
    retries_max: int = 2
    sticky: bool = False


@dataclass(slots=True)
class Outgoing:
    """What one target is asked. Targets differ in family, so the gateway makes one for each that is tried.

    Attributes:
        headers: sent beside the provider's own, such as ``anthropic-beta``; they cannot replace the provider's.
        trace: the W3C `traceparent` to send; empty for none.
    """

    operation: Operation
    body: bytes = field(repr=False)
    content_type: bytes = b"application/json"
    headers: Headers = ()
    trace: bytes = b""


@dataclass(slots=True)
class Frame:
    """One decoded event of an upstream's stream. The end mark of OpenAI's streams has no data and the name ``[DONE]``."""

    data: dict[str, Any]
    name: str = ""


def _nothing() -> None:
    return None


@dataclass(slots=True)
class UpstreamAnswer:
    """What a target answered: a whole body, a body in pieces, or a stream of frames.

    Attributes:
        headers: of the answer, names in lower case.
        attempts: how many requests were sent for it, this one included.
        first_byte_us: microseconds from the beginning of `Router.open` to the first byte of the body, or to the first frame.
        body: the whole answer; None for the other two.
        frames: all frames of one network read together, never an empty list. Raises `UpstreamError` with code ``upstream_cut_off``,
            ``upstream_garbage``, ``upstream_timeout`` or ``upstream_failed``. None for the other two.
        pieces: the body as it comes, for what goes out as it comes; never an empty piece. Raises as `frames` does. None for the other two.
        length: bytes of that body, when the target told them.
        cancel: lets the upstream go at once; harmless when the answer has ended.
    """

    target: TargetRow
    operation: Operation
    status: int
    headers: Headers
    attempts: int
    first_byte_us: int
    body: bytes | None = field(default=None, repr=False)
    frames: AsyncIterator[list[Frame]] | None = None
    pieces: AsyncIterator[bytes] | None = None
    length: int | None = None
    cancel: Callable[[], None] = _nothing

"""One model of one provider, as assistants ask it: a chat in, pieces of text and an end out.

It goes the way of every request to a provider: the same connections, time-outs, breaker and rules of where may be connected to.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator
from typing import Any, cast, get_args

import msgspec

from ondol.core.errors import RequestError, UpstreamError
from ondol.core.ids import new_id
from ondol.infrastructure.serving.routing import Router
from ondol.infrastructure.serving.tokens import TokenEstimate, estimate_input_tokens
from ondol.infrastructure.serving.types import (
    ChatEvent,
    ChatRequest,
    Finish,
    FinishReason,
    Frame,
    Message,
    ModelRow,
    Outgoing,
    ProviderRow,
    Secret,
    TargetRow,
    TextDelta,
    Timeouts,
    Usage,
)

BETWEEN_S = 60.0
WHOLE_S = 900.0
"""The longest whole answer: keep-alive comments must not hold a connection for ever."""
CONNECT_S = 5.0
TOKENS_MAX = 2**31 - 1

_encode = msgspec.json.Encoder().encode


class ChatModel:
    """A model that an installation's settings name.

    Args:
        router: the way to providers.
        base_url: such as ``https://api.openai.com/v1``; whoever runs the installation names it, so it may be private.
        api_key: sent as a bearer token; empty for none.
        model: the provider's name of the model.
        timeout_s: the longest wait for the first of the answer.

    Raises:
        SettingsError: for an address or key that cannot be sent.
    """

    def __init__(self, router: Router, base_url: str, api_key: str, model: str, timeout_s: float) -> None:
        provider = ProviderRow(
            tenant_id=uuid.UUID(int=0),
            id=new_id(),
            name="settings",
            kind="openai",
            base_url=base_url,
            credential=Secret(api_key),
            private_network=True,
            timeouts=Timeouts(min(CONNECT_S, timeout_s), timeout_s, min(BETWEEN_S, timeout_s), WHOLE_S),
        )
        router.check(provider)
        self._router = router
        self._row = ModelRow(provider.tenant_id, new_id(), model, (TargetRow(new_id(), provider, model),))

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """Ask the model: any number of deltas, then one `Finish`. Closing the iterator cancels the upstream's work at once.

        Raises:
            UpstreamError: when it fails.
            RequestError: when the request cannot be written as JSON.
        """
        body = _body(request, self._row.alias)
        answer = await self._router.open(self._row, lambda _: Outgoing("chat", body), stream=True, deadline_s=WHOLE_S)
        assert answer.frames is not None  # noqa: S101 - a stream was asked for
        said = Said(request)
        try:
            async for frames in answer.frames:
                text = "".join([said.take(frame) for frame in frames])
                if text:
                    yield TextDelta(text)
            yield said.finish()
        finally:
            answer.cancel()


class Said:
    """What is known of an answer while its frames arrive.

    Attributes:
        estimate: counts the tokens of what came.
    """

    def __init__(self, request: ChatRequest) -> None:
        self._request = request
        self.estimate = TokenEstimate()
        self._usage: Usage | None = None
        self._reason: FinishReason | None = None

    def take(self, frame: Frame) -> str:
        """The text that a frame adds, often none.

        Raises:
            UpstreamError: when it is no piece of a chat.
        """
        data = frame.data
        self._usage = _usage_of(data.get("usage")) or self._usage
        choices = data.get("choices")
        if not choices:
            return ""
        choice = choices[0] if isinstance(choices, list) else None
        delta = choice.get("delta") if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not (delta is None or isinstance(delta, dict)):
            raise _garbage("a choice is no choice")
        reason = choice.get("finish_reason")
        if isinstance(reason, str):
            self._reason = _reason_of(reason)
        text = (delta or {}).get("content") or ""
        if not isinstance(text, str):
            raise _garbage("a piece of the answer is not text")
        self.estimate.add(text)
        return text

    def finish(self) -> Finish:
        """The end.

        Raises:
            UpstreamError: when the answer broke off before its reason.
        """
        if self._reason is None:
            raise UpstreamError("The model provider's answer broke off.", "Try again.", code="upstream_cut_off")
        estimated = Usage(estimate_input_tokens(self._request.messages), self.estimate.tokens(), estimated=True)
        return Finish(self._reason, self._usage or estimated)


def chat_fields(request: ChatRequest, model: str) -> dict[str, Any]:
    """The fields of a streamed chat, as OpenAI writes them."""
    messages = [_message(message) for message in request.messages]
    body: dict[str, Any] = {"model": model, "messages": messages, "stream": True, "stream_options": {"include_usage": True}}
    if request.max_tokens is not None:
        body["max_tokens"] = request.max_tokens
    if request.temperature is not None:
        body["temperature"] = request.temperature
    return body


def _body(request: ChatRequest, model: str) -> bytes:
    try:
        return _encode(chat_fields(request, model))
    except (ValueError, TypeError, OverflowError) as error:
        raise RequestError("The request holds a value that cannot be passed on to the model provider.", code="invalid_value") from error


def _message(message: Message) -> dict[str, Any]:
    """A turn with what ties a tool's answer to its call."""
    tied = {name: message.raw[name] for name in ("tool_calls", "tool_call_id") if name in message.raw}
    return {"role": message.role, "content": message.content or (None if tied else ""), **tied}


def _reason_of(word: str) -> FinishReason:
    """OpenAI's reasons as they are; other servers' words mean ``stop``."""
    return cast("FinishReason", word) if word in get_args(FinishReason) else "stop"


def _usage_of(usage: Any) -> Usage | None:
    """The upstream's count, unless it is missing or no count at all."""
    match usage:
        case {"prompt_tokens": int(input_tokens), "completion_tokens": int(output_tokens)}:
            plausible = 0 <= input_tokens <= TOKENS_MAX and 0 <= output_tokens <= TOKENS_MAX
            return Usage(input_tokens, output_tokens) if plausible else None
    return None


def _garbage(what: str) -> UpstreamError:
    return UpstreamError(f"The model provider's answer cannot be understood: {what}.", code="upstream_garbage")

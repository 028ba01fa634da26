"""Targets that speak the caller's own shape: the request goes as it came, but for what the gateway decides."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping

import msgspec

from ondol.core.errors import RequestError
from ondol.infrastructure.gateway.shapes.base import Asked, Json
from ondol.infrastructure.serving.types import Frame, Operation, TargetRow

NEW_OUTPUT_FIELD_HOSTS = ("api.openai.com", ".openai.azure.com")
"""Whose newer models refuse ``max_tokens``; other servers know it and often nothing else."""
_BOUND_FIELDS = ("max_tokens", "max_completion_tokens")

_encode = msgspec.json.Encoder().encode


class Direct:
    """No translation.

    Args:
        prepare: writes into a copy of the body what the gateway decides: the bound on the output and pinned prompts.
    """

    def __init__(self, operation: Operation, prepare: Callable[[Json, Asked, TargetRow, tuple[str, ...], int], None]) -> None:
        self.operation: Operation = operation
        self._prepare = prepare

    def request(self, asked: Asked, target: TargetRow, prompts: tuple[str, ...], output_tokens: int) -> bytes:
        """The caller's body under the target's own name for the model."""
        body = dict(asked.body)
        body.pop("ondol", None)
        body["model"] = target.model
        self._prepare(body, asked, target, prompts, output_tokens)
        return encode_body(body)

    def whole(self, answer: Json) -> Json:
        """The answer itself."""
        return answer

    def frames(self, frames: AsyncIterator[list[Frame]]) -> AsyncIterator[list[Frame]]:
        """The frames themselves."""
        return frames


def encode_body(body: Json) -> bytes:
    """A body for an upstream.

    Raises:
        RequestError: when it holds what JSON cannot.
    """
    try:
        return _encode(body)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise RequestError("The request holds a value that cannot be passed on to the model provider.", code="invalid_value") from error


def prepare_chat(body: Json, asked: Asked, target: TargetRow, prompts: tuple[str, ...], output_tokens: int) -> None:
    """What the gateway decides of a chat."""
    if prompts:
        body["messages"] = [{"role": "system", "content": "\n\n".join(prompts)}, *body["messages"]]
    bound = _bound_field(body, target)
    for field in _BOUND_FIELDS:
        body.pop(field, None)
    body[bound] = output_tokens
    prepare_stream(body, asked)


def prepare_stream(body: Json, asked: Asked) -> None:
    """A stream always ends with its usage; what is not streamed does not say so."""
    if asked.stream:
        options = body.get("stream_options")
        body["stream_options"] = {**options, "include_usage": True} if isinstance(options, dict) else {"include_usage": True}
    else:
        body.pop("stream", None)
        body.pop("stream_options", None)


def _bound_field(body: Json, target: TargetRow) -> str:
    """The name by which a target takes the bound: what it does not know it would write on without."""
    if target.provider.bound_field:
        return target.provider.bound_field
    host = target.provider.base_url.split("//", 1)[-1].split("/", 1)[0]
    if host and not host.endswith(NEW_OUTPUT_FIELD_HOSTS):
        return "max_tokens"
    is_older = body.get("max_tokens") is not None and body.get("max_completion_tokens") is None
    return "max_tokens" if is_older else "max_completion_tokens"


def prepare_messages(body: Json, asked: Asked, _target: TargetRow, prompts: tuple[str, ...], output_tokens: int) -> None:
    """What the gateway decides of Anthropic's messages."""
    if prompts:
        pinned = [{"type": "text", "text": prompt} for prompt in prompts]
        own = body.get("system")
        body["system"] = [*pinned, *([{"type": "text", "text": own}] if isinstance(own, str) and own else own or ())]
    if asked.operation == "messages":
        body["max_tokens"] = output_tokens


def prepare_responses(body: Json, asked: Asked, _target: TargetRow, prompts: tuple[str, ...], output_tokens: int) -> None:
    """What the gateway decides of a response: its bound, pinned prompts, and that nothing of it is kept."""
    if prompts:
        own = body.get("instructions")
        if isinstance(own, str) or own is None:
            body["instructions"] = "\n\n".join((*prompts, own) if own else prompts)
        else:
            raise RequestError("`instructions` is no string.", param="instructions", code="unsupported_value")
    body["max_output_tokens"] = output_tokens
    body["store"] = False
    body["stream"] = asked.stream  # said in either case: `transformers serve` streams unless it is told not to


def prepare_completions(body: Json, asked: Asked, _target: TargetRow, prompts: tuple[str, ...], output_tokens: int) -> None:
    """What the gateway decides of a completion: its bound, and pinned prompts, which have no place here but before the caller's own.

    Raises:
        RequestError: when the answer would repeat what is pinned.
    """
    if prompts:
        if body.get("echo"):
            raise RequestError("`echo` is not allowed for this model.", "Leave `echo` out.", param="echo", code="parameter_not_allowed")
        pinned = "\n\n".join(prompts) + "\n\n"
        own = body["prompt"]
        body["prompt"] = pinned + own if isinstance(own, str) else [pinned + each for each in own]
    if body.get("max_tokens") != 0:  # 0 asks for the log probabilities of the prompt alone
        body["max_tokens"] = output_tokens
    prepare_stream(body, asked)


def prepare_whole(body: Json, _asked: Asked, _target: TargetRow, _prompts: tuple[str, ...], _output_tokens: int) -> None:
    """What the gateway decides of an answer that comes whole and that no system prompt could change: that it is no stream."""
    body.pop("stream", None)


def prepare_nothing(_body: Json, _asked: Asked, _target: TargetRow, _prompts: tuple[str, ...], _output_tokens: int) -> None:
    """Nothing is decided here beside the model's name."""


DIRECT: Mapping[tuple[str, str], Direct] = {
    ("completions", "openai"): Direct("completions", prepare_completions),
    ("embeddings", "openai"): Direct("embeddings", prepare_whole),
    ("images", "openai"): Direct("images", prepare_whole),
    ("speech", "openai"): Direct("speech", prepare_nothing),
    ("chat", "openai"): Direct("chat", prepare_chat),
    ("responses", "openai"): Direct("responses", prepare_responses),
    ("messages", "anthropic"): Direct("messages", prepare_messages),
    ("count_tokens", "anthropic"): Direct("count_tokens", prepare_messages),
}
"""By operation and kind of provider."""

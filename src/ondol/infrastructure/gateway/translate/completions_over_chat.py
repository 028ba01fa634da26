"""OpenAI's legacy completions, answered by an upstream that speaks messages, or by an assistant: the prompt is what a person says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from ondol.core.errors import RequestError, UpstreamError
from ondol.infrastructure.gateway.shapes.base import Asked, Json, ProgressFrame
from ondol.infrastructure.gateway.translate.chat_over_messages import messages_as_chat, messages_body, messages_frames_as_chat
from ondol.infrastructure.gateway.translate.closing import Closing
from ondol.infrastructure.gateway.translate.direct import encode_body, prepare_messages
from ondol.infrastructure.serving.types import Frame, Operation, TargetRow

_SAME = ("temperature", "top_p", "stop", "stream")
_TOLERATED = frozenset({"model", "prompt", "max_tokens", "n", "best_of", "stream_options", "user", "ondol", *_SAME})
"""Fields that are translated, or whose absence changes nothing of the answer."""
_NEUTRAL: tuple[Any, ...] = (None, False, 0, "", [], {})
"""Values that ask for nothing."""


class CompletionsOverMessages:
    """The way to an upstream that speaks messages: by way of a chat."""

    operation: Operation = "messages"

    def request(self, asked: Asked, target: TargetRow, prompts: tuple[str, ...], output_tokens: int) -> bytes:
        """The request as messages.

        Raises:
            RequestError: for what cannot be said in messages.
        """
        body = messages_body(completions_chat_body(asked.body))
        body["model"] = target.model
        body["max_tokens"] = output_tokens
        prepare_messages(body, asked, target, prompts, output_tokens)
        return encode_body(body)

    def whole(self, answer: Json) -> Json:
        """The message as a completion."""
        return chat_as_completions(messages_as_chat(answer))

    def frames(self, frames: AsyncIterator[list[Frame]]) -> AsyncIterator[list[Frame]]:
        """The events as a completion's chunks."""
        return chat_frames_as_completions(messages_frames_as_chat(frames))


class CompletionsOverChat:
    """The way of an assistant's answer back; an assistant is not asked over this way."""

    operation: Operation = "chat"

    def request(self, asked: Asked, target: TargetRow, prompts: tuple[str, ...], output_tokens: int) -> bytes:
        """Never asked for.

        Raises:
            RequestError: always.
        """
        raise _unsaid("prompt")

    def whole(self, answer: Json) -> Json:
        """The chat's answer as a completion."""
        return chat_as_completions(answer)

    def frames(self, frames: AsyncIterator[list[Frame]]) -> AsyncIterator[list[Frame]]:
        """The chunks as a completion's chunks."""
        return chat_frames_as_completions(frames)


def completions_chat_body(body: Json) -> Json:
    """A request for a completion as one for a chat.

    Raises:
        RequestError: with `param`, for what cannot be said in a chat.
    """
    for name, value in body.items():
        if name not in _TOLERATED and value not in _NEUTRAL:
            raise _unsaid(name)
    for name in ("n", "best_of"):
        if (body.get(name) or 1) > 1:
            raise _unsaid(name)
    prompt = body["prompt"]
    if isinstance(prompt, list):
        if len(prompt) > 1:
            raise _unsaid("prompt[1]")
        prompt = prompt[0]
    return {"messages": [{"role": "user", "content": prompt}], **{name: body[name] for name in _SAME if body.get(name) is not None}}


def chat_as_completions(answer: Json) -> Json:
    """A chat's whole answer as a completion.

    Raises:
        UpstreamError: when it is not of the shape.
    """
    choices = answer.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise _garbage("no choices")
    told = [{"index": 0, "text": _text(message), "logprobs": None, "finish_reason": choice.get("finish_reason") or "stop"}]
    made: Json = {"id": "", "object": "text_completion", "created": 0, "model": "", "choices": told, "usage": answer.get("usage")}
    return {**made, "ondol": answer["ondol"]} if answer.get("ondol") else made


def _text(said: Json) -> str:
    text = said.get("content") or said.get("refusal") or ""
    if not isinstance(text, str):
        raise _garbage("the text is none")
    return text


async def chat_frames_as_completions(frames: AsyncIterator[list[Frame]]) -> AsyncIterator[list[Frame]]:
    """The chunks of a chat as those of a completion.

    Raises:
        UpstreamError: when they are not of the shape.
    """
    async with Closing(frames) as closing:
        async for batch in closing:
            yield [frame if isinstance(frame, ProgressFrame) else Frame(_chunk(frame.data), frame.name) for frame in batch]


def _chunk(data: Json) -> Json:
    choices = data.get("choices")
    if not choices:
        return data
    choice = choices[0] if isinstance(choices, list) else None
    delta = choice.get("delta") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not (delta is None or isinstance(delta, dict)):
        raise _garbage("a chunk without a choice")
    return {**data, "choices": [{"index": 0, "text": _text(delta or {}), "logprobs": None, "finish_reason": choice.get("finish_reason")}]}


def _unsaid(name: str) -> RequestError:
    return RequestError(
        f"`{name}` cannot be passed on: the model behind this name speaks another API.",
        f"Leave `{name}` out.",
        param=name,
        code="unsupported_parameter",
    )


def _garbage(what: str) -> UpstreamError:
    return UpstreamError(f"The model provider's answer cannot be understood: {what}.", code="upstream_garbage")

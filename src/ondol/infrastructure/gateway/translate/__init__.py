"""The way of a request to a target that speaks another shape than the caller, and of its answer back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from ondol.core.errors import RequestError
from ondol.infrastructure.gateway.shapes.base import Asked, Json
from ondol.infrastructure.gateway.translate.chat_over_messages import ChatOverMessages
from ondol.infrastructure.gateway.translate.completions_over_chat import CompletionsOverChat, CompletionsOverMessages
from ondol.infrastructure.gateway.translate.direct import DIRECT
from ondol.infrastructure.gateway.translate.messages_over_chat import MessagesOverChat
from ondol.infrastructure.gateway.translate.multipart import TRANSCRIPTIONS
from ondol.infrastructure.gateway.translate.responses_over_chat import ResponsesOverChat, ResponsesOverMessages
from ondol.infrastructure.serving.types import Frame, Operation, TargetRow


class Translation(Protocol):
    """One way there and back.

    Attributes:
        operation: what the target is asked for.
    """

    @property
    def operation(self) -> Operation:
        """See above."""
        ...

    def request(self, asked: Asked, target: TargetRow, prompts: tuple[str, ...], output_tokens: int) -> bytes:
        """The body for the target.

        Args:
            prompts: pinned system prompts, to stand before all else.
            output_tokens: the most that one choice of the answer may take.

        Raises:
            RequestError: with `param`, when something of the request cannot be said in the target's shape.
        """
        ...

    def whole(self, answer: Json) -> Json:
        """A whole answer in the caller's shape.

        Raises:
            UpstreamError: when it cannot be understood.
        """
        ...

    def frames(self, frames: AsyncIterator[list[Frame]]) -> AsyncIterator[list[Frame]]:
        """The frames of a stream in the caller's shape."""
        ...


_OVER: Mapping[tuple[str, str], Translation] = {
    ("chat", "anthropic"): ChatOverMessages(),
    ("messages", "openai"): MessagesOverChat(),
    ("responses", "anthropic"): ResponsesOverMessages(),
    ("completions", "anthropic"): CompletionsOverMessages(),
}


_RESPONSES_OVER_CHAT: Translation = ResponsesOverChat()


FROM_CHAT: Mapping[str, Translation] = {
    "messages": MessagesOverChat(),
    "responses": _RESPONSES_OVER_CHAT,
    "completions": CompletionsOverChat(),
}
"""How an assistant's answer, which is a chat's, comes back in the caller's shape; what is not here is a chat itself."""


def plan(asked: Asked, target: TargetRow) -> Translation:
    """The way to a target.

    Raises:
        RequestError: when the target has nothing that could answer this operation.
    """
    key = (asked.operation, target.provider.kind)
    if asked.operation == "responses" and target.provider.kind == "openai" and not target.provider.speaks_responses:
        return _RESPONSES_OVER_CHAT
    way = DIRECT.get(key) or _OVER.get(key) or (TRANSCRIPTIONS if key == ("transcriptions", "openai") else None)
    if way is None:
        raise RequestError(f"{asked.model} cannot answer {asked.operation}.", "Ask another model.", code="unsupported_operation", param="model")
    return way

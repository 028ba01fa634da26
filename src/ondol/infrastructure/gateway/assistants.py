"""Assistants of ours as upstreams: their events as the frames and answers of a chat."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, cast

from ondol.core.errors import UpstreamError
from ondol.infrastructure.gateway.shapes.base import Json, ProgressFrame
from ondol.infrastructure.serving.types import ChatEvent, Finish, Frame, Progress, Snippet, TextDelta, Usage


def _nothing() -> None:
    """Nobody wants to know."""


async def assistant_frames(events: AsyncIterable[ChatEvent], kept_before: Callable[[], None] = _nothing) -> AsyncIterator[list[Frame]]:
    """Each event as a frame of a chat.

    Args:
        kept_before: called before the first frame of an answer that was given before.
    """
    is_first = True
    async with aclosing(cast(Any, events)) as closing:
        async for event in closing:
            match event:
                case TextDelta(text):
                    delta: Json = {"role": "assistant", "content": text} if is_first else {"content": text}
                    is_first = False
                    yield [Frame(_chunk(delta, None))]
                case Progress(stage, is_kept):
                    if is_kept:
                        kept_before()
                    yield [ProgressFrame(stage)]
                case Snippet():
                    yield [ProgressFrame("snippet", {"snippet": event.told()})]
                case Finish():
                    yield [Frame(_last(event))]


async def assistant_whole(events: AsyncIterable[ChatEvent], kept_before: Callable[[], None] = _nothing) -> Json:
    """The whole answer of a chat; `kept_before` is as `assistant_frames` has it.

    Raises:
        UpstreamError: when it broke off.
    """
    texts: list[str] = []
    async with aclosing(cast(Any, events)) as closing:
        async for event in closing:
            if isinstance(event, TextDelta):
                texts.append(event.text)
            elif isinstance(event, Progress) and event.is_kept:
                kept_before()
            elif isinstance(event, Finish):
                message = {"role": "assistant", "content": "".join(texts), "refusal": None, "annotations": list(event.annotations)}
                choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": event.reason}
                answer = {"id": "", "object": "chat.completion", "created": 0, "model": "", "choices": [choice], "usage": _told(event.usage)}
                return {**answer, "ondol": dict(event.extension)} if event.extension else answer
    raise UpstreamError("The answer broke off.", "Try again.", code="upstream_cut_off")


def _chunk(delta: Json, reason: str | None) -> Json:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    return {"id": "", "object": "chat.completion.chunk", "created": 0, "model": "", "choices": [choice]}


def _last(event: Finish) -> Json:
    chunk = _chunk({"annotations": list(event.annotations)} if event.annotations else {}, event.reason)
    if event.extension:
        chunk["ondol"] = dict(event.extension)
    return {**chunk, "usage": _told(event.usage)}


def _told(usage: Usage) -> Json:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "estimated": usage.estimated,
    }

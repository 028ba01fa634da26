"""Puts a guarded conversation between a caller and an upstream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any, cast

from ondol.infrastructure.guard.conversation import Answering, Conversation, ReadTurns, Turn
from ondol.infrastructure.serving import ChatEvent, ChatRequest, ChatUpstream, Finish, Message, TextDelta, Usage
from ondol.infrastructure.serving.tokens import estimate_input_tokens, estimate_tokens

LONG_CHARACTERS = 20_000
"""A longer text is looked at in a thread: other requests must not wait the milliseconds that it takes."""


class GuardedUpstream:
    """An upstream that reads what is asked and lets out what is answered by a policy.

    What is refused never reaches the upstream: the caller gets the policy's text, with `finish_reason` ``content_filter`` and the decision in
    the extension field.

    Attributes:
        conversation: what guards this one request; its trace says what was found.
    """

    def __init__(self, upstream: ChatUpstream, conversation: Conversation) -> None:
        self.conversation = conversation
        self._upstream = upstream

    async def __call__(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        """Answer a request; a `ChatUpstream`."""
        conversation = self.conversation
        turns = [Turn(message.role, message.content) for message in request.messages]
        is_long = sum(len(turn.text) for turn in turns) > LONG_CHARACTERS
        read = await asyncio.to_thread(conversation.read, turns) if is_long else conversation.read(turns)
        if not read.passes:
            yield TextDelta(read.reply)
            usage = Usage(estimate_input_tokens(request.messages), estimate_tokens(read.reply), estimated=True)
            yield Finish("content_filter", usage, extension=_extension({}, conversation))
            return
        async for event in _answered(self._upstream(_rewritten(request, read)), conversation, read):
            yield event


async def _answered(events: AsyncIterator[ChatEvent], conversation: Conversation, read: ReadTurns) -> AsyncIterator[ChatEvent]:
    answering = conversation.answering()
    finish: Finish | None = None
    async with aclosing(cast(Any, events)) as closing:
        async for event in closing:
            if isinstance(event, TextDelta):
                piece = answering.push(event.text)
                if piece:
                    yield TextDelta(piece)
                if answering.stopped:
                    break
            elif isinstance(event, Finish):
                finish = event
                break
            else:
                yield event
        if finish is None and not answering.stopped:
            return  # the answer broke off, which whoever reads this has to tell
        rest = await asyncio.to_thread(answering.finish) if answering.characters > LONG_CHARACTERS else answering.finish()
        if read.decision == "restrict" and read.reply:
            rest += f"\n\n{read.reply}"
        if rest:
            yield TextDelta(rest)
        yield _finished(finish, answering, conversation)


def _finished(finish: Finish | None, answering: Answering, conversation: Conversation) -> Finish:
    """The upstream's own last event with what the guard did; places in the text hold no longer where the text was changed."""
    withheld = answering.verdict is not None and not answering.verdict.passes
    known = finish or Finish("content_filter", Usage(0, 0, estimated=True))
    return replace(
        known,
        reason="content_filter" if withheld else known.reason,
        annotations=() if answering.changed else known.annotations,
        extension=_extension(known.extension, conversation),
    )


def _rewritten(request: ChatRequest, read: ReadTurns) -> ChatRequest:
    """The request with what goes on in the place of what was said; the caller's own body is not passed on where it says more."""
    if all(message.content == text for message, text in zip(request.messages, read.texts, strict=True)):
        return request
    messages = tuple(_message(message, text) for message, text in zip(request.messages, read.texts, strict=True))
    raw = {**request.raw, "messages": [dict(message.raw) for message in messages]} if request.raw else request.raw
    return replace(request, messages=messages, raw=raw)


def _message(message: Message, text: str) -> Message:
    if message.content == text:
        return message
    content = message.raw.get("content")
    if isinstance(content, list):
        others = [part for part in content if isinstance(part, Mapping) and part.get("type") != "text"]
        return replace(message, content=text, raw={**message.raw, "content": [{"type": "text", "text": text}, *others]})
    return replace(message, content=text, raw={**message.raw, "content": text})


def _extension(extension: Mapping[str, Any], conversation: Conversation) -> Mapping[str, Any]:
    """The extension field with what the guard did; nothing is said where it did nothing."""
    trace = conversation.trace()
    if not trace.rules and not trace.failed:
        return extension
    guard = {"policy": trace.policy.hex(), "decisions": dict(trace.decisions), "rules": list(trace.rules), "failed": list(trace.failed)}
    return {**extension, "guard": guard}

"""Anthropic's messages as a stream of named events, let out through the guard.

Texts of blocks that follow each other are one text to the guard, so a block of text is ended only once it is known that no other follows:
what is held back of it goes out in the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ondol.core.errors import UpstreamError
from ondol.infrastructure.gateway.shapes.base import Asked, Json, ProgressFrame, Shape, Told
from ondol.infrastructure.gateway.shapes.body import extension_of, garbage, keep_known
from ondol.infrastructure.gateway.shapes.letting import CONTENT, Letting
from ondol.infrastructure.gateway.shapes.messages import (
    BLOCKS,
    STOP_WITHHELD,
    TOP,
    ending,
    goes_unchanged,
    let_messages,
    messages_chat_request,
    messages_error,
    messages_id,
    messages_refusal,
    messages_refusal_stream,
    messages_usage,
    put_messages_usage,
    read_messages,
    text_of_messages,
    told_messages_usage,
    usage_of_messages,
)
from ondol.infrastructure.gateway.shapes.sse import event
from ondol.infrastructure.gateway.shapes.words import figures, mark, seal
from ondol.infrastructure.serving.types import Frame, Usage

_KINDS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


class _Block:
    """A block that is being written.

    Attributes:
        index: under which it goes out; None before it does.
    """

    __slots__ = ("calling", "head", "index", "kind", "name")

    def __init__(self, kind: str, head: Json, name: str) -> None:
        self.kind = kind
        self.head = head
        self.name = name
        self.index: int | None = None
        self.calling: Any = None


class MessagesStream:
    """Writes a streamed answer; a `StreamWriter`."""

    def __init__(self, told: Told, letting: Letting) -> None:
        self._rested = False
        self.usage: Usage | None = None
        self._told = told
        self._texts = letting.choice(0)
        self._usage: Json = {}
        self._block: _Block | None = None
        self._ended = False
        self._stopping: _Block | None = None
        """A block of text whose end is held back until it is known what follows."""
        self._next_index = 0
        self._begun = False
        self._reason: Json | None = None
        self._extension: Json = {}
        self._calls: list[Any] = []

    @property
    def stopped(self) -> bool:
        """The guard ended the answer."""
        return self._texts.stopped

    @property
    def finished(self) -> bool:
        """The upstream told why it ended."""
        return self._reason is not None

    def take(self, frames: Sequence[Frame]) -> bytes:
        """What of these frames goes out now."""
        out: list[bytes] = []
        for frame in frames:
            if not self.stopped:
                self._take(frame, out)
        return b"".join(out)

    def rest(self) -> bytes:
        """What is held back of the texts."""
        out: list[bytes] = []
        if not self._rested:
            self._rested = True
            self._begin(out, {})
            self._end_text(out)
            told = self._texts.told_of_calls(self._calls)
            if told:
                self._put_text(out, told)
        return b"".join(out)

    def finish(self, usage: Usage, extension: Json) -> bytes:
        """The rest, why it ended, and the end."""
        out = [self.rest()]
        reason = dict(self._reason or {"stop_reason": "end_turn", "stop_sequence": None})
        if self._texts.withheld:
            reason = {"stop_reason": STOP_WITHHELD, "stop_sequence": None}
        delta: Json = {"type": "message_delta", "delta": reason, "usage": told_messages_usage(usage)}
        extension = {**self._extension, **extension}
        if extension:
            delta["ondol"] = extension
        out += [event(delta, b"message_delta"), event({"type": "message_stop"}, b"message_stop")]
        return b"".join(out)

    def _take(self, frame: Frame, out: list[bytes]) -> None:
        if isinstance(frame, ProgressFrame):
            out.append(f": {frame.stage}\n\n".encode())
            return
        data = frame.data
        match data.get("type"):
            case "content_block_delta":
                self._take_delta(data.get("delta"), out)
            case "message_start":
                message = data.get("message")
                if not isinstance(message, dict):
                    raise garbage("a beginning without a message")
                self._add_usage(message.get("usage"))
                self._begin(out, message)
            case "content_block_start":
                self._begin_block(data.get("content_block"), out)
            case "content_block_stop":
                self._end_block(out)
            case "message_delta":
                self._take_end(data)
            case "error":
                raise UpstreamError("The model provider failed in the middle of its answer.", "Try again.", code="upstream_failed")
            case _:
                pass  # ping, message_stop and what is not known yet say nothing that must go out

    def _take_end(self, data: Json) -> None:
        """Why the answer ended, and what it used."""
        if self._add_usage(data.get("usage")):
            self.usage = messages_usage(self._usage)
        delta = data.get("delta")
        if not isinstance(delta, dict):
            raise garbage("an end without a reason")
        if self._told.own:
            self._extension |= extension_of(data.get("ondol"))
        if delta.get("stop_reason"):
            self._reason = ending(delta, self._texts)

    def _add_usage(self, usage: Any) -> bool:
        """Counts come in two events: the input's first, the output's last, and the last of each holds. Whether there are any."""
        found = {name: count for name, count in usage.items() if count is not None} if isinstance(usage, dict) else {}
        self._usage |= found
        return bool(found)

    def _begin(self, out: list[bytes], message: Json) -> None:
        if self._begun:
            return
        self._begun = True
        own = {"id": self._told.id, "type": "message", "role": "assistant", "model": self._told.model, "content": []}
        begun = {**message, **own, "stop_reason": None, "stop_sequence": None}
        begun.pop("ondol", None)
        keep_known(begun, TOP)
        begun["usage"] = figures(begun.get("usage"))
        if not isinstance(begun["usage"], dict):
            begun["usage"] = {"input_tokens": 0, "output_tokens": 0}
        out.append(event({"type": "message_start", "message": begun}, b"message_start"))

    def _begin_block(self, head: Any, out: list[bytes]) -> None:
        if not isinstance(head, dict) or not isinstance(head.get("type"), str):
            raise garbage("a block without a type")
        if self._block is not None:
            self._end_block(out)
        kind = head["type"]
        self._begin(out, {})
        block = self._block = _Block(kind, head, CONTENT if kind == "text" else f"{kind}{self._next_index}.{len(self._calls)}")
        if kind == "text":
            if self._stopping is not None:
                self._send_stop(out, self._stopping)
                self._stopping = None
            text = head.get("text") or ""
            block.head = {"type": "text", "text": ""}
            if head.get("citations") is not None:
                block.head["citations"] = []  # they come in pieces of their own
            self._send_start(out, block)
            if text:
                self._take_delta({"type": "text_delta", "text": text}, out)
            return
        self._end_text(out)
        if kind == "tool_use":
            block.calling = self._texts.calling(len(self._calls))
            self._calls.append(block.calling)
            self._texts.count(str(head.get("name") or ""))
            block.calling.push(str(head.get("name") or ""), "")
        elif kind == "thinking" or goes_unchanged(head, self._texts, self._next_index):
            self._send_start(out, block)

    def _take_delta(self, delta: Any, out: list[bytes]) -> None:
        block = self._block
        if not isinstance(delta, dict) or block is None:
            raise garbage("a delta outside of a block")
        kind = delta.get("type")
        if not isinstance(kind, str):
            raise garbage("a delta without a type")
        piece = delta.get(_KINDS.get(kind, ""))
        if kind in _KINDS and not isinstance(piece, str):
            raise garbage("a delta without text")
        if (kind == "text_delta" and block.kind == "text") or (kind == "thinking_delta" and block.kind == "thinking"):
            going = self._texts.push(block.name, str(piece)) if piece else ""
            if going:
                self._send_delta(out, block, {"type": kind, _KINDS[str(kind)]: going})
        elif kind == "input_json_delta" and block.calling is not None:
            self._texts.count(str(piece))
            going = block.calling.push("", str(piece))
            if block.calling.name and block.index is None:
                self._send_start(out, block)
            if going:
                self._send_delta(out, block, {"type": kind, "partial_json": going})
        elif kind == "signature_delta" and block.kind == "thinking":
            block.head["signature"] = seal(delta.get("signature"))
        elif block.index is not None and goes_unchanged(delta, self._texts, block.index):
            self._send_delta(out, block, delta)

    def _end_block(self, out: list[bytes]) -> None:
        block, self._block = self._block, None
        if block is None:
            return
        if block.kind == "text":
            self._stopping = block
            return
        if block.calling is not None:
            result = block.calling.finish()
            if result.decision != "allow":
                if block.index is not None:
                    self._send_stop(out, block)
                return
            if block.index is None:
                self._send_start(out, block)
            if result.rest:
                self._send_delta(out, block, {"type": "input_json_delta", "partial_json": result.rest})
        elif block.kind == "thinking":
            rest = self._texts.finish(block.name)
            if rest:
                self._send_delta(out, block, {"type": "thinking_delta", "thinking": rest})
            signature = block.head.get("signature")
            if isinstance(signature, str) and signature and not self._texts.changed:
                self._send_delta(out, block, {"type": "signature_delta", "signature": signature})
        if block.index is not None:
            self._send_stop(out, block)

    def _end_text(self, out: list[bytes]) -> None:
        """No text follows now: what is held back of it goes out, and its block ends."""
        if self._block is not None and self._block.kind == "text":
            self._stopping, self._block = self._block, None
        rest = self._texts.restart(CONTENT)
        block, self._stopping = self._stopping, None
        if block is not None:
            if rest:
                self._send_delta(out, block, {"type": "text_delta", "text": rest})
            self._send_stop(out, block)
        elif rest:
            self._put_text(out, rest)

    def _put_text(self, out: list[bytes], text: str) -> None:
        """A block of its own for what the guard has to say."""
        block = _Block("text", {"type": "text", "text": ""}, CONTENT)
        self._send_start(out, block)
        self._send_delta(out, block, {"type": "text_delta", "text": text})
        self._send_stop(out, block)

    def _send_start(self, out: list[bytes], block: _Block) -> None:
        block.index = self._next_index
        self._next_index += 1
        head = block.head
        if block.kind in ("tool_use", "thinking"):
            keep_known(head, BLOCKS[block.kind])
        if block.kind == "tool_use":
            head = {**head, "id": mark(head.get("id"), "toolu_"), "name": block.calling.name or block.calling.finish().name, "input": {}}
        elif block.kind == "thinking":
            head = {**head, "thinking": "", "signature": ""}
        out.append(event({"type": "content_block_start", "index": block.index, "content_block": head}, b"content_block_start"))

    def _send_delta(self, out: list[bytes], block: _Block, delta: Json) -> None:
        out.append(event({"type": "content_block_delta", "index": block.index, "delta": delta}, b"content_block_delta"))

    def _send_stop(self, out: list[bytes], block: _Block) -> None:
        out.append(event({"type": "content_block_stop", "index": block.index}, b"content_block_stop"))


def _stream(_asked: Asked, told: Told, letting: Letting) -> MessagesStream:
    return MessagesStream(told, letting)


MESSAGES = Shape(
    operation="messages",
    read=read_messages,
    answer_id=messages_id,
    let=let_messages,
    stream=_stream,
    usage=usage_of_messages,
    put_usage=put_messages_usage,
    text_of=text_of_messages,
    refusal=messages_refusal,
    refusal_stream=messages_refusal_stream,
    error=messages_error,
    chat_request=messages_chat_request,
)
"""Anthropic's ``POST /v1/messages``."""

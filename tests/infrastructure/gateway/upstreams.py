"""Upstreams that answer every operation in its own shape: OpenAI's and Anthropic's, whole and streamed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.serving.scripted_faults import chunked, head, whole

Json = dict[str, Any]

PATHS = {
    "chat": "/v1/chat/completions",
    "messages": "/v1/messages",
    "responses": "/v1/responses",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
    "images": "/v1/images/generations",
    "speech": "/v1/audio/speech",
    "count_tokens": "/v1/messages/count_tokens",
}
STREAMED = ("chat", "messages", "responses", "completions")
_STREAM = head(b"content-type: text/event-stream", b"transfer-encoding: chunked")


def body_for(shape: str, text: str = "How do I return an order?", **more: Any) -> Json:
    """The smallest request of a shape that asks a text."""
    match shape:
        case "chat":
            return {"messages": [{"role": "user", "content": text}], **more}
        case "messages":
            return {"messages": [{"role": "user", "content": text}], "max_tokens": 100, **more}
        case "count_tokens":
            return {"messages": [{"role": "user", "content": text}], **more}
        case "responses" | "embeddings":
            return {"input": text, **more}
        case "speech":
            return {"input": text, "voice": "alloy", **more}
    return {"prompt": text, **more}


def with_system(shape: str, system: str, text: str = "hi", **more: Any) -> Json:
    """The same with a caller's own system prompt, where the shape has one."""
    match shape:
        case "chat":
            return body_for(shape, **{"messages": [{"role": "system", "content": system}, {"role": "user", "content": text}], **more})
        case "messages":
            return body_for(shape, text, system=system, **more)
        case "responses":
            return body_for(shape, text, instructions=system, **more)
    return body_for(shape, text, **more)


def text_in(shape: str, answer: Json) -> str:
    """What a whole answer says."""
    match shape:
        case "chat":
            return str(answer["choices"][0]["message"]["content"])
        case "completions":
            return str(answer["choices"][0]["text"])
        case "messages":
            return "".join(block.get("text", "") for block in answer["content"])
    return "".join(part.get("text", "") for item in answer["output"] for part in item.get("content") or ())


def text_streamed(shape: str, events: Sequence[Any]) -> str:
    """What the deltas of a stream's events say."""
    told = [event for event in events if isinstance(event, dict)]
    match shape:
        case "chat":
            return "".join(choice["delta"].get("content") or "" for event in told for choice in event["choices"])
        case "completions":
            return "".join(choice["text"] for event in told for choice in event["choices"])
        case "messages":
            return "".join(event["delta"].get("text", "") for event in told if event["type"] == "content_block_delta")
    return "".join(event["delta"] for event in told if event["type"] == "response.output_text.delta")


def usage_in(shape: str, answer: Json) -> tuple[int, int]:
    """Input and output tokens of a whole answer."""
    usage = answer["usage"]
    names = ("prompt_tokens", "completion_tokens") if shape in {"chat", "completions"} else ("input_tokens", "output_tokens")
    return usage[names[0]], usage[names[1]]


@dataclass
class AnyShape:
    """Answers each path in its shape.

    Args:
        text: what it says: in whole, and streamed in these pieces. A function makes the text of the request.
        usage: input and output tokens; None tells none.
        ends: how many events of a stream go out before it stands still; None for all of them.
    """

    text: str | Sequence[str] | Callable[[Json], str] = ("Hello ", "there.")
    usage: tuple[int, int] | None = (12, 5)
    ends: int | None = None
    model: ScriptedModel = field(init=False)

    def __call__(self, body: Any) -> Reply:
        path = self.model.requests[-1].path
        operation = next((name for name, its in PATHS.items() if its == path), "chat")
        said = self.text(body) if callable(self.text) else self.text
        pieces = [said] if isinstance(said, str) else list(said)
        if operation == "speech":
            return Reply(raw=[whole(b"ID3 sound", content_type=b"audio/mpeg")])
        if not body.get("stream"):
            return Reply(raw=[whole(_encoded(self.whole(operation, "".join(pieces))))])
        events = [_event(each) for each in self.events(operation, pieces, body)]
        cut = events if self.ends is None else events[: self.ends]
        raw = [_STREAM, *(chunked(event, end=b"") for event in cut)]
        return Reply(raw=[*raw, b"0\r\n\r\n"]) if self.ends is None else Reply(raw=raw, then="hold")

    def whole(self, operation: str, text: str) -> Json:  # noqa: PLR0911 (a shape each)
        """A whole answer."""
        told = self._usage(operation)
        match operation:
            case "messages":
                content = [{"type": "text", "text": text}]
                told = told or {"usage": {"input_tokens": 0, "output_tokens": 0}}
                return {"id": "u", "type": "message", "role": "assistant", "model": "u", "content": content, "stop_reason": "end_turn", **told}
            case "count_tokens":
                return {"input_tokens": 77}
            case "responses":
                part = {"type": "output_text", "text": text, "annotations": []}
                item: Any = {"id": "i", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
                return {"id": "u", "object": "response", "created_at": 0, "status": "completed", "model": "u", "output": [item], **told}
            case "completions":
                choice = {"index": 0, "text": text, "finish_reason": "stop", "logprobs": None}
                return {"id": "u", "object": "text_completion", "created": 0, "model": "u", "choices": [choice], **told}
            case "embeddings":
                item = {"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}
                if told:
                    told["usage"].pop("completion_tokens")
                return {"object": "list", "model": "u", "data": [item], **told}
            case "images":
                return {"created": 0, "data": [{"b64_json": "aGVsbG8="}], **told}
        message = {"role": "assistant", "content": text}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return {"id": "u", "object": "chat.completion", "created": 0, "model": "u", "choices": choices, **told}

    def events(self, operation: str, pieces: Sequence[str], body: Json) -> list[Json | str]:
        """The events of a stream."""
        told = self._usage(operation)
        if operation == "messages":
            usage = told.get("usage", {})
            started: Any = {"input_tokens": usage.get("input_tokens", 0), "output_tokens": 1} if usage else {}
            message: Any = {"id": "u", "type": "message", "role": "assistant", "model": "u", "content": [], "stop_reason": None, "usage": started}
            deltas = [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}} for piece in pieces]
            end: Any = {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn"},
                "usage": {"output_tokens": usage["output_tokens"]} if usage else {},
            }
            return [
                {"type": "message_start", "message": message},
                {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                *deltas, {"type": "content_block_stop", "index": 0}, end, {"type": "message_stop"},
            ]  # fmt: skip
        if operation == "responses":
            full = self.whole(operation, "".join(pieces))
            place: Any = {"item_id": "i", "output_index": 0, "content_index": 0}
            item: Any = {**full["output"][0], "content": [], "status": "in_progress"}
            part: Any = {"type": "output_text", "text": "", "annotations": []}
            begin: Any = [{"type": "response.created", "response": {**full, "output": [], "status": "in_progress", "usage": None}}]
            begin += [{"type": "response.output_item.added", "output_index": 0, "item": item}]
            begin += [{"type": "response.content_part.added", **place, "part": part}]
            deltas = [{"type": "response.output_text.delta", **place, "delta": piece} for piece in pieces]
            end = [{"type": "response.output_text.done", **place, "text": "".join(pieces)}]
            end += [{"type": "response.content_part.done", **place, "part": {**part, "text": "".join(pieces)}}]
            end += [{"type": "response.output_item.done", "output_index": 0, "item": full["output"][0]}]
            end += [{"type": "response.completed", "response": full}]
            return [{**event, "sequence_number": number} for number, event in enumerate([*begin, *deltas, *end])]
        kind = "text_completion" if operation == "completions" else "chat.completion.chunk"
        stamp: Any = {"id": "u", "object": kind, "created": 0, "model": "u"}

        def chunk(piece: str | None, reason: str | None) -> Json:
            what: Json = {"text": piece or ""} if operation == "completions" else {"delta": {} if piece is None else {"content": piece}}
            return {**stamp, "choices": [{"index": 0, **what, "finish_reason": reason}]}

        last = [{**stamp, "choices": [], **told}] if told and (body.get("stream_options") or {}).get("include_usage") else []
        begin = [{**stamp, "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]}]
        return [*(begin if operation == "chat" else ()), *(chunk(piece, None) for piece in pieces), chunk(None, "stop"), *last, "[DONE]"]

    def _usage(self, operation: str) -> Json:
        if self.usage is None:
            return {}
        given, made = self.usage
        if operation in {"messages", "responses", "images"}:
            more = {"total_tokens": given + made} if operation != "messages" else {}
            return {"usage": {"input_tokens": given, "output_tokens": made, **more}}
        return {"usage": {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}}


@asynccontextmanager
async def upstream(text: Any = ("Hello ", "there."), **more: Any) -> AsyncIterator[ScriptedModel]:
    """A running one."""
    shape = AnyShape(text, **more)
    shape.model = ScriptedModel(shape)
    async with shape.model as model:
        yield model


def echo(body: Json) -> str:
    """All that the upstream was sent, in words."""
    return json.dumps({name: value for name, value in body.items() if name in {"messages", "system", "input", "instructions", "prompt"}})


def _encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def _event(data: Json | str) -> bytes:
    if isinstance(data, str):
        return f"data: {data}\n\n".encode()
    name = f"event: {data['type']}\n" if "type" in data else ""
    return f"{name}data: {json.dumps(data)}\n\n".encode()

"""OpenAI's chat, answered by an upstream that speaks Anthropic's messages."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from ondol.core.errors import RequestError, UpstreamError
from ondol.infrastructure.gateway.shapes.base import Asked, Json
from ondol.infrastructure.gateway.translate.closing import Closing
from ondol.infrastructure.gateway.translate.direct import encode_body, prepare_messages
from ondol.infrastructure.serving.types import Frame, Operation, TargetRow

FINISH_REASONS: Mapping[str, str] = {
    "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "model_context_window_exceeded": "length", "tool_use": "tool_calls",
    "refusal": "content_filter", "pause_turn": "stop",
}  # fmt: skip

_SAME = ("temperature", "top_p", "stream")
_TOLERATED = frozenset({
    "model", "messages", "max_tokens", "max_completion_tokens", "stop", "tools", "tool_choice", "parallel_tool_calls", "stream_options", "user",
    "metadata", "ondol", "store", "service_tier", "prompt_cache_key", "safety_identifier", *_SAME,
})  # fmt: skip
"""Fields that are translated, or whose absence changes nothing of the answer."""
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (1,), "logprobs": (False,), "frequency_penalty": (0,), "presence_penalty": (0,), "modalities": ([], ["text"]),
    "response_format": ({"type": "text"},), "reasoning_effort": ("none",),
}  # fmt: skip
"""Values that ask for nothing."""


class ChatOverMessages:
    """The way to an upstream that speaks messages."""

    operation: Operation = "messages"

    def request(self, asked: Asked, target: TargetRow, prompts: tuple[str, ...], output_tokens: int) -> bytes:
        """The request as messages.

        Raises:
            RequestError: for what cannot be said in messages.
        """
        body = messages_body(asked.body)
        body["model"] = target.model
        body["max_tokens"] = output_tokens
        prepare_messages(body, asked, target, prompts, output_tokens)
        return encode_body(body)

    def whole(self, answer: Json) -> Json:
        """The message as a chat's answer."""
        return messages_as_chat(answer)

    def frames(self, frames: AsyncIterator[list[Frame]]) -> AsyncIterator[list[Frame]]:
        """The events as a chat's chunks."""
        return messages_frames_as_chat(frames)


def messages_body(body: Json) -> Json:
    """A request for a chat as one for messages.

    Raises:
        RequestError: with `param`, for what cannot be said in messages.
    """
    for name, value in body.items():
        if name not in _TOLERATED and value is not None and value not in _NEUTRAL.get(name, ()):
            raise _unsaid(name)
    system: list[Json] = []
    messages: list[Json] = []
    for place, message in enumerate(body["messages"]):
        where = f"messages[{place}]"
        role = message["role"]
        if role in ("system", "developer"):
            system += [{"type": "text", "text": text} for text in _texts(message.get("content"), where) if text]
        elif role in ("tool", "function"):
            result = {
                "type": "tool_result",
                "tool_use_id": str(message.get("tool_call_id")),
                "content": "\n\n".join(_texts(message.get("content"), where)),
            }
            _add(messages, "user", [result])
        elif role == "assistant":
            _add(messages, "assistant", _answered(message, where))
        else:
            _add(messages, "user", _parts(message.get("content"), where))
    if not messages:
        raise RequestError("The request holds no message of a person.", "Add a message with role `user`.", param="messages", code="invalid_value")
    told: Json = {"messages": messages, **{name: body[name] for name in _SAME if body.get(name) is not None}}
    if isinstance(told.get("temperature"), int | float):
        told["temperature"] = min(told["temperature"], 1)  # the scale ends there
    if system:
        told["system"] = system
    stop = body.get("stop")
    if stop:
        told["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if body.get("tools"):
        told["tools"] = [_tool(tool, f"tools[{place}]") for place, tool in enumerate(body["tools"])]
        told |= _tool_choice(body)
    return told


def _add(messages: list[Json], role: str, blocks: list[Json]) -> None:
    """Turns of one role that follow each other are one message: the family wants them to alternate."""
    if not blocks:
        return
    if messages and messages[-1]["role"] == role:
        messages[-1]["content"] += blocks
    else:
        messages.append({"role": role, "content": blocks})


def _texts(content: Any, where: str) -> list[str]:
    if isinstance(content, str):
        return [content]
    texts: list[str] = []
    for place, part in enumerate(content or ()):
        if not isinstance(part, dict) or not isinstance(part.get("text"), str):
            raise _unsaid(f"{where}.content[{place}]")
        texts.append(part["text"])
    return texts


def _answered(message: Json, where: str) -> list[Json]:
    blocks: list[Json] = [{"type": "text", "text": text} for text in _texts(message.get("content"), where) if text]
    for place, call in enumerate(message.get("tool_calls") or ()):
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            raise _unsaid(f"{where}.tool_calls[{place}]")
        try:
            given = json.loads(function.get("arguments") or "{}")
        except ValueError:
            at = f"{where}.tool_calls[{place}].function.arguments"
            raise RequestError(f"`{at}` is not JSON.", param=at, code="invalid_value") from None
        blocks.append({"type": "tool_use", "id": str(call.get("id")), "name": function.get("name"), "input": given})
    return blocks


def _parts(content: Any, where: str) -> list[Json]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    blocks: list[Json] = []
    for place, part in enumerate(content):
        match part:
            case {"type": "text", "text": str(text)}:
                blocks.append({"type": "text", "text": text})
            case {"type": "image_url", "image_url": {"url": str(url)}}:
                blocks.append(_media("image", url, f"{where}.content[{place}]"))
            case {"type": "file", "file": {"file_data": str(data)}}:
                blocks.append(_media("document", data, f"{where}.content[{place}]"))
            case _:
                raise _unsaid(f"{where}.content[{place}]")
    return blocks


def _media(kind: str, url: str, where: str) -> Json:
    if not url.startswith("data:"):
        return {"type": kind, "source": {"type": "url", "url": url}}
    head, comma, data = url[5:].partition(",")
    if not comma or not head.endswith(";base64"):
        raise _unsaid(where)
    return {"type": kind, "source": {"type": "base64", "media_type": head.removesuffix(";base64"), "data": data}}


def _tool(tool: Json, where: str) -> Json:
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, dict):
        raise _unsaid(where)
    told = {"name": function.get("name"), "input_schema": function.get("parameters") or {"type": "object", "properties": {}}}
    if function.get("description"):
        told["description"] = function["description"]
    return told


def _tool_choice(body: Json) -> Json:
    choice = body.get("tool_choice") or "auto"
    told: Json
    match choice:
        case "auto" | "none":
            told = {"type": choice}
        case "required":
            told = {"type": "any"}
        case {"type": "function", "function": {"name": name}}:
            told = {"type": "tool", "name": name}
        case _:
            raise _unsaid("tool_choice")
    if body.get("parallel_tool_calls") is False and told["type"] != "none":
        told["disable_parallel_tool_use"] = True
    return {"tool_choice": told}


def messages_as_chat(answer: Json) -> Json:
    """A whole message as a chat's answer.

    Raises:
        UpstreamError: when it is not of the shape.
    """
    blocks = answer.get("content")
    if not isinstance(blocks, list):
        raise _garbage("no content")
    texts: list[str] = []
    reasoning: list[str] = []
    calls: list[Json] = []
    for block in blocks:
        match block:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case {"type": "thinking", "thinking": str(text)}:
                reasoning.append(text)
            case {"type": "tool_use", "id": call_id, "name": name, "input": given}:
                function = {"name": name, "arguments": json.dumps(given, ensure_ascii=False, separators=(",", ":"))}
                calls.append({"id": str(call_id), "type": "function", "function": function})
            case _:
                pass
    message: Json = {"role": "assistant", "content": "".join(texts) if texts or not calls else None, "refusal": None}
    if reasoning:
        message["reasoning_content"] = "".join(reasoning)
    if calls:
        message["tool_calls"] = calls
    reason = FINISH_REASONS.get(str(answer.get("stop_reason")), "stop")
    return {
        "id": str(answer.get("id") or ""),
        "object": "chat.completion",
        "created": 0,
        "model": str(answer.get("model") or ""),
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}],
        "usage": usage_as_chat(answer.get("usage")),
    }


def usage_as_chat(usage: Any) -> Json | None:
    """Anthropic's usage in OpenAI's words: what a cache held or took is part of the input."""
    if not isinstance(usage, dict) or not isinstance(usage.get("input_tokens"), int):
        return None
    read, written = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
    output = usage.get("output_tokens") or 0
    if not all(type(count) is int for count in (usage["input_tokens"], read, written, output)):
        return None
    told: Json = {"prompt_tokens": usage["input_tokens"] + read + written, "completion_tokens": output}
    told["total_tokens"] = told["prompt_tokens"] + told["completion_tokens"]
    if read or written:
        told["prompt_tokens_details"] = {"cached_tokens": read, "cache_write_tokens": written}
    return told


async def messages_frames_as_chat(frames: AsyncIterator[list[Frame]]) -> AsyncIterator[list[Frame]]:
    """A message's events as the chunks of a chat.

    Raises:
        UpstreamError: when they are not of the shape.
    """
    writer = _Chunks()
    async with Closing(frames) as closing:
        async for batch in closing:
            out: list[Frame] = []
            for frame in batch:
                writer.take(frame.data, out)
            if out:
                yield out


class _Chunks:
    """Writes a chat's chunks from events."""

    def __init__(self) -> None:
        self._usage: Json = {}
        self._calls = -1
        self._kind = ""

    def take(self, data: Json, out: list[Frame]) -> None:
        """One event."""
        match data.get("type"):
            case "message_start":
                message = data.get("message")
                self._keep(message.get("usage") if isinstance(message, dict) else None)
                out.append(_chunk({"role": "assistant", "content": ""}))
            case "content_block_start":
                self._begin(data.get("content_block"), out)
            case "content_block_delta":
                self._delta(data.get("delta"), out)
            case "message_delta":
                self._keep(data.get("usage"))
                delta = data.get("delta")
                reason = delta.get("stop_reason") if isinstance(delta, dict) else None
                if reason:
                    out.append(_chunk({}, FINISH_REASONS.get(str(reason), "stop"), usage_as_chat(self._usage)))
            case "error":
                raise UpstreamError("The model provider failed in the middle of its answer.", "Try again.", code="upstream_failed")
            case _:
                pass

    def _keep(self, usage: Any) -> None:
        if isinstance(usage, dict):
            self._usage |= {name: count for name, count in usage.items() if count is not None}

    def _begin(self, block: Any, out: list[Frame]) -> None:
        if not isinstance(block, dict):
            raise _garbage("a block without a type")
        self._kind = str(block.get("type"))
        if self._kind == "tool_use":
            self._calls += 1
            function = {"name": str(block.get("name") or ""), "arguments": ""}
            out.append(_chunk({"tool_calls": [{"index": self._calls, "id": str(block.get("id")), "type": "function", "function": function}]}))
        elif self._kind == "text" and block.get("text"):
            out.append(_chunk({"content": block["text"]}))

    def _delta(self, delta: Any, out: list[Frame]) -> None:
        match delta:
            case {"type": "text_delta", "text": str(text)}:
                out.append(_chunk({"content": text}))
            case {"type": "thinking_delta", "thinking": str(text)}:
                out.append(_chunk({"reasoning_content": text}))
            case {"type": "input_json_delta", "partial_json": str(piece)} if self._kind == "tool_use":
                out.append(_chunk({"tool_calls": [{"index": self._calls, "function": {"arguments": piece}}]}))
            case {"type": "text_delta" | "thinking_delta" | "input_json_delta"}:
                if self._kind == "tool_use" or delta["type"] != "input_json_delta":
                    raise _garbage("a delta without text")
            case _:
                pass


def _chunk(delta: Json, reason: str | None = None, usage: Json | None = None) -> Frame:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    chunk: Json = {"id": "", "object": "chat.completion.chunk", "created": 0, "model": "", "choices": [choice]}
    if usage is not None:
        chunk["usage"] = usage
    return Frame(chunk)


def _unsaid(name: str) -> RequestError:
    return RequestError(
        f"`{name}` cannot be passed on: the model behind this name speaks another API.",
        f"Leave `{name}` out.",
        param=name,
        code="unsupported_parameter",
    )


def _garbage(what: str) -> UpstreamError:
    return UpstreamError(f"The model provider's answer cannot be understood: {what}.", code="upstream_garbage")

"""Anthropic's messages, answered by an upstream that speaks OpenAI's chat, or by an assistant."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

from ondol.core.errors import RequestError, UpstreamError
from ondol.infrastructure.gateway.shapes.base import Asked, Json
from ondol.infrastructure.gateway.shapes.body import extension_of, objects
from ondol.infrastructure.gateway.translate.closing import written
from ondol.infrastructure.gateway.translate.direct import encode_body, prepare_chat
from ondol.infrastructure.serving.types import Frame, Operation, TargetRow

STOP_REASONS: Mapping[str, str] = {
    "stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "function_call": "tool_use", "content_filter": "refusal",
}  # fmt: skip

_SAME = ("temperature", "top_p", "stream")
_KNOWN = frozenset(
    {"model", "messages", "max_tokens", "system", "stop_sequences", "tools", "tool_choice", "metadata", "ondol", "service_tier", *_SAME}
)
"""Fields that are translated, or whose absence changes nothing of the answer."""
_NEUTRAL: tuple[Any, ...] = (None, False, [], {}, {"type": "disabled"})
"""Values that ask for nothing."""


class MessagesOverChat:
    """The way to an upstream that speaks chat."""

    operation: Operation = "chat"

    def request(self, asked: Asked, target: TargetRow, prompts: tuple[str, ...], output_tokens: int) -> bytes:
        """The request as a chat.

        Raises:
            RequestError: for what cannot be said in a chat.
        """
        body = chat_body(asked.body)
        body["model"] = target.model
        if asked.stream:
            body["stream"] = True
        prepare_chat(body, asked, target, prompts, output_tokens)
        return encode_body(body)

    def whole(self, answer: Json) -> Json:
        """The answer as a message."""
        return chat_as_messages(answer)

    def frames(self, frames: AsyncIterator[list[Frame]]) -> AsyncIterator[list[Frame]]:
        """The chunks as a message's events."""
        return chat_frames_as_messages(frames)


def chat_body(body: Json) -> Json:
    """A request for messages as one for a chat.

    Raises:
        RequestError: with `param`, for what cannot be said in a chat.
    """
    for name, value in body.items():
        if name not in _KNOWN and value not in _NEUTRAL:
            raise _unsaid(name)
    messages: list[Json] = []
    system = body.get("system")
    if system:
        text = system if isinstance(system, str) else "\n\n".join(_text_of(block, "system") for block in system)
        messages.append({"role": "system", "content": text})
    for place, message in enumerate(body["messages"]):
        messages += _message(message, f"messages[{place}]")
    chat: Json = {"messages": messages, "max_tokens": body.get("max_tokens")}
    chat |= {name: body[name] for name in _SAME if body.get(name) is not None}
    if body.get("stop_sequences"):
        chat["stop"] = body["stop_sequences"]
    if body.get("tools"):
        chat["tools"] = [_tool(tool, f"tools[{place}]") for place, tool in enumerate(body["tools"])]
    if isinstance(body.get("tool_choice"), dict):
        chat |= _tool_choice(body["tool_choice"])
    return chat


def _message(message: Json, where: str) -> list[Json]:
    """One message as one or more: results of tools are messages of their own in a chat, before what else the turn says."""
    content = message["content"]
    if isinstance(content, str):
        return [{"role": message["role"], "content": content}]
    if message["role"] == "assistant":
        return [_answered(content, where)]
    results: list[Json] = []
    parts: list[Json] = []
    for place, block in enumerate(content):
        at = f"{where}.content[{place}]"
        if block["type"] == "tool_result":
            results.append({"role": "tool", "tool_call_id": str(block.get("tool_use_id")), "content": _result(block, at)})
        else:
            parts.append(_part(block, at))
    return [*results, {"role": "user", "content": parts}] if parts else results


def _answered(blocks: list[Any], where: str) -> Json:
    texts: list[str] = []
    calls: list[Json] = []
    for place, block in enumerate(blocks):
        match block:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case {"type": "tool_use", "id": call_id, "name": name, "input": given}:
                function = {"name": name, "arguments": json.dumps(given, ensure_ascii=False)}
                calls.append({"id": str(call_id), "type": "function", "function": function})
            case {"type": "thinking" | "redacted_thinking"}:
                pass  # a chat has no place for it, and no upstream there could check its signature
            case _:
                raise _unsaid(f"{where}.content[{place}]")
    told: Json = {"role": "assistant", "content": "".join(texts) or None}
    return {**told, "tool_calls": calls} if calls else told


def _part(block: Any, where: str) -> Json:
    match block:
        case {"type": "text", "text": str(text)}:
            return {"type": "text", "text": text}
        case {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}:
            return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}
        case {"type": "image", "source": {"type": "url", "url": url}}:
            return {"type": "image_url", "image_url": {"url": url}}
        case {"type": "document", "source": {"type": "text", "data": str(text)}}:
            return {"type": "text", "text": text}
        case {"type": "document", "source": {"type": "base64", "media_type": kind, "data": data}}:
            return {"type": "file", "file": {"filename": str(block.get("title") or "document"), "file_data": f"data:{kind};base64,{data}"}}
        case {"type": "search_result", "content": list(inner)}:
            return {"type": "text", "text": "\n\n".join(_text_of(item, where) for item in inner)}
    raise _unsaid(where)


def _result(block: Json, where: str) -> str:
    content = block.get("content")
    if content is None or isinstance(content, str):
        return content or ""
    return "\n\n".join(_text_of(item, f"{where}.content") for item in content)


def _text_of(block: Any, where: str) -> str:
    if isinstance(block, dict) and isinstance(block.get("text"), str):
        return cast(str, block["text"])
    raise _unsaid(where)


def _tool(tool: Json, where: str) -> Json:
    if not isinstance(tool.get("input_schema"), dict):  # a tool of the provider's own
        raise _unsaid(where)
    function = {"name": tool.get("name"), "parameters": tool["input_schema"]}
    if tool.get("description"):
        function["description"] = tool["description"]
    return {"type": "function", "function": function}


def _tool_choice(choice: Json) -> Json:
    told: Json = {}
    match choice.get("type"):
        case "auto" | "none" as kind:
            told["tool_choice"] = kind
        case "any":
            told["tool_choice"] = "required"
        case "tool":
            told["tool_choice"] = {"type": "function", "function": {"name": choice.get("name")}}
        case _:
            raise _unsaid("tool_choice")
    if choice.get("disable_parallel_tool_use"):
        told["parallel_tool_calls"] = False
    return told


def chat_as_messages(answer: Json) -> Json:
    """A chat's whole answer as a message.

    Raises:
        UpstreamError: when it is not of the shape.
    """
    choices = answer.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise _garbage("no choices")
    blocks: list[Json] = []
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(reasoning, str):
        blocks.append({"type": "thinking", "thinking": reasoning, "signature": ""})
    for name in ("content", "refusal"):
        if isinstance(message.get(name), str) and message[name]:
            blocks.append({"type": "text", "text": message[name]})
    for call in objects(message.get("tool_calls"), "tool_calls"):
        blocks.append(_use_of(call))
    told = {
        "id": str(answer.get("id") or ""),
        "type": "message",
        "role": "assistant",
        "model": str(answer.get("model") or ""),
        "content": blocks,
        "stop_reason": STOP_REASONS.get(str(choice.get("finish_reason")), "end_turn"),
        "stop_sequence": None,
        "usage": usage_as_messages(answer.get("usage")),
    }
    return {**told, "ondol": answer["ondol"]} if answer.get("ondol") else told


def _use_of(call: Any) -> Json:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        raise _garbage("a call of a tool without a function")
    try:
        given = json.loads(function.get("arguments") or "{}")
    except (ValueError, TypeError, RecursionError):
        raise _garbage("a call of a tool whose arguments are no JSON") from None
    if not isinstance(given, dict):
        raise _garbage("a call of a tool whose arguments are no object")
    return {"type": "tool_use", "id": str(call.get("id")), "name": str(function.get("name")), "input": given}


def usage_as_messages(usage: Any) -> Json | None:
    """A chat's usage in Anthropic's words; None when there is none."""
    if not isinstance(usage, dict) or not isinstance(usage.get("prompt_tokens"), int):
        return None
    details = usage.get("prompt_tokens_details")
    cached = (details.get("cached_tokens") or 0) if isinstance(details, dict) else 0
    written = (details.get("cache_write_tokens") or 0) if isinstance(details, dict) else 0
    output = usage.get("completion_tokens") or 0
    if not all(type(count) is int for count in (usage["prompt_tokens"], cached, written, output)) or cached + written > usage["prompt_tokens"]:
        return None
    told: Json = {"input_tokens": usage["prompt_tokens"] - cached - written, "output_tokens": output}
    if cached or written:
        told |= {"cache_read_input_tokens": cached, "cache_creation_input_tokens": written}
    if usage.get("estimated") is True:
        told["estimated"] = True
    return told


def chat_frames_as_messages(frames: AsyncIterator[list[Frame]]) -> AsyncIterator[list[Frame]]:
    """The chunks of a chat as a message's events.

    Raises:
        UpstreamError: when they are not of the shape.
    """
    return written(frames, _Events())


class _Events:
    """Writes a message's events from chunks."""

    def __init__(self) -> None:
        self._begun = False
        self._kind = ""
        self._call: Any = None
        self._index = -1
        self._reason: str | None = None
        self._usage: Json | None = None
        self._extension: Json = {}

    def take(self, data: Json, out: list[Frame]) -> None:
        """One chunk."""
        if data.get("error") is not None:
            raise UpstreamError("The model provider failed in the middle of its answer.", "Try again.", code="upstream_failed")
        self._usage = usage_as_messages(data.get("usage")) or self._usage
        self._extension |= extension_of(data.get("ondol"))
        choices = data.get("choices")
        if not choices:
            return
        choice = choices[0] if isinstance(choices, list) else None
        delta = choice.get("delta") if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not (delta is None or isinstance(delta, dict)):
            raise _garbage("a chunk without a delta")
        if not self._begun:
            self._begun = True
            out.append(Frame({"type": "message_start", "message": {}}, "message_start"))
        delta = delta or {}
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        if reasoning:
            self._open("thinking", {"type": "thinking", "thinking": "", "signature": ""}, out)
            self._delta({"type": "thinking_delta", "thinking": reasoning}, out)
        for name in ("content", "refusal"):
            if delta.get(name):
                self._open("text", {"type": "text", "text": ""}, out)
                self._delta({"type": "text_delta", "text": delta[name]}, out)
        for piece in objects(delta.get("tool_calls"), "tool_calls"):
            self._take_call(piece, out)
        if choice.get("finish_reason"):
            self._reason = STOP_REASONS.get(str(choice["finish_reason"]), "end_turn")

    def finish(self, out: list[Frame]) -> None:
        """The end, once no chunk is to come: usage comes after the reason in a chat and with it in a message."""
        if self._reason is None:
            return
        self._close(out)
        delta: Json = {"type": "message_delta", "delta": {"stop_reason": self._reason, "stop_sequence": None}, "usage": self._usage}
        if self._extension:
            delta["ondol"] = self._extension
        out += [Frame(delta, "message_delta"), Frame({"type": "message_stop"}, "message_stop")]

    def _take_call(self, piece: Any, out: list[Frame]) -> None:
        function = piece.get("function") if isinstance(piece, dict) else None
        if not isinstance(function, dict):
            raise _garbage("a call of a tool without a function")
        key = (piece.get("index", 0), piece.get("id") or (self._call[1] if self._call else None))
        if self._kind != "tool_use" or key != self._call:
            self._close(out)
            self._call = key
            head = {"type": "tool_use", "id": str(piece.get("id") or ""), "name": str(function.get("name") or ""), "input": {}}
            self._open("tool_use", head, out)
        if function.get("arguments"):
            self._delta({"type": "input_json_delta", "partial_json": function["arguments"]}, out)

    def _open(self, kind: str, head: Json, out: list[Frame]) -> None:
        if self._kind == kind:
            return
        self._close(out)
        self._kind = kind
        self._index += 1
        out.append(Frame({"type": "content_block_start", "index": self._index, "content_block": head}, "content_block_start"))

    def _delta(self, delta: Json, out: list[Frame]) -> None:
        out.append(Frame({"type": "content_block_delta", "index": self._index, "delta": delta}, "content_block_delta"))

    def _close(self, out: list[Frame]) -> None:
        if self._kind:
            out.append(Frame({"type": "content_block_stop", "index": self._index}, "content_block_stop"))
        self._kind = ""


def _unsaid(name: str) -> RequestError:
    return RequestError(
        f"`{name}` cannot be passed on: the model behind this name speaks another API.",
        f"Leave `{name}` out.",
        param=name,
        code="unsupported_parameter",
    )


def _garbage(what: str) -> UpstreamError:
    return UpstreamError(f"The model provider's answer cannot be understood: {what}.", code="upstream_garbage")

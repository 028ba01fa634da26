"""OpenAI's responses, answered by an upstream that speaks chat, by one that speaks messages, or by an assistant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from ondol.core.errors import RequestError, UpstreamError
from ondol.infrastructure.gateway.shapes.base import Asked, Json
from ondol.infrastructure.gateway.shapes.body import extension_of, objects
from ondol.infrastructure.gateway.shapes.responses import (
    chat_as_responses,
    chat_usage_as_responses,
    flat_annotation,
    responses_garbage,
    status_of,
    text_part,
)
from ondol.infrastructure.gateway.translate.chat_over_messages import messages_as_chat, messages_body, messages_frames_as_chat
from ondol.infrastructure.gateway.translate.closing import written
from ondol.infrastructure.gateway.translate.direct import encode_body, prepare_chat, prepare_messages
from ondol.infrastructure.serving.types import Frame, Operation, TargetRow

_SAME = ("temperature", "top_p", "stream", "parallel_tool_calls", "user", "metadata", "service_tier", "prompt_cache_key", "safety_identifier")
_TOLERATED = frozenset({
    "model", "input", "instructions", "max_output_tokens", "tools", "tool_choice", "text", "reasoning", "store", "include", "truncation", "ondol",
    "stream_options", "top_logprobs", "max_tool_calls", *_SAME,
})  # fmt: skip


class ResponsesOverChat:
    """The way to an upstream that speaks chat."""

    operation: Operation = "chat"

    def request(self, asked: Asked, target: TargetRow, prompts: tuple[str, ...], output_tokens: int) -> bytes:
        """The request as a chat.

        Raises:
            RequestError: for what cannot be said in a chat.
        """
        body = responses_chat_body(asked.body)
        body["model"] = target.model
        prepare_chat(body, asked, target, prompts, output_tokens)
        return encode_body(body)

    def whole(self, answer: Json) -> Json:
        """The answer in this shape."""
        return chat_as_responses(answer)

    def frames(self, frames: AsyncIterator[list[Frame]]) -> AsyncIterator[list[Frame]]:
        """The chunks in this shape."""
        return chat_frames_as_responses(frames)


class ResponsesOverMessages:
    """The way to an upstream that speaks messages: by way of a chat."""

    operation: Operation = "messages"

    def request(self, asked: Asked, target: TargetRow, prompts: tuple[str, ...], output_tokens: int) -> bytes:
        """The request as messages.

        Raises:
            RequestError: for what cannot be said in messages.
        """
        body = messages_body(responses_chat_body(asked.body))
        body["model"] = target.model
        body["max_tokens"] = output_tokens
        prepare_messages(body, asked, target, prompts, output_tokens)
        return encode_body(body)

    def whole(self, answer: Json) -> Json:
        """The answer in this shape."""
        return chat_as_responses(messages_as_chat(answer))

    def frames(self, frames: AsyncIterator[list[Frame]]) -> AsyncIterator[list[Frame]]:
        """The events in this shape."""
        return chat_frames_as_responses(messages_frames_as_chat(frames))


def responses_chat_body(body: Json) -> Json:
    """A request in this shape as one for a chat.

    Raises:
        RequestError: with `param`, for what cannot be said in a chat.
    """
    for name, value in body.items():
        if name not in _TOLERATED and value not in (None, False, [], {}):
            raise _unsaid(name)
    messages: list[Json] = []
    instructions = body.get("instructions")
    if isinstance(instructions, str) and instructions:
        messages.append({"role": "system", "content": instructions})
    if isinstance(body["input"], str):
        messages.append({"role": "user", "content": body["input"]})
    else:
        for place, item in enumerate(body["input"]):
            _add(messages, item, f"input[{place}]")
    chat: Json = {"messages": messages, **{name: body[name] for name in _SAME if body.get(name) is not None}}
    if body.get("tools"):
        chat["tools"] = [_tool(tool, f"tools[{place}]") for place, tool in enumerate(body["tools"])]
        if body.get("tool_choice") is not None:
            chat["tool_choice"] = _tool_choice(body["tool_choice"])
    else:
        chat.pop("parallel_tool_calls", None)
    text = body.get("text")
    form = text.get("format") if isinstance(text, dict) else None
    if isinstance(form, dict) and form.get("type") != "text":
        chat["response_format"] = _format(form)
    reasoning = body.get("reasoning")
    if isinstance(reasoning, dict) and reasoning.get("effort"):
        chat["reasoning_effort"] = reasoning["effort"]
    return chat


def _add(messages: list[Json], item: Json, where: str) -> None:
    match item.get("type", "message"):
        case "message":
            content = item["content"]
            told = (
                content
                if isinstance(content, str)
                else [_part(part, item["role"], f"{where}.content[{place}]") for place, part in enumerate(content)]
            )
            messages.append({"role": item["role"], "content": told})
        case "function_call":
            function = {"name": item.get("name"), "arguments": item["arguments"]}
            call = {"id": str(item.get("call_id")), "type": "function", "function": function}
            if messages and messages[-1]["role"] == "assistant":
                messages[-1].setdefault("tool_calls", []).append(call)
            else:
                messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        case "function_call_output":
            output = item.get("output")
            if not isinstance(output, str):
                output = "\n\n".join(str(part.get("text", "")) for part in output or () if isinstance(part, dict))
            messages.append({"role": "tool", "tool_call_id": str(item.get("call_id")), "content": output})
        case "reasoning":
            pass  # a chat has no place for it
        case _:
            raise _unsaid(f"{where}.type")


def _part(part: Any, role: str, where: str) -> Json:
    match part:
        case {"type": "input_text" | "output_text" | "text", "text": str(text)}:
            return {"type": "text", "text": text}
        case {"type": "refusal", "refusal": str(text)} if role == "assistant":
            return {"type": "refusal", "refusal": text}
        case {"type": "input_image", "image_url": str(url), **rest}:
            told: Json = {"url": url}
            return {"type": "image_url", "image_url": {**told, "detail": rest["detail"]} if rest.get("detail") else told}
        case {"type": "input_file", "file_data": str(data), **rest}:
            return {"type": "file", "file": {"filename": rest.get("filename") or "file", "file_data": data}}
    raise _unsaid(where)


def _tool(tool: Json, where: str) -> Json:
    if tool.get("type") != "function":
        raise _unsaid(where)
    return {"type": "function", "function": {name: value for name, value in tool.items() if name != "type" and value is not None}}


def _tool_choice(choice: Any) -> Any:
    match choice:
        case "auto" | "none" | "required":
            return choice
        case {"type": "function", "name": str(name)}:
            return {"type": "function", "function": {"name": name}}
    raise _unsaid("tool_choice")


def _format(form: Json) -> Json:
    match form.get("type"):
        case "json_object":
            return {"type": "json_object"}
        case "json_schema":
            return {"type": "json_schema", "json_schema": {name: value for name, value in form.items() if name != "type"}}
    raise _unsaid("text.format")


def chat_frames_as_responses(frames: AsyncIterator[list[Frame]]) -> AsyncIterator[list[Frame]]:
    """The chunks of a chat as events of this shape.

    Raises:
        UpstreamError: when they are not of the shape.
    """
    return written(frames, _Events())


class _Events:
    """Writes events of this shape from chunks."""

    def __init__(self) -> None:
        self._begun = False
        self._index = -1
        self._open: Json | None = None
        self._call: Any = None
        self._reason: Any = None
        self._usage: Json | None = None
        self._extension: Json = {}
        self._annotations: list[Any] = []

    def take(self, data: Json, out: list[Frame]) -> None:
        """One chunk."""
        if data.get("error") is not None:
            raise UpstreamError("The model provider failed in the middle of its answer.", "Try again.", code="upstream_failed")
        self._usage = chat_usage_as_responses(data.get("usage")) or self._usage
        self._extension |= extension_of(data.get("ondol"))
        choices = data.get("choices")
        if not choices:
            return
        choice = choices[0] if isinstance(choices, list) else None
        if not isinstance(choice, dict):
            raise responses_garbage("a chunk without a choice")
        delta = choice.get("delta") or {}
        if not isinstance(delta, dict):
            raise responses_garbage("a chunk without a delta")
        if not self._begun:
            self._begun = True
            out.append(Frame({"type": "response.created", "response": {"status": "in_progress", "output": []}}))
        self._annotations += [flat_annotation(item) for item in objects(delta.get("annotations"), "annotations")]
        text = delta.get("content") or delta.get("refusal")
        if text:
            self._begin({"type": "message", "id": f"msg_{self._index + 1}", "status": "in_progress", "role": "assistant", "content": []}, out)
            out.append(Frame({"type": "response.output_text.delta", "output_index": self._index, "delta": text}))
        for piece in objects(delta.get("tool_calls"), "tool_calls"):
            self._take_call(piece, out)
        self._reason = choice.get("finish_reason") or self._reason

    def finish(self, out: list[Frame]) -> None:
        """The end, once no chunk is to come."""
        if self._reason is None:
            return
        self._end(out)
        answer: Json = {**status_of(self._reason), "usage": self._usage}
        if self._extension:
            answer["ondol"] = self._extension
        out.append(Frame({"type": "response.completed", "response": answer}))

    def _take_call(self, piece: Any, out: list[Frame]) -> None:
        function = piece.get("function") if isinstance(piece, dict) else None
        if not isinstance(function, dict):
            raise responses_garbage("a call of a tool without a function")
        key = (piece.get("index", 0), piece.get("id") or (self._call[1] if self._call else None))
        if self._open is None or self._open["type"] != "function_call" or key != self._call:
            self._end(out)
            self._call = key
            head = {"call_id": str(piece.get("id") or ""), "name": str(function.get("name") or ""), "arguments": ""}
            self._begin({"type": "function_call", "id": f"fc_{self._index + 1}", "status": "in_progress", **head}, out)
        if function.get("arguments"):
            told = {"output_index": self._index, "delta": function["arguments"]}
            out.append(Frame({"type": "response.function_call_arguments.delta", **told}))

    def _begin(self, item: Json, out: list[Frame]) -> None:
        if self._open is not None and self._open["type"] == "message" and item["type"] == "message":
            return
        self._end(out)
        self._index += 1
        self._open = item
        out.append(Frame({"type": "response.output_item.added", "output_index": self._index, "item": item}))

    def _end(self, out: list[Frame]) -> None:
        item, self._open = self._open, None
        if item is None:
            return
        if item["type"] == "message":
            item = {**item, "content": [{**text_part(""), "annotations": self._annotations}]}
        out.append(Frame({"type": "response.output_item.done", "output_index": self._index, "item": item}))


def _unsaid(name: str) -> RequestError:
    return RequestError(
        f"`{name}` cannot be passed on: the model behind this name speaks another API.",
        f"Leave `{name}` out.",
        param=name,
        code="unsupported_parameter",
    )

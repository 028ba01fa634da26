"""OpenAI's responses: requests read, whole answers let out. Streams are in `responses_stream`.

An answer is never kept at a provider: what is kept there under this installation's credential could be asked for by another tenant.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from ondol.core.errors import RequestError, UpstreamError
from ondol.infrastructure.gateway.shapes.base import Asked, Json, PartsSpot, Spot, Told
from ondol.infrastructure.gateway.shapes.body import check_model, explained, invalid, keep_known, objects
from ondol.infrastructure.gateway.shapes.extension import Extension, take_extension
from ondol.infrastructure.gateway.shapes.fields import JsonSpot, add_fields, add_media_fields, add_name, add_rest
from ondol.infrastructure.gateway.shapes.letting import Letting, TextOut
from ondol.infrastructure.gateway.shapes.words import STATUSES, TIERS, mark, word
from ondol.infrastructure.guard.conversation import Role
from ondol.infrastructure.serving.types import ChatRequest, Message, Usage

ITEMS_MAX = 4_096
PARTS_MAX = 4_096
TEXT_CHARACTERS_MAX = 1_000_000
TOKENS_MAX = 2**31 - 1
TOOLS_MAX = 512
PICTURE_TOKENS = 1_105
BYTES_PER_FILE_TOKEN = 4

TOP = frozenset({
    "id", "object", "created_at", "completed_at", "status", "background", "error", "incomplete_details", "instructions", "max_output_tokens",
    "max_tool_calls", "metadata", "model", "output", "parallel_tool_calls", "previous_response_id", "prompt_cache_key", "reasoning",
    "safety_identifier", "service_tier", "store", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "usage",
    "user", "ondol",
})  # fmt: skip
ITEMS = {
    "message": frozenset({"type", "id", "role", "status", "content"}),
    "function_call": frozenset({"type", "id", "status", "call_id", "name", "arguments"}),
    "custom_tool_call": frozenset({"type", "id", "status", "call_id", "name", "input"}),
}
PARTS = {"output_text": frozenset({"type", "text", "annotations", "logprobs"}), "refusal": frozenset({"type", "refusal"})}
"""What answers, their items and parts hold that is known here. The rest is text that nobody looked at, so it does not go out."""
ECHOED: Mapping[str, Any] = {
    "metadata": {}, "tools": [], "tool_choice": "auto", "text": {"format": {"type": "text"}}, "reasoning": {"effort": None, "summary": None},
    "user": None, "prompt_cache_key": None, "safety_identifier": None, "truncation": "disabled",
}  # fmt: skip
"""What an answer repeats of its request, and how it reads where that had none. The caller's own goes out, not the provider's word for it."""
_NUMBERS = frozenset({
    "created_at", "completed_at", "background", "max_output_tokens", "max_tool_calls", "parallel_tool_calls", "temperature", "top_logprobs", "top_p",
})  # fmt: skip
_ENDED = frozenset({"max_output_tokens", "content_filter", "max_tool_calls"})
READ = frozenset({"model", "input", "instructions", "stream", "stream_options", "include", "ondol"})
"""Fields that are read elsewhere or hold no text."""
_MESSAGE = frozenset({"type", "id", "role", "status", "content"})
_CALL = frozenset({"type", "id", "status", "call_id", "name", "arguments", "input"})
_RESULT = frozenset({"type", "id", "status", "call_id", "output"})
_PART = frozenset({"type", "text", "refusal"})
_STATEFUL = ("previous_response_id", "conversation", "background", "prompt")
"""Fields that speak of what a provider keeps."""
MEDIA = frozenset({"input_image", "input_file", "input_audio", "input_video", "computer_screenshot"})
"""Kinds of parts that hold no text."""
_TEXT_PARTS = frozenset({"input_text", "output_text", "text", "summary_text", "reasoning_text"})
_CALLS: Mapping[str, str] = {"function_call": "arguments", "custom_tool_call": "input"}
_OPAQUE = frozenset({"compaction"})
_RESULTS = frozenset({"function_call_output", "custom_tool_call_output", "computer_call_output", "local_shell_call_output"})


class _Format(msgspec.Struct):
    type: str
    schema: dict[str, Any] | None = None


class _Text(msgspec.Struct):
    format: _Format | None = None


class _Body(msgspec.Struct):
    model: str
    input: str | list[Any] | None = None
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: Annotated[int, msgspec.Meta(ge=1, le=TOKENS_MAX)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    tools: Annotated[list[dict[str, Any]], msgspec.Meta(max_length=TOOLS_MAX)] | None = None
    text: _Text | None = None
    ondol: Extension | None = None


def read_responses(body: Json) -> Asked:
    """Understand a request.

    Raises:
        RequestError: with `param` set to the offending field, such as ``input[2].content``.
    """
    try:
        known = msgspec.convert(body, _Body)
    except msgspec.ValidationError as error:
        raise explained(str(error)) from None
    for name in _STATEFUL:
        if body.get(name):
            hint = f"Leave `{name}` out and send the whole conversation in `input`."
            raise RequestError(
                f"`{name}` would need an answer kept at the provider, which is not done here.", hint, param=name, code="unsupported_parameter"
            )
    asked = Asked("responses", check_model(known.model), body, [])
    if known.instructions is not None:
        asked.spots.append(Spot("system", known.instructions, body, "instructions"))
    if isinstance(known.input, str):
        asked.spots.append(Spot("user", known.input, body, "input"))
    elif known.input is None:
        raise RequestError("`input` is missing.", param="input", code="missing_field")
    else:
        if len(known.input) > ITEMS_MAX:
            raise invalid("input", f"has more than {ITEMS_MAX} items")
        for place in range(len(known.input)):
            _read_item(body["input"], place, f"input[{place}]", asked)
    add_fields(asked, READ)
    if sum(len(spot.text) for spot in asked.spots) > TEXT_CHARACTERS_MAX:
        raise RequestError(f"The input holds more than {TEXT_CHARACTERS_MAX} characters.", "Send less text.", param="input", code="text_too_long")
    asked.stream = bool(known.stream)
    asked.include_usage = True
    asked.output_tokens_max = known.max_output_tokens
    asked.tools = [{"type": "function", "function": tool} for tool in known.tools or () if tool.get("type") == "function"]
    take_extension(asked, known.ondol)
    told = known.text.format if known.text else None
    if told is not None and told.type == "json_schema":
        asked.schema = told.schema or {}
    elif told is not None and told.type == "json_object":
        asked.schema = {}
    asked.conversation = next((spot.text[:1_000] for spot in asked.spots if spot.role == "user"), "")
    return asked


def _read_item(items: list[Any], place: int, where: str, asked: Asked) -> None:
    item = items[place]
    if not isinstance(item, dict):
        raise invalid(where, "is not an object")
    kind = item.get("type", "message")
    if not isinstance(kind, str):
        raise invalid(f"{where}.type", "is not a string")
    if kind == "message":
        _read_said(item, where, asked)
    elif kind in _CALLS:
        if not isinstance(item.get(_CALLS[kind]), str):
            raise invalid(f"{where}.{_CALLS[kind]}", "is not a string")
        asked.spots.append(Spot("assistant", item[_CALLS[kind]], item, _CALLS[kind]))
        add_name(asked, item)
        add_rest(asked, item, _CALL)
    elif kind in _RESULTS:
        _read_result(item, where, asked)
    elif kind == "reasoning":
        for name in ("summary", "content"):
            if isinstance(item.get(name), list):
                _read_parts(item[name], "assistant", f"{where}.{name}", asked)
    elif kind == "item_reference":
        raise RequestError(
            "An item that is kept at a provider cannot be referred to.", "Send the item itself.", param=where, code="unsupported_parameter"
        )
    elif kind not in _OPAQUE:
        asked.spots.append(JsonSpot("tool", items, place))


def _read_result(item: Json, where: str, asked: Asked) -> None:
    output = item.get("output")
    add_rest(asked, item, _RESULT)
    if isinstance(output, str):
        asked.spots.append(Spot("tool", output, item, "output"))
    elif isinstance(output, list):
        _read_parts(output, "tool", f"{where}.output", asked)
    elif isinstance(output, dict):
        asked.add_media(output, PICTURE_TOKENS)
        if not set(output) <= {"type", "image_url", "detail"}:
            asked.spots.append(JsonSpot("tool", item, "output"))


def _read_said(item: Json, where: str, asked: Asked) -> None:
    role, content = item.get("role"), item.get("content")
    if role not in ("user", "assistant", "system", "developer"):
        raise invalid(f"{where}.role", "is not one of assistant, developer, system, user")
    if isinstance(content, str):
        asked.spots.append(Spot(role, content, item, "content"))
    elif isinstance(content, list):
        _read_parts(content, role, f"{where}.content", asked)
    else:
        raise invalid(f"{where}.content", "is neither a string nor a list")
    add_rest(asked, item, _MESSAGE)


def _read_parts(parts: list[Any], role: Role, where: str, asked: Asked) -> None:
    if len(parts) > PARTS_MAX:
        raise invalid(where, f"has more than {PARTS_MAX} parts")
    texts: list[Json] = []
    for place, part in enumerate(parts):
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            texts.append(part)  # whatever it calls itself: servers and translations take its text for one
        match part:
            case {"type": str(kind), "text": str()} if kind in _TEXT_PARTS:
                add_rest(asked, part, _PART)
            case {"type": "refusal", "refusal": str(text)}:
                asked.spots.append(Spot(role, text, part, "refusal"))
            case {"type": "input_file", "file_data": str(data)}:
                asked.add_media(part, len(data) // BYTES_PER_FILE_TOKEN + 1)
                add_media_fields(asked, part)
            case {"type": str(kind)} if kind in _TEXT_PARTS:
                raise invalid(f"{where}[{place}].text", "is not a string")
            case {"type": str(kind)} if kind in MEDIA:
                asked.add_media(part, PICTURE_TOKENS)
                add_media_fields(asked, part, kind)
            case {"type": str()}:
                asked.spots.append(JsonSpot(role, parts, place))
            case _:
                raise invalid(f"{where}[{place}].type", "is missing")
    if texts:
        asked.spots.append(PartsSpot(role, parts, texts))


def responses_id(request_id: uuid.UUID) -> str:
    """The answer's id: the request's, in the shape's dress."""
    return f"resp_{request_id.hex}"


def responses_chat_request(asked: Asked, request_id: uuid.UUID) -> ChatRequest:
    """The request as assistants take it.

    Raises:
        RequestError: for what an assistant cannot answer.
    """
    if asked.body.get("tools"):
        raise RequestError("Assistants do not know `tools`.", "Leave `tools` out.", param="tools", code="unsupported_parameter")
    messages = tuple(Message(spot.role, spot.text) for spot in asked.spots if spot.role != "field" and not isinstance(spot, JsonSpot))
    return ChatRequest(
        request_id,
        asked.model,
        messages,
        asked.stream,
        asked.output_tokens_max,
        asked.body.get("temperature"),
        thread=asked.thread,
        cached=asked.cached,
    )


def responses_usage(usage: Any) -> Usage | None:
    """The usage that an upstream told; None when it is none at all."""
    if not isinstance(usage, dict):
        return None
    cached, reasoning = _detail(usage, "input_tokens_details", "cached_tokens"), _detail(usage, "output_tokens_details", "reasoning_tokens")
    counts = (usage.get("input_tokens"), usage.get("output_tokens", 0), cached, reasoning)
    if any(type(count) is not int or not 0 <= count <= TOKENS_MAX for count in counts) or cached > usage["input_tokens"]:
        return None
    return Usage(
        usage["input_tokens"], usage.get("output_tokens", 0), usage.get("estimated") is True, cached_tokens=cached, reasoning_tokens=reasoning
    )


def _detail(usage: Json, group: str, name: str) -> Any:
    details = usage.get(group)
    return (details.get(name) or 0) if isinstance(details, dict) else 0


def told_responses_usage(usage: Usage) -> Json:
    """Usage as the shape writes it."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def usage_of_responses(answer: Json) -> Usage | None:
    """The usage of a whole answer."""
    return responses_usage(answer.get("usage"))


def put_responses_usage(answer: Json, usage: Usage) -> None:
    """Write the usage that counts."""
    answer["usage"] = told_responses_usage(usage)


def text_of_responses(answer: Json) -> str:
    """What people read of a whole answer."""
    items = [item for item in answer.get("output") or () if item.get("type") == "message"]
    return "".join(part["text"] for item in items for part in item["content"] if isinstance(part.get("text"), str))


def let_responses(answer: Json, told: Told, letting: Letting) -> None:
    """Let a whole answer out through the guard, in place.

    Raises:
        UpstreamError: when it is not of the shape.
    """
    items = answer.get("output")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise responses_garbage("no output")
    if answer.get("status") == "failed":
        raise UpstreamError("The model provider failed.", "Try again.", code="upstream_failed")
    texts = letting.choice(0)
    going = [item for place, item in enumerate(items) if not texts.withheld and let_item(item, texts, place)]
    if texts.refused:
        going.append(message_item(told, len(going), "\n\n".join(texts.refused)))
    answer["output"] = going
    dress(answer, told)
    if texts.withheld:
        withhold(answer)


def let_item(item: Json, texts: TextOut, place: int) -> bool:
    """Whether an item goes out; its texts are as they may be."""
    kind = item.get("type")
    if kind == "message":
        tidy_item(item)
        _let_parts(item, texts)
        return True
    if not isinstance(kind, str):
        raise responses_garbage("an item without a type")
    if kind in _CALLS:
        tidy_item(item)
        field = _CALLS[kind]
        name, arguments = item.get("name"), item.get(field)
        if not isinstance(name, str) or not isinstance(arguments, str):
            raise responses_garbage("a call of a tool without a name or arguments")
        result = texts.call(place, name, arguments)
        if result is None:
            return False
        item["name"], item[field] = result
        return True
    out = texts.whole(f"item{place}", json.dumps(item, ensure_ascii=False))
    return not out.changed and not out.withheld


def tidy_item(item: Json) -> None:
    """The short strings of a message or a call, in place."""
    kind = item["type"]
    keep_known(item, ITEMS[kind])
    if kind == "message":
        item["role"] = "assistant"
    elif "call_id" in item:
        item["call_id"] = mark(item["call_id"], "call_")
    if "id" in item:
        item["id"] = mark(item["id"], "msg_" if kind == "message" else "fc_")
    if "status" in item:
        item["status"] = word(item["status"], STATUSES, "completed")


def _let_parts(item: Json, texts: TextOut) -> None:
    """The parts of a message, looked at as one text: what is split must not pass."""
    parts = item.get("content")
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise responses_garbage("a message without content")
    fields = [(part, "refusal" if part.get("type") == "refusal" else "text") for part in parts]
    written = [(part, field) for part, field in fields if isinstance(part.get(field), str)]
    whole = "".join(part[field] for part, field in written)
    out = texts.whole("content", whole)
    if out.text == whole and not out.changed and not out.withheld:
        item["content"] = [part for part, _ in written]
        for part, field in written:
            part["type"] = "refusal" if field == "refusal" else "output_text"
            keep_known(part, PARTS[part["type"]])
            if part.get("annotations"):
                part["annotations"] = texts.annotations(part["annotations"])
        return
    item["content"] = [text_part(out.text)]


def text_part(text: str) -> Json:
    """A part of a message's content."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def message_item(told: Told, place: int, text: str) -> Json:
    """A message of one text."""
    item_id = f"msg_{told.id.removeprefix('resp_')}_{place}"
    return {"type": "message", "id": item_id, "status": "completed", "role": "assistant", "content": [text_part(text)]}


def dress(answer: Json, told: Told) -> None:
    """Put our names on an answer. What was pinned to the request is not told to the caller."""
    keep_known(answer, TOP)
    answer["id"] = told.id
    answer["model"] = told.model
    answer["store"] = False
    answer["error"] = None  # in the provider's own words, which may quote anything
    answer["previous_response_id"] = None
    answer["object"] = "response"
    answer["status"] = word(answer.get("status"), STATUSES, "completed")
    for name, unasked in ECHOED.items():
        if name in answer:
            answer[name] = told.asked.get(name) or unasked
    if answer.get("service_tier") is not None:
        answer["service_tier"] = word(answer["service_tier"], TIERS)
    details = answer.get("incomplete_details")
    if details is not None:
        ended = details.get("reason") if isinstance(details, dict) else None
        answer["incomplete_details"] = {"reason": word(ended, _ENDED, "max_output_tokens")}
    for name in _NUMBERS & answer.keys():
        if not isinstance(answer[name], int | float | None):
            answer[name] = None
    if not answer.get("created_at"):
        answer["created_at"] = told.created_unix_s
    answer["instructions"] = told.instructions


def withhold(answer: Json) -> None:
    """Say that a policy ended the answer."""
    answer["status"] = "incomplete"
    answer["incomplete_details"] = {"reason": "content_filter"}


def responses_refusal(told: Told, text: str, usage: Usage, extension: Json) -> Json:
    """A whole answer that says why there is none."""
    answer: Json = {
        "id": told.id,
        "object": "response",
        "created_at": told.created_unix_s,
        "error": None,
        "metadata": {},
        "output": [message_item(told, 0, text)],
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": told_responses_usage(usage),
    }
    dress(answer, told)
    withhold(answer)
    return {**answer, "ondol": extension} if extension else answer


def chat_as_responses(answer: Json) -> Json:
    """A chat's whole answer in this shape.

    Raises:
        UpstreamError: when it is not of the shape.
    """
    choices = answer.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise responses_garbage("no choices")
    items: list[Json] = []
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(reasoning, str):
        items.append({"type": "reasoning", "id": "rs_0", "summary": [{"type": "summary_text", "text": reasoning}]})
    text = message.get("content") or message.get("refusal")
    if isinstance(text, str) and text:
        part = {**text_part(text), "annotations": [flat_annotation(item) for item in objects(message.get("annotations"), "annotations")]}
        items.append({"type": "message", "id": "msg_0", "status": "completed", "role": "assistant", "content": [part]})
    for place, call in enumerate(objects(message.get("tool_calls"), "tool_calls")):
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            raise responses_garbage("a call of a tool without a function")
        told = {"call_id": str(call.get("id")), "name": function.get("name"), "arguments": function.get("arguments")}
        items.append({"type": "function_call", "id": f"fc_{place}", "status": "completed", **told})
    made: Json = {"object": "response", "created_at": 0, "error": None, "incomplete_details": None, "metadata": {}, "output": items}
    made |= {
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        **status_of(choice.get("finish_reason")),
    }
    made["usage"] = chat_usage_as_responses(answer.get("usage"))
    return {**made, "ondol": answer["ondol"]} if answer.get("ondol") else made


def status_of(reason: Any) -> Json:
    """The status that a chat's reason of an end comes to."""
    if reason in ("length", "content_filter"):
        return {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens" if reason == "length" else "content_filter"}}
    return {"status": "completed", "incomplete_details": None}


def chat_usage_as_responses(usage: Any) -> Json | None:
    """A chat's usage in this shape's words; None when there is none."""
    if not isinstance(usage, dict) or not isinstance(usage.get("prompt_tokens"), int):
        return None
    told: Json = {"input_tokens": usage["prompt_tokens"], "output_tokens": usage.get("completion_tokens", 0)}
    told["input_tokens_details"] = {"cached_tokens": _detail(usage, "prompt_tokens_details", "cached_tokens")}
    told["output_tokens_details"] = {"reasoning_tokens": _detail(usage, "completion_tokens_details", "reasoning_tokens")}
    return {**told, "estimated": True} if usage.get("estimated") is True else told


def flat_annotation(annotation: Any) -> Any:
    """A chat's annotation as this shape writes it: what stands in an object of its own there stands beside its type here."""
    match annotation:
        case {"type": str(kind), **rest} if isinstance(inner := rest.get(kind), dict):
            return {"type": kind, **inner}
    return annotation


def responses_garbage(what: str) -> UpstreamError:
    """An answer that is not of the shape."""
    return UpstreamError(f"The model provider's answer cannot be understood: {what}.", code="upstream_garbage")

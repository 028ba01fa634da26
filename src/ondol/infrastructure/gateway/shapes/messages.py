"""Anthropic's messages: requests read, whole answers let out. Streams are in `messages_stream`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from ondol.core.errors import RequestError
from ondol.infrastructure.gateway.errors import ErrorAnswer, answer_to
from ondol.infrastructure.gateway.shapes.base import Asked, Json, PartsSpot, Spot, Told
from ondol.infrastructure.gateway.shapes.body import check_model, explained, garbage, invalid, keep_known, objects
from ondol.infrastructure.gateway.shapes.chat import stopped_at
from ondol.infrastructure.gateway.shapes.extension import Extension, take_extension
from ondol.infrastructure.gateway.shapes.fields import JsonSpot, add_fields, add_media_fields, add_name, add_rest
from ondol.infrastructure.gateway.shapes.letting import Letting, TextOut
from ondol.infrastructure.gateway.shapes.sse import event
from ondol.infrastructure.gateway.shapes.words import STOPPED, figures, mark, reason, seal
from ondol.infrastructure.guard.conversation import Role
from ondol.infrastructure.serving.types import ChatRequest, Message, Operation, Usage

MESSAGES_MAX = 2_048
BLOCKS_MAX = 4_096
TEXT_CHARACTERS_MAX = 1_000_000
TOKENS_MAX = 2**31 - 1
TOOLS_MAX = 512
PICTURE_TOKENS = 1_600
"""The most that a picture counts for: its width times its height over 750, after scaling to 1568 pixels."""
BYTES_PER_DOCUMENT_TOKEN = 4
TOP = frozenset({"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage", "ondol"})
BLOCKS = {
    "text": frozenset({"type", "text", "citations"}),
    "thinking": frozenset({"type", "thinking", "signature"}),
    "tool_use": frozenset({"type", "id", "name", "input"}),
}
"""What answers and their blocks hold that is known here. The rest of a block that is known is text that nobody looked at, so it does not go out."""
READ = frozenset({"model", "messages", "system", "stream", "ondol"})
"""Fields that are read elsewhere or hold no text."""
_MESSAGE = frozenset({"role", "content"})
_TEXT = frozenset({"type", "text"})
_OPAQUE = frozenset({"redacted_thinking", "thinking"})
STOP_WITHHELD = "refusal"
"""How the family says that a policy ended an answer."""

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


class _Body(msgspec.Struct):
    model: str
    messages: Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1, max_length=MESSAGES_MAX)]
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=TOKENS_MAX)] | None = None
    system: str | list[dict[str, Any]] | None = None
    stream: bool | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    tools: Annotated[list[dict[str, Any]], msgspec.Meta(max_length=TOOLS_MAX)] | None = None
    ondol: Extension | None = None


class InputSpot(Spot):
    """The arguments of a tool that an earlier answer called: an object, looked at as the text of its JSON."""

    __slots__ = ()

    def __init__(self, block: Json) -> None:
        super().__init__("assistant", json.dumps(block["input"], ensure_ascii=False), block, "input")

    def put(self, text: str) -> None:
        """Write other arguments in their place; what is no JSON any more stands as a text."""
        self.text = text
        try:
            value = json.loads(text)
        except ValueError:
            value = {"withheld": text}
        self.owner["input"] = value if isinstance(value, dict) else {"withheld": text}


def read_messages(body: Json, operation: Operation = "messages") -> Asked:
    """Understand a request.

    Raises:
        RequestError: with `param` set to the offending field, such as ``messages[2].content``.
    """
    try:
        known = msgspec.convert(body, _Body)
    except msgspec.ValidationError as error:
        raise explained(str(error)) from None
    if known.max_tokens is None and operation == "messages":
        raise RequestError("`max_tokens` is missing.", "Say how long the answer may be.", param="max_tokens", code="missing_field")
    asked = Asked(operation, check_model(known.model), body, [])
    if isinstance(known.system, str):
        asked.spots.append(Spot("system", known.system, body, "system"))
    elif known.system:
        _read_blocks(body["system"], "system", "system", asked)
    for place, message in enumerate(body["messages"]):  # not those of `known`, which are copies: what is masked must be masked where it goes on
        role = message.get("role")
        if role not in ("user", "assistant"):
            raise invalid(f"messages[{place}].role", "is neither user nor assistant")
        content = message.get("content")
        if isinstance(content, str):
            asked.spots.append(Spot(role, content, message, "content"))
        elif isinstance(content, list):
            _read_blocks(content, role, f"messages[{place}].content", asked)
        else:
            raise invalid(f"messages[{place}].content", "is neither a string nor a list of blocks")
        add_rest(asked, message, _MESSAGE)
    add_fields(asked, READ)
    if sum(len(spot.text) for spot in asked.spots) > TEXT_CHARACTERS_MAX:
        raise RequestError(
            f"The messages hold more than {TEXT_CHARACTERS_MAX} characters.", "Send less text.", param="messages", code="text_too_long"
        )
    asked.stream = bool(known.stream)
    asked.include_usage = True
    asked.output_tokens_max = known.max_tokens
    take_extension(asked, known.ondol)
    asked.tools = [_as_function(tool) for tool in known.tools or () if isinstance(tool.get("input_schema"), Mapping)]
    asked.conversation = next((spot.text[:1_000] for spot in asked.spots if spot.role == "user"), "")
    return asked


def _as_function(tool: Json) -> Json:
    return {"type": "function", "function": {"name": tool.get("name"), "parameters": tool["input_schema"]}}


def _read_blocks(blocks: list[Any], role: Role, where: str, asked: Asked) -> None:
    """The texts of a list of blocks. Those that follow each other are looked at as one: what is split must not hide."""
    if len(blocks) > BLOCKS_MAX:
        raise invalid(where, f"has more than {BLOCKS_MAX} blocks")
    texts: list[Json] = []
    for place, block in enumerate(blocks):
        at = f"{where}[{place}]"
        if isinstance(block, dict) and isinstance(block.get("text"), str):
            texts.append(block)  # whatever it calls itself: servers and translations take its text for one
        match block:
            case {"type": "text", "text": str()}:
                add_rest(asked, block, _TEXT)
            case {"type": "text"}:
                raise invalid(f"{at}.text", "is not a string")
            case {"type": "thinking", "thinking": str(text)} if text:
                asked.spots.append(Spot("assistant", text, block, "thinking"))
            case {"type": "tool_use" | "server_tool_use", "input": dict()}:
                asked.spots.append(InputSpot(block))
                add_name(asked, block)
            case {"type": "tool_result", "content": str(text)}:
                asked.spots.append(Spot("tool", text, block, "content"))
            case {"type": "tool_result" | "search_result", "content": list(inner)}:
                _read_names(block, asked)
                _read_blocks(inner, "tool", f"{at}.content", asked)
            case {"type": str(kind)}:
                _read_media(kind, blocks, place, at, role, asked)
            case _:
                raise invalid(f"{at}.type", "is missing")
    if texts:
        asked.spots.append(PartsSpot(role, blocks, texts))


def _read_media(kind: str, blocks: list[Any], place: int, where: str, role: Role, asked: Asked) -> None:
    """Documents are read, pictures are counted; nothing is known of the rest, which is looked at as it is."""
    block = blocks[place]
    source = block.get("source")
    if kind == "document" and isinstance(source, dict):
        _read_names(block, asked)
        _read_document(source, where, asked)
    elif kind == "image":
        asked.add_media(block, PICTURE_TOKENS)
        add_media_fields(asked, block, "source")
    elif kind not in _OPAQUE and not (kind == "tool_result" and block.get("content") is None):
        asked.spots.append(JsonSpot(role, blocks, place))


def _read_names(block: Json, asked: Asked) -> None:
    """What a source is called, and what is said of it: its text is not all that a model is shown."""
    for name in ("title", "context", "source"):
        if isinstance(block.get(name), str) and block[name]:
            asked.spots.append(Spot("tool", block[name], block, name))


def _read_document(source: Json, where: str, asked: Asked) -> None:
    """A document is what somebody else wrote: read as the result of a tool is."""
    match source:
        case {"type": "text", "data": str(text)}:
            asked.spots.append(Spot("tool", text, source, "data"))
        case {"type": "content", "content": str(text)}:
            asked.spots.append(Spot("tool", text, source, "content"))
        case {"type": "content", "content": list(inner)}:
            _read_blocks(inner, "tool", f"{where}.source.content", asked)
        case {"data": str(data)}:
            asked.add_media(data, len(data) // BYTES_PER_DOCUMENT_TOKEN + 1)
        case _:
            asked.add_media(source, PICTURE_TOKENS)


def messages_id(request_id: uuid.UUID) -> str:
    """The answer's id: the request's, in Anthropic's dress."""
    return f"msg_{request_id.hex}"


def messages_chat_request(asked: Asked, request_id: uuid.UUID) -> ChatRequest:
    """The request as assistants take it.

    Raises:
        RequestError: for what an assistant cannot answer.
    """
    for name in ("tools", "thinking"):
        if asked.body.get(name):
            raise RequestError(f"Assistants do not know `{name}`.", f"Leave `{name}` out.", param=name, code="unsupported_parameter")
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


def messages_usage(usage: Any) -> Usage | None:
    """The usage that an upstream told; None when it is none at all. What its cache held or took is part of the input here, apart from it there."""
    if not isinstance(usage, dict):
        return None
    read, written = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
    counts = (usage.get("input_tokens"), usage.get("output_tokens", 0), read, written)
    if any(type(count) is not int or not 0 <= count <= TOKENS_MAX for count in counts):
        return None
    estimated = usage.get("estimated") is True
    return Usage(usage["input_tokens"] + read + written, counts[1] or 0, estimated, cached_tokens=read, cache_write_tokens=written)


def told_messages_usage(usage: Usage) -> Json:
    """Usage as Anthropic writes it."""
    told: Json = {"input_tokens": usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens, "output_tokens": usage.output_tokens}
    if usage.cached_tokens or usage.cache_write_tokens:
        told |= {"cache_read_input_tokens": usage.cached_tokens, "cache_creation_input_tokens": usage.cache_write_tokens}
    return told


def usage_of_messages(answer: Json) -> Usage | None:
    """The usage of a whole answer."""
    return messages_usage(answer.get("usage"))


def put_messages_usage(answer: Json, usage: Usage) -> None:
    """Write the usage that counts."""
    if usage.estimated or not isinstance(answer.get("usage"), dict):
        answer["usage"] = told_messages_usage(usage)
    else:
        answer["usage"] = figures(answer["usage"])
        answer["usage"].pop("estimated", None)


def text_of_messages(answer: Json) -> str:
    """What people read of a whole answer."""
    return "".join(block["text"] for block in answer.get("content") or () if block.get("type") == "text" and isinstance(block.get("text"), str))


def let_messages(answer: Json, told: Told, letting: Letting) -> None:
    """Let a whole answer out through the guard, in place.

    Raises:
        UpstreamError: when it is not of the shape.
    """
    blocks = answer.get("content")
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise garbage("no content")
    keep_known(answer, TOP)
    texts = letting.choice(0)
    going: list[Json] = []
    run: list[Json] = []
    for place, block in enumerate(blocks):
        if block.get("type") == "text" and isinstance(block.get("text"), str):
            keep_known(block, BLOCKS["text"])
            run.append(block)
            continue
        going += _let_run(run, texts)
        run = []
        if texts.withheld:
            break
        if _let_block(block, texts, place):
            going.append(block)
    going += _let_run(run, texts)
    if not going and not blocks:
        going += _let_run([{"type": "text", "text": ""}], texts)
    if texts.refused:
        going.append({"type": "text", "text": "\n\n".join(texts.refused)})
    answer["content"] = going
    answer |= {"type": "message", "role": "assistant", **ending(answer, texts)}
    if texts.withheld:
        answer["stop_reason"] = STOP_WITHHELD
        answer["stop_sequence"] = None
    answer["id"] = told.id
    answer["model"] = told.model


def ending(told: Json, texts: TextOut) -> Json:
    """Why a message ended, and at which sequence of the caller's, where the guard has nothing against it."""
    sequence = told.get("stop_sequence")
    return {
        "stop_reason": reason(told.get("stop_reason"), STOPPED, "end_turn"),
        "stop_sequence": stopped_at(sequence, texts) if isinstance(sequence, str) else None,
    }


def _let_run(run: list[Json], texts: TextOut) -> list[Json]:
    """Blocks of text that follow each other go out as one text does: what is split must not pass."""
    if not run or texts.withheld:
        return []
    out = texts.whole("content", "".join(block["text"] for block in run))
    for citation in [citation for block in run for citation in objects(block.get("citations"), "citations")]:
        checked = texts.whole("citation", json.dumps(citation, ensure_ascii=False))
        out.changed = out.changed or checked.changed or checked.withheld
    if not out.changed and not out.withheld and out.text == "".join(block["text"] for block in run):
        return run
    return [{"type": "text", "text": out.text}]


def _let_block(block: Json, texts: TextOut, place: int) -> bool:
    """Whether a block that is no text goes out; its content is as it may be."""
    kind = block.get("type")
    if kind == "tool_use":
        name, given = block.get("name"), block.get("input")
        if not isinstance(name, str) or not isinstance(given, dict):
            raise garbage("a call of a tool without a name or input")
        result = texts.call(place, name, json.dumps(given, ensure_ascii=False))
        if result is None:
            return False
        keep_known(block, BLOCKS[kind])
        block["id"] = mark(block.get("id"), "toolu_")
        block["name"], arguments = result
        block["input"] = object_of(arguments)
        return True
    if kind == "thinking" and isinstance(block.get("thinking"), str):
        keep_known(block, BLOCKS[kind])
        block["signature"] = seal(block.get("signature"))
        out = texts.whole(f"thinking{place}", block["thinking"])
        if out.changed or out.withheld:
            block["thinking"] = out.text
            block["signature"] = ""  # it vouches for another text
        return True
    return goes_unchanged(block, texts, place)


def object_of(arguments: str) -> Json:
    """The arguments of a call as this family has them."""
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        raise garbage("the arguments of a call are no JSON") from None
    if not isinstance(value, dict):
        raise garbage("the arguments of a call are no object")
    return value


def goes_unchanged(block: Json, texts: TextOut, place: int) -> bool:
    """Whether the guard has nothing against a block of a kind that is not known here: it goes as it is or not at all."""
    out = texts.whole(f"block{place}", json.dumps(block, ensure_ascii=False))
    return not out.changed and not out.withheld


def messages_refusal(told: Told, text: str, usage: Usage, extension: Json) -> Json:
    """A whole answer that says why there is none."""
    answer = {
        "id": told.id,
        "type": "message",
        "role": "assistant",
        "model": told.model,
        "content": [{"type": "text", "text": text}],
        "stop_reason": STOP_WITHHELD,
        "stop_sequence": None,
        "usage": told_messages_usage(usage),
    }
    return {**answer, "ondol": extension} if extension else answer


def messages_refusal_stream(_asked: Asked, told: Told, text: str, usage: Usage, extension: Json) -> bytes:
    """The same as events."""
    begun = {**messages_refusal(told, "", usage, {}), "content": [], "stop_reason": None}
    delta = {"type": "message_delta", "delta": {"stop_reason": STOP_WITHHELD, "stop_sequence": None}, "usage": told_messages_usage(usage)}
    return b"".join(
        (
            event({"type": "message_start", "message": begun}, b"message_start"),
            event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}, b"content_block_start"),
            event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}, b"content_block_delta"),
            event({"type": "content_block_stop", "index": 0}, b"content_block_stop"),
            event({**delta, "ondol": extension} if extension else delta, b"message_delta"),
            event({"type": "message_stop"}, b"message_stop"),
        )
    )


def messages_error(error: Exception, request_id: uuid.UUID) -> ErrorAnswer:
    """An error as the family tells it; our own code stands beside its type."""
    known = answer_to(error, request_id)
    inner = json.loads(known.body)["error"]
    kind = _ERROR_TYPES.get(known.status, "invalid_request_error" if known.status < 500 else "api_error")
    told = {"type": kind, "message": inner["message"], "code": inner["code"], "param": inner["param"]}
    body = msgspec.json.encode({"type": "error", "error": told, "request_id": str(request_id)})
    return ErrorAnswer(known.status, known.code, body, known.headers, b"event: error\ndata: " + body + b"\n\n")

"""A chat request's body to a `ChatRequest`: strict about what is understood, tolerant of what is not."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from ondol.core.errors import RequestError
from ondol.infrastructure.serving import ChatRequest, Message

MESSAGES_MAX = 2_048
PARTS_MAX = 256
TEXT_CHARS_MAX = 1_000_000
MODEL_CHARS_MAX = 200
DEPTH_MAX = 64
TOKENS_MAX = 2**31 - 1
EXPLANATION_CHARS_MAX = 300

_PATH = re.compile(r" - at `\$\.?([^`]*)`$")
_MISSING = re.compile(r"missing required field `([^`]+)`")


@dataclass(frozen=True, slots=True)
class ParsedChat:
    """A request and how its answer is wanted.

    Attributes:
        include_usage: the stream ends with a chunk that carries the usage.
        progress: the stream carries chunks with ``ondol.stage``.
    """

    request: ChatRequest
    include_usage: bool
    progress: bool


class _Message(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | Annotated[list[dict[str, Any]], msgspec.Meta(max_length=PARTS_MAX)] | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Extension(msgspec.Struct):
    progress: bool | None = None


_Tokens = Annotated[int, msgspec.Meta(ge=1, le=TOKENS_MAX)]


class _Body(msgspec.Struct):
    model: Annotated[str, msgspec.Meta(min_length=1, max_length=MODEL_CHARS_MAX)]
    messages: Annotated[list[_Message], msgspec.Meta(min_length=1, max_length=MESSAGES_MAX)]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: _Tokens | None = None
    max_completion_tokens: _Tokens | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=128)] | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    logprobs: bool | None = None
    modalities: list[Any] | None = None
    ondol: _Extension | None = None


def parse_chat(body: bytes, request_id: uuid.UUID) -> ParsedChat:
    """Read a body.

    Args:
        body: as received.
        request_id: becomes the request's id.

    Raises:
        RequestError: with `param` set to the offending field, such as ``messages[2].content``.
    """
    raw = _json_object(body)
    try:
        known = msgspec.convert(raw, _Body)
    except msgspec.ValidationError as error:
        raise _explained(str(error)) from None
    if not known.model.isprintable() or " " in known.model:
        raise RequestError("A model name holds no spaces or control characters.", param="model", code="invalid_value")
    _refuse_what_cannot_be_answered(known)
    messages = tuple(
        Message(message.role, _text(message, f"messages[{place}]"), raw_message)
        for place, (message, raw_message) in enumerate(zip(known.messages, raw["messages"], strict=True))
    )
    if sum(len(message.content) for message in messages) > TEXT_CHARS_MAX:
        raise RequestError(f"The messages hold more than {TEXT_CHARS_MAX} characters.", "Send less text.", param="messages", code="text_too_long")
    request = ChatRequest(
        id=request_id,
        model=known.model,
        messages=messages,
        stream=bool(known.stream),
        max_tokens=known.max_completion_tokens or known.max_tokens,
        temperature=known.temperature,
        raw=raw,
    )
    return ParsedChat(
        request,
        include_usage=bool(known.stream_options and known.stream_options.include_usage),
        progress=bool(known.ondol and known.ondol.progress),
    )


def _json_object(body: bytes) -> dict[str, Any]:
    hint = "Send one JSON object in UTF-8."
    try:
        value = msgspec.json.decode(body)
    except RecursionError:
        raise _too_deep() from None
    except UnicodeDecodeError:
        raise RequestError("The request's body is not valid UTF-8.", hint, code="invalid_json") from None
    except ValueError as error:
        raise RequestError(f"The request's body is not valid JSON ({error}).", hint, code="invalid_json") from None
    if not isinstance(value, dict):
        raise RequestError("The request's body is not a JSON object.", hint, code="invalid_json")
    # Only a body with this many brackets can be deep, and few are: the walk is saved for them.
    if body.count(b"[") + body.count(b"{") > DEPTH_MAX and _is_deeper(value, DEPTH_MAX):
        raise _too_deep()
    return value


def _is_deeper(value: object, depth_max: int) -> bool:
    level: list[object] = [value]
    for _ in range(depth_max):
        below: list[object] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        level = [item for item in below if isinstance(item, dict | list)]
        if not level:
            return False
    return True


def _too_deep() -> RequestError:
    return RequestError(f"The request's body is nested deeper than {DEPTH_MAX} levels.", code="invalid_json")


def _refuse_what_cannot_be_answered(known: _Body) -> None:
    """Fields whose effect an answer could not show are refused: passing over them in silence would be a wrong answer."""
    if known.n is not None and known.n > 1:
        raise RequestError("Only one answer is given to a request.", "Leave `n` out or set it to 1.", param="n", code="unsupported_value")
    for name, asked in (("tools", known.tools), ("functions", known.functions), ("logprobs", known.logprobs)):
        if asked:
            raise RequestError(f"`{name}` is not supported yet.", f"Leave `{name}` out.", param=name, code="unsupported_parameter")
    if known.modalities not in (None, [], ["text"]):
        raise RequestError("Answers are text only.", 'Leave `modalities` out or set it to ["text"].', param="modalities", code="unsupported_value")


def _text(message: _Message, where: str) -> str:
    """The text of a message; parts of other kinds stay in the raw message."""
    match message.content:
        case str(text):
            return text
        case None:
            if message.role == "assistant":
                return ""
            raise RequestError(f"`{where}.content` is missing.", param=f"{where}.content", code="invalid_type")
        case parts:
            return "".join(_part_text(part, f"{where}.content[{place}]") for place, part in enumerate(parts))


def _part_text(part: Mapping[str, Any], where: str) -> str:
    match part:
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "text"}:
            raise RequestError(f"`{where}.text` is not a string.", param=f"{where}.text", code="invalid_type")
        case {"type": str()}:
            return ""
    raise RequestError(f"`{where}.type` is missing.", param=f"{where}.type", code="invalid_type")


def _explained(problem: str) -> RequestError:
    """msgspec's message, with its path taken as the name of the field."""
    path = _PATH.search(problem)
    param = path[1] if path else ""
    if missing := _MISSING.search(problem):
        param = f"{param}.{missing[1]}".lstrip(".")
    what = _PATH.sub("", problem)
    what = (f"`{param}`: {what}" if param else what)[:EXPLANATION_CHARS_MAX]
    return RequestError(f"The request is not valid. {what}.", param=param or None, code="missing_field" if missing else "invalid_value")

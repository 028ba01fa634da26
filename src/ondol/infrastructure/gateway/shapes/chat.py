"""OpenAI's chat completions: requests read, whole answers let out. Streams are in `chat_stream`."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from ondol.core.errors import RequestError, UpstreamError
from ondol.infrastructure.gateway.shapes.base import Asked, Json, PartsSpot, Spot, Told
from ondol.infrastructure.gateway.shapes.body import check_model, explained, invalid, keep_known
from ondol.infrastructure.gateway.shapes.extension import Extension, take_extension
from ondol.infrastructure.gateway.shapes.fields import JsonSpot, add_fields, add_media_fields, add_name, add_rest
from ondol.infrastructure.gateway.shapes.letting import Letting, TextOut
from ondol.infrastructure.gateway.shapes.logprobs import Spelled
from ondol.infrastructure.gateway.shapes.sse import DONE, event
from ondol.infrastructure.gateway.shapes.words import FINISHED, dress_head, figures, mark, reason
from ondol.infrastructure.serving.types import ChatRequest, Message, Usage

MESSAGES_MAX = 2_048
PARTS_MAX = 256
TEXT_CHARACTERS_MAX = 1_000_000
TOKENS_MAX = 2**31 - 1
CHOICES_MAX = 128
TOOLS_MAX = 512
STOP_CHARACTERS_MAX = 256
"""The longest stop sequence that an answer repeats."""
PICTURE_TOKENS = 1_105
"""What a picture counts for in an estimate: OpenAI's high detail at 1024 x 1024 is 765, at 2048 x 1024 1,105."""
BYTES_PER_FILE_TOKEN = 4
BYTES_PER_SOUND_TOKEN = 1_600
"""Base64 of 16 kHz, 16 bit sound at ten tokens a second is 4,267 bytes a token; compressed sound has less, so the estimate errs high."""

MEDIA = frozenset({"image_url", "input_audio", "file", "video_url", "audio_url", "image_embeds", "audio_embeds"})
"""Kinds of parts that hold no text."""
READ = frozenset({"model", "messages", "stream", "stream_options", "prediction", "logit_bias", "ondol"})
"""Fields that are read elsewhere or hold no text."""
_MESSAGE = frozenset({"role", "content", "name", "tool_calls", "function_call", "tool_call_id", "refusal", "reasoning_content", "reasoning"})
_PART = frozenset({"type", "text", "refusal"})

_Tokens = Annotated[int, msgspec.Meta(ge=1, le=TOKENS_MAX)]
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
TEXTS = ("content", "refusal", "reasoning_content", "reasoning")
"""Fields of a message that people or programs read. The two last are how other servers call a model's reasoning."""


TOP = frozenset({"id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier", "ondol"})
CHOICE = frozenset({"index", "message", "finish_reason", "logprobs", "stop_reason"})
CALLS = frozenset({"function", "custom"})
AUDIO = frozenset({"id", "data", "transcript"})
PIECE = frozenset({"index", "delta", "finish_reason", "logprobs"})
SAID = frozenset({*TEXTS, "role", "tool_calls", "function_call", "annotations", "audio"})
"""What answers hold that is known here. The rest is text that nobody looks at piece by piece, so it does not go out."""


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Named(msgspec.Struct):
    schema: dict[str, Any] | None = None


class _Format(msgspec.Struct):
    type: str
    json_schema: _Named | None = None


class _Body(msgspec.Struct):
    model: str
    messages: Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1, max_length=MESSAGES_MAX)]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: _Tokens | None = None
    max_completion_tokens: _Tokens | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=CHOICES_MAX)] | None = None
    tools: Annotated[list[dict[str, Any]], msgspec.Meta(max_length=TOOLS_MAX)] | None = None
    functions: Annotated[list[dict[str, Any]], msgspec.Meta(max_length=TOOLS_MAX)] | None = None
    response_format: _Format | None = None
    ondol: Extension | None = None


def read_chat(body: Json) -> Asked:
    """Understand a request.

    Raises:
        RequestError: with `param` set to the offending field, such as ``messages[2].content``.
    """
    try:
        known = msgspec.convert(body, _Body)
    except msgspec.ValidationError as error:
        raise explained(str(error)) from None
    spots: list[Spot] = []
    asked = Asked("chat", check_model(known.model), body, spots)
    for place, message in enumerate(body["messages"]):  # not those of `known`, which are copies: what is masked must be masked where it goes on
        _read_message(message, place, asked)
    prediction = body.get("prediction")
    if isinstance(prediction, dict):  # what the caller thinks that the answer will be
        _read_message({"role": "user", "content": prediction.get("content")}, len(known.messages), asked)
        if isinstance(prediction.get("content"), str):
            asked.spots[-1] = Spot("user", prediction["content"], prediction, "content")
    add_fields(asked, READ)
    if sum(len(spot.text) for spot in spots) > TEXT_CHARACTERS_MAX:
        raise RequestError(
            f"The messages hold more than {TEXT_CHARACTERS_MAX} characters.", "Send less text.", param="messages", code="text_too_long"
        )
    asked.stream = bool(known.stream)
    if asked.stream and body.get("modalities") not in (None, [], ["text"]):
        raise RequestError(
            "Sound is not streamed: what is said in it is looked at as a whole.", "Leave `stream` out.", param="modalities", code="unsupported_value"
        )
    asked.include_usage = bool(known.stream_options and known.stream_options.include_usage)
    asked.output_tokens_max = known.max_completion_tokens or known.max_tokens
    asked.choices = known.n or 1
    asked.tools = [*(known.tools or ()), *({"type": "function", "function": each} for each in known.functions or ())]
    take_extension(asked, known.ondol)
    if known.response_format is not None:
        asked.schema = _schema(known.response_format)
    asked.conversation = next((spot.text[:1_000] for spot in spots if spot.role == "user"), "")
    return asked


def _schema(told: _Format) -> Mapping[str, Any] | None:
    if told.type == "json_schema":
        if told.json_schema is None or told.json_schema.schema is None:
            raise invalid("response_format.json_schema", "has no `schema`")
        return told.json_schema.schema
    return {} if told.type == "json_object" else None


def _read_message(message: Json, place: int, asked: Asked) -> None:
    """The texts of one message, and what else it weighs."""
    role: Any = message.get("role")
    if str(role) not in _ROLES:
        raise invalid(f"messages[{place}].role", f"is not one of {', '.join(sorted(_ROLES))}")
    known: Literal["system", "developer", "user", "assistant", "tool"] = "tool" if role == "function" else role
    content = message.get("content")
    if isinstance(content, str):
        asked.spots.append(Spot(known, content, message, "content"))
    elif isinstance(content, list):
        _read_parts(content, known, f"messages[{place}].content", asked)
    elif content is not None or known != "assistant":
        what = "is missing" if content is None else "is neither a string nor a list"
        raise invalid(f"messages[{place}].content", what)
    if known == "assistant":
        for call, field in _calls_of(message, f"messages[{place}]"):
            asked.spots.append(Spot("assistant", call[field], call, field))
            add_name(asked, call)
        for name in TEXTS[1:]:
            text = message.get(name)
            if isinstance(text, str) and text:
                asked.spots.append(Spot("assistant", text, message, name))
    add_name(asked, message)
    add_rest(asked, message, _MESSAGE)


def _read_parts(parts: list[Any], role: Any, where: str, asked: Asked) -> None:
    if len(parts) > PARTS_MAX:
        raise invalid(where, f"has more than {PARTS_MAX} parts")
    texts: list[Json] = []
    for place, part in enumerate(parts):
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            texts.append(part)  # whatever it calls itself: servers and translations take its text for one
        elif isinstance(part, dict) and part.get("type") == "text":
            raise invalid(f"{where}[{place}].text", "is not a string")
        match part:
            case {"type": "text"}:
                add_rest(asked, part, _PART)
            case {"type": "refusal", "refusal": str(text)}:
                asked.spots.append(Spot(role, text, part, "refusal"))
            case {"type": str(kind)} if kind in MEDIA:
                asked.add_media(part, _media_tokens(part))
                add_media_fields(asked, part, kind)
            case {"type": str()}:
                asked.spots.append(JsonSpot(role, parts, place))
            case _:
                raise invalid(f"{where}[{place}].type", "is missing")
    if texts:
        asked.spots.append(PartsSpot(role, parts, texts))


def _media_tokens(part: Json) -> int:
    match part:
        case {"type": "input_audio"}:
            return _sound_tokens(part)
        case {"type": "file", "file": {"file_data": str(data)}}:
            return len(data) // BYTES_PER_FILE_TOKEN + 1
    return PICTURE_TOKENS


def _sound_tokens(part: Json) -> int:
    sound = part.get("input_audio")
    data = sound.get("data") if isinstance(sound, dict) else None
    return len(data) // BYTES_PER_SOUND_TOKEN + 1 if isinstance(data, str) else PICTURE_TOKENS


def _calls_of(message: Json, where: str) -> list[tuple[Json, str]]:
    """What an earlier answer called, and under which name each holds its arguments."""
    calls = message.get("tool_calls")
    found: list[tuple[Json, str]] = []
    if calls is not None and not isinstance(calls, list):
        raise invalid(f"{where}.tool_calls", "is not a list")
    for place, call in enumerate(calls or ()):
        function = call.get("function") if isinstance(call, dict) else None
        custom = call.get("custom") if isinstance(call, dict) else None
        if isinstance(custom, dict) and isinstance(custom.get("input"), str):
            found.append((custom, "input"))
        if isinstance(call, dict) and function is None:
            continue
        if not isinstance(function, dict) or not isinstance(function.get("arguments"), str):
            raise invalid(f"{where}.tool_calls[{place}].function.arguments", "is not a string")
        found.append((function, "arguments"))
    old = message.get("function_call")
    if isinstance(old, dict) and isinstance(old.get("arguments"), str):
        found.append((old, "arguments"))
    return found


def chat_id(request_id: uuid.UUID) -> str:
    """The answer's id: the request's, in OpenAI's dress."""
    return f"chatcmpl-{request_id.hex}"


def chat_request(asked: Asked, request_id: uuid.UUID) -> ChatRequest:
    """The request as assistants take it.

    Raises:
        RequestError: for what an assistant cannot answer.
    """
    body = asked.body
    for name in ("tools", "functions", "logprobs"):
        if body.get(name):
            raise RequestError(f"Assistants do not know `{name}`.", f"Leave `{name}` out.", param=name, code="unsupported_parameter")
    if asked.choices > 1:
        raise RequestError("Assistants give one answer to a request.", "Leave `n` out.", param="n", code="unsupported_value")
    if body.get("modalities") not in (None, [], ["text"]):
        raise RequestError("Assistants answer in text.", "Leave `modalities` out.", param="modalities", code="unsupported_value")
    messages = tuple(Message(spot.role, spot.text) for spot in asked.spots if spot.role != "field" and not isinstance(spot, JsonSpot))
    return ChatRequest(
        request_id, asked.model, messages, asked.stream, asked.output_tokens_max, body.get("temperature"), thread=asked.thread, cached=asked.cached
    )


def usage_of_chat(answer: Json) -> Usage | None:
    """The usage of a whole answer."""
    return chat_usage(answer.get("usage"))


def put_chat_usage(answer: Json, usage: Usage) -> None:
    """Write the usage that counts: the upstream's own fields stay where it is the upstream's."""
    if usage.estimated or not isinstance(answer.get("usage"), dict):
        answer["usage"] = told_usage(usage)
    else:
        answer["usage"] = figures(answer["usage"])
        answer["usage"].pop("estimated", None)


def text_of_chat(answer: Json) -> str:
    """What people read of a whole answer."""
    contents = [choice["message"].get("content") for choice in answer.get("choices") or () if isinstance(choice.get("message"), dict)]
    return "\n\n".join(content for content in contents if isinstance(content, str))


def chat_refusal(told: Told, text: str, usage: Usage, extension: Json) -> Json:
    """A whole answer that says why there is none."""
    message: Json = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    answer = {
        "id": told.id,
        "object": "chat.completion",
        "created": told.created_unix_s,
        "model": told.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "content_filter"}],
        "usage": told_usage(usage),
    }
    return {**answer, "ondol": extension} if extension else answer


def chat_refusal_stream(asked: Asked, told: Told, text: str, usage: Usage, extension: Json) -> bytes:
    """The same as events."""
    head: Json = {"id": told.id, "object": "chat.completion.chunk", "created": told.created_unix_s, "model": told.model}
    more: Json = {"usage": None} if asked.include_usage else {}
    first = {"index": 0, "delta": {"role": "assistant", "content": text}, "logprobs": None, "finish_reason": None}
    last = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "content_filter"}
    pieces = [event({**head, "choices": [first], **more}), event({**head, "choices": [last], **more, **({"ondol": extension} if extension else {})})]
    if asked.include_usage:
        pieces.append(event({**head, "choices": [], "usage": told_usage(usage)}))
    pieces.append(DONE)
    return b"".join(pieces)


def chat_usage(usage: Any) -> Usage | None:
    """The usage that an upstream told; None when it is none at all."""
    if type(usage) is not dict:
        return None
    input_tokens, output_tokens = usage.get("prompt_tokens"), usage.get("completion_tokens", 0)  # embeddings have no output
    if type(input_tokens) is not int or type(output_tokens) is not int:
        return None
    of_input, of_output = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    if not (of_input or of_output or "estimated" in usage):
        return Usage(input_tokens, output_tokens) if 0 <= input_tokens <= TOKENS_MAX and 0 <= output_tokens <= TOKENS_MAX else None
    cached = _detail(usage, "prompt_tokens_details", "cached_tokens")
    written = _detail(usage, "prompt_tokens_details", "cache_write_tokens")
    reasoning = _detail(usage, "completion_tokens_details", "reasoning_tokens")
    counts = (input_tokens, output_tokens, cached, written, reasoning)
    if (
        any(type(count) is not int or not 0 <= count <= TOKENS_MAX for count in counts)
        or cached + written > input_tokens
        or reasoning > output_tokens
    ):
        return None
    estimated = usage.get("estimated") is True  # said by assistants of ours, whose model told nothing
    return Usage(input_tokens, output_tokens, estimated, cached_tokens=cached, cache_write_tokens=written, reasoning_tokens=reasoning)


def _detail(usage: Json, group: str, name: str) -> Any:
    details = usage.get(group)
    return (details.get(name) or 0) if isinstance(details, dict) else 0


def told_usage(usage: Usage) -> Json:
    """Usage as OpenAI writes it."""
    told: Json = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
    if usage.cached_tokens:
        told["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    if usage.reasoning_tokens:
        told["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return told


def let_chat(answer: Json, told: Told, letting: Letting) -> None:
    """Let a whole answer out through the guard, in place.

    Raises:
        UpstreamError: when it is not of the shape.
    """
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices:
        raise chat_garbage("no choices")
    keep_known(answer, TOP)
    for place, choice in enumerate(choices):
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(message, dict):
            raise chat_garbage("a choice without a message")
        keep_known(choice, CHOICE)
        keep_known(message, SAID)
        _tidy(choice, message, place, letting.choice(place))
        _let_message(choice, message, letting.choice(place))
    answer["id"] = told.id
    answer["model"] = told.model
    dress_head(answer, "chat.completion", told.created_unix_s)


def _tidy(choice: Json, message: Json, place: int, texts: TextOut) -> None:
    """The short strings of a choice."""
    choice["index"] = place
    choice["finish_reason"] = reason(choice.get("finish_reason"), FINISHED, "stop")
    if "stop_reason" in choice:
        choice["stop_reason"] = stopped_at(choice["stop_reason"], texts)
    if choice.get("logprobs") is not None:
        choice["logprobs"] = _let_logprobs(choice["logprobs"], texts)
    if "role" in message:
        message["role"] = "assistant"
    audio = message.get("audio")
    if isinstance(audio, dict):
        keep_known(audio, AUDIO)
        audio["id"] = mark(audio.get("id"), "audio_")
    elif audio is not None:
        message["audio"] = None


def _let_logprobs(told: Any, texts: TextOut) -> Json | None:
    """Log probabilities whose tokens the guard has read."""
    entries = told.get("content") if isinstance(told, dict) else None
    if not isinstance(entries, list) or not all(isinstance(item, dict) for item in entries):
        return None
    let = Spelled(texts.lets).entries(entries)
    return {"content": let, "refusal": None} if let else None


def stopped_at(told: Any, texts: TextOut) -> Any:
    """The sequence at which a server says that it stopped, a text, or the number of a token; None where the guard has something against it."""
    if type(told) is int:
        return told
    return told if type(told) is str and len(told) <= STOP_CHARACTERS_MAX and texts.annotations([told]) else None


def _let_message(choice: Json, message: Json, texts: TextOut) -> None:
    withheld = False
    changed = False
    for name in TEXTS:
        text = _text_at(message, name)
        if not text:
            if message.get(name):
                message[name] = ""  # parts that hold no text
            continue
        out = texts.whole(name, text)
        message[name] = out.text
        changed = changed or out.changed
        withheld = withheld or out.withheld
    withheld = not _let_audio(message, texts) or withheld
    old = message.get("function_call")
    if old is not None and (withheld or not _let_call({"function": old}, texts, 0)):
        del message["function_call"]
        withheld = True
    calls = message.get("tool_calls")
    if calls:
        if not isinstance(calls, list):
            raise chat_garbage("`tool_calls` is not a list")
        message["tool_calls"] = kept = [] if withheld else [call for place, call in enumerate(calls) if _let_call(call, texts, place)]
        withheld = withheld or len(kept) < len(calls)
        if not kept:
            del message["tool_calls"]
    if texts.refused:
        message["content"] = "\n\n".join(filter(None, (message.get("content"), *texts.refused)))
    if changed or message.get("annotations"):  # places in a changed text hold no longer
        message["annotations"] = [] if changed else texts.annotations(message["annotations"])
    if changed:
        choice["logprobs"] = None
    if withheld:
        choice["logprobs"] = None
        choice["finish_reason"] = "content_filter"


def _let_audio(message: Json, texts: TextOut) -> bool:
    """Whether the sound of a message goes out, if it has any: it cannot be edited."""
    audio = message.get("audio")
    if not isinstance(audio, dict):
        return True
    out = texts.whole("audio", str(audio.get("transcript") or ""))
    if not out.changed and not out.withheld:
        return True
    message["audio"] = None
    return False


def _text_at(message: Json, name: str) -> str:
    text = message.get(name) or ""
    if isinstance(text, list):  # some servers answer in parts
        return "".join(part["text"] for part in text if isinstance(part, dict) and isinstance(part.get("text"), str))
    if not isinstance(text, str):
        raise chat_garbage(f"`{name}` is not text")
    return text


def _let_call(call: Any, texts: TextOut, place: int) -> bool:
    """Whether a call goes out; its arguments are as they may be."""
    function = call.get("function") if isinstance(call, dict) else None
    custom = call.get("custom") if isinstance(call, dict) else None
    holder, field = (function, "arguments") if isinstance(function, dict) else (custom, "input")
    if not isinstance(holder, dict):
        raise chat_garbage("a call of a tool without a function")
    name, arguments = holder.get("name"), holder.get(field)
    if not isinstance(name, str) or not isinstance(arguments, str):
        raise chat_garbage("a call of a tool without a name or arguments")
    result = texts.call(place, name, arguments)
    if result is None:
        return False
    _keep_read(call, ("id", "index", "type", "function" if holder is function else "custom"), texts)
    _keep_read(holder, ("name", field), texts)
    if "id" in call:
        call["id"] = mark(call["id"], "call_")
    if "type" in call:
        call["type"] = "function" if holder is function else "custom"
    if type(call.get("index", 0)) is not int:
        del call["index"]
    holder["name"], holder[field] = result
    return True


def _keep_read(holder: Json, read: tuple[str, ...], texts: TextOut) -> None:
    """Of what stands beside what was read, such as a signature, that which the guard has nothing against."""
    if not holder.keys() <= set(read):
        beside = {name: value for name, value in holder.items() if name not in read}
        if beside and not texts.annotations([beside]):
            for name in beside:
                del holder[name]


def chat_garbage(what: str) -> UpstreamError:
    """An answer that is not of the shape."""
    return UpstreamError(f"The model provider's answer cannot be understood: {what}.", code="upstream_garbage")

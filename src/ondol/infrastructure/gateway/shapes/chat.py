"""OpenAI's chat completions: requests read, whole answers and streams let out."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from ondol.core.errors import RequestError, UpstreamError
from ondol.infrastructure.gateway.errors import answer_to
from ondol.infrastructure.gateway.shapes.base import Asked, Json, PartsSpot, ProgressFrame, Shape, Spot, Told
from ondol.infrastructure.gateway.shapes.body import check_model, explained, extension_of, invalid, objects
from ondol.infrastructure.gateway.shapes.letting import Letting, TextOut
from ondol.infrastructure.gateway.shapes.logprobs import Faithful, Waiting
from ondol.infrastructure.gateway.shapes.sse import DONE, event
from ondol.infrastructure.serving.types import ChatRequest, Frame, Message, Usage

MESSAGES_MAX = 2_048
PARTS_MAX = 256
TEXT_CHARACTERS_MAX = 1_000_000
TOKENS_MAX = 2**31 - 1
CHOICES_MAX = 128
TOOLS_MAX = 512
PICTURE_TOKENS = 1_105
"""What a picture counts for in an estimate: OpenAI's high detail at 1024 x 1024 is 765, at 2048 x 1024 1,105."""
BYTES_PER_SOUND_TOKEN = 1_600
"""Base64 of 16 kHz, 16 bit sound at ten tokens a second is 4,267 bytes a token; compressed sound has less, so the estimate errs high."""

_Tokens = Annotated[int, msgspec.Meta(ge=1, le=TOKENS_MAX)]
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_TEXTS = ("content", "refusal", "reasoning_content", "reasoning")
"""Fields of a message that people or programs read. The two last are how other servers call a model's reasoning."""


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Extension(msgspec.Struct):
    progress: bool | None = None


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
    ondol: _Extension | None = None


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
    asked.progress = bool(known.ondol and known.ondol.progress)
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
    role = message.get("role")
    if role not in _ROLES:
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
        for name in _TEXTS[1:]:
            text = message.get(name)
            if isinstance(text, str) and text:
                asked.spots.append(Spot("assistant", text, message, name))


def _read_parts(parts: list[Any], role: Any, where: str, asked: Asked) -> None:
    if len(parts) > PARTS_MAX:
        raise invalid(where, f"has more than {PARTS_MAX} parts")
    texts: list[Json] = []
    for place, part in enumerate(parts):
        match part:
            case {"type": "text", "text": str()}:
                texts.append(part)
            case {"type": "refusal", "refusal": str(text)}:
                asked.spots.append(Spot(role, text, part, "refusal"))
            case {"type": "text"}:
                raise invalid(f"{where}[{place}].text", "is not a string")
            case {"type": "input_audio"}:
                asked.media_tokens += _sound_tokens(part)
            case {"type": str()}:
                asked.media_tokens += PICTURE_TOKENS
            case _:
                raise invalid(f"{where}[{place}].type", "is missing")
    if texts:
        asked.spots.append(PartsSpot(role, parts, texts))


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
        if isinstance(call, dict) and function is None:
            custom = call.get("custom")
            if isinstance(custom, dict) and isinstance(custom.get("input"), str):
                found.append((custom, "input"))
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
    messages = tuple(Message(spot.role, spot.text) for spot in asked.spots)
    return ChatRequest(request_id, asked.model, messages, asked.stream, asked.output_tokens_max, body.get("temperature"))


def usage_of_chat(answer: Json) -> Usage | None:
    """The usage of a whole answer."""
    return chat_usage(answer.get("usage"))


def put_chat_usage(answer: Json, usage: Usage) -> None:
    """Write the usage that counts: the upstream's own fields stay where it is the upstream's."""
    if usage.estimated or not isinstance(answer.get("usage"), dict):
        answer["usage"] = told_usage(usage)
    else:
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
    if not isinstance(usage, dict):
        return None
    match usage:
        case {"prompt_tokens": int(input_tokens), **rest}:
            output_tokens = rest.get("completion_tokens", 0)  # embeddings have none
        case _:
            return None
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
        raise _garbage("no choices")
    for place, choice in enumerate(choices):
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(message, dict):
            raise _garbage("a choice without a message")
        _let_message(choice, message, letting.choice(place))
    answer["id"] = told.id
    answer["model"] = told.model
    if not answer.get("created"):
        answer["created"] = told.created_unix_s


def _let_message(choice: Json, message: Json, texts: TextOut) -> None:
    withheld = False
    changed = False
    for name in _TEXTS:
        text = _text_at(message, name)
        if not text:
            continue
        out = texts.whole(name, text)
        message[name] = out.text
        changed = changed or out.changed
        withheld = withheld or out.withheld
    audio = message.get("audio")
    if isinstance(audio, dict):
        out = texts.whole("audio", str(audio.get("transcript") or ""))
        if out.changed or out.withheld:  # sound cannot be edited
            message["audio"] = None
            withheld = True
    calls = message.get("tool_calls")
    if calls:
        if not isinstance(calls, list):
            raise _garbage("`tool_calls` is not a list")
        message["tool_calls"] = kept = [] if withheld else [call for place, call in enumerate(calls) if _let_call(call, texts, place)]
        if texts.refused:
            message["content"] = "\n\n".join(filter(None, (message.get("content"), *texts.refused)))
        withheld = withheld or len(kept) < len(calls)
        if not kept:
            del message["tool_calls"]
    if changed or message.get("annotations"):  # places in a changed text hold no longer
        message["annotations"] = [] if changed else texts.annotations(message["annotations"])
    if changed:
        choice["logprobs"] = None
    if withheld:
        choice["logprobs"] = None
        choice["finish_reason"] = "content_filter"


def _text_at(message: Json, name: str) -> str:
    text = message.get(name) or ""
    if isinstance(text, list):  # some servers answer in parts
        return "".join(part["text"] for part in text if isinstance(part, dict) and isinstance(part.get("text"), str))
    if not isinstance(text, str):
        raise _garbage(f"`{name}` is not text")
    return text


def _let_call(call: Any, texts: TextOut, place: int) -> bool:
    """Whether a call goes out; its arguments are as they may be."""
    function = call.get("function") if isinstance(call, dict) else None
    custom = call.get("custom") if isinstance(call, dict) else None
    holder, field = (function, "arguments") if isinstance(function, dict) else (custom, "input")
    if not isinstance(holder, dict):
        raise _garbage("a call of a tool without a function")
    name, arguments = holder.get("name"), holder.get(field)
    if not isinstance(name, str) or not isinstance(arguments, str):
        raise _garbage("a call of a tool without a name or arguments")
    result = texts.call(place, name, arguments)
    if result is None:
        return False
    holder["name"], holder[field] = result
    return True


class ChatStream:
    """Writes a streamed answer; a `StreamWriter`.

    Args:
        choices: how many were asked for.
        include_usage: the caller asked for a usage chunk; all others then carry ``"usage": null``, as OpenAI documents.
        progress: the caller asked for chunks with ``ondol.stage``.
    """

    def __init__(self, told: Told, letting: Letting, *, choices: int = 1, include_usage: bool = False, progress: bool = False) -> None:
        self.usage: Usage | None = None
        self._told = told
        self._letting = letting
        self._choices: dict[int, _Choice] = {}
        self._wanted = choices
        self._include_usage = include_usage
        self._progress = progress
        self._ending: list[Json] = []
        self._extension: Json = {}
        self._done = 0
        self._cut = 0

    @property
    def stopped(self) -> bool:
        """The guard ended every choice."""
        return self._cut >= self._wanted

    @property
    def finished(self) -> bool:
        """Every choice that began has ended."""
        return bool(self._choices) and self._done >= len(self._choices)

    def take(self, frames: Sequence[Frame]) -> bytes:
        """What of these frames goes out now."""
        if len(frames) == 1:
            return self._take(frames[0])
        return b"".join([self._take(frame) for frame in frames])

    def finish(self, usage: Usage, extension: Json) -> bytes:
        """The last chunks and the end mark."""
        if self._ending:
            extension = {**self._extension, **extension}
            if extension:
                self._ending[-1]["ondol"] = extension
        pieces = [event(chunk) for chunk in self._ending]
        if self._include_usage:
            pieces.append(event(self._chunk([], {"usage": told_usage(usage)})))
        pieces.append(DONE)
        return b"".join(pieces)

    def _take(self, frame: Frame) -> bytes:
        if isinstance(frame, ProgressFrame):
            return self._told_progress(frame)
        data = frame.data
        if data.get("error") is not None:
            raise UpstreamError("The model provider failed in the middle of its answer.", "Try again.", code="upstream_failed")
        if data.get("usage") is not None:
            self.usage = chat_usage(data["usage"]) or self.usage
        if "ondol" in data:
            self._extension = extension_of(data.pop("ondol"))
        choices = data.get("choices")
        if not choices:
            return b""
        if not isinstance(choices, list):
            raise _garbage("`choices` is not a list")
        going: list[Json] = []
        for choice in choices:
            if not isinstance(choice, dict):
                raise _garbage("a choice is not an object")
            going += self._let(choice)
        if not going:
            return b""
        data["choices"] = going
        return event(self._dressed(data))

    def _let(self, choice: Json) -> list[Json]:
        """What of a choice's piece goes out now; its end is kept for `finish`."""
        index = choice.get("index", 0)
        if type(index) is not int or not 0 <= index < CHOICES_MAX:
            raise _garbage("a choice has an impossible index")
        known = self._choices.get(index)
        if known is None:
            known = self._choices[index] = _Choice(self._letting.choice(index))
        if known.done:
            return []
        delta = choice.get("delta")
        if delta is None:
            delta = choice["delta"] = {}
        if not isinstance(delta, dict):
            raise _garbage("a delta is not an object")
        reason = choice.get("finish_reason")
        goes = known.take(delta, choice, is_last=bool(reason))
        if known.texts.stopped:
            known.cut()
            self._cut += 1
            reason = "content_filter"
        going = [choice] if goes else []
        if reason:
            known.done = True
            self._done += 1
            withheld = known.texts.withheld
            if goes:
                choice["finish_reason"] = None
            last = {"index": index, "delta": known.last_delta(), "logprobs": None, "finish_reason": "content_filter" if withheld else str(reason)}
            if not withheld and isinstance(choice.get("stop_reason"), str | int):
                last["stop_reason"] = choice["stop_reason"]  # vLLM says which stop sequence it was
            self._ending.append(self._chunk([last]))
        return going

    def _told_progress(self, frame: ProgressFrame) -> bytes:
        comment = f": {frame.stage}\n\n".encode()
        if not self._progress:
            return comment
        return comment + event(self._chunk([{"index": 0, "delta": {}, "logprobs": None, "finish_reason": None}], {"ondol": {"stage": frame.stage}}))

    def _dressed(self, data: Json) -> Json:
        data["id"] = self._told.id
        data["model"] = self._told.model
        if not data.get("created"):
            data["created"] = self._told.created_unix_s
        if self._include_usage:
            data["usage"] = None
        elif "usage" in data:
            del data["usage"]
        return data

    def _chunk(self, choices: list[Json], more: Mapping[str, Any] | None = None) -> Json:
        told = self._told
        chunk = {"id": told.id, "object": "chat.completion.chunk", "created": told.created_unix_s, "model": told.model, "choices": choices}
        if self._include_usage:
            chunk["usage"] = None
        return {**chunk, **more} if more else chunk


class _Call:
    """One call of a tool in a stream."""

    __slots__ = ("id", "index", "out", "sent", "type")

    def __init__(self, index: int, out: Any, call_id: str, kind: str) -> None:
        self.index = index
        self.out = out
        self.id = call_id
        self.type = kind
        self.sent = False


class _Choice:
    """One choice of a stream: what of its texts and calls went out."""

    def __init__(self, texts: TextOut) -> None:
        self.texts = texts
        self.done = False
        self._calls: dict[int, _Call] = {}
        self._order: list[_Call] = []
        self._faithful: Faithful | None = None
        self._logprobs: Waiting | None = None
        self._has_text = False
        self._told_text = False
        self._annotations: list[Any] = []
        self._rest = ""

    def take(self, delta: Json, choice: Json, *, is_last: bool) -> bool:
        """Let a piece out in place; whether anything of it is left to send."""
        logprobs = choice.get("logprobs")
        if logprobs is not None and self._logprobs is None and not self._told_text:
            self._faithful = Faithful()
            self._logprobs = Waiting(self._faithful)
        content = delta.get("content")
        for name in _TEXTS:
            text = delta.get(name)
            if text is None:
                continue
            if not isinstance(text, str):
                raise _garbage(f"`{name}` is not text")
            if text:
                out = self.texts.push(name, text)
                if name == "content":
                    self._told_text = True
                    self._went(text, out)
                if out:
                    delta[name] = out
                else:
                    del delta[name]
        delta.pop("audio", None)  # sound in pieces was not asked for, and cannot be looked at
        calls = delta.pop("tool_calls", None)
        sends = self._take_calls(calls) if calls else []
        if delta.get("annotations"):
            self._annotations += objects(delta.pop("annotations"), "annotations")  # they speak of the whole text
        if is_last:
            self._end(delta, sends)
        if sends:
            delta["tool_calls"] = sends
        if logprobs is not None or self._logprobs:
            choice["logprobs"] = self._let_logprobs(logprobs, content or "", is_last=is_last)
        return bool(delta) or choice.get("logprobs") is not None

    def _went(self, text: str, out: str) -> None:
        self._has_text = self._has_text or bool(out)
        if self._faithful is not None:
            self._faithful.wrote(text)
            self._faithful.went(out)

    def cut(self) -> None:
        """Forget what will not go out."""
        self._logprobs = None
        self._calls.clear()

    def last_delta(self) -> Json:
        """What the last chunk carries: annotations, unless their places hold no longer."""
        annotations = self.texts.annotations(self._annotations) if self._annotations and not self.texts.changed else []
        return {"annotations": annotations} if annotations else {}

    def _end(self, delta: Json, sends: list[Json]) -> None:
        for name in _TEXTS:
            rest = self.texts.finish(name)
            if rest:
                delta[name] = delta.get(name, "") + rest
                if name == "content":
                    self._went("", rest)
        for call in self._order:
            result = call.out.finish()
            if result.decision != "allow":
                continue
            if not call.sent:
                sends.append(_call_delta(call, result.name, result.rest))
            elif result.rest:
                sends.append({"index": call.index, "function": {"arguments": result.rest}})
        told = self.texts.told_of_calls([call.out for call in self._order])
        if told:
            before = delta.get("content", "")
            delta["content"] = f"{before}\n\n{told}" if before or self._has_text else told

    def _take_calls(self, calls: Any) -> list[Json]:
        if not isinstance(calls, list):
            raise _garbage("`tool_calls` is not a list")
        sends: list[Json] = []
        for piece in calls:
            if not isinstance(piece, dict):
                raise _garbage("a call of a tool is not an object")
            function = piece.get("function") or {}
            if not isinstance(function, dict):
                raise _garbage("a call of a tool has no function")
            call = self._call_of(piece)
            name, arguments = function.get("name") or "", function.get("arguments") or ""
            if not isinstance(name, str) or not isinstance(arguments, str):
                raise _garbage("a call of a tool has no text as its arguments")
            out = call.out.push("" if call.sent else name, arguments)
            if call.out.name and not call.sent:
                call.sent = True
                sends.append(_call_delta(call, call.out.name, out))
            elif out:
                sends.append({"index": call.index, "function": {"arguments": out}})
        return sends

    def _call_of(self, piece: Json) -> _Call:
        """The call that a piece belongs to. Another id under a known index begins another call: some servers number all of them 0."""
        index = piece.get("index", 0)
        if type(index) is not int or not 0 <= index < TOOLS_MAX:
            raise _garbage("a call of a tool has an impossible index")
        call_id = piece.get("id") or ""
        known = self._calls.get(index)
        if known is not None and (not call_id or call_id == known.id):
            return known
        if len(self._order) >= TOOLS_MAX:
            raise _garbage("too many calls of tools")
        taken = {call.index for call in self._order}
        own = index if index not in taken else max(taken) + 1
        call = _Call(own, self.texts.calling(own), str(call_id), str(piece.get("type") or "function"))
        self._calls[index] = call
        self._order.append(call)
        return call

    def _let_logprobs(self, told: Any, text: str, *, is_last: bool) -> Json | None:
        """Log probabilities of the tokens that went out word for word; none once the text was changed: they would tell what was there."""
        waiting = self._logprobs
        if waiting is None:
            return None
        entries = (told.get("content") or ()) if isinstance(told, dict) else ()
        if not isinstance(entries, list | tuple) or not all(isinstance(item, dict) for item in entries):
            raise _garbage("log probabilities are no list of objects")
        waiting.add(text, [(str(item.get("token", "")), item) for item in entries])
        is_whole = is_last and not self.texts.changed and not self.texts.withheld
        going = waiting.going(is_whole=is_whole)
        if is_last:
            waiting.clear()
        return {"content": going, "refusal": None} if going else None


def _call_delta(call: _Call, name: str, arguments: str) -> Json:
    return {"index": call.index, "id": call.id, "type": call.type, "function": {"name": name, "arguments": arguments}}


def _garbage(what: str) -> UpstreamError:
    return UpstreamError(f"The model provider's answer cannot be understood: {what}.", code="upstream_garbage")


def _stream(asked: Asked, told: Told, letting: Letting) -> ChatStream:
    return ChatStream(told, letting, choices=asked.choices, include_usage=asked.include_usage, progress=asked.progress)


CHAT = Shape(
    operation="chat",
    read=read_chat,
    answer_id=chat_id,
    let=let_chat,
    stream=_stream,
    usage=usage_of_chat,
    put_usage=put_chat_usage,
    text_of=text_of_chat,
    refusal=chat_refusal,
    refusal_stream=chat_refusal_stream,
    error=answer_to,
    chat_request=chat_request,
)
"""OpenAI's ``POST /v1/chat/completions``."""

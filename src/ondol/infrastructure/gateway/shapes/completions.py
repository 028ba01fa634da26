"""OpenAI's legacy completions: requests read, whole answers and streams let out."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from ondol.core.errors import RequestError, UpstreamError
from ondol.infrastructure.gateway.errors import answer_to
from ondol.infrastructure.gateway.shapes.base import Asked, Json, ProgressFrame, Shape, Spot, Told
from ondol.infrastructure.gateway.shapes.body import check_model, explained, keep_known
from ondol.infrastructure.gateway.shapes.chat import TOP, chat_usage, put_chat_usage, told_usage, usage_of_chat
from ondol.infrastructure.gateway.shapes.extension import Extension, take_extension
from ondol.infrastructure.gateway.shapes.fields import add_fields
from ondol.infrastructure.gateway.shapes.letting import CONTENT, Letting, TextOut
from ondol.infrastructure.gateway.shapes.logprobs import Faithful, Spelled, Waiting
from ondol.infrastructure.gateway.shapes.sse import DONE, event
from ondol.infrastructure.gateway.shapes.words import FINISHED, dress_head, reason, word
from ondol.infrastructure.serving.types import ChatRequest, Frame, Message, Usage

PROMPTS_MAX = 128
CHOICES_MAX = 128
TEXT_CHARACTERS_MAX = 1_000_000
TOKENS_MAX = 2**31 - 1
READ = frozenset({"model", "prompt", "suffix", "stream", "stream_options", "logit_bias", "ondol"})
"""Fields that are read elsewhere or hold no text."""
LOGPROBS = ("tokens", "token_logprobs", "top_logprobs", "text_offset")
"""The lists of log probabilities, one entry for each token."""


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Body(msgspec.Struct):
    model: str
    prompt: str | list[Any]
    suffix: str | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=0, le=TOKENS_MAX)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=CHOICES_MAX)] | None = None
    best_of: Annotated[int, msgspec.Meta(ge=1, le=CHOICES_MAX)] | None = None
    logprobs: Annotated[int, msgspec.Meta(ge=0, le=100)] | None = None
    echo: bool | None = None
    ondol: Extension | None = None


def read_completions(body: Json) -> Asked:
    """Understand a request.

    Raises:
        RequestError: with `param` set to the offending field, such as ``prompt[2]``.
    """
    try:
        known = msgspec.convert(body, _Body)
    except msgspec.ValidationError as error:
        raise explained(str(error)) from None
    asked = Asked("completions", check_model(known.model), body, texts_at(body, "prompt", PROMPTS_MAX))
    asked.independent = True
    prompts = len(asked.spots)
    if known.suffix:
        asked.spots.append(Spot("user", known.suffix, body, "suffix"))
    if body.get("prompt_embeds"):
        raise RequestError(
            "`prompt_embeds` holds no text, and a policy reads text only.", "Send text.", param="prompt_embeds", code="tokens_not_readable"
        )
    add_fields(asked, READ)
    if sum(len(spot.text) for spot in asked.spots) > TEXT_CHARACTERS_MAX:
        raise RequestError(f"The prompt holds more than {TEXT_CHARACTERS_MAX} characters.", "Send less text.", param="prompt", code="text_too_long")
    asked.stream = bool(known.stream)
    asked.include_usage = bool(known.stream_options and known.stream_options.include_usage)
    asked.output_tokens_max = known.max_tokens
    take_extension(asked, known.ondol)
    # All that is written is paid for, also what `best_of` throws away.
    asked.choices = max(known.n or 1, known.best_of or 1) * prompts
    asked.conversation = asked.spots[0].text[:1_000]
    return asked


def texts_at(body: Json, field: str, items_max: int) -> list[Spot]:
    """The texts of a field that holds a string or a list of strings, each looked at alone.

    Raises:
        RequestError: for tokens in their place, an empty list, or too many.
    """
    told = body[field]
    if isinstance(told, str):
        return [Spot("user", told, body, field)]
    if not isinstance(told, list) or not told:
        raise RequestError(f"`{field}` is neither a string nor a list of strings.", param=field, code="invalid_value")
    if len(told) > items_max:
        raise RequestError(f"`{field}` has more than {items_max} entries.", "Send several requests.", param=field, code="invalid_value")
    spots: list[Spot] = []
    for place, text in enumerate(told):
        if isinstance(text, int | list):
            hint = "Send text. With LangChain's OpenAIEmbeddings, set check_embedding_ctx_length=False." if field == "input" else "Send text."
            raise RequestError(f"`{field}` holds tokens, and a policy reads text only.", hint, param=field, code="tokens_not_readable")
        if not isinstance(text, str):
            raise RequestError(f"`{field}[{place}]` is not a string.", param=f"{field}[{place}]", code="invalid_value")
        spots.append(Spot("user", text, told, place))
    return spots


def completions_id(request_id: uuid.UUID) -> str:
    """The answer's id: the request's, in the shape's own dress."""
    return f"cmpl-{request_id.hex}"


def completions_chat_request(asked: Asked, request_id: uuid.UUID) -> ChatRequest:
    """The request as assistants take it: one prompt is what a person says.

    Raises:
        RequestError: for what an assistant cannot answer.
    """
    for name in ("suffix", "echo", "logprobs"):
        if asked.body.get(name):
            raise RequestError(f"Assistants do not know `{name}`.", f"Leave `{name}` out.", param=name, code="unsupported_parameter")
    if asked.choices > 1:
        name = "prompt" if len(asked.spots) > 1 else "n" if (asked.body.get("n") or 1) > 1 else "best_of"
        raise RequestError("Assistants give one answer to a request.", "Send one prompt.", param=name, code="unsupported_value")
    message = Message("user", asked.spots[0].text)
    return ChatRequest(
        request_id,
        asked.model,
        (message,),
        asked.stream,
        asked.output_tokens_max or None,
        asked.body.get("temperature"),
        thread=asked.thread,
        cached=asked.cached,
    )


def text_of_completions(answer: Json) -> str:
    """What people read of a whole answer."""
    return "\n\n".join(choice["text"] for choice in answer.get("choices") or ())


def completions_refusal(told: Told, text: str, usage: Usage, extension: Json) -> Json:
    """A whole answer that says why there is none."""
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": "content_filter"}
    answer = {**_head(told), "choices": [choice], "usage": told_usage(usage)}
    return {**answer, "ondol": extension} if extension else answer


def completions_refusal_stream(asked: Asked, told: Told, text: str, usage: Usage, extension: Json) -> bytes:
    """The same as events."""
    chunk = {**_head(told), "choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": "content_filter"}]}
    if extension:
        chunk["ondol"] = extension
    pieces = [event({**chunk, "usage": None} if asked.include_usage else chunk)]
    if asked.include_usage:
        pieces.append(event({**_head(told), "choices": [], "usage": told_usage(usage)}))
    return b"".join((*pieces, DONE))


def _head(told: Told) -> Json:
    return {"id": told.id, "object": "text_completion", "created": told.created_unix_s, "model": told.model}


def let_completions(answer: Json, told: Told, letting: Letting) -> None:
    """Let a whole answer out through the guard, in place.

    Raises:
        UpstreamError: when it is not of the shape.
    """
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices:
        raise _garbage("no choices")
    going: list[Json] = []
    for place, choice in enumerate(choices):
        if not isinstance(choice, dict) or not isinstance(choice.get("text"), str):
            raise _garbage("a choice without text")
        texts = letting.choice(place)
        out = texts.whole(CONTENT, choice["text"])
        ended = reason(choice.get("finish_reason"), FINISHED, "stop")
        let: Json = {"index": place, "text": out.text, "logprobs": choice.get("logprobs"), "finish_reason": ended}
        if out.withheld:
            let["finish_reason"] = "content_filter"
        if out.changed or out.withheld or not isinstance(let["logprobs"], dict):
            let["logprobs"] = None
        else:
            let["logprobs"] = _let_logprobs(_entries(let["logprobs"]), Spelled(texts.lets), texts)
        going.append(let)
    # Field by field: what else a choice may hold here, such as the prompt's tokens, is text that nobody looked at.
    keep_known(answer, TOP)
    answer["choices"] = going
    answer["id"] = told.id
    answer["model"] = told.model
    dress_head(answer, "text_completion", told.created_unix_s)


class _Choice:
    """One choice of a stream."""

    __slots__ = ("done", "faithful", "logprobs", "spelled", "texts")

    def __init__(self, texts: TextOut) -> None:
        self.texts = texts
        self.done = False
        self.faithful = Faithful()
        self.logprobs = Waiting(self.faithful)
        self.spelled = Spelled(texts.lets)

    def take(self, text: str, told: Any, *, is_last: bool) -> tuple[str, Json | None]:
        """What of a piece of text goes out now, and the log probabilities that may go with it."""
        self.faithful.wrote(text)
        if told is not None:
            self.logprobs.add(text, _entries(told))
        out = self.texts.push(CONTENT, text) if text else ""
        if is_last or self.texts.stopped:
            out += self.texts.finish(CONTENT)
        self.faithful.went(out)
        if not self.logprobs:
            return out, None
        is_whole = is_last and not self.texts.changed and not self.texts.withheld
        going = self.logprobs.going(is_whole=is_whole)
        if is_last:
            self.logprobs.clear()
        return out, _let_logprobs([(str(entry["tokens"]), entry) for entry in going], self.spelled, self.texts)


def _entries(told: Any) -> list[tuple[str, Any]]:
    """Log probabilities by token: each with its place in all lists."""
    tokens = told.get("tokens") if isinstance(told, dict) else None
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise _garbage("log probabilities without tokens")
    lists = {name: told.get(name) for name in LOGPROBS}
    return [
        (token, {name: values[place] if isinstance(values, list) and place < len(values) else None for name, values in lists.items()})
        for place, token in enumerate(tokens)
    ]


def _let_logprobs(entries: Sequence[tuple[str, Any]], spelled: Spelled, texts: TextOut) -> Json | None:
    """Log probabilities whose tokens the guard has read; without alternatives where it has something against them."""
    if not entries or not texts.lets("".join(token for token, _ in entries)):
        return None
    ranks = [list(entry["top_logprobs"]) if isinstance(entry["top_logprobs"], dict) else [] for _, entry in entries]
    told = [entry if each else {**entry, "top_logprobs": None} for (_, entry), each in zip(entries, ranks, strict=True)]
    return _logprobs(told if spelled.passes(ranks) else [{**entry, "top_logprobs": None} for entry in told])


def _logprobs(entries: Sequence[Any]) -> Json | None:
    return {name: [entry[name] for entry in entries] for name in LOGPROBS} if entries else None


class CompletionsStream:
    """Writes a streamed answer; a `StreamWriter`.

    Args:
        choices: how many were asked for.
        include_usage: the caller asked for a usage chunk; all others then carry ``"usage": null``.
    """

    def __init__(self, told: Told, letting: Letting, *, choices: int = 1, include_usage: bool = False) -> None:
        self.usage: Usage | None = None
        self._told = told
        self._letting = letting
        self._choices: dict[int, _Choice] = {}
        self._wanted = choices
        self._include_usage = include_usage
        self._ending: list[Json] = []
        self._extension: Json = {}
        self._cut = 0

    @property
    def stopped(self) -> bool:
        """The guard ended every choice."""
        return self._cut >= self._wanted

    @property
    def finished(self) -> bool:
        """Every choice that began has ended."""
        return bool(self._choices) and all(choice.done for choice in self._choices.values())

    def take(self, frames: Sequence[Frame]) -> bytes:
        """What of these frames goes out now."""
        return b"".join([self._take(frame) for frame in frames])

    def rest(self) -> bytes:
        """Nothing: a choice's text ends with its reason."""
        return b""

    def finish(self, usage: Usage, extension: Json) -> bytes:
        """The last chunks and the end mark."""
        extension = {**self._extension, **extension}
        if self._ending and extension:
            self._ending[-1]["ondol"] = extension
        pieces = [event(chunk) for chunk in self._ending]
        if self._include_usage:
            pieces.append(event({**_head(self._told), "choices": [], "usage": told_usage(usage)}))
        return b"".join((*pieces, DONE))

    def _take(self, frame: Frame) -> bytes:
        if isinstance(frame, ProgressFrame):
            return f": {frame.stage}\n\n".encode()
        data = frame.data
        if data.get("error") is not None:
            raise UpstreamError("The model provider failed in the middle of its answer.", "Try again.", code="upstream_failed")
        self.usage = chat_usage(data.get("usage")) or self.usage
        extension = data.get("ondol")
        if self._told.own and isinstance(extension, dict):
            self._extension |= extension
        choices = data.get("choices")
        if not choices:
            return b""
        if not isinstance(choices, list):
            raise _garbage("`choices` is not a list")
        going = [let for choice in choices for let in self._let(choice)]
        return event(self._chunk(going)) if going else b""

    def _let(self, choice: Any) -> list[Json]:
        """What of a choice's piece goes out now; its end is kept for `finish`."""
        if not isinstance(choice, dict):
            raise _garbage("a choice is not an object")
        index, text = choice.get("index", 0), choice.get("text") or ""
        if type(index) is not int or not 0 <= index < CHOICES_MAX * PROMPTS_MAX or not isinstance(text, str):
            raise _garbage("a choice has an impossible index or no text")
        known = self._choices.get(index)
        if known is None:
            known = self._choices[index] = _Choice(self._letting.choice(index))
        if known.done:
            return []
        ended = choice.get("finish_reason")
        out, logprobs = known.take(text, choice.get("logprobs"), is_last=bool(ended))
        if known.texts.stopped:
            self._cut += 1
            ended = "content_filter"
        if ended:
            known.done = True
            told = "content_filter" if known.texts.withheld or known.texts.stopped else word(ended, FINISHED, "stop")
            self._ending.append(self._chunk([{"index": index, "text": "", "logprobs": None, "finish_reason": told}]))
        return [{"index": index, "text": out, "logprobs": logprobs, "finish_reason": None}] if out or logprobs else []

    def _chunk(self, choices: list[Json]) -> Json:
        chunk = {**_head(self._told), "choices": choices}
        return {**chunk, "usage": None} if self._include_usage else chunk


def _garbage(what: str) -> UpstreamError:
    return UpstreamError(f"The model provider's answer cannot be understood: {what}.", code="upstream_garbage")


def _stream(asked: Asked, told: Told, letting: Letting) -> CompletionsStream:
    return CompletionsStream(told, letting, choices=asked.choices, include_usage=asked.include_usage)


COMPLETIONS = Shape(
    operation="completions",
    read=read_completions,
    answer_id=completions_id,
    let=let_completions,
    stream=_stream,
    usage=usage_of_chat,
    put_usage=put_chat_usage,
    text_of=text_of_completions,
    refusal=completions_refusal,
    refusal_stream=completions_refusal_stream,
    error=answer_to,
    chat_request=completions_chat_request,
)
"""OpenAI's ``POST /v1/completions``."""

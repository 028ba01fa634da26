"""OpenAI's chat completions as a stream of chunks, let out through the guard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ondol.core.errors import UpstreamError
from ondol.infrastructure.gateway.errors import answer_to
from ondol.infrastructure.gateway.shapes.base import Asked, Json, ProgressFrame, Shape, Told
from ondol.infrastructure.gateway.shapes.body import extension_of, keep_known, objects
from ondol.infrastructure.gateway.shapes.chat import (
    CALLS,
    CHOICES_MAX,
    PIECE,
    SAID,
    TEXTS,
    TOOLS_MAX,
    TOP,
    chat_garbage,
    chat_id,
    chat_refusal,
    chat_refusal_stream,
    chat_request,
    chat_usage,
    let_chat,
    put_chat_usage,
    read_chat,
    stopped_at,
    text_of_chat,
    told_usage,
    usage_of_chat,
)
from ondol.infrastructure.gateway.shapes.letting import Letting, TextOut
from ondol.infrastructure.gateway.shapes.logprobs import Faithful, Spelled, Waiting
from ondol.infrastructure.gateway.shapes.sse import DONE, event
from ondol.infrastructure.gateway.shapes.words import FINISHED, dress_head, mark, word
from ondol.infrastructure.serving.types import Frame, Usage


class ChatStream:
    """Writes a streamed answer; a `StreamWriter`.

    Args:
        choices: how many were asked for.
        include_usage: the caller asked for a usage chunk; all others then carry ``"usage": null``, as OpenAI documents.
        progress: the caller asked for chunks with ``ondol.stage`` and ``ondol.snippet``.
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

    def rest(self) -> bytes:
        """Nothing: a choice's text ends with its reason."""
        return b""

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
            extension = extension_of(data.pop("ondol"))
            self._extension = extension if self._told.own else {}
        choices = data.get("choices")
        if not choices:
            return b""
        if not isinstance(choices, list):
            raise chat_garbage("`choices` is not a list")
        going: list[Json] = []
        for choice in choices:
            if not isinstance(choice, dict):
                raise chat_garbage("a choice is not an object")
            going += self._let(choice)
        if not going:
            return b""
        data["choices"] = going
        keep_known(data, TOP)
        return event(self._dressed(data))

    def _let(self, choice: Json) -> list[Json]:
        """What of a choice's piece goes out now; its end is kept for `finish`."""
        index = choice.get("index", 0)
        if type(index) is not int or not 0 <= index < CHOICES_MAX:
            raise chat_garbage("a choice has an impossible index")
        known = self._choices.get(index)
        if known is None:
            known = self._choices[index] = _Choice(self._letting.choice(index))
        if known.done:
            return []
        delta = choice.get("delta")
        if delta is None:
            delta = choice["delta"] = {}
        if not isinstance(delta, dict):
            raise chat_garbage("a delta is not an object")
        keep_known(delta, SAID)
        stop_reason = choice.get("stop_reason")
        keep_known(choice, PIECE)
        if "role" in delta:
            delta["role"] = "assistant"
        reason = choice.get("finish_reason")
        goes = known.take(delta, choice, is_last=bool(reason))
        if known.texts.stopped:
            self._cut += 1
            reason = "content_filter"
        if goes:
            choice["index"] = index
            choice["finish_reason"] = None  # always there, though `transformers serve` leaves it out; a true one is told in `finish`
        going = [choice] if goes else []
        if reason:
            known.done = True
            self._done += 1
            withheld = known.texts.withheld
            last = {
                "index": index,
                "delta": known.last_delta(),
                "logprobs": None,
                "finish_reason": "content_filter" if withheld else word(reason, FINISHED, "stop"),
            }
            if not withheld and stop_reason is not None:
                last["stop_reason"] = stopped_at(stop_reason, known.texts)  # vLLM says which stop sequence it was
            self._ending.append(self._chunk([last]))
        return going

    def _told_progress(self, frame: ProgressFrame) -> bytes:
        comment = f": {frame.stage}\n\n".encode()
        if not self._progress:
            return comment
        return comment + event(self._chunk([{"index": 0, "delta": {}, "logprobs": None, "finish_reason": None}], {"ondol": frame.told}))

    def _dressed(self, data: Json) -> Json:
        data["id"] = self._told.id
        data["model"] = self._told.model
        dress_head(data, "chat.completion.chunk", self._told.created_unix_s)
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
        self._old: _Call | None = None
        self._faithful: Faithful | None = None
        self._logprobs: Waiting | None = None
        self._spelled: Spelled | None = None
        self._has_text = False
        self._told_text = False
        self._annotations: list[Any] = []
        self._rest = ""

    def take(self, delta: Json, choice: Json, *, is_last: bool) -> bool:  # noqa: PLR0912 (a field each)
        """Let a piece out in place; whether anything of it is left to send."""
        logprobs = choice.get("logprobs")
        if logprobs is not None and self._logprobs is None and not self._told_text:
            self._faithful = Faithful()
            self._logprobs = Waiting(self._faithful)
            self._spelled = Spelled(self.texts.lets)
        content = delta.get("content")
        for name in TEXTS:
            text = delta.get(name)
            if text is None:
                continue
            if not isinstance(text, str):
                raise chat_garbage(f"`{name}` is not text")
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
        sends = self._take_called(delta)
        if delta.get("annotations"):
            self._annotations += objects(delta.pop("annotations"), "annotations")  # they speak of the whole text
        stopped = self.texts.stopped
        if stopped:
            self._cut()
            sends.clear()
        if is_last or stopped:
            self._end(delta, sends)  # with what the guard has to say
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

    def _cut(self) -> None:
        """Forget what will not go out."""
        self._logprobs = None
        self._calls.clear()
        self._order.clear()
        self._old = None

    def last_delta(self) -> Json:
        """What the last chunk carries: annotations, unless their places hold no longer."""
        annotations = self.texts.annotations(self._annotations) if self._annotations and not self.texts.changed else []
        return {"annotations": annotations} if annotations else {}

    def _end(self, delta: Json, sends: list[Json]) -> None:
        for name in TEXTS:
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
        if self._old is not None:
            self._end_old(self._old, delta)
        told = self.texts.told_of_calls([call.out for call in (*self._order, *filter(None, (self._old,)))])
        if told:
            before = delta.get("content", "")
            delta["content"] = f"{before}\n\n{told}" if before or self._has_text else told

    def _take_called(self, delta: Json) -> list[Json]:
        """The calls of a piece, taken out of it; what of them goes out now."""
        old = delta.pop("function_call", None)
        if old is not None:
            self._take_old(old, delta)
        calls = delta.pop("tool_calls", None)
        return self._take_calls(calls) if calls else []

    def _take_calls(self, calls: Any) -> list[Json]:
        if not isinstance(calls, list):
            raise chat_garbage("`tool_calls` is not a list")
        sends: list[Json] = []
        for piece in calls:
            if not isinstance(piece, dict):
                raise chat_garbage("a call of a tool is not an object")
            function = piece.get("function") or {}
            if not isinstance(function, dict):
                raise chat_garbage("a call of a tool has no function")
            call = self._call_of(piece)
            name, arguments = function.get("name") or "", function.get("arguments") or ""
            if not isinstance(name, str) or not isinstance(arguments, str):
                raise chat_garbage("a call of a tool has no text as its arguments")
            self.texts.count(name, arguments)
            out = call.out.push("" if call.sent else name, arguments)
            if call.out.name and not call.sent:
                call.sent = True
                sends.append(_call_delta(call, call.out.name, out))
            elif out:
                sends.append({"index": call.index, "function": {"arguments": out}})
        return sends

    def _end_old(self, call: _Call, delta: Json) -> None:
        result = call.out.finish()
        if result.decision == "allow" and (result.rest or not call.sent):
            begun = delta.get("function_call")
            if begun is not None:
                begun["arguments"] += result.rest
            else:
                delta["function_call"] = _old_delta(call, result.name, result.rest)

    def _take_old(self, piece: Any, delta: Json) -> None:
        """A call as the family told it before there could be several."""
        name, arguments = (piece.get("name") or "", piece.get("arguments") or "") if isinstance(piece, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(arguments, str):
            raise chat_garbage("a call of a function without a name or arguments")
        if self._old is None:
            self._old = _Call(0, self.texts.calling(0), "", "function")
        call = self._old
        self.texts.count(name, arguments)
        out = call.out.push("" if call.sent else name, arguments)
        if out or (call.out.name and not call.sent):
            delta["function_call"] = _old_delta(call, call.out.name, out)

    def _call_of(self, piece: Json) -> _Call:
        """The call that a piece belongs to. Another id under a known index begins another call: some servers number all of them 0."""
        index = piece.get("index", 0)
        if type(index) is not int or not 0 <= index < TOOLS_MAX:
            raise chat_garbage("a call of a tool has an impossible index")
        call_id = mark(piece.get("id"), "call_")
        known = self._calls.get(index)
        if known is not None and (not call_id or call_id == known.id):
            return known
        if len(self._order) >= TOOLS_MAX:
            raise chat_garbage("too many calls of tools")
        taken = {call.index for call in self._order}
        own = index if index not in taken else max(taken) + 1
        call = _Call(own, self.texts.calling(own), call_id, word(piece.get("type"), CALLS, "function"))
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
            raise chat_garbage("log probabilities are no list of objects")
        waiting.add(text, [(str(item.get("token", "")), item) for item in entries])
        is_whole = is_last and not self.texts.changed and not self.texts.withheld
        going = waiting.going(is_whole=is_whole)
        if is_last:
            waiting.clear()
        let = self._spelled.entries(going) if going and self._spelled is not None else []
        return {"content": let, "refusal": None} if let else None


def _old_delta(call: _Call, name: str, arguments: str) -> Json:
    if call.sent:
        return {"arguments": arguments}
    call.sent = True
    return {"name": name, "arguments": arguments}


def _call_delta(call: _Call, name: str, arguments: str) -> Json:
    return {"index": call.index, "id": call.id, "type": call.type, "function": {"name": name, "arguments": arguments}}


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

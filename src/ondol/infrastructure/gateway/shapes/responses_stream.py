"""OpenAI's responses as a stream of named events, let out through the guard.

Every text is told three times in this shape: piece by piece, whole when its part is done, and in the answer at the end. The pieces go through the
guard; what is told whole is written anew from what went out.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from ondol.core.errors import UpstreamError
from ondol.infrastructure.gateway.errors import ErrorAnswer, answer_to
from ondol.infrastructure.gateway.shapes.base import Asked, Json, ProgressFrame, Shape, Told
from ondol.infrastructure.gateway.shapes.body import extension_of, objects
from ondol.infrastructure.gateway.shapes.letting import CONTENT, Letting
from ondol.infrastructure.gateway.shapes.responses import (
    dress,
    let_item,
    let_responses,
    message_item,
    put_responses_usage,
    read_responses,
    responses_chat_request,
    responses_garbage,
    responses_id,
    responses_refusal,
    responses_usage,
    text_of_responses,
    text_part,
    tidy_item,
    told_responses_usage,
    usage_of_responses,
    withhold,
)
from ondol.infrastructure.gateway.shapes.sse import event
from ondol.infrastructure.serving.types import Frame, Usage

_CALL_FIELDS = {"function_call": "arguments", "custom_tool_call": "input"}
_CALL_EVENTS = {"function_call": "response.function_call_arguments", "custom_tool_call": "response.custom_tool_call_input"}
_LAST = frozenset({"response.completed", "response.incomplete"})


class _Item:
    """An item of the output that is being written.

    Attributes:
        index: its place in what goes out; None before it does.
        texts: what went out of it.
    """

    __slots__ = ("calling", "index", "item", "kind", "texts")

    def __init__(self, item: Json) -> None:
        self.item = item
        self.kind = str(item.get("type"))
        self.index: int | None = None
        self.texts: list[str] = []
        self.calling: Any = None


def _place(data: Json) -> int:
    """Where in the output an event belongs."""
    index = data.get("output_index")
    return index if type(index) is int else -1


class ResponsesStream:
    """Writes a streamed answer; a `StreamWriter`.

    The texts of a message's parts go out as one part: they are one text to the guard, and people read them as one.
    """

    def __init__(self, told: Told, letting: Letting) -> None:
        self._rested = False
        self.usage: Usage | None = None
        self._told = told
        self._texts = letting.choice(0)
        self._number = 0
        self._items: dict[int, _Item] = {}
        self._done: list[Json] = []
        self._head: Json = {}
        self._last: Json | None = None
        self._begun = False
        self._calls: list[Any] = []

    @property
    def stopped(self) -> bool:
        """The guard ended the answer."""
        return self._texts.stopped

    @property
    def finished(self) -> bool:
        """The upstream told the whole answer."""
        return self._last is not None

    def take(self, frames: Sequence[Frame]) -> bytes:
        """What of these frames goes out now."""
        out: list[bytes] = []
        for frame in frames:
            if not self.stopped and self._last is None:
                self._take(frame, out)
        return b"".join(out)

    def rest(self) -> bytes:
        """What is held back of the texts."""
        out: list[bytes] = []
        if not self._rested:
            self._rested = True
            self._begin(out)
            for item in list(self._items.values()):
                self._end_item(item, out)
            self._items.clear()
            told = self._texts.told_of_calls(self._calls)
            if told:
                self._tell(told, out)
        return b"".join(out)

    def finish(self, usage: Usage, extension: Json) -> bytes:
        """The rest, and the whole answer once more."""
        out = [self.rest()]
        answer = {**self._head, **(self._last or {"status": "completed"})}
        known = extension_of(answer.pop("ondol", None))
        answer["output"] = self._done
        dress(answer, self._told)
        if self._texts.withheld:
            withhold(answer)
        answer["usage"] = told_responses_usage(usage)
        if not self._told.own:
            known = {}
        if known or extension:
            answer["ondol"] = {**known, **extension}
        kind = "response.incomplete" if answer.get("status") == "incomplete" else "response.completed"
        self._send(out, kind, {"response": answer})
        return b"".join(out)

    def _take(self, frame: Frame, out: list[bytes]) -> None:
        if isinstance(frame, ProgressFrame):
            out.append(f": {frame.stage}\n\n".encode())
            return
        data = frame.data
        kind = data.get("type")
        if kind in ("error", "response.failed"):
            raise UpstreamError("The model provider failed in the middle of its answer.", "Try again.", code="upstream_failed")
        if not isinstance(kind, str):
            raise responses_garbage("an event without a type")
        if kind in ("response.created", "response.in_progress") or kind in _LAST:
            self._take_answer(kind, data.get("response"), out)
        elif kind == "response.output_item.added":
            self._begin_item(data, out)
        elif kind in ("response.output_text.delta", "response.refusal.delta"):
            self._text(data, out)
        elif kind.endswith(".delta") and kind.removesuffix(".delta") in _CALL_EVENTS.values():
            self._arguments(data, out)
        elif kind == "response.output_item.done":
            self._take_done(data, out)
        # Parts, and what is told whole, are written anew; events of other items go out with the item, if it does.

    def _take_answer(self, kind: str, answer: Any, out: list[bytes]) -> None:
        if not isinstance(answer, dict):
            raise responses_garbage("no answer in an event that tells it")
        self.usage = responses_usage(answer.get("usage")) or self.usage
        if kind in _LAST:
            self._last = answer
        else:
            self._head = {**answer, "output": []}
            self._begin(out)

    def _begin(self, out: list[bytes]) -> None:
        if self._begun:
            return
        self._begun = True
        answer: Json = {
            "object": "response",
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            **self._head,
            "output": [],
            "usage": None,
        }
        dress(answer, self._told)
        answer["status"] = "in_progress"
        self._head = answer
        self._send(out, "response.created", {"response": answer})
        self._send(out, "response.in_progress", {"response": answer})

    def _begin_item(self, data: Json, out: list[bytes]) -> None:
        told = data.get("item")
        index = data.get("output_index")
        if not isinstance(told, dict) or type(index) is not int or index in self._items:
            raise responses_garbage("an item that cannot begin")
        self._begin(out)
        if told.get("type") in ("message", *_CALL_FIELDS):
            tidy_item(told)
        item = self._items[index] = _Item(told)
        if item.kind == "message":
            self._open_message(item, out)
        elif item.kind in _CALL_FIELDS:
            item.calling = self._texts.calling(len(self._calls))
            self._calls.append(item.calling)
            self._texts.count(str(told.get("name") or ""))
            item.calling.push(str(told.get("name") or ""), "")

    def _open_message(self, item: _Item, out: list[bytes]) -> None:
        item.index = len(self._done)
        self._done.append({})
        item.item = {**item.item, "content": []}
        self._send(out, "response.output_item.added", {"output_index": item.index, "item": item.item})
        self._send(out, "response.content_part.added", {**self._place(item), "part": text_part("")})

    def _text(self, data: Json, out: list[bytes]) -> None:
        item = self._items.get(_place(data))
        piece = data.get("delta")
        if item is None or item.kind != "message" or not isinstance(piece, str):
            raise responses_garbage("a text outside of a message")
        going = self._texts.push(CONTENT, piece) if piece else ""
        if going:
            self._send_text(item, going, out)

    def _arguments(self, data: Json, out: list[bytes]) -> None:
        item = self._items.get(_place(data))
        piece = data.get("delta")
        if item is None or item.calling is None or not isinstance(piece, str):
            raise responses_garbage("arguments outside of a call")
        self._texts.count(piece)
        going = item.calling.push("", piece)
        if item.calling.name and item.index is None:
            self._open_call(item, item.calling.name, out)
        if going:
            self._send_arguments(item, going, out)

    def _take_done(self, data: Json, out: list[bytes]) -> None:
        item = self._items.pop(_place(data), None)
        told = data.get("item")
        if item is None or not isinstance(told, dict):
            raise responses_garbage("an item that ends without a beginning")
        parts = objects(told.get("content"), "content") if item.kind == "message" else []
        annotations = [note for part in parts for note in objects(part.get("annotations"), "annotations")]
        self._end_item(item, out, told, annotations)

    def _end_item(self, item: _Item, out: list[bytes], told: Json | None = None, annotations: Sequence[Any] = ()) -> None:
        if item.kind == "message":
            rest = self._texts.restart(CONTENT)
            if rest:
                self._send_text(item, rest, out)
            self._end_message(item, out, [] if self._texts.changed or self._texts.withheld else self._texts.annotations(annotations))
        elif item.calling is not None:
            self._end_call(item, out)
        elif told is not None and let_item(told, self._texts, len(self._done)):
            item.index = len(self._done)
            self._done.append(told)
            self._send(out, "response.output_item.added", {"output_index": item.index, "item": told})
            self._send(out, "response.output_item.done", {"output_index": item.index, "item": told})

    def _end_message(self, item: _Item, out: list[bytes], annotations: list[Any]) -> None:
        text = "".join(item.texts)
        part = {**text_part(text), "annotations": annotations}
        self._send(out, "response.output_text.done", {**self._place(item), "text": text, "logprobs": []})
        self._send(out, "response.content_part.done", {**self._place(item), "part": part})
        done = {**item.item, "status": "completed", "content": [part]}
        self._close(item, done, out)

    def _end_call(self, item: _Item, out: list[bytes]) -> None:
        result = item.calling.finish()
        if result.decision != "allow":
            if item.index is not None:  # its beginning went out: it ends as incomplete
                self._close(item, {**item.item, _CALL_FIELDS[item.kind]: "".join(item.texts), "status": "incomplete"}, out)
            return
        if item.index is None:
            self._open_call(item, result.name, out)
        if result.rest:
            self._send_arguments(item, result.rest, out)
        field = _CALL_FIELDS[item.kind]
        text = "".join(item.texts)
        self._send(out, f"{_CALL_EVENTS[item.kind]}.done", {"item_id": item.item.get("id"), "output_index": item.index, field: text})
        self._close(item, {**item.item, field: text, "status": "completed"}, out)

    def _open_call(self, item: _Item, name: str, out: list[bytes]) -> None:
        item.index = len(self._done)
        self._done.append({})
        item.item = {**item.item, "name": name, _CALL_FIELDS[item.kind]: "", "status": "in_progress"}
        self._send(out, "response.output_item.added", {"output_index": item.index, "item": item.item})

    def _close(self, item: _Item, done: Json, out: list[bytes]) -> None:
        assert item.index is not None  # noqa: S101 - only what was opened is closed
        self._done[item.index] = done
        self._send(out, "response.output_item.done", {"output_index": item.index, "item": done})

    def _tell(self, text: str, out: list[bytes]) -> None:
        """A message of its own for what the guard has to say."""
        item = _Item({**message_item(self._told, len(self._done), ""), "status": "in_progress"})
        self._open_message(item, out)
        self._send_text(item, text, out)
        self._end_message(item, out, [])

    def _send_text(self, item: _Item, text: str, out: list[bytes]) -> None:
        item.texts.append(text)
        self._send(out, "response.output_text.delta", {**self._place(item), "delta": text, "logprobs": []})

    def _send_arguments(self, item: _Item, text: str, out: list[bytes]) -> None:
        item.texts.append(text)
        self._send(out, f"{_CALL_EVENTS[item.kind]}.delta", {"item_id": item.item.get("id"), "output_index": item.index, "delta": text})

    def _place(self, item: _Item) -> Json:
        return {"item_id": item.item.get("id"), "output_index": item.index, "content_index": 0}

    def _send(self, out: list[bytes], kind: str, told: Json) -> None:
        out.append(event({"type": kind, "sequence_number": self._number, **told}, kind.encode()))
        self._number += 1


def responses_refusal_stream(_asked: Asked, told: Told, text: str, usage: Usage, extension: Json) -> bytes:
    """An answer that says why there is none, as events."""
    whole = responses_refusal(told, text, usage, extension)
    item = whole["output"][0]
    begun = {**whole, "output": [], "usage": None, "status": "in_progress", "incomplete_details": None}
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    events: list[tuple[str, Json]] = [
        ("response.created", {"response": begun}),
        ("response.in_progress", {"response": begun}),
        ("response.output_item.added", {"output_index": 0, "item": {**item, "status": "in_progress", "content": []}}),
        ("response.content_part.added", {**place, "part": text_part("")}),
        ("response.output_text.delta", {**place, "delta": text, "logprobs": []}),
        ("response.output_text.done", {**place, "text": text, "logprobs": []}),
        ("response.content_part.done", {**place, "part": text_part(text)}),
        ("response.output_item.done", {"output_index": 0, "item": item}),
        ("response.incomplete", {"response": whole}),
    ]
    return b"".join(event({"type": kind, "sequence_number": number, **said}, kind.encode()) for number, (kind, said) in enumerate(events))


def _stream(_asked: Asked, told: Told, letting: Letting) -> ResponsesStream:
    return ResponsesStream(told, letting)


def responses_error(error: Exception, request_id: uuid.UUID) -> ErrorAnswer:
    """An error as the family tells it: in a stream an event of its own type, which says what is wrong where newer and where older clients look."""
    known = answer_to(error, request_id)
    inner = msgspec.json.decode(known.body)["error"]
    told = {"type": "error", "sequence_number": 0, **{name: inner[name] for name in ("code", "message", "param")}, "error": inner}
    return ErrorAnswer(known.status, known.code, known.body, known.headers, event(told, b"error"))


RESPONSES = Shape(
    operation="responses",
    read=read_responses,
    answer_id=responses_id,
    let=let_responses,
    stream=_stream,
    usage=usage_of_responses,
    put_usage=put_responses_usage,
    text_of=text_of_responses,
    refusal=responses_refusal,
    refusal_stream=responses_refusal_stream,
    error=responses_error,
    chat_request=responses_chat_request,
)
"""OpenAI's ``POST /v1/responses``."""

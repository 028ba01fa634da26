"""The shapes of OpenAI's chat answers: one completion, or chunks of a stream."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from ondol.infrastructure.serving import Finish, Progress, Usage

DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"

_LINE_ENDS_OF_SOME_CLIENTS = (("\u0085", b"\\u0085"), ("\u2028", b"\\u2028"), ("\u2029", b"\\u2029"))


def completion_id(request_id: uuid.UUID) -> str:
    """The answer's id: the request's, in OpenAI's dress."""
    return f"chatcmpl-{request_id.hex}"


def completion(request_id: uuid.UUID, model: str, created_unix_s: int, text: str, finish: Finish) -> bytes:
    """A whole answer as one JSON object. `ondol` is there only when it says something."""
    message = {"role": "assistant", "content": text, "refusal": None, "annotations": finish.annotations}
    extension = _extension(finish)
    return msgspec.json.encode(
        {
            "id": completion_id(request_id),
            "object": "chat.completion",
            "created": created_unix_s,
            "model": model,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish.reason}],
            "usage": _usage(finish.usage),
            **({"ondol": extension} if extension else {}),
        }
    )


class Chunks:
    """Writes the chunks of one stream.

    Args:
        include_usage: the caller asked for a usage chunk; all others then carry ``"usage": null``, as OpenAI documents.
        progress: the caller asked for chunks with ``ondol.stage``.
    """

    def __init__(self, request_id: uuid.UUID, model: str, created_unix_s: int, *, include_usage: bool, progress: bool) -> None:
        self._include_usage = include_usage
        self._progress = progress
        self._head = {"id": completion_id(request_id), "object": "chat.completion.chunk", "created": created_unix_s, "model": model}
        # A delta is most of what a stream is made of: its frame is written once, and only the text is encoded each time.
        before, _, after = self._chunk({"content": "\x00"}, None).partition(b'"\\u0000"')
        self._before_text, self._after_text = before, after

    def role(self) -> bytes:
        """The first chunk."""
        return self._chunk({"role": "assistant", "content": ""}, None)

    def text(self, text: str) -> bytes:
        """A piece of the answer."""
        encoded = msgspec.json.encode(text)
        if not text.isascii():
            # Legal in JSON and in an event, but clients that split text into lines take them for ends of lines.
            for character, escaped in _LINE_ENDS_OF_SOME_CLIENTS:
                if character in text:
                    encoded = encoded.replace(character.encode(), escaped)
        return self._before_text + encoded + self._after_text

    def progress(self, progress: Progress) -> bytes:
        """A comment for all, and a chunk for those who asked."""
        comment = f": {progress.stage}\n\n".encode()
        return comment + self._chunk({}, None, {"stage": progress.stage}) if self._progress else comment

    def finish(self, finish: Finish) -> bytes:
        """The last chunks and the end mark."""
        delta = {"annotations": finish.annotations} if finish.annotations else {}
        data = self._chunk(delta, finish.reason, _extension(finish))
        if self._include_usage:
            data += _event({**self._head, "choices": [], "usage": _usage(finish.usage)})
        return data + DONE

    def _chunk(self, delta: Mapping[str, Any], reason: str | None, extension: Mapping[str, Any] | None = None) -> bytes:
        chunk: dict[str, Any] = {**self._head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]}
        if self._include_usage:
            chunk["usage"] = None
        if extension:
            chunk["ondol"] = extension
        return _event(chunk)


def _event(value: Mapping[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def _extension(finish: Finish) -> Mapping[str, Any]:
    return {**finish.extension, "usage_estimated": True} if finish.usage.estimated else finish.extension


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }

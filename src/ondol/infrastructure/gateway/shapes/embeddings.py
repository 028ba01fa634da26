"""OpenAI's embeddings.

What goes on to the model is what the policy lets through, so what is embedded is masked too. The numbers of the answer are not looked at: they go out
as the bytes they came in.
"""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from ondol.core.errors import RequestError, UpstreamError
from ondol.infrastructure.gateway.errors import answer_to
from ondol.infrastructure.gateway.shapes.base import Asked, Json, Shape, Told
from ondol.infrastructure.gateway.shapes.body import check_model, explained
from ondol.infrastructure.gateway.shapes.chat import put_chat_usage, usage_of_chat
from ondol.infrastructure.gateway.shapes.completions import texts_at
from ondol.infrastructure.gateway.shapes.fields import add_fields
from ondol.infrastructure.gateway.shapes.letting import Letting
from ondol.infrastructure.serving.types import Usage

INPUTS_MAX = 2_048
TEXT_CHARACTERS_MAX = 1_000_000
FORMATS = ("float", "base64")


_READ = frozenset({"model", "input", "encoding_format", "ondol"})
"""Fields that are read elsewhere or hold no text."""


class _Body(msgspec.Struct):
    model: str
    input: str | list[Any]
    encoding_format: str | None = None
    dimensions: int | None = None


class _Answer(msgspec.Struct):
    data: msgspec.Raw
    usage: Any = None


_decode = msgspec.json.Decoder(_Answer).decode


def read_embeddings(body: Json) -> Asked:
    """Understand a request.

    Raises:
        RequestError: with `param` set to the offending field, such as ``input[2]``.
    """
    try:
        known = msgspec.convert(body, _Body)
    except msgspec.ValidationError as error:
        raise explained(str(error)) from None
    if known.encoding_format not in (None, *FORMATS):
        raise RequestError(
            f"`encoding_format` is not one of {', '.join(FORMATS)}.", "Leave it out for float.", param="encoding_format", code="invalid_value"
        )
    asked = Asked("embeddings", check_model(known.model), body, texts_at(body, "input", INPUTS_MAX))
    asked.independent = True
    add_fields(asked, _READ)
    if sum(len(spot.text) for spot in asked.spots) > TEXT_CHARACTERS_MAX:
        raise RequestError(f"The input holds more than {TEXT_CHARACTERS_MAX} characters.", "Send less text.", param="input", code="text_too_long")
    return asked


def embeddings_answer(body: bytes) -> Json:
    """An upstream's answer, its numbers unread.

    Raises:
        UpstreamError: when it is no answer of this shape.
    """
    try:
        answer = _decode(body)
    except (ValueError, RecursionError):
        raise _garbage() from None
    if bytes(memoryview(answer.data)[:1]) != b"[":
        raise _garbage()
    return {"object": "list", "data": answer.data, "model": "", "usage": answer.usage}


def _garbage() -> UpstreamError:
    return UpstreamError("The model provider's answer cannot be understood: no embeddings.", code="upstream_garbage")


def let_embeddings(answer: Json, told: Told, _letting: Letting) -> None:
    """Put the name on the answer by which the caller asked. There is nothing in it to read."""
    answer["model"] = told.model


def usage_of_embeddings(answer: Json) -> Usage | None:
    """The usage of a whole answer."""
    return usage_of_chat(answer)


def put_embeddings_usage(answer: Json, usage: Usage) -> None:
    """Write the usage that counts: there is no output."""
    put_chat_usage(answer, usage)
    answer["usage"].pop("completion_tokens", None)


def embeddings_id(request_id: uuid.UUID) -> str:
    """The request's id: answers of this shape have none of their own."""
    return str(request_id)


EMBEDDINGS = Shape(
    operation="embeddings",
    read=read_embeddings,
    answer_id=embeddings_id,
    let=let_embeddings,
    usage=usage_of_embeddings,
    put_usage=put_embeddings_usage,
    error=answer_to,
    decode=embeddings_answer,
    is_written=False,
)
"""OpenAI's ``POST /v1/embeddings``."""

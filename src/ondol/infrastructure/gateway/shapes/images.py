"""OpenAI's image generation: the prompt is guarded, and so is the prompt as the model rewrote it; pictures pass as they are."""

from __future__ import annotations

import uuid
from typing import Annotated

import msgspec

from ondol.core.errors import RequestError, UpstreamError
from ondol.infrastructure.gateway.errors import answer_to
from ondol.infrastructure.gateway.shapes.base import Asked, Json, Shape, Spot, Told
from ondol.infrastructure.gateway.shapes.body import check_model, explained, keep_known
from ondol.infrastructure.gateway.shapes.fields import add_fields
from ondol.infrastructure.gateway.shapes.letting import Letting
from ondol.infrastructure.gateway.shapes.responses import responses_usage
from ondol.infrastructure.gateway.shapes.words import figures, is_mark
from ondol.infrastructure.serving.prices import Quantities
from ondol.infrastructure.serving.types import Usage

PICTURES_MAX = 10
PROMPT_CHARACTERS_MAX = 32_000

_TOP = frozenset({"created", "data", "usage", "background", "output_format", "quality", "size", "ondol"})
_WORDS = frozenset({"background", "output_format", "quality", "size"})
_FIELDS = frozenset({"b64_json", "url", "revised_prompt"})
"""What a picture of an answer may hold; anything else is text that nobody looked at."""


_READ = frozenset({"model", "prompt", "ondol"})
"""Fields that are read elsewhere or hold no text."""


class _Body(msgspec.Struct):
    model: str
    prompt: Annotated[str, msgspec.Meta(min_length=1, max_length=PROMPT_CHARACTERS_MAX)]
    n: Annotated[int, msgspec.Meta(ge=1, le=PICTURES_MAX)] | None = None
    stream: bool | None = None


def read_images(body: Json) -> Asked:
    """Understand a request.

    Raises:
        RequestError: with `param` set to the offending field.
    """
    try:
        known = msgspec.convert(body, _Body)
    except msgspec.ValidationError as error:
        raise explained(str(error)) from None
    if known.stream:
        raise RequestError("Pictures are not streamed here.", "Leave `stream` out.", param="stream", code="unsupported_parameter")
    asked = Asked("images", check_model(known.model), body, [Spot("user", known.prompt, body, "prompt")])
    add_fields(asked, _READ)
    asked.choices = known.n or 1
    asked.quantities = Quantities(images=asked.choices)
    return asked


def images_id(request_id: uuid.UUID) -> str:
    """The request's id: answers of this shape have none of their own."""
    return str(request_id)


def let_images(answer: Json, told: Told, letting: Letting) -> None:
    """Let a whole answer out, in place: a picture whose rewritten prompt is withheld goes out without it.

    Raises:
        UpstreamError: when it is not of the shape.
    """
    pictures = answer.get("data")
    if not isinstance(pictures, list) or not all(isinstance(picture, dict) for picture in pictures):
        raise UpstreamError("The model provider's answer cannot be understood: no pictures.", code="upstream_garbage")
    keep_known(answer, _TOP)
    going: list[Json] = []
    for place, picture in enumerate(pictures):
        let = {name: value for name, value in picture.items() if name in _FIELDS and isinstance(value, str)}
        if let.get("revised_prompt"):
            out = letting.choice(place).whole("revised_prompt", let["revised_prompt"])
            let["revised_prompt"] = "" if out.withheld else out.text
        going.append(let)
    answer["data"] = going
    if not isinstance(answer.get("created"), int | float) or not answer["created"]:
        answer["created"] = told.created_unix_s
    for name in _WORDS & answer.keys():
        answer[name] = answer[name] if is_mark(answer[name]) else None
    if "usage" in answer:
        answer["usage"] = figures(answer["usage"])


def usage_of_images(answer: Json) -> Usage | None:
    """The usage of a whole answer: newer models count tokens; of the others nothing but pictures is known, and no tokens."""
    return responses_usage(answer.get("usage")) or Usage(0, 0)


def put_images_usage(answer: Json, usage: Usage) -> None:
    """Nothing: the provider's own words stand, where it had any."""


def text_of_images(answer: Json) -> str:
    """What people read of a whole answer."""
    return "\n\n".join(picture["revised_prompt"] for picture in answer["data"] if picture.get("revised_prompt"))


IMAGES = Shape(
    operation="images",
    read=read_images,
    answer_id=images_id,
    let=let_images,
    usage=usage_of_images,
    put_usage=put_images_usage,
    text_of=text_of_images,
    error=answer_to,
    is_written=False,
)
"""OpenAI's ``POST /v1/images/generations``."""

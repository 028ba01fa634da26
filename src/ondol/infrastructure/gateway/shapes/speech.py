"""OpenAI's speech: the text that is spoken is guarded; sound passes as it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from ondol.core.errors import UpstreamError
from ondol.infrastructure.gateway.shapes.base import Asked, Json, Spot
from ondol.infrastructure.gateway.shapes.body import check_model, explained
from ondol.infrastructure.gateway.shapes.fields import add_fields
from ondol.infrastructure.gateway.shapes.responses import responses_usage
from ondol.infrastructure.serving.prices import Quantities
from ondol.infrastructure.serving.tokens import TokenEstimate
from ondol.infrastructure.serving.types import Frame, Usage

INPUT_CHARACTERS_MAX = 32_000
INSTRUCTIONS_CHARACTERS_MAX = 32_000
SOUND_TOKENS_PER_NARROW = 1.5
SOUND_TOKENS_PER_WIDE = 4.0
"""Some 21 tokens are a second of sound at OpenAI, and a second holds some 15 Latin letters or 5 syllables of Hangul."""


_READ = frozenset({"model", "input", "instructions", "ondol"})
"""Fields that are read elsewhere or hold no text."""


class _Body(msgspec.Struct):
    model: str
    input: Annotated[str, msgspec.Meta(min_length=1, max_length=INPUT_CHARACTERS_MAX)]
    instructions: Annotated[str, msgspec.Meta(max_length=INSTRUCTIONS_CHARACTERS_MAX)] | None = None
    stream_format: str | None = None


def read_speech(body: Json) -> Asked:
    """Understand a request.

    Raises:
        RequestError: with `param` set to the offending field.
    """
    try:
        known = msgspec.convert(body, _Body)
    except msgspec.ValidationError as error:
        raise explained(str(error)) from None
    asked = Asked("speech", check_model(known.model), body, [Spot("user", known.input, body, "input")])
    if known.instructions:
        asked.spots.append(Spot("user", known.instructions, body, "instructions"))
    asked.independent = True
    add_fields(asked, _READ)
    asked.stream = known.stream_format == "sse"
    measure(asked)
    return asked


def measure(asked: Asked) -> None:
    """Count what is spoken: in letters, and in the tokens of sound that they come to."""
    text = str(asked.body["input"])
    estimate = TokenEstimate()
    estimate.add(text)
    asked.quantities = Quantities(characters=len(text))
    asked.output_tokens_max = math.ceil(estimate.narrow * SOUND_TOKENS_PER_NARROW + estimate.wide * SOUND_TOKENS_PER_WIDE)


def sound_events(frames: Sequence[Frame]) -> tuple[list[Json], Usage | None, bool]:
    """What goes out of a stream's frames, what they say of usage, and whether they end it. Only sound goes out: nobody looked at anything else.

    Raises:
        UpstreamError: when they are not of the shape.
    """
    going: list[Json] = []
    usage: Usage | None = None
    ended = False
    for frame in frames:
        data: Any = frame.data
        match data.get("type"):
            case "speech.audio.delta" if isinstance(data.get("audio"), str):
                going.append({"type": "speech.audio.delta", "audio": data["audio"]})
            case "speech.audio.delta":
                raise UpstreamError("The model provider's answer cannot be understood: no sound.", code="upstream_garbage")
            case "speech.audio.done":
                usage, ended = responses_usage(data.get("usage")), True
            case _:
                pass
    return going, usage, ended

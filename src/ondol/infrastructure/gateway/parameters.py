"""What a request's own parameters may be: bounded by the model's settings, and always with an end to the answer."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ondol.core.errors import RequestError
from ondol.infrastructure.access.limits.types import Bounds
from ondol.infrastructure.gateway.shapes.base import Asked
from ondol.infrastructure.serving.prices import Quantities
from ondol.infrastructure.serving.settings import OUTPUT_TOKENS_DEFAULT, Bound, ModelSettings

_WITHOUT_OUTPUT = frozenset({"embeddings", "transcriptions", "speech", "count_tokens", "moderations"})
_RENDERED = frozenset({"messages", "conversation", "prompt", "tokenize", "tools", "bos_token"})
"""What a chat template is given; set by `chat_template_kwargs` it would take the place of the request's own."""
_LENGTHS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
"""How the shapes call the bound on an answer: a bound of one of them holds for all."""
PICTURE_OUTPUT_TOKENS = 6_240
"""The most that OpenAI's gpt-image-1 takes for a picture: 1024 x 1536 in high quality."""


BESIDE_PINNED: Mapping[str, object] = {
    "chat_template": None,
    "echo": False,
    "prompt_logprobs": None,
    "return_token_ids": False,
    "return_prompt_token_ids": False,
    "truncate_prompt_tokens": None,
    "add_generation_prompt": True,
    "continue_final_message": False,
    "add_special_tokens": None,
}
"""Parameters of vLLM, SGLang and llama.cpp by which a caller could leave a pinned prompt out or have it told, and what each may be all the same."""


def keep_pinned(asked: Asked) -> None:
    """Refuse what would get around a pinned prompt.

    Raises:
        RequestError: naming the parameter.
    """
    body = asked.body
    inner = body.get("chat_template_kwargs")
    if inner is not None and not (isinstance(inner, dict) and all(isinstance(value, bool | int | float | str) for value in inner.values())):
        raise _not_beside_pinned("chat_template_kwargs")
    for name, harmless in BESIDE_PINNED.items():
        if body.get(name) is not None and body[name] is not harmless:
            raise _not_beside_pinned(name)
        if inner and name in inner and inner[name] is not harmless:
            raise _not_beside_pinned(f"chat_template_kwargs.{name}")
    for name in inner or ():
        if name in _RENDERED:
            raise _not_beside_pinned(f"chat_template_kwargs.{name}")


def _not_beside_pinned(name: str) -> RequestError:
    return RequestError(
        f"`{name}` may not be set for this model: its instructions are fixed.", f"Leave `{name}` out.", param=name, code="parameter_not_allowed"
    )


def apply_bounds(asked: Asked, settings: ModelSettings) -> None:
    """Move the parameters of a request to where the model's settings let them be, in place.

    Raises:
        RequestError: for a parameter that is forbidden, or is no number where a number is bounded.
    """
    if not settings.parameters:
        return
    body = asked.body
    prompts = asked.choices // _choices(asked)
    for name, bound in settings.parameters.items():
        if bound.fixed is not msgspec.UNSET:
            body[name] = bound.fixed
        elif name in body and body[name] is not None:
            body[name] = _bounded(name, body[name], bound)
    asked.choices = _choices(asked) * prompts
    if asked.operation == "images":
        asked.quantities = Quantities(images=asked.choices)


def _choices(asked: Asked) -> int:
    """How many answers each prompt of a request is to have, all that are paid for."""
    names = ("n", "best_of") if asked.operation == "completions" else ("n",) if asked.operation in ("chat", "images") else ()
    return max([1, *(count for name in names if type(count := asked.body.get(name)) is int)])


def output_bound(asked: Asked, settings: ModelSettings | None, bounds: Bounds) -> int:
    """The most tokens that one choice of the answer may take: the caller's own bound, or the default, within the model's and the caller's limits."""
    if asked.operation in _WITHOUT_OUTPUT:
        return 0
    if asked.operation == "images":
        return PICTURE_OUTPUT_TOKENS
    wanted = asked.output_tokens_max or (settings.output_tokens_default if settings else OUTPUT_TOKENS_DEFAULT)
    ends: list[float | None] = [settings.output_tokens_max if settings else None, bounds.output_tokens_max]
    if settings and settings.parameters:
        lengths = [settings.parameters[name] for name in _LENGTHS if name in settings.parameters]
        ends += [bound.most for bound in lengths]
        ends += [bound.fixed for bound in lengths if type(bound.fixed) is int and bound.fixed > 0]
    for most in ends:
        if most is not None and most < wanted:
            wanted = max(1, int(most))
    return wanted


def _bounded(name: str, value: object, bound: Bound) -> object:
    if bound.forbidden:
        raise RequestError(f"`{name}` may not be set for this model.", f"Leave `{name}` out.", param=name, code="parameter_not_allowed")
    if bound.least is None and bound.most is None:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RequestError(f"`{name}` is no number.", param=name, code="invalid_value")
    if bound.least is not None and value < bound.least:
        return _as_written(bound.least, value)
    if bound.most is not None and value > bound.most:
        return _as_written(bound.most, value)
    return value


def _as_written(end: float, value: float) -> float:
    """The end of a bound, whole where a whole number was given: servers refuse 1.0 where they count."""
    return int(end) if isinstance(value, int) and end == int(end) else end

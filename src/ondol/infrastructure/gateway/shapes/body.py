"""A request's body to plain data: bounded, strict about what is understood, tolerant of what is not."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ondol.core.errors import RequestError, UpstreamError
from ondol.infrastructure.gateway.shapes.words import is_mark

DEPTH_MAX = 64
EXPLANATION_CHARACTERS_MAX = 300
MODEL_CHARACTERS_MAX = 200

_HINT = "Send one JSON object in UTF-8."
_PATH = re.compile(r" - at `\$\.?([^`]*)`$")
_MISSING = re.compile(r"missing required field `([^`]+)`")

_decode = msgspec.json.Decoder().decode


def json_object(body: bytes) -> dict[str, Any]:
    """The object that a body holds.

    Raises:
        RequestError: when it is no JSON object, or nested deeper than `DEPTH_MAX`.
    """
    try:
        value = _decode(body)
    except RecursionError:
        raise _too_deep() from None
    except UnicodeDecodeError:
        raise RequestError("The request's body is not valid UTF-8.", _HINT, code="invalid_json") from None
    except ValueError as error:
        raise RequestError(f"The request's body is not valid JSON ({error}).", _HINT, code="invalid_json") from None
    if not isinstance(value, dict):
        raise RequestError("The request's body is not a JSON object.", _HINT, code="invalid_json")
    # Only a body with this many brackets can be deep, and few are: the walk is saved for them.
    if body.count(b"[") + body.count(b"{") > DEPTH_MAX and _is_deeper(value, DEPTH_MAX):
        raise _too_deep()
    return value


def answer_object(body: bytes) -> dict[str, Any]:
    """The object that an upstream answered.

    Raises:
        UpstreamError: when it is none.
    """
    try:
        return json_object(body)
    except RequestError:
        raise garbage("it is no JSON object") from None


def objects(value: Any, what: str) -> list[dict[str, Any]]:
    """The objects of a list in an upstream's answer; none where there is no list.

    Raises:
        UpstreamError: when it is anything else.
    """
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise garbage(f"`{what}` is no list of objects")
    return value


def keep_known(holder: dict[str, Any], known: frozenset[str]) -> None:
    """Take out what is not known and could hold text."""
    if not holder.keys() <= known:
        for name in holder.keys() - known:
            if not isinstance(holder[name], int | float | None) or not is_mark(name):
                del holder[name]


def extension_of(value: Any) -> dict[str, Any]:
    """The ``ondol`` field of an answer; empty where there is none."""
    return value if isinstance(value, dict) else {}


def garbage(what: str) -> UpstreamError:
    """An answer that is not of its shape."""
    return UpstreamError(f"The model provider's answer cannot be understood: {what}.", code="upstream_garbage")


def check_model(model: str) -> str:
    """A model's name.

    Raises:
        RequestError: when it cannot be one.
    """
    if not 1 <= len(model) <= MODEL_CHARACTERS_MAX:
        raise RequestError(f"A model name has 1 to {MODEL_CHARACTERS_MAX} characters.", param="model", code="invalid_value")
    if not model.isprintable() or " " in model:
        raise RequestError("A model name holds no spaces or control characters.", param="model", code="invalid_value")
    return model


def explained(problem: str) -> RequestError:
    """msgspec's message, with its path taken as the name of the field."""
    path = _PATH.search(problem)
    param = path[1] if path else ""
    if missing := _MISSING.search(problem):
        param = f"{param}.{missing[1]}".lstrip(".")
    what = _PATH.sub("", problem)
    what = (f"`{param}`: {what}" if param else what)[:EXPLANATION_CHARACTERS_MAX]
    return RequestError(f"The request is not valid. {what}.", param=param or None, code="missing_field" if missing else "invalid_value")


def invalid(param: str, what: str, hint: str = "") -> RequestError:
    """An error about one field.

    Args:
        what: what is wrong, after the field's name: ``is not a string``.
    """
    return RequestError(f"`{param}` {what}.", hint, param=param, code="invalid_value")


def _is_deeper(value: object, depth_max: int) -> bool:
    level: list[object] = [value]
    for _ in range(depth_max):
        below: list[object] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        level = [item for item in below if isinstance(item, dict | list)]
        if not level:
            return False
    return True


def _too_deep() -> RequestError:
    return RequestError(f"The request's body is nested deeper than {DEPTH_MAX} levels.", code="invalid_json")

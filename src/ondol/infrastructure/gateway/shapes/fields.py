"""What stands in a request beside its messages and reaches a model all the same: tools, schemas, metadata, names, and fields unknown here.

Each is looked at as one text, a line for each string and key in it, and written back line by line where the guard changed something.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ondol.core.errors import RequestError
from ondol.infrastructure.gateway.shapes.base import Asked, Json, Spot
from ondol.infrastructure.gateway.shapes.sse import json_bytes
from ondol.infrastructure.guard.conversation import Role

NUMBER_CHARACTERS_MIN = 7
"""A shorter number identifies nobody."""
_FORM = frozenset({
    "type", "function", "name", "description", "parameters", "properties", "required", "items", "enum", "strict", "schema", "json_schema",
    "input_schema", "additionalProperties", "anyOf", "object", "string", "number", "integer", "boolean", "array", "null", "auto", "none", "any",
    "text", "json_object", "ephemeral", "cache_control", "low", "medium", "high", "minimal", "default", "disabled", "enabled",
})  # fmt: skip
"""Words of the form in which tools and schemas are told. They are not looked at, so that what is said between them stands together."""
_MEDIA = frozenset({"type", "text", "detail", "format", "media_type", "data", "file_data", "url", "image_url", "file_url"})
"""What is read elsewhere of a picture, a sound or a file, or is no text."""


class JsonSpot(Spot):
    """A value whose form is unknown or does not matter, looked at as the lines of its texts, so that none hides in it."""

    __slots__ = ()

    def __init__(self, role: Role, owner: Any, key: str | int) -> None:
        super().__init__(role, "\n".join(_lines(owner[key])), owner, key)

    def counted(self) -> str:
        """The value as a model is shown it: with its form."""
        value = self.owner[self.key]
        return value if isinstance(value, str) else json_bytes(value).decode()

    def put(self, text: str) -> None:
        """Write other texts in their places.

        Raises:
            RequestError: when it cannot be told any more which is which, or a number would have to change.
        """
        lines = iter(text.split("\n"))
        if text.count("\n") != self.text.count("\n"):
            raise _not_let(self.key)
        self.text = text
        self.owner[self.key] = _with_lines(self.owner[self.key], lines, self.key)


def _lines(value: Any) -> Iterator[str]:
    """The texts in a value, its keys too, in the order in which they stand."""
    if isinstance(value, str):
        if value not in _FORM:
            yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            if name not in _FORM:
                yield name
            yield from _lines(each)
    elif isinstance(value, list):
        for each in value:
            yield from _lines(each)
    elif _is_long(value):
        yield str(value)


def _is_long(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and len(str(value)) >= NUMBER_CHARACTERS_MIN


def _with_lines(value: Any, lines: Iterator[str], key: str | int) -> Any:
    """The value with these lines in the place of its own."""
    if isinstance(value, str):
        return value if value in _FORM else "\n".join(next(lines) for _ in range(value.count("\n") + 1))
    if isinstance(value, dict):
        return {_with_lines(name, lines, key): _with_lines(each, lines, key) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_lines(each, lines, key) for each in value]
    if _is_long(value) and next(lines) != str(value):
        raise _not_let(key)
    return value


def _not_let(key: str | int) -> RequestError:
    return RequestError(
        f"`{key}` holds something that the content policy does not let go on.", "Leave it out.", param=str(key), code="content_filter"
    )


def add_fields(asked: Asked, read: frozenset[str]) -> None:
    """Have the guard read the fields of a request that are not read elsewhere, each as one text."""
    add_rest(asked, asked.body, read)


def add_rest(asked: Asked, holder: Json, read: frozenset[str]) -> None:
    """Have the guard read what of an object is not read elsewhere."""
    if holder.keys() <= read:
        return
    for name, value in holder.items():
        if name in read or value is None or isinstance(value, bool):
            continue
        if isinstance(value, str | list | dict) or _is_long(value):
            spot = JsonSpot("field", holder, name)
            if spot.text:
                asked.spots.append(spot)


def add_media_fields(asked: Asked, part: Json, inner: str = "") -> None:
    """Have the guard read what stands beside the data of a picture, a sound or a file, such as its name.

    Args:
        inner: the name of an object within the part that holds the data.
    """
    add_rest(asked, part, _MEDIA | {inner})
    if isinstance(part.get(inner), dict):
        add_rest(asked, part[inner], _MEDIA)


def add_name(asked: Asked, holder: Json, key: str = "name") -> None:
    """Have the guard read a name: a text may stand where one is wanted. A name that is too short to tell anything is one."""
    name = holder.get(key)
    if isinstance(name, str) and len(name) >= NUMBER_CHARACTERS_MIN:
        asked.spots.append(JsonSpot("field", holder, key))

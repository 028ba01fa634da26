"""The arguments of a tool call: read strictly, for what two parsers read differently is a way around a check."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ondol.infrastructure.guard.tools.types import Value

ARGUMENTS_CHARACTERS_MAX = 100_000
DEPTH_MAX = 20
VALUES_MAX = 5_000


class BadArguments(Exception):
    """The arguments cannot be judged; the message says why, in words of the rule."""


def parse_arguments(text: str) -> dict[str, Value]:
    """The JSON object that a text is. An empty text is an empty object, as some models write it.

    Raises:
        BadArguments: when it is too long, too deep or not an object, a name comes twice, or a number or character has no JSON.
    """
    if len(text) > ARGUMENTS_CHARACTERS_MAX:
        raise BadArguments("too long")
    if _depth(text) > DEPTH_MAX:
        raise BadArguments("too deep")
    if not text.strip():
        return {}
    try:
        text.encode()
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode()
    except BadArguments:
        raise
    except (ValueError, RecursionError) as error:
        raise BadArguments("not JSON") from error
    if not isinstance(value, dict):
        raise BadArguments("not an object")
    if sum(1 for _ in every_value(value)) > VALUES_MAX:
        raise BadArguments("too many values")
    return value


def every_value(value: Value) -> Iterator[Value]:
    """All that a value holds, itself included."""
    left: list[Value] = [value]
    while left:
        item = left.pop()
        yield item
        if isinstance(item, dict):
            left += item.values()
        elif isinstance(item, list):
            left += item


def _depth(text: str) -> int:
    """How deep brackets nest, those in strings apart; 0 when it cannot be too deep."""
    if text.count("[") + text.count("{") <= DEPTH_MAX:
        return 0
    depth = deepest = 0
    in_string = is_escaped = False
    for char in text:
        if in_string:
            in_string = is_escaped or char != '"'
            is_escaped = char == "\\" and not is_escaped
        elif char == '"':
            in_string = True
        elif char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
    return deepest


def _once(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    names = dict(pairs)
    if len(names) < len(pairs):
        raise BadArguments("a name comes twice")
    return names


def _refuse(_name: str) -> Value:
    raise BadArguments("a number that is none")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise BadArguments("a number too large")
    return number

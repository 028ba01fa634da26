"""What a JSON Schema that a caller sends may cost: told before it is compiled, so that no request can make a worker stand still.

A schema is refused when it is too large, too deep, refers to what is not in it, or would apply too many of its parts to one place of a value. The
last is counted as `_Visits` describes: a small schema whose parts refer to each other twice over ten levels applies a thousand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SCHEMA_BYTES_MAX = 64 * 1024
"""As JSON."""
SCHEMA_DEPTH_MAX = 40
PATTERNS_MAX = 64
"""Regular expressions in one schema."""
STEPS_MAX = 20_000
"""Parts of a schema that counting looks at, once for each level that they may stand on."""
VALUE_DEPTH_MAX = 32
"""A deeper value is not looked at but refused."""
VISITS_MAX = 1_000
"""Parts of the schema that may be applied on the way from a value's root to one place in it."""

_IN_PLACE_LISTS = ("allOf", "anyOf", "oneOf")
_IN_PLACE = ("not", "if", "then", "else")
_IN_PLACE_NAMED = ("dependentSchemas", "dependencies")
_DEEPER = ("items", "additionalItems", "additionalProperties", "contains", "propertyNames", "unevaluatedItems", "unevaluatedProperties")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


def check_bounds(schema: object) -> None:
    """Refuse what costs too much.

    Raises:
        ValueError: with a sentence that says what is too much.
    """
    if _depth(schema, SCHEMA_DEPTH_MAX) > SCHEMA_DEPTH_MAX:
        raise ValueError(f"it is deeper than {SCHEMA_DEPTH_MAX} levels")
    try:
        size = len(json.dumps(schema, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError("it is not plain JSON") from error
    if size > SCHEMA_BYTES_MAX:
        raise ValueError(f"it is larger than {SCHEMA_BYTES_MAX // 1024} KiB")
    if not isinstance(schema, Mapping):
        raise ValueError("it is not an object")
    if sum(1 for _ in _patterns(schema)) > PATTERNS_MAX:
        raise ValueError(f"it has more than {PATTERNS_MAX} regular expressions")
    try:
        visits = _Visits(schema).most(schema, VALUE_DEPTH_MAX)
    except RecursionError as error:
        raise ValueError("its references are too long a chain") from error
    if visits > VISITS_MAX:
        raise ValueError("too many of its parts apply to one place")


def is_too_deep(value: object) -> bool:
    """Whether a value has more levels than are looked at."""
    return _depth(value, VALUE_DEPTH_MAX) > VALUE_DEPTH_MAX


def _depth(value: object, enough: int) -> int:
    """Levels of lists and objects; counting ends beyond `enough`."""
    level = [value]
    depth = 0
    while level and depth <= enough:
        level = [part for each in level for part in _parts(each)]
        depth += 1
    return depth


def _parts(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, (list, tuple)):
        yield from value


def _patterns(value: object) -> Iterator[object]:
    left = [value]
    while left:
        part = left.pop()
        if isinstance(part, Mapping):
            yield from ("pattern",) if "pattern" in part else ()
            named = part.get("patternProperties")
            yield from named if isinstance(named, Mapping) else ()
        left += _parts(part)


class _Visits:
    """Counts the parts of a schema that are applied on the way to one place of a value.

    Those that apply to the same place add up; of those that stand below different properties only one lies on the way, so the most counts.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._root = schema
        self._known: dict[tuple[int, int], int] = {}
        self._open: set[tuple[int, int]] = set()

    def most(self, part: object, levels: int) -> int:
        """Of one part, with so many levels of the value left; more than `VISITS_MAX` is enough to know.

        Raises:
            ValueError: when it refers to itself or to what is not there.
        """
        if not isinstance(part, Mapping) or levels < 0:
            return 1
        place = (id(part), levels)
        if place in self._open:
            raise ValueError("a part refers to itself")
        if place not in self._known:
            if len(self._known) + len(self._open) >= STEPS_MAX:
                raise ValueError("it has too many parts")
            self._open.add(place)
            counted = 1
            for below in self._in_place(part):
                counted += self.most(below, levels)
                if counted > VISITS_MAX:
                    break
            else:
                counted += self._deeper(part, levels - 1)
            self._open.discard(place)
            self._known[place] = min(counted, VISITS_MAX + 1)
        return self._known[place]

    def _in_place(self, part: Mapping[str, Any]) -> Iterator[object]:
        for name in _REFERENCES:
            if name in part:
                yield self._referred(part[name])
        for name in _IN_PLACE_LISTS:
            if isinstance(part.get(name), list):
                yield from part[name]
        for name in _IN_PLACE:
            if name in part:
                yield part[name]
        for name in _IN_PLACE_NAMED:
            if isinstance(part.get(name), Mapping):
                yield from part[name].values()

    def _deeper(self, part: Mapping[str, Any], levels: int) -> int:
        if levels < 0:
            return 0
        counted = 0
        properties = part.get("properties")
        if isinstance(properties, Mapping):
            counted += max((self.most(below, levels) for below in properties.values()), default=0)
        patterns = part.get("patternProperties")
        if isinstance(patterns, Mapping):
            counted += sum(self.most(below, levels) for below in patterns.values())
        for name in ("prefixItems", "items"):
            if isinstance(part.get(name), list):
                counted += max((self.most(below, levels) for below in part[name]), default=0)
        return counted + sum(self.most(part[name], levels) for name in _DEEPER if isinstance(part.get(name), Mapping))

    def _referred(self, reference: object) -> object:
        """What a reference within the schema names.

        Raises:
            ValueError: when it names nothing in the schema.
        """
        if reference == "#":
            return self._root
        if not isinstance(reference, str) or not reference.startswith("#/"):
            raise ValueError("a $ref leads out of it; only #/... is followed")
        found: Any = self._root
        for step in reference[2:].split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, Mapping) and name in found:
                found = found[name]
            elif isinstance(found, Sequence) and not isinstance(found, str) and name.isascii() and name.isdigit() and int(name) < len(found):
                found = found[int(name)]
            else:
                raise ValueError("a $ref names nothing in it")
        return found

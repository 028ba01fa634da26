"""Answers that must be JSON of a given schema."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from ondol.infrastructure.guard.checks.schema_bounds import check_bounds, is_too_deep
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import WHOLE_TEXT, Finding

if TYPE_CHECKING:
    from jsonschema_rs import Validator

FINDINGS_MAX = 20
CHARACTERS_MAX = 1_000_000
REGEX_BYTES_MAX = 1 << 18
"""What one compiled pattern of a schema may take. Patterns are matched in linear time: look-around and back references are refused."""

_FENCE = re.compile(r"```[A-Za-z0-9]*")
_JSON_BEGINS = ("{", "[", '"')


@dataclass(frozen=True, slots=True)
class SchemaWords:
    """The words that a schema knows, by which a place in a value can be told without a word of the value itself.

    Attributes:
        properties: names of properties, at any depth.
    """

    properties: frozenset[str]

    @classmethod
    def of(cls, schema: Mapping[str, Any]) -> SchemaWords:
        """Those of a schema."""
        names: set[str] = set()
        left: list[object] = [schema]
        while left:
            part = left.pop()
            if isinstance(part, Mapping):
                properties = part.get("properties")
                if isinstance(properties, Mapping):
                    names.update(str(name) for name in properties)
                left += part.values()
            elif isinstance(part, (list, tuple)):
                left += part
        return cls(frozenset(names))

    def place(self, path: Sequence[str | int]) -> str:
        """A place such as ``items/0/price``; ``*`` stands for a name that the schema does not know."""
        return "/".join(str(part) if isinstance(part, int) or part in self.properties else "*" for part in path)


def compiled_schema(schema: Mapping[str, Any]) -> Validator:
    """A schema ready for use.

    Raises:
        ValueError: when it is none, costs too much, or refers to something outside itself.
    """
    import jsonschema_rs

    check_bounds(schema)
    try:
        options = jsonschema_rs.RegexOptions(size_limit=REGEX_BYTES_MAX, dfa_size_limit=REGEX_BYTES_MAX)
        return jsonschema_rs.validator_for(dict(schema), offline=True, pattern_options=options)
    except (ValueError, TypeError, jsonschema_rs.ReferencingError) as error:
        raise ValueError(f"it is not a JSON Schema ({type(error).__name__})") from error


class SchemaCheck:
    """Finds what makes an answer invalid. Without a schema it finds nothing.

    Raises:
        ValueError: when the schema is not one, costs too much, or refers to something outside itself.
    """

    name = "schema"
    reach: int | None = WHOLE_TEXT

    def __init__(self, schema: Mapping[str, Any] | None = None) -> None:
        self._validator = None if schema is None else compiled_schema(schema)
        self._words = SchemaWords.of(schema or {})

    def find(self, text: GuardText) -> Sequence[Finding]:
        """At most `FINDINGS_MAX` findings over the whole text: the reason is the schema's word that does not hold, the entity where."""
        end = len(text.original)
        if self._validator is None or end == 0:  # a model that calls tools says nothing
            return []

        def whole(rule: str, reason: str, entity: str = "") -> Finding:
            return Finding(self.name, f"schema.{rule}", 0, end, 1.0, reason, entity)

        if end > CHARACTERS_MAX:
            return [whole("too_long", "too long")]
        try:
            value = json.loads(text.original, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            return [whole("not_json", "not JSON")]
        if is_too_deep(value):
            return [whole("too_deep", "too deep")]
        try:
            errors = list(islice(self._validator.iter_errors(value), FINDINGS_MAX))
        except (ValueError, RecursionError):  # such as half a character
            return [whole("not_json", "not readable")]
        return [whole("invalid", str(error.schema_path[-1]), self._words.place(error.instance_path)) for error in errors]

    def mended(self, text: str) -> str | None:
        """The text as it is where it is valid, `repaired` where that is enough, else None."""
        candidate = repaired(text)
        return candidate if candidate is not None and not self.find(GuardText(candidate)) else None


def repaired(text: str) -> str | None:
    """The text as JSON where that takes only removing a code fence with the words around it, or trailing commas, or closing what is open; else None.

    No value changes; a string or number that may have been cut off is not closed.
    """
    candidate = text[:CHARACTERS_MAX].strip()
    if len(text) > CHARACTERS_MAX:
        return None
    if candidate[:1] not in _JSON_BEGINS:
        candidate = _within_fence(candidate)
    pieces: list[str] = []
    open_brackets: list[str] = []
    in_string = is_escaped = False
    for char in candidate:
        if in_string:
            in_string = is_escaped or char != '"'
            is_escaped = char == "\\" and not is_escaped
        elif char == '"':
            in_string = True
        elif char in "{[":
            open_brackets.append("}" if char == "{" else "]")
        elif char in "}]":
            if not open_brackets or open_brackets.pop() != char:
                return None
            _drop_comma(pieces)
        pieces.append(char)
    if in_string:  # a value that is cut off cannot be known
        return None
    if open_brackets:
        # A number or word at the very end may have gone on: only what ends by itself is closed.
        if "".join(pieces[-1:]).strip() not in {'"', "}", "]", ",", "{", "["}:
            return None
        _drop_comma(pieces)
        pieces.extend(reversed(open_brackets))
    try:
        json.loads("".join(pieces), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return "".join(pieces)


def _within_fence(text: str) -> str:
    """What stands in the one code fence of a text, or the text as it is."""
    opening = _FENCE.search(text)
    if opening is None:
        return text
    end = text.rfind("```", opening.end())
    # A fence that is not closed was cut off with what it holds.
    return text[opening.end() : end if end >= 0 else len(text)].strip()


def _drop_comma(pieces: list[str]) -> None:
    at = len(pieces) - 1
    while at >= 0 and pieces[at].isspace():
        at -= 1
    if at >= 0 and pieces[at] == ",":
        del pieces[at]


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")

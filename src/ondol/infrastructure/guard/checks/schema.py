"""Answers that must be JSON of a given schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import WHOLE_TEXT, Finding

FINDINGS_MAX = 20
CHARACTERS_MAX = 1_000_000


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


class SchemaCheck:
    """Finds what makes an answer invalid. Without a schema it finds nothing.

    Raises:
        ValueError: when the schema is not one, or refers to something outside itself.
    """

    name = "schema"
    reach: int | None = WHOLE_TEXT

    def __init__(self, schema: Mapping[str, Any] | None = None) -> None:
        self._validator = None
        self._words = SchemaWords.of(schema or {})
        if schema is not None:
            import jsonschema_rs

            try:
                self._validator = jsonschema_rs.validator_for(dict(schema), offline=True)
            except (ValueError, TypeError, jsonschema_rs.ReferencingError) as error:
                raise ValueError(f"not a JSON Schema: {type(error).__name__}") from error

    def find(self, text: GuardText) -> Sequence[Finding]:
        """At most `FINDINGS_MAX` findings over the whole text: the reason is the schema's word that does not hold, the entity where."""
        if self._validator is None:
            return []
        end = len(text.original)
        try:
            value = json.loads(text.original) if end <= CHARACTERS_MAX else None
        except (ValueError, RecursionError):
            return [Finding(self.name, "schema.not_json", 0, end, 1.0, "not JSON")]
        if end > CHARACTERS_MAX:
            return [Finding(self.name, "schema.too_long", 0, end, 1.0, "too long")]
        return [
            Finding(self.name, "schema.invalid", 0, end, 1.0, str(error.schema_path[-1]), self._words.place(error.instance_path))
            for error in islice(self._validator.iter_errors(value), FINDINGS_MAX)
        ]


def repaired(text: str) -> str | None:
    """The text as valid JSON where that takes only removing a code fence or trailing commas, or closing what is open; no value changes. Else None."""
    candidate = text[:CHARACTERS_MAX].strip()
    if len(text) > CHARACTERS_MAX:
        return None
    if candidate.startswith("```"):
        candidate = candidate.partition("\n")[2].strip().removesuffix("```").strip()
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
        json.loads("".join(pieces))
    except (ValueError, RecursionError):
        return None
    return "".join(pieces)


def _drop_comma(pieces: list[str]) -> None:
    at = len(pieces) - 1
    while at >= 0 and pieces[at].isspace():
        at -= 1
    if at >= 0 and pieces[at] == ",":
        del pieces[at]

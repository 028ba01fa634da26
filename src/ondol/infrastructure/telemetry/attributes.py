"""Attributes as OTLP writes them, from the table in `genai`."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from operator import attrgetter

from ondol.infrastructure.telemetry.genai import ATTRIBUTES, DERIVED, SpanName, Value
from ondol.infrastructure.telemetry.protobuf import bytes_field, double_field, text_field, varint_field
from ondol.infrastructure.telemetry.types import Observed

TEXT_CHARACTERS_MAX = 500
TEXTS_MAX = 32
SMALL = 1_024
REMEMBERED_MAX = 8_192
"""Written attributes that are kept, since most texts and small numbers come again."""


def attribute(field: int, name: str, value: Value) -> bytes:
    """A `KeyValue` as a field of a message."""
    return bytes_field(field, text_field(1, name) + bytes_field(2, _any_value(value)))


def _any_value(value: Value) -> bytes:
    if isinstance(value, bool):
        return varint_field(2, value)
    if isinstance(value, int):
        return varint_field(3, value)
    if isinstance(value, float):
        return double_field(4, value)
    if isinstance(value, tuple):
        return bytes_field(5, b"".join(bytes_field(1, text_field(1, text[:TEXT_CHARACTERS_MAX])) for text in value[:TEXTS_MAX]))
    return text_field(1, (value or "")[:TEXT_CHARACTERS_MAX])


class SpanAttributes:
    """Writes the attributes of one kind of span.

    Args:
        field: the number that attributes have in the message.
        identities: those that name somebody too.
    """

    def __init__(self, span: SpanName, field: int, *, identities: bool) -> None:
        self._field = field
        self._rows: list[tuple[str, Callable[[Observed], object], bool, bool]] = [
            (row.name, DERIVED.get(row.field) or attrgetter(row.field), row.blank, row.varies)
            for row in ATTRIBUTES
            if row.span == span and (identities or not row.identity)
        ]
        self._remembered: dict[tuple[str, object], bytes] = {}

    def of(self, record: Observed) -> bytes:
        """All attributes of a record."""
        remembered = self._remembered
        parts: list[bytes] = []
        for name, read, blank, varies in self._rows:
            value = read(record)
            if value is None or (not value and not blank):
                continue
            if varies or (value.__class__ is int and value >= SMALL):
                parts.append(attribute(self._field, name, _plain(value)))
                continue
            try:
                parts.append(remembered[name, value])
            except KeyError:
                parts.append(self._remember(name, value))
        return b"".join(parts)

    def _remember(self, name: str, value: object) -> bytes:
        if len(self._remembered) >= REMEMBERED_MAX:
            self._remembered.clear()
        part = self._remembered[name, value] = attribute(self._field, name, _plain(value))
        return part


def _plain(value: object) -> Value:
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, str | int | float | tuple):
        return value
    raise TypeError(f"An attribute cannot hold a {type(value).__name__}.")

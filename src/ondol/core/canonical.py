"""The one canonical JSON over which digests are taken.

Rules: UTF-8, no whitespace, object keys sorted by Unicode code point, strings as given with only the escapes that JSON
requires, integers as they are, no floats (a number that may have a fraction is written as a string by its owner), UUIDs and
datetimes as strings (datetimes in UTC with microseconds and ``Z``), bytes as lower-case hexadecimal.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

Json: TypeAlias = "bool | int | str | bytes | uuid.UUID | datetime | Sequence[Json] | Mapping[str, Json] | None"
"""What canonical JSON can carry."""


def canonical_json(value: Json) -> bytes:
    """The canonical form of a value.

    Raises:
        TypeError: for floats, naive datetimes and anything else that has no canonical form.
    """
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def digest(value: Json) -> bytes:
    """SHA-256 of the canonical form, 32 bytes. For internal use: addresses shown outside are HMACs."""
    return hashlib.sha256(canonical_json(value)).digest()


def keyed_digest(key: bytes, purpose: str, data: bytes) -> bytes:
    """HMAC-SHA-256 of data under a tenant key, 32 bytes, separated by purpose.

    Args:
        key: the tenant's HMAC key, 32 bytes.
        purpose: a fixed word, such as ``content`` or ``login``: equal data gives unrelated digests for two purposes.
    """
    return hmac.new(key, purpose.encode() + b"\x00" + data, hashlib.sha256).digest()


def _plain(value: Json) -> object:
    match value:
        case None | bool() | int() | str():
            return value
        case bytes():
            return value.hex()
        case uuid.UUID():
            return str(value)
        case datetime():
            if value.tzinfo is None:
                raise TypeError("a naive datetime has no canonical form")
            return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
        case Mapping():
            if any(not isinstance(key, str) for key in value):
                raise TypeError("an object key must be a string")
            return {key: _plain(item) for key, item in value.items()}
        case bytearray() | memoryview():
            raise TypeError(f"{type(value).__name__} has no canonical form: give bytes")
        case Sequence():
            return [_plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no canonical form")

"""Identifiers: UUID version 7 (RFC 9562), made in Python, ordered by time."""

from __future__ import annotations

import os
import time
import uuid
from typing import NewType

TenantId = NewType("TenantId", uuid.UUID)
PersonId = NewType("PersonId", uuid.UUID)

_VERSION_7 = 0x7 << 76
_VARIANT_RFC = 0x2 << 62


def new_id(unix_ms: int | None = None) -> uuid.UUID:
    """A fresh UUIDv7: 48 bits of Unix milliseconds, then 74 random bits.

    Args:
        unix_ms: the time to carry; now when absent.
    """
    milliseconds = time.time_ns() // 1_000_000 if unix_ms is None else unix_ms
    randomness = int.from_bytes(os.urandom(10), "big")
    high_random = (randomness >> 62) & 0xFFF
    low_random = randomness & ((1 << 62) - 1)
    return uuid.UUID(int=(milliseconds << 80) | _VERSION_7 | (high_random << 64) | _VARIANT_RFC | low_random)


def first_id_at(unix_ms: int) -> uuid.UUID:
    """The smallest UUIDv7 of a millisecond: the lower bound of a time partition."""
    return uuid.UUID(int=(unix_ms << 80) | _VERSION_7 | _VARIANT_RFC)


def unix_ms_of(identifier: uuid.UUID) -> int:
    """The Unix milliseconds that a UUIDv7 carries."""
    return identifier.int >> 80


def new_tenant_id() -> TenantId:
    """A fresh tenant id."""
    return TenantId(new_id())


def new_person_id() -> PersonId:
    """A fresh person id."""
    return PersonId(new_id())

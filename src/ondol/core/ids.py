"""Identifiers: UUID version 7 (RFC 9562), made in Python, ordered by time."""

from __future__ import annotations

import os
import threading
import time
import uuid
from typing import NewType

TenantId = NewType("TenantId", uuid.UUID)
PersonId = NewType("PersonId", uuid.UUID)

_VERSION_7 = 0x7 << 76
_VARIANT_RFC = 0x2 << 62


_COUNT_MAX = 0xFFF
_SET_BACK_MS = 10_000
"""A clock that was set back by more than this is followed; within it ids go on from the last one."""


def new_id(unix_ms: int | None = None) -> uuid.UUID:
    """A fresh UUIDv7: 48 bits of Unix milliseconds, 12 that count within the millisecond (RFC 9562, method 1), 62 random bits.

    So the ids that one process makes are in the order in which they were made: what breaks ties by them breaks them the same way again.

    Args:
        unix_ms: the time to carry, with 74 random bits behind it; now, in order, when absent.
    """
    random = int.from_bytes(os.urandom(10), "big")
    if unix_ms is None:
        milliseconds, middle = _sequence.following(time.time_ns() // 1_000_000)
    else:
        milliseconds, middle = unix_ms, (random >> 62) & _COUNT_MAX
    low = random & ((1 << 62) - 1)
    return uuid.UUID(int=(milliseconds << 80) | _VERSION_7 | (middle << 64) | _VARIANT_RFC | low)


class _Sequence:
    """Pairs of milliseconds and a count within them, each above the one before. Safe to share by threads."""

    def __init__(self) -> None:
        self._last = (0, 0)
        self._lock = threading.Lock()

    def following(self, now_ms: int) -> tuple[int, int]:
        """The next pair, of this time unless that is over already."""
        with self._lock:
            last_ms, count = self._last
            if now_ms > last_ms or now_ms < last_ms - _SET_BACK_MS:
                self._last = now_ms, 0
            elif count < _COUNT_MAX:
                self._last = last_ms, count + 1
            else:
                self._last = last_ms + 1, 0
            return self._last


_sequence = _Sequence()


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

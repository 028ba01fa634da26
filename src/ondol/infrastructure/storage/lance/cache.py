"""What is kept in memory between searches, with its bounds."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class ByteBoundedCache(Generic[Key, Value]):
    """Forgets what was used longest ago, so that the sum of sizes and the count stay within their bounds. Safe to share by threads.

    Args:
        bytes_max: the sum of the sizes of everything kept; what is larger by itself is not kept at all.
        count_max: how many entries are kept.
    """

    def __init__(self, bytes_max: int, count_max: int) -> None:
        self._bytes_max = bytes_max
        self._count_max = count_max
        self._bytes = 0
        self._entries: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size_bytes(self) -> int:
        """The sum of the sizes of what is kept."""
        return self._bytes

    def get(self, key: Key) -> Value | None:
        """The value, now the one used last; or None."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def put(self, key: Key, value: Value, size_bytes: int) -> None:
        """Keeps a value in place of an older one under the same key."""
        with self._lock:
            self._forget(key)
            if size_bytes > self._bytes_max:
                return
            self._entries[key] = (value, size_bytes)
            self._bytes += size_bytes
            while self._bytes > self._bytes_max or len(self._entries) > self._count_max:
                self._forget(next(iter(self._entries)))

    def discard(self, key: Key) -> None:
        """Forgets a key, if it is there."""
        with self._lock:
            self._forget(key)

    def discard_all(self, chosen: Callable[[Key], bool]) -> None:
        """Forgets every key for which `chosen` is true."""
        with self._lock:
            for key in [key for key in self._entries if chosen(key)]:
                self._forget(key)

    def _forget(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry[1]

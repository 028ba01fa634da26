"""What was found in texts that come again: tools, system prompts and earlier turns stand in request after request, and are looked at once.

Findings are remembered, never decisions: what is done about them is decided anew for each request, by its own marks and tokens. Only what those
checks found is remembered that go by the text and the policy alone (`Check.is_pure`); what looks for canaries or registered texts looks each time.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

from ondol.infrastructure.guard.engine import StageGuard
from ondol.infrastructure.guard.types import Finding

REMEMBERED_BYTES_MAX = 32 << 20
"""Of one worker, over all tenants."""
ENTRY_BYTES = 640
FINDING_BYTES = 480
"""What an entry and each finding in it take at most, measured."""
PLACE_BYTES = 32


class Remembered:
    """Findings by text. Safe to share between threads. What was not asked for the longest is forgotten first.

    No text is kept: an entry is named by a hash under the tenant's own key, so that no tenant meets another's, nor learns from the time that an
    answer takes what others sent.

    Attributes:
        size_bytes: what is remembered takes at most so much memory.
    """

    def __init__(self, bytes_max: int = REMEMBERED_BYTES_MAX) -> None:
        self.size_bytes = 0
        self._bytes_max = bytes_max
        self._known: OrderedDict[bytes, tuple[Finding, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def forget_all(self) -> None:
        """Remember nothing of any text: some text was erased, and which one it was cannot be told from here."""
        with self._lock:
            self._known.clear()
            self.size_bytes = 0

    def find(self, guard: StageGuard, key: bytes, role: str, text: str) -> tuple[list[Finding], tuple[str, ...]]:
        """All findings in a text, and the checks that failed: what `StageGuard.find` tells.

        Args:
            key: the tenant's, 32 bytes.
            role: who speaks.
        """
        if not guard.has_pure:
            return guard.find(text)
        place = _place(guard, key, role, text)
        with self._lock:
            known = self._known.get(place)
            if known is not None:
                self._known.move_to_end(place)
        if known is not None:
            return guard.find_again(text, known)
        pure, found, failed = guard.find_apart(text)
        if not failed:
            self._keep(place, tuple(pure))
        return found, failed

    def _keep(self, place: bytes, found: tuple[Finding, ...]) -> None:
        size = _size(found)
        with self._lock:
            if place in self._known or size > self._bytes_max:
                return
            self._known[place] = found
            self.size_bytes += size
            while self.size_bytes > self._bytes_max:
                _, gone = self._known.popitem(last=False)
                self.size_bytes -= _size(gone)


def _size(found: tuple[Finding, ...]) -> int:
    return ENTRY_BYTES + FINDING_BYTES * len(found)


def _place(guard: StageGuard, key: bytes, role: str, text: str) -> bytes:
    """Names a text: the tenant's key, and a digest of the policies, the stage, the role and the text. Each part but the last has a known length."""
    named = hashlib.blake2b(guard.version, key=key, digest_size=PLACE_BYTES)
    named.update(role.encode().ljust(16, b"\0"))
    named.update(text.encode("utf-8", "surrogatepass"))
    return named.digest()

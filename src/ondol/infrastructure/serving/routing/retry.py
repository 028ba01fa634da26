"""How often and when a request is sent again: a budget shared by all requests of a tenant, and waits that grow and are spread."""

from __future__ import annotations

RETRIES_SHARE = 0.1
RETRIES_FLOOR_PER_S = 1.0
RETRIES_SAVED_MAX = 50.0
BACKOFF_S_FIRST = 0.2
BACKOFF_S_MAX = 5.0
WAIT_S_MAX = 10.0
"""A wait that a provider asks for is kept inside the request up to this; a longer one is the caller's to wait."""


class RetryBudget:
    """Retries are at most a tenth of the requests, and one a second for those who have few: a failing provider is not asked twice as much as a
    healthy one. Finagle's rule (a token bucket that requests fill and retries drain).

    Args:
        share: retries earned by a request.
        floor_per_s: retries earned by a second.
        saved_max: how many may be saved up.
    """

    __slots__ = ("_at", "_floor_per_s", "_saved", "_saved_max", "_share")

    def __init__(self, share: float = RETRIES_SHARE, floor_per_s: float = RETRIES_FLOOR_PER_S, saved_max: float = RETRIES_SAVED_MAX) -> None:
        self._share = share
        self._floor_per_s = floor_per_s
        self._saved_max = saved_max
        self._saved = min(10.0 * floor_per_s, saved_max)
        self._at: float | None = None

    def earn(self) -> None:
        """A request begins."""
        saved = self._saved + self._share
        self._saved = saved if saved < self._saved_max else self._saved_max

    def spend(self, now: float) -> bool:
        """Take one retry, if there is one. `now` is in monotonic seconds."""
        if self._at is not None:
            self._saved = min(self._saved + max(0.0, now - self._at) * self._floor_per_s, self._saved_max)
        self._at = now
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True


def backoff_s(retry: int, chance: float) -> float:
    """The wait before a retry: full jitter over an exponential bound, so that many callers do not come back together.

    Args:
        retry: 0 for the first.
        chance: uniform in [0, 1).
    """
    return chance * min(BACKOFF_S_FIRST * 2.0 ** min(retry, 16), BACKOFF_S_MAX)

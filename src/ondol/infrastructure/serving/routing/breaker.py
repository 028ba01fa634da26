"""A circuit breaker: a target that keeps failing is left alone for a while, then tried with one request at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """When a breaker opens and for how long.

    Attributes:
        consecutive_max: so many failures in a row open it.
        rate_max: so does this share of failures among at least `requests_min` requests of the last one to two windows.
        open_s: how long it rests the first time; twice as long after each probe that fails, up to `open_s_max`.
        retry_after_s_max: how long a provider's own Retry-After is believed. Longer ones are tried again then: one answer must not silence a target
            for an hour.
    """

    consecutive_max: int = 5
    rate_max: float = 0.5
    requests_min: int = 20
    window_s: float = 15.0
    open_s: float = 2.0
    open_s_max: float = 60.0
    retry_after_s_max: float = 60.0


DEFAULT_BREAKER = BreakerSettings()


class Breaker:
    """One target's. All times are monotonic seconds that the caller gives; nothing here waits.

    Each `admit` that says yes is followed by `succeeded`, `failed`, `limited` or `abandoned`.
    """

    __slots__ = ("_consecutive", "_failures", "_openings", "_probing", "_requests", "_rests_until", "_settings", "_state", "_window_ends")

    def __init__(self, settings: BreakerSettings = DEFAULT_BREAKER) -> None:
        self._settings = settings
        self._state: State = "closed"
        self._consecutive = 0
        self._openings = 0
        self._probing = False
        self._rests_until = 0.0
        self._window_ends = 0.0
        self._requests = [0, 0]
        self._failures = [0, 0]

    @property
    def state(self) -> State:
        """Closed: every request passes. Open: none. Half open: one at a time."""
        return self._state

    def rests_s(self, now: float) -> float:
        """Seconds until a request may pass; 0 when one may now."""
        return max(0.0, self._rests_until - now)

    def admit(self, now: float) -> bool:
        """Whether a request may go to the target now."""
        if self._state == "closed":
            return now >= self._rests_until
        if self._probing or now < self._rests_until:
            return False
        self._state = "half_open"
        self._probing = True
        return True

    def succeeded(self, now: float) -> None:
        """The target answered; a refusal that the request itself earned is an answer too."""
        if self._state != "closed":
            self._close()
        self._consecutive = 0
        self._turn(now)
        self._requests[0] += 1

    def failed(self, now: float, *, spread: float = 1.0) -> None:
        """The target failed.

        Args:
            spread: a factor on the rest, near 1, so that the workers of an installation do not probe in step.
        """
        self._consecutive += 1
        self._turn(now)
        self._requests[0] += 1
        self._failures[0] += 1
        if self._state == "half_open" or (self._state == "closed" and self._is_too_bad()):
            self._open(now, spread)

    def limited(self, now: float, retry_after_s: float) -> None:
        """The target asked to be left alone for a while. That is no failure."""
        self._probing = False
        self._rests_until = max(self._rests_until, now + min(retry_after_s, self._settings.retry_after_s_max))

    def abandoned(self) -> None:
        """Nobody knows how it would have ended: the caller left."""
        self._probing = False

    def _is_too_bad(self) -> bool:
        settings = self._settings
        requests = sum(self._requests)
        return self._consecutive >= settings.consecutive_max or (
            requests >= settings.requests_min and sum(self._failures) >= settings.rate_max * requests
        )

    def _open(self, now: float, spread: float) -> None:
        settings = self._settings
        rest_s = min(settings.open_s * 2**self._openings, settings.open_s_max) * spread
        self._openings = min(self._openings + 1, 30)
        self._state = "open"
        self._probing = False
        self._rests_until = max(self._rests_until, now + rest_s)

    def _close(self) -> None:
        self._state = "closed"
        self._probing = False
        self._openings = 0
        self._rests_until = 0.0
        self._requests = [0, 0]
        self._failures = [0, 0]

    def _turn(self, now: float) -> None:
        """Forget what is older than two windows."""
        if now >= self._window_ends:
            old = now >= self._window_ends + self._settings.window_s
            self._requests = [0, 0 if old else self._requests[0]]
            self._failures = [0, 0 if old else self._failures[0]]
            self._window_ends = now + self._settings.window_s

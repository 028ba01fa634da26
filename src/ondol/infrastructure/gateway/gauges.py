"""What the parts of a worker stand at, for the metrics page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ondol.infrastructure.gateway.records.drain import RecordDrain
from ondol.infrastructure.gateway.records.recorder import RequestRecorder
from ondol.infrastructure.gateway.server.types import Counters
from ondol.infrastructure.serving.routing.breaker import State
from ondol.infrastructure.storage.spool.segments import spool_bytes
from ondol.infrastructure.telemetry import catalogue as told
from ondol.infrastructure.telemetry.types import Put

STATES: Mapping[State, int] = {"closed": 0, "half_open": 1, "open": 2}
BREAKERS_MAX = 1_000
"""Targets whose breakers are told; a look at each costs a microsecond, twice a second."""


def server_gauges(counters: Counters, connections: Callable[[], int]) -> Callable[[Put], None]:
    """Tells what a server does.

    Args:
        connections: open ones.
    """

    def tell(put: Put) -> None:
        put(told.IN_FLIGHT.name, counters.in_flight)
        put(told.CONNECTIONS.name, connections())
        put(told.CONNECTIONS_OPENED.name, counters.connections)
        put(told.CONNECTIONS_REFUSED.name, counters.connections_refused)
        put(told.CONNECTIONS_TIMED_OUT.name, counters.timed_out)
        put(told.HTTP_LEFT.name, counters.left)
        for digit in range(1, 6):
            put(told.HTTP_ANSWERS.name, counters.answered[digit], f"{digit}xx")

    return tell


def records_gauges(recorder: RequestRecorder, drain: RecordDrain, folder: Path) -> Callable[[Put], None]:
    """Tells how records come along.

    Args:
        folder: of the spool, which all workers share.
    """

    def tell(put: Put) -> None:
        put(told.RECORDS_WAITING.name, recorder.held)
        put(told.SPOOL_BYTES.name, spool_bytes(folder))
        put(told.RECORDS_WRITTEN.name, drain.written)
        for reason, count in (
            ("dropped", recorder.dropped),
            ("unreadable", drain.unreadable),
            ("refused", drain.refused),
            ("unowned", drain.unowned),
        ):
            put(told.RECORDS_DROPPED.name, count, reason)

    return tell


def store_gauges(
    postgres_age_s: Callable[[], float], leases: Callable[[], int], breakers: Callable[[], Iterable[tuple[str, str, State]]]
) -> Callable[[Put], None]:
    """Tells what stands between this worker and others.

    Args:
        postgres_age_s: seconds since Postgres last answered.
        leases: how many of limits and budgets are held.
        breakers: provider's name, upstream model and state of each target; where a name comes twice the worse counts.
    """

    def tell(put: Put) -> None:
        put(told.POSTGRES_AGE.name, postgres_age_s())
        put(told.LEASES.name, leases())
        worst: dict[tuple[str, str], int] = {}
        for provider, model, state in breakers():
            if len(worst) >= BREAKERS_MAX:
                break
            worst[provider, model] = max(worst.get((provider, model), 0), STATES[state])
        for labels, state_number in worst.items():
            put(told.BREAKER.name, state_number, *labels)

    return tell

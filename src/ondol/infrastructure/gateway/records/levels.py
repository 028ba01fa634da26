"""How well requests were served: how many, how many failed, how long they took, in hours or days. Read from the sums of whole hours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from ondol.core.errors import RequestError
from ondol.infrastructure.storage.postgres import Connection, load_queries, rows

Step = Literal["hour", "day"]
Measure = Literal["whole", "first_token"]
STEPS_MAX = 2_400
"""Hours of a hundred days."""
CLASS_BEGIN_US = 100.0
CLASSES_OF_AN_OCTAVE = 8
"""A class of speed begins at `CLASS_BEGIN_US` times 2 to its number by this: what is read from its middle is off by at most 4.5 %."""

_SQL = load_queries("ondol.infrastructure.gateway.records")
_STEP: Mapping[Step, timedelta] = {"hour": timedelta(hours=1), "day": timedelta(days=1)}


@dataclass(slots=True)
class Level:
    """What was served in one step, or in all of them.

    Attributes:
        at: when the step begins; None for the whole.
        failed: requests whose outcome was another than ``answered``; `server_errors` are those answered with 500 or more.
        guarded: requests in which the guard changed or refused something; `blocked` are those it refused.
        speeds: answered requests by measure and class.
    """

    at: datetime | None = None
    requests: int = 0
    failed: int = 0
    server_errors: int = 0
    retried: int = 0
    guarded: int = 0
    blocked: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    speeds: dict[Measure, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))

    @property
    def availability(self) -> float | None:
        """The share that no server's error stood in the way of; None without a request."""
        return 1 - self.server_errors / self.requests if self.requests else None

    def quantile_us(self, measure: Measure, share: float) -> float | None:
        """How long that share of the answered requests took at most, in microseconds; None where none was timed.

        From the middle, by ratio, of the class in which the request of that rank stands.
        """
        counts = self.speeds.get(measure, {})
        whole = sum(counts.values())
        rank = share * whole
        seen = 0
        for number, count in sorted(counts.items()):
            seen += count
            if seen >= rank:
                return float(CLASS_BEGIN_US * 2.0 ** ((number + 0.5) / CLASSES_OF_AN_OCTAVE))
        return None


async def levels(
    connection: Connection, *, since: datetime, until: datetime, step: Step, time_zone: str, model: str | None = None
) -> tuple[Level, list[Level]]:
    """The whole and its steps, from the hour of `since` until before `until`, for one model or all. Steps without a request are left out.

    Raises:
        RequestError: when the period is none, or has too many steps.
    """
    if not timedelta(0) < until - since <= STEPS_MAX * _STEP[step]:
        raise RequestError(f"A period has up to {STEPS_MAX} steps.", "Ask for a shorter one, or for days.", code="bad_period", param="until")
    begin = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    values: dict[str, object] = {"since": begin, "until": until, "step": step, "time_zone": time_zone, "model": model}
    steps = {row["at"]: Level(**row) for row in await rows(connection, _SQL["hours"], values)}
    for row in await rows(connection, _SQL["speeds"], values):
        steps[row["at"]].speeds[row["measure"]][row["class"]] = row["requests"]
    told = list(steps.values())
    return _whole(told), told


def _whole(steps: list[Level]) -> Level:
    whole = Level()
    for one in steps:
        for name in ("requests", "failed", "server_errors", "retried", "guarded", "blocked", "input_tokens", "cached_tokens", "output_tokens"):
            setattr(whole, name, getattr(whole, name) + getattr(one, name))
        for measure, counts in one.speeds.items():
            for number, count in counts.items():
                whole.speeds[measure][number] = whole.speeds[measure].get(number, 0) + count
    return whole

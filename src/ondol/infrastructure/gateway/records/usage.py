"""What was used, and by whom: sums over records, and the records themselves."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from ondol.core.errors import NotFound, RequestError
from ondol.core.ids import first_id_at
from ondol.infrastructure.gateway.records.lines import record_of
from ondol.infrastructure.gateway.records.types import RequestRecord
from ondol.infrastructure.storage.postgres import Connection, load_queries, one, rows

GROUPS_MAX = 10_000
PAGE_MAX = 1_000
PERIOD_DAYS_MAX = 400
LONGEST_REQUEST = timedelta(days=1)
"""A record's id carries the moment at which its request came, its time the one that the clock then showed: they differ by no more than this."""

HOUR = timedelta(hours=1)
OFFSETS_LOOKED_AT = 24
"""Moments of a period at which the zone's distance from UTC is looked at: it changes at most a few times in a year."""

Group = Literal["day", "person", "key", "model", "group"]
GROUPS: frozenset[Group] = frozenset({"day", "person", "key", "model", "group"})
CALLERS: frozenset[Group] = frozenset({"person", "key", "group"})
"""Groups that tell who asked; without them the sums of each model's hours are read, which are few."""

_SQL = load_queries("ondol.infrastructure.gateway.records")
_LAST = uuid.UUID(int=2**128 - 1)
_NIL = uuid.UUID(int=0)


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What one group used. A field of the group that was not asked for is None.

    Attributes:
        day: in the time zone that was asked for.
        failed: requests whose outcome was another than ``answered``; they are among `requests`.
        estimated: requests whose upstream told no usage.
        images: pictures that were made.
        audio_ms: milliseconds of sound that was written down.
        characters: characters that were spoken.
        cost_nano: nano-units of `currency`; 0 and None where no price was known.
    """

    day: date | None
    person_id: uuid.UUID | None
    api_key_id: uuid.UUID | None
    model: str | None
    currency: Literal["USD", "KRW"] | None
    requests: int
    failed: int
    estimated: int
    input_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    images: int
    audio_ms: int
    characters: int
    cost_nano: int
    group_id: uuid.UUID | None = None


async def usage_by(
    connection: Connection,
    by: Collection[Group],
    *,
    since: datetime,
    until: datetime,
    time_zone: str,
    person_id: uuid.UUID | None = None,
    api_key_id: uuid.UUID | None = None,
    model: str | None = None,
) -> list[UsageRow]:
    """What the transaction's tenant used from `since` until before `until`, one row for each group and currency, in their order.

    Args:
        by: what makes a group; everything is one group for none. By the caller's groups a request counts in each of them.
        time_zone: IANA name, whose days count.
        person_id, api_key_id, model: only theirs.

    Raises:
        RequestError: when the period is no period or too long, there are too many groups, or a group is unknown.
    """
    if not timedelta(0) < until - since <= timedelta(days=PERIOD_DAYS_MAX):
        raise RequestError(f"A period has up to {PERIOD_DAYS_MAX} days.", "Ask for a shorter one.", code="bad_period", param="until")
    if not GROUPS.issuperset(by):
        raise RequestError("That is no group.", f"Groups are {', '.join(sorted(GROUPS))}.", code="bad_group", param="by")
    hours_since, hours_until = _whole_hours(since, until, time_zone)
    values: dict[str, object] = {
        **{f"by_{group}": group in by for group in GROUPS},
        "with_callers": not CALLERS.isdisjoint(by) or person_id is not None or api_key_id is not None,
        "first_id": _id_at(since - LONGEST_REQUEST),
        "first_end_id": _id_at(hours_since + LONGEST_REQUEST),
        "last_id": _id_at(hours_until - LONGEST_REQUEST),
        "end_id": _id_at(until + LONGEST_REQUEST),
        "since": since,
        "hours_since": hours_since,
        "hours_until": hours_until,
        "until": until,
        "time_zone": time_zone,
        "person_id": person_id,
        "api_key_id": api_key_id,
        "only_model": model,
        "limit": GROUPS_MAX + 1,
    }
    found = [UsageRow(**row) for row in await rows(connection, _SQL["usage"], values)]
    if len(found) > GROUPS_MAX:
        raise RequestError(f"There are more than {GROUPS_MAX} groups.", "Ask for a shorter period or fewer groups.", code="too_many_groups")
    return found


async def list_requests(
    connection: Connection,
    *,
    since: datetime | None = None,
    before: uuid.UUID | None = None,
    person_id: uuid.UUID | None = None,
    api_key_id: uuid.UUID | None = None,
    model: str | None = None,
    outcome: str | None = None,
    limit: int = 100,
) -> list[RequestRecord]:
    """Records of the transaction's tenant, the newest first. The next page begins before the last one's id.

    Raises:
        RequestError: when the limit is not between 1 and `PAGE_MAX`.
    """
    if not 1 <= limit <= PAGE_MAX:
        raise RequestError(f"A page has 1 to {PAGE_MAX} records.", "Ask for the next page with `before`.", code="bad_limit", param="limit")
    values: dict[str, object] = {
        "since": _id_at(since) if since else _NIL,
        "before": before or _LAST,
        "person_id": person_id,
        "api_key_id": api_key_id,
        "model": model,
        "outcome": outcome,
        "limit": limit,
    }
    return [record_of(row) for row in await rows(connection, _SQL["requests_page"], values)]


async def get_request(connection: Connection, request_id: uuid.UUID) -> RequestRecord:
    """One record of the transaction's tenant.

    Raises:
        NotFound: when there is none, or it has not reached Postgres yet.
    """
    found = await one(connection, _SQL["request_by_id"], {"id": request_id})
    if found is None:
        raise NotFound("There is no such request.", "A new one is here about a second after its answer.", code="request_not_found")
    return record_of(found)


def _whole_hours(since: datetime, until: datetime, time_zone: str) -> tuple[datetime, datetime]:
    """The whole hours (UTC) between two moments: first and end. None, which is twice `until`, where the zone's days do not begin at a whole hour."""
    zone = ZoneInfo(time_zone)
    moments = [since + (until - since) * part / OFFSETS_LOOKED_AT for part in range(OFFSETS_LOOKED_AT + 1)]
    offsets = [moment.astimezone(zone).utcoffset() or timedelta(0) for moment in moments]
    if any(offset % HOUR for offset in offsets):
        return until, until
    begin, end = since.astimezone(UTC), until.astimezone(UTC)
    first = begin.replace(minute=0, second=0, microsecond=0)
    first += timedelta(0) if first == begin else HOUR
    last = end.replace(minute=0, second=0, microsecond=0)
    return (first, last) if first < last else (until, until)


def _id_at(moment: datetime) -> uuid.UUID:
    return first_id_at(max(0, int(moment.timestamp() * 1000)))

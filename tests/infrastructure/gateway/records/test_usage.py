"""Sums over records, in the tenant's own days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ondol.core.errors import RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.gateway.records.usage import UsageRow, list_requests, usage_by
from ondol.infrastructure.storage.postgres import Database
from tests.infrastructure.gateway.records.conftest import Ground
from tests.infrastructure.gateway.records.making import make_record

pytestmark = pytest.mark.anyio
MIDNIGHT_IN_SEOUL = datetime(2026, 11, 20, 15, tzinfo=UTC)
PEOPLE = [new_id(), new_id()]
UNITS = ("images", "audio_ms", "characters")
KEY = new_id()


async def fill(ground: Ground, tenant: Tenant) -> None:
    for minutes, person, changes in (
        (-1, 0, {"cost_nano": 5, "currency": "KRW", "cached_tokens": 3, "cache_write_tokens": 2, "reasoning_tokens": 1}),
        (0, 0, {"cost_nano": 7, "currency": "KRW", "api_key_id": KEY, "usage_estimated": True}),
        (1, 1, {"model": "other", "outcome": "caller_left", "status": 499}),
        (24 * 60, 1, {}),
    ):
        moment = MIDNIGHT_IN_SEOUL + timedelta(minutes=minutes)
        identifier = new_id(unix_ms=int(moment.timestamp() * 1000))
        ground.recorder.record(make_record(tenant.id, id=identifier, created_at=moment, person_id=PEOPLE[person], **changes))
    assert await ground.flush()


def row(**changes: object) -> UsageRow:
    values: dict[str, object] = {"requests": 1, "input_tokens": 12, "output_tokens": 5, "cost_nano": 0}
    nothing: dict[str, object] = dict.fromkeys(("failed", "estimated", "cached_tokens", "cache_write_tokens", "reasoning_tokens", *UNITS), 0)
    group: dict[str, object] = dict.fromkeys(("day", "person_id", "api_key_id", "model", "currency"))
    return UsageRow(**{**group, **nothing, **values, **changes})  # type: ignore[arg-type]


async def test_days_are_the_tenants_own(ground: Ground, database: Database, tenant: Tenant) -> None:
    await fill(ground, tenant)
    since, until = MIDNIGHT_IN_SEOUL - timedelta(hours=1), MIDNIGHT_IN_SEOUL + timedelta(days=1)
    async with database.tenant_tx(tenant.id) as connection:
        found = await usage_by(connection, {"day"}, since=since, until=until, time_zone="Asia/Seoul")
        in_utc = await usage_by(connection, {"day"}, since=since, until=until, time_zone="UTC")
    first = {"currency": "KRW", "cached_tokens": 3, "cache_write_tokens": 2, "reasoning_tokens": 1, "cost_nano": 5}
    assert found == [
        row(day=date(2026, 11, 20), **first),
        row(day=date(2026, 11, 21), currency="KRW", estimated=1, cost_nano=7),
        row(day=date(2026, 11, 21), failed=1),
    ]
    assert [(item.day, item.requests) for item in in_utc] == [(date(2026, 11, 20), 2), (date(2026, 11, 20), 1)]


async def test_what_is_counted_beside_tokens_is_summed_from_hours_and_from_records(ground: Ground, database: Database, tenant: Tenant) -> None:
    since = MIDNIGHT_IN_SEOUL - timedelta(minutes=10)
    for minutes, units in ((0, {"images": 2}), (90, {"audio_ms": 1_500, "characters": 40})):
        moment = MIDNIGHT_IN_SEOUL + timedelta(minutes=minutes)
        ground.recorder.record(make_record(tenant.id, id=new_id(unix_ms=int(moment.timestamp() * 1000)), created_at=moment, **units))
    assert await ground.flush()
    async with database.tenant_tx(tenant.id) as connection:
        [whole] = await usage_by(connection, (), since=since, until=since + timedelta(hours=3), time_zone="UTC")
        [edge] = await usage_by(connection, (), since=since, until=since + timedelta(minutes=20), time_zone="UTC")
    assert (whole.requests, whole.images, whole.audio_ms, whole.characters) == (2, 2, 1_500, 40)
    assert (edge.requests, edge.images, edge.audio_ms, edge.characters) == (1, 2, 0, 0)


async def test_groups_and_filters(ground: Ground, database: Database, tenant: Tenant) -> None:
    await fill(ground, tenant)
    period: dict[str, Any] = {"since": MIDNIGHT_IN_SEOUL - timedelta(days=1), "until": MIDNIGHT_IN_SEOUL + timedelta(days=2)}
    async with database.tenant_tx(tenant.id) as connection:
        everything = await usage_by(connection, set(), **period, time_zone="UTC")
        by_all = await usage_by(connection, {"person", "key", "model"}, **period, time_zone="UTC")
        of_key = await usage_by(connection, {"person"}, **period, time_zone="UTC", api_key_id=KEY)
        of_model = await usage_by(connection, set(), **period, time_zone="UTC", model="other", person_id=PEOPLE[1])
    assert [(item.requests, item.input_tokens, item.cost_nano, item.currency) for item in everything] == [(2, 24, 12, "KRW"), (2, 24, 0, None)]
    assert len(by_all) == 4
    assert of_key == [row(person_id=PEOPLE[0], currency="KRW", estimated=1, cost_nano=7)]
    assert of_model == [row(failed=1)]


async def test_what_cannot_be_asked(database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, ground: Ground) -> None:
    await fill(ground, tenant)
    async with database.tenant_tx(tenant.id) as connection:
        for since, until in ((MIDNIGHT_IN_SEOUL, MIDNIGHT_IN_SEOUL), (MIDNIGHT_IN_SEOUL - timedelta(days=401), MIDNIGHT_IN_SEOUL)):
            with pytest.raises(RequestError, match="period"):
                await usage_by(connection, set(), since=since, until=until, time_zone="UTC")
        day: dict[str, Any] = {"since": MIDNIGHT_IN_SEOUL, "until": MIDNIGHT_IN_SEOUL + timedelta(days=2)}
        with pytest.raises(RequestError, match="group"):
            await usage_by(connection, {"week"}, **day, time_zone="UTC")  # type: ignore[arg-type]
        monkeypatch.setattr("ondol.infrastructure.gateway.records.usage.GROUPS_MAX", 1)
        with pytest.raises(RequestError, match="more than"):
            await usage_by(connection, {"model"}, **day, time_zone="UTC")
        with pytest.raises(RequestError, match="page"):
            await list_requests(connection, limit=0)


async def test_records_are_listed_by_page_and_filter(ground: Ground, database: Database, tenant: Tenant) -> None:
    await fill(ground, tenant)
    async with database.tenant_tx(tenant.id) as connection:
        newest = await list_requests(connection, limit=3)
        oldest = await list_requests(connection, before=newest[-1].id)
        left = await list_requests(connection, outcome="caller_left", model="other", person_id=PEOPLE[1])
        late = await list_requests(connection, since=MIDNIGHT_IN_SEOUL + timedelta(hours=1))
        keyed = await list_requests(connection, api_key_id=KEY)
    assert [record.created_at for record in (*newest, *oldest)] == [MIDNIGHT_IN_SEOUL + timedelta(minutes=minutes) for minutes in (24 * 60, 1, 0, -1)]
    assert (left, late, keyed) == ([newest[1]], [newest[0]], [newest[2]])

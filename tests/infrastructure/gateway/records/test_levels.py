"""How well requests were served, and that sums of hours tell the same as the records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ondol.core.errors import RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import create_tenant
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.gateway.records.levels import Level, levels
from ondol.infrastructure.gateway.records.usage import usage_by
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database
from tests.infrastructure.gateway.records.conftest import Ground
from tests.infrastructure.gateway.records.making import make_record

pytestmark = pytest.mark.anyio
BEGIN = datetime(2026, 11, 20, 15, tzinfo=UTC)


async def keep(ground: Ground, tenant: Tenant, *records: tuple[timedelta, dict[str, Any]]) -> None:
    for after, changes in records:
        at = BEGIN + after
        ground.recorder.record(make_record(tenant.id, id=new_id(unix_ms=int(at.timestamp() * 1000)), created_at=at, **changes))
    assert await ground.flush()


async def test_steps_and_the_whole(ground: Ground, database: Database, tenant: Tenant) -> None:
    minute = timedelta(minutes=1)
    await keep(
        ground, tenant,
        (minute, {"duration_us": 100_000, "first_token_us": 40_000}),
        (2 * minute, {"duration_us": 200_000, "attempts": 2, "guard_decision": "mask"}),
        (70 * minute, {"status": 502, "outcome": "upstream_failed", "duration_us": 9_000_000}),
        (71 * minute, {"status": 400, "outcome": "refused", "guard_decision": "block"}),
        (72 * minute, {"model": "other"}),
    )  # fmt: skip
    async with database.tenant_tx(tenant.id) as connection:
        whole, steps = await levels(
            connection, since=BEGIN, until=BEGIN + timedelta(hours=3), step="hour", time_zone="Asia/Seoul", model="assistant/help"
        )
        _, days = await levels(connection, since=BEGIN - timedelta(days=1), until=BEGIN + timedelta(days=1), step="day", time_zone="Asia/Seoul")
    assert [(one.at, one.requests, one.failed, one.server_errors, one.retried, one.guarded, one.blocked) for one in steps] == [
        (BEGIN, 2, 0, 0, 1, 1, 0),
        (BEGIN + timedelta(hours=1), 2, 2, 1, 0, 1, 1),
    ]
    assert (whole.requests, whole.availability) == (4, 0.75)
    assert whole.quantile_us("whole", 0.5) == pytest.approx(100_000, rel=0.045)
    assert whole.quantile_us("whole", 0.95) == pytest.approx(200_000, rel=0.045), "what failed is not timed"
    assert whole.quantile_us("first_token", 0.95) == pytest.approx(40_000, rel=0.045)
    assert [(one.at, one.requests) for one in days] == [(BEGIN, 5)], "midnight in Seoul"


async def test_a_batch_that_is_written_again_counts_once(ground: Ground, database: Database, tenant: Tenant) -> None:
    record = make_record(tenant.id, id=new_id(unix_ms=int(BEGIN.timestamp() * 1000)), created_at=BEGIN)
    for _ in range(2):
        ground.recorder.record(record)
        assert await ground.flush()
    async with database.tenant_tx(tenant.id) as connection:
        whole, _ = await levels(connection, since=BEGIN, until=BEGIN + timedelta(hours=1), step="hour", time_zone="UTC")
    assert whole.requests == 1


async def test_another_tenants_requests_are_not_told(ground: Ground, database: Database, keyring: KeyRing, tenant: Tenant) -> None:
    other = await create_tenant(database, keyring, slug="other-levels", name="Other", now=BEGIN)
    await keep(ground, other, (timedelta(0), {}))
    async with database.tenant_tx(tenant.id) as connection:
        whole, steps = await levels(connection, since=BEGIN, until=BEGIN + timedelta(hours=1), step="hour", time_zone="UTC")
    assert (whole, steps) == (Level(), [])


@pytest.mark.parametrize("zone", ["Asia/Seoul", "Asia/Kolkata", "America/New_York"])
async def test_sums_of_hours_tell_the_same_as_the_records(ground: Ground, database: Database, tenant: Tenant, zone: str) -> None:
    draw = Random(7)
    people, keys, groups = [new_id(), new_id()], [None, new_id()], [(), (new_id(),), (new_id(), new_id())]
    made = []
    for _ in range(300):
        price: dict[str, Any] = draw.choice([{}, {"cost_nano": draw.randrange(10**12), "currency": draw.choice(["KRW", "USD"])}])
        changes = {
            "person_id": draw.choice(people), "api_key_id": draw.choice(keys), "group_ids": draw.choice(groups), "model": draw.choice("ab"),
            "input_tokens": draw.randrange(1000), "output_tokens": draw.randrange(1000), "outcome": draw.choice(["answered", "refused"]), **price,
        }  # fmt: skip
        made.append((timedelta(minutes=draw.randrange(4 * 1440)), changes))
    await keep(ground, tenant, *made)
    for since, until in (
        (timedelta(0), timedelta(days=4)),
        (timedelta(minutes=37), timedelta(days=2, minutes=11)),
        (timedelta(0), timedelta(minutes=50)),
    ):
        chosen = [changes for after, changes in made if since <= after < until]
        async with database.tenant_tx(tenant.id) as connection:
            told = await usage_by(connection, {"day", "model"}, since=BEGIN + since, until=BEGIN + until, time_zone=zone)
            by_person = await usage_by(connection, {"day", "person"}, since=BEGIN + since, until=BEGIN + until, time_zone=zone)
            of_one = await usage_by(connection, {"model"}, since=BEGIN + since, until=BEGIN + until, time_zone=zone, person_id=people[0])
            by_group = await usage_by(connection, {"group"}, since=BEGIN + since, until=BEGIN + until, time_zone=zone)
        assert sum(row.requests for row in told) == len(chosen)
        assert sum(row.cost_nano for row in told) == sum(changes.get("cost_nano", 0) for changes in chosen)
        assert sum(row.input_tokens for row in told) == sum(changes["input_tokens"] for changes in chosen)
        assert sum(row.requests for row in by_person) == len(chosen)
        assert sum(row.cost_nano for row in by_person) == sum(row.cost_nano for row in told)
        assert sum(row.requests for row in of_one) == sum(changes["person_id"] == people[0] for changes in chosen)
        assert sum(row.requests for row in by_group) == sum(len(changes["group_ids"]) for changes in chosen)
        days = {(BEGIN + after).astimezone(ZoneInfo(zone)).date() for after, _ in made if since <= after < until}
        assert {row.day for row in told} == days


async def test_a_period_has_an_end(database: Database, tenant: Tenant) -> None:
    async with database.tenant_tx(tenant.id) as connection:
        with pytest.raises(RequestError, match="steps"):
            await levels(connection, since=BEGIN, until=BEGIN + timedelta(hours=2_401), step="hour", time_zone="UTC")
        with pytest.raises(RequestError, match="steps"):
            await levels(connection, since=BEGIN, until=BEGIN, step="hour", time_zone="UTC")

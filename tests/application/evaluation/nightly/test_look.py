"""Nights one after another: what is compared with what, who is told, and what is rolled back."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ondol.application.assistant.release import create_release, let_live, wish_of
from ondol.application.evaluation.nightly import (
    Look,
    Night,
    NightlyRoom,
    Policy,
    drop_plan,
    get_plan,
    list_looks,
    list_plans,
    look_at,
    put_plan,
    run_due,
)
from ondol.application.evaluation.nightly.store import any_night_due
from ondol.core.errors import NotFound, RequestError
from ondol.infrastructure.releases import Release, Why, find_release
from ondol.infrastructure.storage.postgres import rows
from tests.application.assistant.conftest import Desk
from tests.application.evaluation.nightly.conftest import RULES, Measurements, night, stale

pytestmark = pytest.mark.anyio

GOOD, BROKEN = [1.0] * 36 + [0.0] * 4, [0.0] * 40


@dataclass
class Nights:
    """An assistant with two releases, and the nights that will come."""

    desk: Desk
    first: Release
    second: Release
    measurements: Measurements = field(default_factory=Measurements)

    @property
    def tenant_id(self) -> uuid.UUID:
        return self.desk.house.tenant_id

    @property
    def room(self) -> NightlyRoom:
        platform = self.desk.house.platform
        measuring = self.measurements
        return NightlyRoom(platform.database, platform.keyring, platform.clock, measuring.evaluate, lambda _plan: RULES, measuring.measured_of)

    async def plan(self, policy: Policy) -> None:
        platform = self.desk.house.platform
        async with platform.database.tenant_tx(self.tenant_id) as connection:
            await put_plan(
                connection,
                platform.keyring,
                self.tenant_id,
                self.desk.assistant.id,
                suite="support-ko",
                text="card: {name: support-ko}  # 한글",
                runner="visitor",
                at_minute=180,
                policy=policy,
                time_zone="Asia/Seoul",
                now=platform.clock(),
            )

    async def pass_by(self, coming: Night | Exception) -> Look:
        """One night."""
        self.measurements.coming.append(coming)
        platform = self.desk.house.platform
        async with platform.database.tenant_tx(self.tenant_id) as connection:
            plan = await get_plan(connection, platform.keyring, self.tenant_id, self.desk.assistant.id)
        platform.clock.advance(days=1)  # type: ignore[attr-defined]
        return await look_at(self.room, self.tenant_id, plan)

    async def live(self, release: Release) -> None:
        await let_live(self.desk.house.platform.knowledge, self.tenant_id, release.id, Why("improvement"))

    async def serving(self) -> int:
        async with self.desk.house.platform.database.tenant_tx(self.tenant_id) as connection:
            return (await find_release(connection, self.desk.assistant.id, "live")).number

    async def events(self, prefix: str) -> list[dict[str, Any]]:
        async with self.desk.house.platform.database.tenant_tx(self.tenant_id) as connection:
            values: dict[str, object] = {"like": f"{prefix}%"}
            return await rows(connection, "select kind, body from ledger_events where kind like %(like)s order by id", values)

    def of(self, release: Release, values: Any, **more: Any) -> Night:
        """A night in which a release answered."""
        return night(values, release_id=release.id, series=f"{release.number:064x}", **more)


@pytest.fixture
async def nights(desk: Desk) -> Nights:
    async def made(turns: int) -> Release:
        wish = wish_of(desk.assistant.settings, extractive=True, turns_max=turns)
        return await create_release(desk.house.platform.knowledge, desk.house.tenant_id, desk.assistant, wish, "active")

    ready = Nights(desk, await made(1), await made(2))
    await ready.live(ready.first)
    return ready


async def test_a_release_that_made_it_worse_is_rolled_back_and_told(nights: Nights) -> None:
    await nights.plan("rollback")
    first = await nights.pass_by(nights.of(nights.first, GOOD))
    steady = await nights.pass_by(nights.of(nights.first, GOOD))
    assert [(look.outcome, look.baseline_run_id, look.alarm_at) for look in (first, steady)] == [
        ("first", None, None),
        ("steady", first.run_id, None),
    ]
    await nights.live(nights.second)
    look = await nights.pass_by(nights.of(nights.second, BROKEN))
    assert (look.outcome, look.baseline_run_id, look.rolled_back_to) == ("regression", steady.run_id, nights.first.id)
    assert look.reason.endswith("Rolled back to release 1.")
    assert look.alarm_at is not None
    assert await nights.serving() == 1
    [event] = await nights.events("nightly.regression")
    assert (event["body"]["look"], event["body"]["rolled_back_to"]) == (str(look.id), str(nights.first.id))
    [rolled] = await nights.events("release.rolled_back")
    assert (rolled["body"]["reason"], rolled["body"]["to"]) == ("incident", str(nights.first.id))
    # What serves again is compared with when it was well.
    again = await nights.pass_by(nights.of(nights.first, GOOD))
    assert (again.outcome, again.baseline_run_id, again.alarm_at) == ("steady", steady.run_id, None)


async def test_the_policy_alarm_only_tells_and_tells_once(nights: Nights) -> None:
    await nights.plan("alarm")
    await nights.pass_by(nights.of(nights.first, GOOD))
    await nights.live(nights.second)
    looks = [await nights.pass_by(nights.of(nights.second, BROKEN)) for _ in range(2)]
    assert [(look.outcome, look.rolled_back_to, look.alarm_at is not None) for look in looks] == [
        ("regression", None, True),
        ("regression", None, False),
    ]
    assert looks[0].baseline_run_id == looks[1].baseline_run_id
    assert await nights.serving() == 2


async def test_what_did_not_come_with_the_release_is_not_rolled_back(nights: Nights) -> None:
    await nights.plan("rollback")
    await nights.live(nights.second)
    await nights.pass_by(nights.of(nights.second, GOOD))
    look = await nights.pass_by(replace(nights.of(nights.second, BROKEN), series="f" * 64))
    assert (look.outcome, look.rolled_back_to) == ("regression", None)
    assert look.reason.endswith("the release is the one that was well, so what changed is not in it.")
    assert await nights.serving() == 2


async def test_another_release_that_went_live_meanwhile_stays(nights: Nights) -> None:
    await nights.plan("rollback")
    await nights.pass_by(nights.of(nights.first, GOOD))
    look = await nights.pass_by(nights.of(nights.second, BROKEN))  # it answered, and does not serve any more
    assert (look.outcome, look.rolled_back_to) == ("regression", None)
    assert look.reason.endswith("another release was let live meanwhile.")
    assert await nights.serving() == 1


async def test_a_release_that_cannot_be_reached_leaves_what_serves(nights: Nights) -> None:
    """What was well is no ancestor of what serves: going back through the others would end somewhere that nobody measured."""
    await nights.plan("rollback")
    await nights.pass_by(nights.of(nights.second, GOOD))
    look = await nights.pass_by(nights.of(nights.first, BROKEN))
    assert (look.outcome, look.rolled_back_to) == ("regression", None)
    assert look.reason.endswith("the release that was well is not among those that served before.")
    assert await nights.serving() == 1


async def test_stale_items_are_told_and_nothing_is_rolled_back(nights: Nights) -> None:
    await nights.plan("rollback")
    await nights.pass_by(nights.of(nights.first, GOOD))
    changed = [0.0] * 20 + GOOD[20:]
    gone = stale(*(f"c{number}" for number in range(20)))
    looks = [await nights.pass_by(nights.of(nights.first, changed, stale=gone)) for _ in range(2)]
    told = [(look.outcome, look.stale, look.cases, look.alarm_at is not None) for look in looks]
    assert told == [("steady", 20, 20, True), ("steady", 20, 20, False)]
    assert await nights.serving() == 1


async def test_a_night_that_could_not_be_is_told_and_ends_no_series(nights: Nights) -> None:
    await nights.plan("rollback")
    first = await nights.pass_by(nights.of(nights.first, GOOD))
    failed = await nights.pass_by(RequestError("The golden set support-ko has expired."))
    assert (failed.outcome, failed.run_id, failed.reason) == ("failed", None, "The golden set support-ko has expired.")
    assert failed.alarm_at is not None
    after = await nights.pass_by(nights.of(nights.first, GOOD))
    assert (after.outcome, after.baseline_run_id) == ("steady", first.run_id)


async def test_another_suite_is_not_compared(nights: Nights) -> None:
    await nights.plan("rollback")
    await nights.pass_by(nights.of(nights.first, GOOD))
    await nights.live(nights.second)
    look = await nights.pass_by(replace(nights.of(nights.second, BROKEN), suite_digest=b"o" * 32))
    assert (look.outcome, look.baseline_run_id) == ("first", None)


async def test_a_night_is_taken_once_when_it_has_come(nights: Nights) -> None:
    await nights.plan("alarm")
    platform, clock = nights.desk.house.platform, nights.desk.house.clock
    zones = {nights.tenant_id: "Asia/Seoul"}
    assert not await any_night_due(platform.database, clock())
    assert await run_due(nights.room, zones) == []
    clock.advance(hours=9)  # 03:00 in Seoul
    assert await any_night_due(platform.database, clock())
    nights.measurements.coming.append(nights.of(nights.first, GOOD))
    [look] = await run_due(nights.room, zones)
    assert look.outcome == "first"
    assert await run_due(nights.room, zones) == []
    async with platform.database.tenant_tx(nights.tenant_id) as connection:
        [plan] = await list_plans(connection, platform.keyring, nights.tenant_id)
        assert (plan.next_at - clock()).total_seconds() == 86_400
        assert (plan.text, plan.runner) == ("card: {name: support-ko}  # 한글", "visitor")
        sealed = await rows(connection, "select suite_sealed from nightly_plans", {})
        assert "한글".encode() not in bytes(sealed[0]["suite_sealed"])
        assert [each.id for each in await list_looks(connection, nights.desk.assistant.id)] == [look.id]
        await drop_plan(connection, nights.tenant_id, nights.desk.assistant.id, clock())
        with pytest.raises(NotFound):
            await drop_plan(connection, nights.tenant_id, nights.desk.assistant.id, clock())
        with pytest.raises(NotFound):
            await get_plan(connection, platform.keyring, nights.tenant_id, nights.desk.assistant.id)
    assert [event["kind"] for event in await nights.events("nightly.")] == ["nightly.planned", "nightly.looked", "nightly.dropped"]

"""A case becomes an incident, is proposed about, measured, and closed by somebody."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ondol.core.errors import Conflict, NotFound, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import create_tenant
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.guard.incidents import (
    Case,
    close_incident,
    erase_samples,
    get_incident,
    list_incidents,
    measure,
    open_incident,
    propose,
)
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing
from ondol.infrastructure.storage.postgres import Database, rows

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 21, 9, 10, tzinfo=UTC)


@pytest.fixture
def case(tenant: Tenant) -> Case:
    return Case(tenant.id, "blocked", "input", bytes(range(32)), ("secrets.key", "injection"), "my key is [KEY_1]", NOW, new_id(), new_id(), new_id())


async def opened(database: Database, keyring: KeyRing, case: Case) -> tuple[uuid.UUID, bool]:
    async with database.tenant_tx(case.tenant_id) as connection:
        return await open_incident(connection, keyring, case)


async def test_cases_of_one_hour_key_and_rules_are_one_incident(database: Database, keyring: KeyRing, case: Case) -> None:
    first, new = await opened(database, keyring, case)
    assert new
    for same in (case, replace(case, at=NOW + timedelta(minutes=20), sample="another"), replace(case, rules=case.rules[::-1])):
        assert await opened(database, keyring, same) == (first, False)
    others = [
        replace(case, at=NOW + timedelta(hours=1)),
        replace(case, rules=("injection",)),
        replace(case, api_key_id=new_id()),
        replace(case, kind="leaked", stage="output"),
    ]
    for other in others:
        assert (await opened(database, keyring, other))[1]
    async with database.tenant_tx(case.tenant_id) as connection:
        incident = await get_incident(connection, keyring, case.tenant_id, first)
        assert (incident.count, incident.sample, incident.state, incident.rules) == (4, case.sample, "open", case.rules)
        assert (incident.opened_at, incident.last_at) == (NOW, NOW + timedelta(minutes=20))
        events = await rows(connection, "select kind, body::text as body from ledger_events where kind like 'guard.%%' limit 100", {})
        stored = str(await rows(connection, "select i::text from guard_incidents i limit 100", {}))
    assert [row["kind"] for row in events] == ["guard.incident_opened"] * 5
    assert "my key" not in stored + str(events)


async def test_pages_go_on_where_the_last_one_ended(database: Database, keyring: KeyRing, case: Case) -> None:
    ids = [(await opened(database, keyring, replace(case, rules=(f"rule.{number}",))))[0] for number in range(5)]
    async with database.tenant_tx(case.tenant_id) as connection:
        first = await list_incidents(connection, keyring, case.tenant_id, limit=3)
        second = await list_incidents(connection, keyring, case.tenant_id, limit=3, before=first[-1].id)
        assert sorted(ids, reverse=True) == [item.id for item in (*first, *second)]
        assert await list_incidents(connection, keyring, case.tenant_id, state="closed") == []
        assert await list_incidents(connection, keyring, case.tenant_id, kind="canary") == []
        assert len(await list_incidents(connection, keyring, case.tenant_id, state="open", kind="blocked")) == 5
        for limit in (0, 201):
            with pytest.raises(RequestError):
                await list_incidents(connection, keyring, case.tenant_id, limit=limit)


async def test_the_way_from_open_to_closed(database: Database, keyring: KeyRing, case: Case) -> None:
    incident_id, _ = await opened(database, keyring, case)
    kim = new_id()
    async with database.tenant_tx(case.tenant_id) as connection:
        with pytest.raises(Conflict):
            await measure(connection, case.tenant_id, incident_id, {"changed": 1}, by=kim, now=NOW)
        with pytest.raises(RequestError):
            await propose(connection, case.tenant_id, incident_id, {"policy": "x" * 70_000}, by=kim, now=NOW)
        await propose(connection, case.tenant_id, incident_id, {"policy": "version: 1"}, by=kim, now=NOW)
        await measure(connection, case.tenant_id, incident_id, {"changed": 7, "rate": 0.5}, by=None, now=NOW)
        found = await get_incident(connection, keyring, case.tenant_id, incident_id)
        assert (found.state, found.proposal, found.effect) == ("proposed", {"policy": "version: 1"}, {"changed": 7, "rate": 0.5})
        await propose(connection, case.tenant_id, incident_id, {"policy": "version: 2"}, by=kim, now=NOW)
        assert (await get_incident(connection, keyring, case.tenant_id, incident_id)).effect is None
        for note in ("", " ", "x" * 4_001):
            with pytest.raises(RequestError):
                await close_incident(connection, keyring, case.tenant_id, incident_id, note, by=kim, now=NOW)
        await close_incident(connection, keyring, case.tenant_id, incident_id, "키를 폐기했다", by=kim, now=NOW)
        found = await get_incident(connection, keyring, case.tenant_id, incident_id)
        assert (found.state, found.closed_by, found.closed_at, found.note) == ("closed", kim, NOW, "키를 폐기했다")
        for step in (
            propose(connection, case.tenant_id, incident_id, {}, by=kim, now=NOW),
            close_incident(connection, keyring, case.tenant_id, incident_id, "again", by=kim, now=NOW),
        ):
            with pytest.raises(Conflict):
                await step
        events = await rows(connection, "select kind, actor_id from ledger_events where kind like 'guard.%%' order by created_at, id limit 9", {})
    assert sorted((row["kind"], row["actor_id"]) for row in events if row["kind"] != "guard.incident_opened" and row["actor_id"]) == [
        ("guard.incident_closed", kim), ("guard.incident_proposed", kim), ("guard.incident_proposed", kim),
    ]  # fmt: skip
    again, new = await opened(database, keyring, case)
    assert new and again != incident_id, "a closed incident does not swallow what comes after it"


async def test_another_tenant_sees_and_changes_nothing(database: Database, keyring: KeyRing, case: Case) -> None:
    incident_id, _ = await opened(database, keyring, case)
    other = await create_tenant(database, keyring, slug="other", name="Other", now=NOW)
    async with database.tenant_tx(other.id) as connection:
        assert await list_incidents(connection, keyring, other.id) == []
        for step in (
            get_incident(connection, keyring, other.id, incident_id),
            propose(connection, other.id, incident_id, {}, by=None, now=NOW),
            measure(connection, other.id, incident_id, {}, by=None, now=NOW),
            close_incident(connection, keyring, other.id, incident_id, "mine", by=new_id(), now=NOW),
        ):
            with pytest.raises(NotFound):
                await step


async def test_erasing_a_person_takes_the_sample_and_leaves_the_count(database: Database, keyring: KeyRing, case: Case) -> None:
    incident_id, _ = await opened(database, keyring, case)
    other_id, _ = await opened(database, keyring, replace(case, person_id=new_id(), api_key_id=None))
    assert case.person_id is not None
    async with database.tenant_tx(case.tenant_id) as connection:
        assert await erase_samples(connection, case.person_id) == 1
        assert (await get_incident(connection, keyring, case.tenant_id, incident_id)).sample == ""
        other = await get_incident(connection, keyring, case.tenant_id, other_id)
        assert other.sample == case.sample
        assert other.person_id is not None
        keyring.destroy(KeyOwner(case.tenant_id, "subject", other.person_id))
        assert (await get_incident(connection, keyring, case.tenant_id, other_id)).sample == ""

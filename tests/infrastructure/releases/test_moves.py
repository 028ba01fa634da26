"""Releases in the database: saved once, proposed, let live and rolled back by one pointer, with who and why."""

from __future__ import annotations

import asyncio
import copy
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ondol.core.errors import Conflict, LedgerBroken, NotFound, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import create_tenant
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.releases import (
    Manifest,
    Release,
    Why,
    activate,
    find_release,
    get_release,
    list_moves,
    list_releases,
    parse_manifest,
    propose,
    roll_back,
    save_release,
)
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection, Database, DatabaseAddresses, one, rows
from tests.infrastructure.releases.test_manifest import PLAIN

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 3, 4, tzinfo=UTC)
WHY = Why("improvement", "because it is better")


@dataclass
class Desk:
    """An assistant of a tenant, and what its releases are made of."""

    database: Database
    keyring: KeyRing
    tenant_id: uuid.UUID
    assistant_id: uuid.UUID
    base_id: uuid.UUID
    index_id: uuid.UUID

    def manifest(self, number: int) -> Manifest:
        tree = copy.deepcopy(PLAIN)
        tree["memory"]["turns_max"] = number
        tree["bases"][0] |= {"base_id": str(self.base_id), "index_version_id": str(self.index_id)}
        return parse_manifest(json.dumps(tree))

    async def save(self, number: int, **options: Any) -> Release:
        async with self.database.tenant_tx(self.tenant_id) as connection:
            return await save_release(connection, self.tenant_id, self.assistant_id, self.manifest(number), NOW, **options)

    async def live(self, release: Release, why: Why = WHY) -> Release:
        async with self.database.tenant_tx(self.tenant_id) as connection:
            return await activate(connection, self.keyring, self.tenant_id, release.id, why, NOW)

    async def back(self) -> Release:
        async with self.database.tenant_tx(self.tenant_id) as connection:
            return await roll_back(connection, self.keyring, self.tenant_id, self.assistant_id, Why("incident"), NOW)

    async def states(self) -> dict[int, str]:
        async with self.database.tenant_tx(self.tenant_id) as connection:
            return {item.number: item.state for item in await list_releases(connection, self.assistant_id)}

    async def is_kept(self) -> bool:
        async with self.database.tenant_tx(self.tenant_id) as connection:
            found = await one(connection, "select ondol.is_released(%(t)s, %(i)s) as kept", {"t": self.tenant_id, "i": self.index_id})
        assert found is not None
        return bool(found["kept"])


@pytest.fixture
async def desk(database: Database, keyring: KeyRing, tenant: Tenant) -> Desk:
    base_id, index_id, assistant_id = new_id(), new_id(), new_id()
    ids = {"tenant_id": tenant.id, "base": base_id, "index": index_id, "assistant": assistant_id, "now": NOW}
    async with database.tenant_tx(tenant.id) as connection:
        for statement in (
            "insert into bases (tenant_id, id, name, created_at) values (%(tenant_id)s, %(base)s, 'base', %(now)s)",
            "insert into index_versions (tenant_id, id, base_id, analyser_id, state, created_at) "
            "values (%(tenant_id)s, %(index)s, %(base)s, 'mecab', 'ready', %(now)s)",
            "insert into assistants (tenant_id, id, name, base_id, created_at) values (%(tenant_id)s, %(assistant)s, 'helper', %(base)s, %(now)s)",
        ):
            await connection.execute(statement, ids)
        await connection.execute(
            "insert into artefacts (tenant_id, id, kind, created_at) values (%(tenant_id)s, %(index)s, 'index_version', %(now)s)", ids
        )
    return Desk(database, keyring, tenant.id, assistant_id, base_id, index_id)


async def test_a_release_is_saved_once_and_numbered(desk: Desk) -> None:
    first, again, second = await desk.save(1, is_implicit=True), await desk.save(1), await desk.save(2)
    assert (first.number, first.is_implicit, first.state, first.manifest) == (1, True, "draft", desk.manifest(1))
    assert (again.id, again.is_implicit, second.number) == (first.id, False, 2)  # whoever asks for it makes it one of theirs
    async with desk.database.tenant_tx(desk.tenant_id) as connection:
        assert await find_release(connection, desk.assistant_id, "2") == second
        for name in ("3", "live", "previous", "candidate", "", "1 ", "-1", "99999999999"):
            with pytest.raises(NotFound):
                await find_release(connection, desk.assistant_id, name)
        with pytest.raises(NotFound):
            await save_release(connection, desk.tenant_id, new_id(), desk.manifest(1), NOW)


async def test_going_live_and_back_moves_one_pointer_and_tells_who_and_why(desk: Desk) -> None:
    a, b, c = [await desk.save(number) for number in (1, 2, 3)]
    actor = new_id()
    for release in (a, b, c):
        assert (await desk.live(release, Why("fix", f"비밀 {release.number}", actor))).state == "live"
    assert await desk.states() == {1: "retired", 2: "retired", 3: "live"}
    assert ((await desk.back()).id, (await desk.back()).id) == (b.id, a.id)  # once more goes back further
    with pytest.raises(Conflict, match="before"):
        await desk.back()
    assert (await desk.live(a)).id == a.id  # nothing to do
    async with desk.database.tenant_tx(desk.tenant_id) as connection:
        moves = await list_moves(connection, desk.keyring, desk.tenant_id, desk.assistant_id)
        events = await rows(connection, "select kind, actor_id, body::text as body from ledger_events where kind like 'release.%%' order by id", {})
        raw = await rows(connection, "select release_moves::text as row from release_moves", {})
    assert [(move.kind, move.from_number, move.to_number, move.reason, move.note, move.actor_id) for move in reversed(moves)] == [
        ("activate", None, 1, "fix", "비밀 1", actor),
        ("activate", 1, 2, "fix", "비밀 2", actor),
        ("activate", 2, 3, "fix", "비밀 3", actor),
        ("rollback", 3, 2, "incident", "", None),
        ("rollback", 2, 1, "incident", "", None),
    ]
    assert [row["kind"] for row in events] == ["release.created"] * 3 + ["release.activated"] * 3 + ["release.rolled_back"] * 2
    assert json.loads(events[3]["body"])["reason"] == "fix"
    assert not any("비밀" in row["body"] for row in events)
    assert not any("비밀" in row["row"] for row in raw)


async def test_an_assistant_has_one_candidate_and_what_it_names_is_kept(desk: Desk) -> None:
    a, b = await desk.save(1), await desk.save(2)
    assert not await desk.is_kept()
    async with desk.database.tenant_tx(desk.tenant_id) as connection:
        assert (await propose(connection, desk.tenant_id, a.id, NOW)).state == "candidate"
    assert await desk.is_kept()
    async with desk.database.tenant_tx(desk.tenant_id) as connection:
        await propose(connection, desk.tenant_id, b.id, NOW)
    assert await desk.states() == {1: "draft", 2: "candidate"}
    await desk.live(a)
    assert await desk.states() == {1: "live", 2: "draft"}
    async with desk.database.tenant_tx(desk.tenant_id) as connection:
        assert (await propose(connection, desk.tenant_id, a.id, NOW)).state == "live"


async def test_the_index_of_what_served_before_is_kept_and_no_longer(desk: Desk) -> None:
    named = await desk.save(1)
    tree = copy.deepcopy(PLAIN)
    tree["bases"][0] |= {"base_id": str(desk.base_id), "index_version_id": None, "analyser_id": None}
    others = []
    for turns in (7, 8):
        tree["memory"]["turns_max"] = turns
        async with desk.database.tenant_tx(desk.tenant_id) as connection:
            others.append(await save_release(connection, desk.tenant_id, desk.assistant_id, parse_manifest(json.dumps(tree)), NOW))
    kept = []
    for release in (named, *others):
        await desk.live(release)
        kept.append(await desk.is_kept())
    assert kept == [True, True, False]


async def test_a_gate_that_does_not_open_changes_nothing(desk: Desk) -> None:
    a, b = await desk.save(1), await desk.save(2)
    await desk.live(a)
    seen: list[int] = []

    async def shut(_connection: Connection, release: Release) -> str | None:
        seen.append(release.number)
        return "the suite failed."

    async with desk.database.tenant_tx(desk.tenant_id) as connection:
        with pytest.raises(Conflict, match="the suite failed"):
            await activate(connection, desk.keyring, desk.tenant_id, b.id, WHY, NOW, gate=shut)
    assert (seen, await desk.states()) == ([2], {1: "live", 2: "draft"})


@pytest.mark.parametrize(
    "tampering",
    ["jsonb_set(manifest, '{route,model}', '\"other\"')", "manifest - 'route'", "'1'", "jsonb_set(manifest, '{memory,turns_max}', '1.5')"],
)
async def test_a_manifest_that_was_altered_serves_nobody(desk: Desk, addresses: DatabaseAddresses, tampering: str) -> None:
    a, b = await desk.save(1), await desk.save(2)
    await desk.live(a)
    async with await psycopg.AsyncConnection.connect(addresses.owner, autocommit=True) as owner:
        await owner.execute(f"update ondol.releases set manifest = {tampering} where id = %s", (b.id,))
    for refused in (desk.live(b), desk.save(2)):
        with pytest.raises(LedgerBroken, match=str(b.id)):
            await refused
    async with desk.database.tenant_tx(desk.tenant_id) as connection:
        with pytest.raises(LedgerBroken):
            await propose(connection, desk.tenant_id, b.id, NOW)
    assert await desk.states() == {1: "live", 2: "draft"}


async def test_a_release_cannot_be_rolled_back_to_an_altered_one(desk: Desk, addresses: DatabaseAddresses) -> None:
    a, b = await desk.save(1), await desk.save(2)
    await desk.live(a)
    await desk.live(b)
    async with await psycopg.AsyncConnection.connect(addresses.owner, autocommit=True) as owner:
        await owner.execute("update ondol.releases set manifest = manifest - 'memory' where id = %s", (a.id,))
    with pytest.raises(LedgerBroken):
        await desk.back()
    assert await desk.states() == {1: "retired", 2: "live"}


async def test_another_tenant_reaches_nothing(desk: Desk) -> None:
    release = await desk.save(1)
    other = await create_tenant(desk.database, desk.keyring, slug="other-one", name="Other", now=NOW)
    async with desk.database.tenant_tx(other.id) as connection:
        assert await list_releases(connection, desk.assistant_id) == []
        for reach in (
            get_release(connection, release.id),
            activate(connection, desk.keyring, other.id, release.id, WHY, NOW),
            roll_back(connection, desk.keyring, other.id, desk.assistant_id, WHY, NOW),
            save_release(connection, other.id, desk.assistant_id, desk.manifest(1), NOW),
        ):
            with pytest.raises(NotFound):
                await reach


async def test_a_note_has_an_end(desk: Desk) -> None:
    release = await desk.save(1)
    with pytest.raises(RequestError, match="note"):
        await desk.live(release, Why("other", "x" * 2001))


async def test_those_who_move_at_the_same_time_move_one_after_another(desk: Desk) -> None:
    """Each move begins where the one before it ended: the history is one chain, whatever the order."""
    made = [await desk.save(number) for number in range(4)]
    await asyncio.gather(*(desk.live(release) for release in made))
    async with desk.database.tenant_tx(desk.tenant_id) as connection:
        found = await rows(connection, "select from_id, to_id from release_moves", {})
        live = await find_release(connection, desk.assistant_id, "live")
    following: Mapping[Any, Any] = {row["from_id"]: row["to_id"] for row in found}
    place, walked = None, 0
    while place in following:
        place, walked = following[place], walked + 1
    assert (place, walked) == (live.id, 4)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.integers(0, 3), max_size=8))
async def test_whatever_is_done_one_release_is_live_and_a_way_back_leads_to_what_served(desk: Desk, steps: list[int]) -> None:
    made = [await desk.save(number) for number in range(3)]
    await desk.live(made[0])
    for step in steps:
        async with desk.database.tenant_tx(desk.tenant_id) as connection:
            held = await one(connection, "select live_release_id as live, previous_release_id as previous from assistants", {})
        assert held is not None
        if step == 3:
            if held["previous"] is not None:
                assert (await desk.back()).id == held["previous"]
        else:
            await desk.live(made[step])
        assert list((await desk.states()).values()).count("live") == 1

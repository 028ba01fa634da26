"""Policies get versions, bindings name them, and the ledger knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ondol.core.errors import NotFound, RequestError, SettingsError
from ondol.core.ids import new_id
from ondol.infrastructure.access.keys import create_key
from ondol.infrastructure.access.people import NewPerson, add_person
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.guard.policy import Policy, parse_policy, policy_from, to_yaml
from ondol.infrastructure.guard.store import (
    Binding,
    find_by_digest,
    get_policy,
    list_bindings,
    list_policies,
    list_versions,
    put_binding,
    put_policy,
    remove_binding,
)
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database, rows
from tests.infrastructure.guard.words import policy_of

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


@dataclass
class Room:
    """Puts and binds for one tenant, each in a transaction of its own."""

    database: Database
    tenant: Tenant

    async def put(self, policy: Policy) -> tuple[int, bool]:
        async with self.database.tenant_tx(self.tenant.id) as connection:
            stored, new = await put_policy(connection, self.tenant.id, policy, by=None, now=NOW, known=None)
        return stored.version.version, new

    async def bind(self, scope: Any, target: str, policy: str) -> bool:
        async with self.database.tenant_tx(self.tenant.id) as connection:
            return await put_binding(connection, self.tenant.id, Binding(scope, target, policy), by=None, now=NOW)

    async def bindings(self) -> list[Binding]:
        async with self.database.tenant_tx(self.tenant.id) as connection:
            return await list_bindings(connection)

    async def events(self) -> list[str]:
        async with self.database.tenant_tx(self.tenant.id) as connection:
            found = await rows(connection, "select kind from ledger_events where kind like 'guard.%%' order by id limit 100", {})
        return sorted(row["kind"] for row in found)


@pytest.fixture
def room(database: Database, tenant: Tenant) -> Room:
    return Room(database, tenant)


async def test_a_version_is_new_only_when_it_says_something_else(room: Room) -> None:
    first, second = policy_of("careful", personal="mask"), policy_of("careful", personal="block")
    assert [await room.put(policy) for policy in (first, first, second, second, first)] == [(1, True), (1, False), (2, True), (2, False), (3, True)]
    async with room.database.tenant_tx(room.tenant.id) as connection:
        assert (await get_policy(connection, "careful")).policy == first
        assert (await get_policy(connection, "careful", 2)).policy == second
        assert [(item.version, item.digest) for item in await list_versions(connection, "careful")] == [
            (3, first.digest), (2, second.digest), (1, first.digest),
        ]  # fmt: skip
        found = await find_by_digest(connection, second.digest)
        assert found is not None and found.version.version == 2
        assert await find_by_digest(connection, bytes(32)) is None
        assert [item.policy.name for item in await list_policies(connection)] == ["careful"]
        artefacts = await rows(connection, "select kind, address from artefacts order by id limit 10", {})
    assert [(row["kind"], bytes(row["address"])) for row in artefacts] == [
        ("policy", first.digest), ("policy", second.digest), ("policy", first.digest),
    ]  # fmt: skip
    assert await room.events() == ["guard.policy_put"] * 3


@pytest.mark.parametrize("name", ["default", "", "Careful", "a b", "x" * 64, "-a", "a--b"])
async def test_a_name_that_cannot_be_is_refused(room: Room, name: str) -> None:
    with pytest.raises(RequestError) as caught:
        await room.put(policy_of(name, personal="mask"))
    assert caught.value.code == "bad_policy_name"


@pytest.mark.parametrize(
    "checks", [{"shape": {1: 2}}, {"shape": {"words": ["a\x00b"]}}, {"shape": {"most": float("nan")}}, {"shape": {"most": 1e22}}]
)
async def test_what_does_not_come_back_as_it_was_is_refused(room: Room, checks: dict[str, Any]) -> None:
    with pytest.raises((RequestError, SettingsError)) as caught:
        await room.put(policy_from({"version": 1, "name": "careful", "checks": checks}))
    assert caught.value.message
    async with room.database.tenant_tx(room.tenant.id) as connection:
        assert await list_policies(connection) == []


async def test_unknown_checks_and_settings_are_refused_where_checks_are_known(room: Room) -> None:
    async with room.database.tenant_tx(room.tenant.id) as connection:
        for policy in (policy_of("careful", persnal="mask"), policy_from({"version": 1, "name": "careful", "checks": {"personal": {"most": 1}}})):
            with pytest.raises(RequestError):
                await put_policy(connection, room.tenant.id, policy, by=None, now=NOW, known={"personal": ()})


texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(-1000, 1000, width=32) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["shape", "links"]), st.dictionaries(st.sampled_from(["a", "b"]), values, max_size=2), max_size=2))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_yaml_brings_a_policy_back_to_the_same_digest(checks: dict[str, dict[str, Any]]) -> None:
    policy = policy_from({"version": 1, "name": "careful", "checks": checks})
    assert parse_policy(to_yaml(policy)).digest == policy.digest
    assert policy_from(msgspec.json.decode(msgspec.json.encode(msgspec.to_builtins(policy)))).digest == policy.digest


async def test_bindings_are_put_once_changed_and_taken_away(room: Room) -> None:
    await room.put(policy_of("careful", personal="mask"))
    assert [await room.bind(*place) for place in [("tenant", "", "careful"), ("tenant", "", "careful"), ("tenant", "", "default")]] == [
        True,
        False,
        True,
    ]
    assert await room.bind("assistant", "help", "careful")
    assert await room.bindings() == [Binding("assistant", "help", "careful"), Binding("tenant", "", "default")]
    async with room.database.tenant_tx(room.tenant.id) as connection:
        await remove_binding(connection, room.tenant.id, "tenant", "", by=None, now=NOW)
        with pytest.raises(NotFound):
            await remove_binding(connection, room.tenant.id, "tenant", "", by=None, now=NOW)
    assert await room.bindings() == [Binding("assistant", "help", "careful")]
    assert await room.events() == ["guard.policy_bound"] * 3 + ["guard.policy_put", "guard.policy_unbound"]


async def test_a_key_is_bound_by_its_public_id_or_its_id(room: Room, keyring: KeyRing) -> None:
    async with room.database.tenant_tx(room.tenant.id) as connection:
        person = await add_person(connection, keyring, room.tenant.id, NewPerson("kim", "Kim"), NOW)
        key, _ = await create_key(connection, room.tenant.id, person.id, "laptop", NOW)
    assert await room.bind("key", key.public_id, "default")
    assert not await room.bind("key", str(key.id), "default")
    assert await room.bindings() == [Binding("key", str(key.id), "default")]


@pytest.mark.parametrize(
    ("place", "code"),
    [
        (("tenant", "", "nobody"), "policy_not_found"),
        (("tenant", "acme", "default"), "bad_target"),
        (("base", "", "default"), "bad_target"),
        (("base", "x" * 201, "default"), "bad_target"),
        (("planet", "earth", "default"), "bad_scope"),
        (("key", "0" * 16, "default"), "key_not_found"),
        (("key", str(new_id()), "default"), "key_not_found"),
    ],
)
async def test_a_binding_that_leads_nowhere_is_refused(room: Room, place: tuple[str, str, str], code: str) -> None:
    with pytest.raises(RequestError) as caught:
        await room.bind(*place)
    assert caught.value.code == code
    assert await room.bindings() == []

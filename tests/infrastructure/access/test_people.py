from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest

from ondol.core.errors import Conflict, NotFound, RequestError, Unauthenticated
from ondol.infrastructure.access import keys, people
from ondol.infrastructure.access.people import NewPerson
from ondol.infrastructure.access.types import Person, Tenant
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing
from ondol.infrastructure.storage.postgres import Database

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 3, 4, tzinfo=UTC)
Add = Callable[[NewPerson], Awaitable[Person]]


@pytest.fixture
def add(database: Database, keyring: KeyRing, tenant: Tenant) -> Add:
    async def add(new: NewPerson) -> Person:
        async with database.tenant_tx(tenant.id) as connection:
            for name in new.groups:
                await people.ensure_group(connection, tenant.id, name, NOW)
            return await people.add_person(connection, keyring, tenant.id, new, NOW)

    return add


KIM = NewPerson("kim@example.com", "김하늘", clearance="internal", roles=frozenset({"admin", "member"}), groups=("영업", "support"))


async def test_tenants_are_made_found_changed_and_refused(database: Database, keyring: KeyRing, tenant: Tenant) -> None:
    assert await people.find_tenant(database, "acme") == tenant
    with pytest.raises(Conflict):
        await people.create_tenant(database, keyring, slug="acme", name="Other", now=NOW)
    for slug in ("", "Acme", "a--b", "-a", "a-", "a b", "x" * 64, "a\x00b", "한글"):
        with pytest.raises(RequestError) as caught:
            await people.create_tenant(database, keyring, slug=slug, name="Name", now=NOW)
        assert caught.value.code == "bad_slug"
        with pytest.raises(NotFound):
            await people.find_tenant(database, slug)
    for name in ("", "x" * 201):
        with pytest.raises(RequestError) as caught:
            await people.create_tenant(database, keyring, slug="other", name=name, now=NOW)
        assert caught.value.code == "bad_name"
    longest = await people.create_tenant(database, keyring, slug="x" * 63, name="n" * 200, currency="USD", time_zone="UTC", now=NOW)
    async with database.tenant_tx(tenant.id) as connection:
        await people.change_tenant(connection, name="에이스", time_zone="UTC", currency="USD")
    changed = replace(tenant, name="에이스", time_zone="UTC", currency="USD")
    assert await people.list_tenants(database) == [changed, longest]
    await people.remove_tenant(database, keyring, longest.id)
    assert await people.list_tenants(database) == [changed]
    assert not keyring.exists(KeyOwner.tenant(longest.id))


async def test_a_person_comes_back_as_added_and_is_found_however_the_login_is_written(
    database: Database, keyring: KeyRing, tenant: Tenant, add: Add
) -> None:
    kim = await add(KIM)
    assert kim.groups == ("support", "영업")
    async with database.tenant_tx(tenant.id) as connection:
        for written in ("kim@example.com", " KIM@Example.com", "ｋｉｍ＠example.com"):
            assert await people.find_person(connection, keyring, tenant.id, written) == kim
        assert await people.get_person(connection, keyring, tenant.id, kim.id) == kim
        assert await people.list_people(connection, keyring, tenant.id) == [kim]
        assert await people.list_people(connection, keyring, tenant.id, after=kim.id) == []
        with pytest.raises(NotFound):
            await people.find_person(connection, keyring, tenant.id, "lee@example.com")
        stored = await (await connection.execute("select p::text as row from people p")).fetchall()
    assert "kim" not in str(stored).lower()
    with pytest.raises(Conflict):
        await add(replace(KIM, login="KIM@EXAMPLE.COM"))
    for login in ("", "  ", "x" * 201):
        with pytest.raises(RequestError):
            await add(replace(KIM, login=login))


async def test_a_change_arrives_whole(database: Database, keyring: KeyRing, tenant: Tenant, add: Add) -> None:
    kim = await add(KIM)
    new = NewPerson(KIM.login, "Kim Haneul", clearance="restricted", roles=frozenset({"auditor"}), groups=("영업",))
    async with database.tenant_tx(tenant.id) as connection:
        changed = await people.change_person(connection, keyring, kim, new, NOW)
        assert await people.get_person(connection, keyring, tenant.id, kim.id) == changed
    assert (changed.name, changed.clearance, changed.roles, changed.groups) == ("Kim Haneul", "restricted", frozenset({"auditor"}), ("영업",))
    with pytest.raises(RequestError, match="no group called nobody, nowhere"):
        async with database.tenant_tx(tenant.id) as connection:
            await people.set_groups(connection, tenant.id, kim.id, ["nowhere", "영업", "nobody"])


async def test_an_erased_person_has_no_name_any_more(database: Database, keyring: KeyRing, tenant: Tenant, add: Add) -> None:
    kim = await add(KIM)
    keyring.destroy(KeyOwner(tenant.id, "subject", kim.id))
    async with database.tenant_tx(tenant.id) as connection:
        assert await people.list_people(connection, keyring, tenant.id) == [replace(kim, login="", name="")]


async def test_groups_nest(database: Database, tenant: Tenant) -> None:
    async with database.tenant_tx(tenant.id) as connection:
        for name in ("all", "b", "a"):
            made = await people.ensure_group(connection, tenant.id, name, NOW)
            assert await people.ensure_group(connection, tenant.id, name, NOW) == made
        await people.set_member_groups(connection, tenant.id, "all", ["b", "a", "b", "all"])
        assert await people.list_groups(connection) == [("a", ()), ("all", ("a", "b")), ("b", ())]
        await people.set_member_groups(connection, tenant.id, "all", ["b"])
        assert await people.list_groups(connection) == [("a", ()), ("all", ("b",)), ("b", ())]
        with pytest.raises(RequestError):
            await people.ensure_group(connection, tenant.id, "", NOW)


async def test_another_tenants_groups_and_people_do_not_exist(database: Database, keyring: KeyRing, add: Add) -> None:
    kim = await add(KIM)
    other = await people.create_tenant(database, keyring, slug="other", name="Other", now=NOW)
    async with database.tenant_tx(other.id) as connection:
        assert await people.list_groups(connection) == []
        with pytest.raises(NotFound):
            await people.get_person(connection, keyring, other.id, kim.id)
        with pytest.raises(RequestError):
            await people.set_member_groups(connection, other.id, "영업", [])
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        async with database.tenant_tx(other.id) as connection:
            await people.set_roles(connection, other.id, kim.id, ["owner"])


async def test_a_time_zone_that_does_not_exist_is_refused(database: Database, keyring: KeyRing) -> None:
    with pytest.raises(RequestError, match="time zone"):
        await people.create_tenant(database, keyring, slug="other", name="Other", time_zone="Asia/Soul", now=NOW)


async def test_who_is_shut_out_has_no_key_and_no_session_until_let_in_again(database: Database, keyring: KeyRing, tenant: Tenant, add: Add) -> None:
    person = await add(people.NewPerson("somebody", "Somebody"))
    directory = keys.KeyDirectory(database, lambda: NOW)
    async with database.tenant_tx(tenant.id) as connection:
        _, minted = await keys.create_key(connection, tenant.id, person.id, "key", NOW)
    await directory.refresh()
    assert directory.check(minted.text).person_id == person.id
    for disabled in (True, False):
        async with database.tenant_tx(tenant.id) as connection:
            await people.set_disabled(connection, person, disabled=disabled, now=NOW)
        await directory.refresh()
        if disabled:
            with pytest.raises(Unauthenticated):
                directory.check(minted.text)
        else:
            assert directory.check(minted.text).person_id == person.id

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ondol.core.errors import Conflict, RequestError
from ondol.infrastructure.access import people
from ondol.infrastructure.access.attributes import (
    ATTRIBUTES_OF_PERSON_MAX,
    clause_ids,
    list_attributes,
    put_attribute,
    set_attributes,
    value_ids,
)
from ondol.infrastructure.access.audiences import VisibleAudiences, audience_for
from ondol.infrastructure.access.people import NewPerson, add_person, create_tenant
from ondol.infrastructure.access.rules import Clause
from ondol.infrastructure.access.types import AccessRule, Tenant
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 3, 4, tzinfo=UTC)


async def test_an_attribute_has_exactly_the_values_that_are_said(database: Database, keyring: KeyRing, tenant: Tenant) -> None:
    async with database.tenant_tx(tenant.id) as connection:
        await put_attribute(connection, tenant.id, "department", ["sales", "영업", " sales "], NOW)
        await put_attribute(connection, tenant.id, "region", ["kr"], NOW)
        before = await value_ids(connection, [("department", "sales")])
        await put_attribute(connection, tenant.id, "department", ["support", "sales"], NOW)
        assert await list_attributes(connection) == [("department", ("sales", "support")), ("region", ("kr",))]
        assert await value_ids(connection, [("department", "sales")]) == before
        await put_attribute(connection, tenant.id, "region", [], NOW)
        assert await list_attributes(connection) == [("department", ("sales", "support"))]
        for name in ("Department", "a b", "", "class", "x" * 64):
            with pytest.raises(RequestError):
                await put_attribute(connection, tenant.id, name, ["x"], NOW)
        for value in ("", "  ", "a\nb", 'a"b', "x" * 201):
            with pytest.raises(RequestError):
                await put_attribute(connection, tenant.id, "department", [value], NOW)


async def test_a_value_that_rules_ask_for_stays_and_one_that_goes_is_taken_from_people(database: Database, keyring: KeyRing, tenant: Tenant) -> None:
    visible = VisibleAudiences()
    async with database.tenant_tx(tenant.id) as connection:
        await put_attribute(connection, tenant.id, "department", ["sales", "support"], NOW)
        new = NewPerson("kim", "Kim", attributes=(("department", "sales"), ("department", "support")))
        kim = await add_person(connection, keyring, tenant.id, new, NOW)
        clauses = await clause_ids(connection, [Clause("department", ("sales",))])
        audience = await audience_for(connection, tenant.id, AccessRule(clauses=clauses), NOW)
    async with database.tenant_tx(tenant.id) as connection:
        assert (await visible.of(connection, tenant.id, kim.id)).audience_ids == {audience}
        with pytest.raises(Conflict, match="ask for a value of department"):
            await put_attribute(connection, tenant.id, "department", ["support"], NOW)
        await put_attribute(connection, tenant.id, "department", ["sales"], NOW)
        found = await people.get_person(connection, keyring, tenant.id, kim.id)
        assert found.attributes == (("department", "sales"),)
        await set_attributes(connection, tenant.id, kim.id, [])
    async with database.tenant_tx(tenant.id) as connection:
        assert (await visible.of(connection, tenant.id, kim.id)).audience_ids == frozenset()


async def test_what_a_tenant_does_not_know_is_refused_by_name(database: Database, keyring: KeyRing, tenant: Tenant) -> None:
    other = await create_tenant(database, keyring, slug="other", name="Other", now=NOW)
    async with database.tenant_tx(other.id) as connection:
        await put_attribute(connection, other.id, "department", ["sales"], NOW)
    async with database.tenant_tx(tenant.id) as connection:
        await put_attribute(connection, tenant.id, "department", ["support", *map(str, range(ATTRIBUTES_OF_PERSON_MAX))], NOW)
        kim = await add_person(connection, keyring, tenant.id, NewPerson("kim", "Kim"), NOW)
        for call in (
            set_attributes(connection, tenant.id, kim.id, [("department", "sales"), ("department", "support")]),
            clause_ids(connection, [Clause("department", ("support", "sales"))]),
            add_person(connection, keyring, tenant.id, NewPerson("lee", "Lee", attributes=(("department", "sales"),)), NOW),
        ):
            with pytest.raises(RequestError, match=r"There is no attribute department=sales\.") as caught:
                await call
            assert caught.value.code == "unknown_attribute"
        with pytest.raises(RequestError, match="at most 200 attributes"):
            await set_attributes(
                connection, tenant.id, kim.id, [("department", str(n)) for n in range(ATTRIBUTES_OF_PERSON_MAX)] + [("department", "support")]
            )

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ondol.core.canonical import digest
from ondol.core.ids import new_id
from ondol.infrastructure.access import people
from ondol.infrastructure.access.attributes import put_attribute, set_attributes, value_ids
from ondol.infrastructure.access.audiences import HeardByOthers, VisibleAudiences, audience_for, group_ids
from ondol.infrastructure.access.people import NewPerson, add_person, create_tenant
from ondol.infrastructure.access.types import SECURITY_CLASSES, AccessRule, Listeners, Person, Tenant, class_rank
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection, Database

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 3, 4, tzinfo=UTC)
SIZE = 4

positions = st.integers(0, SIZE - 1)
edges = st.frozensets(st.tuples(positions, positions), max_size=8)
clauses = st.frozensets(st.frozensets(positions, min_size=1, max_size=3), max_size=3)
rules = st.tuples(st.sampled_from(SECURITY_CLASSES), st.frozensets(positions, max_size=2), st.frozensets(positions, max_size=2), clauses)


identifiers = st.lists(st.uuids(), max_size=4)
in_two_orders = identifiers.flatmap(lambda ids: st.tuples(st.just(ids), st.permutations(ids)))


# Nothing is drawn while the test runs: in a coroutine, what Hypothesis ends an example with would end the event loop's task too.
@given(st.sampled_from(SECURITY_CLASSES), in_two_orders, identifiers)
def test_order_and_duplicates_do_not_matter(security_class: Any, orders: tuple[list[uuid.UUID], list[uuid.UUID]], persons: list[uuid.UUID]) -> None:
    groups, shuffled = orders
    rule = AccessRule(security_class, frozenset(groups), frozenset(persons))
    other = AccessRule(security_class, frozenset(shuffled + shuffled), frozenset(reversed(persons)))
    assert rule.canonical() == other.canonical() == {
        "class": security_class, "everyone": not groups and not persons, "groups": sorted(map(str, set(groups))),
        "people": sorted(map(str, set(persons))),
    }  # fmt: skip


def test_the_digest_of_a_rule_without_attributes_is_what_it_always_was() -> None:
    """Documents that are there belong to audiences by this digest: another one would part them from those that come."""
    rule = AccessRule("internal", frozenset({uuid.UUID(int=2), uuid.UUID(int=1)}), frozenset({uuid.UUID(int=3)}))
    assert digest(rule.canonical()).hex() == "3b6db268709743bd01576140abd59f5637245985c6299177d585efb4e76cc8fd"
    assert digest(AccessRule().canonical()).hex() == "58bf5a0925b2a97f5055fe0977d871092b8829724888bc7968176701fc912393"


def meets(clauses: frozenset[frozenset[uuid.UUID]], has: set[uuid.UUID]) -> bool:
    return all(clause & has for clause in clauses)


@given(st.data())
def test_rules_that_let_in_the_same_people_have_one_form_and_others_have_another(data: st.DataObject) -> None:
    values = [uuid.UUID(int=number) for number in range(4)]
    some = st.frozensets(st.frozensets(st.sampled_from(values), max_size=3), max_size=4)
    one, other = AccessRule(clauses=data.draw(some)), AccessRule(clauses=data.draw(some))
    every_person = [{value for place, value in enumerate(values) if number >> place & 1} for number in range(16)]
    is_same = all(meets(one.clauses, has) == meets(other.clauses, has) for has in every_person)
    assert (one.canonical() == other.canonical()) is is_same
    again = AccessRule(clauses=frozenset(map(frozenset, one.needed_clauses)))
    assert all(meets(one.clauses, has) == meets(again.clauses, has) for has in every_person)


async def world(connection: Connection, keyring: KeyRing, tenant: Tenant) -> tuple[list[Person], list[uuid.UUID]]:
    persons = [
        await add_person(connection, keyring, tenant.id, NewPerson(f"p{new_id()}", "P", clearance=SECURITY_CLASSES[n]), NOW) for n in range(SIZE)
    ]
    return persons, [await people.ensure_group(connection, tenant.id, f"g{n} {new_id()}", NOW) for n in range(SIZE)]


def readable(
    persons: list[Person],
    groups: list[uuid.UUID],
    nested: frozenset[tuple[int, int]],
    members: frozenset[tuple[int, int]],
    has: dict[int, set[uuid.UUID]],
    rule: AccessRule,
    who: int,
) -> bool:
    """Slowly and plainly: may this person read what the rule guards?"""
    belongs = {group for group, member in members if member == who}
    for _ in groups:
        belongs |= {outer for outer, inner in nested if inner in belongs and outer != inner}
    reached = class_rank(rule.security_class) <= class_rank(persons[who].clearance)
    return (
        reached
        and meets(rule.clauses, has[who])
        and (rule.everyone or persons[who].id in rule.people or any(groups[group] in rule.groups for group in belongs))
    )


def heard(groups: list[uuid.UUID], nested: frozenset[tuple[int, int]], listeners: Listeners, rule: AccessRule) -> bool:
    """Slowly and plainly: may each of these groups read what the rule guards?"""

    def reads(listener: uuid.UUID) -> bool:
        belongs = {groups.index(listener)}
        for _ in groups:
            belongs |= {outer for outer, inner in nested if inner in belongs and outer != inner}
        return any(groups[group] in rule.groups for group in belongs)

    if class_rank(rule.security_class) > class_rank(listeners.clearance) or rule.needed_clauses:
        return False
    return (rule.everyone and listeners.reads_open) or (bool(listeners.group_ids) and all(map(reads, listeners.group_ids)))


listening = st.tuples(st.frozensets(positions, max_size=3), st.sampled_from(SECURITY_CLASSES), st.booleans())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(along=listening, nested=edges, members=edges, having=edges, said=st.lists(rules, min_size=1, max_size=4))
async def test_who_sees_what_is_what_the_rule_says(
    database: Database, keyring: KeyRing, tenant: Tenant, along: tuple[frozenset[int], Any, bool],
    nested: frozenset[tuple[int, int]], members: frozenset[tuple[int, int]], having: frozenset[tuple[int, int]],
    said: list[tuple[Any, frozenset[int], frozenset[int], frozenset[frozenset[int]]]],
) -> None:  # fmt: skip
    async with database.tenant_tx(tenant.id) as connection:
        await connection.execute("savepoint clean")
        persons, groups = await world(connection, keyring, tenant)
        for outer, inner in nested:
            if outer != inner:
                await connection.execute("insert into group_groups values (%s, %s, %s)", (tenant.id, groups[outer], groups[inner]))
        for group, person in members:
            await connection.execute("insert into group_people values (%s, %s, %s)", (tenant.id, groups[group], persons[person].id))
        await put_attribute(connection, tenant.id, "department", map(str, range(SIZE)), NOW)
        values = [(await value_ids(connection, [("department", str(n))]))[("department", str(n))] for n in range(SIZE)]
        has = {who: {values[value] for value, person in having if person == who} for who in range(SIZE)}
        for who in range(SIZE):
            await set_attributes(connection, tenant.id, persons[who].id, [("department", str(value)) for value, person in having if person == who])
        made: dict[AccessRule, uuid.UUID] = {}
        for security_class, of_groups, of_people, of_clauses in said:
            asked = frozenset(frozenset(values[n] for n in clause) for clause in of_clauses)
            rule = AccessRule(security_class, frozenset(groups[n] for n in of_groups), frozenset(persons[n].id for n in of_people), asked)
            made[rule] = await audience_for(connection, tenant.id, rule, NOW)
            assert await audience_for(connection, tenant.id, rule, NOW) == made[rule]
        assert len(set(made.values())) == len({str(rule.canonical()) for rule in made})
        for who in range(SIZE):
            seen = (await VisibleAudiences().of(connection, tenant.id, persons[who].id)).audience_ids
            assert seen == {audience for rule, audience in made.items() if readable(persons, groups, nested, members, has, rule, who)}
            others = Listeners(frozenset(groups[n] for n in along[0]), along[1], along[2])
            told = (await HeardByOthers(VisibleAudiences(), others).of(connection, tenant.id, persons[who].id)).audience_ids
            assert told == {audience for rule, audience in made.items() if audience in seen and heard(groups, nested, others, rule)}
        await connection.execute("rollback to clean")


async def test_every_change_of_who_belongs_where_is_seen_by_a_cache(database: Database, keyring: KeyRing, tenant: Tenant) -> None:
    visible = VisibleAudiences()
    async with database.tenant_tx(tenant.id) as connection:
        [_, kim, *_], [group, inner, *_] = await world(connection, keyring, tenant)
        await put_attribute(connection, tenant.id, "department", ["sales", "support"], NOW)
        found = await value_ids(connection, [("department", "sales"), ("department", "support")])
        sales, support = found[("department", "sales")], found[("department", "support")]
        await set_attributes(connection, tenant.id, kim.id, [("department", "sales")])
        rule = AccessRule("internal", frozenset({group}), clauses=frozenset({frozenset({sales})}))
        audience = await audience_for(connection, tenant.id, rule, NOW)

    async def seen() -> tuple[int, bool]:
        async with database.tenant_tx(tenant.id) as connection:
            found = await visible.of(connection, tenant.id, kim.id)
            assert found == await visible.of(connection, tenant.id, kim.id)
            return found.epoch, audience in found.audience_ids

    epochs = [(await seen())[0]]
    person, public = (
        {"person": kim.id, "tenant": tenant.id, "group": group, "inner": inner, "sales": sales, "support": support},
        "update people set clearance = 0 where id = %(person)s",
    )
    for statement, expected in (
        ("insert into group_people values (%(tenant)s, %(inner)s, %(person)s)", False),
        ("insert into group_groups values (%(tenant)s, %(group)s, %(inner)s)", True),
        (public, False),
        ("update people set clearance = 3 where id = %(person)s", True),
        ("update people set disabled_at = now() where id = %(person)s", False),
        ("update people set disabled_at = null where id = %(person)s", True),
        ("insert into person_roles values (%(tenant)s, %(person)s, 'auditor')", True),
        ("delete from person_attributes", False),
        ("insert into person_attributes values (%(tenant)s, %(person)s, %(support)s)", False),
        ("insert into person_attributes values (%(tenant)s, %(person)s, %(sales)s)", True),
        ("delete from attribute_values where id = %(support)s", True),
        ("delete from group_groups", False),
        ("insert into group_people values (%(tenant)s, %(group)s, %(person)s)", True),
        ("delete from group_people where group_id = %(group)s", False),
        ("delete from people where id = %(person)s", False),
    ):
        async with database.tenant_tx(tenant.id) as connection:
            await connection.execute(statement, person)
        epoch, sees = await seen()
        assert sees is expected, statement
        assert epoch > epochs[-1], statement
        epochs.append(epoch)
    async with database.tenant_tx(tenant.id) as connection:
        await connection.execute("update people set profile_sealed = 'x'")
    assert (await seen())[0] == epochs[-1], "what changes nobody's rights keeps the cache"


async def test_what_was_rolled_back_leaves_nothing_in_the_cache(database: Database, keyring: KeyRing, tenant: Tenant) -> None:
    visible = VisibleAudiences()
    async with database.tenant_tx(tenant.id) as connection:
        [_, kim, *_], [group, *_] = await world(connection, keyring, tenant)
        await audience_for(connection, tenant.id, AccessRule("internal", frozenset({group})), NOW)
    with pytest.raises(ZeroDivisionError):
        async with database.tenant_tx(tenant.id) as connection:
            await connection.execute("insert into group_people values (%s, %s, %s)", (tenant.id, group, kim.id))
            assert len((await visible.of(connection, tenant.id, kim.id)).audience_ids) == 1
            raise ZeroDivisionError
    async with database.tenant_tx(tenant.id) as connection:  # brings the same epoch again
        await people.set_roles(connection, tenant.id, kim.id, ["member", "auditor"])
        assert (await visible.of(connection, tenant.id, kim.id)).audience_ids == frozenset()
    async with database.tenant_tx(tenant.id) as connection:
        assert (await visible.of(connection, tenant.id, kim.id)).audience_ids == frozenset()


async def test_an_audience_whose_clauses_are_lost_is_closed(database: Database, keyring: KeyRing, tenant: Tenant) -> None:
    async with database.tenant_tx(tenant.id) as connection:
        [kim, *_], _ = await world(connection, keyring, tenant)
        await put_attribute(connection, tenant.id, "department", ["sales"], NOW)
        await set_attributes(connection, tenant.id, kim.id, [("department", "sales")])
        [sales] = (await value_ids(connection, [("department", "sales")])).values()
        asked = await audience_for(connection, tenant.id, AccessRule(clauses=frozenset({frozenset({sales})})), NOW)
        nobody = await audience_for(connection, tenant.id, AccessRule(clauses=frozenset({frozenset()})), NOW)
        assert asked != nobody
        assert (await VisibleAudiences().of(connection, tenant.id, kim.id)).audience_ids == {asked}
        await connection.execute("delete from audience_attributes")
        assert (await VisibleAudiences().of(connection, tenant.id, kim.id)).audience_ids == frozenset()


async def test_the_same_rule_from_two_sides_at_once_is_one_audience(database: Database, tenant: Tenant) -> None:
    async def make() -> uuid.UUID:
        async with database.tenant_tx(tenant.id) as connection:
            return await audience_for(connection, tenant.id, AccessRule("restricted"), NOW)

    assert len(set(await asyncio.gather(*(make() for _ in range(4))))) == 1


async def test_nobody_sees_anothers_audiences_and_strangers_see_none(database: Database, keyring: KeyRing, tenant: Tenant) -> None:
    other = await create_tenant(database, keyring, slug="other", name="Other", now=NOW)
    async with database.tenant_tx(tenant.id) as connection:
        [*_, kim], [group, *_] = await world(connection, keyring, tenant)
        mine = await audience_for(connection, tenant.id, AccessRule(), NOW)
        assert (await VisibleAudiences().of(connection, tenant.id, kim.id)).audience_ids == {mine}
        assert (await VisibleAudiences().of(connection, tenant.id, new_id())).audience_ids == frozenset()
    async with database.tenant_tx(other.id) as connection:
        assert (await VisibleAudiences().of(connection, other.id, kim.id)).audience_ids == frozenset()
        assert await audience_for(connection, other.id, AccessRule(), NOW) != mine
        assert await (await connection.execute("select name from groups where id = %s", (group,))).fetchall() == []
        assert await group_ids(connection, []) == {}

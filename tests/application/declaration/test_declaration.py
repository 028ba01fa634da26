from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from ondol.application.declaration import Change, Declaration, DeclarationRoom, apply_declaration, export_declaration, parse_declaration, to_yaml
from ondol.core.config import SignInSettings
from ondol.core.errors import NotFound, OndolError, RequestError, SettingsError
from ondol.infrastructure.access import people
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing
from ondol.infrastructure.storage.postgres import Database, one

pytestmark = pytest.mark.anyio

WHOLE = """
version: 1
tenants:
- slug: acme
  name: 에이스
  time_zone: UTC
  currency: USD
  groups:
  - name: all
    members: [sales, support, sales]
  - name: sales
  - name: support
  attributes:
  - {name: department, values: [영업, support, field sales]}
  people:
  - {login: kim@example.com, name: 김하늘, clearance: restricted, roles: [owner, admin], groups: [support, all, support],
     attributes: {department: [support, 영업, support]}}
  - {login: robot, kind: service, roles: []}
  - {login: lee@example.com}
  bases: [manuals, contracts]
  prompts:
  - name: support
    texts: {ko: {role: "$organisation 상담원", examples: [{question: 환불, answer: "5일 [1]"}]}}
    variables: {organisation: line}
    labels: [good]
  assistants:
  - {name: helper, base: manuals, settings: {greeting: 안녕하세요}}
- slug: other
  people:
  - {login: kim@example.com}
"""


@pytest.fixture
def room(database: Database, keyring: KeyRing) -> DeclarationRoom:
    return DeclarationRoom(database, keyring, SignInSettings(), lambda: datetime(2026, 3, 4, tzinfo=UTC))


async def exported(room: DeclarationRoom) -> Declaration:
    return await export_declaration(room, await people.list_tenants(room.database))


async def events(room: DeclarationRoom) -> int:
    async with room.database.system_tx() as connection:
        found = await one(connection, "select count(*) as counted from ledger_events where kind = 'declaration.applied'", {})
    assert found is not None
    return int(found["counted"])


def normal(entry: Any) -> Any:
    """A declaration without order and duplicates where neither means anything."""
    if isinstance(entry, dict):
        words = {name for name, value in entry.items() if isinstance(value, list) and all(isinstance(item, str) for item in value)}
        return {name: sorted(set(value)) if name in words
                else normal(value) for name, value in entry.items() if value != [] or name == "roles"}  # fmt: skip
    return sorted(map(normal, entry), key=str) if isinstance(entry, list) else entry


async def test_applying_twice_changes_nothing_and_the_export_says_the_same(room: DeclarationRoom) -> None:
    first = await apply_declaration(room, parse_declaration(WHOLE), invite=True)
    assert [(c.tenant, c.what, c.name, c.did, c.code is not None) for c in first] == [
        ("acme", "tenant", "에이스", "created", False),
        ("acme", "group", "all", "created", False),
        ("acme", "group", "sales", "created", False),
        ("acme", "group", "support", "created", False),
        ("acme", "attribute", "department", "created", False),
        ("acme", "person", "kim@example.com", "created", True),
        ("acme", "person", "robot", "created", False),
        ("acme", "person", "lee@example.com", "created", True),
        ("acme", "base", "manuals", "created", False),
        ("acme", "base", "contracts", "created", False),
        ("acme", "prompt", "support", "created", False),
        ("acme", "assistant", "helper", "created", False),
        ("other", "tenant", "other", "created", False),
        ("other", "person", "kim@example.com", "created", True),
    ]
    assert await events(room) == 2
    assert await apply_declaration(room, parse_declaration(WHOLE), invite=True) == []
    assert await events(room) == 2

    text = to_yaml(await exported(room))
    assert await apply_declaration(room, parse_declaration(text)) == []
    assert parse_declaration(text) == await exported(room)
    written, said = yaml.safe_load(WHOLE), yaml.safe_load(text)
    for tenant in written["tenants"]:
        tenant.setdefault("name", tenant["slug"])
        tenant.setdefault("time_zone", "Asia/Seoul")
        tenant.setdefault("currency", "KRW")
        for person in tenant["people"]:
            for name, value in (("name", person["login"]), ("kind", "person"), ("clearance", "public"), ("roles", ["member"])):
                person.setdefault(name, value)
    assert normal(said) == normal(written)


async def test_the_export_builds_the_same_installation_elsewhere(room: DeclarationRoom) -> None:
    await apply_declaration(room, parse_declaration(WHOLE))
    before = await exported(room)
    renamed = to_yaml(before).replace("slug: acme", "slug: copy")
    await apply_declaration(room, parse_declaration(renamed))
    after = {tenant.slug: tenant for tenant in (await exported(room)).tenants}
    assert to_yaml(Declaration(1, [after["copy"]])).replace("slug: copy", "slug: acme") == to_yaml(Declaration(1, [before.tenants[0]]))


async def test_only_what_differs_changes(room: DeclarationRoom) -> None:
    await apply_declaration(room, parse_declaration(WHOLE))
    changed = WHOLE.replace("members: [sales, support, sales]", "members: [sales]").replace("roles: [owner, admin]", "roles: [owner]")
    changed = changed.replace("field sales]", "field sales, legal]").replace("[support, 영업, support]", "[support]")
    changed = changed.replace("안녕하세요", "Hello").replace("time_zone: UTC", "time_zone: Asia/Tokyo")
    assert await apply_declaration(room, parse_declaration(changed)) == [
        Change("acme", "tenant", "에이스", "changed"),
        Change("acme", "group", "all", "changed"),
        Change("acme", "attribute", "department", "changed"),
        Change("acme", "person", "kim@example.com", "changed"),
        Change("acme", "assistant", "helper", "changed"),
    ]
    assert await events(room) == 3, "a tenant in which nothing changed has no event"
    assert await apply_declaration(room, parse_declaration(changed)) == []
    only_people = "version: 1\ntenants: [{slug: other, people: [{login: park}]}]"
    await apply_declaration(room, parse_declaration(only_people))
    other = (await exported(room)).tenants[1]
    assert [person.login for person in other.people] == ["kim@example.com", "park"]


GUARDED = """
version: 1
tenants:
- slug: acme
  policies:
  - version: 1
    name: careful
    stages:
      input:
      - {find: "personal:PHONE", do: mask}
      - {find: injection, do: block, false_alarms: 0.01}
    tools:
    - {name: orders.refund, arguments: {type: object, properties: {}}, destructive: true, approval_role: admin}
    approvals: {expire_minutes: 5}
  guard:
  - {policy: careful}
  - {policy: default, scope: assistant, target: helper}
"""


async def test_policies_and_where_they_hold_are_applied_and_exported(room: DeclarationRoom) -> None:
    first = await apply_declaration(room, parse_declaration(GUARDED))
    assert [(change.what, change.name, change.did) for change in first] == [
        ("tenant", "acme", "created"),
        ("policy", "careful", "created"),
        ("guard", "tenant", "created"),
        ("guard", "assistant helper", "created"),
    ]
    assert await apply_declaration(room, parse_declaration(GUARDED)) == []
    text = to_yaml(await exported(room))
    assert parse_declaration(text) == await exported(room)
    assert await apply_declaration(room, parse_declaration(text)) == []
    changed = GUARDED.replace("do: mask", "do: block").replace("policy: default, scope", "policy: careful, scope")
    assert [(change.what, change.name, change.did) for change in await apply_declaration(room, parse_declaration(changed))] == [
        ("policy", "careful", "changed"),
        ("guard", "assistant helper", "changed"),
    ]


BROKEN = {
    "a binding to an unknown policy": "groups: [{name: new}]\n  guard: [{policy: nowhere}]",
    "a binding of an unknown key": "groups: [{name: new}]\n  guard: [{policy: default, scope: key, target: nobody}]",
    "a policy whose tools cannot be": "policies: [{version: 1, name: a, tools: [{name: t, arguments: {type: strin}}]}]",
    "a policy that may not be called so": "groups: [{name: new}]\n  policies: [{version: 1, name: default}]",
    "an unknown group": "groups: [{name: new}]\n  people: [{login: new}, {login: x, groups: [nowhere]}]",
    "an unknown base": "groups: [{name: new}]\n  assistants: [{name: a, base: nowhere}]",
    "a name that cannot be": "groups: [{name: new}]\n  bases: [Not A Name]",
    "a login that cannot be": "groups: [{name: new}]\n  people: [{login: ''}]",
    "a group without a name": "people: [{login: new}]\n  groups: [{name: ''}]",
    "a person who is a service": "groups: [{name: new}]\n  people: [{login: robot, kind: person}]",
    "a character that no text has": 'groups: [{name: new}]\n  bases: ["a\\0b"]',
}


@pytest.mark.parametrize("reason", BROKEN)
async def test_a_tenant_with_a_mistake_stays_as_it_was(reason: str, room: DeclarationRoom, keyring: KeyRing) -> None:
    await apply_declaration(room, parse_declaration(WHOLE))
    before = await exported(room)
    known = "version: 1\ntenants:\n- slug: acme\n  name: changed\n  "
    with pytest.raises(OndolError) as caught:
        await apply_declaration(room, parse_declaration(known + BROKEN[reason]))
    assert isinstance(caught.value, RequestError), caught.value
    assert await exported(room) == before
    if reason != "a person who is a service":
        with pytest.raises(RequestError):
            await apply_declaration(room, parse_declaration(known.replace("acme", "fresh") + BROKEN[reason]))
        assert await exported(room) == before
        with pytest.raises(NotFound):
            await people.find_tenant(room.database, "fresh")
        tenants = {tenant.id for tenant in await people.list_tenants(room.database)}
        assert all(keyring.exists(KeyOwner.tenant(tenant_id)) for tenant_id in tenants)


async def test_an_erased_person_is_not_exported(room: DeclarationRoom, keyring: KeyRing) -> None:
    await apply_declaration(room, parse_declaration(WHOLE))
    tenant = await people.find_tenant(room.database, "acme")
    async with room.database.tenant_tx(tenant.id) as connection:
        lee = await people.find_person(connection, keyring, tenant.id, "lee@example.com")
    keyring.destroy(KeyOwner(tenant.id, "subject", lee.id))
    text = to_yaml(await exported(room))
    assert "lee@" not in text
    assert await apply_declaration(room, parse_declaration(text)) == []


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("version: 1\ntenats: []", "Did you mean `tenants`?"),
        ("version: 1\ntenants: [{slug: a, peple: []}]", "Did you mean `people`?"),
        ("version: 1\ntenants: [{slug: a, people: [{login: a, clearence: public}]}]", "Did you mean `clearance`?"),
        ("version: 2", "shows the form"),
        ("tenants: []", "shows the form"),
        ("version: 1\ntenants: [{slug: a, currency: EUR}]", "shows the form"),
        ("version: 1\ntenants: [{slug: a, people: [{login: a, roles: [king]}]}]", "shows the form"),
        ("version: 1\ntenants: [", "shows the form"),
        (
            "version: 1\ntenants: [{slug: a, policies: [{version: 1, name: a, stages: {input: [{find: persnal, do: mask}]}}]}]",
            "Did you mean `personal`?",
        ),
        ("version: 1\ntenants: [{slug: a, policies: [{version: 1, name: a, stages: {input: [{fnd: personal, do: mask}]}}]}]", "Did you mean `find`?"),
        ("version: 1\ntenants: [{slug: a, guard: [{policy: a, scope: planet}]}]", "shows the form"),
        ("- a", "shows the form"),
        ("", "shows the form"),
        ("#" * (16 * 2**20 + 1), "Split it by tenant"),
    ],
)
async def test_a_slip_is_refused_with_the_nearest_word(text: str, hint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_declaration(text)
    assert hint in caught.value.hint


@pytest.mark.long
async def test_more_people_than_a_page_are_exported_whole(room: DeclarationRoom) -> None:
    entries = "".join(f"  - {{login: person-{number:04}}}\n" for number in range(people.PAGE_MAX + 5))
    await apply_declaration(room, parse_declaration(f"version: 1\ntenants:\n- slug: acme\n  people:\n{entries}"))
    [tenant] = (await exported(room)).tenants
    assert [person.login for person in tenant.people] == [f"person-{number:04}" for number in range(people.PAGE_MAX + 5)]

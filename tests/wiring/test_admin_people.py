"""People, groups and attributes over the admin API: what the command line can, by whom, and that nobody raises their own rights by any way."""

from __future__ import annotations

from typing import Any

import pytest

from ondol.core.errors import Unauthenticated
from ondol.infrastructure.access.people import find_tenant
from ondol.infrastructure.access.sign_in import principal_of, redeem_one_time
from ondol.infrastructure.storage.postgres import rows
from tests.wiring.test_admin_gateway import Api, api

__all__ = ["api"]
pytestmark = pytest.mark.anyio


async def ids(api: Api) -> dict[str, str]:
    """The ids of the tenant's people by login."""
    return {person["login"]: person["id"] for person in (await api.did("owner", "GET", "/people"))["people"]}


async def acts(api: Api, kind: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Kind, actor and body of the ledger's events of some kinds."""
    tenant = await find_tenant(api.platform.database, "acme")
    async with api.platform.database.tenant_tx(tenant.id) as connection:
        found = await rows(connection, "select kind, actor_id, body from ledger_events where kind like %(kind)s::text order by id", {"kind": kind})
    return [(row["kind"], str(row["actor_id"]), row["body"]) for row in found]


async def test_a_person_is_added_changed_shut_out_let_in_and_listed(api: Api) -> None:
    await api.did("owner", "PUT", "/attributes/department", {"values": ["sales", "support"]})
    await api.did("owner", "PUT", "/groups/staff", {"members": ["leads"]})
    body = {"login": "kim@acme.example", "name": "김", "clearance": "internal", "roles": ["editor"], "groups": ["staff"]}
    made = await api.did("owner", "POST", "/people", {**body, "attributes": ["department=sales"]})
    assert made == {**body, "attributes": ["department=sales"], "id": made["id"], "kind": "person", "disabled_at": None}
    path = f"/people/{made['id']}"
    changed = await api.did("owner", "PATCH", path, {"roles": ["auditor", "editor"], "groups": [], "attributes": ["department=support"]})
    assert changed == {**made, "roles": ["auditor", "editor"], "groups": [], "attributes": ["department=support"]}
    assert await api.did("owner", "PATCH", path, {"name": "Kim"}) == {**changed, "name": "Kim"}
    assert (await api.did("owner", "POST", f"{path}/disable"))["disabled_at"] is not None
    assert await api.did("owner", "POST", f"{path}/enable") == {**changed, "name": "Kim"} == await api.did("auditor", "GET", path)
    first = await api.did("auditor", "GET", "/people?limit=2")
    rest = await api.did("auditor", "GET", f"/people?after={first['next']}")
    assert [person["login"] for person in (*first["people"], *rest["people"])] == [*(await ids(api))]
    assert (await api.did("auditor", "GET", "/groups"))["groups"] == [{"name": "leads", "members": []}, {"name": "staff", "members": ["leads"]}]
    assert (await api.did("auditor", "GET", "/attributes"))["attributes"] == [{"name": "department", "values": ["sales", "support"]}]
    told = [kind for kind, _ in await api.events()]
    for kind in ("attribute.put", "group.put", "person.added", "person.changed", "person.rights_changed", "person.disabled", "person.enabled"):
        assert kind in told
    bodies = dict(await api.events())
    assert bodies["person.added"] == {"person": made["id"], "roles": ["editor"], "clearance": "internal", "groups": 1, "attributes": 1}
    assert not any(word in str(bodies) for word in ("kim@", "김", "sales", "staff"))


async def test_who_acts_stands_in_the_ledger(api: Api) -> None:
    people = await ids(api)
    await api.did("admin", "PATCH", f"/people/{people['member']}", {"roles": ["editor"]})
    await api.did("admin", "POST", f"/people/{people['member']}/disable")
    assert [(kind, actor) for kind, actor, _ in await acts(api, "person.%")][-3:] == [
        ("person.changed", people["admin"]),
        ("person.rights_changed", people["admin"]),
        ("person.disabled", people["admin"]),
    ]


async def test_an_invitation_sets_a_password_once_and_says_who_made_it(api: Api) -> None:
    people = await ids(api)
    made = await api.did("admin", "POST", f"/people/{people['member']}/invite")
    path, _, code = made["path"].partition("?code=")
    assert (path, made["hours"]) == ("/welcome", api.platform.settings.sign_in.one_time_hours)
    session = await redeem_one_time(api.platform.sign_in, code, "a long new password")
    who = await principal_of(api.platform.sign_in, session)
    assert who is not None
    assert str(who.person_id) == people["member"]
    with pytest.raises(Unauthenticated):
        await redeem_one_time(api.platform.sign_in, code, "another new password")
    assert ("one_time_code.issued", people["admin"], {"person": people["member"]}) in await acts(api, "one_time_code.%")
    assert code not in str(await api.events())


async def test_who_cannot_sign_in_is_not_invited(api: Api) -> None:
    people = await ids(api)
    await api.did("owner", "POST", f"/people/{people['member']}/disable")
    for who, login, refused in (
        ("owner", "robot", (409, "is_service")),
        ("owner", "member", (409, "is_disabled")),
        ("admin", "owner", (403, "role_required")),
        ("auditor", "admin", (403, "role_required")),
    ):
        assert await api.ask(who, "POST", f"/people/{people[login]}/invite") == refused


@pytest.mark.parametrize("who", ["member", "auditor", "nobody"])
async def test_who_manages_nobody_changes_nothing(api: Api, who: str) -> None:
    people = await ids(api)
    asked: list[tuple[str, str, Any]] = [
        ("POST", "/people", {"login": "new"}),
        ("PATCH", f"/people/{people['robot']}", {"roles": ["owner"]}),
        ("POST", f"/people/{people['admin']}/disable", None),
        ("PUT", "/groups/leads", {"members": []}),
        ("PUT", "/attributes/a", {"values": ["b"]}),
    ]
    assert [(await api.ask(who, *one))[0] for one in asked] == [403] * 5
    assert (await api.ask(who, "GET", "/people"))[0] == (200 if who == "auditor" else 403)


@pytest.mark.parametrize("who", ["owner", "admin"])
@pytest.mark.parametrize("change", [{"roles": ["owner", "admin"]}, {"clearance": "restricted"}, {"groups": ["leads"]}, {"attributes": ["a=b"]}])
async def test_nobody_changes_their_own_rights(api: Api, who: str, change: dict[str, Any]) -> None:
    await api.did("owner", "PUT", "/attributes/a", {"values": ["b"]})
    me = (await ids(api))[who]
    before = await api.did("owner", "GET", f"/people/{me}")
    assert await api.ask(who, "PATCH", f"/people/{me}", change) == (403, "own_rights")
    assert await api.ask(who, "POST", f"/people/{me}/disable") == (403, "own_rights")
    assert await api.did("owner", "GET", f"/people/{me}") == before
    assert (await api.did(who, "PATCH", f"/people/{me}", {"name": "Another"}))["name"] == "Another"


async def test_nor_by_putting_a_group_of_theirs_into_another(api: Api) -> None:
    people = await ids(api)
    await api.did("owner", "PUT", "/groups/mine", {})
    await api.did("owner", "PATCH", f"/people/{people['admin']}", {"groups": ["mine"]})
    await api.did("owner", "PUT", "/groups/board", {"members": []})
    assert await api.ask("admin", "PUT", "/groups/board", {"members": ["mine"]}) == (403, "own_rights")
    assert {"name": "board", "members": []} in (await api.did("owner", "GET", "/groups"))["groups"]
    assert (await api.did("owner", "PUT", "/groups/board", {"members": ["mine"]}))["members"] == ["mine"]


@pytest.mark.parametrize(
    ("method", "path", "body", "refused"),
    [
        ("POST", "", {"login": "new", "roles": ["owner"]}, (403, "role_required")),
        ("POST", "", {"login": "new", "clearance": "internal"}, (403, "clearance_above_own")),
        ("PATCH", "member", {"roles": ["owner"]}, (403, "role_required")),
        ("PATCH", "member", {"clearance": "restricted"}, (403, "clearance_above_own")),
        ("PATCH", "owner", {"roles": ["member"]}, (403, "role_required")),
        ("PATCH", "owner", {"name": "x"}, (403, "role_required")),
        ("POST", "owner/disable", None, (403, "role_required")),
    ],
)
async def test_an_administrator_neither_makes_nor_touches_an_owner_and_gives_no_more_than_their_own(
    api: Api, method: str, path: str, body: Any, refused: tuple[int, str]
) -> None:
    people = await ids(api)
    login, slash, rest = path.partition("/")
    before = await api.did("owner", "GET", "/people")
    assert await api.ask("admin", method, "/people" + (f"/{people[login]}{slash}{rest}" if login else ""), body) == refused
    assert await api.did("owner", "GET", "/people") == before


async def test_an_owner_who_can_sign_in_is_always_left(api: Api) -> None:
    """People cannot take their own ownership away; a service that owns could take that of all others."""
    people = await ids(api)
    await api.did("owner", "POST", "/people", {"login": "machine", "kind": "service", "roles": ["owner"]})
    api.texts["machine"] = (await api.did("owner", "POST", "/keys", {"login": "machine"}))["key"]
    await api.keys.refresh()
    assert await api.ask("machine", "POST", f"/people/{people['owner']}/disable") == (409, "last_owner")
    assert await api.ask("machine", "PATCH", f"/people/{people['owner']}", {"roles": ["admin"]}) == (409, "last_owner")
    await api.did("machine", "PATCH", f"/people/{people['admin']}", {"roles": ["owner"]})
    assert (await api.did("machine", "POST", f"/people/{people['owner']}/disable"))["disabled_at"] is not None


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"login": ""}, (400, "invalid_body")),
        ({"login": "x", "roles": ["king"]}, (400, "invalid_body")),
        ({"login": "x", "attributes": ["plain"]}, (400, "invalid_body")),
        ({"login": "x", "groups": ["a\x00b"]}, (400, "invalid_body")),
        ({"login": "x", "attributes": ["nothing=here"]}, (400, "unknown_attribute")),
        ({"login": "x", "groups": ["nowhere"]}, None),
        ({"login": "owner"}, (409, "login_exists")),
        ({"login": "x", "colour": "red"}, (400, "invalid_body")),
    ],
)
async def test_what_is_wrong_is_told_and_adds_nobody(api: Api, body: dict[str, Any], told: tuple[int, str] | None) -> None:
    before = await ids(api)
    answer = await api.ask("owner", "POST", "/people", body)
    assert answer[0] in (400, 404, 409), answer
    assert told is None or answer[0] == told[0]
    assert await ids(api) == before


async def test_another_tenants_people_are_not_there(api: Api) -> None:
    me = (await ids(api))["member"]
    assert await api.ask("other owner", "GET", f"/people/{me}") == (404, "person_not_found")
    assert await api.ask("other owner", "PATCH", f"/people/{me}", {"roles": []}) == (404, "person_not_found")
    assert [person["login"] for person in (await api.did("other owner", "GET", "/people"))["people"]] == ["owner"]

"""Sign-ins over real HTTP: one's own and somebody else's, ended at once, and a password that is guessed no faster here than at the door."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from ondol.infrastructure.access import secrets
from ondol.infrastructure.access.devices import Device
from ondol.infrastructure.access.people import find_person, find_tenant
from ondol.infrastructure.access.sign_in import USE_NOTED_S, open_session, principal_of, sign_in
from tests.wiring.test_admin_gateway import Api, api

pytestmark = pytest.mark.anyio

__all__ = ["api"]
PASSWORD, ANOTHER = "correct horse battery", "a better sentence"
DEVICE = Device("firefox", "linux", "192.0.2.0/24")


async def signed_in(api: Api, login: str, slug: str = "acme") -> tuple[uuid.UUID, str]:
    """Whose session it is, and its token."""
    tenant = await find_tenant(api.platform.database, slug)
    async with api.platform.database.tenant_tx(tenant.id) as connection:
        person = await find_person(connection, api.platform.keyring, tenant.id, login)
        room = api.platform.sign_in
        return person.id, await open_session(connection, room.settings, tenant.id, person.id, api.clock.now, DEVICE)


async def by_cookie(api: Api, token: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Asked from the console's own page."""
    headers = {"cookie": f"ondol_session={token}", "x-ondol-request": "console", "sec-fetch-site": "same-origin"}
    answer = await api.client.request(method, f"/api/v1{path}", json=body, headers=headers)
    return answer.status_code, answer.json()


async def in_force(api: Api, token: str) -> bool:
    return await principal_of(api.platform.sign_in, token) is not None


async def test_own_sign_ins_are_seen_and_ended_and_nobody_elses(api: Api) -> None:
    _, here = await signed_in(api, "member")
    _, there = await signed_in(api, "member")
    _, foreign = await signed_in(api, "owner", "other")
    status, told = await by_cookie(api, here, "GET", "/me/sessions")
    assert status == 200 and len(told["sessions"]) == 2
    [this] = [one for one in told["sessions"] if one["is_this"]]
    assert (this["browser"], this["system"], this["network"]) == ("firefox", "linux", "192.0.2.0/24")
    other = next(one for one in told["sessions"] if not one["is_this"])
    _, theirs = await by_cookie(api, foreign, "GET", "/me/sessions")
    assert (await by_cookie(api, here, "POST", f"/me/sessions/{theirs['sessions'][0]['id']}/end"))[0] == 404
    assert await by_cookie(api, here, "POST", f"/me/sessions/{other['id']}/end") == (200, {"changed": True})
    assert [await in_force(api, token) for token in (here, there, foreign)] == [True, False, True]
    assert (await by_cookie(api, here, "POST", f"/me/sessions/{other['id']}/end"))[1]["error"]["code"] == "session_not_found"
    _, third = await signed_in(api, "member")
    assert await by_cookie(api, here, "POST", "/me/sessions/end-others") == (200, {"ended": 1})
    assert [await in_force(api, token) for token in (here, third, foreign)] == [True, False, True]


async def test_the_last_use_is_noted_once_in_a_while(api: Api) -> None:
    _, token = await signed_in(api, "member")

    async def used() -> Any:
        return (await by_cookie(api, token, "GET", "/me/sessions"))[1]["sessions"][0]["last_used_at"]

    first = await used()
    api.clock.now += timedelta(seconds=USE_NOTED_S - 1)
    assert first is not None and await used() == first
    api.clock.now += timedelta(seconds=2)
    assert await used() > first


async def test_an_administrator_ends_somebodys_sign_ins_but_not_an_owners(api: Api) -> None:
    member, first = await signed_in(api, "member")
    _, second = await signed_in(api, "member")
    owner, owners = await signed_in(api, "owner")
    shown = (await api.did("auditor", "GET", f"/people/{member}/sessions"))["sessions"]
    assert len(shown) == 2 and not any(one["is_this"] for one in shown)
    assert await api.ask("auditor", "POST", f"/people/{member}/sessions/end") == (403, "role_required")
    assert await api.ask("admin", "POST", f"/people/{owner}/sessions/end") == (403, "role_required")
    assert await api.ask("other owner", "GET", f"/people/{member}/sessions") == (404, "person_not_found")
    assert await api.ask("other owner", "POST", f"/people/{member}/sessions/end") == (404, "person_not_found")
    assert await api.ask("admin", "POST", f"/people/{owner}/sessions/{shown[0]['id']}/end") == (403, "role_required")
    assert await api.ask("owner", "POST", f"/people/{owner}/sessions/{shown[0]['id']}/end") == (404, "session_not_found")
    await api.did("admin", "POST", f"/people/{member}/sessions/{shown[0]['id']}/end")
    assert await api.did("admin", "POST", f"/people/{member}/sessions/end") == {"ended": 1}
    assert [await in_force(api, token) for token in (first, second, owners)] == [False, False, True]
    kinds = [kind for kind, _ in await api.events() if kind.startswith("session.") and kind != "session.opened"]
    assert kinds == ["session.ended", "session.all_ended"]


async def test_a_password_is_changed_with_the_present_one_and_guesses_are_counted(api: Api) -> None:
    person, here = await signed_in(api, "member")
    _, there = await signed_in(api, "member")
    tenant = await find_tenant(api.platform.database, "acme")
    async with api.platform.database.tenant_tx(tenant.id) as connection:
        await connection.execute("update people set password_hash = %s where id = %s", (secrets.hash_password(PASSWORD), person))

    async def change(current: str, new: str) -> tuple[int, Any]:
        status, told = await by_cookie(api, here, "POST", "/me/password", {"current": current, "new": new})
        return status, told if status == 200 else (told["error"]["code"], told["error"]["param"])

    assert await change("wrong", ANOTHER) == (400, ("wrong_password", "current"))
    assert await change(PASSWORD, "short") == (400, ("password_length", "new"))
    assert [await in_force(api, token) for token in (here, there)] == [True, True]
    assert await change(PASSWORD, ANOTHER) == (200, {"changed": True})
    assert [await in_force(api, token) for token in (here, there)] == [True, False]
    assert await sign_in(api.platform.sign_in, "acme", "member", ANOTHER, "192.0.2.1")
    guesses = [(await change(f"guess {number}", ANOTHER))[0] for number in range(api.platform.settings.sign_in.attempts_max + 1)]
    assert guesses == [400] * api.platform.settings.sign_in.attempts_max + [429]
    assert (await change(ANOTHER, PASSWORD))[0] == 429, "not even the right one while it is locked"

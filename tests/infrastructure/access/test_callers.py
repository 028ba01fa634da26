from __future__ import annotations

import pytest

from ondol.core.errors import Forbidden, Unauthenticated
from ondol.infrastructure.access.callers import caller_of
from ondol.infrastructure.access.keys import KeyDirectory, create_key
from ondol.infrastructure.access.people import NewPerson, add_person
from ondol.infrastructure.access.sign_in import SignIn, open_session
from ondol.infrastructure.access.types import Principal, Tenant

pytestmark = pytest.mark.anyio
PAGE = {"x-ondol-request": "console", "host": "ai.example.com:8700", "origin": "https://ai.example.com:8700"}


async def test_who_calls(room: SignIn, tenant: Tenant) -> None:
    async with room.database.tenant_tx(tenant.id) as connection:
        kim = await add_person(connection, room.keyring, tenant.id, NewPerson("kim", "Kim"), room.clock())
        key, minted = await create_key(connection, tenant.id, kim.id, "laptop", room.clock())
        token = await open_session(connection, room.settings, tenant.id, kim.id, room.clock())
    keys = KeyDirectory(room.database, room.clock)
    await keys.refresh()
    bearer, cookie = {"authorization": f"Bearer {minted.text}"}, {"cookie": f"ondol_session={token}"}

    async def call(headers: dict[str, str]) -> Principal:
        return await caller_of(keys, room, headers)

    async def refused(headers: dict[str, str]) -> str:
        with pytest.raises((Unauthenticated, Forbidden)) as caught:
            await call(headers)
        assert token not in str(caught.value)
        return caught.value.code

    for headers in (bearer, {"authorization": f"bearer  {minted.text} "}, {**bearer, **cookie, **PAGE}):
        assert (await call(headers)).api_key_id == key.id
    same_site = {"x-ondol-request": "console", "host": "a", "sec-fetch-site": "same-origin"}
    odd = 'theirs={"a": [1, 2]}; other[0]=x; =; alone; '
    for headers in (
        {**PAGE, **cookie},
        {**same_site, **cookie},
        {**PAGE, "cookie": f"__Host-ondol_session={token}; ondol_session=stale"},
        {**PAGE, "cookie": f"{odd}ondol_session={token}; {odd}"},
    ):
        principal = await call(headers)
        assert (principal.person_id, principal.api_key_id, principal.session_id is None) == (kim.id, None, False)

    assert [
        await refused(headers) for headers in ({}, cookie, {**cookie, "x-ondol-request": "other"}, {**PAGE, **cookie, "x-ondol-request": ""})
    ] == ["missing_api_key"] * 4
    foreign = (
        "https://evil.example.com",
        "null",
        "",
        "https://ai.example.com:8700.evil.com",
        "https://ai.example.com",
        "//",
        "https://u@ai.example.com:8700",
    )
    assert {await refused({**PAGE, **cookie, "origin": origin}) for origin in foreign} == {"foreign_origin"}
    assert {
        await refused({**cookie, "x-ondol-request": "console", **rest})
        for rest in ({}, {"host": "a"}, {"host": "", "origin": "https://"}, {"sec-fetch-site": "same-site"}, {"sec-fetch-site": "none"})
    } == {"foreign_origin"}
    assert [await refused({**PAGE, "cookie": text}) for text in ("", "ondol_session=", "ondol_session=wrong", f"x_ondol_session={token}")] == [
        "signed_out"
    ] * 4
    assert await refused({"authorization": f"Basic {minted.text}", **PAGE, **cookie}) == "invalid_api_key"
    assert await refused({"authorization": "Bearer wrong", **PAGE, **cookie}) == "invalid_api_key"

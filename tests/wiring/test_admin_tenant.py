"""The tenant over real HTTP: its name and time zone are changed by whoever may, each for itself, and the name stays out of the ledger."""

from __future__ import annotations

import pytest

from tests.wiring.test_admin_gateway import Api, api

pytestmark = pytest.mark.anyio

__all__ = ["api"]


async def test_name_and_time_zone_are_changed_for_this_tenant_alone(api: Api) -> None:
    known = await api.did("auditor", "GET", "/tenant")
    assert (known["slug"], known["residency"]) == ("acme", {"records": "embedded", "files": "local"})
    theirs = await api.did("other owner", "GET", "/tenant")
    changed = await api.did("admin", "PATCH", "/tenant", {"name": "Acme 호스팅", "time_zone": "Europe/Berlin"})
    assert changed == {**known, "name": "Acme 호스팅", "time_zone": "Europe/Berlin"} == await api.did("owner", "GET", "/tenant")
    assert await api.did("owner", "PATCH", "/tenant", {"time_zone": "UTC"}) == {**changed, "time_zone": "UTC"}
    assert await api.did("other owner", "GET", "/tenant") == theirs
    told = [body for kind, body in await api.events() if kind == "tenant.changed"]
    assert told == [{"time_zone": "Europe/Berlin", "renamed": True}, {"time_zone": "UTC", "renamed": False}]


async def test_what_cannot_be_is_refused_by_the_name_of_its_field(api: Api) -> None:
    known = await api.did("owner", "GET", "/tenant")
    for body, code, param in (
        ({"time_zone": "Mars/Olympus"}, "bad_time_zone", "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "bad_time_zone", "time_zone"),
        ({"name": "a\nb"}, "invalid_request", "name"),
        ({}, "nothing_to_change", None),
        ({"slug": "other"}, "invalid_request", "slug"),
    ):
        answer = await api.raw("owner", "PATCH", "/tenant", body)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (400, code, param), body
    assert await api.ask("auditor", "PATCH", "/tenant", {"name": "x"}) == (403, "role_required")
    assert await api.ask("member", "GET", "/tenant") == (403, "role_required")
    assert await api.did("owner", "GET", "/tenant") == known

"""The admin API: who may do what, in one shape of errors, and each tenant for itself."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from ondol.application.declaration import apply_declaration, parse_declaration
from ondol.core.config import Settings
from ondol.core.ids import new_id
from ondol.infrastructure.access.keys import KeyDirectory, create_key
from ondol.infrastructure.access.people import find_person, find_tenant, set_disabled
from ondol.infrastructure.access.sign_in import open_session
from ondol.infrastructure.gateway.admin import ADMIN_BODY_BYTES_MAX, OPENAPI_PATH
from ondol.infrastructure.guard.incidents import Case, open_incident
from ondol.infrastructure.guard.policies import PolicyDirectory
from ondol.infrastructure.storage.folder import open_folder
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from ondol.wiring.admin import admin_application
from ondol.wiring.platform import Platform, build_platform
from tests.application.conftest import SteppedClock
from tests.infrastructure.gateway.server.wire import running
from tests.infrastructure.guard.words import word_checks

pytestmark = pytest.mark.anyio

PEOPLE = """
version: 1
tenants:
  - slug: acme
    people:
      - {login: owner, roles: [owner]}
      - {login: auditor, roles: [auditor]}
      - {login: member}
  - slug: other
    people: [{login: owner, roles: [owner]}]
"""
CAREFUL = {"version": 1, "stages": {"input": [{"find": "personal", "do": "block"}]}}


@dataclass
class Api:
    """The API, and a key for everybody."""

    client: httpx.AsyncClient
    platform: Platform
    policies: PolicyDirectory
    keys: KeyDirectory
    texts: dict[str, str]

    async def ask(self, who: str, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        content = None if body is None else json.dumps(body)
        told = {"authorization": f"Bearer {self.texts[who]}", "content-type": "application/json", **headers}
        answer = await self.client.request(method, f"/api/v1{path}", content=content, headers=told)
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.headers["x-request-id"]
        if answer.status_code >= 400:
            error = answer.json()["error"]
            assert set(error) == {"message", "type", "param", "code", "request_id"}
            assert error["request_id"] == answer.headers["x-request-id"]
            return answer.status_code, error["code"]
        return answer.status_code, answer.json()


@pytest.fixture
async def api(addresses: DatabaseAddresses, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Api]:
    clock = SteppedClock()
    platform = build_platform(Settings(data_dir=tmp_path / "data"), open_folder(tmp_path / "data"), addresses, clock)
    await apply_declaration(platform.declaration_room, parse_declaration(PEOPLE))
    texts: dict[str, str] = {"nobody": "sk-ondol-nonsense"}
    for slug, logins in (("acme", ("owner", "auditor", "member")), ("other", ("owner",))):
        tenant = await find_tenant(platform.database, slug)
        async with platform.database.tenant_tx(tenant.id) as connection:
            for login in logins:
                person = await find_person(connection, platform.keyring, tenant.id, login)
                _, minted = await create_key(connection, tenant.id, person.id, "key", clock.now)
                texts[login if slug == "acme" else f"{slug} {login}"] = minted.text
    keys, policies = KeyDirectory(platform.database, clock), PolicyDirectory(platform.database, platform.keyring, checks=word_checks)
    await keys.refresh()
    await policies.refresh()
    async with (
        running(admin_application(platform, keys, policies)) as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client,
    ):
        yield Api(client, platform, policies, keys, texts)
    await platform.close()


async def incident(api: Api, slug: str = "acme") -> str:
    tenant = await find_tenant(api.platform.database, slug)
    case = Case(tenant.id, "blocked", "input", bytes(32), ("secrets.key",), "sample [KEY_1]", api.platform.clock(), new_id(), new_id(), new_id())
    async with api.platform.database.tenant_tx(tenant.id) as connection:
        return str((await open_incident(connection, api.platform.keyring, case))[0])


async def test_policies_are_put_bound_and_in_force(api: Api) -> None:
    status, put = await api.ask("owner", "PUT", "/guard/policies/careful", CAREFUL)
    assert (status, put["version"], put["new"]) == (200, 1, True)
    assert (await api.ask("owner", "PUT", "/guard/policies/careful", CAREFUL))[1]["new"] is False
    assert await api.ask("owner", "PUT", "/guard/bindings", {"policy": "careful"}) == (200, {"changed": True})
    await api.policies.refresh()
    _, checked = await api.ask("owner", "POST", "/guard/check", {"text": "call 010-1234-5678"})
    assert (checked["decision"], checked["policies"], checked["text"]) == ("block", ["careful"], "")
    _, listed = await api.ask("auditor", "GET", "/guard/policies")
    assert [(item["name"], item["version"]) for item in listed["policies"]] == [("default", None), ("careful", 1)]
    _, read = await api.ask("auditor", "GET", "/guard/policies/careful")
    assert read["policy"]["stages"]["input"][0]["do"] == "block"
    assert (await api.ask("auditor", "GET", "/guard/policies/default"))[1]["policy"]["name"] == "default"
    assert len((await api.ask("auditor", "GET", "/guard/policies/careful/versions"))[1]["versions"]) == 1
    assert (await api.ask("auditor", "GET", "/guard/bindings"))[1] == {"bindings": [{"scope": "tenant", "target": "", "policy": "careful"}]}
    assert (await api.ask("owner", "DELETE", "/guard/bindings?scope=tenant"))[0] == 200
    assert await api.ask("owner", "DELETE", "/guard/bindings?scope=tenant") == (404, "binding_not_found")


async def test_a_text_is_checked_by_a_policy_that_comes_along(api: Api) -> None:
    policy = {"version": 1, "name": "mine", "stages": {"output": [{"find": "personal:PHONE", "do": "mask"}]}}
    status, checked = await api.ask("owner", "POST", "/guard/check", {"text": "전화 010-1234-5678", "stage": "output", "policy": policy})
    assert (status, checked["decision"], checked["text"]) == (200, "mask", "전화 [PHONE_1]")
    [finding] = checked["findings"]
    assert (finding["start"], finding["end"], finding["action"]) == (3, 16, "mask")
    assert await api.ask("owner", "POST", "/guard/check", {"text": "x", "stage": "input", "policy": policy}) == (400, "stage_not_guarded")
    wrong = {**policy, "stages": {"input": [{"find": "persnal", "do": "mask"}]}}
    assert await api.ask("owner", "POST", "/guard/check", {"text": "x", "policy": wrong}) == (400, "bad_policy")
    assert await api.ask("owner", "POST", "/guard/dry-run", {"policy": wrong}) == (400, "bad_policy")
    _, result = await api.ask("owner", "POST", "/guard/dry-run", {"policy": policy, "hours": 24})
    assert (result["texts"], result["changed"]) == (0, 0)


async def test_an_incident_is_read_proposed_about_measured_and_closed(api: Api) -> None:
    incident_id = await incident(api)
    _, page = await api.ask("auditor", "GET", "/guard/incidents?state=open&limit=1")
    assert ([item["id"] for item in page["incidents"]], page["next"]) == ([incident_id], None)
    assert (await api.ask("auditor", "GET", f"/guard/incidents/{incident_id}"))[1]["sample"] == "sample [KEY_1]"
    path = f"/guard/incidents/{incident_id}"
    assert await api.ask("owner", "POST", f"{path}/propose", {}) == (400, "empty_proposal")
    assert await api.ask("owner", "POST", f"{path}/measure", {}) == (400, "no_proposal")
    _, proposed = await api.ask("owner", "POST", f"{path}/propose", {"policy": {"name": "careful", **CAREFUL}, "note": "mask more"})
    assert (proposed["state"], proposed["proposal"]["note"]) == ("proposed", "mask more")
    assert (await api.ask("owner", "POST", f"{path}/measure", {"hours": 1}))[1]["texts"] == 0
    _, closed = await api.ask("owner", "POST", f"{path}/close", {"note": "key revoked"})
    assert (closed["state"], closed["note"], closed["effect"]["texts"]) == ("closed", "key revoked", 0)
    assert closed["closed_by"]
    assert await api.ask("owner", "POST", f"{path}/close", {"note": "again"}) == (409, "incident_state")


async def test_canaries_are_added_and_retired_and_auditors_do_not_see_their_values(api: Api) -> None:
    _, added = await api.ask("owner", "POST", "/guard/canaries", {"purpose": "system prompt"})
    assert (await api.ask("owner", "GET", "/guard/canaries"))[1]["canaries"][0]["value"] == added["value"]
    assert (await api.ask("auditor", "GET", "/guard/canaries"))[1]["canaries"][0]["value"] is None
    assert (await api.ask("owner", "POST", f"/guard/canaries/{added['id']}/retire"))[0] == 200
    assert await api.ask("owner", "POST", f"/guard/canaries/{added['id']}/retire") == (404, "canary_not_found")


async def test_texts_are_registered_listed_and_removed(api: Api) -> None:
    text = " ".join(f"word{number} 낱말{number}" for number in range(40))
    _, added = await api.ask("owner", "POST", "/guard/texts", {"name": "a work", "note": "of somebody", "text": text})
    assert (added["name"], added["words"] >= 80) == ("a work", True)
    assert await api.ask("owner", "POST", "/guard/texts", {"name": "again", "text": text}) == (409, "text_known")
    assert await api.ask("owner", "POST", "/guard/texts", {"name": "short", "text": "a few words"}) == (400, "text_too_short")
    _, second = await api.ask("owner", "POST", "/guard/texts", {"name": "another", "text": text[::-1]})
    _, page = await api.ask("auditor", "GET", "/guard/texts?limit=1")
    assert ([item["id"] for item in page["texts"]], page["next"]) == ([second["id"]], second["id"])
    _, page = await api.ask("auditor", "GET", f"/guard/texts?limit=1&before={page['next']}")
    assert (page["texts"], page["next"]) == ([added], None)
    assert "낱말1" not in json.dumps(page, ensure_ascii=False)
    path = f"/guard/texts/{added['id']}"
    assert await api.ask("other owner", "DELETE", path) == (404, "text_not_found")
    assert await api.ask("other owner", "GET", "/guard/texts") == (200, {"texts": [], "next": None})
    assert await api.ask("owner", "DELETE", path) == (200, {"changed": True})
    assert await api.ask("owner", "DELETE", path) == (404, "text_not_found")


WRITES: list[tuple[str, str, object]] = [
    ("POST", "/guard/check", {"text": "x"}),
    ("POST", "/guard/dry-run", {"policy": {}}),
    ("PUT", "/guard/policies/careful", CAREFUL),
    ("PUT", "/guard/bindings", {"policy": "default"}),
    ("DELETE", "/guard/bindings?scope=tenant", None),
    ("POST", f"/guard/incidents/{new_id()}/propose", {"note": "x"}),
    ("POST", f"/guard/incidents/{new_id()}/measure", {}),
    ("POST", f"/guard/incidents/{new_id()}/close", {"note": "x"}),
    ("POST", "/guard/canaries", {"purpose": "x"}),
    ("POST", f"/guard/canaries/{new_id()}/retire", None),
    ("POST", "/guard/texts", {"name": "x", "text": "x"}),
    ("DELETE", f"/guard/texts/{new_id()}", None),
]
READS = [
    "/guard/policies",
    "/guard/policies/default",
    "/guard/policies/x/versions",
    "/guard/bindings",
    "/guard/incidents",
    "/guard/canaries",
    "/guard/texts",
]


FOR_ANYBODY = {
    ("POST", "/guard/tools/decide"),
    ("GET", "/guard/approvals"),
    ("GET", "/guard/approvals/{approval_id}"),
    ("POST", "/guard/approvals/{approval_id}/approve"),
    ("POST", "/guard/approvals/{approval_id}/deny"),
}
"""Agents ask for themselves, and who may approve is the policy's to say: see `test_admin_tools.py`."""


async def test_every_route_asks_for_a_role(api: Api) -> None:
    description = (await api.client.get(OPENAPI_PATH)).json()
    known = {(method.upper(), path.removeprefix("/api/v1")) for path, methods in description["paths"].items() for method in methods
             if path.startswith("/api/v1/guard/")}  # fmt: skip
    tried = {(method, path.split("?")[0]) for method, path, _ in WRITES} | {("GET", path) for path in (*READS, f"/guard/incidents/{new_id()}")}
    assert len(known - FOR_ANYBODY) == len(tried), "a new route belongs into this test"
    for method, path, body in (*WRITES, *(("GET", path, None) for path in READS)):
        assert await api.ask("member", method, path, body) == (403, "role_required"), path
        assert await api.ask("nobody", method, path, body) == (401, "invalid_api_key"), path
    for method, path, body in WRITES:
        assert await api.ask("auditor", method, path, body) == (403, "role_required"), path


async def test_another_tenant_sees_and_changes_nothing(api: Api) -> None:
    incident_id = await incident(api)
    await api.ask("owner", "PUT", "/guard/policies/careful", CAREFUL)
    await api.ask("owner", "PUT", "/guard/bindings", {"policy": "careful"})
    _, canary = await api.ask("owner", "POST", "/guard/canaries", {"purpose": "x"})
    stranger = "other owner"
    for suffix, body in (("propose", {"note": "x"}), ("measure", {}), ("close", {"note": "x"})):
        assert await api.ask(stranger, "POST", f"/guard/incidents/{incident_id}/{suffix}", body) == (404, "incident_not_found")
    assert await api.ask(stranger, "GET", f"/guard/incidents/{incident_id}") == (404, "incident_not_found")
    assert await api.ask(stranger, "GET", "/guard/incidents") == (200, {"incidents": [], "next": None})
    assert await api.ask(stranger, "GET", "/guard/policies/careful") == (404, "policy_not_found")
    assert await api.ask(stranger, "PUT", "/guard/bindings", {"policy": "careful"}) == (404, "policy_not_found")
    assert await api.ask(stranger, "GET", "/guard/bindings") == (200, {"bindings": []})
    assert await api.ask(stranger, "GET", "/guard/canaries") == (200, {"canaries": []})
    assert await api.ask(stranger, "POST", f"/guard/canaries/{canary['id']}/retire") == (404, "canary_not_found")
    await api.policies.refresh()
    _, checked = await api.ask(stranger, "POST", "/guard/check", {"text": "x"})
    assert checked["policies"] == ["default"]


async def test_mistakes_have_the_shape_of_the_whole_api(api: Api) -> None:
    assert await api.ask("owner", "GET", "/nowhere") == (404, "not_found")
    assert await api.ask("owner", "DELETE", "/guard/policies") == (405, "method_not_allowed")
    assert await api.ask("owner", "GET", "/guard/incidents/not-an-id") == (400, "invalid_request")
    assert await api.ask("owner", "GET", "/guard/incidents?limit=0") == (400, "invalid_request")
    assert await api.ask("owner", "POST", "/guard/check", {"text": "x", "unknown": 1}) == (400, "invalid_request")
    assert await api.ask("owner", "POST", "/guard/check", {"text": "x" * 200_001}) == (400, "invalid_request")
    assert await api.ask("owner", "POST", "/guard/check", {"text": "x" * ADMIN_BODY_BYTES_MAX}) == (413, "body_too_large")
    assert await api.ask("owner", "PUT", "/guard/policies/careful", {**CAREFUL, "name": "else"}) == (400, "bad_policy_name")
    assert await api.ask("owner", "POST", "/guard/canaries", {"purpose": "a\x00b"}) == (400, "bad_text")
    assert await api.ask("owner", "GET", "/guard/policies/a%00b") == (400, "bad_text")
    assert await api.ask("owner", "PUT", "/guard/bindings", {"policy": "default", "scope": "base", "target": "a\x00"}) == (400, "bad_text")
    halves = {**CAREFUL, "checks": {"abuse": {"banned": ["ok"]}}, "texts": {"x": {"ko": "\ud800"}}}
    assert await api.ask("owner", "PUT", "/guard/policies/careful", halves) == (400, "bad_policy")
    await api.platform.database.close()
    api.platform.database.addresses = None  # type: ignore[assignment]
    assert await api.ask("owner", "GET", "/guard/policies") == (500, "internal_error")


async def test_roles_are_asked_each_time_and_a_session_needs_the_consoles_own_page(api: Api) -> None:
    tenant = await find_tenant(api.platform.database, "acme")
    async with api.platform.database.tenant_tx(tenant.id) as connection:
        person = await find_person(connection, api.platform.keyring, tenant.id, "owner")
        token = await open_session(connection, Settings().sign_in, tenant.id, person.id, api.platform.clock())
    cookie = {"cookie": f"ondol_session={token}", "host": "test"}
    own = {**cookie, "x-ondol-request": "console", "origin": "http://test"}
    assert (await api.client.get("/api/v1/guard/policies", headers=own)).status_code == 200
    assert (await api.client.get("/api/v1/guard/policies", headers={**own, "origin": "http://evil"})).status_code == 403
    assert (await api.client.get("/api/v1/guard/policies", headers=cookie)).status_code == 401
    changed = PEOPLE.replace("{login: owner, roles: [owner]}\n      - {login: auditor", "{login: owner, roles: [member]}\n      - {login: auditor")
    await apply_declaration(api.platform.declaration_room, parse_declaration(changed))
    assert await api.ask("owner", "GET", "/guard/policies") == (403, "role_required")
    async with api.platform.database.tenant_tx(tenant.id) as connection:
        await set_disabled(connection, person, disabled=True, now=api.platform.clock())
    await api.keys.refresh()
    assert await api.ask("owner", "GET", "/guard/policies") == (401, "invalid_api_key")

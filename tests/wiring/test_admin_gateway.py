"""The gateway's part of the admin API over real HTTP: everything an administrator does, who may, and what comes of mistakes."""

from __future__ import annotations

import ast
import csv
import io
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest

from ondol.application.declaration import apply_declaration, parse_declaration
from ondol.core.config import Settings
from ondol.core.ids import new_id
from ondol.infrastructure.access.keys import KeyDirectory, create_key
from ondol.infrastructure.access.people import find_person, find_tenant
from ondol.infrastructure.gateway.admin import ADMIN_BODY_BYTES_MAX, OPENAPI_PATH
from ondol.infrastructure.guard.policies import PolicyDirectory
from ondol.infrastructure.serving.operator import set_operator
from ondol.infrastructure.storage.folder import open_folder
from ondol.infrastructure.storage.postgres import DatabaseAddresses, rows
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
    groups: [{name: leads}]
    people:
      - {login: owner, roles: [owner]}
      - {login: admin, roles: [admin]}
      - {login: auditor, roles: [auditor]}
      - {login: member, groups: [leads]}
      - {login: robot, kind: service}
      - {login: nobody, roles: []}
  - slug: other
    people: [{login: owner, roles: [owner]}]
"""
ROLES = {"owner": "owner", "admin": "admin", "auditor": "auditor", "member": "member"}
OPENAI = {"kind": "openai", "credential": "sk-proj-0123456789abcdefWXYZ"}
MINI = {"targets": [{"provider": "openai", "name": "gpt-4o-mini"}]}
PRICE = {"provider": "openai", "model": "gpt-4o-mini", "currency": "USD", "input": "0.15", "output": "0.60"}


@dataclass
class Api:
    """The API, and a key for everybody."""

    client: httpx.AsyncClient
    platform: Platform
    keys: KeyDirectory
    clock: SteppedClock
    texts: dict[str, str]
    seen: list[str]

    async def raw(self, who: str, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
        told = {"authorization": f"Bearer {self.texts[who]}", "content-type": "application/json", **headers}
        answer = await self.client.request(method, f"/api/v1{path}", content=content, headers=told)
        self.seen.append(answer.text)
        return answer

    async def ask(self, who: str, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        answer = await self.raw(who, method, path, body, **headers)
        assert answer.headers["x-request-id"]
        if answer.status_code >= 400:
            error = answer.json()["error"]
            assert set(error) == {"message", "type", "param", "code", "request_id"}
            assert error["request_id"] == answer.headers["x-request-id"]
            return answer.status_code, error["code"]
        assert answer.headers["cache-control"] == "no-store"
        return answer.status_code, answer.json() if answer.headers["content-type"] == "application/json" else answer.text

    async def did(self, who: str, method: str, path: str, body: object = None) -> Any:
        status, told = await self.ask(who, method, path, body)
        assert status == 200, told
        return told

    async def events(self, slug: str = "acme") -> list[tuple[str, dict[str, Any]]]:
        tenant = await find_tenant(self.platform.database, slug)
        async with self.platform.database.tenant_tx(tenant.id) as connection:
            found = await rows(connection, "select kind, body from ledger_events order by id", {})
        return [(row["kind"], row["body"]) for row in found]


@pytest.fixture
async def api(addresses: DatabaseAddresses, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Api]:
    clock = SteppedClock()
    platform = build_platform(Settings(data_dir=tmp_path / "data"), open_folder(tmp_path / "data"), addresses, clock)
    await apply_declaration(platform.declaration_room, parse_declaration(PEOPLE))
    texts: dict[str, str] = {"stranger": "sk-ondol-nonsense"}
    for slug, logins in (("acme", ("owner", "admin", "auditor", "member", "nobody")), ("other", ("owner",))):
        tenant = await find_tenant(platform.database, slug)
        async with platform.database.tenant_tx(tenant.id) as connection:
            for login in logins:
                person = await find_person(connection, platform.keyring, tenant.id, login)
                _, minted = await create_key(connection, tenant.id, person.id, "key", clock.now)
                texts[login if slug == "acme" else f"{slug} {login}"] = minted.text
    keys, policies = KeyDirectory(platform.database, clock), PolicyDirectory(platform.database, platform.keyring, checks=word_checks)
    await keys.refresh()
    async with (
        running(admin_application(platform, keys, policies)) as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client,
    ):
        yield Api(client, platform, keys, clock, texts, [])
    await platform.close()


async def test_a_provider_lives_and_its_credential_is_never_seen(api: Api) -> None:
    put = await api.did("owner", "PUT", "/providers/openai", {**OPENAI, "settings": {"whole_s": 30}})
    assert (put["base_url"], put["credential_hint"], put["settings"]["whole_s"]) == ("https://api.openai.com/v1", "WXYZ", 30)
    again = await api.did("admin", "PUT", "/providers/openai", {"kind": "openai", "base_url": "https://api.openai.com/v2"})
    assert (again["id"], again["credential_hint"], again["settings"]["whole_s"]) == (put["id"], "WXYZ", 900)
    rotated = await api.did("owner", "POST", "/providers/openai/credential", {"credential": "sk-proj-9876543210fedcbaABCD"})
    assert rotated["credential_hint"] == "ABCD"
    assert (await api.did("owner", "POST", "/providers/openai/disable"))["disabled_at"]
    assert (await api.did("owner", "POST", "/providers/openai/enable"))["disabled_at"] is None
    assert await api.did("auditor", "GET", "/providers/openai") == {**rotated, "disabled_at": None}
    await api.did("owner", "PUT", "/models/mini", MINI)
    assert await api.ask("owner", "DELETE", "/providers/openai") == (409, "provider_in_use")
    await api.did("owner", "DELETE", "/models/mini")
    await api.did("owner", "DELETE", "/providers/openai")
    assert await api.ask("owner", "GET", "/providers/openai") == (404, "provider_not_found")
    kinds = [kind for kind, _ in await api.events()]
    wanted = [
        "provider.put",
        "provider.put",
        "provider.rotated",
        "provider.disabled",
        "provider.enabled",
        "model.put",
        "model.deleted",
        "provider.deleted",
    ]
    assert [kind for kind in kinds if kind.partition(".")[0] in ("provider", "model")] == wanted
    assert not any("0123456789abcdef" in text or "9876543210fedcba" in text for text in api.seen)


async def test_a_credential_is_not_carried_off_to_another_host(api: Api) -> None:
    await api.did("owner", "PUT", "/providers/openai", OPENAI)
    for change in (
        {"base_url": "https://thief.example/v1"},
        {"base_url": "http://api.openai.com/v1"},
        {"base_url": "https://api.openai.com:8443/v1"},
        {"settings": {"proxy_url": "http://thief.example:3128"}},
    ):
        assert await api.ask("admin", "PUT", "/providers/openai", {"kind": "openai", **change}) == (400, "credential_needed"), change
    assert (await api.did("admin", "PUT", "/providers/openai", {**OPENAI, "base_url": "https://eu.example/v1"}))["credential_hint"] == "WXYZ"
    moved = {"kind": "openai", "base_url": "https://thief.example/v1", "credential": ""}
    assert (await api.did("admin", "PUT", "/providers/openai", moved))["credential_hint"] == ""


async def test_a_proxys_password_goes_in_and_never_comes_out(api: Api) -> None:
    body = {**OPENAI, "settings": {"proxy_url": "http://kim:s3cret@proxy.example:3128"}}
    put = await api.did("owner", "PUT", "/providers/openai", body)
    assert put["settings"]["proxy_url"] == "http://kim@proxy.example:3128"
    await api.did("owner", "PUT", "/providers/openai", {"kind": "openai", "settings": put["settings"]})
    tenant = await find_tenant(api.platform.database, "acme")
    async with api.platform.database.tenant_tx(tenant.id) as connection:
        [kept] = await rows(connection, "select settings from providers", {})
    assert kept["settings"]["proxy_url"] == "http://kim:s3cret@proxy.example:3128"
    assert not any("s3cret" in text for text in api.seen)


async def test_only_the_operators_tenant_reaches_private_addresses_and_shares_models(api: Api) -> None:
    private = {"kind": "openai", "base_url": "http://10.0.0.5:8000/v1", "settings": {"private_network": True}}
    assert await api.ask("owner", "PUT", "/providers/inside", private) == (403, "not_operator")
    await api.did("owner", "PUT", "/providers/openai", OPENAI)
    assert await api.ask("owner", "PUT", "/models/mini", {**MINI, "shared": True}) == (403, "not_operator")
    assert await set_operator(api.platform.database, await find_tenant(api.platform.database, "acme"), api.clock.now)
    await api.did("owner", "PUT", "/providers/inside", private)
    await api.did("owner", "PUT", "/models/mini", {**MINI, "shared": True})
    offered = (await api.did("other owner", "GET", "/gateway/models"))["models"]
    assert [(item["name"], item["source"], item["answerable"]) for item in offered] == [("mini", "shared", True)]
    assert (await api.did("other owner", "GET", "/models")) == {"models": [], "next": None}
    await api.did("owner", "POST", "/providers/openai/disable")
    [shared] = (await api.did("other owner", "GET", "/gateway/models"))["models"]
    assert shared["answerable"] is False
    assert await set_operator(api.platform.database, await find_tenant(api.platform.database, "other"), api.clock.now)
    assert (await api.did("other owner", "GET", "/gateway/models")) == {"models": []}
    [own] = (await api.did("member", "GET", "/gateway/models"))["models"]
    assert own["source"] == "own"
    # What was private before stays so, at the same address and no other.
    await api.did("owner", "PUT", "/providers/inside", private)
    assert await api.ask("owner", "PUT", "/providers/inside", {**private, "base_url": "http://10.0.0.6/v1"}) == (403, "not_operator")
    proxied = {**private, "settings": {"private_network": True, "proxy_url": "http://10.0.0.7:3128"}}
    assert await api.ask("owner", "PUT", "/providers/inside", proxied) == (403, "not_operator")


async def test_a_model_has_targets_settings_and_a_pinned_prompt_that_nobody_sees(api: Api) -> None:
    await api.did("owner", "PUT", "/providers/openai", OPENAI)
    await api.did("owner", "PUT", "/providers/claude", {"kind": "anthropic"})
    body = {
        "targets": [
            {"provider": "openai", "name": "gpt-4o-mini", "priority": 0, "weight": 3},
            {"provider": "claude", "name": "claude-small", "priority": 1},
        ],
        "settings": {"output_tokens_max": 500, "parameters": {"temperature": {"most": 1}, "seed": {"fixed": 7}}},
        "prompt": "You are the pinned one.",
    }
    put = await api.did("owner", "PUT", "/models/team/mini:v1", body)
    assert (put["alias"], put["has_prompt"], put["settings"]["parameters"]["seed"]["fixed"]) == ("team/mini:v1", True, 7)
    assert [(item["provider"], item["name"], item["priority"], item["weight"]) for item in put["targets"]] == [
        ("openai", "gpt-4o-mini", 0, 3), ("claude", "claude-small", 1, 1)]  # fmt: skip
    assert (await api.did("owner", "PUT", "/models/team/mini:v1", MINI))["has_prompt"] is True
    assert (await api.did("owner", "PUT", "/models/team/mini:v1", {**MINI, "prompt": ""}))["has_prompt"] is False
    assert (await api.did("owner", "PUT", "/models/team/mini:v1", {**MINI, "disabled": True}))["disabled_at"]
    assert (await api.did("member", "GET", "/gateway/models")) == {"models": []}
    assert not any("pinned one" in text for text in api.seen)
    for wrong, code in (
        ({"targets": [{"provider": "nowhere", "name": "x"}]}, (404, "provider_not_found")),
        ({**MINI, "settings": {"retries": 1}}, (400, "bad_settings")),
        ({**MINI, "settings": {"deadline_s": 0}}, (400, "bad_settings")),
        ({"targets": []}, (400, "invalid_request")),
        ({"targets": [{"provider": "openai", "name": "a\0b"}]}, (400, "bad_target")),
    ):
        assert await api.ask("owner", "PUT", "/models/x", wrong) == code
    assert await api.ask("owner", "PUT", "/models/assistant/x", MINI) == (400, "bad_name")
    assert await api.ask("owner", "GET", "/models/x") == (404, "model_not_found")


async def test_the_gateways_settings_of_a_tenant(api: Api) -> None:
    first = await api.did("auditor", "GET", "/gateway/settings")
    assert (first["settings"]["content"], first["settings"]["when_away"], first["has_prompt"]) == ("masked", "closed", False)
    body = {"settings": {"content": "full", "content_days": 7, "mark": True, "notice": {"ko": "AI가 씁니다"}}, "prompt": "Be kind."}
    put = await api.did("owner", "PUT", "/gateway/settings", body)
    assert (put["settings"]["content_days"], put["settings"]["notice"], put["has_prompt"]) == (7, {"ko": "AI가 씁니다"}, True)
    assert await api.did("auditor", "GET", "/gateway/settings") == put
    assert await api.ask("owner", "PUT", "/gateway/settings", {"settings": {"content": "some"}}) == (400, "bad_settings")
    assert ("gateway.settings", {"content": "full", "when_away": "closed", "mark": True, "prompt": True}) in await api.events()


async def test_prices_come_out_as_they_went_in(api: Api) -> None:
    for month, text in enumerate(["0.15", "0", "0.000000001", "1", "9223372036.854775807", "10.5"], 1):
        added = await api.did("owner", "POST", "/prices", {**PRICE, "input": text, "from_at": f"2026-0{month}-01T00:00:00Z"})
        listed = (await api.did("auditor", "GET", "/prices"))["prices"][-1]
        assert listed == added
        assert (listed["input"], listed["output"], listed["cached_input"]) == (text, "0.6", None)


async def test_prices_are_added_paged_and_removed_and_never_changed(api: Api) -> None:
    for bad, code in (
        ("0.0000000001", "invalid_request"), ("-1", "invalid_request"), ("1e5", "invalid_request"), ("NaN", "invalid_request"),
        ("9223372036.854775808", "bad_amount"), ("٣", "invalid_request"),
    ):  # fmt: skip
        assert await api.ask("owner", "POST", "/prices", {**PRICE, "input": bad}) == (400, code)
    assert await api.ask("owner", "POST", "/prices", {**PRICE, "input": 0.15}) == (400, "invalid_request")
    assert await api.ask("owner", "POST", "/prices", {**PRICE, "from_at": "0001-01-01T00:00:00+14:00"}) == (400, "invalid_request")
    assert await api.ask("owner", "POST", "/prices", {**PRICE, "from_at": "2026-01-01T00:00:00"}) == (400, "invalid_request")
    made = [await api.did("owner", "POST", "/prices", {**PRICE, "from_at": f"2026-0{month}-01T00:00:00Z"}) for month in (1, 2, 3)]
    assert await api.ask("owner", "POST", "/prices", {**PRICE, "from_at": "2026-01-01T09:00:00+09:00"}) == (409, "price_exists")
    page = await api.did("auditor", "GET", "/prices?limit=2")
    assert (page["prices"], page["next"]) == (made[:2], made[1]["id"])
    assert await api.did("auditor", "GET", f"/prices?limit=2&after={page['next']}") == {"prices": made[2:], "next": None}
    assert await api.ask("other owner", "DELETE", f"/prices/{made[0]['id']}") == (404, "price_not_found")
    await api.did("owner", "DELETE", f"/prices/{made[0]['id']}")
    assert await api.ask("owner", "DELETE", f"/prices/{made[0]['id']}") == (404, "price_not_found")


async def test_a_key_is_shown_once_restricted_and_revoked(api: Api) -> None:
    expires = (api.clock.now + timedelta(days=30)).isoformat()
    made = await api.did("admin", "POST", "/keys", {"login": "robot", "name": "website", "models": ["mini"], "expires_at": expires})
    assert made["key"].startswith(f"sk-ondol-{made['public_id']}-")
    listed = (await api.did("auditor", "GET", "/keys?limit=500"))["keys"]
    assert {name: value for name, value in made.items() if name != "key"} in listed
    assert not any("sk-ondol-" in text for text in api.seen[1:])
    await api.keys.refresh()
    assert api.keys.check(made["key"]).models == ("mini",)
    assert await api.ask("admin", "POST", "/keys", {"login": "owner"}) == (403, "role_required")
    assert (await api.ask("owner", "POST", "/keys", {"login": "owner"}))[0] == 200
    assert await api.ask("owner", "POST", "/keys", {"login": "ghost"}) == (404, "person_not_found")
    assert await api.ask("owner", "POST", "/keys", {"login": "robot", "expires_at": "2020-01-01T00:00:00Z"}) == (400, "bad_expiry")
    assert await api.ask("other owner", "POST", f"/keys/{made['public_id']}/revoke") == (404, "key_not_found")
    await api.did("owner", "POST", f"/keys/{made['public_id']}/revoke")
    assert await api.ask("owner", "POST", f"/keys/{made['public_id']}/revoke") == (404, "key_not_found")


async def test_a_key_for_models_opens_no_part_of_the_admin_api(api: Api) -> None:
    described = (await api.raw("nobody", "GET", "/openapi.json")).json()["paths"]
    routes = [(method.upper(), path.removeprefix("/api/v1")) for path, methods in described.items() for method in methods]
    assert len(routes) > 50
    for models in (["mini"], []):
        made = await api.did("owner", "POST", "/keys", {"login": "owner", "models": models})
        await api.keys.refresh()
        api.texts["narrow"] = made["key"]
        for method, path in routes:
            assert await api.ask("narrow", method, path, {}) == (403, "key_for_models_only"), path
        assert await api.ask("narrow", "GET", "/nowhere") == (403, "key_for_models_only")
        assert "without a list of models" in (await api.raw("narrow", "GET", "/keys")).text
    assert (await api.ask("owner", "GET", "/keys"))[0] == 200


async def test_limits_are_about_whom_people_name(api: Api) -> None:
    made = await api.did("owner", "POST", "/limits", {"scope": "group", "subject": "leads", "requests_per_minute": 60})
    assert (made["subject_name"], made["requests_per_minute"], made["tokens_per_minute"]) == ("leads", 60, None)
    person = await api.did("owner", "POST", "/limits", {"scope": "person", "subject": "member", "output_tokens_max": 100})
    each = await api.did("owner", "POST", "/limits", {"scope": "key", "subject": "*", "concurrent_max": 4})
    assert (person["subject_name"], each["subject_name"]) == ("member", "*")
    assert await api.ask("owner", "POST", "/limits", {"scope": "group", "subject": made["subject"], "deadline_s": 5}) == (409, "limit_exists")
    assert await api.ask("owner", "POST", "/limits", {"scope": "group", "subject": "nobody", "deadline_s": 5}) == (400, "unknown_group")
    assert await api.ask("owner", "POST", "/limits", {"scope": "tenant"}) == (400, "bad_limit")
    changed = await api.did("owner", "PUT", f"/limits/{made['id']}", {"tokens_per_minute": 1_000})
    assert (changed["requests_per_minute"], changed["tokens_per_minute"]) == (None, 1_000)
    assert await api.did("auditor", "GET", f"/limits/{made['id']}") == changed
    assert (await api.did("auditor", "GET", "/limits"))["limits"] == [changed, person, each]
    assert await api.ask("other owner", "PUT", f"/limits/{made['id']}", {"deadline_s": 5}) == (404, "limit_not_found")
    assert await api.ask("other owner", "GET", f"/limits/{made['id']}") == (404, "limit_not_found")
    await api.did("owner", "DELETE", f"/limits/{made['id']}")


async def test_budgets_are_exact_and_prepaid_ones_are_paid_into_once(api: Api) -> None:
    body = {"name": "team", "period": "month", "currency": "USD", "amount": "10.000000001"}
    made = await api.did("owner", "POST", "/budgets", body)
    assert (made["amount"], made["credited"], made["alarm_percents"], made["scope"]) == ("10.000000001", "0", [80, 100], "tenant")
    path = f"/budgets/{made['id']}"
    assert (await api.did("owner", "PATCH", path, {"amount": "12.5"}))["amount"] == "12.5"
    assert (await api.did("owner", "PATCH", path, {"alarm_percents": []}))["alarm_percents"] == []
    assert await api.ask("owner", "PATCH", path, {}) == (400, "nothing_to_change")
    assert await api.ask("owner", "POST", f"{path}/credits", {"amount": "1"}) == (409, "not_prepaid")
    assert await api.did("auditor", "GET", f"{path}/windows") == {"windows": []}
    prepaid = await api.did("owner", "POST", "/budgets", {**body, "name": "prepaid", "period": "total", "amount": "0"})
    payment = {"amount": "99.99", "id": str(new_id())}
    for _ in range(2):
        assert (await api.did("owner", "POST", f"/budgets/{prepaid['id']}/credits", payment))["credited"] == "99.99"
    [credit] = (await api.did("auditor", "GET", f"/budgets/{prepaid['id']}/credits"))["credits"]
    assert (credit["id"], credit["amount"]) == (payment["id"], "99.99")
    tokens = await api.did("owner", "POST", "/budgets", {"name": "tokens", "unit": "tokens", "period": "day", "amount": "1000000"})
    assert (tokens["amount"], tokens["currency"]) == ("1000000", None)
    for wrong, code in (
        ({**body, "name": "x", "currency": None}, "bad_currency"),
        ({"name": "x", "unit": "tokens", "period": "day", "amount": "1.5"}, "bad_amount"),
        ({"name": "x", "unit": "tokens", "period": "day", "amount": "9999999999999999999"}, "bad_amount"),
        ({**body, "name": "x", "amount": "9999999999999999999"}, "bad_amount"),
        ({**body, "name": "x", "alarm_percents": [101]}, "bad_alarms"),
        ({**body, "name": "x", "period": "week"}, "invalid_request"),
    ):
        assert await api.ask("owner", "POST", "/budgets", wrong) == (400, code)
    assert await api.ask("owner", "POST", "/prices", {**PRICE, "currency": "KRW"}) == (409, "currency_mismatch")
    assert await api.ask("owner", "POST", f"/budgets/{prepaid['id']}/credits", {"amount": "1", "id": "00000000-0000-4000-8000-000000000000"}) == (
        400,
        "bad_id",
    )
    for method, suffix, sent in (("GET", "", None), ("PATCH", "", {"amount": "1"}), ("GET", "/windows", None), ("GET", "/credits", None),
                                 ("POST", "/credits", {"amount": "1"}), ("DELETE", "", None)):  # fmt: skip
        assert await api.ask("other owner", method, path + suffix, sent) == (404, "budget_not_found")
    await api.did("owner", "DELETE", path)
    assert [item["name"] for item in (await api.did("auditor", "GET", "/budgets"))["budgets"]] == ["prepaid", "tokens"]


async def test_a_provider_is_tested_by_the_rules_of_egress(api: Api) -> None:
    await api.did("owner", "PUT", "/providers/local", {**OPENAI, "base_url": "http://127.0.0.1:9/v1"})
    await api.did("owner", "PUT", "/models/mini", {"targets": [{"provider": "local", "name": "mini"}]})
    told = await api.did("owner", "POST", "/providers/local/test")
    assert (told["ok"], told["models"], told["missing"], told["code"]) == (False, [], [], "upstream_not_allowed")
    assert told["message"] and told["hint"]
    assert await api.ask("owner", "POST", "/providers/nowhere/test") == (404, "provider_not_found")


async def test_every_route_tells_its_roles_and_holds_them(api: Api) -> None:
    described = (await api.client.get(OPENAPI_PATH)).json()
    nobodys = {"{limit_id}", "{budget_id}", "{price_id}", "{request_id}"}
    tried = 0
    assert all(route["x-ondol-role"] for methods in described["paths"].values() for route in methods.values())
    for path, methods in described["paths"].items():
        if path.startswith("/api/v1/guard/"):
            continue
        await api.keys.refresh()  # as a worker does each second: keys that are not heard of for a while are trusted no longer
        for method, route in methods.items():
            told = set(route["x-ondol-role"])
            assert set(route["responses"]) >= {"4XX", "5XX"} and "422" not in route["responses"]
            assert {"200", "201", "202"} & set(route["responses"])
            address = path.removeprefix("/api/v1").replace("{name}", "x").replace("{alias}", "x").replace("{public_id}", "x")
            for place in nobodys:
                address = address.replace(place, str(new_id()))
            for who, role in ROLES.items():
                status, answer = await api.ask(who, method.upper(), address, b"{}" if method in ("put", "post", "patch") else None)
                assert ((status, answer) == (403, "role_required")) == (role not in told), (who, method, path, answer)
            assert await api.ask("nobody", method.upper(), address) == (403, "role_required")
            assert (await api.ask("stranger", method.upper(), address))[0] == 401
            tried += 1
    assert tried >= 93, "routes are missing from the description"


async def test_mistakes_have_the_shape_of_the_whole_api(api: Api) -> None:
    assert await api.ask("owner", "PUT", "/providers/openai", {**OPENAI, "more": 1}) == (400, "invalid_request")
    assert await api.ask("owner", "PUT", "/providers/openai", b"{") == (400, "invalid_request")
    assert await api.ask("owner", "PUT", "/providers/openai", b"\xff\xfe") == (400, "invalid_request")
    assert await api.ask("owner", "PUT", "/providers/openai", b"[" * 100_000) == (400, "invalid_request")
    assert await api.ask("owner", "PUT", "/providers/openai", b" " * (ADMIN_BODY_BYTES_MAX + 1)) == (413, "body_too_large")
    assert await api.ask("owner", "PUT", "/providers/Open%20AI", OPENAI) == (400, "invalid_request")
    assert await api.ask("owner", "PUT", "/providers/openai", {**OPENAI, "credential": "two words"}) == (400, "invalid_request")
    for url in ("ftp://x/v1", "https://user:pw@x/v1", "https://x/v1?key=1", "http://2130706433/v1", "https://", "http://x:99999/"):
        assert (await api.ask("owner", "PUT", "/providers/openai", {**OPENAI, "base_url": url}))[0] == 400, url
    for settings in ({"headers": {"host": "x"}}, {"headers": {"a b": "x"}}, {"headers": {"x": "a\r\nb: c"}}, {"ca_pem": "nonsense"},
                     {"proxy_url": "socks://x"}, {"connect_s": -1}, {"connect_s": "soon"}, {"unknown": 1}):  # fmt: skip
        assert (await api.ask("owner", "PUT", "/providers/openai", {**OPENAI, "settings": settings}))[0] == 400, settings
    half = b'{"kind": "openai", "settings": {"headers": {"x-team": "\\ud800"}}}'
    assert (await api.ask("owner", "PUT", "/providers/openai", half))[0] == 400
    assert (await api.ask("owner", "PUT", "/gateway/settings", {"settings": {"notice": {"ko": "a\x00b"}}})) == (400, "bad_text")
    assert await api.ask("owner", "POST", "/keys", {"login": "a\x00"}) == (404, "person_not_found")
    assert await api.ask("owner", "POST", "/keys", {"login": "robot", "name": "a\x00"}) == (400, "bad_text")
    assert await api.ask("owner", "GET", "/keys?limit=0") == (400, "invalid_request")
    assert await api.ask("owner", "GET", "/keys?after=x") == (400, "invalid_request")
    assert await api.ask("owner", "GET", "/usage?since=0001-01-01T00:00:00Z") == (400, "invalid_request")
    assert await api.ask("owner", "GET", "/usage?since=2001-01-01T00:00:00Z") == (400, "bad_period")
    assert await api.ask("owner", "GET", "/usage?by=moon") == (400, "invalid_request")
    assert await api.ask("owner", "GET", "/requests?outcome=a%00b") == (400, "bad_text")
    assert await api.ask("owner", "GET", f"/requests/{new_id()}") == (404, "request_not_found")
    assert await api.ask("owner", "GET", f"/requests/{new_id()}/content") == (404, "content_not_kept")


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def calls_of_the_console() -> set[tuple[str, str]]:
    """Methods and paths that the console's pages ask the API by; what stands in a path's place is `{}`."""
    found: set[tuple[str, str]] = set()
    for file in Path(str(files("ondol.application.console"))).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value).endswith("api")):
                continue
            path = node.args[0]
            parts = path.values if isinstance(path, ast.JoinedStr) else [path]
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)
            found.add(("get" if node.func.attr == "text" else node.func.attr, text))
    return found


async def test_every_call_of_the_console_is_a_route(api: Api) -> None:
    described = (await api.client.get(OPENAPI_PATH)).json()["paths"]
    routes = {(method, re.sub(r"\{[^}]*\}", "{}", path).removeprefix("/api/v1")) for path, methods in described.items() for method in methods}
    calls = calls_of_the_console()
    assert len(calls) > 40
    assert sorted(calls - routes) == []

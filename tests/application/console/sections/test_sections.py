"""The sections: who may open which, what a page shows of what the API tells, and what its forms may do."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from ondol.application.console import create_console
from ondol.application.console.navigation import GROUPS, shown_to
from ondol.infrastructure.access.types import ROLES

pytestmark = pytest.mark.anyio
SIGN_IN = {"organisation": "durubitnaru", "login": "haneul", "password": "correct horse battery"}
KEY = {
    "id": "0190f0c0-0000-7000-8000-000000000003", "public_id": "abc", "name": "<b>site</b>", "person_id": "0190f0c0-0000-7000-8000-000000000004",
    "login": "website", "models": None, "created_at": "2026-11-01T15:30:00Z", "expires_at": None, "revoked_at": None,
}  # fmt: skip
SUMS = {
    "requests": 4, "failed": 1, "estimated": 0, "input_tokens": 1000, "cached_tokens": 100, "cache_write_tokens": 0, "output_tokens": 200,
    "reasoning_tokens": 0, "currency": "KRW", "cost": "1234.5",
}  # fmt: skip
PATHS = [section.path for group in GROUPS for section in group.sections if section.path != "/"]


async def visitor(fakes: Any, *roles: str) -> httpx.AsyncClient:
    fakes.roles = frozenset(roles)
    browser = httpx.AsyncClient(transport=httpx.ASGITransport(create_console(fakes.services())), base_url="http://ondol.test")
    entry = await browser.get("/sign-in")
    await browser.post("/sign-in", data={**SIGN_IN, "form_token": field(entry.text, "form_token")})
    return browser


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, f"no field {name}"
    return str(found[1])


def act_token(page: str) -> str:
    """The token of the forms of a section; that of signing out is another."""
    forms = re.findall(r'<form method="post" action="(/[^"]*)".*?name="form_token" value="([^"]*)"', page, re.DOTALL)
    return next(str(token) for action, token in forms if action != "/sign-out")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("role", ROLES)
async def test_a_section_opens_for_its_roles_only(fakes: Any, path: str, role: str) -> None:
    browser = await visitor(fakes, role)
    section = next(section for group in GROUPS for section in group.sections if section.path == path)
    answer = await browser.get(path)
    if role in section.roles:
        assert answer.status_code == 404, "what the API does not know is no failure of ours"
    else:
        assert answer.status_code == 403
        assert fakes.asked == [], "the API was asked for somebody who may not see the page"
        assert "nav" not in answer.text or path not in answer.text


@pytest.mark.parametrize("path", PATHS)
async def test_a_stranger_is_sent_to_sign_in(fakes: Any, path: str) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_console(fakes.services())), base_url="http://ondol.test") as browser:
        answer = await browser.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_nobody_sees_a_link_to_what_is_closed_to_them() -> None:
    member = [section.path for group in shown_to(frozenset({"member"})) for section in group.sections]
    assert member == ["/", "/reviews", "/usage"]
    assert [section.path for group in shown_to(frozenset({"owner"})) for section in group.sections] == ["/", *PATHS]


async def test_keys_are_shown_with_hostile_names_as_text(fakes: Any) -> None:
    fakes.replies["GET", "/keys"] = (200, {"keys": [KEY, {**KEY, "revoked_at": "2026-11-02T00:00:00Z"}], "next": None})
    browser = await visitor(fakes, "auditor")
    page = (await browser.get("/keys?lang=en")).text
    assert "&lt;b&gt;site&lt;/b&gt;" in page
    assert "2 Nov 2026, 00:30" in page, "in the tenant's time zone"
    assert "/keys/abc/revoke" not in page, "an auditor may not revoke"


async def test_a_key_is_revoked_by_a_form_of_this_visit_only(fakes: Any) -> None:
    fakes.replies["GET", "/keys"] = (200, {"keys": [KEY], "next": None})
    fakes.replies["POST", "/keys/abc/revoke"] = (200, {"ok": True})
    browser = await visitor(fakes, "admin")
    page = (await browser.get("/keys")).text
    fakes.asked.clear()
    refused = await browser.post("/keys/abc/revoke", data={"form_token": "0" * 64})
    foreign = await browser.post("/keys/abc/revoke", data={"form_token": act_token(page)}, headers={"sec-fetch-site": "cross-site"})
    leaving = await browser.post("/keys/abc/revoke", data={"form_token": field(page, "form_token")})
    assert [refused.status_code, foreign.status_code, leaving.status_code] == [403, 403, 403]
    assert fakes.asked == []
    done = await browser.post("/keys/abc/revoke", data={"form_token": act_token(page)})
    assert (done.status_code, done.headers["location"]) == (303, "/keys?done=revoked")
    assert [(asked.method, asked.path) for asked in fakes.asked] == [("POST", "/keys/abc/revoke")]


async def test_somebody_whose_roles_do_not_reach_is_refused_before_the_api_is_asked(fakes: Any) -> None:
    fakes.replies["GET", "/keys"] = (200, {"keys": [KEY], "next": None})
    browser = await visitor(fakes, "admin")
    token = act_token((await browser.get("/keys")).text)
    fakes.roles = frozenset({"auditor"})
    fakes.asked.clear()
    assert (await browser.post("/keys/abc/revoke", data={"form_token": token})).status_code == 403
    assert fakes.asked == []


async def test_what_the_api_refuses_is_told_and_nothing_typed_is_lost(fakes: Any) -> None:
    fakes.replies["GET", "/gateway/models"] = (200, {"models": [{"name": "assistant/help"}]})
    fakes.replies["POST", "/keys"] = (404, {"error": {"code": "person_not_found", "message": "There is nobody <called> so.", "param": "login"}})
    browser = await visitor(fakes, "owner")
    form = (await browser.get("/keys/new")).text
    answer = await browser.post("/keys/new", data={"form_token": act_token(form), "login": "nobody", "name": "my site", "days": "30", "model": ""})
    assert answer.status_code == 404
    assert "There is nobody &lt;called&gt; so." in answer.text
    assert 'value="my site"' in answer.text


async def test_a_new_key_is_on_the_page_that_answers_and_nowhere_else(fakes: Any) -> None:
    fakes.replies["GET", "/gateway/models"] = (200, {"models": []})
    fakes.replies["POST", "/keys"] = (200, {**KEY, "key": "sk-ondol-abc-secret"})
    browser = await visitor(fakes, "owner")
    form = (await browser.get("/keys/new")).text
    answer = await browser.post("/keys/new", data={"form_token": act_token(form), "login": "website", "name": "x", "days": "", "model": ""})
    assert "sk-ondol-abc-secret" in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert b"expires_at" not in fakes.asked[-1].body


async def test_usage_has_a_row_for_each_day_and_money_as_it_is_written(fakes: Any) -> None:
    fakes.replies["GET", "/usage"] = (200, {"lines": [], "totals": [SUMS], "next": None})
    browser = await visitor(fakes, "member")
    page = (await browser.get("/usage?period=7&lang=ko")).text
    assert len(re.findall(r"data-at=", page)) == 7
    assert "₩1,234" in page or "₩1,235" in page
    assert "by=person" not in page, "a member sees their own usage only"


async def test_an_unknown_filter_is_not_an_error(fakes: Any) -> None:
    fakes.replies["GET", "/usage"] = (200, {"lines": [], "totals": [], "next": None})
    browser = await visitor(fakes, "owner")
    assert (await browser.get("/usage?period=1e9&by=%00")).status_code == 200


async def test_rows_alone_are_sent_to_a_page_that_is_open(fakes: Any) -> None:
    fakes.replies["GET", "/requests"] = (200, {"requests": [], "next": None})
    browser = await visitor(fakes, "owner")
    rows = (await browser.get("/requests", headers={"hx-request": "true"})).text
    assert "<html" not in rows
    assert 'id="rows"' in rows
    assert "<html" in (await browser.get("/requests")).text

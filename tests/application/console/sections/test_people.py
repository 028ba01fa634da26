"""People in the console."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.application.console.sections.test_sections import act_token, visitor

pytestmark = pytest.mark.anyio
ID = "0190f0c0-0000-7000-8000-000000000003"
PERSON: dict[str, Any] = {
    "id": ID, "login": "haneul", "name": "<b>김하늘</b>", "kind": "person", "clearance": "internal", "roles": ["editor"], "groups": ["support"],
    "attributes": ["level=2"], "disabled_at": None,
}  # fmt: skip


async def test_everybody_is_listed_with_names_as_text(fakes: Any) -> None:
    fakes.replies["GET", "/people"] = (200, {"people": [PERSON, {**PERSON, "disabled_at": "2026-11-01T15:30:00Z"}], "next": ID})
    browser = await visitor(fakes, "auditor")
    page = (await browser.get("/people?lang=en")).text
    assert "&lt;b&gt;김하늘" in page and "Switched off" in page and f"after={ID}" in page
    assert "/people/new" not in page


async def test_rights_are_changed_as_a_whole(fakes: Any) -> None:
    fakes.replies["GET", f"/people/{ID}"] = (200, PERSON)
    fakes.replies["GET", f"/people/{ID}/sessions"] = (200, {"sessions": []})
    fakes.replies["PATCH", f"/people/{ID}"] = (200, PERSON)
    browser = await visitor(fakes, "owner")
    page = (await browser.get(f"/people/{ID}")).text
    form = {
        "form_token": act_token(page),
        "name": "",
        "role_admin": "1",
        "role_nobody": "1",
        "clearance": "restricted",
        "groups": "a, ,b",
        "attributes": "",
    }
    assert (await browser.post(f"/people/{ID}", data=form)).headers["location"].startswith(f"/people/{ID}?done=changed&undo=")
    assert json.loads(fakes.asked[-1].body) == {"clearance": "restricted", "roles": ["admin"], "groups": ["a", "b"], "attributes": []}


async def test_what_the_api_forbids_is_told_and_the_form_stays_as_it_was_filled(fakes: Any) -> None:
    fakes.replies["GET", f"/people/{ID}"] = (200, PERSON)
    fakes.replies["GET", f"/people/{ID}/sessions"] = (200, {"sessions": []})
    own = {"error": {"code": "own_rights", "message": "Nobody changes their own rights.", "param": None}}
    fakes.replies["PATCH", f"/people/{ID}"] = (403, own)
    browser = await visitor(fakes, "admin")
    token = act_token((await browser.get(f"/people/{ID}")).text)
    answer = await browser.post(f"/people/{ID}", data={"form_token": token, "groups": "mine", "clearance": "public"})
    assert answer.status_code == 403 and "Nobody changes their own rights." in answer.text and 'value="mine"' in answer.text


async def test_somebody_is_added_and_switched_off(fakes: Any) -> None:
    fakes.replies["POST", "/people"] = (200, PERSON)
    fakes.replies["GET", f"/people/{ID}"] = (200, PERSON)
    fakes.replies["GET", f"/people/{ID}/sessions"] = (200, {"sessions": []})
    fakes.replies["POST", f"/people/{ID}/disable"] = (200, PERSON)
    browser = await visitor(fakes, "owner")
    token = act_token((await browser.get("/people/new")).text)
    added = await browser.post("/people/new", data={"form_token": token, "login": "bada", "kind": "person", "role_member": "1"})
    assert added.headers["location"] == f"/people/{ID}?done=added"
    off = await browser.post(f"/people/{ID}/disable", data={"form_token": token})
    assert off.headers["location"].startswith(f"/people/{ID}?done=disabled&undo=")


async def test_somebody_is_invited_by_a_link_that_is_shown_once(fakes: Any) -> None:
    fakes.replies["GET", f"/people/{ID}"] = (200, PERSON)
    fakes.replies["GET", f"/people/{ID}/sessions"] = (200, {"sessions": []})
    fakes.replies["POST", f"/people/{ID}/invite"] = (200, {"path": "/welcome?code=abc", "hours": 72})
    browser = await visitor(fakes, "admin")
    token = act_token((await browser.get(f"/people/{ID}")).text)
    shown = await browser.post(f"/people/{ID}/invite", data={"form_token": token})
    assert (shown.status_code, "/welcome?code=abc</code>" in shown.text, shown.headers["cache-control"]) == (200, True, "no-store")
    assert "/invite" not in (await (await visitor(fakes, "auditor")).get(f"/people/{ID}")).text
    fakes.replies["GET", f"/people/{ID}"] = (200, {**PERSON, "kind": "service"})
    assert "/invite" not in (await browser.get(f"/people/{ID}")).text


async def test_somebody_is_signed_out_in_one_place_or_everywhere(fakes: Any) -> None:
    fakes.replies["GET", f"/people/{ID}"] = (200, PERSON)
    session = {"id": "s1", "browser": "whale", "system": "windows", "network": "192.0.2.0/24", "is_this": False}
    times = {"created_at": "2026-11-01T15:30:00Z", "expires_at": "2026-11-02T15:30:00Z", "last_used_at": None}
    fakes.replies["GET", f"/people/{ID}/sessions"] = (200, {"sessions": [{**session, **times}]})
    fakes.replies["POST", f"/people/{ID}/sessions/s1/end"] = (200, {"changed": True})
    fakes.replies["POST", f"/people/{ID}/sessions/end"] = (200, {"ended": 1})
    assert "/sessions/s1/end" not in (await (await visitor(fakes, "auditor")).get(f"/people/{ID}")).text
    browser = await visitor(fakes, "admin")
    page = (await browser.get(f"/people/{ID}?lang=en")).text
    assert "Whale · Windows" in page and "192.0.2.0/24" in page and "Not yet" in page
    for path in ("s1", "all"):
        answer = await browser.post(f"/people/{ID}/sessions/{path}/end", data={"form_token": act_token(page)})
        assert answer.headers["location"] == f"/people/{ID}?done=ended"
    assert [asked.path for asked in fakes.asked if asked.method == "POST"] == [f"/people/{ID}/sessions/s1/end", f"/people/{ID}/sessions/end"]

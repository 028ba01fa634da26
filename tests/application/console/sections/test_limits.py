"""Limits and budgets in the console."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.application.console.sections.test_sections import act_token, visitor

pytestmark = pytest.mark.anyio
ID = "0190f0c0-0000-7000-8000-000000000004"
BUDGET: dict[str, Any] = {
    "id": ID, "name": "<b>month", "scope": "tenant", "subject": "", "subject_name": "", "unit": "money", "currency": "KRW", "period": "total",
    "amount": "1000", "credited": "500", "alarm_percents": [80, 100],
}  # fmt: skip
WINDOW = {"subject": "", "starts_at": "2026-11-01T15:30:00Z", "ends_at": None, "amount": "1500", "spent": "375", "leased": "10", "remaining": "1125"}
LIMIT: dict[str, Any] = {
    "id": ID, "scope": "group", "subject": "*", "subject_name": "*", "requests_per_minute": 60, "tokens_per_minute": None, "concurrent_max": None,
    "body_bytes_max": None, "prompt_tokens_max": 8000, "output_tokens_max": None, "deadline_s": None,
}  # fmt: skip


def told(fakes: Any) -> None:
    fakes.replies["GET", "/budgets"] = (200, {"budgets": [BUDGET, {**BUDGET, "currency": None, "unit": "tokens"}], "next": None})
    fakes.replies["GET", "/limits"] = (200, {"limits": [LIMIT], "next": None})
    fakes.replies["GET", f"/budgets/{ID}"] = (200, BUDGET)
    fakes.replies["GET", f"/budgets/{ID}/windows"] = (200, {"windows": [WINDOW]})
    fakes.replies["GET", f"/budgets/{ID}/credits"] = (200, {"credits": [{"id": ID, "amount": "500", "created_at": "2026-11-01T15:30:00Z"}]})
    fakes.replies["GET", f"/limits/{ID}"] = (200, LIMIT)


async def test_all_of_them_are_told_and_an_auditor_changes_none(fakes: Any) -> None:
    told(fakes)
    browser = await visitor(fakes, "auditor")
    page = (await browser.get("/limits?lang=en")).text
    assert "&lt;b&gt;month" in page and "₩1,000" in page and "1,000 tokens" in page and "25.0%" in page
    assert "each one" in page and "Requests a minute 60" in page and "Tokens a minute" not in page
    shown = (await browser.get(f"/limits/budgets/{ID}?lang=en")).text
    assert "₩1,125" in shown and "₩500 was paid in" in shown
    assert 'type="submit">Save' not in shown + (await browser.get(f"/limits/{ID}?lang=en")).text


async def test_a_budget_is_made_changed_paid_into_and_removed(fakes: Any) -> None:
    told(fakes)
    fakes.replies["POST", "/budgets"] = fakes.replies["PATCH", f"/budgets/{ID}"] = fakes.replies["POST", f"/budgets/{ID}/credits"] = (200, BUDGET)
    fakes.replies["DELETE", f"/budgets/{ID}"] = (200, {"changed": True})
    browser = await visitor(fakes, "owner")
    form = {"form_token": act_token((await browser.get("/limits/budgets/new")).text), "name": "month", "scope": "tenant", "unit": "tokens",
            "currency": "KRW", "amount": "1000", "period": "month", "alarms": "50 %, 90"}  # fmt: skip
    assert (await browser.post("/limits/budgets/new", data=form)).headers["location"] == f"/limits/budgets/{ID}?done=budgeted"
    made = {"name": "month", "scope": "tenant", "unit": "tokens", "period": "month", "amount": "1000", "alarm_percents": [50, 90]}
    assert json.loads(fakes.asked[-1].body) == made
    await browser.post("/limits/budgets/new", data={**form, "unit": "money"})
    assert json.loads(fakes.asked[-1].body) == {**made, "unit": "money", "currency": "KRW"}
    for path, fields, asked in (
        ("", {"amount": "7", "alarms": ""}, {"amount": "7", "alarm_percents": []}),
        ("/credits", {"credit": " 20 "}, {"amount": "20"}),
    ):
        assert (await browser.post(f"/limits/budgets/{ID}{path}", data={"form_token": form["form_token"], **fields})).status_code == 303
        assert json.loads(fakes.asked[-1].body) == asked
    assert (await browser.post(f"/limits/budgets/{ID}/remove", data={"form_token": form["form_token"]})).headers["location"] == "/limits?done=removed"


async def test_a_limit_is_made_changed_and_removed_and_a_refusal_stands_at_its_field(fakes: Any) -> None:
    told(fakes)
    fakes.replies["POST", "/limits"] = fakes.replies["PUT", f"/limits/{ID}"] = (200, LIMIT)
    fakes.replies["DELETE", f"/limits/{ID}"] = (200, {"changed": True})
    browser = await visitor(fakes, "admin")
    form = {
        "form_token": act_token((await browser.get("/limits/new")).text),
        "scope": "group",
        "subject": "*",
        "requests_per_minute": "60",
        "deadline_s": "",
    }
    assert (await browser.post("/limits/new", data=form)).headers["location"] == "/limits?done=limited"
    assert json.loads(fakes.asked[-1].body) == {"scope": "group", "subject": "*", "requests_per_minute": 60}
    assert (await browser.post(f"/limits/{ID}", data={**form, "requests_per_minute": "", "deadline_s": "30"})).status_code == 303
    assert json.loads(fakes.asked[-1].body) == {"deadline_s": 30}
    fakes.replies["POST", "/limits"] = (404, {"error": {"code": "group_not_found", "message": "There is no such group.", "param": "subject"}})
    refused = await browser.post("/limits/new", data={**form, "subject": "<i>"})
    assert refused.status_code == 404 and 'id="subject-wrong"' in refused.text and 'value="&lt;i&gt;"' in refused.text
    for language, words in (("ko", "그런 사람이나 대상이 없습니다."), ("en", "Nobody and nothing is called so.")):
        fakes.replies["POST", "/limits"] = (400, {"error": {"code": "bad_subject", "message": "No <i>group</i>.", "param": "subject"}})
        said = (await browser.post(f"/limits/new?lang={language}", data=form)).text
        assert f"<strong>{words}</strong>" in said and '<span lang="en">No &lt;i&gt;group&lt;/i&gt;.</span>' in said
    fakes.replies["POST", "/limits"] = (400, {"error": {"code": "of_tomorrow", "message": "Not so.", "param": None}})
    assert '<span><span lang="en">Not so.</span></span>' in (await browser.post("/limits/new", data=form)).text, "a code without words of its own"
    removed = await browser.post(f"/limits/{ID}/remove", data={"form_token": form["form_token"]})
    assert removed.headers["location"].startswith("/limits?done=freed&undo=")

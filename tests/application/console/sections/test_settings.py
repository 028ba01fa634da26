"""The organisation's settings in the console."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.application.console.sections.test_sections import act_token, visitor

pytestmark = pytest.mark.anyio
TENANT = {
    "slug": "acme", "name": "<b>Acme", "time_zone": "Asia/Seoul", "currency": "KRW", "residency": {"records": "external", "files": "local"},
}  # fmt: skip
GATEWAY: dict[str, Any] = {
    "content": "masked",
    "content_days": 30,
    "mark": False,
    "notice": {"ko": "옛 안내"},
    "when_away": "closed",
    "ask_recommendation": True,
}
PROVIDER = {"name": "openai", "base_url": "https://api.example.com/v1", "disabled_at": None}
KEY = {"id": "630dcd2966c43366", "public_key": "00" * 32, "revoked": True}
FINGERPRINT = "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"
"""SHA-256 of 32 zero bytes."""


def told(fakes: Any) -> None:
    fakes.replies["GET", "/tenant"] = (200, TENANT)
    fakes.replies["GET", "/gateway/settings"] = (200, {"settings": GATEWAY, "has_prompt": False})
    off = {**PROVIDER, "base_url": "https://off.example.com", "disabled_at": "2026-11-01T00:00:00Z"}
    fakes.replies["GET", "/providers"] = (200, {"providers": [PROVIDER, off], "next": None})
    fakes.replies["GET", "/ledger/keys"] = (200, {"keys": [KEY]})


async def test_everything_is_told_and_an_auditor_cannot_change_it(fakes: Any) -> None:
    told(fakes)
    page = (await (await visitor(fakes, "auditor")).get("/settings?lang=en")).text
    assert "&lt;b&gt;Acme" in page and "api.example.com" in page and "off.example.com" not in page
    assert "A Postgres elsewhere" in page and FINGERPRINT in page and "Revoked" in page
    assert 'type="submit">Save' not in page


async def test_the_organisation_is_changed_and_a_refusal_keeps_what_was_typed(fakes: Any) -> None:
    told(fakes)
    fakes.replies["PATCH", "/tenant"] = (200, TENANT)
    browser = await visitor(fakes, "owner")
    form = {"form_token": act_token((await browser.get("/settings")).text), "name": " Acme ", "time_zone": "UTC"}
    assert (await browser.post("/settings/organisation", data=form)).headers["location"] == "/settings?done=organisation"
    assert json.loads(fakes.asked[-1].body) == {"name": "Acme", "time_zone": "UTC"}
    fakes.replies["PATCH", "/tenant"] = (400, {"error": {"code": "bad_time_zone", "message": "There is no such zone.", "param": "time_zone"}})
    answer = await browser.post("/settings/organisation", data={**form, "time_zone": "Mars/<i>"})
    assert answer.status_code == 400 and "There is no such zone." in answer.text and 'value="Mars/&lt;i&gt;"' in answer.text
    assert 'aria-invalid="true"' in answer.text


async def test_what_is_kept_is_changed_as_a_whole(fakes: Any) -> None:
    told(fakes)
    fakes.replies["GET", "/gateway/settings"] = (200, {"settings": {**GATEWAY, "later": 7}, "has_prompt": False})
    fakes.replies["PUT", "/gateway/settings"] = (200, {"settings": GATEWAY, "has_prompt": False})
    browser = await visitor(fakes, "admin")
    token = act_token((await browser.get("/settings")).text)
    form = {"form_token": token, "content": "off", "content_days": "7", "mark": "1", "notice_ko": " ", "notice_en": "A machine.", "when_away": "open"}
    assert (await browser.post("/settings/requests", data=form)).headers["location"] == "/settings?done=requests"
    settings: dict[str, Any] = {
        "content": "off", "content_days": 7, "mark": True, "notice": {"en": "A machine."}, "when_away": "open", "ask_recommendation": False,
        "later": 7,
    }  # fmt: skip
    assert json.loads(fakes.asked[-1].body) == {"settings": settings}
    await browser.post("/settings/requests", data={**form, "ask_recommendation": "1"})
    assert json.loads(fakes.asked[-1].body) == {"settings": {**settings, "ask_recommendation": True}}
    fakes.replies["PUT", "/gateway/settings"] = (400, {"error": {"code": "bad_settings", "message": "Not so.", "param": None}})
    answer = await browser.post("/settings/requests", data={**form, "content_days": "many", "mark": ""})
    assert answer.status_code == 400 and 'value="many"' in answer.text
    assert json.loads([asked for asked in fakes.asked if asked.method == "PUT"][-1].body)["settings"]["content_days"] == "many"

"""Models and their providers in the console."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.application.console.sections.test_sections import act_token, visitor

pytestmark = pytest.mark.anyio
ID = "0190f0c0-0000-7000-8000-000000000003"
PROVIDER: dict[str, Any] = {
    "id": ID, "name": "house", "kind": "openai", "base_url": "https://models.example/v1", "credential_hint": "sk-…1234", "settings": {},
    "disabled_at": None, "created_at": "2026-11-01T15:30:00Z",
}  # fmt: skip
OFFERED: dict[str, Any] = {"models": [{"name": "gpt", "source": "own", "answerable": True, "created_at": "2026-11-01T15:30:00Z"}]}


async def test_a_model_is_added_by_its_address_and_its_credential_is_not_shown_again(fakes: Any) -> None:
    fakes.replies["PUT", "/providers/house"] = (200, PROVIDER)
    fakes.replies["PUT", "/models/team%2Fgpt"] = (400, {"error": {"code": "bad_alias", "message": "That is no alias.", "param": "alias"}})
    browser = await visitor(fakes, "owner")
    form = (await browser.get("/models/new")).text
    fields = {
        "form_token": act_token(form), "provider": "house", "kind": "openai", "base_url": "https://models.example/v1", "credential": "sk-secret",
        "model": "gpt-large", "alias": "team/gpt",
    }  # fmt: skip
    refused = await browser.post("/models/new", data=fields)
    assert refused.status_code == 400 and "That is no alias." in refused.text and 'value="team/gpt"' in refused.text
    assert "sk-secret" not in refused.text
    fakes.replies["PUT", "/models/team%2Fgpt"] = (200, {})
    assert (await browser.post("/models/new", data=fields)).headers["location"] == "/models/providers/house?done=added"
    sent = [(asked.path, json.loads(asked.body)) for asked in fakes.asked[-2:]]
    assert sent == [
        ("/providers/house", {"kind": "openai", "base_url": "https://models.example/v1", "credential": "sk-secret"}),
        ("/models/team%2Fgpt", {"targets": [{"provider": "house", "name": "gpt-large"}]}),
    ]


async def test_a_provider_is_tested_where_it_stands(fakes: Any) -> None:
    fakes.replies["GET", "/providers/house"] = (200, PROVIDER)
    probe = {
        "ok": False,
        "models": [],
        "missing": [],
        "code": "upstream_timeout",
        "message": "It <i>did not</i> answer.",
        "hint": "",
        "duration_ms": 9,
    }
    fakes.replies["POST", "/providers/house/test"] = (200, probe)
    browser = await visitor(fakes, "admin")
    token = act_token((await browser.get("/models/providers/house")).text)
    page = (await browser.post("/models/providers/house/test", data={"form_token": token})).text
    assert "It &lt;i&gt;did not&lt;/i&gt; answer." in page
    auditor = await visitor(fakes, "auditor")
    assert "/test" not in (await auditor.get("/models/providers/house")).text


async def test_models_stand_with_who_answers_them(fakes: Any) -> None:
    fakes.replies["GET", "/gateway/models"] = (200, OFFERED)
    targets = [{"provider": "house", "name": "gpt-large", "priority": 1, "weight": 1}]
    fakes.replies["GET", "/models"] = (200, {"models": [{"alias": "gpt", "targets": targets}], "next": None})
    fakes.replies["GET", "/providers"] = (200, {"providers": [PROVIDER], "next": None})
    browser = await visitor(fakes, "auditor")
    page = (await browser.get("/models")).text
    assert "/models/providers/house" in page and "gpt-large" in page and "sk-…1234" in page


async def test_a_price_list_is_written_without_what_was_left_empty(fakes: Any) -> None:
    fakes.replies["GET", "/prices"] = (200, {"prices": [], "next": None})
    fakes.replies["GET", "/providers"] = (200, {"providers": [PROVIDER], "next": None})
    fakes.replies["POST", "/prices"] = (200, {})
    browser = await visitor(fakes, "owner")
    token = act_token((await browser.get("/models/prices")).text)
    fields = {"form_token": token, "provider": "house", "model": "gpt-large", "currency": "USD", "input": "0.5", "cached_input": "", "output": "2"}
    assert (await browser.post("/models/prices", data=fields)).headers["location"] == "/models/prices?done=priced"
    assert json.loads(fakes.asked[-1].body) == {"provider": "house", "model": "gpt-large", "currency": "USD", "input": "0.5", "output": "2"}

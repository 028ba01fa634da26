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
    resting = {"alias": "gpt", "provider": "house", "name": "gpt-large", "state": "open", "rests_s": 3.2}
    fakes.replies["GET", "/gateway/targets"] = (200, {"targets": [resting]})
    browser = await visitor(fakes, "auditor")
    page = (await browser.get("/models?lang=en")).text
    assert "A target rests" in page and "/models/routes/gpt" in page
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


MODEL: dict[str, Any] = {
    "id": ID, "alias": "team/gpt", "has_prompt": True, "shared": True, "disabled_at": None, "created_at": "2026-11-01T15:30:00Z",
    "targets": [{"provider": "house", "name": "gpt-large", "priority": 0, "weight": 3},
                {"provider": "spare", "name": "<b>x</b>", "priority": 0, "weight": 1}],
    "settings": {"sticky": True, "retries_max": 2, "deadline_s": 30.0},
}  # fmt: skip
USED = {
    "requests": 8, "failed": 2, "estimated": 0, "input_tokens": 1000, "cached_tokens": 250, "output_tokens": 200, "currency": "KRW", "cost": "1234.5",
}  # fmt: skip


def tell_route(fakes: Any) -> None:
    fakes.replies["GET", "/models/team%2Fgpt"] = (200, MODEL)
    fakes.replies["GET", "/providers"] = (200, {"providers": [PROVIDER, {**PROVIDER, "name": "spare"}], "next": None})
    fakes.replies["GET", "/usage"] = (200, {"totals": [USED], "lines": [], "next": None})
    rests = {"alias": "team/gpt", "provider": "house", "name": "gpt-large", "state": "open", "rests_s": 3.2}
    fakes.replies["GET", "/gateway/targets"] = (200, {"targets": [rests, {**rests, "alias": "other", "provider": "spare", "name": "<b>x</b>"}]})


async def test_a_route_shows_its_targets_their_shares_breakers_and_traffic(fakes: Any) -> None:
    tell_route(fakes)
    browser = await visitor(fakes, "auditor")
    page = (await browser.get("/models/routes/team/gpt?lang=en")).text
    assert "75%" in page and "Open: rests for 4 s" in page and "&lt;b&gt;x&lt;/b&gt;" in page
    assert page.count("Open: rests") == 1, "another model's breaker was shown"
    assert "25.0%" in page and "₩1,23" in page, "failed and cached are a quarter each"
    assert '<form method="post" action="/models' not in page


async def test_a_route_is_changed_and_what_the_form_does_not_show_stays(fakes: Any) -> None:
    tell_route(fakes)
    fakes.replies["PUT", "/models/team%2Fgpt"] = (200, MODEL)
    browser = await visitor(fakes, "owner")
    token = act_token((await browser.get("/models/routes/team/gpt")).text)
    fields = {
        "form_token": token, "provider_0": "house", "name_0": "gpt-large", "priority_0": "0", "weight_0": "0", "provider_1": "", "name_1": "",
        "priority_1": "0", "weight_1": "1", "provider_2": "spare", "name_2": " mini ", "priority_2": "1", "weight_2": "1", "retries_max": "5",
    }  # fmt: skip
    done = await browser.post("/models/routes/team/gpt", data=fields)
    assert done.headers["location"].startswith("/models/routes/team%2Fgpt?done=routed&undo=")
    assert json.loads(fakes.asked[-1].body) == {
        "targets": [
            {"provider": "house", "name": "gpt-large", "priority": 0, "weight": 0}, {"provider": "spare", "name": "mini", "priority": 1, "weight": 1},
        ],
        "settings": {"sticky": False, "retries_max": 5, "deadline_s": 30.0}, "shared": True, "disabled": False,
    }  # fmt: skip


async def test_a_mistake_in_a_route_stands_at_its_field(fakes: Any) -> None:
    tell_route(fakes)
    fakes.replies["PUT", "/models/team%2Fgpt"] = (400, {"error": {"code": "invalid_request", "message": "No <number>.", "param": "targets.0.weight"}})
    browser = await visitor(fakes, "owner")
    token = act_token((await browser.get("/models/routes/team/gpt")).text)
    fields = {"form_token": token, "provider_0": "house", "name_0": "gpt", "priority_0": "0", "weight_0": "much", "retries_max": "2", "sticky": "on"}
    refused = await browser.post("/models/routes/team/gpt", data=fields)
    assert json.loads(next(asked for asked in fakes.asked if asked.method == "PUT").body)["targets"][0]["weight"] == "much"
    assert refused.status_code == 400 and 'id="weight_0-wrong"' in refused.text and 'value="much"' in refused.text
    assert refused.text.count('aria-invalid="true"') == 1

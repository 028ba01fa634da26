"""Assistants and their releases in the console."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.application.console.sections.test_sections import act_token, visitor

pytestmark = pytest.mark.anyio
ID = "0190f0c0-0000-7000-8000-000000000003"
ASSISTANT = {
    "id": ID, "name": "help", "model": "assistant/help", "base": "help", "title": {"ko": "<b>도움</b>"}, "settings": {}, "release": 2,
    "created_at": "2026-11-01T15:30:00Z",
}  # fmt: skip
RELEASE = {
    "number": 2, "id": ID, "digest": "ab" * 32, "state": "live", "implicit": False, "previous": False, "created_by": None,
    "created_at": "2026-11-01T15:30:00Z",
}  # fmt: skip
OLDER = {**RELEASE, "number": 1, "state": "retired", "previous": True}
MOVE = {"id": ID, "kind": "activate", "from_number": 1, "to_number": 2, "reason": "fix", "note": "<i>why</i>", "by": ID, "at": "2026-11-01T15:30:00Z"}


def tell(fakes: Any) -> None:
    fakes.replies["GET", "/assistants/help"] = (200, ASSISTANT)
    fakes.replies["GET", "/assistants/help/releases"] = (200, {"releases": [RELEASE, OLDER], "next": None})
    fakes.replies["GET", "/assistants/help/releases/history"] = (200, {"moves": [MOVE], "next": None})
    fakes.replies["GET", "/assistants/help/releases/live"] = (200, {**RELEASE, "manifest": {"route": {"kind": "extractive"}, "guard": None}})


async def test_what_serves_is_shown_with_its_history(fakes: Any) -> None:
    tell(fakes)
    browser = await visitor(fakes, "auditor")
    page = (await browser.get("/assistants/help?lang=en")).text
    assert "Release 2 serves now" in page and "&lt;i&gt;why&lt;/i&gt;" in page and "<b>도움" not in page
    assert "/assistants/help/diff?first=2&amp;second=1" in page
    assert "/assistants/help/rollback" not in page, "an auditor may not move what serves"


async def test_a_release_is_let_live_and_rolled_back(fakes: Any) -> None:
    tell(fakes)
    fakes.replies["POST", "/assistants/help/releases/1/activate"] = (200, RELEASE)
    fakes.replies["POST", "/assistants/help/releases/rollback"] = (200, RELEASE)
    browser = await visitor(fakes, "admin")
    token = act_token((await browser.get("/assistants/help")).text)
    activated = await browser.post("/assistants/help/1/activate", data={"form_token": token})
    assert activated.headers["location"] == "/assistants/help?done=activated"
    rolled = await browser.post("/assistants/help/rollback", data={"form_token": token})
    assert rolled.headers["location"] == "/assistants/help?done=rolled_back"
    sent = [json.loads(asked.body)["reason"] for asked in fakes.asked if asked.method == "POST"]
    assert sent == ["improvement", "incident"]


async def test_a_verdict_that_is_missing_is_told_in_the_words_of_the_api(fakes: Any) -> None:
    tell(fakes)
    missing = {"error": {"code": "verdict_required", "message": "No verdict passes over exactly this release.", "param": None}}
    fakes.replies["POST", "/assistants/help/releases/1/activate"] = (409, missing)
    browser = await visitor(fakes, "owner")
    token = act_token((await browser.get("/assistants/help")).text)
    answer = await browser.post("/assistants/help/1/activate", data={"form_token": token})
    assert answer.status_code == 409 and "No verdict passes over exactly this release." in answer.text


async def test_an_assistant_is_made_of_a_form(fakes: Any) -> None:
    tell(fakes)
    fakes.replies["GET", "/bases"] = (200, {"bases": [{"id": ID, "name": "help"}]})
    fakes.replies["GET", "/gateway/models"] = (200, {"models": [{"name": "gpt", "source": "own"}, {"name": "assistant/help", "source": "assistant"}]})
    fakes.replies["PUT", "/assistants/desk"] = (200, {**ASSISTANT, "created": True, "waiting": None})
    browser = await visitor(fakes, "owner")
    form = (await browser.get("/assistants/new")).text
    assert 'value="gpt"' in form and 'value="assistant/help"' not in form
    fields = {"form_token": act_token(form), "name": "desk", "title_ko": "상담", "title_en": "", "base": "help", "model": "gpt"}
    assert (await browser.post("/assistants/new", data=fields)).headers["location"] == "/assistants/desk?done=made"
    assert json.loads(fakes.asked[-1].body) == {"base": "help", "settings": {"title": {"ko": "상담"}, "model": "gpt"}}


async def test_a_difference_is_told_by_field_and_by_line(fakes: Any) -> None:
    told = {"fields": {"memory.turns_max": [6, 2]}, "prompt": "@@ -1 +1 @@\n-<old>\n+new"}
    fakes.replies["GET", "/assistants/help/releases/diff"] = (200, told)
    browser = await visitor(fakes, "auditor")
    page = (await browser.get("/assistants/help/diff?first=1&second=2")).text
    assert "memory.turns_max" in page and '<span class="taken">-&lt;old&gt;' in page and '<span class="added">+new' in page

"""Channels in the console."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.application.console.sections.test_sections import act_token, visitor

pytestmark = pytest.mark.anyio
WIDGET: dict[str, Any] = {
    "name": "site", "public_id": "abcdefghijklmnopqrstuvwx", "assistant": "help", "algorithm": "HS256", "origins": ["https://<b>.example"],
    "groups": ["buyers"], "visitors": False, "open_documents": True, "questions_per_minute": 120, "questions_per_customer": 10,
    "script": "/widget/v1/abcdefghijklmnopqrstuvwx/ondol-chat.js", "integrity": "sha384-abc", "created_at": "2026-11-01T15:30:00Z",
    "revoked_at": None,
}  # fmt: skip
REFUSED = {"error": {"code": "bad_origin", "message": "'x' is no origin of a site.", "param": "origins"}}


def known(fakes: Any) -> None:
    fakes.replies["GET", "/widgets"] = (200, {"widgets": [WIDGET, {**WIDGET, "name": "old", "revoked_at": "2026-11-02T00:00:00Z"}]})
    fakes.replies["GET", "/bots"] = (200, {"bots": []})
    fakes.replies["GET", "/widgets/site"] = (200, WIDGET)
    fakes.replies["GET", "/groups"] = (200, {"groups": [{"name": "buyers", "members": []}]})
    fakes.replies["GET", "/assistants"] = (200, {"assistants": [{"name": "help", "title": {"en": "Help"}}]})


async def test_widgets_are_listed_with_names_as_text(fakes: Any) -> None:
    known(fakes)
    browser = await visitor(fakes, "auditor")
    page = (await browser.get("/channels?lang=en")).text
    assert "https://&lt;b&gt;.example" in page and "Open" in page and "Closed" in page
    assert "/channels/widgets/new" not in page


async def test_what_was_typed_stays_when_the_api_refuses(fakes: Any) -> None:
    known(fakes)
    fakes.replies["POST", "/widgets"] = (400, REFUSED)
    browser = await visitor(fakes, "owner")
    token = act_token((await browser.get("/channels/widgets/new")).text)
    form = {
        "form_token": token,
        "name": "shop",
        "assistant": "help",
        "origins": "x",
        "groups": "buyers, ",
        "visitors": "1",
        "questions_per_minute": "7",
    }
    answer = await browser.post("/channels/widgets/new", data=form)
    assert answer.status_code == 400 and "is no origin of a site" in answer.text and 'value="shop"' in answer.text and 'value="x"' in answer.text
    sent = {"name": "shop", "assistant": "help", "origins": ["x"], "groups": ["buyers"], "visitors": True, "open_documents": False}
    asked = next(json.loads(one.body) for one in fakes.asked if one.method == "POST")
    assert asked == {**sent, "questions_per_minute": 7}


async def test_a_secret_is_on_the_page_that_answers_only(fakes: Any) -> None:
    known(fakes)
    fakes.replies["POST", "/widgets/site/secret"] = (200, {"secret": "s3cret"})
    browser = await visitor(fakes, "owner")
    page = (await browser.get("/channels/widgets/site")).text
    assert "s3cret" not in page and 'integrity="sha384-abc"' in page and "token-url" in page
    answer = await browser.post("/channels/widgets/site/secret", data={"form_token": act_token(page)})
    assert "s3cret" in answer.text and answer.headers["cache-control"] == "no-store"


async def test_who_only_reads_sees_neither_forms_nor_a_preview(fakes: Any) -> None:
    known(fakes)
    browser = await visitor(fakes, "auditor")
    page = (await browser.get("/channels/widgets/site")).text
    assert "<ondol-chat inline" not in page and "/revoke" not in page and "sha384-abc" in page

"""Everybody's own page: where one is signed in, and the password, which never comes back in a page."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.application.console.sections.test_sections import act_token, visitor

pytestmark = pytest.mark.anyio
THIS: dict[str, Any] = {
    "id": "s1", "browser": "firefox", "system": "linux", "network": "192.0.2.0/24", "created_at": "2026-11-01T15:30:00Z",
    "last_used_at": "2026-11-01T15:35:00Z", "expires_at": "2026-11-02T15:30:00Z", "is_this": True,
}  # fmt: skip
OTHER = {**THIS, "id": "s2", "browser": "", "system": "<b>", "is_this": False}


async def test_everybody_has_the_page_and_cannot_end_the_present_sign_in_by_mistake(fakes: Any) -> None:
    fakes.replies["GET", "/me/sessions"] = (200, {"sessions": [THIS, OTHER]})
    page = (await (await visitor(fakes, "member")).get("/me?lang=en")).text
    assert "Firefox · Linux" in page and "This browser" in page and "An unknown browser" in page and "<b>" not in page
    assert "/me/sessions/s2/end" in page and "/me/sessions/s1/end" not in page and "/me/sessions/others/end" in page
    assert "Asia/Seoul" in page and 'href="/me"' in page


async def test_sign_ins_are_ended(fakes: Any) -> None:
    fakes.replies["GET", "/me/sessions"] = (200, {"sessions": [THIS, OTHER]})
    fakes.replies["POST", "/me/sessions/s2/end"] = (200, {"changed": True})
    fakes.replies["POST", "/me/sessions/end-others"] = (200, {"ended": 1})
    browser = await visitor(fakes, "member")
    token = act_token((await browser.get("/me")).text)
    assert (await browser.post("/me/sessions/s2/end", data={"form_token": token})).headers["location"] == "/me?done=ended"
    assert (await browser.post("/me/sessions/others/end", data={"form_token": token})).headers["location"] == "/me?done=others"
    assert [asked.path for asked in fakes.asked if asked.method == "POST"] == ["/me/sessions/s2/end", "/me/sessions/end-others"]


@pytest.mark.parametrize(
    ("code", "told"),
    [("wrong_password", "The present password is not right."), ("password_length", "does not have the right length"), ("odd", "As the API says.")],
)
async def test_a_refused_password_is_told_and_never_shown(fakes: Any, code: str, told: str) -> None:
    fakes.replies["GET", "/me/sessions"] = (200, {"sessions": [THIS]})
    fakes.replies["POST", "/me/password"] = (400, {"error": {"code": code, "message": "As the API says.", "param": "current"}})
    browser = await visitor(fakes, "member")
    token = act_token((await browser.get("/me")).text)
    sent = {"form_token": token, "current": "hunter2 hunter2", "new": "another secret one"}
    answer = await browser.post("/me/password?lang=en", data=sent)
    assert answer.status_code == 400 and told in answer.text and "hunter2" not in answer.text and "another secret" not in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert json.loads(next(asked.body for asked in fakes.asked if asked.method == "POST")) == {"current": sent["current"], "new": sent["new"]}

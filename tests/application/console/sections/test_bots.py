"""Bots in the console."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.application.console.sections.test_sections import act_token, visitor

pytestmark = pytest.mark.anyio
ROOM = {"chat_room": "C<1>", "groups": ["buyers"], "clearance": "internal", "open_documents": False}
SHOWN: dict[str, Any] = {
    "name": "chat", "public_id": "abcdefghijklmnopqrstuvwx", "assistant": "help", "events": "/bots/abcdefghijklmnopqrstuvwx/events",
    "base_url": "https://slack.com/api", "private_network": False, "by_email": False, "key_id": "0199c1f0-0000-7000-8000-000000000001",
    "created_at": "2026-11-01T15:30:00Z", "revoked_at": None,
}  # fmt: skip
BOT = {**SHOWN, "people": [{"chat_user": "U<1>", "login": "kim@acme.example"}], "rooms": [ROOM]}
REFUSED = {"error": {"code": "bad_secret", "message": "`token` is none that a chat gives.", "param": "token"}}
DONE = (200, {"changed": True})


def known(fakes: Any, **more: Any) -> None:
    fakes.replies["GET", "/widgets"] = (200, {"widgets": []})
    fakes.replies["GET", "/bots"] = (200, {"bots": [SHOWN, {**SHOWN, "name": "old", "by_email": True, "revoked_at": "2026-11-02T00:00:00Z"}]})
    fakes.replies["GET", "/bots/chat"] = (200, {**BOT, **more})
    fakes.replies["GET", "/groups"] = (200, {"groups": [{"name": "buyers", "members": []}]})
    fakes.replies["GET", "/assistants"] = (200, {"assistants": [{"name": "help", "title": {"en": "Help"}}]})


def sent(fakes: Any, method: str) -> list[tuple[str, Any]]:
    return [(one.path, json.loads(one.body) if one.body else None) for one in fakes.asked if one.method == method]


async def test_bots_are_listed_and_one_is_shown_with_names_as_text(fakes: Any) -> None:
    known(fakes)
    browser = await visitor(fakes, "auditor")
    page = (await browser.get("/channels?lang=en")).text
    assert "by your list" in page and "by confirmed e-mail address" in page and "Closed" in page and "/channels/bots/new" not in page
    page = (await browser.get("/channels/bots/chat?lang=en")).text
    assert "C&lt;1&gt;" in page and "U&lt;1&gt;" in page and "kim@acme.example" in page and SHOWN["events"] in page
    assert "users:read.email" not in page and "/revoke" not in page and "/connect" not in page, "who only reads sees no forms"


async def test_what_was_typed_stays_when_the_api_refuses_but_no_secret(fakes: Any) -> None:
    known(fakes)
    fakes.replies["POST", "/bots"] = (400, REFUSED)
    browser = await visitor(fakes, "owner")
    token = act_token((await browser.get("/channels/bots/new")).text)
    form = {"form_token": token, "name": "chat-two", "assistant": "help", "signing_secret": "s3cret-s3cret", "token": "t0ken", "by_email": "1"}
    answer = await browser.post("/channels/bots/new", data=form)
    assert answer.status_code == 400 and "none that a chat gives" in answer.text and 'value="chat-two"' in answer.text
    assert "s3cret-s3cret" not in answer.text and "t0ken" not in answer.text
    body = {"name": "chat-two", "assistant": "help", "signing_secret": "s3cret-s3cret", "token": "t0ken", "private_network": False, "by_email": True}
    assert [told for _, told in sent(fakes, "POST")] == [body]


async def test_rooms_and_people_are_told_and_taken_back(fakes: Any) -> None:
    known(fakes)
    for path in ("/bots/chat/rooms/C2", "/bots/chat/people/U2"):
        fakes.replies["PUT", path] = DONE
    for path in ("/bots/chat/rooms/C%3C1%3E", "/bots/chat/people/U%3C1%3E"):
        fakes.replies["DELETE", path] = DONE
    browser = await visitor(fakes, "owner")
    token = act_token((await browser.get("/channels/bots/chat")).text)

    async def post(what: str, **fields: str) -> str:
        answer = await browser.post(f"/channels/bots/chat/{what}", data={"form_token": token, **fields})
        assert answer.status_code == 303, answer.text
        return str((await browser.get(answer.headers["location"] + "&lang=en")).text)

    assert "answers in this room" in await post("open", chat_room=" C2 ", groups="buyers, ", clearance="internal")
    assert "known from now on" in await post("connect", chat_user="U2", login="lee@acme.example")
    puts = [told for _, told in sent(fakes, "PUT")]
    assert puts == [{"groups": ["buyers"], "clearance": "internal", "open_documents": False}, {"login": "lee@acme.example"}]
    shut = await post("shut", chat_room="C<1>")
    assert "no longer" in shut and 'action="/channels/bots/chat/open"' in shut and 'name="groups" value="buyers"' in shut
    gone = await post("disconnect", chat_user="U<1>")
    assert 'name="login" value="kim@acme.example"' in gone


async def test_settings_that_are_left_empty_stay(fakes: Any) -> None:
    known(fakes, by_email=True)
    fakes.replies["PATCH", "/bots/chat"] = (200, BOT)
    browser = await visitor(fakes, "owner")
    page = (await browser.get("/channels/bots/chat")).text
    assert "users:read.email" in page
    await browser.post("/channels/bots/chat", data={"form_token": act_token(page), "signing_secret": "", "token": " another "})
    assert [told for _, told in sent(fakes, "PATCH")] == [{"token": "another", "by_email": False}]


async def test_a_closed_bot_has_nothing_left_to_change(fakes: Any) -> None:
    known(fakes, revoked_at="2026-11-02T00:00:00Z")
    page = (await (await visitor(fakes, "owner")).get("/channels/bots/chat?lang=en")).text
    assert "Closed" in page and SHOWN["events"] not in page and "/channels/bots/chat/" not in page

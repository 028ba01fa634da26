"""Taking back what a form has just done."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from ondol.application.console.undo import ADDRESS_CHARACTERS_MAX, OFFERED_FOR, Undo, opened, sealed
from tests.application.console.sections.test_limits import LIMIT
from tests.application.console.sections.test_models import MODEL, PROVIDER, tell_route
from tests.application.console.sections.test_people import PERSON
from tests.application.console.sections.test_sections import act_token, visitor

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
THREAD = "0190f0c0-0000-7000-8000-00000000000a"
TOLD = {
    "id": THREAD, "assistant": "help", "title": "환불", "head": THREAD, "turns": 1, "found": None, "shared_by": None,
    "created_at": "2026-11-01T00:00:00Z", "changed_at": "2026-11-01T00:00:00Z",
}  # fmt: skip


def test_what_was_sealed_opens_for_its_session_until_its_time() -> None:
    undo = Undo("/limits/new", {"scope": "group", "subject": "상담"})
    word = sealed(undo, "session", NOW)
    assert opened(word, "session", NOW) == Undo(undo.path, undo.fields, NOW + OFFERED_FOR)
    assert opened(word, "session", NOW + OFFERED_FOR - timedelta(seconds=1)) is not None
    assert opened(word, "session", NOW + OFFERED_FOR) is None
    assert opened(word, "another session", NOW) is None
    assert "limits" not in word
    sooner = sealed(Undo("/x", until=NOW + timedelta(seconds=1)), "session", NOW)
    assert opened(sooner, "session", NOW) is not None
    assert opened(sooner, "session", NOW + timedelta(seconds=1)) is None


@pytest.mark.parametrize(
    "word", ["", "x", "%%%", "가", "AAAA", "A" * (ADDRESS_CHARACTERS_MAX + 1)], ids=["empty", "x", "signs", "ko", "short", "long"]
)
def test_what_was_not_sealed_here_offers_nothing(word: str) -> None:
    assert opened(word, "session", NOW) is None


def test_a_word_that_was_changed_offers_nothing_and_what_is_too_long_is_not_offered() -> None:
    word = sealed(Undo("/x"), "session", NOW)
    assert all(opened(word[:at] + ("B" if word[at] == "A" else "A") + word[at + 1 :], "session", NOW) is None for at in (0, 40, 90))
    assert sealed(Undo("/x", {"groups": "g" * ADDRESS_CHARACTERS_MAX}), "session", NOW) == ""


def offered(page: str) -> tuple[str, dict[str, str]] | None:
    """The form that takes back what was done, less its token."""
    found = re.search(r'notice good done".*?<form method="post" action="([^"]*)".*?</form>', page, re.DOTALL)
    if found is None:
        return None
    fields = {unescape(name): unescape(value) for name, value in re.findall(r'name="([^"]*)" value="([^"]*)"', found[0])}
    fields.pop("form_token")
    return found[1], fields


def tell(fakes: Any) -> None:
    """Everything that is changed here, as it was before."""
    tell_route(fakes)
    later = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    replies: dict[tuple[str, str], Any] = {
        ("GET", "/threads"): {"threads": [], "next": None},
        ("GET", f"/threads/{THREAD}/branch"): {"thread": TOLD, "turns": [], "earlier": None},
        ("GET", f"/threads/{THREAD}/shares"): {"people": ["bada", "haneul"], "groups": ["상담"]},
        ("PUT", f"/threads/{THREAD}/shares"): {"people": [], "groups": []},
        ("DELETE", f"/threads/{THREAD}/shares"): {"people": [], "groups": []},
        ("DELETE", f"/threads/{THREAD}"): {"changed": True, "restorable_until": later},
        ("POST", f"/threads/{THREAD}/restore"): {"changed": True},
        ("GET", f"/limits/{LIMIT['id']}"): LIMIT,
        ("DELETE", f"/limits/{LIMIT['id']}"): {"changed": True},
        ("GET", "/limits"): {"limits": [], "next": None},
        ("POST", "/limits"): LIMIT,
        ("GET", "/budgets"): {"budgets": [], "next": None},
        ("GET", f"/people/{PERSON['id']}"): PERSON,
        ("GET", f"/people/{PERSON['id']}/sessions"): {"sessions": []},
        ("PATCH", f"/people/{PERSON['id']}"): PERSON,
        ("POST", f"/people/{PERSON['id']}/disable"): PERSON,
        ("POST", f"/people/{PERSON['id']}/enable"): PERSON,
        ("GET", "/providers/house"): PROVIDER,
        ("POST", "/providers/house/disable"): PROVIDER,
        ("POST", "/providers/house/enable"): PROVIDER,
        ("PUT", "/models/team%2Fgpt"): MODEL,
    }
    fakes.replies.update({asked: (200, told) for asked, told in replies.items()})


RIGHTS = {"name": PERSON["name"], "clearance": "internal", "groups": "support", "attributes": "level=2", "role_editor": "1"}
TARGETS = {
    "provider_0": "house", "name_0": "gpt-large", "priority_0": "0", "weight_0": "3",
    "provider_1": "spare", "name_1": "<b>x</b>", "priority_1": "0", "weight_1": "1", "retries_max": "2", "sticky": "on",
}  # fmt: skip
SHARES = {"people": "bada, haneul", "groups": "상담"}
CASES: list[tuple[str, dict[str, str], str, dict[str, str], tuple[str, str]]] = [
    (f"/threads/{THREAD}/delete", {}, f"/threads/{THREAD}/restore", {}, ("POST", f"/threads/{THREAD}/restore")),
    (f"/threads/{THREAD}/share", {"people": "x", "groups": ""}, f"/threads/{THREAD}/share", SHARES, ("PUT", f"/threads/{THREAD}/shares")),
    (f"/threads/{THREAD}/unshare", {}, f"/threads/{THREAD}/share", SHARES, ("PUT", f"/threads/{THREAD}/shares")),
    (
        f"/limits/{LIMIT['id']}/remove", {}, "/limits/new",
        {"scope": "group", "subject": "*", "requests_per_minute": "60", "prompt_tokens_max": "8000"}, ("POST", "/limits"),
    ),
    (f"/people/{PERSON['id']}", {"clearance": "public"}, f"/people/{PERSON['id']}", RIGHTS, ("PATCH", f"/people/{PERSON['id']}")),
    (f"/people/{PERSON['id']}/disable", {}, f"/people/{PERSON['id']}/enable", {}, ("POST", f"/people/{PERSON['id']}/enable")),
    ("/models/providers/house/disable", {}, "/models/providers/house/enable", {}, ("POST", "/providers/house/enable")),
    ("/models/routes/team/gpt", {"provider_0": "spare", "name_0": "x"}, "/models/routes/team%2Fgpt", TARGETS, ("PUT", "/models/team%2Fgpt")),
]  # fmt: skip


async def follow(browser: httpx.AsyncClient, path: str, fields: dict[str, str], token: str) -> str:
    """Send a form; the page on which one goes on."""
    sent = await browser.post(path, data={**fields, "form_token": token})
    assert sent.status_code == 303, sent.text
    return str(sent.headers["location"])


@pytest.mark.parametrize(
    ("path", "fields", "back", "told", "asks"), CASES, ids=[case[0].rsplit("/", 2)[-2] + "-" + case[0].rsplit("/", 1)[-1] for case in CASES]
)
async def test_what_was_done_is_taken_back_by_the_form_that_does_the_opposite(
    fakes: Any, path: str, fields: dict[str, str], back: str, told: dict[str, str], asks: tuple[str, str]
) -> None:
    tell(fakes)
    browser = await visitor(fakes, "owner")
    token = act_token((await browser.get(f"/threads/{THREAD}")).text)
    there = await follow(browser, path, fields, token)
    assert set(parse_qs(urlsplit(there).query)) == {"done", "undo"}
    page = (await browser.get(there + "&lang=en")).text
    assert ">Undo</button>" in page
    assert offered(page) == (back, told)
    fakes.asked.clear()
    await follow(browser, back, told, token)
    assert asks in [(asked.method, asked.path) for asked in fakes.asked]
    other = await visitor(fakes, "owner")
    assert ">Undo</button>" not in (await other.get(there + "&lang=en")).text, "another session's word was taken"


async def test_rights_come_back_as_they_were(fakes: Any) -> None:
    tell(fakes)
    browser = await visitor(fakes, "owner")
    token = act_token((await browser.get(f"/threads/{THREAD}")).text)
    await follow(browser, f"/people/{PERSON['id']}", RIGHTS, token)
    rights = {name: PERSON[name] for name in ("name", "clearance", "roles", "groups", "attributes")}
    assert json.loads(fakes.asked[-1].body) == rights


async def test_a_thread_that_is_gone_for_good_is_said_to_be(fakes: Any) -> None:
    tell(fakes)
    fakes.replies["POST", f"/threads/{THREAD}/restore"] = (404, {"error": {"code": "thread_gone", "message": "It is gone.", "param": None}})
    browser = await visitor(fakes, "member")
    token = act_token((await browser.get(f"/threads/{THREAD}")).text)
    refused = await browser.post(f"/threads/{THREAD}/restore", data={"form_token": token})
    assert refused.status_code == 404 and "It is gone." in refused.text and "composer" in refused.text

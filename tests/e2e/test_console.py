"""Whoever runs the platform, in a real browser against the running demo: from files that are dropped to an assistant that answers from them."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.e2e.browsing import CHROMIUM, browser, page
from tests.e2e.conftest import Up, run_json

__all__ = ["browser", "page"]  # fixtures
PASSWORD = "correct horse battery"
ADMIN = "admin@durubitnaru.example"
PAGES = (
    "/home", "/knowledge", "/knowledge/help", "/knowledge/help/search?question=refund", "/knowledge/help/index", "/assistants",
    "/assistants/help", "/assistants/new", "/evaluation", "/evaluation/golden", "/evaluation/golden/help-ko", "/evaluation/nights", "/evaluation/new",
    "/evaluation/red-team", "/evaluation/quality", "/reviews", "/reviews/new",
    "/prompts", "/prompts/assistant", "/prompts/new?from=assistant@builtin", "/prompts/assistant/diff?first=builtin&second=builtin",
    "/erasures", "/erasures/new",
    "/people", "/people/new", "/access-requests", "/models", "/models/new", "/models/prices", "/models/compare", "/guard", "/guard/approvals",
    "/guard/policies", "/guard/try", "/usage", "/limits", "/limits/new", "/limits/budgets/new", "/requests", "/keys", "/keys/new",
    "/audit", "/jobs", "/me", "/settings", "/channels", "/channels/widgets/new",
    "/channels/bots/new",
)  # fmt: skip

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


def sign_in(up: Up, page: Page, login: str = ADMIN) -> None:
    invitation = run_json(up.folder, "user", "invite", login)
    assert isinstance(invitation, dict)
    page.goto(f"{up.url}/welcome?{invitation['sign_in_once'].partition('?')[2]}")
    for field in page.locator("input[type=password]").all():
        field.fill(PASSWORD)
    page.locator("form button[type=submit]").first.click()
    page.wait_for_url(re.compile(re.escape(up.url) + r"/(\?.*)?$"))


def open_request(up: Up, page: Page, words: str, query: str = "") -> None:
    """Open the request whose page says something, among the newest; it stands there about a second after its answer, beside those of other tests."""
    for _ in range(20):
        page.goto(up.url + "/requests" + query)
        for address in [str(link.get_attribute("href")) for link in page.locator("#rows a").all()[:5]]:
            page.goto(up.url + address)
            if words in page.locator("main").inner_text():
                return
    raise AssertionError(f"no request says {words}")


def test_from_dropped_files_to_an_assistant_that_answers_from_them(demo_up: Up, page: Page, tmp_path: Path) -> None:
    sign_in(demo_up, page)
    page.goto(demo_up.url + "/knowledge?lang=en")
    page.get_by_label("Name").fill("harbour")
    page.get_by_role("button", name="Make it").click()
    file = tmp_path / "beacon.md"
    file.write_text("# Beacon\n\nThe beacon of Kamtsa harbour blinks every eleven seconds.\n", "utf-8")
    page.get_by_label("Security class").select_option("public")
    page.locator("#files").set_input_files(file)
    expect(page.locator("#uploads li")).to_contain_text("can be found now", timeout=20_000)
    page.get_by_role("link", name="Search").click()
    page.get_by_label("Question").fill("How often does the beacon blink?")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".hit")).to_contain_text("eleven seconds")
    page.goto(demo_up.url + "/assistants/new?base=harbour")
    page.locator("#name").fill("pilot")
    page.get_by_label("Title in English").fill("Pilot")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_text("Release 1 serves now")).to_be_visible()
    page.goto(demo_up.url + "/")
    page.locator("#assistant").select_option("assistant/pilot")
    page.get_by_role("textbox").fill("How often does the beacon of Kamtsa harbour blink?")
    page.keyboard.press("Enter")
    expect(page.get_by_text("eleven seconds", exact=False).first).to_be_visible(timeout=15_000)


def test_a_resident_number_is_stopped_and_stands_in_the_log_and_among_the_incidents(demo_up: Up, page: Page) -> None:
    sign_in(demo_up, page)
    page.goto(demo_up.url + "/?lang=en")
    page.get_by_role("textbox").fill("My resident number is 900101-1234568. How do I transfer a domain?")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Not answered under the operator's policy").first).to_be_visible(timeout=15_000)
    open_request(demo_up, page, "kr_resident_number", "?outcome=refused")
    assert "900101" not in page.content()
    page.goto(demo_up.url + "/guard")
    page.locator("tbody a").first.click()
    expect(page.get_by_text("[KR_RESIDENT_NUMBER_1]", exact=False)).to_be_visible()
    page.get_by_label("Note").fill("The caller was told.")
    page.get_by_role("button", name="Close it").click()
    expect(page.get_by_text("The incident was closed.")).to_be_visible()


def test_a_key_is_made_shown_once_and_refused_once_it_is_revoked(demo_up: Up, page: Page) -> None:
    sign_in(demo_up, page)
    page.goto(demo_up.url + "/keys/new?lang=en")
    page.get_by_label("Name").fill("throw-away")
    page.get_by_role("button", name="Make the key").click()
    key = page.locator("#key-text").inner_text()
    asked = {"authorization": f"Bearer {key}"}
    assert httpx.get(demo_up.url + "/v1/models", headers=asked).status_code in (200, 401), "a worker knows a new key within a second"
    page.goto(demo_up.url + "/keys")
    assert key not in page.content()
    page.get_by_role("row", name=re.compile("throw-away")).get_by_role("button", name="Revoke").click()
    expect(page.locator("#ask")).to_contain_text("cannot be brought back")
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_role("row", name=re.compile("throw-away"))).to_contain_text("In use")
    page.get_by_role("row", name=re.compile("throw-away")).get_by_role("button", name="Revoke").click()
    page.get_by_role("button", name="Yes, go on").click()
    expect(page.get_by_text("The key was revoked.")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("throw-away"))).to_contain_text("Revoked")


def test_a_bot_is_made_and_told_who_is_who(demo_up: Up, page: Page) -> None:
    sign_in(demo_up, page)
    page.goto(demo_up.url + "/channels?lang=en")
    page.get_by_role("link", name="New bot").click()
    page.get_by_label("Name", exact=True).fill("help-chat")
    page.get_by_label("Signing secret").fill("8f742231b10e8888abcd99")
    page.get_by_label("Bot token").fill("xoxb-0123456789")
    page.get_by_role("button", name="Make the bot").click()
    expect(page.locator("#events")).to_contain_text(f"{demo_up.url}/bots/")
    answer = httpx.post(page.locator("#events").inner_text(), content=b"{}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "event_too_old"), "a chat reaches it, and has to sign"
    page.get_by_label("Room", exact=True).fill("C0HELP")
    page.get_by_role("button", name="Answer in this room").click()
    expect(page.get_by_text("The bot answers in this room.")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("C0HELP"))).to_contain_text("everybody of the organisation")
    page.get_by_label("Name in the chat").fill("U0ADMIN")
    page.get_by_label("Login", exact=True).fill(ADMIN)
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_role("row", name=re.compile("U0ADMIN"))).to_contain_text(ADMIN)
    page.get_by_role("button", name="Disconnect").click()
    expect(page.get_by_text("They are known no longer.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("row", name=re.compile("U0ADMIN"))).to_contain_text(ADMIN)
    for language in ("ko", "en"):
        page.goto(f"{demo_up.url}/channels/bots/help-chat?lang={language}")
        found = Axe().run(page).response["violations"]
        assert [fault["id"] for fault in found if fault["impact"] in {"serious", "critical"}] == []
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Close for good").click()
    page.get_by_role("button", name="Yes, go on").click()
    expect(page.get_by_text("The bot is closed.")).to_be_visible()


@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_page_is_there_without_complaint_or_barrier(demo_up: Up, page: Page, language: str) -> None:
    sign_in(demo_up, page)
    axe = Axe()
    for path in PAGES:
        answer = page.goto(f"{demo_up.url}{path}{'&' if '?' in path else '?'}lang={language}")
        assert answer is not None and answer.status == 200, path
        found = axe.run(page).response["violations"]
        faults = [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in found if fault["impact"] in {"serious", "critical"}]
        assert faults == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is wider than the window"


def test_nothing_is_wider_than_a_phone(demo_up: Up, page: Page) -> None:
    sign_in(demo_up, page)
    page.set_viewport_size({"width": 360, "height": 740})
    for path in PAGES:
        page.goto(demo_up.url + path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    page.get_by_role("button", name=re.compile("메뉴|Sections")).click()
    page.locator("#side-small").get_by_role("link", name=re.compile("가드|Guard")).click()
    page.wait_for_url(demo_up.url + "/guard")


def test_an_answer_is_judged_and_access_asked_for_where_it_was_asked(demo_up: Up, page: Page) -> None:
    sign_in(demo_up, page)
    page.goto(demo_up.url + "/?lang=en")
    page.get_by_role("textbox").fill("How long does a refund take?")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Not helpful").click(timeout=15_000)
    page.get_by_label("Something is missing").check()
    page.get_by_label(re.compile("What would be right")).fill("Five business days, by card.")
    page.get_by_role("button", name="Send", exact=True).last.click()
    expect(page.get_by_text("Thank you.").first).to_be_visible()
    page.get_by_role("textbox").fill("What is the chief accountant's favourite opera?")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Ask for access").click(timeout=15_000)
    expect(page.locator(".feedback").get_by_text("It was asked.", exact=False)).to_be_visible()
    open_request(demo_up, page, "Five business days, by card.")
    page.goto(demo_up.url + "/access-requests")
    row = page.locator(".passages li").first
    expect(row).to_contain_text("favourite opera")
    row.get_by_role("button", name="Refuse").click()
    expect(page.get_by_text("It was refused.")).to_be_visible()

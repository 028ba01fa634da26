"""A conversation in a real browser against the running demo: it is kept, branched, found again, shared with a colleague, and deleted."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import CHROMIUM, browser, page
from tests.e2e.conftest import Up
from tests.e2e.test_console import ADMIN, sign_in

__all__ = ["browser", "page"]  # fixtures
READER = "customer@durubitnaru.example"
TITLE = "The long way of a refund"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


def ask(page: Page, question: str) -> None:
    """Ask at the end of the conversation, and wait until the answer is kept."""
    page.locator("#question").fill(question)
    page.keyboard.press("Enter")
    expect(page.locator(".turn").last.locator(".answer")).to_have_attribute("data-state", re.compile("done|refused"), timeout=15_000)
    page.wait_for_url(re.compile("/threads/"))


def check(page: Page) -> None:
    """Nobody is kept out, and nothing is wider than the window."""
    found = Axe().run(page).response["violations"]
    assert [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in found if fault["impact"] in {"serious", "critical"}] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_conversation_is_kept_branched_found_shared_and_deleted(demo_up: Up, page: Page, browser: Browser) -> None:
    sign_in(demo_up, page)
    page.goto(demo_up.url + "/?lang=en")
    ask(page, "How long does a refund take?")
    ask(page, "Does it go back to the card?")
    address = page.url.partition("?")[0]
    last = page.locator(".turn").last
    last.get_by_role("button", name="Edit").click()
    last.get_by_role("textbox", name="Question").fill("And what about a bank transfer?")
    page.keyboard.press("Enter")
    expect(page.locator(".siblings")).to_contain_text("2 of 2", timeout=15_000)
    page.goto(address)
    expect(page.locator(".siblings")).to_contain_text("2 of 2")
    page.locator(".sentence-mark").first.press("Enter")
    expect(page.locator("#sources .finding h3")).to_be_focused()
    expect(page.locator("#sources mark").first).to_contain_text("business days")
    check(page)
    page.keyboard.press("Escape")
    expect(page.locator(".sentence-mark").first).to_be_focused()
    expect(page.locator(".verdict").first).to_contain_text(re.compile(r"index v\d+"))
    check(page)
    page.get_by_role("link", name="The one before").click()
    expect(page.locator(".question").last).to_have_text("Does it go back to the card?")
    page.locator(".citation button").first.click()
    expect(page.locator("mark").first).to_contain_text("business days")
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("Name", exact=True).fill(TITLE)
    page.get_by_role("button", name="Save").first.click()
    page.get_by_role("button", name="Share", exact=True).click()
    page.get_by_label("People").fill(READER)
    page.locator("#share").get_by_role("button", name="Save").click()
    expect(page.get_by_text("The conversation is shared.")).to_be_visible()
    page.locator("#thread-words").press_sequentially("bank transfer")
    expect(page.locator(".thread-excerpt").first).to_contain_text("bank transfer")
    context = browser.new_context(locale="en-GB", viewport={"width": 390, "height": 844}, reduced_motion="reduce")
    other = context.new_page()
    sign_in(demo_up, other, READER)
    other.goto(demo_up.url + "/threads?shared=with_me")
    other.get_by_role("button", name="Conversations").click()
    other.get_by_role("link", name=re.compile(TITLE)).click()
    expect(other.locator("#thread-head")).to_contain_text(f"Shared by {ADMIN}")
    expect(other.locator(".question").first).to_have_text("How long does a refund take?")
    expect(other.locator("#composer")).to_have_count(0)
    check(other)
    page.goto(address)
    page.get_by_role("button", name="Delete").first.click()
    expect(page.locator("#delete")).to_contain_text("All 3 questions")
    page.locator("#delete").get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("The conversation was deleted.")).to_be_visible()
    check(page)
    page.get_by_role("button", name="Undo").press("Enter")
    expect(page.get_by_text("The conversation is there again.")).to_be_visible()
    expect(page.locator("#thread-head h1")).to_have_text(TITLE)
    page.get_by_role("button", name="Delete").first.click()
    page.locator("#delete").get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("The conversation was deleted.")).to_be_visible()
    gone = other.goto(address)
    assert gone is not None and gone.status == 404
    context.close()

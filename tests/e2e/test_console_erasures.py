"""An erasure in a real browser against the running demo: counted first, followed, and its receipt checked in the page and taken along."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import CHROMIUM, browser, page
from tests.e2e.conftest import Up
from tests.e2e.test_console import sign_in

__all__ = ["browser", "page"]  # fixtures

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


def test_a_document_is_erased_from_its_page_and_the_receipt_holds(demo_up: Up, page: Page, tmp_path: Path) -> None:
    sign_in(demo_up, page)
    page.goto(demo_up.url + "/knowledge?lang=en")
    page.get_by_label("Name").fill("dockyard")
    page.get_by_role("button", name="Make it").click()
    file = tmp_path / "crane.md"
    file.write_text("# Crane\n\nThe crane of the dockyard lifts ninety tonnes.\n", "utf-8")
    page.locator("#files").set_input_files(file)
    expect(page.locator("#uploads li")).to_contain_text("can be found now", timeout=30_000)
    page.goto(demo_up.url + "/knowledge/dockyard")
    page.get_by_role("link", name="Crane").click()
    page.get_by_role("link", name="Erase for good").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("This will go")
    expect(page.get_by_role("row", name="Data key")).to_contain_text("Key destroyed")
    page.get_by_label("Reason").fill("ticket-4711")
    page.get_by_role("button", name="Erase", exact=True).click()
    expect(page.locator("#ask")).to_contain_text("cannot be brought back")
    page.get_by_role("button", name="Yes, go on").click()
    page.get_by_role("button", name="Verify now").click(timeout=60_000)
    expect(page.get_by_text("The receipt holds")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("row", name="Originals and texts of passages")).to_contain_text("0")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as JSON").click()
    taken = json.loads(download.value.path().read_text("utf-8"))
    assert taken["receipt"]["reason"] == "ticket-4711" and taken["signature"]
    page.goto(demo_up.url + "/knowledge/dockyard/search?question=crane")
    expect(page.locator(".hit")).to_have_count(0)
    page.goto(demo_up.url + "/erasures")
    expect(page.get_by_role("row", name="ticket-4711")).to_contain_text("Proved")

"""Another version of an index in a real browser against the running demo: built beside the one that serves, compared, let serve, taken back."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import CHROMIUM, browser, page
from tests.e2e.conftest import Up
from tests.e2e.test_console import sign_in

__all__ = ["browser", "page"]  # fixtures

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


def test_a_version_is_built_compared_let_serve_and_taken_back(demo_up: Up, page: Page, tmp_path: Path) -> None:
    sign_in(demo_up, page)
    page.goto(demo_up.url + "/knowledge?lang=en")
    page.get_by_label("Name").fill("drydock")
    page.get_by_role("button", name="Make it").click()
    file = tmp_path / "sluice.md"
    file.write_text("# Sluice\n\nThe sluice of the drydock opens at high tide.\n", "utf-8")
    page.locator("#files").set_input_files(file)
    expect(page.locator("#uploads li")).to_contain_text("can be found now", timeout=30_000)
    page.get_by_role("link", name="Index versions").click()
    page.get_by_label("Characters wanted").fill("200")
    page.get_by_label("At most").fill("400")
    page.get_by_role("button", name="Build", exact=True).click()
    row = page.locator("tbody tr").first
    expect(row).to_contain_text("Ready", timeout=60_000)
    page.reload()
    page.get_by_label("First", exact=True).select_option("1")
    page.get_by_label("Second", exact=True).select_option("2")
    page.get_by_label("Golden set").select_option("help-en")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_role("row", name="Recall in the first ten")).to_be_visible()
    page.get_by_role("button", name="Let it serve: 2").click()
    expect(page.locator("#ask")).to_contain_text("Characters wanted 600 → 200")
    page.get_by_role("button", name="Yes, go on").click()
    expect(page.get_by_role("row", name="Serves")).to_contain_text("200–400")
    page.get_by_role("button", name="Roll back").click()
    expect(page.locator("#ask")).to_contain_text("Version 1 serves again.")
    page.get_by_role("button", name="Yes, go on").click()
    expect(page.get_by_role("row", name="Serves")).to_contain_text("600–1,200")

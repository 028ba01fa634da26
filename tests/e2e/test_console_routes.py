"""A model's route in a real browser against the running demo: added by its address, given a second target and other weights."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.e2e.browsing import CHROMIUM, browser, page
from tests.e2e.conftest import Up
from tests.e2e.test_console import sign_in

__all__ = ["browser", "page"]  # fixtures

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


def test_a_model_gets_a_second_target_and_other_weights(demo_up: Up, page: Page) -> None:
    sign_in(demo_up, page)
    page.goto(demo_up.url + "/models/new?lang=en")
    page.locator("#provider").fill("quay")
    page.locator("#base_url").fill("https://models.example/v1")
    page.locator("#credential").fill("sk-nobody")
    page.locator("#model").fill("large")
    page.locator("#alias").fill("quay/large")
    page.locator("main form button[type=submit]").click()
    page.goto(demo_up.url + "/models")
    page.get_by_role("link", name="quay/large").click()
    expect(page.get_by_text("No requests yet.")).to_be_visible()
    page.locator("#weight_0").fill("3")
    page.locator("#provider_1").select_option("quay")
    page.locator("#name_1").fill("small")
    page.get_by_label("Keep a conversation with one target").uncheck()
    page.get_by_role("button", name="Save the route").click()
    expect(page.locator("#ask")).to_contain_text("Requests for quay/large follow")
    page.get_by_role("button", name="Yes, go on").click()
    expect(page.get_by_text("Requests follow within about a second.")).to_be_visible()
    expect(page.get_by_role("row", name="small")).to_contain_text("25%")
    expect(page.get_by_label("Keep a conversation with one target")).not_to_be_checked()
    found = Axe().run(page).response["violations"]
    assert [fault["id"] for fault in found if fault["impact"] in {"serious", "critical"}] == []
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

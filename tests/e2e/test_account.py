"""One's own account in real browsers: a second sign-in is seen in the first, and ended from there."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import CHROMIUM, browser, page
from tests.e2e.conftest import Up
from tests.e2e.test_console import PASSWORD, sign_in

__all__ = ["browser", "page"]  # fixtures
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
LOGIN = "support@durubitnaru.example"


def test_another_browser_is_signed_out_from_here_and_the_password_is_changed(demo_up: Up, browser: Browser, page: Page) -> None:
    sign_in(demo_up, page, LOGIN)
    context = browser.new_context(locale="ko-KR", user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    other = context.new_page()
    other.goto(demo_up.url + "/sign-in")
    other.locator("input[name=organisation]").fill("demo")  # prefilled only where tests before made no other one
    other.locator("#login").fill(LOGIN)
    other.locator("input[type=password]").fill(PASSWORD)
    other.locator("form button[type=submit]").first.click()
    other.wait_for_url(demo_up.url + "/")
    page.goto(demo_up.url + "/me?lang=en")
    row = page.get_by_role("row").filter(has_text="Firefox · Linux")
    expect(row).to_have_count(1)
    row.get_by_role("button", name="End").click()
    page.get_by_role("button", name="Yes, go on").click()
    expect(page.get_by_text("It was ended.")).to_be_visible()
    other.goto(demo_up.url + "/me")
    other.wait_for_url(demo_up.url + "/sign-in")
    context.close()
    page.get_by_label("Present password").fill(PASSWORD)
    page.get_by_label("New password").fill(PASSWORD + " indeed")
    page.get_by_role("button", name="Change it").click()
    expect(page.get_by_text("The password was changed")).to_be_visible()

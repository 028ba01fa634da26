"""A real browser for end-to-end tests, which listens to what the pages complain of."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_LOG = logging.getLogger("tests.page")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="ko-KR", viewport={"width": 1280, "height": 820}, accept_downloads=True, reduced_motion="reduce")
    opened = context.new_page()
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        expected = "410 (Gone)" in message.text  # the page of a used-up link
        if message.type in ("error", "warning") and not expected:
            complaints.append(message.text)

    opened.on("console", listen)
    began = time.monotonic()

    def tell(what: str, about: object, url: str) -> None:
        _LOG.warning("%7.3f %s %s %s", time.monotonic() - began, what, about, url)  # shown beside a failure

    opened.on("request", lambda request: tell("asked", request.method, request.url))
    opened.on("response", lambda response: tell("answered", response.status, response.url))
    opened.on("requestfailed", lambda request: tell("failed", request.failure, request.url))
    yield opened
    tell("ended at", "", opened.url)
    _LOG.warning(opened.locator("body").inner_text(timeout=2_000)[:2_000])
    context.close()
    assert complaints == []

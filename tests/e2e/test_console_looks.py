"""Key pages look as they are stored to look, in light and dark, in both languages and on a phone; and every section stands in the same frame."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser

from benchmarks.console.crawl import SECTIONS
from tests.e2e.browsing import CHROMIUM, browser
from tests.e2e.conftest import Up
from tests.e2e.looks import FRAME, LOOKS, PAGES, Look, differences, facts_of, read_stored
from tests.e2e.test_console import sign_in

__all__ = ["browser"]  # a fixture
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
RENEW = "if that is meant, `python scripts/pictures.py` stores the new look"
BREAKS = {
    "a colour": "document.querySelector('.button.primary').style.backgroundColor = 'hotpink'",
    "a place": "document.querySelector('main').style.marginLeft = '60px'",
    "a size": "document.querySelector('h1').style.fontSize = '11px'",
    "a part": "document.querySelector('.field').remove(); document.querySelectorAll('.field').forEach(one => one.remove())",
    "the frame": "document.querySelector('.side').style.display = 'none'",
}


@pytest.fixture(scope="module")
def state(demo_up: Up, browser: Browser) -> Any:
    """What the browser of somebody who is signed in holds."""
    context = browser.new_context(locale="ko-KR")
    sign_in(demo_up, context.new_page())
    held = context.storage_state()
    context.close()
    return held


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
def test_key_pages_look_as_they_are_stored(demo_up: Up, browser: Browser, state: Any, look: Look) -> None:
    stored = read_stored()[look.name]
    assert set(stored) == set(PAGES)
    for address in PAGES:
        with look.window(browser, None if address == "/sign-in" else state) as page:
            page.goto(demo_up.url + address)
            assert differences(stored[address], facts_of(page)) == [], f"{address}, {look.name}: {RENEW}"


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
def test_every_section_stands_in_the_same_frame(demo_up: Up, browser: Browser, state: Any, look: Look) -> None:
    frame = {part: facts for part, facts in read_stored()[look.name]["/home"].items() if part in FRAME}
    assert {".bar", "main", "main h1"} <= set(frame)
    with look.window(browser, state) as page:
        for address in SECTIONS[1:]:
            page.goto(demo_up.url + address)
            assert differences(frame, facts_of(page)) == [], f"{address}, {look.name}"


@pytest.mark.parametrize("broken", BREAKS)
def test_a_page_that_breaks_is_noticed(demo_up: Up, browser: Browser, state: Any, broken: str) -> None:
    with LOOKS[0].window(browser, state) as page:
        page.goto(demo_up.url + "/keys/new")
        wanted = read_stored()["light"]["/keys/new"]
        assert differences(wanted, facts_of(page)) == []
        page.evaluate(BREAKS[broken])
        assert differences(wanted, facts_of(page)) != []

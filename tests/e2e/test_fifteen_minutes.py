"""The first fifteen minutes with the console, as one journey on a platform of its own, with the clicks counted."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from ondol.infrastructure.serving.scripted import Reply
from tests.e2e.browsing import CHROMIUM, browser, page
from tests.e2e.conftest import Up, free_port, open_temporary_folder, run
from tests.e2e.scripted_upstream import Upstream, upstream_thread
from tests.e2e.test_console import open_request, sign_in

__all__ = ["browser", "page"]  # fixtures

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
CLICKS_TO_AN_ASSISTANT_MAX = 10
SAID = "The lantern of Odu light is lit by hand."
WORDS = 200
"""A stream of so many words, one each tenth of a second, that nobody reads to its end."""


@dataclass
class Hand:
    """Clicks, counted."""

    page: Page
    clicks: int = 0

    def click(self, target: Locator) -> None:
        self.clicks += 1
        target.click()

    def go(self, section: str) -> None:
        self.click(self.page.locator("nav.side").get_by_role("link", name=section, exact=True))


@pytest.fixture
def own_up() -> Iterator[Up]:
    """The demo, run by its own tenant: so that it may name models of its own network."""
    with open_temporary_folder() as folder:
        up = Up(folder / "data", free_port())
        up.start()
        run(up.folder, "tenant", "operator", "demo")
        yield up
        up.stop()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with upstream_thread() as opened:
        yield opened


def test_from_the_link_to_the_quality_board(own_up: Up, page: Page, upstream: Upstream, tmp_path: Path) -> None:
    sign_in(own_up, page)
    page.goto(own_up.url + "/home?lang=en")
    hand = Hand(page)

    # Files are dropped, and found.
    hand.go("Knowledge")
    page.get_by_label("Name").fill("odu")
    hand.click(page.get_by_role("button", name="Make it"))
    file = tmp_path / "lantern.md"
    file.write_text("# Lantern\n\nThe lantern of Odu light turns once in nineteen seconds.\n", "utf-8")
    page.get_by_label("Security class").select_option("public")
    page.locator("#files").set_input_files(file)
    expect(page.locator("#uploads li")).to_contain_text("can be found now", timeout=60_000)

    # An assistant that answers from them, and asked.
    hand.go("Assistants")
    hand.click(page.get_by_role("link", name="New assistant"))
    page.locator("#name").fill("odu-guide")
    page.get_by_label("Title in English").fill("Odu guide")
    page.get_by_label("Knowledge base").select_option("odu")
    hand.click(page.get_by_role("button", name="Make it"))
    expect(page.get_by_text("Release 1 serves now")).to_be_visible()
    hand.go("Ask")
    page.locator("#assistant").select_option("assistant/odu-guide")
    page.locator("#question").fill("How often does the lantern of Odu light turn?")
    page.keyboard.press("Enter")
    expect(page.get_by_text("nineteen seconds", exact=False).first).to_be_visible(timeout=60_000)
    assert hand.clicks <= CLICKS_TO_AN_ASSISTANT_MAX

    # A model by its address, beside the assistant.
    upstream.model.say(Reply(SAID))
    page.goto(own_up.url + "/models/new")
    page.locator("#provider").fill("odu-models")
    page.locator("#base_url").fill(upstream.model.base_url)
    page.get_by_label("It is in our own network").check()
    page.locator("#credential").fill("sk-of-the-provider")
    page.locator("#model").fill("scripted")
    page.locator("#alias").fill("odu-small")
    page.get_by_role("button", name="Add it").click()
    page.get_by_role("button", name="Test it").click()
    expect(page.get_by_text("It answers:", exact=False)).to_be_visible()
    page.get_by_role("link", name="Side by side").click()
    page.locator("#question").fill("How often does the lantern of Odu light turn?")
    page.locator("#first").select_option("odu-small")
    page.locator("#second").select_option("assistant/odu-guide")
    page.get_by_role("button", name="Ask both").click()
    expect(page.locator("[data-answer=first]")).to_contain_text(SAID, timeout=30_000)
    expect(page.locator("[data-answer=second]")).to_contain_text("nineteen seconds", timeout=30_000)

    # A resident number is stopped, and stands in the log without its digits.
    page.goto(own_up.url + "/")
    page.locator("#question").fill("My number is 880101-2345675. Who minds the lantern of Odu?")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Not answered under the operator's policy").first).to_be_visible(timeout=15_000)
    open_request(own_up, page, "kr_resident_number", "?outcome=refused")
    assert "880101" not in page.content()

    # A key is revoked, and its stream ends.
    page.goto(own_up.url + "/keys/new")
    page.get_by_label("Name").fill("odu-key")
    page.get_by_role("button", name="Make the key").click()
    key = page.locator("#key-text").inner_text()
    upstream.model.say(Reply(pieces=["word "] * WORDS, between_s=0.1))
    read, started = Reading(own_up.url, key), threading.Event()
    reader = threading.Thread(target=read.read, args=(started,), daemon=True)
    reader.start()
    assert started.wait(30), read.told
    page.goto(own_up.url + "/keys")
    page.get_by_role("row", name=re.compile("odu-key")).get_by_role("button", name="Revoke").click()
    page.get_by_role("button", name="Yes, go on").click()
    expect(page.get_by_text("The key was revoked.")).to_be_visible()
    reader.join(15)
    assert not reader.is_alive() and "[DONE]" not in read.told and "revoked" in read.told

    # A document is erased, and the receipt read.
    page.goto(own_up.url + "/knowledge/odu")
    page.get_by_role("link", name="Lantern").click()
    page.get_by_role("link", name="Erase for good").click()
    page.get_by_label("Reason").fill("odu-4711")
    page.get_by_role("button", name="Erase", exact=True).click()
    page.get_by_role("button", name="Yes, go on").click()
    page.get_by_role("button", name="Verify now").click(timeout=60_000)
    expect(page.get_by_text("The receipt holds")).to_be_visible(timeout=30_000)

    page.goto(own_up.url + "/evaluation")
    page.get_by_role("link", name="Quality", exact=True).click()
    expect(page.get_by_role("row", name=re.compile("Refuses rightly"))).to_be_visible()


@dataclass
class Reading:
    """An application that reads a stream until it ends."""

    url: str
    key: str
    told: str = ""

    def read(self, started: threading.Event) -> None:
        body = {"model": "odu-small", "stream": True, "messages": [{"role": "user", "content": "Count."}]}
        headers = {"authorization": f"Bearer {self.key}"}
        for _ in range(30):  # a worker knows a new key and a new model within a second or two
            with httpx.stream("POST", f"{self.url}/v1/chat/completions", json=body, headers=headers, timeout=60) as answer:
                if answer.status_code != 200:
                    self.told = answer.read().decode()
                    continue
                for piece in answer.iter_text():
                    self.told += piece
                    if "word" in self.told:
                        started.set()
                return

"""What people come to the console for, done by a browser on a platform with its whole history: each journey passes or says where it ended."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Error, Page, expect

from benchmarks.console.in_browser import opened
from benchmarks.console.stand import Stand

STEP_MS_MAX: Final = 15_000
TRIES: Final = 10
"""A record stands in the log about a second after its answer."""


def ask(page: Page, address: str) -> None:
    """A question is answered from the documents."""
    page.goto(f"{address}/?lang=en")
    page.get_by_role("textbox").fill("How long does a refund take?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Not helpful").first).to_be_visible()


def stop_a_number(page: Page, address: str) -> None:
    """A resident number is stopped, and stands in the log without its digits."""
    page.goto(f"{address}/?lang=en")
    page.get_by_role("textbox").fill("My resident number is 900101-1234568. How do I transfer a domain?")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Not answered under the operator's policy").first).to_be_visible()
    page.goto(f"{address}/guard")
    page.locator("tbody a").first.click()
    expect(page.locator("main")).to_contain_text("[KR_RESIDENT_NUMBER")
    assert "900101" not in page.content()


def make_and_revoke_a_key(page: Page, address: str) -> None:
    """A key is made, shown once, and revoked."""
    name = f"journey-{time.time_ns()}"
    page.goto(f"{address}/keys/new?lang=en")
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Make the key").click()
    expect(page.locator("#key-text")).to_contain_text("sk-ondol-")
    page.goto(f"{address}/keys")
    page.get_by_role("row", name=re.compile(name)).get_by_role("button", name="Revoke").click()
    page.get_by_role("button", name="Yes, go on").click()
    expect(page.get_by_role("row", name=re.compile(name))).to_contain_text("Revoked")


def from_a_file_to_an_assistant(page: Page, address: str) -> None:
    """A file is dropped, found, and answered from by an assistant that is made of it."""
    name = f"journey-{time.time_ns()}"
    page.goto(f"{address}/knowledge?lang=en")
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Make it").click()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "beacon.md")
        file.write_text("# Beacon\n\nThe beacon of Kamtsa harbour blinks every eleven seconds.\n", "utf-8")
        page.get_by_label("Security class").select_option("public")
        page.locator("#files").set_input_files(file)
        expect(page.locator("#uploads li")).to_contain_text("can be found now")
    page.goto(f"{address}/assistants/new?base={name}")
    page.locator("#name").fill(name)
    page.get_by_label("Title in English").fill(name)
    page.get_by_role("button", name="Make it").click()
    page.goto(address)
    page.locator("#assistant").select_option(f"assistant/{name}")
    page.get_by_role("textbox").fill("How often does the beacon of Kamtsa harbour blink?")
    page.keyboard.press("Enter")
    expect(page.get_by_text("eleven seconds", exact=False).first).to_be_visible()


def follow_a_request(page: Page, address: str) -> None:
    """The newest request is opened and tells where its time went."""
    page.goto(f"{address}/requests?lang=en&outcome=answered")
    page.locator("#rows a").first.click()
    expect(page.locator("main")).to_contain_text("Guard")


def see_ninety_days(page: Page, address: str) -> None:
    """What ninety days cost, by person, with the chart drawn and the same figures in a table."""
    page.goto(f"{address}/usage?lang=en&period=90&by=person")
    expect(page.locator(".chart canvas").first).to_be_visible()
    assert page.locator(".chart details tbody tr").count() == 90, "a row for each day"


JOURNEYS: Final[Mapping[str, Callable[[Page, str], None]]] = {
    "ask": ask,
    "stop a number": stop_a_number,
    "make and revoke a key": make_and_revoke_a_key,
    "from a file to an assistant": from_a_file_to_an_assistant,
    "follow a request": follow_a_request,
    "see ninety days": see_ninety_days,
}


def journey_figures(stand: Stand) -> dict[str, Any]:
    """How many passed, and why the others did not."""
    failed: dict[str, str] = {}
    with stand.working(), opened(stand, "en") as page:
        page.set_default_timeout(STEP_MS_MAX)
        expect.set_options(timeout=STEP_MS_MAX)
        for name, journey in JOURNEYS.items():
            try:
                journey(page, stand.address)
            except (Error, AssertionError) as error:
                failed[name] = str(error).strip().partition("\n")[0]
    return {"journeys": len(JOURNEYS), "journeys_passed": len(JOURNEYS) - len(failed), "journeys_failed": failed}

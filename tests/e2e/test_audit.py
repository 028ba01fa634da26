"""The audit log in a real browser: a proof that the reader's own browser checks, and refuses when a single character is another."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import CHROMIUM, browser, page
from tests.e2e.conftest import Up
from tests.e2e.test_console import sign_in

__all__ = ["browser", "page"]  # fixtures
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
NO_ED25519 = """
const known = SubtleCrypto.prototype.importKey;
SubtleCrypto.prototype.importKey = function (format, key, algorithm, ...rest) {
  if (algorithm.name === "Ed25519") return Promise.reject(new DOMException("not known here", "NotSupportedError"));
  return known.call(this, format, key, algorithm, ...rest);
};
"""
NO_CRYPTOGRAPHY = "Object.defineProperty(Crypto.prototype, 'subtle', { get: () => undefined });"


def open_declaration(up: Up, page: Page) -> None:
    """Open the event of the demo's declaration, which was sealed when the platform began."""
    page.goto(f"{up.url}/audit?lang=en&area=audit.area.models")
    page.get_by_role("row", name=re.compile("declaration.applied")).last.get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("A declaration was applied")


def test_a_proof_is_checked_by_the_browser_and_one_altered_character_is_refused(demo_up: Up, page: Page) -> None:
    sign_in(demo_up, page)
    open_declaration(demo_up, page)
    proof = page.locator("#proof")
    expect(proof).to_have_attribute("data-state", "good")
    expect(proof.get_by_text("The proof holds")).to_be_visible()
    expect(proof.get_by_text("Seen for the first time")).to_be_visible()
    page.locator("#proof summary").click()
    box = proof.get_by_label("The proof (JSON)")
    text = box.input_value()
    told = json.loads(text)
    digit = told["batch"]["signature"][0]
    altered = {
        "event": {**told, "text": told["text"].replace('"kind":"declaration.applied"', '"kind":"declaration.applieD"')},
        "path": {**told, "text": told["text"] + " "},
        "batch": {**told, "batch": {**told["batch"], "text": told["batch"]["text"] + " "}},
        "signature": {**told, "batch": {**told["batch"], "signature": ("1" if digit == "0" else "0") + told["batch"]["signature"][1:]}},
        "key": {**told, "public_key": "00" * 32},
    }
    for step, other in altered.items():
        box.fill(json.dumps(other, ensure_ascii=False))
        page.get_by_role("button", name="Check again").click()
        expect(proof.locator(f'[data-step="{step}"]')).to_have_attribute("data-state", "bad")
        expect(proof.get_by_text("The proof does not hold")).to_be_visible()
    box.fill("no proof at all")
    page.get_by_role("button", name="Check again").click()
    expect(proof.locator('[data-step="path"]')).to_have_attribute("data-state", "bad")
    box.fill(text)
    page.get_by_role("button", name="Check again").click()
    expect(proof.get_by_text("The proof holds")).to_be_visible()
    expect(proof.get_by_text(re.compile("^The one that this browser saw first"))).to_be_visible()


def test_a_page_that_shows_something_else_than_its_proof_is_found_out(demo_up: Up, page: Page) -> None:
    sign_in(demo_up, page)
    open_declaration(demo_up, page)
    expect(page.locator("#proof")).to_have_attribute("data-state", "good")
    for name, value in (("body", '{"other": 1}'), ("kind", "key.revoked"), ("actor", "somebody"), ("at", "2020-01-01T00:00:00Z")):
        page.reload()
        page.locator("#event").evaluate("(node, [name, value]) => { node.dataset[name] = value; }", [name, value])
        page.locator("#proof summary").click()
        page.get_by_role("button", name="Check again").click()
        expect(page.locator('[data-step="event"]')).to_have_attribute("data-state", "bad")


@pytest.mark.parametrize(
    ("missing", "told"), [(NO_ED25519, "This browser cannot check Ed25519"), (NO_CRYPTOGRAPHY, "the browser withholds its cryptography")]
)
def test_what_a_browser_cannot_check_is_said_plainly(demo_up: Up, page: Page, missing: str, told: str) -> None:
    page.add_init_script(missing)
    sign_in(demo_up, page)
    open_declaration(demo_up, page)
    expect(page.get_by_text(told)).to_be_visible()
    expect(page.get_by_text("The proof holds")).to_be_hidden()


def test_the_chain_is_followed_from_what_this_browser_saw_last(demo_up: Up, page: Page) -> None:
    sign_in(demo_up, page)
    page.goto(demo_up.url + "/audit?lang=en")
    page.get_by_role("button", name="Check that it went on").click()
    expect(page.get_by_text("Seen for the first time: its end is remembered")).to_be_visible()
    before = json.loads(page.evaluate("localStorage.getItem('ondol ledger head')"))
    with page.expect_download() as waiting:  # which is an event itself
        page.get_by_role("link", name="Download JSONL").click()
    lines = Path(waiting.value.path()).read_text("utf-8").splitlines()
    assert any(json.loads(line)["kind"] == "session.opened" for line in lines)
    for _ in range(50):
        page.goto(demo_up.url + "/audit?lang=en")
        if json.loads(str(page.locator("#chain").get_attribute("data-text")))["number"] > before["number"]:
            break
    page.get_by_role("button", name="Check that it went on").click()
    expect(page.get_by_text("It went on without a break")).to_be_visible()
    assert json.loads(page.evaluate("localStorage.getItem('ondol ledger head')"))["number"] > before["number"]
    forged = json.dumps({**before, "digest": "00" * 32})
    page.evaluate("forged => localStorage.setItem('ondol ledger head', forged)", forged)
    page.get_by_role("button", name="Check that it went on").click()
    expect(page.get_by_text("It does not go on from what you last saw")).to_be_visible()

"""Evaluation in a real browser against the running demo: from a suite that is written and priced to what came of it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import CHROMIUM, browser, page
from tests.e2e.conftest import Up
from tests.e2e.test_console import ADMIN, sign_in

__all__ = ["browser", "page"]  # fixtures

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
SUITE = """card: {{name: {name}, owner: me, purpose: p, risk: limited, users: customers, success: {{correct: 0.5}}}}
target: {{assistant: help}}
cases:
  - {{question: "환불은 며칠 안에 처리되나요?", expected: ["영업일"], language: ko}}
  - {{question: "How long does a refund take?", expected: ["business days"], language: en}}
slices: [language]
scorers: [{{name: correct, type: contains_all}}]
"""
HAND_IN = """async (body) => (await fetch("/api/v1/evaluation/review-queues/by-keyboard/items", {
    method: "POST", headers: {"content-type": "application/json", "x-ondol-request": "console"}, body: JSON.stringify(body),
})).status"""
"""What one asked oneself, one does not judge: the answer comes by the API."""


def begin_run(up: Up, page: Page, name: str) -> str:
    """Begin a run of a small suite in the browser, and wait for what comes of it; the address of its page."""
    page.goto(up.url + "/evaluation/new?lang=en")
    page.get_by_label("Suite", exact=True).fill(SUITE.format(name=name))
    page.get_by_role("button", name="What will it cost?").click()
    expect(page.locator("#estimate")).to_contain_text("2 cases")
    page.get_by_role("button", name=f"Begin {name}").click()
    expect(page.get_by_text("The run was begun.")).to_be_visible()
    expect(page.locator("#live")).not_to_contain_text("asked", timeout=60_000)
    page.reload()
    return page.url.partition("?")[0]


def test_a_suite_is_written_priced_begun_and_followed_to_its_outcome(demo_up: Up, page: Page) -> None:
    sign_in(demo_up, page)
    address = begin_run(demo_up, page, "two-questions")
    expect(page.locator(".page-head")).to_contain_text("Passed")
    expect(page.get_by_role("row", name=re.compile("correct"))).to_contain_text("2 / 2")
    page.get_by_role("link", name="Run again").click()
    expect(page.get_by_label("A suite that was run before")).to_have_value(address.rpartition("/")[2])
    page.goto(address)
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Yes, go on").click()
    expect(page.get_by_text("The run was deleted.")).to_be_visible()


def test_an_answer_is_evaluated_again_another_is_judged_by_keyboard_and_the_board_says_what_was_not_measured(demo_up: Up, page: Page) -> None:
    sign_in(demo_up, page)
    page.goto(demo_up.url + "/?lang=en")
    page.get_by_role("textbox").fill("How long does a refund take?")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Evaluate").click(timeout=15_000)
    page.get_by_role("button", name="Evaluate", exact=True).click()
    expect(page.get_by_role("row", name=re.compile("In the language of the question"))).to_contain_text("yes")
    page.goto(demo_up.url + "/reviews/new")
    page.get_by_label("Name").fill("by-keyboard")
    page.get_by_label("Raters").fill(ADMIN)
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_text("The queue was made.")).to_be_visible()
    assert page.evaluate(HAND_IN, {"items": [{"question": "How long does a refund take?", "answer": "Seven 😀 days. By card."}]}) == 200
    page.goto(demo_up.url + "/reviews/judge/by-keyboard")
    page.locator("#answer").evaluate("(node) => getSelection().setBaseAndExtent(node.firstChild, 0, node.firstChild, 8)")
    page.get_by_role("button", name="Mark what is selected").click()
    expect(page.locator("[data-marks] input")).to_have_attribute("name", "mark-0-7")  # characters, not the two units of the face
    page.locator("main").click(position={"x": 5, "y": 5})
    for key in "54321":
        page.keyboard.press(key)
    expect(page.locator("[data-scale] input:checked")).to_have_count(5)
    expect(page.get_by_role("button", name="Keep and go on")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing is left for you")).to_be_visible()
    page.goto(demo_up.url + "/evaluation/quality")
    expect(page.get_by_role("row", name=re.compile("Reproducible builds"))).to_contain_text("not measured yet")

"""Evaluation in a real browser against the running demo: from a suite that is written and priced to what came of it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import CHROMIUM, browser, page
from tests.e2e.conftest import Up
from tests.e2e.test_console import sign_in

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

"""Prompts in a real browser against the running demo: one is written, looked at, kept, labelled, and made a candidate."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import CHROMIUM, browser, page
from tests.e2e.conftest import Up
from tests.e2e.test_console import sign_in

__all__ = ["browser", "page"]  # fixtures

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


def test_a_prompt_is_written_seen_kept_labelled_and_made_a_candidate(demo_up: Up, page: Page) -> None:
    sign_in(demo_up, page)
    page.goto(demo_up.url + "/prompts/assistant?lang=en")
    page.get_by_role("link", name="Copy and change").click()
    page.locator("#name").fill("night-desk")
    page.locator("#en_role").fill('you are the $animal of "$organisation".')
    expect(page.locator("#seen")).to_contain_text("has no type")
    page.locator("#variable_name_2").fill("animal")
    page.locator("#variable_value_2").fill("owl")
    expect(page.locator("#seen")).to_contain_text("you are the owl of", timeout=15_000)
    page.get_by_label("Assistant", exact=True).select_option("help")
    page.get_by_label("Golden set").select_option("help-ko")
    page.get_by_role("button", name="Answer the cases").click()
    expect(page.get_by_text("quotes sentences of documents without a model")).to_be_visible()
    expect(page.locator("#seen .passages > li")).to_have_count(3)
    expect(page.locator("#en_role")).to_have_value('you are the $animal of "$organisation".')
    page.get_by_role("button", name="Keep as a new version").click()
    expect(page.get_by_text("It was kept as a new version.")).to_be_visible()
    page.get_by_label("Label", exact=True).fill("tried")
    page.get_by_role("button", name="Set a label").click()
    expect(page.get_by_role("row", name=re.compile("tried"))).to_be_visible()
    page.get_by_role("link", name="Edit", exact=True).click()
    page.locator("#en_goal").fill("answer in one sentence.")
    page.get_by_role("button", name="Keep as a new version").click()
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".diff .added")).to_contain_text(["answer in one sentence."])
    page.goto(demo_up.url + "/prompts/night-desk")
    page.get_by_label("$animal").fill("owl")
    page.get_by_role("button", name="Make the candidate").click()
    expect(page.get_by_text("The new release is the candidate.", exact=False)).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("Candidate"))).to_be_visible()

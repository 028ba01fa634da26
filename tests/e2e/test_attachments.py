"""Files that are brought to a conversation in a real browser: dropped, read, asked about alone and beside the documents, and taken away."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.e2e.browsing import CHROMIUM, browser, page
from tests.e2e.conftest import Up
from tests.e2e.test_console import sign_in
from tests.e2e.test_threads import ask, check

__all__ = ["browser", "page"]  # fixtures
NAME = "보일러 설명서.md"
TEXT = "# 보일러 설명서\n\n온수 온도는 최대 65도까지 올릴 수 있습니다. 필터는 세 달마다 청소합니다.\n"
QUESTION = "보일러 필터는 얼마나 자주 청소하나요?"
DROP = """([name, text]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name, {type: 'text/markdown'}));
  const told = {dataTransfer: data, bubbles: true, cancelable: true};
  for (const kind of ['dragover', 'drop']) document.querySelector('#main').dispatchEvent(new DragEvent(kind, told));
}"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


def test_files_are_dropped_asked_about_and_taken_away(demo_up: Up, page: Page) -> None:
    sign_in(demo_up, page)
    page.goto(demo_up.url + "/?lang=ko")
    page.evaluate(DROP, [NAME, TEXT])
    file = page.locator(".file", has_text=NAME)
    expect(file).to_contain_text("준비됨", timeout=30_000)
    page.locator("#attach-input").set_input_files(FilePayload(name="setup.exe", mimeType="application/octet-stream", buffer=b"MZ"))
    expect(page.locator(".file", has_text="setup.exe")).to_contain_text("이 형식의 파일은 읽지 않습니다")
    check(page)
    page.reload()
    expect(file).to_contain_text("준비됨")
    page.get_by_label("이 파일에서만").check()
    ask(page, QUESTION)
    answer = page.locator(".answer").last
    expect(answer).to_contain_text("세 달마다")
    answer.locator(".citation button").first.click()
    expect(page.locator("#sources mark")).to_contain_text("세 달마다")
    expect(page.locator("#sources")).to_contain_text("이 대화의 파일")
    with page.expect_download() as got:
        page.locator("#sources").get_by_role("link", name=re.compile("원본 받기")).click()
    assert got.value.path().read_text("utf-8") == TEXT
    page.keyboard.press("Escape")
    page.get_by_label("이 파일에서만").uncheck()
    ask(page, "결제한 지 며칠 안에 환불을 받을 수 있나요?")
    page.locator(".answer").last.locator(".citation button").first.click()
    expect(page.locator("#sources .source-title").first).not_to_contain_text("보일러")
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 390, "height": 844})
    check(page)
    file.get_by_role("button", name=f"{NAME} 삭제").click()
    expect(page.locator("#file-dialog")).to_contain_text("더 이상 보이지 않습니다")
    check(page)
    page.locator("#file-dialog").get_by_role("button", name="삭제").click()
    expect(file).to_have_count(0)
    page.reload()
    expect(page.locator(".answer").first).to_have_attribute("data-state", "withheld")


def test_a_file_that_holds_no_text_says_so_and_the_question_waits_for_the_others(demo_up: Up, page: Page) -> None:
    sign_in(demo_up, page)
    page.goto(demo_up.url + "/?lang=en")
    page.locator("#question").fill("What does it say?")
    page.locator("#attach-input").set_input_files([FilePayload(name="empty.md", mimeType="text/markdown", buffer=b"  \n")])
    file = page.locator(".file", has_text="empty.md")
    expect(file).to_have_attribute("data-state", "failed", timeout=30_000)
    expect(file).to_contain_text("No text could be read in it.")
    expect(page.locator("#question")).to_have_value("What does it say?")
    expect(page.locator("#alone-choice")).to_be_hidden()
    file.get_by_role("button", name="Remove empty.md").click()
    expect(file).to_have_count(0)
    page.reload()
    expect(file).to_have_count(0)

"""Take the pictures of the console that the guides show: `python scripts/pictures.py`; with `--looks` only how key pages look, which tests compare.

A platform with the demo tenant is started in a folder of its own, asked a few questions, and evaluated. Needs Chromium and the tools of development.
"""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser, FilePayload, Page, sync_playwright

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from tests.e2e.conftest import Up, free_port, open_temporary_folder  # noqa: E402
from tests.e2e.looks import LOOKS, PAGES, Facts, facts_of, write_stored  # noqa: E402

IMAGES = PROJECT / "docs" / "images"
PASSWORD = "correct horse battery"  # noqa: S105 - of a platform that is gone a minute later
QUESTIONS = (
    "환불은 며칠 안에 처리되나요?",
    "How long until a DNS change takes effect?",
    "제 주민번호는 900101-1234568 입니다. 도메인 이전은 어떻게 하나요?",
)
FILE = (
    "보일러 설명서.md",
    "# 보일러 설명서\n\n온수 온도는 최대 65도까지 올릴 수 있습니다. 필터는 세 달마다 청소합니다.\n",
    "보일러 필터는 얼마나 자주 청소하나요?",
)
PICTURED = "/home"
"""The page that is pictured in every look."""
PICTURES = {
    "console-home": "/home",
    "console-search": "/knowledge/help/search?question=%ED%99%98%EB%B6%88%EC%9D%80+%EB%A9%B0%EC%B9%A0%3F",
    "console-assistant": "/assistants/help",
    "console-prompt": "/prompts/assistant",
    "console-erasure": "/erasures/new?base=help&document=ko/refund-policy",
    "console-index": "/knowledge/help/index/compare?first=1&second=1&golden=help-ko",
    "console-route": "/models/routes/quay/large",
    "console-limits": "/limits",
    "console-jobs": "/jobs",
    "console-quality": "/evaluation/quality",
    "console-new-run": "/evaluation/new",
    "console-red-team": "/evaluation/red-team",
    "console-review-queue": "/reviews/new",
    "console-me": "/me",
    "console-widget": "/channels/widgets/help-site",
    "console-bot": "/channels/bots/help-chat",
    "console-settings": "/settings",
}


def main() -> None:
    """Take all of them."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("Chromium is not installed.")
    with open_temporary_folder() as folder:
        up = Up(folder / "data", free_port())
        up.start()
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
                )
                page = browser.new_context(locale="ko-KR", viewport={"width": 1280, "height": 820}, reduced_motion="reduce").new_page()
                _sign_in(up, page)
                _take_looks(up, browser, page)
                if "--looks" in sys.argv:
                    return
                _ask(page)
                _take_files(up, page)
                _run(up, "widget", "create", "help-site", "--assistant", "help", "--origin", "https://shop.example", "--open-documents", "--visitors")
                _make_bot(up)
                _run(up, "eval", "run", "demo")
                _add_model(up, page)
                _add_limits(up, page)
                for name, path in PICTURES.items():
                    _take(up, page, name, path)
                page.goto(up.url + "/evaluation")
                page.locator("tbody a").first.click()
                page.wait_for_load_state()
                page.screenshot(path=IMAGES / "console-evaluation.png")
                page.goto(up.url + "/audit?area=audit.area.models")
                page.locator("tbody a").first.click()
                page.wait_for_selector("#proof[data-state=good]")
                page.screenshot(path=IMAGES / "console-audit.png")
                browser.close()
        finally:
            up.stop()


def _take_looks(up: Up, browser: Browser, page: Page) -> None:
    """Store how key pages look in every way, for the tests, and one picture of the overview in all of them, for people."""
    state = page.context.storage_state()
    facts: dict[str, dict[str, Facts]] = {}
    shots: list[str] = []
    for look in LOOKS:
        facts[look.name] = {}
        for address in PAGES:
            with look.window(browser, None if address == "/sign-in" else state) as window:
                window.goto(up.url + address)
                facts[look.name][address] = facts_of(window)
                if address == PICTURED:
                    window.wait_for_timeout(500)
                    shots.append(base64.b64encode(window.screenshot()).decode())
    write_stored(facts)
    sheet = browser.new_page(viewport={"width": 850, "height": 400})
    images = "".join(f'<img style="height:250px;margin:8px;border:1px solid #ccc" src="data:image/png;base64,{shot}">' for shot in shots)
    sheet.set_content(f"<body style='margin:8px'>{images}</body>")
    sheet.screenshot(path=IMAGES / "console-looks.jpg", type="jpeg", quality=75, full_page=True)
    sheet.close()


def _run(up: Up, *arguments: str, told: str = "") -> None:
    command = [sys.executable, "-m", "ondol.cli.main", "--data-dir", str(up.folder), *arguments]
    subprocess.run(command, check=False, capture_output=True, input=told.encode())


def _make_bot(up: Up) -> None:
    """A bot that answers in a room and knows somebody."""
    _run(up, "bot", "create", "help-chat", "--assistant", "help", told="8f742231b10e8888abcd99\nxoxb-0123456789\n")
    _run(up, "bot", "open", "help-chat", "C0123ABCD")
    _run(up, "bot", "connect", "help-chat", "U0123ABCD", "admin@durubitnaru.example")


def _sign_in(up: Up, page: Page) -> None:
    page.goto(f"{up.url}/welcome?code={up.code}")
    for field in page.locator("input[type=password]").all():
        field.fill(PASSWORD)
    page.locator("form button[type=submit]").first.click()
    page.wait_for_url(re.compile(r"/$"))


def _ask(page: Page) -> None:
    for question in QUESTIONS:
        page.get_by_role("textbox").fill(question)
        page.keyboard.press("Enter")
        page.wait_for_timeout(3_000)


def _take_files(up: Up, page: Page) -> None:
    """A question about a file that was brought to the conversation."""
    name, text, question = FILE
    page.goto(up.url + "/")
    page.locator("#attach-input").set_input_files(FilePayload(name=name, mimeType="text/markdown", buffer=text.encode()))
    page.locator(".file[data-state=ready]").wait_for()
    page.get_by_role("textbox").fill(question)
    page.keyboard.press("Enter")
    page.locator(".citation button").last.click()
    page.wait_for_timeout(500)
    page.screenshot(path=IMAGES / "console-files.png")


def _add_model(up: Up, page: Page) -> None:
    page.goto(up.url + "/models/new")
    for field, text in (("provider", "quay"), ("base_url", "https://models.example/v1"), ("model", "large"), ("alias", "quay/large")):
        page.locator(f"#{field}").fill(text)
    page.locator("main form button[type=submit]").click()
    page.wait_for_load_state()


def _add_limits(up: Up, page: Page) -> None:
    for path, told in (
        ("budgets/new", {"name": "2026", "amount": "3000000", "alarms": "80, 100"}),
        ("new", {"requests_per_minute": "600", "concurrent_max": "20"}),
    ):
        page.goto(f"{up.url}/limits/{path}")
        for field, text in told.items():
            page.locator(f"#{field}").fill(text)
        page.locator("main form button[type=submit]").first.click()
        page.wait_for_load_state()


def _take(up: Up, page: Page, name: str, path: str) -> None:
    page.goto(up.url + path)
    page.wait_for_timeout(500)
    page.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()

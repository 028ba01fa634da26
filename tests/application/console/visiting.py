"""The page in a real browser, whose console must stay silent: for the tests of asking and of what is kept."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from playwright.sync_api import Browser, Page, expect, sync_playwright  # noqa: E402

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)

PASSWORD, CODE = "correct horse battery", "one-time-code_5e1f"
QUESTION = "전액 환불을 받을 수 있나요?"
PASSAGE = "🌱 안내. 첫 결제일부터 30일 안에 취소하면 전액을 환불합니다. 그 뒤에는 쓰지 않은 달만 계산합니다."
QUOTE = "첫 결제일부터 30일 안에 취소하면 전액을 환불합니다."
VIOLATIONS = "addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`))"


@dataclass
class Visit:
    """One browser page at one console."""

    page: Page
    running: Any

    def sign_in(self) -> None:
        self.page.goto(f"{self.running.address}/sign-in")
        self.page.get_by_label("아이디").or_(self.page.get_by_label("Login")).fill("haneul")
        self.page.locator("#password").fill(PASSWORD)
        self.page.locator("#password").press("Enter")
        expect(self.page.locator("#question")).to_be_focused()
        expect(self.page.locator("#send")).to_be_enabled()

    def ask(self, question: str = QUESTION, state: str = "done") -> None:
        self.page.locator("#question").fill(question)
        self.page.locator("#question").press("Enter")
        expect(self.page.locator(".turn").last.locator(".answer")).to_have_attribute("data-state", state)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield started
        started.close()


@pytest.fixture
def options() -> dict[str, Any]:
    """What the browser is like; a test overrides it by parametrisation."""
    return {}


@pytest.fixture
def visit(browser: Browser, running: Any, options: dict[str, Any]) -> Iterator[Visit]:
    """A page whose console must stay silent, but for the failed loads that a test provokes."""
    context = browser.new_context(**{"locale": "ko-KR", "viewport": {"width": 1280, "height": 800}, **options})
    context.add_init_script(VIOLATIONS)
    context.set_default_timeout(10_000)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(f"foreign: {request.url}") if not request.url.startswith(running.address) else None)
    yield Visit(page, running)
    context.close()
    assert [line for line in said if not line.startswith("Failed to load resource")] == []


@pytest.fixture
def script(running: Any, scripts: Any) -> Any:
    """The gateway answers with two citations of a first source and one of a second."""
    text = f'## 환불\n\n{QUOTE} [1] **"30일"**까지입니다. [1]\n\n- 도메인은 제외입니다. [2]\n- 없는 출처 [9]\n'
    sources = [
        scripts.source(1, "환불 정책", PASSAGE, QUOTE, headings=["환불 정책", "환불 기준"], valid_from="2026-04-01"),
        scripts.source(
            2,
            "Domain prices",
            "Domains are never refunded.",
            "never refunded",
            language="en",
            security_class="internal",
            original_url="https://evil.example",
        ),
    ]
    running.gateway.script = scripts.answered(text, sources)
    return running.gateway

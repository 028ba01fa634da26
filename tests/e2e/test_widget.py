"""The widget on a page of another origin, in a real browser: a strict policy, who is asked for, what a hostile page sees, and a closed widget."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.application.channels.signing import signed
from tests.e2e.browsing import CHROMIUM, browser, page
from tests.e2e.conftest import Up, run, run_json
from tests.e2e.foreign import ForeignSite, foreign_site, now_s
from tests.e2e.test_console import sign_in

__all__ = ["browser", "foreign_site", "page"]  # fixtures
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
NAMED = '<ondol-chat token-url="/ondol-token"></ondol-chat>'
WATCHING = """
window.seen = [];
const real = window.fetch;
window.fetch = (url, asked) => { window.seen.push(asked?.headers?.authorization ?? ""); return real(url, asked); };
"""
IN_REACH = """() => {
  const chat = document.querySelector("ondol-chat");
  const kept = [{...chat}, {...localStorage}, {...sessionStorage}];
  return chat.outerHTML + chat.shadowRoot.innerHTML + document.cookie + JSON.stringify(kept);
}"""
QUESTION = "How long does a refund take?"


@pytest.fixture
def refused_page(browser: Browser) -> Iterator[Page]:
    """A page whose browser tells of refusals, as it should."""
    context = browser.new_context(reduced_motion="reduce")
    yield context.new_page()
    context.close()


def widget(up: Up, site: ForeignSite, *options: str) -> dict[str, Any]:
    """A fresh widget for a site, whose server signs as customers of it."""
    name = f"w-{secrets.token_hex(4)}"
    made = run_json(up.folder, "widget", "create", name, "--assistant", "help", "--origin", site.origin, "--open-documents", *options)
    assert isinstance(made, dict)

    def token() -> str:
        at = now_s()
        claims = {"aud": made["public_id"], "sub": "customer-17", "name": "Kim", "iat": at, "exp": at + 120, "jti": secrets.token_hex(8)}
        return signed(made["secret"], claims)

    site.token = token
    return made


def open_chat(page: Page, site: ForeignSite) -> None:
    page.goto(site.origin + "/")
    page.get_by_role("button", name="Open the chat").click()


def ask(page: Page, question: str = QUESTION) -> None:
    page.get_by_role("textbox", name="Question").fill(question)
    page.keyboard.press("Enter")


def test_a_customer_asks_on_a_site_with_a_strict_policy_and_reads_the_sources(demo_up: Up, refused_page: Page, foreign_site: ForeignSite) -> None:
    made = widget(demo_up, foreign_site)
    foreign_site.shows(demo_up.url, made, NAMED)
    open_chat(refused_page, foreign_site)
    expect(refused_page.get_by_role("textbox", name="Question")).to_be_focused()
    ask(refused_page)
    answer = refused_page.get_by_role("article", name="Assistant")
    expect(answer).to_contain_text("Every sentence was checked", timeout=20_000)
    answer.get_by_role("button", name="Show source 1").first.click()
    expect(answer.locator("details[open] blockquote").first).to_be_visible()
    answer.get_by_role("button", name="Helpful", exact=True).click()
    expect(answer).to_contain_text("Thank you for telling us.")
    found = Axe().run(refused_page).response["violations"]
    assert [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in found if fault["impact"] in {"serious", "critical"}] == []
    refused_page.keyboard.press("Escape")
    ask_again = refused_page.get_by_role("button", name="Open the chat")
    refused_page.locator("ondol-chat").get_by_role("button", name="Close").click()
    expect(ask_again).to_be_focused()
    run(demo_up.folder, "widget", "revoke", made["name"])
    ask_again.click()
    ask(refused_page)
    expect(refused_page.get_by_text("This chat is closed.")).to_be_visible(timeout=15_000)
    expect(refused_page.get_by_role("textbox", name="Question")).to_be_disabled()


def test_what_the_documents_do_not_say_is_refused_and_a_visitor_is_stopped_by_themselves(demo_up: Up, page: Page, foreign_site: ForeignSite) -> None:
    made = widget(demo_up, foreign_site, "--visitors")
    foreign_site.shows(demo_up.url, made, "<ondol-chat></ondol-chat>")
    open_chat(page, foreign_site)
    ask(page, "What is the chief accountant's favourite opera?")
    expect(page.get_by_text("The documents do not hold the answer.").first).to_be_visible(timeout=20_000)
    assert "/ondol-token" not in foreign_site.asked
    page.route("**/questions", lambda route: None)  # an answer that does not come
    ask(page)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped.").first).to_be_attached()
    expect(page.get_by_role("button", name="Send")).to_be_visible()


def test_a_site_that_is_not_allowed_gets_no_answer(demo_up: Up, refused_page: Page, foreign_site: ForeignSite) -> None:
    made = widget(demo_up, foreign_site)
    run(demo_up.folder, "widget", "change", made["name"], "--origin", "https://elsewhere.example")
    foreign_site.shows(demo_up.url, made, NAMED)
    refused_page.goto(foreign_site.origin + "/")
    told = "fetch(`${%r}${%r}`, {method: 'POST', body: '{}'}).then(() => 'answered', () => 'refused')"
    assert refused_page.evaluate(told % (demo_up.url, made["script"].replace("ondol-chat.js", "visits"))) == "refused"
    assert refused_page.evaluate("customElements.get('ondol-chat') === undefined"), "not even the script is given to it"


def test_what_a_hostile_page_can_and_cannot_read(demo_up: Up, page: Page, foreign_site: ForeignSite) -> None:
    """The page is the site's own and trusted with its customers' visits: it may watch its own network. What stands in the tree holds no token."""
    made = widget(demo_up, foreign_site)
    foreign_site.shows(demo_up.url, made, NAMED)
    page.add_init_script(WATCHING)
    open_chat(page, foreign_site)
    ask(page)
    expect(page.get_by_role("article", name="Assistant")).to_contain_text("Every sentence was checked", timeout=20_000)
    token = next(text for text in page.evaluate("seen") if text).removeprefix("Bearer ")
    tree = page.evaluate(IN_REACH)
    assert token not in tree
    elsewhere = {"origin": "https://evil.example", "authorization": f"Bearer {token}"}
    url = demo_up.url + made["script"].replace("ondol-chat.js", "questions")
    stolen = page.request.post(url, data={"question": QUESTION}, headers=elsewhere)
    assert stolen.status == 403, "what is taken away works on no other site"
    assert page.request.get(f"{demo_up.url}/api/v1/people", headers={"authorization": f"Bearer {token}"}).status == 401
    assert page.request.post(f"{demo_up.url}/v1/chat/completions", data={}, headers={"authorization": f"Bearer {token}"}).status == 401


@pytest.mark.parametrize("language", ["ko", "en"])
def test_it_fits_a_phone_in_light_and_dark(demo_up: Up, page: Page, foreign_site: ForeignSite, language: str) -> None:
    made = widget(demo_up, foreign_site)
    foreign_site.shows(demo_up.url, made, NAMED, language=language)
    page.set_viewport_size({"width": 360, "height": 640})
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(foreign_site.origin + "/")
        page.locator("ondol-chat").get_by_role("button").first.click()
        box = page.locator("ondol-chat section").bounding_box()
        assert box is not None and box["x"] >= 0 and box["y"] >= 0 and box["x"] + box["width"] <= 360 and box["y"] + box["height"] <= 640
        found = Axe().run(page).response["violations"]
        assert [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in found if fault["impact"] in {"serious", "critical"}] == []
        assert page.locator("ondol-chat section").get_attribute("lang") == language


def test_a_widget_is_made_tried_and_closed_in_the_console(demo_up: Up, page: Page) -> None:
    sign_in(demo_up, page)
    name = f"w-{secrets.token_hex(4)}"
    page.goto(demo_up.url + "/channels/widgets/new?lang=en")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Documents that are open to everybody").check()
    page.get_by_label("Sites").fill("https://shop.example")
    page.get_by_role("button", name="Make the widget").click()
    secret = page.locator("#secret").inner_text()
    assert len(secret) == 43
    page.goto(f"{demo_up.url}/channels/widgets/{name}")
    assert secret not in page.content()
    expect(page.locator("#snippet")).to_contain_text("ondol-chat.js")
    preview = page.locator("#preview")
    preview.get_by_role("textbox", name="Question").fill(QUESTION)
    page.keyboard.press("Enter")
    expect(preview.get_by_role("article")).to_contain_text("Every sentence was checked", timeout=20_000)
    page.get_by_role("button", name="Close for good").click()
    page.get_by_role("button", name="Yes, go on").click()
    expect(page.get_by_text("The widget is closed.")).to_be_visible()
    expect(page.get_by_role("row", name=name)).to_contain_text("Closed")

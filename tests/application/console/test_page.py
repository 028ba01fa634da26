"""The page in a real browser: asking, reading, sources, the keyboard, both languages; no policy violation and no accessibility fault."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.application.console.visiting import CHROMIUM, CODE, PASSAGE, PASSWORD, QUESTION, QUOTE, Visit, browser, options, script, visit

__all__ = ["browser", "options", "script", "visit"]  # fixtures

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


def test_sign_in_ask_and_open_a_source(visit: Visit, script: Any) -> None:
    page = visit.page
    page.goto(visit.running.address)
    expect(page).to_have_title("로그인 · Ondol")
    page.locator("#login").fill("haneul")
    page.locator("#password").fill("wrong")
    page.get_by_role("button", name="로그인").click()
    expect(page.get_by_role("alert")).to_contain_text("맞지 않습니다")
    expect(page.locator("#password")).to_be_focused()
    page.get_by_role("button", name="비밀번호 표시").click()
    expect(page.locator("#password")).to_have_attribute("type", "text")
    page.locator("#password").fill(PASSWORD)
    page.locator("#password").press("Enter")
    expect(page.get_by_role("heading", name="무엇이 궁금하세요?")).to_be_visible()

    visit.ask()
    assert script.asked[-1] == {
        "model": "assistant/help",
        "stream": True,
        "messages": [{"role": "user", "content": QUESTION}],
        "ondol": {"progress": True, "thread": "new", "resume": True},
    }
    answer = page.locator(".answer")
    expect(answer.locator("h4")).to_have_text("환불")
    expect(answer.locator("strong")).to_have_text('"30일"')
    expect(answer.locator(".citation button")).to_have_text(["1", "1", "2"])
    expect(answer.locator("li").last).to_have_text("없는 출처 [9]")
    expect(page.locator("#said")).to_have_text("답변이 준비되었습니다. 출처 2개.")
    expect(answer).to_have_attribute("aria-busy", "false")

    marker = answer.get_by_role("button", name="출처 1: 환불 정책").first
    marker.hover()
    expect(page.get_by_role("tooltip")).to_contain_text(QUOTE)
    marker.click()
    panel = page.get_by_role("dialog", name="출처")
    expect(panel.locator(".source.current mark")).to_contain_text(QUOTE)
    assert panel.locator(".source.current .source-text").inner_text() == PASSAGE
    expect(panel.locator(".source.current")).to_contain_text("공개")
    expect(panel.locator(".source.current")).to_contain_text("제3판")
    expect(panel.locator(".source.current")).to_contain_text("2026. 4. 1.부터 유효")
    expect(panel.locator(".source.current .source-place li")).to_have_text(["환불 정책", "환불 기준"])
    expect(panel.locator(".source.current summary")).to_be_focused()
    original = panel.get_by_role("link", name=re.compile("환불 정책 원본"))
    assert (original.get_attribute("href") or "").startswith("/documents/")
    panel.locator(".source").nth(1).locator("summary").click()
    expect(panel.locator(".source").nth(1)).to_contain_text("영어 문서")
    expect(panel.locator(".source").nth(1).get_by_role("link")).to_have_count(0)
    panel.get_by_role("button", name="출처 닫기").click()
    expect(panel).to_be_hidden()
    expect(marker).to_be_focused()


def test_stopping_keeps_what_was_written_and_marks_it(visit: Visit, script: Any) -> None:
    script.script, whole = script.script[:9], script.script
    script.stays_open = True
    visit.sign_in()
    visit.ask(state="streaming")
    page = visit.page
    expect(page.locator(".answer-text")).to_contain_text("첫 결제일")
    expect(page.locator(".steps [aria-current]")).to_have_text("쓰기")
    expect(page.locator("#said")).to_be_empty()
    page.keyboard.press("Escape")
    answer = page.locator(".answer")
    expect(answer).to_have_attribute("data-state", "stopped")
    assert script.left.wait(timeout=10)
    expect(answer.locator(".answer-text")).to_contain_text("첫 결제일")
    expect(answer).to_contain_text("확인되지 않았습니다")
    expect(page.locator("#said")).to_have_text("답변을 중지했습니다.")
    expect(page.get_by_role("button", name="질문 보내기")).to_be_visible()
    script.script, script.stays_open = whole, False
    answer.get_by_role("button", name="다시 시도").click()
    expect(page.locator(".turn")).to_have_count(1)
    expect(answer).to_have_attribute("data-state", "done")


def test_a_failure_shows_the_servers_words_and_can_be_tried_again(visit: Visit, script: Any, scripts: Any) -> None:
    whole = script.script
    visit.sign_in()
    script.refusal = (429, {"message": "예산을 모두 썼습니다.", "hint": "관리자에게 문의하세요."})
    visit.ask(state="failed")
    failure = visit.page.locator(".failure")
    expect(failure).to_contain_text("예산을 모두 썼습니다.")
    expect(failure).to_contain_text("관리자에게 문의하세요.")
    script.refusal = None
    script.script = [*whole[:9], {"error": {"message": "모델이 <b>멈췄습니다</b>."}}]
    failure.get_by_role("button", name="다시 시도").click()
    expect(failure).to_contain_text("모델이 <b>멈췄습니다</b>.")
    script.script, script.cut = whole[:9], True
    failure.get_by_role("button", name="다시 시도").click()
    expect(failure).to_contain_text("연결이 끊겼습니다")
    script.script, script.cut = whole, False
    failure.get_by_role("button", name="다시 시도").click()
    expect(visit.page.locator(".answer")).to_have_attribute("data-state", "done")
    assert all(len(asked["messages"]) == 1 for asked in script.asked)
    visit.running.fakes.tokens.clear()
    visit.ask("로그인이 끝난 뒤", state="failed")
    expect(failure.get_by_role("link", name="로그인")).to_have_attribute("href", "/sign-in")


def test_a_refusal_is_calm_and_names_no_document(visit: Visit, script: Any, scripts: Any) -> None:
    hidden = scripts.source(1, "숨은 제목", "숨은 글", "숨은")
    script.script = scripts.answered("문서에서 찾지 못했습니다.", [hidden], refused=True)
    visit.sign_in()
    visit.ask(state="refused")
    expect(visit.page.locator(".answer")).to_contain_text("문서에 근거가 없어 답하지 않았습니다")
    expect(visit.page.locator("body")).not_to_contain_text("숨은")
    expect(visit.page.get_by_role("alert")).to_have_count(0)


def test_the_keyboard_is_enough(visit: Visit, script: Any) -> None:
    visit.sign_in()
    page, keys, question = visit.page, visit.page.keyboard, visit.page.locator("#question")
    question.press_sequentially("첫 줄")
    keys.press("Shift+Enter")
    question.press_sequentially("둘째 [줄] /")
    expect(question).to_have_value("첫 줄\n둘째 [줄] /")
    question.dispatch_event("keydown", {"key": "Enter", "isComposing": True, "bubbles": True})
    assert script.asked == []
    keys.press("Enter")
    expect(page.locator(".answer")).to_have_attribute("data-state", "done")
    keys.press("Escape")
    expect(page.locator(".answer")).to_be_focused()
    markers = page.locator(".citation button")
    for key, position in (("]", 0), ("]", 1), ("]", 2), ("]", 0), ("[", 2), ("[", 1)):
        keys.press(key)
        expect(markers.nth(position)).to_be_focused()
    keys.press("Enter")
    panel = page.get_by_role("dialog", name="출처")
    expect(panel.locator(".source.current summary")).to_be_focused()
    keys.press("]")
    expect(markers.nth(2)).to_be_focused()
    expect(panel.locator(".source.current .source-title")).to_have_text("Domain prices")
    expect(page.get_by_role("tooltip")).to_contain_text("never refunded")
    keys.press("Escape")
    expect(page.get_by_role("tooltip")).to_be_hidden()
    keys.press("Escape")
    expect(panel).to_be_hidden()
    expect(markers.nth(2)).to_be_focused()
    keys.press("/")
    expect(question).to_be_focused()
    expect(question).to_have_value("")
    page.get_by_role("button", name="김하늘 계정").click()
    page.get_by_label("글자 단축키 쓰기").uncheck()
    keys.press("Escape")
    page.locator(".answer").focus()
    keys.press("/")
    expect(page.locator(".answer")).to_be_focused()
    page.reload()
    expect(page.locator("#shortcuts")).not_to_be_checked()


def test_the_skip_link_comes_first_and_leads_past_the_bar(visit: Visit) -> None:
    page = visit.page
    page.goto(f"{visit.running.address}/nowhere")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="본문으로 건너뛰기")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="처음으로", exact=True)).to_be_focused()


def test_an_answer_cannot_bring_its_own_markup(visit: Visit, script: Any, scripts: Any) -> None:
    text = (
        "<img src=x onerror=alert(1)> <script>alert(1)</script>\n\n![그림](https://evil.example/a.png) [누르세요](javascript:alert(1)) "
        "[안](/sign-out) [집](https://help.durubitnaru.example/a) [data](data:text/html,x)\n\n[1]: https://evil.example\n\n"
        "<iframe src=//evil.example></iframe>\n\n| a | b |\n|---|---|\n| x<br>y | `[1]` |\n\n" + "> " * 60 + "깊이"
    )
    script.script = scripts.answered(text, [scripts.source(1, "<b>제목</b>", "<i>글</i>", "글")])
    visit.sign_in()
    visit.ask()
    answer = visit.page.locator(".answer-text")
    expect(answer).to_contain_text("<img src=x onerror=alert(1)>")
    expect(answer).to_contain_text("그림")
    assert answer.locator("img, script, iframe").count() == 0
    links = [(link.get_attribute("href"), link.get_attribute("rel")) for link in answer.locator("a").all()]
    assert links == [("https://help.durubitnaru.example/a", "noopener noreferrer"), ("https://evil.example/", "noopener noreferrer")]
    expect(answer.locator("td code")).to_have_text("[1]")
    expect(answer.locator("td br")).to_have_count(1)
    visit.page.get_by_role("button", name="출처 1").last.click()
    expect(visit.page.locator(".source-title")).to_have_text("<b>제목</b>")


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_growing_answer_ends_as_the_whole_would(visit: Visit, script: Any, scripts: Any, size: int) -> None:
    text = "첫째 **굵게** 그리고 `코드`.\n\n- 하나 [1]\n\n  이어짐\n- 둘\n\n```sh\n**a\n```\n\n| 가 | 나 |\n|---|---|\n| 1 [1] | 2 |\n\n끝 [1]"
    source = scripts.source(1, "제목", "글", "글")
    chunks = scripts.answered("", [source])
    script.script = [*chunks[:4], *(scripts.delta(text[at : at + size]) for at in range(0, len(text), size))]
    script.stays_open = True
    visit.sign_in()
    visit.ask(state="streaming")
    grown = visit.page.locator(".answer-text")
    expect(grown).to_contain_text("끝")
    shape = "node => node.innerHTML.replace(/<sup.*?<\\/sup>/g, '#').replace(/ (?=#)/g, '')"
    expect(grown.locator(".citation")).to_have_count(3)
    before = grown.evaluate(shape)
    visit.page.keyboard.press("Escape")
    script.stays_open, script.script = False, [*script.script, *chunks[4:]]
    visit.page.get_by_role("button", name="다시 시도").click()
    expect(visit.page.locator(".answer")).to_have_attribute("data-state", "done")
    assert visit.page.locator(".answer-text").evaluate(shape) == before


@pytest.mark.parametrize("options", [{"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "reduced_motion": "reduce"}])
def test_on_a_phone_the_sources_are_a_sheet(visit: Visit, script: Any) -> None:
    visit.sign_in()
    page = visit.page
    visit.ask()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("button", name="출처 1: 환불 정책").first.tap()
    panel = page.get_by_role("dialog", name="출처")
    expect(panel.locator(".source.current mark")).to_be_visible()
    assert page.evaluate("document.querySelector('dialog:modal')?.id") == "sources"
    box = panel.bounding_box()
    assert box is not None
    assert (box["x"], box["width"]) == (0, 390)
    assert round(box["y"] + box["height"]) == 844
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    page.get_by_role("button", name="출처 2", exact=True).tap()
    page.touchscreen.tap(195, 40)
    expect(panel).to_be_hidden()


@pytest.mark.parametrize("options", [{"locale": "en-GB"}])
def test_both_languages(visit: Visit, script: Any) -> None:
    visit.sign_in()
    page = visit.page
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    visit.ask("Refund?")
    expect(page.locator(".answer-text")).to_have_attribute("lang", "ko")
    page.get_by_role("link", name=re.compile("View in Korean")).click()
    page.get_by_role("button", name="Stay").click()
    expect(page.locator(".turn")).to_have_count(1)
    page.get_by_role("link", name=re.compile("View in Korean")).click()
    page.get_by_role("link", name="Switch language").click()
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    page.goto(visit.running.address)
    expect(page.get_by_role("heading", name="무엇이 궁금하세요?")).to_be_visible()
    assert page.locator("h1").evaluate("node => getComputedStyle(node).wordBreak") == "keep-all"


def test_the_theme_is_remembered_and_can_be_the_systems_again(visit: Visit, script: Any) -> None:
    visit.sign_in()
    page = visit.page
    ground = "() => getComputedStyle(document.documentElement).colorScheme"
    page.get_by_role("button", name="어두운 화면으로 바꾸기").click()
    page.reload()
    assert page.evaluate(ground) == "dark"
    page.get_by_role("button", name="밝은 화면으로 바꾸기").click()
    assert page.evaluate(ground) == "light dark"
    assert page.evaluate("localStorage.getItem('ondol-theme')") is None


@pytest.mark.parametrize("options", [{"reduced_motion": "reduce"}])
def test_reduced_motion_is_obeyed(visit: Visit, script: Any) -> None:
    script.script, script.stays_open = script.script[:3], True
    visit.sign_in()
    visit.ask(state="streaming")
    moves = "(node) => ['', '::before'].some((part) => getComputedStyle(node, part).animationName !== 'none')"
    assert visit.page.evaluate(f"[...document.querySelectorAll('*')].filter({moves}).length") == 0
    visit.page.keyboard.press("Escape")


def test_a_one_time_code_leaves_the_address_bar(visit: Visit, script: Any) -> None:
    page = visit.page
    page.goto(f"{visit.running.address}/welcome?code={CODE}")
    expect(page).to_have_url(f"{visit.running.address}/welcome")
    page.get_by_label("새 비밀번호").fill(PASSWORD)
    page.get_by_role("button", name="저장하고 시작하기").click()
    expect(page.locator("#question")).to_be_visible()
    assert visit.running.fakes.codes == set()


def test_copying_takes_the_sources_along(visit: Visit, script: Any) -> None:
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.sign_in()
    visit.ask()
    visit.page.get_by_role("button", name="복사").click()
    expect(visit.page.get_by_role("button", name="복사함")).to_be_visible()
    copied = visit.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("## 환불")
    assert copied.endswith("\n\n출처\n[1] 환불 정책 (제3판)\n[2] Domain prices (제3판)\n")


@pytest.mark.parametrize("options", [{"color_scheme": scheme, "reduced_motion": "reduce"} for scheme in ("light", "dark")], ids=["light", "dark"])
def test_axe_finds_no_serious_fault(visit: Visit, script: Any, scripts: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed").Axe()

    def check() -> None:
        found = axe.run(visit.page).response["violations"]
        assert [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in found if fault["impact"] in {"serious", "critical"}] == []

    page = visit.page
    for path in ("/sign-in", f"/welcome?code={CODE}", "/nowhere"):
        page.goto(f"{visit.running.address}{path}")
        check()
    visit.sign_in()
    check()
    visit.ask()
    whole = script.script
    script.script = scripts.answered("찾지 못했습니다.", [], refused=True)
    visit.ask(state="refused")
    script.refusal = (503, {"message": "쉬는 중", "hint": "잠시 뒤에"})
    visit.ask(state="failed")
    script.refusal, script.script, script.stays_open = None, whole[:9], True
    visit.ask(state="streaming")
    expect(page.locator(".citation")).not_to_have_count(0)
    page.get_by_role("button", name="출처 1").first.click()
    for summary in page.locator(".source:not([open]) summary").all():
        summary.click()
    check()
    page.get_by_role("button", name="김하늘 계정").click()
    check()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="답변 중지").click()
    expect(page.locator(".answer").last).to_have_attribute("data-state", "stopped")
    check()

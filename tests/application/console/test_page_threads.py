"""Conversations that are kept, in a real browser: asking in them, branches, the list beside them, and all of it without scripts."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.application.console.conftest import NO_FILES
from tests.application.console.visiting import CHROMIUM, PASSWORD, QUESTION, Visit, browser, options, script, visit

__all__ = ["browser", "options", "script", "visit"]  # fixtures

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


THREAD, TURNS = "0190f0c0-0000-7000-8000-00000000000a", [f"0190f0c0-0000-7000-8000-0000000000b{number}" for number in range(4)]


def told_thread(turn: str, parent: str | None) -> dict[str, Any]:
    """What an answer's `ondol` field says of its thread."""
    return {"id": THREAD, "turn": turn, "parent": parent, "asked": QUESTION, "remembered": 0}


def kept(place: int, siblings: list[str], question: str, **others: Any) -> dict[str, Any]:
    """A turn of a thread as the API tells it."""
    parent = TURNS[place - 1] if place else None
    told = {"id": TURNS[place], "parent": parent, "question": question, "asked": question, "answer": f"**{question}** [1]"}
    facts: dict[str, Any] = {"language": "ko", "sources": [], "verification": {"sentences": 0}, "searched": None}
    said = {"withheld": False, "refused": False, "created_at": "2026-11-01T00:00:00Z"}
    return {**told, **said, "siblings": siblings, "facts": facts, **others}


def keep_thread(running: Any, *turns: dict[str, Any], shared_by: str | None = None) -> None:
    """The API knows a thread with these turns, which nobody else reads."""
    moments = {"created_at": "2026-11-01T00:00:00Z", "changed_at": "2026-11-01T00:00:00Z"}
    told = {"id": THREAD, "assistant": "help", "title": "<b>환불</b>", "head": TURNS[0], "turns": 5, "found": None, "shared_by": shared_by, **moments}
    running.fakes.replies["GET", f"/threads/{THREAD}/shares"] = (200, {"people": [], "groups": []})
    running.fakes.replies["GET", f"/threads/{THREAD}/branch"] = (200, {"thread": told, "turns": list(turns), "earlier": None})
    running.fakes.replies["GET", "/threads"] = (200, {"threads": [told], "next": None})


def in_thread(script: list[dict[str, Any]], turn: str, parent: str | None) -> list[dict[str, Any]]:
    """The same answer, kept as a turn."""
    *before, last, usage = script
    return [*before, {**last, "ondol": {**last["ondol"], "thread": told_thread(turn, parent)}}, usage]


def place_asked(script: Any) -> dict[str, Any]:
    """Where in a thread the last question stood."""
    return {name: value for name, value in script.asked[-1]["ondol"].items() if name in ("thread", "parent")}


def test_a_conversation_is_kept_and_goes_on_where_it_was(visit: Visit, script: Any) -> None:
    whole, running, page = script.script, visit.running, visit.page
    keep_thread(running)
    visit.sign_in()
    script.script = in_thread(whole, TURNS[0], None)
    visit.ask("첫째")
    assert place_asked(script) == {"thread": "new"}
    expect(page).to_have_url(f"{running.address}/threads/{THREAD}")
    expect(page.locator("#thread-list .thread-title")).to_have_text("<b>환불</b>")
    expect(page.locator("#thread-head h1")).to_have_text("<b>환불</b>")
    script.script = in_thread(whole, TURNS[1], TURNS[0])
    visit.ask("둘째")
    assert place_asked(script) == {"thread": THREAD, "parent": TURNS[0]}
    assert script.asked[-1]["messages"] == [{"role": "user", "content": "둘째"}], "the thread knows what was said before"
    script.script = in_thread(whole, TURNS[2], TURNS[0])
    page.locator(".turn").last.get_by_role("button", name="다시 묻기").click()
    expect(page.locator(".turn").last.locator(".siblings")).to_contain_text("2개 중 2번째")
    assert place_asked(script) == {"thread": THREAD, "parent": TURNS[0]}
    expect(page.get_by_role("link", name="이전 것")).to_have_attribute("href", f"/threads/{THREAD}?turn={TURNS[1]}")
    script.script = in_thread(whole, TURNS[3], None)
    first = page.locator(".turn").first
    first.get_by_role("button", name="고치기").click()
    expect(first.get_by_role("textbox", name="질문")).to_have_value("첫째")
    page.keyboard.press("Escape")
    expect(first.locator(".question")).to_have_text("첫째")
    first.get_by_role("button", name="고치기").click()
    first.get_by_role("textbox", name="질문").fill("첫째, 고침")
    page.keyboard.press("Enter")
    expect(page.locator(".turn")).to_have_count(1)
    expect(page.locator(".answer")).to_have_attribute("data-state", "done")
    assert place_asked(script) == {"thread": THREAD, "parent": "start"}
    expect(page.locator(".siblings")).to_contain_text("2개 중 2번째")
    page.get_by_role("link", name="새 대화").click()
    expect(page).to_have_url(f"{running.address}/")
    expect(page.locator(".turn")).to_have_count(0)
    expect(page.locator("#question")).to_be_focused()
    page.go_back()
    expect(page).to_have_url(f"{running.address}/threads/{THREAD}")


def test_a_kept_thread_is_read_and_goes_on(visit: Visit, script: Any) -> None:
    running, page = visit.running, visit.page
    other = "0190f0c0-0000-7000-8000-0000000000c1"
    withheld = kept(1, [other, TURNS[1]], "둘째", answer=None, asked=None, withheld=True, facts=None)
    keep_thread(running, kept(0, [TURNS[0]], "<i>첫째</i>"), withheld)
    visit.sign_in()
    page.goto(f"{running.address}/threads/{THREAD}")
    expect(page.locator(".question")).to_have_text(["<i>첫째</i>", "둘째"])
    expect(page.locator(".answer strong")).to_have_text("<i>첫째</i>")
    expect(page.locator(".answer").last).to_contain_text("읽을 수 없어")
    expect(page.get_by_role("link", name="이전 것")).to_have_attribute("href", f"/threads/{THREAD}?turn={other}")
    visit.ask("셋째")
    assert place_asked(script) == {"thread": THREAD, "parent": TURNS[1]}


@pytest.mark.parametrize("options", [{"java_script_enabled": False}], ids=["without scripts"])
def test_a_thread_is_read_renamed_and_deleted_without_scripts(visit: Visit) -> None:
    running, page = visit.running, visit.page
    keep_thread(running, kept(0, [TURNS[0], TURNS[1]], "첫째"))
    page.goto(f"{running.address}/sign-in")
    page.locator("#login").fill("haneul")
    page.locator("#password").fill(PASSWORD)
    page.locator("#password").press("Enter")
    page.locator(".thread-link").click()
    expect(page.locator(".answer-text")).to_have_text("**첫째** [1]")
    expect(page.get_by_role("link", name="다음 것")).to_have_attribute("href", f"/threads/{THREAD}?turn={TURNS[1]}")
    running.fakes.replies["PATCH", f"/threads/{THREAD}"] = (400, {"error": {"code": "bad_title", "message": "Too long.", "param": "title"}})
    page.get_by_role("button", name="이름 바꾸기").click()
    page.get_by_label("이름", exact=True).fill("또 다른 이름")
    page.get_by_role("button", name="저장").click()
    expect(page.get_by_role("alert")).to_contain_text("Too long.")
    page.get_by_role("button", name="이름 바꾸기").click()
    expect(page.get_by_label("이름", exact=True)).to_have_value("또 다른 이름")
    page.keyboard.press("Escape")
    until = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    running.fakes.replies["DELETE", f"/threads/{THREAD}"] = (200, {"changed": True, "restorable_until": until})
    running.fakes.replies["POST", f"/threads/{THREAD}/restore"] = (200, {"changed": True})
    page.get_by_role("button", name="삭제").first.click()
    expect(page.get_by_role("dialog", name="‘<b>환불</b>’ 대화를 삭제할까요?")).to_contain_text("5개")
    page.locator("#delete").get_by_role("button", name="삭제").click()
    expect(page.get_by_role("status").filter(has_text="대화를 삭제했습니다.")).to_be_visible()
    page.get_by_role("button", name="되돌리기").press("Enter")
    expect(page.get_by_role("status").filter(has_text="대화를 되살렸습니다.")).to_be_visible()
    expect(page).to_have_url(re.compile(f"/threads/{THREAD}"))
    assert [call.path for call in running.fakes.asked if call.method == "POST"] == [f"/threads/{THREAD}/restore"]
    page.locator("#thread-words").fill("환불")
    page.locator("#thread-words").press("Enter")
    asked = [dict(call.query) for call in running.fakes.asked if call.path == "/threads"]
    assert asked[-1]["search"] == "환불"


def test_the_list_is_searched_while_somebody_types(visit: Visit) -> None:
    keep_thread(visit.running)
    visit.sign_in()
    found = {**visit.running.fakes.replies["GET", "/threads"][1]["threads"][0], "found": {"turn": TURNS[2], "excerpt": "…전액 <u>환불</u>…"}}
    visit.running.fakes.replies["GET", "/threads"] = (200, {"threads": [found], "next": THREAD})
    visit.page.locator("#thread-words").press_sequentially("전액")
    expect(visit.page.locator(".thread-excerpt")).to_have_text("…전액 <u>환불</u>…")
    assert dict(visit.running.fakes.asked[-1].query)["search"] == "전액"
    expect(visit.page.locator(".thread-link")).to_have_attribute("href", f"/threads/{THREAD}?turn={TURNS[2]}")
    expect(visit.page.get_by_role("link", name="이어서 찾기")).to_be_visible()


def checked(script: Any, scripts: Any, text: str, *verdicts: tuple[str, str]) -> list[dict[str, Any]]:
    """An answer whose sentences, each named by its end, were found so."""
    told = scripts.answered(text, [scripts.source(1, "환불 정책", "글이 있다.", "글")])
    checks = [{"start": 0, "end": text.index(end) + len(end), "verdict": verdict, "sources": [1], "spans": []} for end, verdict in verdicts]
    supported = sum(verdict == "supported" for _, verdict in verdicts)
    verification = {
        "sentences": len(checks) + 1,
        "supported": supported,
        "left_out": 1,
        "checks": [*checks, {"verdict": "unsupported", "left_out": True}],
    }
    told[-2]["ondol"] |= {"verification": verification}
    told[-2]["ondol"]["searched"]["index_number"] = 7
    return [*told]


def test_each_sentence_says_in_words_whether_its_source_does(visit: Visit, script: Any, scripts: Any) -> None:
    text = "🌱 첫째 문장입니다. [1] **둘째입니다.** [1]\n\n- 셋째 [1]\n\n```\n코드\n```\n\nhttps://a.example/b 끝"
    verdicts = [("문장입니다. [1]", "supported"), ("둘째입니다.** [1]", "partial"), ("셋째 [1]", "unsupported"), ("코드\n```", "supported")]
    script.script = checked(script, scripts, text, *verdicts, ("a.example/b", "supported"))
    visit.sign_in()
    visit.ask()
    answer = visit.page.locator(".answer")
    marks = answer.locator(".sentence-mark")
    expect(marks).to_have_text(["출처에 있음", "출처에 일부만 있음", "출처에 없음"])
    assert [mark.get_attribute("data-verdict") for mark in marks.all()] == ["supported", "partial", "unsupported"]
    expect(answer.locator("p").first).to_have_text("🌱 첫째 문장입니다.1출처에 있음 둘째입니다.1출처에 일부만 있음")
    expect(answer.locator("pre code")).to_have_text("코드")
    expect(answer.locator(".answer-text").get_by_role("link")).to_have_attribute("href", "https://a.example/b")
    expect(answer.locator(".verdict")).to_have_text("문장 5개 중 3개 확인됨 · 일부만 1개 · 없음 1개 · 1개는 출처에 없어 뺐음 · 색인 v7")


def test_a_sentences_mark_opens_what_it_cites_and_says_why(visit: Visit, script: Any, scripts: Any) -> None:
    text = "환불은 5일입니다. [1] 도메인은 10일입니다. [2] 근거가 없습니다."
    passages = [
        scripts.source(1, "환불 정책", "🌱 환불은 5일입니다. 이어서.", "이어서"),
        scripts.source(2, "도메인", "도메인은 7일입니다.", "7일"),
        scripts.source(3, "다른 것", "아무 말.", "말"),
    ]
    script.script = told = scripts.answered(text, passages)
    end = [text.index("[1]") + 3, text.index("[2]") + 3, len(text)]
    checks = [
        {"start": 0, "end": end[0], "verdict": "supported", "coverage": 1, "sources": [1], "reasons": [], "spans": [{"n": 1, "start": 2, "end": 12}]},
        {
            "start": end[0] + 1, "end": end[1], "verdict": "partial", "coverage": 0.5, "sources": [2],
            "spans": [{"n": 2, "start": 0, "end": 4}],
            "reasons": [{"kind": "amount", "said": "<b>10일</b>"}, {"kind": "date"}, {"kind": "of tomorrow"}],
        },
        {
            "start": end[1] + 1, "end": end[2], "verdict": "unsupported", "coverage": 0, "sources": [], "spans": [],
            "reasons": [{"kind": "no_source", "said": ""}],
        },
    ]  # fmt: skip
    told[-2]["ondol"] |= {"verification": {"sentences": 3, "supported": 1, "left_out": 0, "checks": checks}}
    visit.sign_in()
    visit.ask()
    page, panel = visit.page, visit.page.locator("#sources")
    first = page.get_by_role("button", name="출처에 있음: 근거 보기")
    first.press("Enter")
    expect(panel.get_by_role("heading", name="출처에 있음")).to_be_focused()
    expect(panel.locator(".source-title")).to_have_text(["환불 정책"])
    expect(panel.locator("mark")).to_have_text(["환불은 5일입니다."])
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(first).to_be_focused()
    page.get_by_role("button", name="출처에 일부만 있음: 근거 보기").click()
    expect(panel.locator(".source-title")).to_have_text(["도메인"])
    expect(panel.locator("mark")).to_have_text(["도메인은"])
    expect(panel.locator(".finding-reasons li")).to_have_text(["출처의 해당 부분에 없는 수량이나 금액: <b>10일</b>", "출처에 없는 날짜"])
    expect(panel.locator(".finding")).to_contain_text("50%")
    panel.get_by_role("button", name="이 답변의 출처 모두 보기").click()
    expect(panel.locator(".source-title")).to_have_text(["환불 정책", "도메인", "다른 것"])
    expect(panel.locator(".finding")).to_have_count(0)
    page.get_by_role("button", name="출처에 없음: 근거 보기").click()
    expect(panel.locator(".source")).to_have_count(0)
    expect(panel.locator(".finding")).to_contain_text("이 문장은 출처를 밝히지 않아 견주어 볼 수 없었습니다.")
    page.locator(".citation button").first.click()
    expect(panel.locator(".source-title")).to_have_count(3)
    expect(panel.locator("details[open] mark")).to_have_text(["이어서"])


def test_somebody_is_asked_once_whether_they_would_recommend_it_and_may_leave_it(visit: Visit, script: Any) -> None:
    del script  # the answer
    asked: list[tuple[str, Any]] = []

    def answer(route: Any) -> None:
        asked.append((route.request.method, route.request.post_data_json))
        route.fulfill(json={"ask": True} if route.request.method == "POST" else {"changed": True})

    visit.page.route("**/api/v1/me/recommendation**", answer)
    visit.sign_in()
    visit.ask()
    question = visit.page.get_by_role("group", name="이 도우미를 동료에게 추천할 생각이 얼마나 있으세요?")
    question.get_by_role("button", name="10점 만점에 7점").press("Enter")
    expect(visit.page.locator(".recommend")).to_have_text("고맙습니다.")
    visit.ask()
    expect(visit.page.locator(".recommend")).to_have_count(1)
    assert asked == [("POST", {}), ("PUT", {"score": 7})], "it is asked once for a page"
    visit.page.reload()
    visit.ask()
    question.get_by_role("button", name="나중에").click()
    expect(question).to_have_count(0)
    assert len(asked) == 3


def test_an_answer_cannot_bring_marks_of_its_own(visit: Visit, script: Any, scripts: Any) -> None:
    script.script = checked(script, scripts, "거짓말입니다.\ue0000\ue001 [1] 끝.", ("끝.", "supported"))
    visit.sign_in()
    visit.ask()
    expect(visit.page.locator(".sentence-mark")).to_have_count(0)


def test_a_snippet_stands_first_and_gives_way_to_the_answer(visit: Visit, script: Any, scripts: Any) -> None:
    snippet = {
        "ondol": {"snippet": {"text": "<b>30일</b> 안에", "verdict": "supported", "source": {"title": "환불 정책"}, "quotes": []}},
        "choices": [],
    }
    whole = script.script
    script.script, script.stays_open = [*whole[:4], snippet], True
    visit.sign_in()
    visit.ask(state="streaming")
    expect(visit.page.get_by_role("complementary", name="답변을 쓰는 동안 문서에서 바로 찾은 말")).to_contain_text("<b>30일</b> 안에")
    visit.page.keyboard.press("Escape")
    expect(visit.page.locator(".snippet")).to_have_count(0)
    script.script, script.stays_open = [*whole[:4], snippet, *whole[4:]], False
    visit.page.get_by_role("button", name="다시 시도").click()
    expect(visit.page.locator(".answer")).to_have_attribute("data-state", "done")
    expect(visit.page.locator(".snippet")).to_have_count(0)


def test_keys_take_the_last_question_up_and_are_listed(visit: Visit, script: Any) -> None:
    visit.sign_in()
    visit.ask("첫째")
    page = visit.page
    page.locator("#question").focus()
    page.keyboard.press("ArrowUp")
    field = page.get_by_role("textbox", name="질문").first
    expect(field).to_be_focused()
    expect(field).to_have_value("첫째")
    page.keyboard.press("Escape")
    page.locator("#question").fill("여러 줄")
    page.keyboard.press("ArrowUp")
    expect(page.locator(".question-edit")).to_have_count(0)
    page.locator("#question").fill("")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="단축키")).to_contain_text("마지막 질문 고치기")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="단축키")).to_be_hidden()
    page.get_by_role("button", name="단축키").click()
    expect(page.get_by_role("dialog", name="단축키")).to_be_visible()


def test_a_thread_is_shared_by_names_and_what_was_typed_is_not_lost(visit: Visit) -> None:
    running, page = visit.running, visit.page
    keep_thread(running, kept(0, [TURNS[0]], "첫째"))
    visit.sign_in()
    page.goto(f"{running.address}/threads/{THREAD}")
    page.get_by_role("button", name="공유", exact=True).click()
    dialog = page.get_by_role("dialog", name="대화 공유")
    expect(dialog).to_contain_text("가려집니다")
    dialog.get_by_label("사람").fill("kim, ghost")
    dialog.get_by_label("그룹").fill("leads")
    refused = {"error": {"code": "unknown_person", "message": "There is nobody with the login ghost.", "param": "people"}}
    running.fakes.replies["PUT", f"/threads/{THREAD}/shares"] = (400, refused)
    dialog.get_by_role("button", name="저장").click()
    expect(page.get_by_role("alert")).to_contain_text("ghost")
    page.get_by_role("button", name="공유", exact=True).click()
    expect(dialog.get_by_label("사람")).to_have_value("kim, ghost")
    shares = {"people": ["kim"], "groups": ["leads"]}
    running.fakes.replies["PUT", f"/threads/{THREAD}/shares"] = running.fakes.replies["GET", f"/threads/{THREAD}/shares"] = (200, shares)
    dialog.get_by_label("사람").fill("kim")
    dialog.get_by_role("button", name="저장").click()
    expect(page.get_by_role("status").filter(has_text="대화를 공유했습니다.")).to_be_visible()
    asked = [call for call in running.fakes.asked if call.method == "PUT"]
    assert [json.loads(call.body) for call in asked] == [{"people": ["kim", "ghost"], "groups": ["leads"]}, shares]
    running.fakes.replies["DELETE", f"/threads/{THREAD}/shares"] = (200, {"people": [], "groups": []})
    page.get_by_role("button", name="공유", exact=True).click()
    dialog.get_by_role("button", name="공유 끝내기").click()
    expect(page.get_by_role("status").filter(has_text="공유를 끝냈습니다.")).to_be_visible()


def test_a_shared_thread_is_read_and_no_more(visit: Visit) -> None:
    running, page = visit.running, visit.page
    keep_thread(running, kept(0, [TURNS[0], TURNS[1]], "첫째"), shared_by="<b>kim</b>")
    told = {"id": TURNS[3], "name": "<i>a</i>.pdf", "state": "ready", "bytes": 2_000}
    running.fakes.replies["GET", "/attachments"] = (200, {**NO_FILES, "attachments": [told]})
    visit.sign_in()
    page.get_by_role("link", name="공유받은 대화").click()
    assert dict([call for call in running.fakes.asked if call.path == "/threads"][-1].query)["shared"] == "with_me"
    expect(page.locator(".thread-link")).to_contain_text("<b>kim</b> 님이 공유")
    page.locator(".thread-link").click()
    expect(page.locator("#thread-head")).to_contain_text("<b>kim</b> 님이 공유")
    expect(page.get_by_role("link", name="<i>a</i>.pdf")).to_have_attribute("href", f"/documents/{TURNS[3]}/original")
    expect(page.locator(".file button")).to_have_count(0)
    expect(page.locator(".answer strong")).to_have_text("첫째")
    expect(page.get_by_role("link", name="다음 것")).to_be_visible()
    for name in ("고치기", "다시 묻기", "도움이 돼요", "삭제", "이름 바꾸기"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    expect(page.get_by_role("button", name="복사")).to_be_visible()
    expect(page.locator("#composer")).to_have_count(0)
    expect(page.locator(".read-only")).to_contain_text("읽기만")


@pytest.mark.parametrize("options", [{"color_scheme": scheme, "reduced_motion": "reduce"} for scheme in ("light", "dark")], ids=["light", "dark"])
def test_axe_finds_no_serious_fault_in_a_thread(visit: Visit, script: Any, scripts: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed").Axe()
    page = visit.page

    def check() -> None:
        found = axe.run(page).response["violations"]
        assert [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in found if fault["impact"] in {"serious", "critical"}] == []

    withheld = kept(1, [TURNS[1], TURNS[2]], "둘째", answer=None, asked=None, withheld=True, facts=None)
    keep_thread(visit.running, kept(0, [TURNS[0]], "첫째"), withheld)
    verdicts = [("첫째.", "supported"), ("둘째.", "partial"), ("셋째.", "unsupported")]
    script.script = checked(script, scripts, "첫째. 둘째. 셋째. [1]", *verdicts)
    visit.sign_in()
    page.goto(f"{visit.running.address}/threads/{THREAD}")
    visit.ask()
    check()
    page.locator(".turn").first.get_by_role("button", name="고치기").click()
    check()
    for popover in ("share", "rename", "delete"):
        page.locator(f"[popovertarget={popover}]").first.click()
        check()
        page.keyboard.press("Escape")
    page.get_by_role("button", name="단축키").click()
    check()

"""Conversations that are kept, in a real browser: asking in them, branches, the list beside them, and all of it without scripts."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

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


def keep_thread(running: Any, *turns: dict[str, Any]) -> None:
    """The API knows a thread with these turns."""
    moments = {"created_at": "2026-11-01T00:00:00Z", "changed_at": "2026-11-01T00:00:00Z"}
    told = {"id": THREAD, "assistant": "help", "title": "<b>환불</b>", "head": TURNS[0], "turns": 5, "found": None, **moments}
    running.fakes.replies["GET", f"/threads/{THREAD}/branch"] = (200, {"thread": told, "turns": list(turns), "earlier": None})
    running.fakes.replies["GET", "/threads"] = (200, {"threads": [told], "next": None})


def in_thread(script: list[dict[str, Any]], turn: str, parent: str | None) -> list[dict[str, Any]]:
    """The same answer, kept as a turn."""
    *before, last, usage = script
    return [*before, {**last, "ondol": {**last["ondol"], "thread": told_thread(turn, parent)}}, usage]


def test_a_conversation_is_kept_and_goes_on_where_it_was(visit: Visit, script: Any) -> None:
    whole, running, page = script.script, visit.running, visit.page
    keep_thread(running)
    visit.sign_in()
    script.script = in_thread(whole, TURNS[0], None)
    visit.ask("첫째")
    assert script.asked[-1]["ondol"] == {"progress": True, "thread": "new"}
    expect(page).to_have_url(f"{running.address}/threads/{THREAD}")
    expect(page.locator("#thread-list .thread-title")).to_have_text("<b>환불</b>")
    expect(page.locator("#thread-head h1")).to_have_text("<b>환불</b>")
    script.script = in_thread(whole, TURNS[1], TURNS[0])
    visit.ask("둘째")
    assert script.asked[-1]["ondol"] == {"progress": True, "thread": THREAD, "parent": TURNS[0]}
    assert script.asked[-1]["messages"] == [{"role": "user", "content": "둘째"}], "the thread knows what was said before"
    script.script = in_thread(whole, TURNS[2], TURNS[0])
    page.locator(".turn").last.get_by_role("button", name="다시 묻기").click()
    expect(page.locator(".turn").last.locator(".siblings")).to_contain_text("2개 중 2번째")
    assert script.asked[-1]["ondol"] == {"progress": True, "thread": THREAD, "parent": TURNS[0]}
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
    assert script.asked[-1]["ondol"] == {"progress": True, "thread": THREAD, "parent": "start"}
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
    assert script.asked[-1]["ondol"] == {"progress": True, "thread": THREAD, "parent": TURNS[1]}


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
    running.fakes.replies["DELETE", f"/threads/{THREAD}"] = (200, {"changed": True})
    page.get_by_role("button", name="삭제").first.click()
    expect(page.get_by_role("dialog", name="‘<b>환불</b>’ 대화를 삭제할까요?")).to_contain_text("5개")
    page.locator("#delete").get_by_role("button", name="삭제").click()
    expect(page.get_by_role("status").filter(has_text="대화를 삭제했습니다.")).to_be_visible()
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

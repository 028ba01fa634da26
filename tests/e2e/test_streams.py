"""Both HTTP workers killed in the middle of an answer: its reader goes on, and there is one turn, one answer and one record of it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from ondol.infrastructure.serving.scripted import Reply
from tests.e2e.browsing import CHROMIUM, browser
from tests.e2e.conftest import Up, free_port, open_temporary_folder, run, run_json
from tests.e2e.scripted_upstream import Upstream, upstream_thread
from tests.e2e.test_kills import _kill, _wait, _workers

__all__ = ["browser"]  # a fixture
PASSWORD = "correct horse battery"
TENANT = ("--tenant", "acme")
PLANS = 12
FACTS = [f"Plan {number} costs {number + 10} dollars a month." for number in range(1, PLANS + 1)]
SAID = [f"Plan {number} costs {number + 10} dollars a month [1].\n" for number in range(1, PLANS + 1)]
LONG = Reply(pieces=SAID * 10, between_s=0.5)
SHORT = Reply(pieces=SAID, between_s=0.01)
ROUNDS_MAX = 400


@pytest.fixture
def served() -> Iterator[tuple[Up, str, Upstream]]:
    with open_temporary_folder() as folder, upstream_thread() as upstream:
        up = Up(folder / "data", free_port(), options=("--no-demo",), environment={"OPENAI_BASE_URL": upstream.model.base_url, "OPENAI_API_KEY": "x"})
        up.start()
        documents = folder / "documents"
        documents.mkdir()
        (documents / "plans.md").write_text("# Plans\n\n" + " ".join(FACTS) + "\n", "utf-8")
        declared = folder / "tenant.yaml"
        tenant = {"slug": "acme", "people": [{"login": "app", "kind": "service"}, {"login": "kim"}], "bases": ["plans"]}
        tenant |= {"assistants": [{"name": "help", "base": "plans", "settings": {"snippet": False}}]}
        declared.write_text(json.dumps({"version": 1, "tenants": [tenant]}), "utf-8")
        run(up.folder, "apply", str(declared))
        run(up.folder, "ingest", str(documents), *TENANT, "--base", "plans")
        key: Any = run_json(up.folder, "key", "create", "app", *TENANT)
        yield up, key["key"], upstream
        if up.process is not None and up.process.poll() is None:
            up.stop()


@dataclass
class Reader:
    """An application that reads one answer, and reads on whenever it is cut off."""

    url: str
    key: str
    answer_id: str = ""
    last: str = ""
    text: str = ""
    cuts: int = 0
    restarts: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    is_done: bool = False
    wrong: list[str] = field(default_factory=list)

    def read(self) -> None:
        body = {"model": "assistant/help", "stream": True, "messages": [{"role": "user", "content": "What does plan 3 cost a month?"}]}
        self._stream("POST", "/v1/chat/completions", {**body, "ondol": {"resume": True, "thread": "new"}})
        for _ in range(ROUNDS_MAX):
            if self.is_done or self.wrong:
                return
            self.cuts += 1
            threading.Event().wait(0.1)
            self._stream("GET", f"/v1/answers/{self.answer_id}/stream", None)

    def _stream(self, method: str, path: str, body: object) -> None:
        told = {"authorization": f"Bearer {self.key}", "last-event-id": self.last}
        try:
            with httpx.stream(method, self.url + path, json=body, headers=told, timeout=30) as response:
                if response.status_code != 200:
                    self.wrong.append(response.read().decode())
                    return
                self.answer_id = self.answer_id or response.headers["x-request-id"]
                for line in response.iter_lines():
                    self._line(line)
        except httpx.HTTPError:
            return  # cut off, or nobody is there yet

    def _line(self, line: str) -> None:
        if line.startswith("id: "):
            self.last = line[4:]
        elif line == "data: [DONE]":
            self.is_done = True
        elif line.startswith("data: "):
            self._told(json.loads(line[6:]))

    def _told(self, told: dict[str, Any]) -> None:
        if "error" in told:
            self.wrong.append(json.dumps(told))
        if told.get("ondol", {}).get("restarted"):
            self.restarts += 1
            self.text = ""
        for choice in told.get("choices", ()):
            self.text += choice["delta"].get("content", "")
            if choice["finish_reason"]:
                self.facts = told["ondol"]


@pytest.mark.timeout(300)
def test_an_answer_survives_the_death_of_both_workers(served: tuple[Up, str, Upstream]) -> None:
    up, key, upstream = served
    upstream.model.say(lambda _: LONG)
    reader = Reader(up.url, key)
    reading = threading.Thread(target=reader.read)
    reading.start()
    _wait(lambda: "Plan 1 " in reader.text or bool(reader.wrong), f"nothing is said: {reader}")
    for place, worker in enumerate(_workers(up)):
        asked = len(upstream.model.requests)
        if place == 1:
            upstream.model.say(lambda _: SHORT)
        _kill([worker])
        _wait(lambda: len(_workers(up)) == 2, "the worker was not started again")
        # Who was cut off is answered again; who was not goes on: both are in the middle of an answer when the second worker dies.
        _wait(lambda asked=asked, cuts=reader.cuts: reader.cuts == cuts or len(upstream.model.requests) > asked, "nobody took over")  # type: ignore[misc]
    reading.join(120)
    assert not reading.is_alive()
    assert (reader.wrong, reader.is_done) == ([], True)
    assert reader.restarts >= 1, "no kill fell into the answer"
    assert reader.text.count("Plan 3 costs 13 dollars a month") >= 1
    assert reader.facts["answer_id"] == reader.answer_id
    thread: Any = run_json(up.folder, "thread", "show", reader.facts["thread"]["id"], *TENANT, "--as", "app")
    assert [turn["id"] for turn in thread["turns"]] == [reader.answer_id]
    assert reader.text.strip() == thread["turns"][0]["answer"].strip()
    _wait(lambda: bool(_records(up, reader.answer_id)), "no record")
    [record] = _records(up, reader.answer_id)
    assert record["outcome"] == "answered"
    assert up.stop() == 0


def _records(up: Up, request_id: str) -> list[dict[str, Any]]:
    return [record for record in _all_records(up) if record["id"] == request_id]


def _all_records(up: Up) -> list[dict[str, Any]]:
    told: Any = run_json(up.folder, "requests", *TENANT, "--limit", "99")
    records: list[dict[str, Any]] = told["requests"]
    return records


@pytest.mark.timeout(300)
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_page_reads_on_after_a_reload_and_the_death_of_both_workers(served: tuple[Up, str, Upstream], browser: Browser) -> None:
    up, _, upstream = served
    upstream.model.say(lambda _: LONG)
    context = browser.new_context(locale="en-US")
    page = context.new_page()
    _sign_in(up, page)
    page.get_by_role("textbox", name="Question").fill("What does plan 3 cost a month?")
    page.keyboard.press("Enter")
    answer = page.locator(".turn .answer-text")
    expect(answer).to_contain_text("Plan 2 costs", timeout=30_000)
    page.reload()
    expect(answer).to_contain_text("Plan 2 costs", timeout=15_000)
    expect(page.locator(".turn .question")).to_have_text("What does plan 3 cost a month?")
    assert len(upstream.model.requests) == 1, "the page asked again instead of reading on"
    for place, worker in enumerate(_workers(up)):
        asked = len(upstream.model.requests)
        if place == 1:
            upstream.model.say(lambda _: SHORT)
        _kill([worker])
        _wait(lambda: len(_workers(up)) == 2, "the worker was not started again")
        if place == 0 and page.locator(".lost").count():
            expect(page.locator(".lost")).to_have_count(0, timeout=30_000)
            expect(answer).to_contain_text("Plan 1 costs", timeout=30_000)
            assert len(upstream.model.requests) > asked
    expect(page.locator(".turn .answer")).to_have_attribute("data-state", "done", timeout=60_000)
    expect(page.locator(".turn")).to_have_count(1)
    assert answer.inner_text().count("Plan 12 costs 22 dollars") == 1, "what was said before the restart is gone"
    page.reload()
    assert "/sign-in" not in page.url
    expect(page.locator(".turn")).to_have_count(1)
    context.close()


@pytest.mark.timeout(200)
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_stop_in_the_page_ends_the_work_at_once(served: tuple[Up, str, Upstream], browser: Browser) -> None:
    up, _, upstream = served
    upstream.model.say(lambda _: LONG)
    context = browser.new_context(locale="en-US")
    page = context.new_page()
    _sign_in(up, page)
    page.get_by_role("textbox", name="Question").fill("What does plan 3 cost a month?")
    page.keyboard.press("Enter")
    expect(page.locator(".turn .answer-text")).to_contain_text("Plan 1 costs", timeout=30_000)
    page.get_by_role("button", name="Stop answering").click()
    expect(page.locator(".turn .answer")).to_have_attribute("data-state", "stopped")
    _wait(lambda: [record["outcome"] for record in _all_records(up)] == ["caller_left"], "the work was not ended")
    context.close()


def _sign_in(up: Up, page: Page) -> None:
    invitation: Any = run_json(up.folder, "user", "invite", "kim", *TENANT)
    page.goto(f"{up.url}/welcome?{invitation['sign_in_once'].partition('?')[2]}")
    for place in page.locator("input[type=password]").all():
        place.fill(PASSWORD)
    page.locator("form button[type=submit]").first.click()
    page.wait_for_url(re.compile(re.escape(up.url) + r"/(\?.*)?$"))

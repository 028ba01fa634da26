"""Runs that are begun, stopped and let go on in the console."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.application.console.sections.test_evaluation import ID, METRIC, RUN
from tests.application.console.sections.test_sections import act_token, visitor

pytestmark = pytest.mark.anyio
QUEUED: dict[str, Any] = {**RUN, "queued": True, "stopping": False}
ESTIMATE = {
    "suite": "help", "target": "assistant/help", "cases": 131, "repeats": 1, "questions": 131, "input_tokens": 40, "output_tokens": 300,
    "cost": "0.012", "currency": "USD", "cap": "1", "cap_currency": "USD", "missing": [],
}  # fmt: skip


def ready(fakes: Any) -> None:
    suites = [{"name": "nights & <days>", "last_run": ID, "run_at": "2026-11-01T15:30:00Z"}]
    fakes.replies["GET", "/evaluation/suites"] = (200, {"suites": suites})
    fakes.replies["GET", "/assistants"] = (200, {"assistants": [{"name": "desk"}, {"name": "help"}]})
    fakes.replies["GET", "/evaluation/golden-sets"] = (200, {"sets": [{"name": "help-ko", "version": 2}, {"name": "empty", "version": None}]})


async def test_a_draft_asks_the_chosen_assistant_the_golden_set(fakes: Any) -> None:
    ready(fakes)
    browser = await visitor(fakes, "admin")
    page = (await browser.get("/evaluation/new?assistant=help&lang=en")).text
    assert "target: {assistant: help}" in page
    assert "cases: {golden: help-ko@2}" in page
    assert "empty@" not in page
    assert "nights &amp; &lt;days&gt;" in page
    fakes.replies["GET", "/evaluation/golden-sets"] = (200, {"sets": []})
    assert "How long does a refund take?" in (await browser.get("/evaluation/new")).text


async def test_the_cost_is_told_before_a_run_begins_and_what_was_typed_stays(fakes: Any) -> None:
    ready(fakes)
    fakes.replies["POST", "/evaluation/runs/estimate"] = (200, ESTIMATE)
    fakes.replies["POST", "/evaluation/runs"] = (200, QUEUED)
    browser = await visitor(fakes, "admin")
    token = act_token((await browser.get("/evaluation/new?lang=en")).text)
    form = {"form_token": token, "run": "", "text": "card: </textarea><b>mine", "cost": "2.00 USD"}
    told = await browser.post("/evaluation/new", data=form)
    assert "Begin help" in told.text
    assert "$0.01" in told.text
    assert told.text.count("card: &lt;/textarea&gt;&lt;b&gt;mine") == 2
    assert told.text.count('value="2.00 USD"') == 2
    assert [asked.path for asked in fakes.asked if asked.method == "POST"] == ["/evaluation/runs/estimate"], "nothing was begun yet"
    begun = await browser.post("/evaluation/new", data={**form, "do": "start"})
    assert begun.headers["location"] == f"/evaluation/runs/{ID}?done=started"
    assert json.loads(fakes.asked[-1].body) == {"cost": "2.00 USD", "text": "card: </textarea><b>mine"}
    await browser.post("/evaluation/new", data={**form, "do": "start", "run": ID})
    assert json.loads(fakes.asked[-1].body) == {"cost": "2.00 USD", "run": ID}


async def test_a_refusal_is_told_and_loses_nothing(fakes: Any) -> None:
    ready(fakes)
    error = {"code": "cap_needed", "message": "What the run may cost is not bounded.", "param": "cost"}
    fakes.replies["POST", "/evaluation/runs/estimate"] = (400, {"error": error})
    browser = await visitor(fakes, "admin")
    token = act_token((await browser.get("/evaluation/new?lang=en")).text)
    told = await browser.post("/evaluation/new", data={"form_token": token, "text": "card: mine", "cost": ""})
    assert (told.status_code, "not bounded" in told.text, "card: mine" in told.text) == (400, True, True)


STATES: dict[str, tuple[dict[str, Any], set[str], bool]] = {
    "waiting": ({"state": "waiting", "outcome": None, "done": 0}, {"Stop"}, True),
    "running": ({"state": "running", "outcome": None, "done": 1}, {"Stop"}, True),
    "stopping": ({"state": "running", "outcome": None, "done": 1, "stopping": True}, set(), True),
    "stopped": ({"state": "stopped", "outcome": "INCONCLUSIVE", "done": 1}, {"Go on", "Ask again what failed", "Run again", "Delete"}, False),
    "failed": ({"state": "failed", "outcome": None, "done": 0}, {"Go on", "Ask again what failed", "Run again", "Delete"}, False),
    "finished": ({"state": "finished"}, {"Ask again what failed", "Run again", "Delete"}, False),
    "of the command line": ({"state": "stopped", "outcome": None, "done": 1, "queued": False}, {"Run again", "Delete"}, False),
}


@pytest.mark.parametrize("state", STATES)
async def test_a_run_offers_what_its_state_allows(fakes: Any, state: str) -> None:
    changed, offered, is_followed = STATES[state]
    told = {"run": {**QUEUED, **changed}, "digests": {}, "metrics": [METRIC], "slices": [], "slice_names": []}
    fakes.replies["GET", f"/evaluation/runs/{ID}"] = (200, told)
    fakes.replies["GET", f"/evaluation/runs/{ID}/results"] = (200, {"results": [], "next": None})
    browser = await visitor(fakes, "admin")
    page = (await browser.get(f"/evaluation/runs/{ID}?lang=en")).text
    buttons = {"Stop", "Go on", "Ask again what failed", "Run again", "Delete"}
    assert {button for button in buttons if f">{button}<" in page} == offered
    assert ("every 2s" in page) is is_followed
    reader = await visitor(fakes, "auditor")
    page = (await reader.get(f"/evaluation/runs/{ID}?lang=en")).text
    assert {button for button in buttons if f">{button}<" in page} == set()


@pytest.mark.parametrize(("what", "done"), [("stop", "stopped"), ("resume", "resumed")])
async def test_a_run_is_stopped_and_goes_on(fakes: Any, what: str, done: str) -> None:
    ready(fakes)
    fakes.replies["POST", f"/evaluation/runs/{ID}/{what}"] = (200, QUEUED)
    browser = await visitor(fakes, "owner")
    token = act_token((await browser.get("/evaluation/new")).text)
    answer = await browser.post(f"/evaluation/runs/{ID}/{what}", data={"form_token": token, "retry": "yes"})
    assert answer.headers["location"] == f"/evaluation/runs/{ID}?done={done}"
    assert [json.loads(fakes.asked[-1].body)] == [{"retry_errors": True}] if what == "resume" else fakes.asked[-1].body == b""

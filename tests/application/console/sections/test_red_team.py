"""The red team's board in the console."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.application.console.sections.test_evaluation import ID, RUN
from tests.application.console.sections.test_evaluation_start import ESTIMATE
from tests.application.console.sections.test_sections import act_token, visitor

pytestmark = pytest.mark.anyio
OTHER = "0190f0c0-0000-7000-8000-000000000001"
BEFORE = {**RUN, "id": OTHER, "created_at": "2026-10-01T15:30:00Z"}
RATE = {"value": 0.25, "low": 0.1, "high": 0.4}
GROUP: dict[str, Any] = {
    "group": "jailbreak", "judged": 40, "failures": {"timeout": 2}, "refused": 0.7, "told": RATE, "corrected": None,
    "got_through": ["<i>dan.ko.plain"],
}  # fmt: skip
PLAN = {
    "assistant": "help",
    "at": "02:00",
    "categories": [],
    "languages": [],
    "mutators": [],
    "limit": 50,
    "cost": None,
    "currency": "USD",
    "next": "2026-11-02T18:00:00Z",
}
PATH = "/evaluation/red-team"


def ready(fakes: Any, *, runs: list[Any], is_worse: bool = True) -> None:
    fakes.replies["GET", "/assistants"] = (200, {"assistants": [{"name": "help"}]})
    fakes.replies["GET", "/evaluation/runs"] = (200, {"runs": runs, "next": None})
    fakes.replies["GET", f"{PATH}/plans"] = (200, {"plans": [PLAN]})
    fakes.replies["GET", f"{PATH}/runs/{ID}"] = (200, {"run": RUN, "groups": [GROUP, {**GROUP, "group": "all", "corrected": RATE}]})
    change = {"baseline": BEFORE, "candidate": RUN, "pairs": 40, "difference": RATE, "p": 0.01, "test": "", "is_worse": is_worse}
    fakes.replies["GET", f"{PATH}/runs/{ID}/changes"] = (200, {**change, "newly": ["a", "b"], "no_longer": []})


async def test_the_board_tells_what_got_through_and_whether_it_is_worse(fakes: Any) -> None:
    ready(fakes, runs=[RUN, BEFORE])
    browser = await visitor(fakes, "auditor")
    page = (await browser.get(f"{PATH}?lang=en")).text
    for words in ("Jailbreak", "25.0%", "10.0% – 40.0%", "&lt;i&gt;dan.ko.plain", "More gets through than before: 2 attacks", "+25.0%"):
        assert words in page, words
    assert "Attack help now" not in page, "who only reads attacks nothing"
    assert ("suite", "red-team help") in fakes.asked[1].query
    ready(fakes, runs=[RUN, BEFORE], is_worse=False)
    assert "Not surely worse than before." in (await browser.get(f"{PATH}?lang=en")).text
    ready(fakes, runs=[])
    page = (await browser.get(f"{PATH}?lang=en")).text
    assert "It was not attacked yet" in page
    assert "0.0%" not in page, "nothing that was not measured is a figure"


async def test_attacks_are_priced_begun_and_planned(fakes: Any) -> None:
    ready(fakes, runs=[])
    fakes.replies["POST", f"{PATH}/runs/estimate"] = (200, ESTIMATE)
    fakes.replies["POST", f"{PATH}/runs"] = (200, RUN)
    fakes.replies["PUT", f"{PATH}/plans/help"] = (200, PLAN)
    fakes.replies["DELETE", f"{PATH}/plans/help"] = (200, {"dropped": True})
    browser = await visitor(fakes, "owner")
    form = {"form_token": act_token((await browser.get(f"{PATH}?lang=en")).text), "assistant": "help", "limit": "40", "cost": "", "at": "03:15"}
    told = (await browser.post(PATH, data={**form, "do": "reckon"})).text
    assert "131 attacks, 131 questions, $0.01" in told
    assert 'value="40"' in told
    begun = await browser.post(PATH, data={**form, "do": "start", "cost": "1 USD"})
    assert begun.headers["location"] == f"/evaluation/runs/{ID}?done=started"
    assert json.loads(fakes.asked[-1].body) == {"assistant": "help", "limit": 40, "cost": "1 USD"}
    planned = await browser.post(PATH, data={**form, "do": "nightly"})
    assert planned.headers["location"] == f"{PATH}?done=planned"
    assert json.loads(fakes.asked[-1].body) == {"limit": 40, "at": "03:15"}
    dropped = await browser.post(f"{PATH}/plans/help/drop", data={"form_token": form["form_token"]})
    assert dropped.headers["location"] == f"{PATH}?done=dropped"

"""Two runs side by side, and an answer that is scored again, in the console."""

from __future__ import annotations

from typing import Any

import pytest

from tests.application.console.sections.test_evaluation import ID, RUN, result
from tests.application.console.sections.test_sections import act_token, visitor

pytestmark = pytest.mark.anyio
OTHER = "0190f0c0-0000-7000-8000-000000000001"
BEFORE = {**RUN, "id": OTHER, "created_at": "2026-10-01T15:30:00Z", "outcome": "PASS"}
COMPARED: dict[str, Any] = {
    "metric": "correct", "unit": "share", "better": "higher", "baseline": 0.8, "candidate": 0.5, "difference": -0.3, "low": -0.4, "high": -0.2,
    "pairs": 100, "of": 131, "won": 5, "lost": 35, "tied": 60, "p_adjusted": 0.001, "reason": "",
}  # fmt: skip
ANSWER = "0190f0c0-0000-7000-8000-000000000009"


async def test_runs_are_compared_with_the_one_before_and_answers_stand_side_by_side(fakes: Any) -> None:
    metrics = [COMPARED, {**COMPARED, "metric": "grounded", "p_adjusted": 0.4}, {**COMPARED, "metric": "new", "difference": None, "p_adjusted": None}]
    hidden = result(2, 0.0, withheld=True, question=None, answer=None, expected=None, case=None)
    cases = [
        {"case": "refund-1", "difference": -1.0, "baseline": result(1, 1.0, answer="five days"), "candidate": result(1, 0.0, answer="<b>never</b>")},
        {"case": None, "difference": -1.0, "baseline": hidden, "candidate": hidden},
    ]
    slices = [{"slice": "language", "value": "ko", "compared": {**COMPARED, "difference": 0.125, "p_adjusted": 0.01}}]
    told = {"baseline": BEFORE, "candidate": RUN, "metrics": metrics, "metric": "correct", "cases": cases, "slices": slices}
    told["slice_names"] = ["language", "<i>floor</i>"]
    fakes.replies["GET", f"/evaluation/runs/{ID}"] = (200, {"run": RUN, "digests": {}, "metrics": [], "slices": [], "slice_names": []})
    fakes.replies["GET", "/evaluation/runs"] = (200, {"runs": [RUN, BEFORE], "next": None})
    fakes.replies["GET", f"/evaluation/runs/{ID}/compare"] = (200, told)
    browser = await visitor(fakes, "auditor")
    page = (await browser.get(f"/evaluation/runs/{ID}/compare?lang=en&metric=correct")).text
    assert dict(fakes.asked[-1].query) == {"baseline": OTHER, "metric": "correct", "slice": "language"}
    assert "&lt;b&gt;never" in page
    assert "five days" in page
    assert "-30.0%" in page
    assert "No sure difference" in page
    assert page.count("another person’s name") == 2
    assert "+12.5%" in page and "Korean" in page and "&lt;i&gt;floor&lt;/i&gt;" in page
    await browser.get(f"/evaluation/runs/{ID}/compare?lang=en&by=kind")
    assert dict(fakes.asked[-1].query)["slice"] == "kind"


async def test_a_suite_that_was_run_once_has_nothing_to_compare(fakes: Any) -> None:
    fakes.replies["GET", f"/evaluation/runs/{ID}"] = (200, {"run": RUN, "digests": {}, "metrics": [], "slices": [], "slice_names": []})
    fakes.replies["GET", "/evaluation/runs"] = (200, {"runs": [RUN], "next": None})
    browser = await visitor(fakes, "auditor")
    assert "no other run of this suite" in (await browser.get(f"/evaluation/runs/{ID}/compare?lang=en")).text


async def test_an_answer_is_evaluated_again_by_whoever_may_see_it(fakes: Any) -> None:
    shown = {"id": ANSWER, "digest": "ab", "record": {}, "documents": [{"title": "<i>Refunds"}], "question": "How long?", "answer": "<b>Five"}
    fakes.replies["GET", f"/answers/{ANSWER}"] = (200, shown)
    ok = {"status": "ok", "reason": None, "details": None}
    scores = {
        "groundedness": {"value": 0.75, **ok},
        "refusal": {"value": 0.0, **ok},
        "cost": {"value": 1_500_000.0, **ok},
        "latency": {"value": 12.0, **ok},
    }
    scores["citation_recall"] = {"value": None, "status": "skipped", "reason": "no <citation>", "details": None}
    fakes.replies["POST", f"/answers/{ANSWER}/evaluate"] = (200, {"answer": ANSWER, "scores": scores})
    browser = await visitor(fakes, "member")
    page = (await browser.get(f"/answers/{ANSWER}/evaluation?lang=en")).text
    assert "Not evaluated yet" in page
    assert "&lt;b&gt;Five" in page
    assert f"/requests/{ANSWER}" not in page, "a member has no log of requests"
    assert all(asked.method == "GET" for asked in fakes.asked), "looking at it is no evaluation"
    page = (await browser.post(f"/answers/{ANSWER}/evaluation", data={"form_token": act_token(page)})).text
    assert "75.0%" in page
    assert "$0.001500" in page
    assert "12 ms" in page
    assert "no &lt;citation&gt;" in page
    assert "does not apply" in page

"""Evaluation in the console."""

from __future__ import annotations

from typing import Any

import pytest

from tests.application.console.sections.test_sections import visitor

pytestmark = pytest.mark.anyio
ID = "0190f0c0-0000-7000-8000-000000000003"
RUN: dict[str, Any] = {
    "id": ID, "suite": "demo", "suite_digest": "ab", "target": "assistant/help", "state": "finished", "outcome": "FAIL", "reasons": ["<i>low</i>"],
    "cases": 2, "repeats": 1, "done": 2, "total": 2, "created_by": None, "created_at": "2026-11-01T15:30:00Z", "ended_at": None,
    "queued": False, "stopping": False,
}  # fmt: skip
METRIC: dict[str, Any] = {
    "metric": "correct", "type": "contains_all", "unit": "share", "better": "higher", "hard_zero": False, "value": 0.5, "low": 0.1, "high": 0.9,
    "n_ok": 2, "n_total": 3, "failures": {"timeout": 1},
}  # fmt: skip


def result(place: int, value: float | None, **changes: Any) -> dict[str, Any]:
    score = {"value": value, "status": "ok" if value is not None else "timeout", "reason": None}
    told: dict[str, Any] = {
        "case": f"case-{place}",
        "slices": {"language": "ko"},
        "question": f"question {place}",
        "expected": [],
        "answer": "<script>",
        "error": None,
    }
    base = {"place": place, "repeat": 0, "withheld": False, "erased": False, "status": "ok", "scores": {"correct": score}, "latency_ms": 5.0}
    return {**base, "cost_nano": 0, "currency": "USD", **told, **changes}


async def test_a_run_is_told_with_its_intervals_and_its_worst_cases_first(fakes: Any) -> None:
    slices = [{"slice": "language", "value": "ko", "metrics": [METRIC]}]
    reasons = ["<i>low</i>", "correct is 0.5; at least 0.9 is wanted."]
    told = {"run": {**RUN, "reasons": reasons}, "digests": {"data": "cd"}, "metrics": [METRIC], "slices": slices, "slice_names": ["language", "kind"]}
    fakes.replies["GET", f"/evaluation/runs/{ID}"] = (200, told)
    results = [result(0, 1.0), result(1, 0.0), result(2, None), result(3, 0.5, withheld=True, question="secret question")]
    fakes.replies["GET", f"/evaluation/runs/{ID}/results"] = (200, {"results": results, "next": None})
    browser = await visitor(fakes, "auditor")
    page = (await browser.get(f"/evaluation/runs/{ID}?lang=en")).text
    assert "10.0% – 90.0%" in page and "2 / 3" in page and "&lt;i&gt;low" in page and "&lt;script&gt;" in page
    assert [page.index(f"case-{place}") for place in (1, 2, 3, 0)] == sorted(page.index(f"case-{place}") for place in range(4))
    assert "secret question" not in page
    assert "at least 0.9 is wanted" in page and "by=kind" in page and "Korean" in page
    page = (await browser.get(f"/evaluation/runs/{ID}?lang=ko&by=kind")).text
    assert "correct: 0.5입니다. 기준은 0.9 이상입니다." in page and "at least 0.9" not in page and "종류" in page
    assert [asked.query for asked in fakes.asked if asked.path == f"/evaluation/runs/{ID}"][-1] == (("slice", "kind"),)


async def test_runs_golden_sets_and_nights_are_listed(fakes: Any) -> None:
    fakes.replies["GET", "/evaluation/runs"] = (200, {"runs": [RUN, {**RUN, "outcome": None, "state": "running"}], "next": None})
    golden = {"name": "help-ko", "split": "test", "version": 2, "items": 131, "expires_at": None}
    fakes.replies["GET", "/evaluation/golden-sets"] = (200, {"sets": [golden]})
    versions = [{"number": 2, "items": 131, "root": "ab" * 32, "created_at": "2026-11-01T15:30:00Z"}]
    fakes.replies["GET", "/evaluation/golden-sets/help-ko"] = (200, {"golden": golden, "versions": versions})
    fakes.replies["GET", "/evaluation/golden-sets/help-ko/stale"] = (200, {"version": 2, "stale": {"refund-1": "changed"}})
    plan = {"assistant": "help", "suite": "demo", "at": "03:00", "policy": "rollback", "next": "2026-11-02T18:00:00Z"}
    fakes.replies["GET", "/evaluation/nightly"] = (200, {"plans": [plan]})
    browser = await visitor(fakes, "admin")
    assert "Failed" in (await browser.get("/evaluation?lang=en")).text
    assert "131" in (await browser.get("/evaluation/golden")).text
    page = (await browser.get("/evaluation/golden/help-ko")).text
    assert "refund-1" in page and "131" in page
    assert "rollback" in (await browser.get("/evaluation/nights")).text

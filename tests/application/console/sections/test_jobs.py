"""Background jobs in the console."""

from __future__ import annotations

from typing import Any

import pytest

from tests.application.console.sections.test_sections import act_token, visitor

pytestmark = pytest.mark.anyio
JOB: dict[str, Any] = {
    "id": 7, "task": "index_care", "state": "failed", "attempts": 1, "is_own": False, "queued_at": "2026-11-01T15:30:00Z",
    "started_at": "2026-11-01T15:30:01Z", "ended_at": "2026-11-01T15:30:02Z",
}  # fmt: skip
SCHEDULE = {"task": "nightly_care", "cron": "17 18 * * *", "last_at": None, "next_at": "2026-11-01T18:17:00Z"}


def listed(fakes: Any, *jobs: dict[str, Any]) -> None:
    fakes.replies["GET", "/jobs"] = (200, {"jobs": list(jobs), "next": 7})
    fakes.replies["GET", "/jobs/schedules"] = (200, {"schedules": [SCHEDULE]})


async def test_jobs_and_schedules_are_told_in_words(fakes: Any) -> None:
    listed(fakes, JOB, {**JOB, "task": "<b>", "state": "waiting"})
    browser = await visitor(fakes, "owner")
    page = (await browser.get("/jobs?lang=en")).text
    assert "Build and merge indexes" in page and "&lt;b&gt;" in page and "Of the installation" in page
    assert "2 Nov 2026, 03:17" in page and "Not yet" in page and "before=7" in page
    assert 'action="/jobs/7/retry"' in page and 'action="/jobs/7/cancel"' in page
    auditors = (await (await visitor(fakes, "auditor")).get("/jobs")).text
    assert "/jobs/7/retry" not in auditors and "/jobs/7/cancel" not in auditors


async def test_the_rows_alone_are_renewed(fakes: Any) -> None:
    listed(fakes, JOB)
    browser = await visitor(fakes, "owner")
    rows = (await browser.get("/jobs?state=failed&lang=en", headers={"hx-request": "true"})).text
    assert rows.lstrip().startswith('<div id="rows"') and "nightly_care" not in rows
    assert ("state", "failed") in fakes.asked[-1].query


async def test_a_failed_job_is_queued_again_and_a_refusal_is_told(fakes: Any) -> None:
    listed(fakes, JOB, {**JOB, "id": 8, "state": "waiting"})
    fakes.replies["POST", "/jobs/7/retry"] = (200, JOB)
    fakes.replies["POST", "/jobs/8/cancel"] = (409, {"error": {"code": "job_not_waiting", "message": "It <began>.", "param": None}})
    browser = await visitor(fakes, "admin")
    token = act_token((await browser.get("/jobs")).text)
    assert (await browser.post("/jobs/7/retry", data={"form_token": token})).headers["location"] == "/jobs?done=retried"
    refused = await browser.post("/jobs/8/cancel", data={"form_token": token})
    assert refused.status_code == 409 and "It &lt;began&gt;." in refused.text

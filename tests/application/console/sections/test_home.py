"""The overview and requests for access in the console."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.application.console.sections.test_sections import act_token, visitor

pytestmark = pytest.mark.anyio
ID = "0190f0c0-0000-7000-8000-000000000003"
LEVEL: dict[str, Any] = {
    "at": None, "requests": 10, "failed": 2, "server_errors": 1, "retried": 0, "guarded": 3, "blocked": 1, "input_tokens": 100, "cached_tokens": 50,
    "output_tokens": 10, "availability": 0.9, "p50_us": 100_000.0, "p95_us": 9_000_000.0, "p99_us": None, "first_token_p50_us": None,
    "first_token_p95_us": None,
}  # fmt: skip
WISH: dict[str, Any] = {
    "id": ID, "answer": ID, "person": ID, "login": "bada", "question": "<b>why</b>", "note": "", "state": "open", "decided_by": None,
    "decided_at": None, "created_at": "2026-11-01T15:30:00Z",
}  # fmt: skip


async def test_the_overview_tells_what_is_wrong_and_what_waits(fakes: Any) -> None:
    fakes.replies["GET", "/service-levels"] = (200, {"whole": LEVEL, "steps": []})
    fakes.replies["GET", "/usage"] = (200, {"lines": [], "totals": [], "next": None})
    budget = {"id": ID, "name": "month", "currency": "KRW"}
    fakes.replies["GET", "/budgets"] = (200, {"budgets": [budget], "next": None})
    fakes.replies["GET", f"/budgets/{ID}/windows"] = (200, {"windows": [{"amount": "1000", "spent": "250", "remaining": "750"}]})
    fakes.replies["GET", "/guard/incidents"] = (200, {"incidents": [{}, {}], "next": None})
    fakes.replies["GET", "/guard/approvals"] = (200, {"approvals": [], "next": None})
    counts = {"answers": 8, "answered": 5, "refused": 2, "failed": 1, "sentences": 10, "supported": 9, "grounded": 0.9}
    fakes.replies["GET", "/answers/levels"] = (200, counts)
    event = {"id": ID, "kind": "release.activated", "actor": "<b>bada", "created_at": "2026-11-01T15:30:00Z"}
    fakes.replies["GET", "/ledger/events"] = (200, {"events": [event], "next": None, "since": None})
    browser = await visitor(fakes, "auditor")
    page = (await browser.get("/home?lang=en")).text
    assert f'<a href="/audit/{ID}">' in page and "&lt;b&gt;bada" in page
    assert "90.00%" in page and "25.0%" in page and "2 guard incidents are open." in page
    assert page.count('class="tile bad"') == 2, "availability and the slow answers"
    assert not [asked for asked in fakes.asked if asked.path == "/access-requests"], "an auditor may not read them"


async def test_access_is_granted_by_groups_and_refused(fakes: Any) -> None:
    fakes.replies["GET", "/access-requests"] = (200, {"requests": [WISH], "next": None})
    fakes.replies["POST", f"/access-requests/{ID}/grant"] = (200, {"decided": True})
    fakes.replies["POST", f"/access-requests/{ID}/refuse"] = (200, {"decided": True})
    browser = await visitor(fakes, "admin")
    page = (await browser.get("/access-requests")).text
    assert "&lt;b&gt;why" in page
    token = act_token(page)
    granted = await browser.post(f"/access-requests/{ID}/grant", data={"form_token": token, "groups": "support, "})
    assert granted.headers["location"] == "/access-requests?done=granted"
    assert json.loads(fakes.asked[-1].body) == {"groups": ["support"]}
    assert (await browser.post(f"/access-requests/{ID}/refuse", data={"form_token": token})).status_code == 303
    assert (await (await visitor(fakes, "auditor")).get("/access-requests")).status_code == 403

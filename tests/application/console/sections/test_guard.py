"""The guard in the console."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.application.console.sections.test_sections import act_token, visitor

pytestmark = pytest.mark.anyio
ID = "0190f0c0-0000-7000-8000-000000000003"
INCIDENT = {
    "id": ID, "kind": "blocked", "state": "open", "stage": "input", "policy_digest": "ab", "rules": ["personal.kr_resident_number"],
    "api_key_id": None, "person_id": None, "request_id": ID, "sample": "<script>x</script> [KR_RESIDENT_NUMBER_1]", "count": 3,
    "opened_at": "2026-11-01T15:30:00Z", "last_at": "2026-11-01T15:40:00Z", "proposal": None, "effect": None, "closed_by": None, "closed_at": None,
    "note": "",
}  # fmt: skip
APPROVAL = {
    "id": ID, "state": "pending", "tool": "refund", "arguments": None, "reasons": ["amount"], "role": "admin", "policy_digest": "ab", "asked_by": ID,
    "api_key_id": None, "request_id": None, "incident_id": None, "asked_at": "2026-11-01T15:30:00Z", "expires_at": "2026-11-01T16:30:00Z",
    "decided_by": None, "decided_at": None, "note": "", "used_at": None,
}  # fmt: skip
POLICY = {"name": "house", "version": 2, "digest": "ab" * 32, "policy": {"name": "house", "rules": [{"find": "personal", "do": "mask"}]}}


async def test_an_incident_is_shown_as_text_and_closed_with_a_note(fakes: Any) -> None:
    fakes.replies["GET", f"/guard/incidents/{ID}"] = (200, INCIDENT)
    fakes.replies["POST", f"/guard/incidents/{ID}/close"] = (200, INCIDENT)
    browser = await visitor(fakes, "admin")
    page = (await browser.get(f"/guard/incidents/{ID}")).text
    assert "&lt;script&gt;" in page and f"/requests/{ID}" in page
    answer = await browser.post(f"/guard/incidents/{ID}/close", data={"form_token": act_token(page), "note": "mended"})
    assert answer.headers["location"] == "/guard/incidents?done=closed"
    assert json.loads(fakes.asked[-1].body) == {"note": "mended"}
    assert "/close" not in (await (await visitor(fakes, "auditor")).get(f"/guard/incidents/{ID}")).text


async def test_an_approval_is_given_by_whom_the_api_lets(fakes: Any) -> None:
    fakes.replies["GET", f"/guard/approvals/{ID}"] = (200, APPROVAL)
    own = {"error": {"code": "own_approval", "message": "Somebody else must approve what you asked for.", "param": None}}
    fakes.replies["POST", f"/guard/approvals/{ID}/approve"] = (403, own)
    fakes.replies["POST", f"/guard/approvals/{ID}/deny"] = (200, APPROVAL)
    browser = await visitor(fakes, "owner")
    token = act_token((await browser.get(f"/guard/approvals/{ID}")).text)
    refused = await browser.post(f"/guard/approvals/{ID}/approve", data={"form_token": token})
    assert refused.status_code == 403 and "Somebody else must approve" in refused.text
    assert (await browser.post(f"/guard/approvals/{ID}/deny", data={"form_token": token})).status_code == 303


async def test_a_policy_is_tried_before_it_is_kept(fakes: Any) -> None:
    fakes.replies["GET", "/guard/policies/house"] = (200, POLICY)
    change = {"rule": "personal.email", "before": "allow", "after": "mask", "count": 2, "examples": []}
    fakes.replies["POST", "/guard/dry-run"] = (200, {"texts": 10, "changed": 2, "before": {}, "after": {}, "changes": [change]})
    fakes.replies["PUT", "/guard/policies/house"] = (200, {**POLICY, "new": True})
    browser = await visitor(fakes, "owner")
    page = (await browser.get("/guard/policies/house?lang=en")).text
    assert "do: mask" in page
    form = {"form_token": act_token(page), "text": "rules:\n- {find: personal, do: block}\n"}
    tried = await browser.post("/guard/policies/house", data={**form, "do": "try"})
    assert "2 of 10 texts" in tried.text and "do: block" in tried.text and "personal.email" in tried.text
    assert (await browser.post("/guard/policies/house", data={**form, "do": "keep"})).headers["location"] == "/guard/policies?done=kept"
    assert json.loads(fakes.asked[-1].body) == {"rules": [{"find": "personal", "do": "block"}], "name": "house"}


@pytest.mark.parametrize("text", ["rules: [", "- a list", "!!python/object/apply:os.system ['true']"])
async def test_what_is_no_policy_is_told_and_stays_in_the_field(fakes: Any, text: str) -> None:
    fakes.replies["GET", "/guard/policies/house"] = (200, POLICY)
    browser = await visitor(fakes, "owner")
    token = act_token((await browser.get("/guard/policies/house")).text)
    answer = await browser.post("/guard/policies/house", data={"form_token": token, "text": text, "do": "keep"})
    assert answer.status_code == 400 and text.split("'", maxsplit=1)[0] in answer.text.replace("&#39;", "'")
    assert not [asked for asked in fakes.asked if asked.method == "PUT"]


async def test_a_text_is_looked_at_and_shown_as_text(fakes: Any) -> None:
    finding = {"check": "personal", "rule": "email", "entity": "EMAIL", "start": 0, "end": 3, "confidence": 1.0, "reason": "", "action": "mask"}
    fakes.replies["POST", "/guard/check"] = (200, {"policies": ["built-in"], "decision": "mask", "findings": [finding], "text": "[EMAIL_1]"})
    browser = await visitor(fakes, "owner")
    token = act_token((await browser.get("/guard/try")).text)
    answer = await browser.post("/guard/try", data={"form_token": token, "text": "<b>a@b.example", "stage": "input"})
    assert "[EMAIL_1]" in answer.text and "<td>&lt;b&gt;</td>" in answer.text

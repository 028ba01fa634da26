"""Erasures in the console: what would go is counted first, progress is followed, and a receipt is read, checked and taken along."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.application.console.sections.test_sections import act_token, visitor

pytestmark = pytest.mark.anyio
ID, TARGET = "0190f0c0-0000-7000-8000-000000000003", "0190f0c0-0000-7000-8000-000000000004"
OUTLOOK: dict[str, Any] = {
    "kind": "document", "target": TARGET, "documents": 0,
    "stores": [
        {"name": "index", "store": "lance", "method": "rewritten_without_it", "found": 3},
        {"name": "answers", "store": "postgres", "method": "emptied", "found": 0},
        {"name": "a_new_room", "store": "postgres", "method": "shredded", "found": 2},
    ],
}  # fmt: skip
STEP = {"name": "index", "found": 3, "before": 12, "after": 0, "erased_at": "2026-11-01T15:31:00Z"}
RECEIPT: dict[str, Any] = {
    "version": 1, "asked_by": TARGET, "hidden_at": "2026-11-01T15:30:00Z", "proved_at": "2026-11-01T15:32:00Z",
    "stores": [{"store": "lance", "name": "index", "method": "rewritten_without_it", "found": 3, "probe_before": 12, "probe_after": 0}],
    "memory": {"told": True, "seconds_max": 60}, "backups": {"keyring_backup_days": 7, "ends_at": "2026-11-08T15:32:00Z"},
    "remains": ["ids", "tombstone"], "lineage": {"reached": 5, "complete": True},
}  # fmt: skip
ERASURE: dict[str, Any] = {
    "id": ID, "kind": "document", "target": TARGET, "state": "proved", "reason": "ticket-4711", "replayed": False, "failure": "",
    "hidden_at": "2026-11-01T15:30:00Z", "proved_at": "2026-11-01T15:32:00Z", "steps": [STEP], "receipt": RECEIPT, "digest": "ab" * 32,
    "signature": "cd" * 32, "signer": "key-1",
}  # fmt: skip


async def test_what_would_go_is_counted_before_it_goes(fakes: Any) -> None:
    fakes.replies["GET", "/bases"] = (200, {"bases": [{"name": "base"}]})
    fakes.replies["POST", "/erasures/documents/preview"] = (200, OUTLOOK)
    fakes.replies["POST", "/erasures/documents"] = (200, ERASURE)
    browser = await visitor(fakes, "owner")
    page = (await browser.get("/erasures/new?lang=en")).text
    fields = {"form_token": act_token(page), "kind": "document", "base": "base", "document": " light "}
    counted = (await browser.post("/erasures/new", data=fields)).text
    assert "Rewritten without it" in counted and "a_new_room" in counted and "Answers" not in counted
    assert "cannot be brought back" in counted and 'value=" light "' in counted
    assert [asked.path for asked in fakes.asked if asked.method == "POST"] == ["/erasures/documents/preview"], "a look erased something"
    done = await browser.post("/erasures/new", data={**fields, "do": "erase", "reason": "ticket-4711"})
    assert done.headers["location"] == f"/erasures/{ID}?done=begun"
    assert json.loads(fakes.asked[-1].body) == {"base": "base", "document": "light", "reason": "ticket-4711"}


async def test_a_person_is_erased_with_the_documents_that_were_seen(fakes: Any) -> None:
    fakes.replies["GET", "/bases"] = (200, {"bases": []})
    fakes.replies["POST", "/erasures/subjects/preview"] = (200, {**OUTLOOK, "kind": "subject", "documents": 4})
    fakes.replies["POST", "/erasures/subjects"] = (400, {"error": {"code": "bad_reason", "message": "The reason is no <word>.", "param": "reason"}})
    browser = await visitor(fakes, "owner")
    fields = {
        "form_token": act_token((await browser.get("/erasures/new")).text),
        "kind": "subject",
        "login": "kim",
        "identifiers": "010-1\r\n\r\nkim@x ",
    }
    page = (await browser.post("/erasures/new?lang=en", data=fields)).text
    assert "4 documents speak of this person" in page
    refused = await browser.post("/erasures/new", data={**fields, "do": "erase", "with_documents": "on", "reason": "he asked"})
    sent = json.loads(next(asked for asked in fakes.asked if asked.path == "/erasures/subjects").body)
    assert sent == {"login": "kim", "identifiers": ["010-1", "kim@x"], "with_documents": True, "reason": "he asked"}
    assert refused.status_code == 400 and "no &lt;word&gt;" in refused.text and 'value="kim"' in refused.text and "kim@x" in refused.text


async def test_a_document_s_page_leads_to_what_would_go(fakes: Any) -> None:
    fakes.replies["GET", "/bases"] = (200, {"bases": [{"name": "base"}]})
    fakes.replies["POST", "/erasures/documents/preview"] = (200, OUTLOOK)
    browser = await visitor(fakes, "owner")
    page = (await browser.get(f"/erasures/new?base=base&document={TARGET}&lang=en")).text
    assert "This will go" in page
    fakes.replies["POST", "/erasures/documents/preview"] = (404, {"error": {"code": "document_not_found", "message": "No such.", "param": None}})
    assert (await browser.get("/erasures/new?base=base&document=gone")).status_code == 404
    auditor = await visitor(fakes, "auditor")
    assert (await auditor.get("/erasures/new")).status_code == 403


async def test_progress_is_followed_until_there_is_a_receipt(fakes: Any) -> None:
    running = {**ERASURE, "state": "running", "receipt": None, "steps": [STEP, {**STEP, "name": "key", "after": None}]}
    fakes.replies["GET", f"/erasures/{ID}"] = (200, running)
    browser = await visitor(fakes, "auditor")
    page = (await browser.get(f"/erasures/{ID}?lang=en")).text
    assert "1 of 2 stores" in page and 'hx-trigger="every' in page and "/verify" not in page
    fakes.replies["GET", f"/erasures/{ID}"] = (200, {**running, "state": "failed", "failure": "remains.index"})
    failed = (await browser.get(f"/erasures/{ID}?lang=en")).text
    assert "remains.index" in failed and 'hx-trigger="every' not in failed
    fakes.replies["GET", f"/erasures/{ID}"] = (200, ERASURE)
    proved = (await browser.get(f"/erasures/{ID}?lang=en")).text
    assert "9 Nov 2026, 00:32 (after 7 days)" in proved and 'hx-trigger="every' not in proved and "ab" * 32 in proved


async def test_a_receipt_is_checked_in_the_page_and_taken_along(fakes: Any) -> None:
    fakes.replies["GET", f"/erasures/{ID}"] = (200, ERASURE)
    fakes.replies["POST", f"/erasures/{ID}/verify"] = (200, {"holds": False, "signature": True, "event": True, "found_again": {"index": 2, "key": 0}})
    browser = await visitor(fakes, "auditor")
    token = act_token((await browser.get(f"/erasures/{ID}")).text)
    page = (await browser.post(f"/erasures/{ID}/verify?lang=en", data={"form_token": token})).text
    assert "does not hold" in page and "Index 2" in page and "Data key 0" not in page
    file = await browser.get(f"/erasures/{ID}/receipt")
    assert file.headers["content-disposition"] == f'attachment; filename="erasure-{ID}.json"'
    assert file.json() == {name: ERASURE[name] for name in ("receipt", "digest", "signature", "signer")}


async def test_the_list_goes_on_behind_its_last_row(fakes: Any) -> None:
    rows = [{**ERASURE, "receipt": None, "steps": []}] * 50
    fakes.replies["GET", "/erasures"] = (200, {"erasures": rows})
    browser = await visitor(fakes, "auditor")
    page = (await browser.get("/erasures")).text
    assert f"before={ID}" in page and "/erasures/new" not in page
